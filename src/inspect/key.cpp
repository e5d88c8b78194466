// ADD UNIQUE and ADD PRIMARY KEY.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

std::string_view key_clauses(Case &c, const Constraint *constraint, const core::Part *part)
{
    core::Text sql(c.arena);
    ListCell *cell = nullptr;

    sql << "(";
    for (std::uint32_t i = 0; i < part->columns.count; i++) {
        sql << (i == 0 ? "" : ", ") << part->columns[i];
    }
    sql << ")";
    if (constraint->including != NIL) {
        sql << " INCLUDE (";
        foreach (cell, constraint->including) {
            sql << (foreach_current_index(cell) == 0 ? "" : ", ") << quote_identifier(strVal(lfirst(cell)));
        }
        sql << ")";
    }
    if (constraint->nulls_not_distinct) {
        sql << " NULLS NOT DISTINCT";
    }
    if (constraint->options != NIL) {
        sql << " WITH (";
        foreach (cell, constraint->options) {
            auto *option = lfirst_node(DefElem, cell);
            sql << (foreach_current_index(cell) == 0 ? "" : ", ") << quote_identifier(option->defname) << " = "
                << quote_literal_cstr(defGetString(option));
        }
        sql << ")";
    }
    if (constraint->indexspace != nullptr) {
        sql << " TABLESPACE " << quote_identifier(constraint->indexspace);
    }
    return sql.str();
}

// Columns of a key that are not NOT NULL yet. False if one does not exist, or PostgreSQL will refuse the key.
bool nullable_columns(Case &c, Relation rel, List *keys, bool primary, core::Part *part)
{
    ListCell *cell = nullptr;

    foreach (cell, keys) {
        const AttrNumber attnum = column_number(rel, strVal(lfirst(cell)));
        if (attnum <= 0 || (primary && pg::is_not_null_unproven(rel, attnum))) {
            return false;
        }
        if (!pg::is_not_null(rel, attnum)) {
            part->nullable.push(quoted(c, strVal(lfirst(cell))));
        }
    }
    return true;
}

bool all_proven(Relation rel, Case &c, const core::Part *part)
{
    for (const std::string_view column : part->nullable) {
        const AttrNumber attnum = column_number(rel, pg::cstring(core::unquoted(c.arena, column)));
        if (!proven_not_null(rel, attnum)) {
            return false;
        }
    }
    return true;
}

// The index behind the constraint, as a statement.
IndexStmt *index_of(Case &c, const Look &look, const Constraint *constraint, List *columns)
{
    IndexStmt *stmt = makeNode(IndexStmt);
    const int keys = list_length(constraint->keys);

    stmt->relation = makeRangeVar(pg::cstring(look.relation.schema), pg::cstring(look.relation.bare), -1);
    stmt->accessMethod = pstrdup("btree");
    stmt->indexParams = list_truncate(list_copy(columns), keys);
    for (int i = keys; i < list_length(columns); i++) {
        stmt->indexIncludingParams = lappend(stmt->indexIncludingParams, list_nth(columns, i));
    }
    stmt->options = constraint->options;
    stmt->unique = true;
    stmt->nulls_not_distinct = constraint->nulls_not_distinct;
    return stmt;
}

} // namespace

void add_key_using_index(Case &c, Relation rel, const Look &look, const Constraint *constraint, core::Part *part)
{
    const Oid index = get_relname_relid(constraint->indexname, RelationGetNamespace(rel));
    List *keys = NIL;

    if (constraint->contype != CONSTR_PRIMARY || !OidIsValid(index) || get_rel_relkind(index) != RELKIND_INDEX ||
        IndexGetRelation(index, true) != RelationGetRelid(rel)) {
        return;
    }
    with_relation(c, index, [&](Relation rel_index) {
        for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(rel_index); i++) {
            if (rel_index->rd_index->indkey.values[i] > 0) {
                keys = lappend(keys, makeString(pstrdup(column_name(rel, rel_index->rd_index->indkey.values[i]))));
            }
        }
    });
    if (!nullable_columns(c, rel, keys, true, part) || part->nullable.empty() || all_proven(rel, c, part)) {
        return;
    }
    name_proof(c, rel, look, part);
    part->form = core::Form::AddPrimaryKey;
    part->rule = core::Rule::AddPkUsingIndexNullable;
    part->work = core::Work::Scan;
    part->probe = may_select(look.oid);
    part->hazard = true;
    part->rewritable = true;
}

void add_key(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part)
{
    const bool primary = constraint->contype == CONSTR_PRIMARY;
    ListCell *cell = nullptr;
    List *columns = NIL;

    if (primary && OidIsValid(pg::primary_key_of(rel))) {
        return; // PostgreSQL refuses a second one
    }
    foreach (cell, constraint->keys) {
        IndexElem *key = makeNode(IndexElem);
        key->name = strVal(lfirst(cell));
        columns = lappend(columns, key);
        part->columns.push(quoted(c, key->name));
        part->key_names.push(part->columns[part->columns.count - 1]);
    }
    foreach (cell, constraint->including) {
        IndexElem *key = makeNode(IndexElem);
        key->name = strVal(lfirst(cell));
        columns = lappend(columns, key);
    }
    if (!nullable_columns(c, rel, constraint->keys, primary, part)) {
        return;
    }
    if (!primary || all_proven(rel, c, part)) {
        part->nullable.count = 0;
    }
    if (!part->nullable.empty()) {
        name_proof(c, rel, look, part);
    }
    name_it(c, part, constraint->conname,
            constraint->conname != nullptr
                ? nullptr
                : choose_index_name(RelationGetRelationName(rel), RelationGetNamespace(rel), primary ? NIL : columns,
                                    primary ? "pkey" : "key", true));
    const Oid taken = get_relname_relid(pg::cstring(part->label), RelationGetNamespace(rel));
    if (OidIsValid(taken) && !is_leftover(c, taken, look, index_of(c, look, constraint, columns))) {
        return; // PostgreSQL's own error
    }
    part->qualified = pg::keep(
        c.arena, quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), pg::cstring(part->label)));
    part->leftover = OidIsValid(taken) ? part->qualified : "";
    part->form = primary ? core::Form::AddPrimaryKey : core::Form::AddUnique;
    part->rule = primary ? core::Rule::AddPkBlocking : core::Rule::AddUniqueBlocking;
    part->work = core::Work::IndexBuild;
    part->definition = key_clauses(c, constraint, part);
    part->nulls_equal = constraint->nulls_not_distinct;
    part->probe = owner_may_select(look.oid);
    part->hazard = true;
    part->rewritable = true;
    if (constraint->deferrable) {
        part->rewritable = false;
        part->reason = "A prebuilt index would enforce a DEFERRABLE constraint at once.";
        part->hint =
            c.concat({"Add it without DEFERRABLE, or in a maintenance window with SET zdm.safety_assured = on"});
    } else if (look.relkind == RELKIND_PARTITIONED_TABLE) {
        part->rewritable = false;
        part->reason = "A partitioned table cannot use a prebuilt index.";
        part->hint =
            c.concat({"CREATE UNIQUE INDEX ", part->name, " ON ONLY ", look.relation.name, " ", part->definition,
                      "; then, for each partition, CREATE UNIQUE INDEX CONCURRENTLY and ALTER INDEX ", part->qualified,
                      " ATTACH PARTITION"});
    }
}

} // namespace zdm::inspect
