// Which commands of ALTER TABLE go on to children and partitions, and lock them too. As ATPrepCmd decides.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"

namespace zdm::inspect
{

namespace
{

// A CHECK that children have inherited.
bool is_inherited_check(Oid constraint)
{
    HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
    bool found = false;

    if (HeapTupleIsValid(tuple)) {
        const auto *form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
        found = form->contype == CONSTRAINT_CHECK && !form->connoinherit;
        ReleaseSysCache(tuple);
    }
    return found;
}

bool all_not_null(Relation rel, List *columns)
{
    ListCell *cell = nullptr;
    bool all = true;

    foreach (cell, columns) {
        const AttrNumber column = get_attnum(RelationGetRelid(rel), strVal(lfirst(cell)));
        all = all && column > 0 && TupleDescAttr(RelationGetDescr(rel), column - 1)->attnotnull;
    }
    return all;
}

// A new key of a partitioned table is built in the partitions as CREATE INDEX does it, unless they must become NOT
// NULL.
bool only_builds(Relation rel, const AlterTableCmd *cmd)
{
    if (cmd->subtype != AT_AddConstraint || rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE ||
        pg::kNewConstraintLocksChildren) {
        return false;
    }
    const auto *constraint = castNode(Constraint, cmd->def);
    return constraint->contype == CONSTR_UNIQUE || constraint->contype == CONSTR_EXCLUSION ||
           (constraint->contype == CONSTR_PRIMARY && all_not_null(rel, constraint->keys));
}

bool reaches_children(Relation rel, const AlterTableCmd *cmd)
{
    const bool partitioned = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;

    switch (cmd->subtype) {
    case AT_SetOptions:
    case AT_ResetOptions:
    case AT_SetCompression:
    case AT_ChangeOwner:
    case AT_ClusterOn:
    case AT_DropCluster:
    case AT_SetLogged:
    case AT_SetUnLogged:
    case AT_SetAccessMethod:
    case AT_SetTableSpace:
    case AT_SetRelOptions:
    case AT_ResetRelOptions:
    case AT_AddInherit:
    case AT_DropInherit:
    case AT_AddOf:
    case AT_DropOf:
    case AT_ReplicaIdentity:
    case AT_EnableRule:
    case AT_EnableAlwaysRule:
    case AT_EnableReplicaRule:
    case AT_DisableRule:
    case AT_EnableRowSecurity:
    case AT_DisableRowSecurity:
    case AT_ForceRowSecurity:
    case AT_NoForceRowSecurity:
    case AT_GenericOptions:
        return false;
    case AT_EnableTrig:
    case AT_EnableAlwaysTrig:
    case AT_EnableReplicaTrig:
    case AT_EnableTrigAll:
    case AT_EnableTrigUser:
    case AT_DisableTrig:
    case AT_DisableTrigAll:
    case AT_DisableTrigUser:
    case AT_AlterConstraint:
        return partitioned;
    case AT_AddIdentity:
    case AT_SetIdentity:
    case AT_DropIdentity:
        return partitioned && pg::kIdentityReachesPartitions;
    case AT_AddConstraint: {
        const auto *constraint = castNode(Constraint, cmd->def);
        return (partitioned && !only_builds(rel, cmd)) || pg::kNewConstraintLocksChildren ||
               (constraint->contype == CONSTR_CHECK && !constraint->is_no_inherit);
    }
    case AT_DropConstraint: {
        const Oid constraint = get_relation_constraint_oid(RelationGetRelid(rel), cmd->name, true);
        return partitioned || is_inherited_check(constraint);
    }
    default:
        return true;
    }
}

} // namespace

bool reaches_children(Relation rel, const AlterTableStmt *stmt)
{
    ListCell *cell = nullptr;
    bool any = false;

    foreach (cell, stmt->cmds) {
        any = any || reaches_children(rel, lfirst_node(AlterTableCmd, cell));
    }
    return any && stmt->relation->inh;
}

bool builds_in_partitions(Relation rel, const AlterTableStmt *stmt)
{
    ListCell *cell = nullptr;
    bool any = false;

    foreach (cell, stmt->cmds) {
        any = any || only_builds(rel, lfirst_node(AlterTableCmd, cell));
    }
    return any;
}

bool renames_of_children(Relation rel, const RenameStmt *stmt)
{
    return stmt->renameType == OBJECT_COLUMN ||
           (stmt->renameType == OBJECT_TABCONSTRAINT &&
            is_inherited_check(get_relation_constraint_oid(RelationGetRelid(rel), stmt->subname, true)));
}

bool has_row_trigger(Relation rel, const char *name)
{
    bool found = false;

    for (int i = 0; rel->trigdesc != nullptr && i < rel->trigdesc->numtriggers; i++) {
        const Trigger &trigger = rel->trigdesc->triggers[i];
        found = found || (strcmp(trigger.tgname, name) == 0 && TRIGGER_FOR_ROW(trigger.tgtype));
    }
    return found;
}

} // namespace zdm::inspect
