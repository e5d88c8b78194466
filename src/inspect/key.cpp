// ADD UNIQUE and ADD PRIMARY KEY.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/syntax.hpp"

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
            c.concat({"-- Without DEFERRABLE it is safe; with it, in a maintenance window:\n", reviewed(c, c.text)});
        part->hint_is_whole = true;
    } else if (look.relkind == RELKIND_PARTITIONED_TABLE) {
        IndexStmt *stmt = index_of(c, look, constraint, columns);
        stmt->primary = primary;
        part->below = true;
        part->hazard = partitions_to_index(c, rel, stmt, true, part);
    }
}

namespace
{

const AlterTableCmd *drop_of(const AlterTableStmt *stmt, const char *constraint)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->cmds) {
        const auto *cmd = lfirst_node(AlterTableCmd, cell);
        if (cmd->subtype == AT_DropConstraint && constraint != nullptr && strcmp(cmd->name, constraint) == 0) {
            return cmd;
        }
    }
    return nullptr;
}

// Without CASCADE PostgreSQL will not drop what others stand on.
bool is_depended_on(Oid catalog_of, Oid object)
{
    Relation catalog = table_open(DependRelationId, AccessShareLock);
    ScanKeyData keys[2];
    bool found = false;

    ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(catalog_of));
    ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
    SysScanDesc scan = systable_beginscan(catalog, DependReferenceIndexId, true, nullptr, 2, keys);
    for (HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row); row = systable_getnext(scan)) {
        found = found || reinterpret_cast<Form_pg_depend>(GETSTRUCT(row))->deptype == DEPENDENCY_NORMAL;
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return found;
}

bool drops_any_of(const AlterTableStmt *stmt, List *columns)
{
    ListCell *cell = nullptr;
    bool any = false;

    foreach (cell, columns) {
        any = any || drops_column(stmt, strVal(lfirst(cell)));
    }
    return any;
}

} // namespace

bool redefine_key(Case &c, Relation rel, const Look &look, const AlterTableStmt *stmt, Constraint *constraint,
                  core::Part *part)
{
    const Oid old_index = constraint->contype == CONSTR_PRIMARY ? pg::primary_key_of(rel) : InvalidOid;
    const Oid old_key = OidIsValid(old_index) ? get_index_constraint(old_index) : InvalidOid;
    const char *old_name = OidIsValid(old_key) ? get_constraint_name(old_key) : nullptr;
    const AlterTableCmd *drop = drop_of(stmt, old_name);
    const char *table = RelationGetRelationName(rel);
    ListCell *cell = nullptr;
    List *keys = NIL;

    if (drop == nullptr || constraint->indexname != nullptr || constraint->deferrable || look.empty ||
        pg::is_without_overlaps(constraint) || look.relkind != RELKIND_RELATION) {
        return false;
    }
    if (drop->behavior == DROP_RESTRICT &&
        (is_depended_on(ConstraintRelationId, old_key) || is_depended_on(RelationRelationId, old_index))) {
        return true; // PostgreSQL's own error
    }
    foreach (cell, list_concat_copy(constraint->keys, constraint->including)) {
        if (column_number(rel, strVal(lfirst(cell))) <= 0) {
            return true; // likewise
        }
    }
    if (drops_any_of(stmt, constraint->keys) || drops_any_of(stmt, constraint->including)) {
        return false;
    }
    foreach (cell, constraint->keys) {
        part->after_add = part->after_add || get_attnum(look.oid, strVal(lfirst(cell))) == InvalidAttrNumber;
        IndexElem *key = makeNode(IndexElem);
        key->name = strVal(lfirst(cell));
        keys = lappend(keys, key);
        part->columns.push(quoted(c, key->name));
        part->key_names.push(part->columns[part->columns.count - 1]);
    }
    if (!nullable_columns(c, rel, constraint->keys, true, part)) {
        return true;
    }
    if (all_proven(rel, c, part)) {
        part->nullable.count = 0;
    }
    if (!part->nullable.empty()) {
        name_proof(c, rel, look, part);
    }
    // The name that PostgreSQL would choose once the old key has gone.
    const char *usual = makeObjectName(table, nullptr, "pkey");
    const char *name = constraint->conname != nullptr ? constraint->conname
                       : strcmp(usual, old_name) == 0
                           ? usual
                           : choose_index_name(table, RelationGetNamespace(rel), NIL, "pkey", true);
    const char *index = choose_index_name(table, RelationGetNamespace(rel), NIL, "pkey", true);
    part->constraint = pg::keep(c.arena, name);
    part->label = pg::keep(c.arena, index);
    part->name = quoted(c, index);
    part->qualified =
        pg::keep(c.arena, quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), index));
    part->definition = key_clauses(c, constraint, part);
    part->finish = c.concat({"ADD CONSTRAINT ", quoted(c, name), " PRIMARY KEY USING INDEX ", part->name});
    part->form = core::Form::RedefineKey;
    part->rule = core::Rule::RedefinePrimaryKey;
    part->work = core::Work::IndexBuild;
    part->probe = owner_may_select(look.oid);
    part->hazard = true;
    part->rewritable = true;
    return true;
}

} // namespace zdm::inspect
