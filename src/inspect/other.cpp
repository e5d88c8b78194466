// Statements that are instant, or refused whole: which relations they lock, and how.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/memory.hpp"
#include "pg/syntax.hpp"

namespace zdm::inspect
{

namespace
{

using core::Lock;

// Wants the lock unless nobody else can see the relation, or PostgreSQL will refuse the statement.
bool want_named(Case &c, const RangeVar *name, Lock lock, bool inherit)
{
    Look look;

    if (name == nullptr || !look_at(c, name, &look, inherit) || look.hidden || look.catalog) {
        return false;
    }
    want(c, look, lock, inherit);
    if (c.out->statement.relation.oid == 0) {
        c.out->statement.relation = look.relation;
    }
    return true;
}

void drop_relations(Case &c, const DropStmt *stmt)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->objects) {
        RangeVar *name = makeRangeVarFromNameList(static_cast<List *>(lfirst(cell)));
        Look look;
        if (!look_at(c, name, &look) || look.hidden || look.catalog) {
            continue;
        }
        if (look.partition) {
            want(c, get_partition_parent(look.oid, true), Lock::AccessExclusive);
        }
        want_named(c, name, Lock::AccessExclusive, true);
    }
    want_lost(c, stmt);
}

// DROP TRIGGER, RULE, POLICY name ON table
void drop_from_table(Case &c, const DropStmt *stmt)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->objects) {
        List *names = list_copy(static_cast<List *>(lfirst(cell)));
        const char *own = strVal(llast(names));
        RangeVar *table = makeRangeVarFromNameList(list_truncate(names, list_length(names) - 1));
        Look look;
        bool copied = false; // on partitions, by the trigger's copies there
        if (stmt->removeType == OBJECT_TRIGGER && look_at(c, table, &look, false) &&
            look.relkind == RELKIND_PARTITIONED_TABLE) {
            with_relation(c, look.oid, [&](Relation rel) { copied = has_row_trigger(rel, own); });
        }
        want_named(c, table, Lock::AccessExclusive, copied);
    }
}

void create_trigger(Case &c, const CreateTrigStmt *stmt)
{
    Look look;

    if (look_at(c, stmt->relation, &look, false)) {
        want_named(c, stmt->relation, Lock::ShareRowExclusive, stmt->row && look.relkind == RELKIND_PARTITIONED_TABLE);
    }
    want_named(c, stmt->constrrel, Lock::ShareRowExclusive, false);
}

void create_table(Case &c, const CreateStmt *stmt)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->inhRelations) {
        const auto *parent = lfirst_node(RangeVar, cell);
        Look look;
        const bool there = stmt->if_not_exists && OidIsValid(RangeVarGetRelid(stmt->relation, NoLock, true));
        if (!there && stmt->partbound != nullptr && look_at(c, parent, &look, false) && !look.hidden) {
            want(c, look, Lock::AccessExclusive, false);
            c.out->statement.relation = look.relation;
            create_partition(c, stmt);
            want(c, get_default_partition_oid(look.oid), Lock::AccessExclusive);
        }
    }
    const auto want_referenced = [&](const Node *node) {
        if (node != nullptr && IsA(node, Constraint) && castNode(Constraint, node)->contype == CONSTR_FOREIGN) {
            const core::Relation about = c.out->statement.relation;
            want_named(c, castNode(Constraint, node)->pktable, Lock::ShareRowExclusive, true);
            c.out->statement.relation = about; // the statement is about the new table
        }
    };
    foreach (cell, stmt->constraints) {
        want_referenced(static_cast<Node *>(lfirst(cell)));
    }
    foreach (cell, stmt->tableElts) {
        const auto *element = static_cast<Node *>(lfirst(cell));
        want_referenced(element);
        if (IsA(element, ColumnDef)) {
            ListCell *inner = nullptr;
            foreach (inner, castNode(ColumnDef, element)->constraints) {
                want_referenced(static_cast<Node *>(lfirst(inner)));
            }
        }
    }
}

void truncate(Case &c, const TruncateStmt *stmt)
{
    List *emptied = NIL;
    ListCell *cell = nullptr;

    foreach (cell, stmt->relations) {
        auto *name = lfirst_node(RangeVar, cell);
        Look look;
        if (want_named(c, name, Lock::AccessExclusive, name->inh) && look_at(c, name, &look)) {
            emptied = list_concat_unique_oid(emptied, name->inh ? find_all_inheritors(look.oid, NoLock, nullptr)
                                                                : list_make1_oid(look.oid));
        }
    }
    // What references what is emptied is emptied too, and so on.
    while (stmt->behavior == DROP_CASCADE && emptied != NIL) {
        List *more = heap_truncate_find_FKs(emptied);
        if (more == NIL) {
            break;
        }
        foreach (cell, more) {
            want(c, lfirst_oid(cell), Lock::AccessExclusive);
        }
        emptied = list_concat(emptied, more);
    }
}

