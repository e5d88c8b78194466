// A worker on a plan of DDL: it tries until it is done, or an error tells that it never will be.
#include "jobs/plan.hpp"

#include "jobs/board.hpp"
#include "jobs/process.hpp"

#include "conf/conf.hpp"
#include "pg/compat.hpp"
#include "pg/plan_lock.hpp"
#include "run/run.hpp"
#include "store/store.hpp"

namespace zdm::jobs
{

namespace
{

constexpr int kOneAttemptMs = 5000;
constexpr int kMostFailures = 3;
constexpr double kShortestRestMs = 50;
constexpr double kLongestRestMs = 5000;
constexpr int kLooks = 20;
constexpr double kBetweenLooksMs = 10;

bool will_pass(int sqlerrcode)
{
    return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
           sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE || sqlerrcode == ERRCODE_QUERY_CANCELED ||
           ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES;
}

ErrorData *attempt(int64 id, MemoryContext memory)
{
    core::Settings settings = conf::current();
    ErrorData *failure = nullptr;

    settings.lock_patience_ms = kOneAttemptMs;
    SetCurrentStatementStartTimestamp();
    pgstat_report_activity(STATE_RUNNING, psprintf("resolving the plan of job " INT64_FORMAT, id));
    StartTransactionCommand();
    MemoryContextSwitchTo(memory);
    failure = run::recover(settings, id, memory, kOneAttemptMs, [] { return leaving() || !conf::current().run_jobs; });
    CommitTransactionCommand();
    MemoryContextSwitchTo(memory);
    pgstat_report_activity(STATE_IDLE, nullptr);
    return failure;
}

void give_up(int64 id, MemoryContext memory, const char *sqlstate, const char *error)
{
    in_transaction(memory, [&] { store::plan_ends(id, "failed", sqlstate, error); });
    ereport(LOG, errmsg("zdm job " INT64_FORMAT " failed: %s", id, error));
}

// A plan that takes the server with it in one of its steps is undone. False: that is what crashes.
bool turn_back(int64 id, MemoryContext memory)
{
    bool turned = false;

    in_transaction(memory, [&] { turned = store::turn_back_plan(id); });
    return turned;
}

} // namespace

bool take_plan(int64 id, MemoryContext memory)
{
    static uint32 event = 0;
    bool taken = false;

    // Who only looks whether somebody is at work holds it for a moment, too.
    for (int i = 0; i < kLooks && !taken && !leaving(); i++) {
        if (i > 0) {
            doze(kBetweenLooksMs, "ZdmPlanLock", &event);
        }
        in_transaction(memory, [&] { taken = pg::hold_plan(id); });
    }
    return taken;
}

void resolve_plan(int64 id, MemoryContext memory)
{
    static uint32 event = 0;
    double rest_ms = kShortestRestMs;
    int failures = 0;
    bool taken = true;

    // Of a statement the portal's memory is what outlives its transactions.
    PortalContext = memory;
    in_transaction(memory, [&] { taken = store::take_up_plan(id); });
    if (!taken && !turn_back(id, memory)) {
        give_up(id, memory, "58030", "the server crashed three times while this plan was being undone or finished");
        return;
    }
    for (;;) {
        look_up();
        ErrorData *failure = attempt(id, memory);
        if (failure == nullptr && !leaving() && conf::current().run_jobs) {
            ereport(LOG, errmsg("zdm job " INT64_FORMAT " is over", id));
            // Others may have waited for that.
            board::wish(MyDatabaseId, false);
            return;
        }
        if (failure == nullptr || leaving() || !conf::current().run_jobs) {
            in_transaction(memory, [&] { store::plan_is_quiet(id); });
            return;
        }
        failures += will_pass(failure->sqlerrcode) ? 0 : 1;
        const char *reason =
            failure->detail == nullptr ? failure->message : psprintf("%s: %s", failure->message, failure->detail);
        if (failures >= kMostFailures) {
            give_up(id, memory, unpack_sql_state(failure->sqlerrcode),
                    psprintf("what it had begun could not be undone: %s", reason));
            return;
        }
        in_transaction(memory, [&] { store::waits_for(id, reason); });
        doze(rest_ms, "ZdmPlanRetry", &event);
        rest_ms = Min(rest_ms * 2, kLongestRestMs);
    }
}

} // namespace zdm::jobs
