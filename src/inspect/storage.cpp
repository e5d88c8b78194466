// Where and how a relation is kept: changes that copy it whole.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/syntax.hpp"

namespace zdm::inspect
{

namespace
{

void refuse(Case &c, core::Part *part, core::Rule rule)
{
    part->hazard = true;
    part->rule = rule;
    part->work = core::Work::Rewrite;
    part->hint = c.concat({"-- Without the lock by pg_repack or pg_squeeze, or a new table, filled and swapped. In a "
                           "maintenance window:\n",
                           reviewed(c, c.text)});
    part->hint_is_whole = true;
}

Oid home_of(Oid tablespace) { return OidIsValid(tablespace) ? tablespace : MyDatabaseTableSpace; }

bool is_exclusion_index(Oid index)
{
    const Oid constraint = get_index_constraint(index);
    HeapTuple tuple = OidIsValid(constraint) ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint)) : nullptr;
    bool is = false;

    if (HeapTupleIsValid(tuple)) {
        is = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->contype == CONSTRAINT_EXCLUSION;
        ReleaseSysCache(tuple);
    }
    return is;
}

std::string_view reindex_into(Case &c, std::string_view index, const char *tablespace)
{
    return c.concat({"REINDEX (TABLESPACE ", quote_identifier(tablespace), ", CONCURRENTLY) INDEX ", index});
}

void move_index(Case &c, Relation rel, const Look &look, const char *tablespace, bool alone, core::Part *part)
{
    Look table;

    if (!look_at(c, IndexGetRelation(look.oid, false), &table) || table.empty) {
        return;
    }
    part->hazard = true;
    part->rule = core::Rule::AlterIndexTablespace;
    part->work = core::Work::IndexBuild;
    part->form = core::Form::Reindex;
    part->relation = table.relation;
    part->definition = reindex_into(c, look.relation.name, tablespace);
    part->rewritable = alone && rel->rd_index->indisvalid && !is_exclusion_index(look.oid);
    if (!part->rewritable) {
        part->reason = "It cannot be rebuilt concurrently.";
        part->hint = reviewed(c, c.text);
        part->hint_is_whole = true;
    }
}

bool matches(const FormData_pg_class *form, ObjectType type)
{
    switch (type) {
    case OBJECT_TABLE:
        return form->relkind == RELKIND_RELATION || form->relkind == RELKIND_PARTITIONED_TABLE;
    case OBJECT_INDEX:
        return form->relkind == RELKIND_INDEX || form->relkind == RELKIND_PARTITIONED_INDEX;
    default:
        return form->relkind == RELKIND_MATVIEW;
    }
}

bool is_named(List *roles, Oid owner) { return roles == NIL || list_member_oid(roleSpecsToIds(roles), owner); }

} // namespace

void keep_elsewhere(Case &c, Relation rel, const Look &look, const AlterTableStmt *stmt, const AlterTableCmd *cmd,
                    core::Part *part)
{
    const char kind = look.relkind;
    const bool stored = kind == RELKIND_RELATION || kind == RELKIND_MATVIEW;

    if (cmd->subtype == AT_SetTableSpace) {
        const Oid wanted = get_tablespace_oid(cmd->name, true);
        if (!OidIsValid(wanted) || home_of(wanted) == home_of(rel->rd_rel->reltablespace)) {
            return; // PostgreSQL's own error; or there already
        }
        if (kind == RELKIND_INDEX) {
            move_index(c, rel, look, cmd->name, list_length(stmt->cmds) == 1, part);
        } else if (stored && !look.empty) {
            refuse(c, part, core::Rule::SetTablespace);
        }
    } else if (cmd->subtype == AT_SetLogged || cmd->subtype == AT_SetUnLogged) {
        const char wanted = cmd->subtype == AT_SetLogged ? RELPERSISTENCE_PERMANENT : RELPERSISTENCE_UNLOGGED;
        if (rel->rd_rel->relpersistence != wanted && stored && !look.empty) {
            refuse(c, part, core::Rule::SetLoggedUnlogged);
        }
    } else if (pg::is_set_access_method(cmd)) {
        const char *name = cmd->name == nullptr ? default_table_access_method : cmd->name;
        const Oid wanted = get_table_am_oid(name, true);
        if (OidIsValid(wanted) && wanted != rel->rd_rel->relam && stored && !look.empty) {
            refuse(c, part, core::Rule::SetAccessMethod);
        }
    } else if (pg::enforced_by(cmd) != nullptr && !look.empty) {
        refuse(c, part, core::Rule::AddFkValidating);
        part->work = core::Work::Scan;
        part->hint =
            c.concat({"-- It checks every row. Without the lock: drop the constraint, ADD it NOT VALID, VALIDATE "
                      "it. In a maintenance window:\n",
                      reviewed(c, c.text)});
    } else if (pg::is_set_expression(cmd) && stored && !look.empty) {
        const AttrNumber column = get_attnum(look.oid, cmd->name);
        if (column > 0 && !pg::is_virtual(TupleDescAttr(RelationGetDescr(rel), column - 1))) {
            refuse(c, part, core::Rule::SetExpression);
        }
    }
}

