// Around a job stand two marks. In shared memory: this job has a worker, so no other may take it. In its row,
// committed before the work and renewed by every batch: a worker was at work. A worker that leaves in good
// order takes the second back; one that takes the whole server with it leaves it behind, and after three of
// these without a batch done in between the job is left alone.
#include "jobs/filling.hpp"

#include "jobs/board.hpp"
#include "jobs/process.hpp"

#include "conf/conf.hpp"
#include "core/batch.hpp"
#include "core/throttle.hpp"
#include "core/trouble.hpp"
#include "fill/fill.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/walwriter.hpp"
#include "pg/xact.hpp"
#include "store/store.hpp"

#include <algorithm>

namespace zdm::jobs
{

namespace
{

constexpr int kMostCancels = 10;
constexpr int kPatientBefore = 8;
constexpr double kRateMemoryMs = 3000;
constexpr double kLookAgainMs = 2000;
constexpr double kLongRestMs = 5000;
constexpr int kLongestBetweenPassesMs = 30 * 1000;
constexpr double kLookMs = 2;
constexpr double kWaitMs = 50;
constexpr double kAskMs = 100;
constexpr double kSayMs = 1000;

// What a batch leads to.
enum class Next : std::uint8_t { Batch, Wait, End };

// What the throttle remembers.
struct Watching {
    core::Throttle throttle;
    core::WalBudget budget;
    uint64 nudges;     // those we have answered
    double looked_ms;  // when
    double asked_ms;   // only_when, when
    double asking_ms;  // and how long that took
    bool holds;        // its answer
    char why_not[160]; // its error
    char said[160];    // what waiting_for says
    double said_ms;
};

struct Worker {
    MemoryContext memory;
    MemoryContext batch_memory;
    store::Job job;
    store::Progress progress;
    fill::Work *work;
    core::BatchSize size;
    core::Bisect bisect;
    fill::How how;                // what the next batch does
    MemoryContext trouble_memory; // for what follows
    const ErrorData *trouble;     // why it leaves a row out; null: it is locked
    const char *statement;        // of the last batch, for pg_stat_activity
    int blocked;                  // times in a row that a lock was not to be had
    int rounds;                   // through the skipped rows, all of them locked still
    Watching watching;
    bool says_why;
};

void log_end(const Worker *worker, const char *how)
{
    ereport(LOG, errmsg("zdm job " INT64_FORMAT " on %s %s", worker->job.id, worker->job.relation_name, how));
}

void fail(Worker *worker, const ErrorData *error)
{
    const char *message = error->message == nullptr ? "unknown error" : error->message;
    const char *text = error->detail == nullptr
                           ? message
                           : MemoryContextStrdup(worker->memory, psprintf("%s (%s)", message, error->detail));
    const char *sqlstate = unpack_sql_state(error->sqlerrcode);

    in_transaction(worker->memory, [&] { store::fail(worker->job.id, sqlstate, text); });
    ereport(LOG, errcode(error->sqlerrcode),
            errmsg("zdm job " INT64_FORMAT " on %s failed: %s", worker->job.id, worker->job.relation_name, text));
}

bool take_up(Worker *worker, int64 id)
{
    store::Take taken = store::Take::Gone;

    ErrorData *failure = in_transaction(worker->memory, [&] {
        MemoryContext here = MemoryContextSwitchTo(worker->memory);
        taken = store::take_up(id, &worker->job, &worker->progress);
        MemoryContextSwitchTo(here);
    });
    if (failure != nullptr) {
        ereport(LOG, errmsg("zdm job " INT64_FORMAT " could not be taken up: %s", id, failure->message));
        return false;
    }
    if (taken == store::Take::CrashedTooOften) {
        ErrorData error{};
        error.sqlerrcode = ERRCODE_CRASH_SHUTDOWN;
        error.message = const_cast<char *>("the server crashed three times while this job was at work");
        fail(worker, &error);
    }
    return taken == store::Take::Taken;
}

// The reason is written down once; the next batch that succeeds removes it.
void say_why(Worker *worker, const char *reason)
{
    if (!worker->says_why) {
        in_transaction(worker->memory, [&] { store::waits_for(worker->job.id, reason); });
        worker->says_why = true;
    }
}

bool is_running(Worker *worker)
{
    bool running = false;

    ErrorData *failure = in_transaction(worker->memory, [&] {
        const char *state = store::installed() ? store::state_of(worker->job.id) : nullptr;
        running = state != nullptr && strcmp(state, "running") == 0;
    });
    return failure == nullptr ? running : true;
}

// Sleeps with nothing held. False: the job must not go on.
bool rest(Worker *worker, double milliseconds, const char *why, uint32 *event)
{
    const TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), static_cast<int64>(milliseconds));

