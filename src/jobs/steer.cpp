// The calls of a session: they write a row, and at commit wake whoever should read it.
#include "jobs/steer.hpp"

#include "jobs/board.hpp"
#include "jobs/jobs.hpp"

#include "conf/conf.hpp"
#include "fill/fill.hpp"
#include "pg/compat.hpp"
#include "pg/plan_lock.hpp"

#include "store/store.hpp"
#include <cstdint>

namespace zdm::jobs
{

namespace
{

bool looks_after_commit = false;
int worker_to_interrupt = 0; // then; 0: none

double milliseconds(const Interval *interval)
{
    return static_cast<double>(interval->time) / 1000.0 + interval->day * 86400000.0 +
           interval->month * (30 * 86400000.0);
}

void require_board(const char *what)
{
    if (!board::exists()) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("%s needs background workers, and zdm was not preloaded", what),
                errhint("Add zdm to shared_preload_libraries and restart the server."));
    }
}

[[noreturn]] void refuse(const char *what, const char *hint)
{
    ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("%s is not supported yet", what),
            errhint("%s", hint));
}

[[noreturn]] void bad_value(const char *message)
{
    ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", message));
}

struct Options {
    const char *path;
    const char *only_when;
    const char *window;
};

Options read_options(Jsonb *options)
{
    Options read{};

    if (options == nullptr) {
        return read;
    }
    if (!JB_ROOT_IS_OBJECT(options)) {
        bad_value("options must be a JSON object");
    }
    JsonbIterator *iterator = JsonbIteratorInit(&options->root);
    JsonbValue value;
    const char *key = "";
    JsonbIteratorToken token{};
    while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE) {
        if (token == WJB_KEY) {
            key = pnstrdup(value.val.string.val, static_cast<Size>(value.val.string.len));
            if (strcmp(key, "path") != 0 && strcmp(key, "only_when") != 0 && strcmp(key, "window") != 0) {
                ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there is no option \"%s\"", key),
                        errhint("Options are path, only_when and window."));
            }
            continue;
        }
        if (token != WJB_VALUE) {
            continue;
        }
        if (value.type != jbvString) {
            ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("option \"%s\" must be a text", key));
        }
        const char *text = pnstrdup(value.val.string.val, static_cast<Size>(value.val.string.len));
        (strcmp(key, "path") == 0 ? read.path : strcmp(key, "window") == 0 ? read.window : read.only_when) = text;
    }
    return read;
}

Options check_options(Jsonb *asked)
{
    Options options = read_options(asked);

    if (options.path != nullptr && strcmp(options.path, "keyset") != 0 && strcmp(options.path, "ctid") != 0 &&
        strcmp(options.path, "striped") != 0) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("option \"path\" has no such value"),
                errhint("Paths are keyset, ctid and striped."));
    }
    if (options.only_when != nullptr) {
        fill::check_only_when(options.only_when);
    }
    if (options.window != nullptr) {
        options.window = fill::check_window(options.window);
    }
    return options;
}

void check_workers(int workers)
{
    if (workers < 1) {
        bad_value("workers must be at least 1");
    }
    if (workers > 1) {
        refuse("more than one worker for a backfill", "Leave workers out, or say 1.");
    }
}

// A size as settings write it, in bytes.
double read_size(const char *name, const char *text, int least)
{
    const char *hint = nullptr;
    int kilobytes = 0;

    if (!parse_int(text, &kilobytes, GUC_UNIT_KB, &hint) || kilobytes < least) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid value for %s: \"%s\"", name, text),
                errhint("%s", hint == nullptr ? "Write a size such as '8MB'." : hint));
    }
    return kilobytes < 0 ? -1 : kilobytes * 1024.0;
}

void check_numbers(const Backfill &asked)
{
    check_workers(asked.workers);
    if (asked.max_failed_rows < 0) {
        bad_value("max_failed_rows must not be negative");
    }
    if (asked.batch_rows < 0) {
        bad_value("batch_rows must be at least 1");
    }
    if (asked.batch_time != nullptr && milliseconds(asked.batch_time) < 1) {
        bad_value("batch_time must be at least 1 ms");
    }
    if (asked.pause != nullptr && milliseconds(asked.pause) < 0) {
        bad_value("pause must not be negative");
    }
}

