#pragma once
// Differences between PostgreSQL's majors. Each shim names the commit that made it necessary.
#include "pg/postgres.hpp"

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

} // namespace zdm::pg