    pgstat_report_activity(STATE_IDLE, nullptr);
    for (;;) {
        const double left = static_cast<double>(until - GetCurrentTimestamp()) / 1000.0;
        if (left <= 0) {
            return true;
        }
        // A steering call wakes us; DROP EXTENSION does not.
        doze(std::min(left + 1, kLookAgainMs), why, event);
        if (leaving() || !conf::current().run_jobs) {
            return true; // the caller looks
        }
        if (GetCurrentTimestamp() < until && !is_running(worker)) {
            return false;
        }
    }
}

// Somebody else is in the way.
Next after_lock_trouble(Worker *worker, const ErrorData *error, int64 rows)
{
    static uint32 event = 0;
    const int64 row = fill::visited(worker->work);

    if (row != 0) {
        // It is asked for again in the next round.
        in_transaction(worker->memory, [&] { store::row_tried(row); });
        return Next::Batch;
    }
    worker->blocked++;
    if (worker->blocked == 1 && fill::had_rows(worker->work) && error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE) {
        worker->how = fill::How::SkipLocked;
        return Next::Batch;
    }
    // Not the rows themselves, then, but the table, or what a trigger or a foreign key wants to lock.
    if (rows == 1 && fill::had_one_row(worker->work) && worker->blocked >= kPatientBefore) {
        worker->how = fill::How::LeaveOut;
        worker->trouble = nullptr;
        return Next::Batch;
    }
    worker->how = fill::How::Plain;
    worker->size.blocked(worker->blocked);
    if (worker->blocked > 1) {
        say_why(worker, psprintf("locks of other transactions on %s: %s", worker->job.relation_name, error->message));
    }
    const double away = core::stay_away_ms(worker->blocked, pg_prng_double(&pg_global_prng_state));
    return rest(worker, away, "ZdmLockedRows", &event) ? Next::Batch : Next::End;
}

// One of these rows cannot be done.
Next after_row_trouble(Worker *worker, const ErrorData *error, int64 rows)
{
    if (!fill::had_one_row(worker->work)) {
        // An order for one row that found none has failed by itself.
        if (rows <= 1) {
            fail(worker, error);
            return Next::End;
        }
        worker->bisect.failed(rows);
        worker->how = fill::How::Plain;
        return Next::Batch;
    }
    MemoryContextReset(worker->trouble_memory);
    MemoryContext here = MemoryContextSwitchTo(worker->trouble_memory);
    auto *copy = static_cast<ErrorData *>(palloc0(sizeof(ErrorData)));
    copy->sqlerrcode = error->sqlerrcode;
    copy->message = error->message == nullptr ? nullptr : pstrdup(error->message);
    copy->detail = error->detail == nullptr ? nullptr : pstrdup(error->detail);
    MemoryContextSwitchTo(here);
    worker->trouble = copy;
    worker->how = fill::How::LeaveOut;
    return Next::Batch;
}

Next after_error(Worker *worker, ErrorData *error, int64 rows)
{
    bool installed = true;
    bool there = true;
    bool go_on = false;

    if (leaving()) {
        return Next::Batch;
    }
    in_transaction(worker->memory, [&] {
        installed = store::installed();
        there = fill::relation_exists(worker->work);
        go_on = fill::recover(worker->work, error->sqlerrcode);
    });
    if (!installed) {
        log_end(worker, "ended: extension zdm was dropped");
        return Next::End;
    }
    if (!there) {
        error->sqlerrcode = ERRCODE_UNDEFINED_TABLE;
        error->message = psprintf("table %s was dropped", worker->job.relation_name);
        error->detail = nullptr;
        fail(worker, error);
        return Next::End;
    }
    if (go_on) {
        return Next::Batch;
    }
    switch (core::trouble(unpack_sql_state(error->sqlerrcode))) {
    case core::Trouble::Again:
        // Somebody may cancel a statement of ours once or twice; a trigger that cancels itself does so for ever.
        if (error->sqlerrcode == ERRCODE_QUERY_CANCELED && worker->blocked >= kMostCancels) {
            break;
        }
        return after_lock_trouble(worker, error, rows);
    case core::Trouble::Row:
        // What is wrong with our own tables is no row's fault.
        if (fill::had_rows(worker->work)) {
            return after_row_trouble(worker, error, rows);
        }
        break;
    case core::Trouble::Stop:
        break;
    }
    fail(worker, error);
    return Next::End;
}

