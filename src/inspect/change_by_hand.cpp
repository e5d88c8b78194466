// Expand, fill, contract: what a person can paste where the server would have to rewrite the table.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/tokens.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

struct Names {
    std::string_view now;   // quoted, like all here
    std::string_view fresh; // of the column beside it
    std::string_view old;   // of the old one, after the exchange
    std::string_view function;
    std::string_view trigger;
};

// What stands on the column, as far as it can be made anew beside the old one.
struct Around {
    core::Text indexes;     // to build
    core::Text index_names; // to be exchanged after the old column has gone
    core::Text checks;      // in the exchange
    core::Text validate;
    bool possible = true;
};

Names names_for(Case &c, const Look &look, const char *column, const char *fresh, const char *what)
{
    const char *trigger = makeObjectName(pg::cstring(look.relation.bare), column, what);
    return {quoted(c, column), quoted(c, fresh), quoted(c, psprintf("%s__old", column)),
            pg::keep(c.arena, quote_qualified_identifier(get_namespace_name(look.schema), trigger)),
            quoted(c, trigger)};
}

// The same definition over the new column: CREATE INDEX CONCURRENTLY name__new ...
void add_index(Case &c, Relation index, const Names &names, Around *around)
{
    const char *name = RelationGetRelationName(index);
    const char *schema = get_namespace_name(RelationGetNamespace(index));
    const std::string_view fresh = quoted(c, psprintf("%s__new", name));
    const std::string_view words = pg::keep(c.arena, text_to_cstring(DatumGetTextPP(DirectFunctionCall1(
                                                         pg_get_indexdef, ObjectIdGetDatum(RelationGetRelid(index))))));
    const core::List<Token> tokens = tokenize(c.arena, words);
    core::Text sql(c.arena);
    int at = 0;
    int depth = 0;
    bool named = false;

    for (const Token &token : tokens) {
        const std::string_view word = core::part_of(words, token.start, token.end - token.start);
        depth += word == "(" ? 1 : word == ")" ? -1 : 0;
        sql << core::part_of(words, at, token.start - at);
        if (!named && word == quote_identifier(name)) {
            sql << "CONCURRENTLY " << fresh;
            named = true;
        } else {
            sql << (depth > 0 && word == names.now ? names.fresh : word);
        }
        at = token.end;
    }
    around->indexes << sql.str() << ";\n";
    around->index_names << "ALTER INDEX " << quote_qualified_identifier(schema, psprintf("%s__new", name))
                        << " RENAME TO " << quote_identifier(name) << ";\n";
}

void look_at_indexes(Case &c, Relation rel, AttrNumber column, const Names &names, Around *around)
{
    ListCell *cell = nullptr;

    foreach (cell, RelationGetIndexList(rel)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) {
            const FormData_pg_index *form = index->rd_index;
            bool used = false;
            bool plain = RelationGetIndexExpressions(index) == NIL && RelationGetIndexPredicate(index) == NIL;
            for (int i = 0; i < form->indnatts; i++) {
                if (form->indkey.values[i] != column) {
                    continue;
                }
                used = true;
                plain = plain && (i >= form->indnkeyatts ||
                                  get_index_column_opclass(RelationGetRelid(index), i + 1) ==
                                      GetDefaultOpClass(TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid,
                                                        index->rd_rel->relam));
            }
            if (!plain) {
                Bitmapset *inside = nullptr;
                pull_varattnos(reinterpret_cast<Node *>(RelationGetIndexExpressions(index)), 1, &inside);
                pull_varattnos(reinterpret_cast<Node *>(RelationGetIndexPredicate(index)), 1, &inside);
                used = used || bms_is_member(column - FirstLowInvalidHeapAttributeNumber, inside);
            }
            if (used && (!plain || OidIsValid(get_index_constraint(RelationGetRelid(index))))) {
                around->possible = false;
            } else if (used) {
                add_index(c, index, names, around);
            }
        });
    }
}

void look_at_constraints(Case &c, const Look &look, AttrNumber column, Around *around)
{
    Relation catalog = table_open(ConstraintRelationId, AccessShareLock);
    const std::string_view alter = c.concat({"ALTER TABLE ", look.relation.name, " "});
    ScanKeyData key;

    ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(look.oid));
    SysScanDesc scan = systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true, nullptr, 1, &key);
    for (HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row); row = systable_getnext(scan)) {
        const auto *form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(row));
        if (!constrains(row, catalog, column) ||
            (form->contype != CONSTRAINT_CHECK && form->contype != CONSTRAINT_FOREIGN)) {
            continue;
        }
        const std::string_view name = quoted(c, NameStr(form->conname));
        const std::string_view words =
            text_to_cstring(DatumGetTextPP(DirectFunctionCall1(pg_get_constraintdef, ObjectIdGetDatum(form->oid))));
        around->possible = around->possible && form->contype == CONSTRAINT_CHECK && form->coninhcount == 0;
        around->checks << alter << "DROP CONSTRAINT " << name << ";\n"
                       << alter << "ADD CONSTRAINT " << name << " " << words << (form->convalidated ? " NOT VALID" : "")
                       << ";\n";
        if (form->convalidated) {
            around->validate << alter << "VALIDATE CONSTRAINT " << name << ";\n";
        }
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
}