void lock_table(Case &c, const LockStmt *stmt)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->relations) {
        auto *name = lfirst_node(RangeVar, cell);
        // NOWAIT asks for no queue, and gets none from PostgreSQL either: there is nothing to take beforehand.
        if (!stmt->nowait || c.purpose == Purpose::Explain) {
            want_named(c, name, lock_of(stmt->mode), name->inh);
        }
    }
}

core::Part whole_statement(Case &c, const Look *look, core::Rule rule, core::Work work, std::string_view hint)
{
    core::Part part;
    part.hazard = true;
    part.rule = rule;
    part.lock = Lock::AccessExclusive;
    part.work = work;
    part.source = c.text;
    part.hint = hint;
    if (look != nullptr) {
        part.relation = look->relation;
    }
    return part;
}

} // namespace

void drop(Case &c, const DropStmt *stmt)
{
    switch (stmt->removeType) {
    case OBJECT_TABLE:
    case OBJECT_VIEW:
    case OBJECT_MATVIEW:
    case OBJECT_SEQUENCE:
    case OBJECT_FOREIGN_TABLE:
        drop_relations(c, stmt);
        break;
    case OBJECT_TRIGGER:
    case OBJECT_RULE:
    case OBJECT_POLICY:
        drop_from_table(c, stmt);
        break;
    case OBJECT_SCHEMA:
    case OBJECT_TYPE:
    case OBJECT_DOMAIN:
    case OBJECT_FUNCTION:
    case OBJECT_PROCEDURE:
    case OBJECT_ROUTINE:
        if (stmt->behavior == DROP_CASCADE) {
            want_lost(c, stmt);
        }
        break;
    default:
        break;
    }
    if (c.out->statement.targets.empty()) {
        c.out->aside = true;
    }
}

namespace
{

// The named index of the table, or the one it was clustered on before.
bool has_cluster_index(Case &c, const Look &look, const char *name)
{
    bool found = false;

    with_relation(c, look.oid, [&](Relation rel) {
        ListCell *cell = nullptr;
        foreach (cell, RelationGetIndexList(rel)) {
            found = found || (name == nullptr ? get_index_isclustered(lfirst_oid(cell))
                                              : strcmp(get_rel_name(lfirst_oid(cell)), name) == 0);
        }
    });
    return found;
}

// The same by a tool, or by REPACK where there is one.
std::string_view repacked(Case &c, std::string_view table, const char *index)
{
    if (pg::kRepacks && !table.empty()) {
        return c.concat({"REPACK (CONCURRENTLY) ", table, index == nullptr ? "" : " USING INDEX ",
                         index == nullptr ? "" : quote_identifier(index), ";"});
    }
    return c.concat(
        {"-- Without the lock by pg_repack or pg_squeeze. In a maintenance window:\n", reviewed(c, c.text)});
}

} // namespace

void cluster(Case &c, const Node *utility)
{
    const pg::ClusterCall call = pg::cluster_call(utility);
    const bool one = call.relation != nullptr;
    Look look;

    if (one && (!look_at(c, call.relation, &look) || look.hidden || look.catalog || !look.owned ||
                look.relkind == RELKIND_VIEW)) {
        c.out->aside = true;
        return;
    }
    c.out->statement.commits = true;
    if (call.concurrent) {
        c.out->aside = true;
        return;
    }
    if (one && call.by_index && !has_cluster_index(c, look, call.index)) {
        c.out->aside = true; // PostgreSQL's own error
        return;
    }
    c.out->statement.relation = look.relation;
    core::Part part = whole_statement(c, one ? &look : nullptr, core::Rule::Cluster, core::Work::Rewrite,
                                      repacked(c, one ? look.relation.name : "", call.by_index ? call.index : nullptr));
    part.hazard = !one || !look.empty;
    part.work = part.hazard ? part.work : core::Work::Instant;
    c.out->statement.parts.push(part);
    if (one) {
        want(c, look, Lock::AccessExclusive, true);
    } else {
        c.out->statement.opaque = true;
    }
}

void vacuum(Case &c, const VacuumStmt *stmt)
{
    bool full = false;
    ListCell *cell = nullptr;

    foreach (cell, stmt->options) {
        auto *option = lfirst_node(DefElem, cell);
        if (stmt->is_vacuumcmd && strcmp(option->defname, "full") == 0) {
            full = defGetBoolean(option);
        }
    }
    c.out->statement.commits = true;
    c.out->aside = true;
    if (!full) {
        return;
    }
    if (stmt->rels == NIL) {
        c.out->aside = false;
        c.out->statement.opaque = true;
        c.out->statement.parts.push(
            whole_statement(c, nullptr, core::Rule::VacuumFull, core::Work::Rewrite, "VACUUM;"));
        return;
    }
    foreach (cell, stmt->rels) {
        const auto *name = lfirst_node(VacuumRelation, cell)->relation;
        Look look;
        if (name == nullptr || !look_at(c, name, &look) || look.hidden || look.catalog || !look.owned ||
            (look.relkind != RELKIND_RELATION && look.relkind != RELKIND_MATVIEW &&
             look.relkind != RELKIND_PARTITIONED_TABLE)) {
            continue;
        }
        c.out->aside = false;
        core::Part part = whole_statement(c, &look, core::Rule::VacuumFull, core::Work::Rewrite,
                                          c.concat({"-- It makes the space reusable; to give it back, ",
                                                    pg::kRepacks ? "REPACK (CONCURRENTLY)" : "pg_repack or pg_squeeze",
                                                    ".\nVACUUM ", look.relation.name, ";"}));
        part.hazard = !look.empty;
        c.out->statement.relation = look.relation;
        c.out->statement.parts.push(part);
        want(c, look, Lock::AccessExclusive, true);
    }
}