store::Limits limits_of_session()
{
    const core::Settings settings = conf::current();

    return {settings.max_replication_lag_kb < 0 ? -1 : settings.max_replication_lag_kb * 1024.0,
            static_cast<double>(settings.max_replication_delay_ms), settings.ignore_standbys,
            settings.max_wal_rate_kb * 1024.0};
}

char *describe(const char *relation, const Backfill &asked)
{
    return asked.where_clause == nullptr
               ? psprintf("UPDATE %s SET %s", relation, asked.set_clause)
               : psprintf("UPDATE %s SET %s WHERE %s", relation, asked.set_clause, asked.where_clause);
}

// What is asked for, checked as the caller.
store::Job read_backfill(const Backfill &asked)
{
    store::Job job{};

    check_numbers(asked);
    const Options options = check_options(asked.options);
    job.path = fill::check(asked.relation, asked.set_clause, asked.where_clause, options.path);
    job.database = MyDatabaseId;
    job.kind = "backfill";
    job.relation = asked.relation;
    job.relation_name = fill::qualified_name(asked.relation);
    job.description = describe(job.relation_name, asked);
    job.owner = GetUserId();
    job.set_clause = asked.set_clause;
    job.where_clause = asked.where_clause;
    job.batch_rows = asked.batch_rows;
    job.batch_ms = asked.batch_time == nullptr ? conf::current().batch_time_ms : milliseconds(asked.batch_time);
    job.pause_ms = asked.pause == nullptr ? 0 : milliseconds(asked.pause);
    job.max_failed_rows = asked.max_failed_rows;
    job.workers = asked.workers;
    job.only_when = options.only_when;
    job.window = options.window;
    job.limits = limits_of_session();
    return job;
}

[[noreturn]] void unknown_job(int64 job)
{
    ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no job " INT64_FORMAT, job),
            errhint("The view zdm.jobs lists them."));
}

enum class Steer : std::uint8_t { OwnerOnly, RelationOwnerToo };

// Raises unless the caller may steer the job.
store::Fate steerable(int64 job, Steer who)
{
    store::Fate fate{};

    if (!store::look(job, &fate)) {
        unknown_job(job);
    }
    const bool owner = superuser() || has_privs_of_role(GetUserId(), fate.owner);
    const bool relation =
        who == Steer::RelationOwnerToo && fate.database == MyDatabaseId &&
        SearchSysCacheExists1(RELOID, ObjectIdGetDatum(fate.relation)) &&
        (pg::owns_relation(fate.relation, GetUserId()) || pg::may_maintain(fate.relation, GetUserId()));
    if (!owner && !relation) {
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for job " INT64_FORMAT, job),
                errdetail("It belongs to role \"%s\".", GetUserNameFromId(fate.owner, true)));
    }
    return fate;
}

void move(int64 job, const char *call, Steer who, const char *from, const char *to, bool copied_too = false)
{
    PreventCommandIfReadOnly(call);
    PreventCommandDuringRecovery(call);
    store::Fate fate = steerable(job, who);
    // In a copy of the database an open job counts as paused.
    const bool copied = copied_too && fate.database != MyDatabaseId;
    if (!store::move(job, copied ? "{queued,running,paused}" : from, to)) {
        store::look(job, &fate);
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("job " INT64_FORMAT " is %s", job, fate.state),
                errdetail("%s takes a job that is one of %s.", call, from));
    }
    look_after_commit();
}

bool is_plan(int64 job)
{
    store::Fate fate{};

    return store::look(job, &fate) && strcmp(fate.kind, "ddl") == 0;
}

