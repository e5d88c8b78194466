#pragma once
// Differences between PostgreSQL's majors. Each shim names the commit that made it necessary.
#include "pg/postgres.hpp"

#include <cstddef>
#include <cstdint>

namespace zdm::pg
{

// Memory for a check hook's extra. 16: "Store GUC data in a memory context, instead of using malloc()", 407b50f2d.
inline void *guc_allocate(std::size_t bytes)
{
#if PG_VERSION_NUM >= 160000
    return guc_malloc(LOG, bytes);
#else
    return malloc(bytes);
#endif
}

// ADD CONSTRAINT of any kind locks all children. 18: "Add pg_constraint rows for not-null constraints", 14e87ffa5.
inline constexpr bool kNewConstraintLocksChildren = PG_VERSION_NUM >= 180000;
// 17: "Support identity columns in partitioned tables", 699586315.
inline constexpr bool kIdentityReachesPartitions = PG_VERSION_NUM >= 170000;

// 1c27d16e6e5c (16) gave the walkers a prototype; before, they took a function of unknown arguments, which
// C++ lacks.
inline bool walk_raw(Node *node, bool (*walker)(Node *node, void *context), void *context)
{
#if PG_VERSION_NUM >= 160000
    return raw_expression_tree_walker(node, walker, context);
#else
    return raw_expression_tree_walker(node, reinterpret_cast<bool (*)()>(reinterpret_cast<void *>(walker)), context);
#endif
}

// The same commit, for analysed trees.
inline bool walk_expression(Node *node, bool (*walker)(Node *node, void *context), void *context)
{
#if PG_VERSION_NUM >= 160000
    return expression_tree_walker(node, walker, context);
#else
    return expression_tree_walker(node, reinterpret_cast<bool (*)()>(reinterpret_cast<void *>(walker)), context);
#endif
}

inline bool walk_query(Query *query, bool (*walker)(Node *node, void *context), void *context)
{
#if PG_VERSION_NUM >= 160000
    return query_tree_walker(query, walker, context, 0);
#else
    return query_tree_walker(query, reinterpret_cast<bool (*)()>(reinterpret_cast<void *>(walker)), context, 0);
#endif
}

inline Node *mutate_expression(Node *node, Node *(*mutator)(Node *node, void *context), void *context)
{
#if PG_VERSION_NUM >= 160000
    return expression_tree_mutator(node, mutator, context);
#else
    return expression_tree_mutator(node, reinterpret_cast<Node *(*)()>(reinterpret_cast<void *>(mutator)), context);
#endif
}

// afbfc02983f8 (16) replaced the ownership checks per catalog by one.
inline bool owns_relation(Oid relation, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(RelationRelationId, relation, role);
#else
    return pg_class_ownercheck(relation, role);
#endif
}

// The same of any object whose statements are judged. afbfc02983f8 (16) again.
inline bool owns_object(Oid catalog, Oid object, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(catalog, object, role);
#else
    switch (catalog) {
    case RelationRelationId:
        return pg_class_ownercheck(object, role);
    case TypeRelationId:
        return pg_type_ownercheck(object, role);
    case ProcedureRelationId:
        return pg_proc_ownercheck(object, role);
    case NamespaceRelationId:
        return pg_namespace_ownercheck(object, role);
    case DatabaseRelationId:
        return pg_database_ownercheck(object, role);
    case PublicationRelationId:
        return pg_publication_ownercheck(object, role);
    default:
        return superuser_arg(role);
    }
#endif
}

// 19: "Allow FOR ALL TABLES publications to except tables": then a row may also say what is not published.
inline bool is_except([[maybe_unused]] const FormData_pg_publication_rel *row)
{
#ifdef Anum_pg_publication_rel_prexcept
    return row->prexcept;
#else
    return false;
#endif
}

inline Oid namespace_of_type(Oid type)
{
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    Oid schema = InvalidOid;

    if (HeapTupleIsValid(tuple)) {
        schema = reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple))->typnamespace;
        ReleaseSysCache(tuple);
    }
    return schema;
}

// 18: "Reduce lock level for ALTER DOMAIN ... VALIDATE CONSTRAINT", to SHARE UPDATE EXCLUSIVE on the tables; before, it
// was SHARE.
#if PG_VERSION_NUM >= 180000
constexpr bool kDomainValidateLetsWrite = true;
#else
constexpr bool kDomainValidateLetsWrite = false;
#endif

// 16: "Refactor aclcheck functions", c727f511b.
inline bool may_use_schema(Oid schema, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_aclcheck(NamespaceRelationId, schema, role, ACL_USAGE) == ACLCHECK_OK;
#else
    return pg_namespace_aclcheck(schema, role, ACL_USAGE) == ACLCHECK_OK;
#endif
}