void rename(Case &c, const RenameStmt *stmt)
{
    Look look;

    if (stmt->relation == nullptr || !look_at(c, stmt->relation, &look) || look.hidden || look.catalog || !look.owned) {
        c.out->aside = true;
        return;
    }
    const bool index = look.relkind == RELKIND_INDEX || look.relkind == RELKIND_PARTITIONED_INDEX;
    const bool table = look.relkind == RELKIND_RELATION || look.relkind == RELKIND_PARTITIONED_TABLE ||
                       look.relkind == RELKIND_FOREIGN_TABLE || look.relkind == RELKIND_MATVIEW ||
                       look.relkind == RELKIND_VIEW;

    c.out->statement.relation = look.relation;
    bool of_children = false;
    with_relation(c, look.oid, [&](Relation rel) { of_children = renames_of_children(rel, stmt); });
    want(c, look, index ? Lock::ShareUpdateExclusive : Lock::AccessExclusive, of_children);
    if (stmt->renameType == OBJECT_COLUMN && table && get_attnum(look.oid, stmt->subname) > 0 &&
        get_attnum(look.oid, stmt->newname) == InvalidAttrNumber) {
        with_relation(c, look.oid, [&](Relation rel) {
            const AttrNumber column = get_attnum(look.oid, stmt->subname);
            c.out->statement.parts.push(whole_statement(c, &look, core::Rule::RenameColumn, core::Work::Instant,
                                                        rename_column_by_hand(c, rel, look, column, stmt->newname)));
        });
    } else if ((stmt->renameType == OBJECT_TABLE || stmt->renameType == OBJECT_VIEW ||
                stmt->renameType == OBJECT_MATVIEW || stmt->renameType == OBJECT_FOREIGN_TABLE) &&
               table && !look.partition && !OidIsValid(get_relname_relid(stmt->newname, look.schema))) {
        const char *schema = get_namespace_name(look.schema);
        c.out->statement.parts.push(whole_statement(c, &look, core::Rule::RenameTable, core::Work::Instant,
                                                    c.concat({"BEGIN;\n", c.text, ";\nCREATE VIEW ", look.relation.name,
                                                              " WITH (security_invoker = true) AS SELECT * FROM ",
                                                              quote_qualified_identifier(schema, stmt->newname), ";\n",
                                                              grants(c, look.oid, look.relation.name), "COMMIT;"})));
    }
}

void other(Case &c, const Node *utility)
{
    switch (nodeTag(utility)) {
    case T_TruncateStmt:
        truncate(c, castNode(TruncateStmt, utility));
        break;
    case T_CreateTrigStmt:
        create_trigger(c, castNode(CreateTrigStmt, utility));
        break;
    case T_RuleStmt:
        want_named(c, castNode(RuleStmt, utility)->relation, Lock::AccessExclusive, false);
        break;
    case T_CreatePolicyStmt:
        want_named(c, castNode(CreatePolicyStmt, utility)->table, Lock::AccessExclusive, false);
        break;
    case T_AlterPolicyStmt:
        want_named(c, castNode(AlterPolicyStmt, utility)->table, Lock::AccessExclusive, false);
        break;
    case T_LockStmt:
        lock_table(c, castNode(LockStmt, utility));
        break;
    case T_AlterObjectSchemaStmt:
        want_named(c, castNode(AlterObjectSchemaStmt, utility)->relation, Lock::AccessExclusive, false);
        break;
    case T_ViewStmt:
        if (castNode(ViewStmt, utility)->replace) {
            want_named(c, castNode(ViewStmt, utility)->view, Lock::AccessExclusive, false);
        }
        break;
    case T_AlterSeqStmt:
        want_named(c, castNode(AlterSeqStmt, utility)->sequence, Lock::ShareRowExclusive, false);
        break;
    case T_CreateStmt:
        create_table(c, castNode(CreateStmt, utility));
        break;
    case T_DropOwnedStmt:
        want_owned(c, castNode(DropOwnedStmt, utility));
        break;
    default:
        break;
    }
    bool any = c.out->statement.opaque;
    for (const core::Target &target : c.out->statement.targets) {
        any = any || core::blocks_others(target.lock);
    }
    c.out->aside = c.out->aside || !any;
}

} // namespace zdm::inspect