// Of a session that is at work on it the statement is cancelled, as pg_cancel_backend would; else it is undone.
void cancel_plan(int64 job)
{
    PreventCommandIfReadOnly("zdm.cancel()");
    PreventCommandDuringRecovery("zdm.cancel()");
    store::Fate fate = steerable(job, Steer::RelationOwnerToo);
    const int holder = strcmp(fate.state, "running") == 0 ? pg::plan_holder(job) : 0;

    if (holder != 0 && holder != MyProcPid && !board::is_claimed(job)) {
        kill(holder, SIGINT);
        return;
    }
    if (!store::cancel_plan(job)) {
        store::look(job, &fate);
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("job " INT64_FORMAT " is %s", job, fate.state),
                errdetail("zdm.cancel() takes a plan that is open."));
    }
    // Its worker must find the mark when it asks what the interrupt was for.
    worker_to_interrupt = holder;
    look_after_commit();
}

void retry_plan(int64 job)
{
    PreventCommandIfReadOnly("zdm.retry()");
    PreventCommandDuringRecovery("zdm.retry()");
    store::Fate fate = steerable(job, Steer::OwnerOnly);
    if (!store::retry_plan(job)) {
        store::look(job, &fate);
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("job " INT64_FORMAT " is %s", job, fate.state),
                errdetail("zdm.retry() takes a plan that has failed."));
    }
    look_after_commit();
}

} // namespace

extern "C" {

static void at_end_of_transaction(XactEvent event, void *)
{
    if (!looks_after_commit) {
        return;
    }
    switch (event) {
    case XACT_EVENT_PRE_PREPARE:
        // Whoever runs COMMIT PREPARED knows nothing of our job.
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("cannot PREPARE a transaction that has started or steered a zdm job"));
        break;
    case XACT_EVENT_COMMIT:
        looks_after_commit = false;
        if (worker_to_interrupt != 0) {
            kill(worker_to_interrupt, SIGINT);
            worker_to_interrupt = 0;
        }
        if (board::exists()) {
            board::wish(MyDatabaseId, false);
            board::nudge(MyDatabaseId);
        }
        break;
    case XACT_EVENT_ABORT:
        looks_after_commit = false;
        worker_to_interrupt = 0;
        break;
    default:
        break;
    }
}

} // extern "C"

void watch_commits() { RegisterXactCallback(at_end_of_transaction, nullptr); }

void look_after_commit() { looks_after_commit = true; }

int64 backfill(const Backfill &asked)
{
    PreventCommandIfReadOnly("zdm.backfill()");
    PreventCommandDuringRecovery("zdm.backfill()");
    require_board("zdm.backfill");
    const int64 id = store::add(read_backfill(asked));

    look_after_commit();
    return id;
}

void plan_backfill(const Backfill &asked, FunctionCallInfo call)
{
    InitMaterializedSRF(call, 0);
    const store::Job job = read_backfill(asked);

    fill::plan(job, {[](void *to, const char *item, const char *value) {
                         auto *result = static_cast<ReturnSetInfo *>(to);
                         Datum values[] = {CStringGetTextDatum(item), CStringGetTextDatum(value)};
                         bool nulls[] = {false, false};
                         tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
                     },
                     call->resultinfo});
}

void pause(int64 job)
{
    // The plan of a statement is stopped before it begins, or not at all.
    move(job, "zdm.pause()", Steer::RelationOwnerToo, is_plan(job) ? "{queued}" : "{queued,running}", "paused");
}

void resume(int64 job)
{
    require_board("zdm.resume");
    move(job, "zdm.resume()", Steer::RelationOwnerToo, "{paused}", "queued", true);
}

void cancel(int64 job)
{
    if (is_plan(job)) {
        cancel_plan(job);
    } else {
        move(job, "zdm.cancel()", Steer::RelationOwnerToo, "{queued,running,paused,failed}", "cancelled", true);
    }
}

void retry(int64 job)
{
    require_board("zdm.retry");
    if (is_plan(job)) {
        retry_plan(job);
        return;
    }
    store::Job asked{};
    if (store::find(job, &asked) && asked.verifies) {
        steerable(job, Steer::OwnerOnly);
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("job " INT64_FORMAT " only compares rows", job),
                errhint("Call zdm.verify again for the backfill, with repair => true to write them."));
    }
    // A job that is done may have left rows out.
    const bool left_out = store::failed_rows_of(job) > 0;
    move(job, "zdm.retry()", Steer::OwnerOnly, left_out ? "{failed,done}" : "{failed}", "queued");
    store::take_failed_again(job);
}