double now_ms()
{
    instr_time now;

    INSTR_TIME_SET_CURRENT(now);
    return INSTR_TIME_GET_MILLISEC(now);
}

// WAL that it may write, as it is now.
void budget(Worker *worker)
{
    worker->watching.budget.limit(worker->job.limits.wal_per_second);
    worker->size.limit_wal(worker->watching.budget.batch_bytes());
}

// Each kind of wait has a name of its own.
uint32 *event_of(const char *wait)
{
    static struct {
        const char *name;
        uint32 event;
    } known[core::kSignalCount + 1];

    for (auto &one : known) {
        if (one.name == nullptr || strcmp(one.name, wait) == 0) {
            one.name = wait;
            return &one.event;
        }
    }
    return &known[0].event;
}

void charge_wal(Worker *worker, const fill::Batch &done, double bytes)
{
    Watching &watching = worker->watching;

    worker->size.wrote(done.rows_seen, bytes);
    watching.budget.charge(now_ms(), bytes);
    // Said by the next batch in its own transaction.
    const bool waits = watching.budget.wait_ms(now_ms()) > 0;
    worker->progress.waiting_for = waits ? "WAL budget, zdm.max_wal_rate" : nullptr;
}

void measure(Worker *worker, const fill::Batch &done, double ms)
{
    store::Progress &progress = worker->progress;
    const double rate = static_cast<double>(done.rows_seen) * 1000.0 / ms;
    const double weight = progress.rows_per_second <= 0 ? 1 : ms / (ms + kRateMemoryMs);

    progress.rows_per_second += weight * (rate - progress.rows_per_second);
    progress.batch_ms = ms;
    worker->size.took(done.rows_seen, ms);
}

// In the transaction of the batch that left one row too many out.
void fail_by_rows(const Worker *worker)
{
    const ErrorData *error = worker->trouble;

    if (error == nullptr) {
        store::fail(worker->job.id, "XX000", "too many rows failed");
        return;
    }
    store::fail(worker->job.id, unpack_sql_state(error->sqlerrcode),
                error->detail == nullptr ? error->message : psprintf("%s (%s)", error->message, error->detail));
}

// What a batch that was done changes for the next one.
void settle(Worker *worker, const fill::Batch &done, int64 rows)
{
    if (worker->how == fill::How::LeaveOut) {
        worker->bisect.failed(1);
    } else {
        worker->bisect.passed(rows);
    }
    worker->how = fill::How::Plain;
    worker->blocked = 0;
    worker->rounds = done.all_locked ? worker->rounds + 1 : done.rows_done > 0 ? 0 : worker->rounds;
    worker->says_why = false;
    worker->watching.said[0] = '\0';
    worker->statement = done.statement;
}

// All that is left is locked.
Next wait_for_rows(Worker *worker)
{
    static uint32 event = 0;
    const auto left = static_cast<long long>(worker->progress.skipped_rows);

    say_why(worker, psprintf("locks of other transactions on %s: %lld rows left", worker->job.relation_name, left));
    const double away = core::stay_away_ms(worker->rounds, pg_prng_double(&pg_global_prng_state));
    return rest(worker, away, "ZdmLockedRows", &event) ? Next::Batch : Next::End;
}

