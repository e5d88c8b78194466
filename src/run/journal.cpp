#include "run/journal.hpp"

#include "pg/memory.hpp"
#include "pg/plan_lock.hpp"
#include "pg/xact.hpp"

namespace zdm::run
{

namespace
{

// The plan that this session is at work on; 0: none.
int64 open_job = 0;
bool watching_exit = false;

bool is_worth_it(const core::Plan &plan)
{
    return plan.steps.count > 1 || (plan.steps.count == 1 && plan.steps[0].kind == core::StepKind::Concurrent);
}

// Runs body and commits. What happens to it is nobody's business but the launcher's.
template <class F> void quietly(const Run &run, F &&body)
{
    if (run.job == 0) {
        return;
    }
    ErrorData *failure = pg::attempt(run.keep, [&] {
        body();
        pg::commit_and_start();
    });
    if (failure != nullptr) {
        pg::abort_and_start();
        FreeErrorData(failure);
    }
}

void let_go(Run *run)
{
    const int64 job = run->job;

    open_job = 0;
    run->job = 0;
    pg::release_plan(job);
}

} // namespace

extern "C" {

// After the locks are gone: whoever hears it can have them.
static void at_exit(int, Datum)
{
    if (open_job != 0) {
        store::announce_now(MyDatabaseId);
    }
}

} // extern "C"

void open_journal(Run *run, const core::Plan &plan, const core::Statement &statement)
{
    const Oid relation = statement.relation.oid;

    if (!is_worth_it(plan)) {
        return;
    }
    if (!watching_exit) {
        on_shmem_exit(at_exit, 0);
        watching_exit = true;
    }
    int64 job = 0;
    ErrorData *failure = pg::attempt(run->keep, [&] {
        pg::with_snapshot([&] {
            job = store::add_plan({relation, relation == InvalidOid ? nullptr : pg::cstring(statement.relation.name),
                                   pg::cstring(statement.text), &plan, 0, false});
        });
        // Nobody sees it before the lock is ours.
        pg::hold_plan(job);
        open_job = job;
        pg::commit_and_start();
    });
    run->job = job;
    if (failure != nullptr) {
        let_go(run);
        ReThrowError(failure);
    }
}

const char *text_of(const ErrorData *why)
{
    const char *message = why->message == nullptr ? "unknown error" : why->message;
    return why->detail == nullptr ? message : psprintf("%s (%s)", message, why->detail);
}

void note_start(const Run &run, int number, const char *phase, Oid index, const Oids &invalid_before)
{
    if (run.job == 0) {
        return;
    }
    if (!pg::still_hold_plan(run.job)) {
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("job " INT64_FORMAT " has been taken over by another session", run.job)));
    }
    store::step_starts(run.job, number, phase, index, invalid_before);
    pg::commit_and_start();
}

void note_done(const Run &run, int number, const char *phase, const store::StepTimes &times, Oid index)
{
    if (run.job != 0) {
        store::step_done(run.job, number, phase, times, index);
    }
}

void note_failure(const Run &run, int number, const ErrorData *why)
{
    quietly(run, [&] {
        store::step_failed(run.job, number, text_of(why));
        store::plan_turns(run.job, "undo", unpack_sql_state(why->sqlerrcode), text_of(why));
    });
}

void note_undone(const Run &run, int number)
{
    quietly(run, [&] { store::step_undone(run.job, number); });
}

void close_journal(Run *run, const char *state, const ErrorData *why)
{
    if (run->job == 0) {
        return;
    }
    quietly(*run, [&] {
        if (state == nullptr) {
            store::forget_plan(run->job);
        } else {
            store::plan_ends(run->job, state, why == nullptr ? nullptr : unpack_sql_state(why->sqlerrcode),
                             why == nullptr ? nullptr : text_of(why));
        }
    });
    let_go(run);
}

void abandon_journal(Run *run)
{
    if (run->job != 0) {
        let_go(run);
        store::announce_now(MyDatabaseId);
    }
}

} // namespace zdm::run