inline Oid owner_of(Oid relation)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    Oid owner = InvalidOid;

    if (HeapTupleIsValid(tuple)) {
        owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
        ReleaseSysCache(tuple);
    }
    return owner;
}

// 17: "Replace BackendIds with 0-based ProcNumbers", 024c52111.
// Null if that transaction has ended, or has no session.
inline PGPROC *holder_of(const VirtualTransactionId &vxid)
{
#if PG_VERSION_NUM >= 170000
    PGPROC *holder = vxid.procNumber == INVALID_PROC_NUMBER ? nullptr : ProcNumberGetProc(vxid.procNumber);
    return holder == nullptr || holder->vxid.lxid != vxid.localTransactionId ? nullptr : holder;
#else
    PGPROC *holder = vxid.backendId == InvalidBackendId ? nullptr : BackendIdGetProc(vxid.backendId);
    return holder == nullptr || holder->lxid != vxid.localTransactionId ? nullptr : holder;
#endif
}

// A prepared transaction holds locks without a session, under the virtual id of the session that prepared it.
inline bool is_prepared(const VirtualTransactionId &vxid)
{
    bool more = false;
    return holder_of(vxid) == nullptr && TransactionIdIsValid(TwoPhaseGetXidByVirtualXID(vxid, &more));
}

inline VirtualTransactionId vxid_of(const LOCKTAG &tag)
{
    VirtualTransactionId vxid;
#if PG_VERSION_NUM >= 170000
    vxid.procNumber = static_cast<ProcNumber>(tag.locktag_field1);
#else
    vxid.backendId = static_cast<BackendId>(tag.locktag_field1);
#endif
    vxid.localTransactionId = tag.locktag_field2;
    return vxid;
}

// Status of a backend, or null. Fresh only after pgstat_clear_backend_activity_snapshot().
inline PgBackendStatus *status_of(const VirtualTransactionId &vxid)
{
#if PG_VERSION_NUM >= 170000
    return pgstat_get_beentry_by_proc_number(vxid.procNumber);
#elif PG_VERSION_NUM >= 160000
    return pgstat_get_beentry_by_backend_id(vxid.backendId);
#else
    return pgstat_fetch_stat_beentry(vxid.backendId);
#endif
}

// 17 names it AmAutoVacuumWorkerProcess.
inline bool in_autovacuum_worker()
{
#if PG_VERSION_NUM >= 170000
    return AmAutoVacuumWorkerProcess();
#else
    return IsAutoVacuumWorkerProcess();
#endif
}

// The index of the primary key, which a foreign key may name without its columns; a deferrable one is none.
// 18 asks: "Add pg_constraint rows for not-null constraints" needs to know of all.
inline Oid primary_key_of(Relation relation)
{
#if PG_VERSION_NUM >= 180000
    return RelationGetPrimaryKeyIndex(relation, false);
#else
    return RelationGetPrimaryKeyIndex(relation);
#endif
}

// Column numbers of `to` by those of `from`, by name. 16 may leave out columns that are missing: ad86d159b6ab.
inline AttrMap *map_columns(Relation to, Relation from)
{
#if PG_VERSION_NUM >= 160000
    return build_attrmap_by_name(RelationGetDescr(to), RelationGetDescr(from), false);
#else
    return build_attrmap_by_name(RelationGetDescr(to), RelationGetDescr(from));
#endif
}

// 18: "Allow NOT NULL constraints to be added as NOT VALID"; then attnotnull is set, and there may be NULLs.
inline bool is_not_null_unproven([[maybe_unused]] Relation relation, [[maybe_unused]] AttrNumber column)
{
#if PG_VERSION_NUM >= 180000
    return TupleDescCompactAttr(RelationGetDescr(relation), column - 1)->attnullability == ATTNULLABLE_INVALID;
#else
    return false;
#endif
}

inline bool is_not_null(Relation relation, AttrNumber column)
{
    return TupleDescAttr(RelationGetDescr(relation), column - 1)->attnotnull && !is_not_null_unproven(relation, column);
}

// The name of the column's NOT NULL constraint, which 18 keeps in pg_constraint.
inline const char *not_null_constraint([[maybe_unused]] Relation relation, [[maybe_unused]] AttrNumber column)
{
#if PG_VERSION_NUM >= 180000
    HeapTuple tuple = findNotNullConstraintAttnum(RelationGetRelid(relation), column);
    if (HeapTupleIsValid(tuple)) {
        return pstrdup(NameStr(reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->conname));
    }
#endif
    return "";
}