bool stands_alone(Relation rel, const Look &look, const FormData_pg_attribute *column)
{
    return look.relkind == RELKIND_RELATION && !look.has_children && !look.partition && column->attinhcount == 0 &&
           column->attidentity == '\0' && column->attgenerated == '\0' && !OidIsValid(rel->rd_rel->reloftype);
}

std::string_view default_of(Case &c, Relation rel, AttrNumber column)
{
    Node *value = build_column_default(rel, column);

    if (value == nullptr || !TupleDescAttr(RelationGetDescr(rel), column - 1)->atthasdef) {
        return "";
    }
    return pg::keep(c.arena, deparse_expression(value, NIL, false, false));
}

// A column beside the old one, kept equal by a trigger, and filled.
std::string_view expand(Case &c, const Look &look, const Names &names, std::string_view type, std::string_view value)
{
    return c.concat({"ALTER TABLE ", look.relation.name, " ADD COLUMN ", names.fresh, " ", type, ";\nCREATE FUNCTION ",
                     names.function, "() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n    NEW.", names.fresh,
                     " := ", value, ";\n    RETURN NEW;\nEND\n$$;\nCREATE TRIGGER ", names.trigger,
                     " BEFORE INSERT OR UPDATE ON ", look.relation.name, " FOR EACH ROW EXECUTE FUNCTION ",
                     names.function, "();\n"});
}

} // namespace

bool constrains(HeapTuple constraint, Relation catalog, AttrNumber column)
{
    bool null = false;
    const Datum keys = heap_getattr(constraint, Anum_pg_constraint_conkey, RelationGetDescr(catalog), &null);

    if (null) {
        return false;
    }
    ArrayType *array = DatumGetArrayTypeP(keys);
    const auto *numbers = reinterpret_cast<int16 *>(ARR_DATA_PTR(array));
    for (int i = 0; i < ARR_DIMS(array)[0]; i++) {
        if (numbers[i] == column) {
            return true;
        }
    }
    return false;
}

std::string_view change_type_by_hand(Case &c, Relation rel, const Look &look, AttrNumber column, std::string_view type,
                                     std::string_view using_new, Oid domain)
{
    const FormData_pg_attribute *attr = TupleDescAttr(RelationGetDescr(rel), column - 1);
    const char *name = pstrdup(NameStr(attr->attname));
    const Names names = names_for(c, look, name, psprintf("%s__new", name), "sync");
    Around around{core::Text(c.arena), core::Text(c.arena), core::Text(c.arena), core::Text(c.arena)};
    const std::string_view alter = c.concat({"ALTER TABLE ", look.relation.name, " "});
    const std::string_view usual = default_of(c, rel, column);
    core::Text sql(c.arena);

    look_at_indexes(c, rel, column, names, &around);
    look_at_constraints(c, look, column, &around);
    if (!around.possible || !stands_alone(rel, look, attr)) {
        return c.concat({"-- Keys or children stand on the column: only in a maintenance window, under the lock.\n",
                         reviewed(c, c.text)});
    }
    const std::string_view value = using_new.empty() ? c.concat({"NEW.", names.now}) : using_new;
    core::Part fill;
    fill.name = names.fresh;
    fill.fill = fill_call(c, look, names.fresh, false);
    sql << expand(c, look, names, type, value) << filled_by_hand(c, look, fill, no_fill_because(c, look, rel)) << "\n"
        << around.indexes.str();
    if (attr->attnotnull) {
        sql << alter << "ALTER COLUMN " << names.fresh << " SET NOT NULL;\n";
    }
    if (OidIsValid(domain)) {
        const std::string_view rules = rules_of_domain(c, look, names.fresh, domain);
        sql << core::part_of(rules, 1, rules.size() - 1) << "\n";
    }
    sql << "BEGIN;\nSET LOCAL zdm.safety_assured = on;\nDROP TRIGGER " << names.trigger << " ON " << look.relation.name
        << ";\n"
        << alter << "RENAME COLUMN " << names.now << " TO " << names.old << ";\n"
        << alter << "RENAME COLUMN " << names.fresh << " TO " << names.now << ";\n";
    if (!usual.empty()) {
        sql << alter << "ALTER COLUMN " << names.old << " DROP DEFAULT, ALTER COLUMN " << names.now << " SET DEFAULT "
            << usual << ";\n";
    }
    if (attr->attnotnull) {
        sql << alter << "ALTER COLUMN " << names.old << " DROP NOT NULL;\n";
    }
    sql << around.checks.str() << "COMMIT;\n"
        << around.validate.str() << "DROP FUNCTION " << names.function << "();\n-- once nothing needs the old values\n"
        << alter << "DROP COLUMN " << names.old << ";\n"
        << around.index_names.str();
    return core::part_of(sql.str(), 0, sql.str().size() - 1);
}