// One transaction: rows, and how far we are.
Next run_batch(Worker *worker)
{
    store::Progress next = worker->progress;
    const int64 most = worker->size.rows();
    const int64 suspects = worker->bisect.limit();
    const int64 rows = worker->how == fill::How::LeaveOut ? 1 : suspects > 0 ? std::min(most, suspects) : most;
    fill::Batch done{};
    bool refused = false;
    bool failed = false;
    instr_time start;
    instr_time took;

    MemoryContextReset(worker->batch_memory);
    pgstat_report_activity(STATE_RUNNING, worker->statement);
    INSTR_TIME_SET_CURRENT(start);
    const uint64 wal_before = pgWalUsage.wal_bytes;
    pg::keep_walwriter_awake();
    ErrorData *failure = in_transaction(worker->batch_memory, [&] {
        MemoryContext here = MemoryContextSwitchTo(worker->batch_memory);
        done = fill::batch(worker->work, {rows, worker->how, worker->trouble, suspects > 0}, &next);
        next.rows_seen += done.rows_seen;
        next.rows_done += done.rows_done;
        next.batch_rows = most;
        refused = !store::save(worker->job.id, next);
        if (refused) {
            // Cancelled, paused, or moved by somebody: what this batch did must not stay.
            ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("the job is not running"));
        }
        failed = next.failed_rows > worker->job.max_failed_rows;
        if (failed) {
            fail_by_rows(worker);
        } else if (done.finished) {
            store::finish(worker->job.id);
        }
        MemoryContextSwitchTo(here);
    });
    pg::let_walwriter_sleep();
    if (failure != nullptr) {
        worker->statement = nullptr; // may be gone with the statements
        if (refused) {
            log_end(worker, "stopped by request");
            return Next::End;
        }
        return after_error(worker, failure, rows);
    }
    INSTR_TIME_SET_CURRENT(took);
    INSTR_TIME_SUBTRACT(took, start);

    fill::confirm(worker->work);
    next.batches++;
    worker->progress = next;
    settle(worker, done, rows);
    measure(worker, done, std::max(INSTR_TIME_GET_MILLISEC(took), 0.001));
    charge_wal(worker, done, static_cast<double>(pgWalUsage.wal_bytes - wal_before));
    if (failed) {
        log_end(worker, "failed: too many rows failed");
        return Next::End;
    }
    if (done.all_locked) {
        return wait_for_rows(worker);
    }
    if (done.finished) {
        log_end(worker, "is done");
        return Next::End;
    }
    return Next::Wait;
}

// Rests so long that a crash meanwhile must not be held against the job.
bool rest_unmarked(Worker *worker, double milliseconds, const char *why, uint32 *event)
{
    if (milliseconds < kLongRestMs) {
        return rest(worker, milliseconds, why, event);
    }
    in_transaction(worker->memory, [&] { store::mark(worker->job.id, false); });
    const bool go_on = rest(worker, milliseconds, why, event);
    in_transaction(worker->memory, [&] { store::mark(worker->job.id, true); });
    return go_on;
}

// Between batches nothing is held. False: the job must not go on.
bool between_batches(Worker *worker)
{
    static uint32 event = 0;

    pgstat_report_stat(false);
    if (worker->job.pause_ms > 0) {
        return rest_unmarked(worker, worker->job.pause_ms, "ZdmPause", &event);
    }
    if (worker->progress.pass > 2 && !OidIsValid(worker->progress.part)) {
        // Rows that match again come as fast as we walk: walk less often.
        say_why(worker, "rows that match where_clause again");
        return rest_unmarked(worker, std::min(1000 * (worker->progress.pass - 2), kLongestBetweenPassesMs),
                             "ZdmNextPass", &event);
    }
    return true;
}

// Somebody has steered the job, or tuned it. False: it must not go on.
bool look_again(Worker *worker)
{
    const uint64 nudges = board::nudges();

    if (nudges == worker->watching.nudges) {
        return true;
    }
    worker->watching.nudges = nudges;
    if (!is_running(worker)) {
        log_end(worker, "stopped by request");
        return false;
    }
    MemoryContextReset(worker->batch_memory);
    MemoryContext here = MemoryContextSwitchTo(worker->batch_memory);
    store::Job tuned = worker->job;
    if (in_transaction(worker->batch_memory, [&] {
            MemoryContext outer = MemoryContextSwitchTo(worker->batch_memory);
            store::read_spec(worker->job.id, &tuned);
            MemoryContextSwitchTo(outer);
        }) == nullptr) {
        worker->job.limits.wal_per_second = tuned.limits.wal_per_second;
        if (worker->job.batch_ms != tuned.batch_ms) {
            worker->job.batch_ms = tuned.batch_ms;
            worker->size.aim_at(tuned.batch_ms);
        }
        fill::retune(worker->work, tuned);
        budget(worker);
    }
    MemoryContextSwitchTo(here);
    return true;
}

// What the user wants to hold before each batch.
void ask_condition(Worker *worker, double now, core::List<core::Fact> *facts)
{
    Watching &watching = worker->watching;

    if (worker->job.only_when == nullptr) {
        return;
    }
    // A slow condition is asked less often.
    if (watching.asked_ms == 0 || now - watching.asked_ms >= std::max(kAskMs, 10 * watching.asking_ms)) {
        bool holds = false;
        ErrorData *error = in_transaction(worker->batch_memory, [&] { fill::ask_condition(worker->work, &holds); });
        watching.holds = error == nullptr && holds;
        strlcpy(watching.why_not, error == nullptr ? "" : error->message, sizeof(watching.why_not));
        watching.asked_ms = now_ms();
        watching.asking_ms = watching.asked_ms - now;
    }
    facts->push({core::Signal::Condition, watching.why_not, watching.holds ? 0.0 : 1.0, 0.5, 0.5});
}

