// CREATE TABLE that finds another one, tables that a crash empties, rules.
#include "pg/postgres.hpp"

#include "inspect/notes.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// serial and its like are no types; the existing column has an integer.
Oid type_of(const ColumnDef *column)
{
    const char *name = list_length(column->typeName->names) == 1 ? strVal(linitial(column->typeName->names)) : "";

    if (strstr(name, "serial") == name || strstr(name, "smallserial") == name || strstr(name, "bigserial") == name) {
        return InvalidOid;
    }
    return LookupTypeNameOid(nullptr, column->typeName, true);
}

// CREATE TABLE IF NOT EXISTS over a table that lacks one of its columns, or has it with another type.
void note_mismatch(Case &c, const CreateStmt *stmt)
{
    core::List<std::string_view> missing(c.arena);
    ListCell *cell = nullptr;
    Look look;

    if (!c.asks(core::Rule::IfNotExistsMismatch) || !look_at(c, stmt->relation, &look) || look.hidden) {
        return;
    }
    foreach (cell, stmt->tableElts) {
        if (!IsA(lfirst(cell), ColumnDef)) {
            continue;
        }
        const auto *column = lfirst_node(ColumnDef, cell);
        const AttrNumber number = column->typeName == nullptr ? 0 : get_attnum(look.oid, column->colname);
        if (column->typeName == nullptr || (number == InvalidAttrNumber && column->typeName == nullptr)) {
            continue;
        }
        if (number == InvalidAttrNumber) {
            missing.push(c.concat({"no ", quoted(c, column->colname)}));
            continue;
        }
        const Oid type = type_of(column);
        if (OidIsValid(type) && type != get_atttype(look.oid, number)) {
            missing.push(c.concat({quoted(c, column->colname), " is ", format_type_be(get_atttype(look.oid, number)),
                                   " there, not ", format_type_be(type)}));
        }
    }
    if (!missing.empty()) {
        note(c, core::Rule::IfNotExistsMismatch, &look.relation,
             core::listed(c.arena, c.concat({look.relation.name, ": "}), missing, missing.count), "");
    }
}

} // namespace

void note_create_table(Case &c, const CreateStmt *stmt)
{
    if (stmt->if_not_exists && OidIsValid(RangeVarGetRelid(stmt->relation, NoLock, true))) {
        note_mismatch(c, stmt);
        return;
    }
    note_unlogged(c, stmt->relation);
}

void note_unlogged(Case &c, const RangeVar *table)
{
    if (table != nullptr && table->relpersistence == RELPERSISTENCE_UNLOGGED && c.asks(core::Rule::UnloggedTable) &&
        !OidIsValid(RangeVarGetRelid(table, NoLock, true))) {
        note(c, core::Rule::UnloggedTable, nullptr,
             c.concat({quote_qualified_identifier(table->schemaname, table->relname), "."}),
             core::reviewed(c.arena, c.text, core::kLossIsFine));
    }
}

void note_rule(Case &c, const RuleStmt *stmt)
{
    Look look;

    // Of a view it makes writes possible that had no meaning before.
    if (look_at(c, stmt->relation, &look) && !look.hidden && !look.catalog && look.owned &&
        look.relkind != RELKIND_VIEW) {
        note(c, core::Rule::CreateRule, &look.relation, "", core::reviewed(c.arena, c.text, core::kRulesReviewed));
    }
}

} // namespace zdm::inspect
