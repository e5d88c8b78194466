#pragma once
// Differences between PostgreSQL's majors. Each shim names the commit that made it necessary.
#include "pg/postgres.hpp"

#include <cstddef>
#include <cstdint>

namespace zdm::pg
{

// Memory for a check hook's extra. 407b50f2d421 (16) moved it out of malloc.
inline void *guc_allocate(std::size_t bytes)
{
#if PG_VERSION_NUM >= 160000
    return guc_malloc(LOG, bytes);
#else
    return malloc(bytes);
#endif
}

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

// afbfc02983f8 (16) replaced the ownership checks per catalog by one.
inline bool owns_relation(Oid relation, Oid role)
{
#if PG_VERSION_NUM >= 160000
    return object_ownercheck(RelationRelationId, relation, role);
#else
    return pg_class_ownercheck(relation, role);
#endif
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

} // namespace zdm::pg
