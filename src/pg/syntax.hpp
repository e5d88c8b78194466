#pragma once
// What majors parse differently, or parse at all. Each shim names the commit that made it necessary.
#include "pg/postgres.hpp"

namespace zdm::pg
{

// 18: "Add OLD/NEW support to RETURNING in DML queries" put the list into a clause of its own.
inline bool has_returning(const UpdateStmt *update)
{
#if PG_VERSION_NUM >= 180000
    return update->returningClause != nullptr;
#else
    return update->returningList != NIL;
#endif
}

inline bool has_returning(const DeleteStmt *gone)
{
#if PG_VERSION_NUM >= 180000
    return gone->returningClause != nullptr;
#else
    return gone->returningList != NIL;
#endif
}

// 18: "Add temporal PRIMARY KEY and UNIQUE constraints", which are exclusion constraints underneath.
inline bool is_without_overlaps([[maybe_unused]] const Constraint *constraint)
{
#if PG_VERSION_NUM >= 180000
    return constraint->without_overlaps;
#else
    return false;
#endif
}

// 18: "Add temporal FOREIGN KEY contraints" (its spelling).
inline bool has_period([[maybe_unused]] const Constraint *constraint)
{
#if PG_VERSION_NUM >= 180000
    return constraint->fk_with_period || constraint->pk_with_period;
#else
    return false;
#endif
}

// 18: "Virtual generated columns"; GENERATED without STORED is one.
inline bool is_virtual([[maybe_unused]] const Constraint *generated)
{
#if PG_VERSION_NUM >= 180000
    return generated->generated_kind == ATTRIBUTE_GENERATED_VIRTUAL;
#else
    return false;
#endif
}

// CLUSTER; in 19 a form of the new REPACK command, whose statement has taken the place of ClusterStmt.
struct ClusterCall {
    const RangeVar *relation; // null: all of them
    const char *index;        // null: the one it was clustered on before
    bool by_index;
    bool concurrent;
};

#if PG_VERSION_NUM >= 190000
constexpr NodeTag kCluster = T_RepackStmt;
constexpr bool kRepacks = true;
#else
constexpr NodeTag kCluster = T_ClusterStmt;
constexpr bool kRepacks = false;
#endif

inline ClusterCall cluster_call(const Node *utility)
{
#if PG_VERSION_NUM >= 190000
    const auto *stmt = castNode(RepackStmt, utility);
    ClusterCall call{stmt->relation == nullptr ? nullptr : stmt->relation->relation, stmt->indexname,
                     stmt->usingindex || stmt->command == REPACK_COMMAND_CLUSTER, false};
    ListCell *cell = nullptr;
    foreach (cell, stmt->params) {
        auto *option = lfirst_node(DefElem, cell);
        if (strcmp(option->defname, "concurrently") == 0) {
            call.concurrent = defGetBoolean(option);
        }
    }
    return call;
#else
    const auto *stmt = castNode(ClusterStmt, utility);
    return {stmt->relation, stmt->indexname, true, false};
#endif
}

// 17: "ALTER TABLE command to change generation expression".
inline bool is_set_expression([[maybe_unused]] const AlterTableCmd *cmd)
{
#if PG_VERSION_NUM >= 170000
    return cmd->subtype == AT_SetExpression;
#else
    return false;
#endif
}

// 18: "Add support for NOT ENFORCED in CHECK constraints" and "... in foreign key constraints".
inline bool is_enforcement([[maybe_unused]] const Constraint *attribute)
{
#if PG_VERSION_NUM >= 180000
    return attribute->contype == CONSTR_ATTR_ENFORCED || attribute->contype == CONSTR_ATTR_NOT_ENFORCED;
#else
    return false;
#endif
}

// As transformConstraintAttrs does.
inline void set_enforcement([[maybe_unused]] Constraint *constraint, [[maybe_unused]] const Constraint *attribute)
{
#if PG_VERSION_NUM >= 180000
    constraint->is_enforced = attribute->contype == CONSTR_ATTR_ENFORCED;
    constraint->skip_validation = constraint->skip_validation || !constraint->is_enforced;
#endif
}

// ALTER CONSTRAINT ... ENFORCED, which checks every row: its name; otherwise null.
inline const char *enforced_by([[maybe_unused]] const AlterTableCmd *cmd)
{
#if PG_VERSION_NUM >= 180000
    if (cmd->subtype == AT_AlterConstraint) {
        const auto *change = castNode(ATAlterConstraint, cmd->def);
        return change->alterEnforceability && change->is_enforced ? change->conname : nullptr;
    }
#endif
    return nullptr;
}

inline bool is_set_access_method(const AlterTableCmd *cmd) { return cmd->subtype == AT_SetAccessMethod; }

// 19 (45762084) has standard_conforming_strings always on, and nothing to warn of.
inline void scan_quietly([[maybe_unused]] core_yy_extra_type *scan)
{
#if PG_VERSION_NUM < 190000
    scan->escape_string_warning = false;
#endif
}

} // namespace zdm::pg
