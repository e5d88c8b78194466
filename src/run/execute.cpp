// Steps, each a transaction of its own; and back, if one fails.
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/report.hpp"
#include "pg/xact.hpp"
#include "run/journal.hpp"

namespace zdm::run
{

namespace
{

// A user who cancels twice cancels the undoing, and wants it done all the same: it is tried again, for as long as
// zdm.lock_patience. `sql` is for the words. False: it could not be undone.
template <class F> bool undo(const Run &run, std::string_view sql, F &&body)
{
    const Patience patience = begin(*run.settings);
    const int messages = client_min_messages;
    ErrorData *failure = nullptr;

    // A later step may have dropped already what an earlier one is to undo: nobody wants to hear of that.
    client_min_messages = Max(client_min_messages, WARNING);
    do {
        failure = pg::attempt(run.keep, [&] {
            body(ms_until(patience.deadline));
            pg::commit_and_start();
        });
        if (failure != nullptr) {
            pg::abort_and_start();
        }
    } while (failure != nullptr && !patience.over() &&
             (failure->sqlerrcode == ERRCODE_QUERY_CANCELED || failure->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED));
    client_min_messages = messages;
    // What others have written since stays, and nobody else could change that.
    const bool stays = failure != nullptr && failure->sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    if (failure != nullptr) {
        const char *why = failure->message == nullptr ? "" : failure->message;
        pg::report(WARNING, "01ZDM", core::left_behind(run.arena, sql, why, stays ? 0 : run.job));
    }
    return failure == nullptr || stays;
}

// What a concurrent command that failed half-way left: indexes that it created, or that were valid before it.
bool drop_invalid(const Run &run, const Oids &valid_before)
{
    bool all = true;
    const auto drop = [&](Oid index) {
        if (get_rel_relkind(index) == RELKIND_INDEX && !get_index_isvalid(index)) {
            const std::string_view sql = drop_index_sql(run, index);
            all = undo(run, sql, [&](int limit_ms) { drop_index(run, sql, limit_ms, index, true); }) && all;
        }
    };

    for (int i = 0; i < pg::created_count(); i++) {
        drop(pg::created(i));
    }
    for (const std::uint32_t index : valid_before) {
        drop(index);
    }
    return all;
}

bool undo_half_detach(const Run &run, const core::Step &step)
{
    store::StepTimes times{};

    return !is_half_detached(step) ||
           (undo(run, step.finish, [&](int) { finish_detach(run, step, &times); }) &&
            undo(run, step.undo, [&](int limit_ms) { undo_done(run, step, InvalidOid, limit_ms); }));
}

// The index that the step has built; InvalidOid if it was content with one that was there.
Oid built_by(const core::Step &step)
{
    const Oid index = index_of(step, step.builds);

    for (int i = 0; i < pg::created_count(); i++) {
        if (pg::created(i) == index) {
            return index;
        }
    }
    return InvalidOid;
}

// Does one step and commits it. Returns its error, with nothing of it left, or null. `index`: what it has built.
ErrorData *take(const Run &run, const core::Step &step, int number, Oid *index, bool *left)
{
    const bool concurrently = step.kind == core::StepKind::Concurrent;
    Oids valid_before(run.arena);
    Oids invalid_before(run.arena);
    store::StepTimes times{};

    pg::watch_created(concurrently);
    // The commit itself may fail: deferred triggers, a lost connection to a synchronous standby.
    ErrorData *failure = pg::attempt(run.keep, [&] {
        Oid before = InvalidOid;
        if (concurrently) {
            valid_before = indexes_of(run, step, true);
            invalid_before = indexes_of(run, step, false);
            before = index_of(step, step.drops.empty() ? step.builds : step.drops);
            pg::commit_and_start();
        }
        if (step.kind != core::StepKind::Instant) {
            note_start(run, number, "apply", before, invalid_before);
        }
        run_step(run, step, &times);
        *index = concurrently ? built_by(step) : InvalidOid;
        note_done(run, number, "apply", times, step.drops.empty() ? *index : before);
        pg::commit_and_start();
    });
    pg::watch_created(false);
    if (failure != nullptr) {
        pg::abort_and_start();
        note_failure(run, number, failure);
        *left = concurrently && !(drop_invalid(run, valid_before) && undo_half_detach(run, step));
    }
    return failure;
}

// Back over the steps before `end`. False: something could not be undone.
bool take_back(const Run &run, const core::Plan &plan, std::uint32_t end, const Oids &built)
{
    bool all = true;

    for (std::uint32_t i = end; i-- > 0;) {
        const core::Step &step = plan.steps[i];
        const bool done =
            step.undo.empty() || undo(run, step.undo, [&](int limit_ms) { undo_done(run, step, built[i], limit_ms); });
        if (done && !step.undo.empty()) {
            note_undone(run, static_cast<int>(i));
        }
        all = all && done;
    }
    return all;
}

} // namespace

bool execute(const core::Settings &settings, const core::Plan &plan, const core::Statement &statement,
             MemoryContext keep)
{
    Run run{&settings, keep, pg::arena(keep), 0, InvalidOid, 0};
    Oids built(run.arena);

    PreventInTransactionBlock(true, "a plan of zdm");
    for (const core::Step &step : plan.steps) {
        if (step.kind == core::StepKind::Fill) {
            require_workers();
        }
    }
    MemoryContextSwitchTo(keep);
    pg::commit_and_start();

    open_journal(&run, plan, statement);
    for (std::uint32_t i = 0; i < plan.steps.count; i++) {
        Oid index = InvalidOid;
        bool left = false;
        ErrorData *failure = take(run, plan.steps[i], static_cast<int>(i), &index, &left);
        built.push(index);
        if (failure == nullptr) {
            continue;
        }
        const bool again = plan.steps[i].own_name && (failure->sqlerrcode == ERRCODE_DUPLICATE_OBJECT ||
                                                      failure->sqlerrcode == ERRCODE_DUPLICATE_TABLE);
        // A fill goes on without us unless it is stopped.
        const std::uint32_t end = plan.steps[i].kind == core::StepKind::Fill ? i + 1 : i;
        if (!take_back(run, plan, end, built) || left) {
            abandon_journal(&run);
        } else {
            close_journal(&run, again ? nullptr : "failed", failure);
        }
        if (again) {
            return false;
        }
        ReThrowError(failure);
    }
    close_journal(&run, "done", nullptr);
    return true;
}

} // namespace zdm::run