int64 verify(int64 id, bool repair)
{
    PreventCommandIfReadOnly("zdm.verify()");
    PreventCommandDuringRecovery("zdm.verify()");
    require_board("zdm.verify");
    const store::Fate fate = steerable(id, Steer::OwnerOnly);
    store::Job job{};
    if (strcmp(fate.kind, "backfill") != 0 || strcmp(fate.state, "done") != 0 || !store::find(id, &job)) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("job " INT64_FORMAT " (%s) is %s", id, fate.kind, fate.state),
                errdetail("zdm.verify() takes a backfill that is done."));
    }
    if (get_rel_name(job.relation) == nullptr) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table %s was dropped", job.relation_name));
    }
    fill::as_asked(job, [](void *asked) {
        auto *of = static_cast<store::Job *>(asked);
        of->where_clause = fill::check_verifiable(of->relation, of->set_clause, of->where_clause);
    });
    job.verifies = !repair;
    job.max_failed_rows = repair ? 0 : PG_INT64_MAX / 4;
    job.description = psprintf("%s job " INT64_FORMAT ": %s", repair ? "repair" : "verify", id, job.description);

    const int64 verifier = store::add(job);
    look_after_commit();
    return verifier;
}

void tune(int64 job, const Tuning &tuning)
{
    PreventCommandIfReadOnly("zdm.tune()");
    PreventCommandDuringRecovery("zdm.tune()");
    const store::Fate fate = steerable(job, Steer::OwnerOnly);
    StringInfoData json;
    initStringInfo(&json);
    const auto change = [&](const char *name, double value) {
        appendStringInfo(&json, "%s\"%s\": %.17g", json.len > 0 ? ", " : "{", name, value);
    };
    if (tuning.batch_time != nullptr) {
        if (milliseconds(tuning.batch_time) < 1) {
            bad_value("batch_time must be at least 1 ms");
        }
        change("batch_ms", milliseconds(tuning.batch_time));
    }
    if (tuning.max_wal_rate != nullptr) {
        change("wal_per_second", read_size("max_wal_rate", tuning.max_wal_rate, 0));
    }
    if (tuning.max_replication_lag != nullptr) {
        change("lag_bytes", read_size("max_replication_lag", tuning.max_replication_lag, -1));
    }
    if (tuning.max_replication_delay != nullptr) {
        const double ms = milliseconds(tuning.max_replication_delay);
        change("delay_ms", ms < 0 ? -1 : ms);
    }
    if (tuning.workers != 0) {
        check_workers(tuning.workers);
        change("workers", tuning.workers);
    }
    const bool open = strcmp(fate.state, "queued") == 0 || strcmp(fate.state, "running") == 0 ||
                      strcmp(fate.state, "paused") == 0 || strcmp(fate.state, "failed") == 0;
    if (!open || strcmp(fate.kind, "ddl") == 0) {
        ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                errmsg("job " INT64_FORMAT " (%s) is %s", job, fate.kind, fate.state),
                errdetail("zdm.tune() takes a backfill or a change that has not ended."));
    }

    if (json.len > 0) {
        appendStringInfoChar(&json, '}');
        store::tune(job, json.data);
        look_after_commit();
    }
}

void list_failed_rows(FunctionCallInfo call)
{
    InitMaterializedSRF(call, 0);
    store::list_failed(reinterpret_cast<ReturnSetInfo *>(call->resultinfo), GetUserId());
}

void list_steps(FunctionCallInfo call)
{
    InitMaterializedSRF(call, 0);
    store::list_steps(reinterpret_cast<ReturnSetInfo *>(call->resultinfo), GetUserId());
}

void list(FunctionCallInfo call)
{
    InitMaterializedSRF(call, 0);
    store::list(reinterpret_cast<ReturnSetInfo *>(call->resultinfo), GetUserId(), board::busy_jobs(),
                !board::exists()            ? "zdm in shared_preload_libraries"
                : !conf::current().run_jobs ? "zdm.run_jobs, which is off"
                                            : "a free worker");
}

} // namespace zdm::jobs