// Why the next batch must not begin yet, in a text in the memory of the batch; null: it may.
const char *hindrance(Worker *worker, double now, const char **wait, double *wait_ms)
{
    Watching &watching = worker->watching;
    const core::Arena arena = pg::arena(worker->batch_memory);
    core::List<core::Fact> facts(arena);

    watching.looked_ms = now;
    fill::look_around(worker->work, now, &facts);
    ask_condition(worker, now, &facts);
    const core::Fact *fact = watching.throttle.decide(facts);
    if (fact == nullptr) {
        return nullptr;
    }
    *wait = core::wait_name(fact->signal);
    *wait_ms = kWaitMs;
    return pg::cstring(core::describe(arena, *fact));
}

void say_wait(Worker *worker, const char *reason, double now)
{
    Watching &watching = worker->watching;

    if (strcmp(watching.said, reason) != 0 && (watching.said[0] == '\0' || now - watching.said_ms >= kSayMs)) {
        strlcpy(watching.said, reason, sizeof(watching.said));
        watching.said_ms = now;
        in_transaction(worker->memory, [&] { store::waits_for(worker->job.id, watching.said); });
    }
}

// Waits until nothing is in the way of the next batch. Nothing is held meanwhile. False: the job must not go on.
bool may_go(Worker *worker)
{
    Watching &watching = worker->watching;
    const double begun = now_ms();
    double checked = begun;
    bool unmarked = false;

    for (;;) {
        double now = now_ms();
        const char *reason = nullptr;
        const char *wait = "ZdmWalBudget";
        double wait_ms = watching.budget.wait_ms(now);
        if (!look_again(worker)) {
            return false;
        }
        if (now - watching.looked_ms >= kLookMs || watching.looked_ms == 0 || watching.said[0] != '\0') {
            MemoryContextReset(worker->batch_memory);
            MemoryContext here = MemoryContextSwitchTo(worker->batch_memory);
            reason = hindrance(worker, now, &wait, &wait_ms);
            MemoryContextSwitchTo(here);
        }
        if (reason == nullptr && wait_ms <= 0) {
            break;
        }
        if (reason != nullptr) {
            say_wait(worker, reason, now);
        }
        if (!unmarked && now - begun > kLongRestMs) {
            // A crash meanwhile must not be held against the job.
            in_transaction(worker->memory, [&] { store::mark(worker->job.id, false); });
            unmarked = true;
        }
        pgstat_report_activity(STATE_IDLE, nullptr);
        doze(std::min(wait_ms + 1, kWaitMs), wait, event_of(wait));
        if (leaving() || !conf::current().run_jobs) {
            break; // the caller looks
        }
        now = now_ms();
        if (now - checked >= kLookAgainMs) {
            // A steering call wakes us; DROP EXTENSION does not.
            checked = now;
            if (!is_running(worker)) {
                return false;
            }
        }
    }
    if (unmarked) {
        in_transaction(worker->memory, [&] { store::mark(worker->job.id, true); });
    }
    return true;
}

void work_on(Worker *worker)
{
    for (;;) {
        look_up();
        if (!may_go(worker)) {
            return;
        }
        if (leaving() || !conf::current().run_jobs) {
            in_transaction(worker->memory, [&] { store::put_back(worker->job.id); });
            return;
        }
        const Next next = run_batch(worker);
        if (next == Next::End || (next == Next::Wait && !between_batches(worker))) {
            return;
        }
    }
}

} // namespace

void work_on_backfill(int64 id)
{
    auto *worker = static_cast<Worker *>(MemoryContextAllocZero(TopMemoryContext, sizeof(Worker)));

    worker->memory = AllocSetContextCreate(TopMemoryContext, "zdm job", ALLOCSET_DEFAULT_SIZES);
    worker->batch_memory = AllocSetContextCreate(worker->memory, "zdm batch", ALLOCSET_DEFAULT_SIZES);
    worker->trouble_memory = AllocSetContextCreate(worker->memory, "zdm trouble", ALLOCSET_SMALL_SIZES);
    MemoryContextSwitchTo(worker->memory);
    if (take_up(worker, id)) {
        worker->size = core::BatchSize(worker->job.batch_ms, worker->job.batch_rows, worker->progress.batch_rows);
        worker->work = fill::open(worker->job, worker->progress);
        budget(worker);
        work_on(worker);
    }
}

} // namespace zdm::jobs
