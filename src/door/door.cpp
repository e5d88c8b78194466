// The porch: the only extern "C" that PostgreSQL sees by name. Each body is one call into a room.
#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "jobs/jobs.hpp"

extern "C" {
// PGDLLEXPORT is empty on ELF before 16, and we compile with -fvisibility=hidden.
#pragma GCC visibility push(default)
PG_MODULE_MAGIC;
void _PG_init(void);
#pragma GCC visibility pop
}

void _PG_init(void)
{
    const bool preloaded = process_shared_preload_libraries_in_progress;

    zdm::conf::define(preloaded);
    zdm::jobs::install(preloaded);
}
