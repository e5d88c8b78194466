#pragma once
// Background jobs: a launcher for the cluster, a worker per job, and the calls that start and steer them.
#include "pg/postgres.hpp"

namespace zdm::jobs
{

// From _PG_init. preloaded: by shared_preload_libraries; only then are there workers.
void install(bool preloaded);

[[noreturn]] void launcher_main();
[[noreturn]] void worker_main(int slot);

struct Backfill {
    Oid relation;
    const char *set_clause;
    const char *where_clause;   // or null
    int64 batch_rows;           // 0: by time
    const Interval *batch_time; // null: zdm.batch_time
    const Interval *pause;      // null: none
    int workers;
    int64 max_failed_rows;
    Jsonb *options; // or null
};
int64 backfill(const Backfill &asked);
void plan_backfill(const Backfill &asked, FunctionCallInfo call);

// A job that compares every row with what another has made of it.
int64 verify(int64 job, bool repair);

void pause(int64 job);
void resume(int64 job);
void cancel(int64 job);
void retry(int64 job);

// Null: leave it as it is.
struct Tuning {
    const Interval *batch_time;
    const char *max_wal_rate;
    const char *max_replication_lag;
    const Interval *max_replication_delay;
    int workers; // 0: leave it; -1: fewer than one
};
void tune(int64 job, const Tuning &tuning);

// job 0: all of the caller. top_level: CALL came from the client, outside any block.
void wait(const int64 *job, const Interval *timeout, FunctionCallInfo call);
void list(FunctionCallInfo call);
void list_failed_rows(FunctionCallInfo call);
void list_steps(FunctionCallInfo call);

} // namespace zdm::jobs