namespace
{

// The condition of a CHECK over the other column.
std::string_view over(Case &c, std::string_view words, std::string_view column, std::string_view other)
{
    const core::List<Token> tokens = tokenize(c.arena, words);
    core::Text sql(c.arena);
    int at = 0;

    for (const Token &token : tokens) {
        const std::string_view word = core::part_of(words, token.start, token.end - token.start);
        sql << core::part_of(words, at, token.start - at) << (word == column ? other : word);
        at = token.end;
    }
    sql << core::part_of(words, at, words.size() - at);
    return sql.str();
}

} // namespace

std::string_view rename_column_by_hand(Case &c, Relation rel, const Look &look, AttrNumber column, const char *new_name)
{
    const FormData_pg_attribute *attr = TupleDescAttr(RelationGetDescr(rel), column - 1);
    const Names names = names_for(c, look, pstrdup(NameStr(attr->attname)), new_name, "sync");
    Around around{core::Text(c.arena), core::Text(c.arena), core::Text(c.arena), core::Text(c.arena)};
    const std::string_view alter = c.concat({"ALTER TABLE ", look.relation.name, " "});
    const std::string_view usual = default_of(c, rel, column);
    core::Part fill;
    core::Text sql(c.arena);

    look_at_indexes(c, rel, column, names, &around);
    look_at_constraints(c, look, column, &around);
    if (!around.possible || !stands_alone(rel, look, attr)) {
        return c.concat({"-- Keys or children stand on the column: only once no code uses it by its old name.\n",
                         reviewed(c, c.text)});
    }
    fill.name = names.fresh;
    fill.fill = c.concat({"SELECT zdm.backfill(", quote_literal_cstr(pg::cstring(look.relation.name)), ", ",
                          quote_literal_cstr(pg::cstring(c.concat({names.fresh, " = ", names.now}))), ", ",
                          quote_literal_cstr(pg::cstring(c.concat({names.fresh, " IS NULL"}))), ")"});
    sql << alter << "ADD COLUMN " << names.fresh << " " << format_type_with_typemod(attr->atttypid, attr->atttypmod)
        << ";\nCREATE FUNCTION " << names.function
        << "() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n    IF TG_OP = 'INSERT' AND NEW." << names.fresh
        << " IS NOT DISTINCT FROM NULL OR TG_OP = 'UPDATE' AND NEW." << names.fresh << " IS NOT DISTINCT FROM OLD."
        << names.fresh << " THEN\n        NEW." << names.fresh << " := NEW." << names.now << ";\n    ELSE\n        NEW."
        << names.now << " := NEW." << names.fresh << ";\n    END IF;\n    RETURN NEW;\nEND\n$$;\nCREATE TRIGGER "
        << names.trigger << " BEFORE INSERT OR UPDATE ON " << look.relation.name << " FOR EACH ROW EXECUTE FUNCTION "
        << names.function << "();\n"
        << filled_by_hand(c, look, fill, no_fill_because(c, look, rel)) << "\n"
        << around.indexes.str();
    if (attr->attnotnull) {
        sql << alter << "ALTER COLUMN " << names.fresh << " SET NOT NULL;\n";
    }
    sql << "-- once all code uses the new name\nBEGIN;\nSET LOCAL zdm.safety_assured = on;\nDROP TRIGGER "
        << names.trigger << " ON " << look.relation.name << ";\n";
    if (!usual.empty()) {
        sql << alter << "ALTER COLUMN " << names.fresh << " SET DEFAULT " << usual << ";\n";
    }
    sql << over(c, around.checks.str(), names.now, names.fresh) << alter << "DROP COLUMN " << names.now
        << ";\nCOMMIT;\n"
        << around.validate.str() << "DROP FUNCTION " << names.function << "();\n"
        << around.index_names.str();
    return core::part_of(sql.str(), 0, sql.str().size() - 1);
}

} // namespace zdm::inspect