// 18: "Virtual generated columns".
inline bool is_virtual([[maybe_unused]] const FormData_pg_attribute *column)
{
#if PG_VERSION_NUM >= 180000
    return column->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL;
#else
    return false;
#endif
}

// A copy of a table's columns with room for more. 18 keeps a part of each column twice: "Introduce CompactAttribute
// array in TupleDesc", 5983a4cff.
inline TupleDesc with_room(TupleDesc columns, int more)
{
    TupleDesc copy = CreateTemplateTupleDesc(columns->natts + more);

    for (int i = 0; i < columns->natts; i++) {
        memcpy(TupleDescAttr(copy, i), TupleDescAttr(columns, i), ATTRIBUTE_FIXED_PART_SIZE);
#if PG_VERSION_NUM >= 180000
        *TupleDescCompactAttr(copy, i) = *TupleDescCompactAttr(columns, i);
#endif
    }
    copy->constr = columns->constr;
    return copy;
}

// After the columns of a copy have been changed.
inline void settle([[maybe_unused]] TupleDesc columns, [[maybe_unused]] int first)
{
#if PG_VERSION_NUM >= 180000
    for (int i = first; i < columns->natts; i++) {
        populate_compact_attribute(columns, i);
    }
#endif
#if PG_VERSION_NUM >= 190000
    TupleDescFinalize(columns);
#endif
}

// 19 can tell whether one of them is volatile; a new column of such a type is a rewrite all the same (19rc1).
inline bool domain_has_constraints(Oid type)
{
#if PG_VERSION_NUM >= 190000
    return DomainHasConstraints(type, nullptr);
#else
    return DomainHasConstraints(type);
#endif
}

// A utility statement around a node. 19 adds PlannedStmt.planOrigin.
inline PlannedStmt *wrap_utility(Node *node, int location, int length)
{
    PlannedStmt *planned = makeNode(PlannedStmt);

    planned->commandType = CMD_UTILITY;
    planned->canSetTag = false;
    planned->utilityStmt = node;
    planned->stmt_location = location;
    planned->stmt_len = length;
#if PG_VERSION_NUM >= 190000
    planned->planOrigin = PLAN_STMT_INTERNAL;
#endif
    return planned;
}

// ecb0fd33720f (17) brought MAINTAIN.
inline bool may_maintain([[maybe_unused]] Oid relation, [[maybe_unused]] Oid role)
{
#ifdef ACL_MAINTAIN
    return pg_class_aclcheck(relation, role, ACL_MAINTAIN) == ACLCHECK_OK;
#else
    return false;
#endif
}

// 19 lets commands that need a database for themselves end a worker in it.
#ifdef BGWORKER_INTERRUPTIBLE
constexpr int kInterruptibleWorker = BGWORKER_INTERRUPTIBLE;
#else
constexpr int kInterruptibleWorker = 0;
#endif

// c9af054653077 (17) lets an extension name its waits; before, they are all `Extension`. Each caller has its
// own `known`, 0 at first.
inline std::uint32_t wait_event([[maybe_unused]] std::uint32_t *known, [[maybe_unused]] const char *name)
{
#if PG_VERSION_NUM >= 170000
    if (*known == 0) {
        *known = WaitEventExtensionNew(name);
    }
    return *known;
#else
    return PG_WAIT_EXTENSION;
#endif
}

// 17: "For inplace update durability, make heap_update() callers wait" has it ask whether a stronger lock will do.
inline bool holds_lock(const LOCKTAG &tag, LOCKMODE mode)
{
#if PG_VERSION_NUM >= 170000
    return LockHeldByMe(&tag, mode, false);
#else
    return LockHeldByMe(&tag, mode);
#endif
}

// Whether this transaction holds just this lock on a relation of this database.
inline bool holds_lock(Oid relation, LOCKMODE mode)
{
    LOCKTAG tag;

    SET_LOCKTAG_RELATION(tag, MyDatabaseId, relation);
    return holds_lock(tag, mode);
}

// A background worker of ours.
inline bool in_own_worker()
{
    return MyBgworkerEntry != nullptr && strcmp(MyBgworkerEntry->bgw_library_name, "zdm") == 0;
}

} // namespace zdm::pg

// 3eea7a0c97e9 (18): "Simplify executor's determination of whether to use parallelism" took `once` away.
#if PG_VERSION_NUM >= 180000
#define ZDM_EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count
#define ZDM_EXECUTOR_RUN_ARGUMENTS query, direction, count
#else
#define ZDM_EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define ZDM_EXECUTOR_RUN_ARGUMENTS query, direction, count, once
#endif