void move_all(Case &c, const AlterTableMoveAllStmt *stmt)
{
    const Oid from = get_tablespace_oid(stmt->orig_tablespacename, true);
    const Oid to = get_tablespace_oid(stmt->new_tablespacename, true);
    Relation catalog = table_open(RelationRelationId, AccessShareLock);
    core::List<std::uint32_t> found(c.arena);
    core::Text names(c.arena);
    core::Text sql(c.arena);
    core::Part part;
    ScanKeyData key;

    ScanKeyInit(&key, Anum_pg_class_reltablespace, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(from == MyDatabaseTableSpace ? InvalidOid : from));
    SysScanDesc scan = systable_beginscan(catalog, ClassTblspcRelfilenodeIndexId, true, nullptr, 1, &key);
    for (HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row); row = systable_getnext(scan)) {
        const auto *form = reinterpret_cast<Form_pg_class>(GETSTRUCT(row));
        if (OidIsValid(from) && OidIsValid(to) && home_of(from) != home_of(to) && matches(form, stmt->objtype) &&
            !form->relisshared && !IsCatalogNamespace(form->relnamespace) && !isAnyTempNamespace(form->relnamespace) &&
            !IsToastNamespace(form->relnamespace) && is_named(stmt->roles, form->relowner)) {
            found.push(form->oid);
        }
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);

    part.source = c.text;
    part.lock = core::Lock::AccessExclusive;
    part.rule = stmt->objtype == OBJECT_INDEX ? core::Rule::AlterIndexTablespace : core::Rule::SetTablespace;
    part.work = core::row(part.rule).work;
    for (const std::uint32_t oid : found) {
        Look look;
        Look table;
        if (!look_at(c, oid, &look) || look.hidden) {
            continue;
        }
        want(c, look, core::Lock::AccessExclusive, false);
        const bool index = look.relkind == RELKIND_INDEX;
        const bool filled = index ? look_at(c, IndexGetRelation(oid, false), &table) && !table.empty : !look.empty;
        if (!filled) {
            continue;
        }
        names << (part.hazard ? ", " : "") << look.relation.name;
        sql << (part.hazard ? "\n" : "") << reindex_into(c, look.relation.name, stmt->new_tablespacename) << ";";
        part.relation = part.hazard ? part.relation : look.relation;
        part.hazard = true;
    }
    part.reason = part.hazard ? c.concat({"It moves ", names.str(), "."}) : std::string_view();
    part.hint = stmt->objtype == OBJECT_INDEX
                    ? sql.str()
                    : c.concat({"-- One at a time, in a maintenance window; all at once:\n", reviewed(c, c.text)});
    if (!part.hazard) {
        part.work = core::Work::Instant;
    }
    c.out->statement.parts.push(part);
    c.out->aside = c.out->statement.targets.empty();
}

} // namespace zdm::inspect
