// SQL functions and processes of background jobs.
#include "pg/postgres.hpp"

#include "jobs/jobs.hpp"

extern "C" {
#pragma GCC visibility push(default)
PG_FUNCTION_INFO_V1(zdm_backfill);
PG_FUNCTION_INFO_V1(zdm_plan_backfill);
PG_FUNCTION_INFO_V1(zdm_wait);
PG_FUNCTION_INFO_V1(zdm_pause);
PG_FUNCTION_INFO_V1(zdm_resume);
PG_FUNCTION_INFO_V1(zdm_cancel);
PG_FUNCTION_INFO_V1(zdm_retry);
PG_FUNCTION_INFO_V1(zdm_tune);
PG_FUNCTION_INFO_V1(zdm_verify);
PG_FUNCTION_INFO_V1(zdm_visible_jobs);
PG_FUNCTION_INFO_V1(zdm_visible_failed_rows);
PG_FUNCTION_INFO_V1(zdm_visible_steps);
void zdm_launcher_main(Datum arg);
void zdm_worker_main(Datum slot);
#pragma GCC visibility pop

void zdm_launcher_main(Datum) { zdm::jobs::launcher_main(); }

void zdm_worker_main(Datum slot) { zdm::jobs::worker_main(DatumGetInt32(slot)); }

static zdm::jobs::Backfill read_arguments(FunctionCallInfo fcinfo)
{
    for (int i = 0; i < 2; i++) {
        if (PG_ARGISNULL(i)) {
            ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("%s must not be null", i == 0 ? "relation" : "set_clause"));
        }
    }
    zdm::jobs::Backfill asked{};
    asked.relation = PG_GETARG_OID(0);
    asked.set_clause = text_to_cstring(PG_GETARG_TEXT_PP(1));
    asked.where_clause = PG_ARGISNULL(2) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(2));
    // 0 would be `by time`, which is NULL here.
    asked.batch_rows = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT32(3) == 0 ? -1 : PG_GETARG_INT32(3);
    asked.batch_time = PG_ARGISNULL(4) ? nullptr : PG_GETARG_INTERVAL_P(4);
    asked.pause = PG_ARGISNULL(5) ? nullptr : PG_GETARG_INTERVAL_P(5);
    asked.workers = PG_ARGISNULL(6) ? 1 : PG_GETARG_INT32(6);
    asked.max_failed_rows = PG_ARGISNULL(7) ? 0 : PG_GETARG_INT64(7);
    asked.options = PG_ARGISNULL(8) ? nullptr : PG_GETARG_JSONB_P(8);
    return asked;
}

Datum zdm_backfill(PG_FUNCTION_ARGS) { PG_RETURN_INT64(zdm::jobs::backfill(read_arguments(fcinfo))); }

Datum zdm_plan_backfill(PG_FUNCTION_ARGS)
{
    zdm::jobs::plan_backfill(read_arguments(fcinfo), fcinfo);
    return Datum{0};
}

Datum zdm_wait(PG_FUNCTION_ARGS)
{
    const int64 job = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);

    zdm::jobs::wait(PG_ARGISNULL(0) ? nullptr : &job, PG_ARGISNULL(1) ? nullptr : PG_GETARG_INTERVAL_P(1), fcinfo);
    PG_RETURN_VOID();
}

Datum zdm_pause(PG_FUNCTION_ARGS)
{
    zdm::jobs::pause(PG_GETARG_INT64(0));
    PG_RETURN_VOID();
}

Datum zdm_resume(PG_FUNCTION_ARGS)
{
    zdm::jobs::resume(PG_GETARG_INT64(0));
    PG_RETURN_VOID();
}

Datum zdm_cancel(PG_FUNCTION_ARGS)
{
    zdm::jobs::cancel(PG_GETARG_INT64(0));
    PG_RETURN_VOID();
}

Datum zdm_retry(PG_FUNCTION_ARGS)
{
    zdm::jobs::retry(PG_GETARG_INT64(0));
    PG_RETURN_VOID();
}

Datum zdm_verify(PG_FUNCTION_ARGS) { PG_RETURN_INT64(zdm::jobs::verify(PG_GETARG_INT64(0), PG_GETARG_BOOL(1))); }

Datum zdm_tune(PG_FUNCTION_ARGS)
{
    if (PG_ARGISNULL(0)) {
        ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("job must not be null"));
    }
    zdm::jobs::Tuning tuning{};
    tuning.batch_time = PG_ARGISNULL(1) ? nullptr : PG_GETARG_INTERVAL_P(1);
    tuning.max_wal_rate = PG_ARGISNULL(2) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(2));
    tuning.max_replication_lag = PG_ARGISNULL(3) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(3));
    tuning.max_replication_delay = PG_ARGISNULL(4) ? nullptr : PG_GETARG_INTERVAL_P(4);
    tuning.workers = PG_ARGISNULL(5) ? 0 : PG_GETARG_INT32(5) < 1 ? -1 : PG_GETARG_INT32(5);
    zdm::jobs::tune(PG_GETARG_INT64(0), tuning);
    PG_RETURN_VOID();
}

Datum zdm_visible_jobs(PG_FUNCTION_ARGS)
{
    zdm::jobs::list(fcinfo);
    return Datum{0};
}

Datum zdm_visible_failed_rows(PG_FUNCTION_ARGS)
{
    zdm::jobs::list_failed_rows(fcinfo);
    return Datum{0};
}

Datum zdm_visible_steps(PG_FUNCTION_ARGS)
{
    zdm::jobs::list_steps(fcinfo);
    return Datum{0};
}
}
