// CALL zdm.wait: looks at the state again and again, each time in a transaction of its own, with nothing held
// between.
#include "jobs/jobs.hpp"

#include "pg/compat.hpp"
#include "store/store.hpp"

namespace zdm::jobs
{

namespace
{

constexpr double kFirstNapMs = 5;
constexpr double kLongestNapMs = 100;

// 25001 unless the client itself sent this CALL, outside a transaction block. A DO block or a procedure is
// not atomic by its own account; only the portal tells that the statement in it is not ours.
void require_top_level(FunctionCallInfo call)
{
    bool ours = false;

    if (ActivePortal != nullptr && list_length(ActivePortal->stmts) == 1) {
        const auto *statement = linitial_node(PlannedStmt, ActivePortal->stmts);
        ours = statement->utilityStmt != nullptr && IsA(statement->utilityStmt, CallStmt) &&
               reinterpret_cast<CallStmt *>(statement->utilityStmt)->funcexpr->funcid == call->flinfo->fn_oid;
    }
    const bool atomic = call->context == nullptr || !IsA(call->context, CallContext) ||
                        reinterpret_cast<CallContext *>(call->context)->atomic;
    if (!ours) {
        ereport(ERROR, errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                errmsg("zdm.wait cannot be called from a function or procedure"),
                errhint("Send CALL zdm.wait() as a statement of its own."));
    }
    PreventInTransactionBlock(true, "CALL zdm.wait");
    if (atomic) {
        ereport(ERROR, errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                errmsg("CALL zdm.wait cannot run inside a transaction block"));
    }
}

// The job a session waits for: its own, or one it could see.
void require_visible(int64 job, const store::Fate &fate)
{
    if (!superuser() && !has_privs_of_role(GetUserId(), fate.owner) &&
        !has_privs_of_role(GetUserId(), ROLE_PG_MONITOR)) {
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for job " INT64_FORMAT, job));
    }
}

bool is_open(const store::Fate &fate)
{
    // In a copy of its database a job is paused, whatever its row says.
    return (strcmp(fate.state, "queued") == 0 || strcmp(fate.state, "running") == 0) && fate.database == MyDatabaseId;
}

[[noreturn]] void raise(int64 job, const store::Fate &fate)
{
    const bool plan = strcmp(fate.kind, "ddl") == 0;
    const char *code = fate.sqlstate != nullptr && strlen(fate.sqlstate) == 5 ? fate.sqlstate : "XX000";

    ereport(ERROR, errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
            errmsg("%s", fate.error == nullptr ? "the job failed" : fate.error),
            errdetail("Job " INT64_FORMAT " (%s of %s) failed.", job, fate.kind, fate.relation_name),
            plan ? errhint("The view zdm.steps shows what has become of its steps. SELECT zdm.retry(" INT64_FORMAT
                           ") tries it again.",
                           job)
                 : errhint("Its rows done so far stay. SELECT zdm.retry(" INT64_FORMAT ") lets it go on.", job));
}

// True: this job need not be waited for any longer. Raises its error.
bool is_over(int64 job, bool named)
{
    store::Fate fate{};
    bool over = true;

    PushActiveSnapshot(GetTransactionSnapshot());
    if (!store::look(job, &fate)) {
        if (named) {
            ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no job " INT64_FORMAT, job),
                    errhint("The view zdm.jobs lists them."));
        }
    } else {
        require_visible(job, fate);
        over = !is_open(fate);
        if (over && strcmp(fate.state, "failed") == 0) {
            raise(job, fate);
        }
    }
    PopActiveSnapshot();
    return over;
}

void nap(double *milliseconds, TimestampTz deadline)
{
    static uint32 event = 0;

    if (GetCurrentTimestamp() >= deadline) {
        ereport(ERROR, errcode(ERRCODE_QUERY_CANCELED), errmsg("the job was not over in time"),
                errhint("It goes on; the view zdm.jobs shows how far it is."));
    }
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, static_cast<long>(*milliseconds),
              pg::wait_event(&event, "ZdmWait"));
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
    *milliseconds = *milliseconds * 1.5 < kLongestNapMs ? *milliseconds * 1.5 : kLongestNapMs;
}

} // namespace

void wait(const int64 *job, const Interval *timeout, FunctionCallInfo call)
{
    TimestampTz deadline = DT_NOEND;
    double nap_ms = kFirstNapMs;
    int count = 1;

    require_top_level(call);
    if (timeout != nullptr) {
        deadline = DatumGetTimestampTz(DirectFunctionCall2(
            timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()), IntervalPGetDatum(timeout)));
    }

    // The portal's memory outlives the transactions within.
    MemoryContext memory = AllocSetContextCreate(PortalContext, "zdm wait", ALLOCSET_SMALL_SIZES);
    MemoryContext here = MemoryContextSwitchTo(memory);
    const int64 named = job == nullptr ? 0 : *job;
    const int64 *jobs = &named;
    SPI_connect_ext(SPI_OPT_NONATOMIC);
    if (job == nullptr) {
        MemoryContextSwitchTo(memory);
        PushActiveSnapshot(GetTransactionSnapshot());
        jobs = store::open_jobs_of(GetUserId(), &count);
        PopActiveSnapshot();
    }
    MemoryContext look = AllocSetContextCreate(memory, "zdm look", ALLOCSET_SMALL_SIZES);
    for (int i = 0; i < count; i++) {
        for (;;) {
            MemoryContextSwitchTo(look);
            const bool over = is_over(jobs[i], job != nullptr);
            MemoryContextReset(look);
            if (over) {
                break;
            }
            SPI_commit();
            nap(&nap_ms, deadline);
        }
    }
    SPI_finish();
    MemoryContextSwitchTo(here);
    MemoryContextDelete(memory);
}

} // namespace zdm::jobs
