#include "store/plans.hpp"

#include "core/record.hpp"
#include "pg/memory.hpp"
#include "store/keeper.hpp"
#include "store/store.hpp"

namespace zdm::store
{

namespace
{

// Finished plans are history: the newest are kept.
constexpr int kKeptPlans = 1000;
constexpr int kPruneEvery = 50;

void (*announcing_now)(Oid database) = nullptr;
void (*announcing_after_commit)() = nullptr;

Datum text_array(const core::List<std::string_view> &texts)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * (texts.count + 1)));

    for (std::uint32_t i = 0; i < texts.count; i++) {
        items[i] = PointerGetDatum(cstring_to_text_with_len(texts[i].data(), static_cast<int>(texts[i].size())));
    }
    return PointerGetDatum(construct_array(items, static_cast<int>(texts.count), TEXTOID, -1, false, TYPALIGN_INT));
}

core::List<std::string_view> texts_of(core::Arena arena, Datum array)
{
    core::List<std::string_view> texts(arena);
    Datum *items = nullptr;
    int count = 0;

    deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &items, nullptr, &count);
    for (int i = 0; i < count; i++) {
        texts.push(pg::keep(arena, TextDatumGetCString(items[i])));
    }
    return texts;
}

Datum oid_array(const std::uint32_t *oids, int count)
{
    auto *items = static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<Size>(count + 1)));

    for (int i = 0; i < count; i++) {
        items[i] = ObjectIdGetDatum(oids[i]);
    }
    return PointerGetDatum(construct_array(items, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT));
}

core::List<std::uint32_t> oids_of(core::Arena arena, Datum array)
{
    core::List<std::uint32_t> oids(arena);
    Datum *items = nullptr;
    int count = 0;

    deconstruct_array(DatumGetArrayTypeP(array), OIDOID, sizeof(Oid), true, TYPALIGN_INT, &items, nullptr, &count);
    for (int i = 0; i < count; i++) {
        oids.push(DatumGetObjectId(items[i]));
    }
    return oids;
}

// A statement about a plan, where there may be no extension any more.
template <class F> void about_plans(F &&body)
{
    if (installed()) {
        pg::with_some_snapshot([&] { as_keeper(body); });
    }
}

void add_step(int64 id, int number, const core::Step &step)
{
    const core::Arena arena = pg::arena(CurrentMemoryContext);
    Args args;

    args.big(id).number(number).text(pg::cstring(step.sql)).texts(text_array(core::record(arena, step)));
    run("INSERT INTO zdm.job_step (job, step, sql, spec) VALUES ($1, $2, $3, $4)", args);
}

void prune()
{
    Args args;

    args.number(kKeptPlans);
    run("WITH old AS (SELECT j.id FROM zdm.job j JOIN zdm.job_progress p ON p.job = j.id WHERE j.kind = 'ddl'"
        " AND p.state NOT IN ('queued', 'running', 'paused') ORDER BY j.id DESC OFFSET $1),"
        " steps AS (DELETE FROM zdm.job_step s USING old WHERE s.job = old.id),"
        " progress AS (DELETE FROM zdm.job_progress p USING old WHERE p.job = old.id)"
        " DELETE FROM zdm.job j USING old WHERE j.id = old.id",
        args);
}

} // namespace

int64 add_plan(const NewPlan &asked)
{
    const Datum settings = context_of_call();
    const Oid owner = GetUserId();
    int64 id = 0;

    as_keeper([&](MemoryContext) {
        Args args;
        args.oid(MyDatabaseId).oid(asked.relation).text(asked.relation_name).text(asked.description);
        args.oid(owner).texts(settings).add(BOOLOID, BoolGetDatum(asked.deferred));
        run("INSERT INTO zdm.job (database, kind, relation, relation_name, description, owner, settings, spec)"
            " VALUES ($1, 'ddl', nullif($2, 0), $3, $4, $5, $6,"
            " CASE WHEN $7 THEN jsonb_build_object('transaction', pg_current_xact_id()::text) ELSE '{}' END)"
            " RETURNING id",
            args);
        id = big_field(1);

        Args progress;
        progress.big(id).add(BOOLOID, BoolGetDatum(asked.deferred));
        run("INSERT INTO zdm.job_progress (job, state, started_at, attempts, phase)"
            " SELECT $1, CASE WHEN $2 THEN 'queued' ELSE 'running' END, CASE WHEN NOT $2 THEN clock_timestamp() END,"
            " 1 - $2::int, 'apply'",
            progress);
        for (std::uint32_t i = 0; i < asked.plan->steps.count; i++) {
            add_step(id, static_cast<int>(i) + 1, asked.plan->steps[i]);
        }
        Args done;
        done.big(id).number(static_cast<int32>(asked.done));
        run("UPDATE zdm.job_step SET state = 'done', attempts = 1, started_at = now(), finished_at = clock_timestamp()"
            " WHERE job = $1 AND step <= $2",
            done);
    });
    return id;
}

bool load_plan(int64 id, core::Arena arena, Plan *plan)
{
    auto *keep = static_cast<MemoryContext>(arena.owner);
    bool found = false;

    about_plans([&](MemoryContext) {
        Args args;
        args.big(id).oid(MyDatabaseId);
        if (run("SELECT j.owner, j.relation, j.relation_name, j.settings, p.state, p.phase, p.cancelled,"
                " p.error IS NOT NULL, j.spec ? 'transaction'"
                " FROM zdm.job j JOIN zdm.job_progress p ON p.job = j.id"
                " WHERE j.id = $1 AND j.database = $2 AND j.kind = 'ddl'",
                args) == 0) {
            return;
        }
        bool null = false;
        found = true;
        plan->id = id;
        plan->owner = oid_field(1);
        plan->relation = oid_field(2);
        plan->relation_name = text_field(keep, 3);
        plan->settings = texts_field(keep, 4);
        plan->state = text_field(keep, 5);
        plan->phase = text_field(keep, 6);
        plan->cancelled = DatumGetBool(field(0, 7, &null));
        plan->failed = DatumGetBool(field(0, 8, &null));
        plan->deferred = DatumGetBool(field(0, 9, &null));

        Args steps;
        steps.big(id);
        const uint64 rows = run("SELECT sql, spec, state, coalesce(index, 0), invalid_before FROM zdm.job_step"
                                " WHERE job = $1 ORDER BY step",
                                steps);
        plan->steps = core::List<PlanStep>(arena);
        for (uint64 i = 0; i < rows; i++) {
            PlanStep row{};
            row.step = core::recorded(arena, texts_of(arena, field(i, 2, &null)));
            row.step.sql = pg::keep(arena, TextDatumGetCString(field(i, 1, &null)));
            row.state = pg::keep(arena, TextDatumGetCString(field(i, 3, &null))).data();
            row.index = DatumGetObjectId(field(i, 4, &null));
            row.invalid_before = oids_of(arena, field(i, 5, &null));
            plan->steps.push(row);
        }
    });
    return found;
}

void step_starts(int64 id, int step, const char *phase, Oid index, const core::List<std::uint32_t> &invalid_before)
{
    about_plans([&](MemoryContext) {
        Args args;
        args.big(id).number(step + 1).text(phase).oid(index);
        args.add(OIDARRAYOID, oid_array(invalid_before.items, static_cast<int>(invalid_before.count)));
        run("UPDATE zdm.job_step SET state = 'running', phase = $3, started_at = clock_timestamp(), finished_at = NULL,"
            " error = NULL, index = nullif($4, 0), invalid_before = $5 WHERE job = $1 AND step = $2",
            args);
    });
}

void step_done(int64 id, int step, const char *phase, const StepTimes &times, Oid index)
{
    about_plans([&](MemoryContext) {
        Args args;
        args.big(id).number(step + 1).text(phase).number(times.attempts).real(times.lock_wait_ms);
        args.real(times.lock_held_ms).oid(index);
        run("UPDATE zdm.job_step SET state = 'done', phase = $3, attempts = attempts + $4,"
            " started_at = coalesce(started_at, clock_timestamp() - make_interval(secs => ($5 + $6) / 1000)),"
            " finished_at = clock_timestamp(), error = NULL,"
            " lock_wait_ms = round($5::numeric, 1), lock_held_ms = round($6::numeric, 1), index = nullif($7, 0)"
            " WHERE job = $1 AND step = $2",
            args);
    });
}

void step_undone(int64 id, int step)
{
    about_plans([&](MemoryContext) {
        Args args;
        args.big(id).number(step + 1);
        run("UPDATE zdm.job_step SET state = CASE state WHEN 'failed' THEN state ELSE 'undone' END, phase = 'undo',"
            " finished_at = clock_timestamp() WHERE job = $1 AND step = $2",
            args);
    });
}

void step_failed(int64 id, int step, const char *error)
{
    about_plans([&](MemoryContext) {
        Args args;
        args.big(id).number(step + 1).text(error);
        run("UPDATE zdm.job_step SET state = 'failed', attempts = attempts + 1, finished_at = clock_timestamp(),"
            " started_at = coalesce(started_at, clock_timestamp()), error = $3 WHERE job = $1 AND step = $2",
            args);
    });
}

void plan_turns(int64 id, const char *phase, const char *sqlstate, const char *error)
{
    about_plans([&](MemoryContext) {
        Args args;
        args.big(id).text(phase).text(sqlstate).text(error);
        run("UPDATE zdm.job_progress SET phase = $2, sqlstate = coalesce($3, sqlstate), error = coalesce($4, error)"
            " WHERE job = $1",
            args);
        // Every step says which way it goes, those that will never begin as well.
        Args steps;
        steps.big(id).text(phase);
        run("UPDATE zdm.job_step SET phase = $2 WHERE job = $1 AND state IN ('pending', 'running')", steps);
    });
}

void plan_ends(int64 id, const char *state, const char *sqlstate, const char *error)
{
    about_plans([&](MemoryContext) {
        Args args;
        args.big(id).text(state).text(sqlstate).text(error);
        run("UPDATE zdm.job_progress SET state = $2, sqlstate = coalesce($3, sqlstate), error = coalesce($4, error),"
            " waiting_for = NULL, crashes = 0, finished_at = clock_timestamp() WHERE job = $1",
            args);
        if (id % kPruneEvery == 0) {
            prune();
        }
    });
}

bool cancel_plan(int64 id)
{
    bool open = false;

    about_plans([&](MemoryContext) {
        Args args;
        args.big(id);
        open =
            run("UPDATE zdm.job_progress p SET state = 'cancelled', finished_at = clock_timestamp(),"
                " waiting_for = NULL WHERE job = $1 AND state IN ('queued', 'paused') AND NOT EXISTS"
                " (SELECT FROM zdm.job_step s WHERE s.job = p.job AND s.state <> 'pending' AND 'undo' = ANY (s.spec))",
                args) == 1;
        open = open || run("UPDATE zdm.job_progress SET cancelled = true,"
                           " state = CASE state WHEN 'paused' THEN 'queued' ELSE state END"
                           " WHERE job = $1 AND state IN ('queued', 'running', 'paused')",
                           args) == 1;
    });
    return open;
}

bool is_cancelled(int64 id)
{
    bool cancelled = false;

    about_plans([&](MemoryContext) {
        Args args;
        args.big(id);
        cancelled = run("SELECT FROM zdm.job_progress WHERE job = $1 AND cancelled", args) == 1;
    });
    return cancelled;
}

bool retry_plan(int64 id)
{
    bool failed = false;

    about_plans([&](MemoryContext) {
        Args args;
        args.big(id);
        failed = run("UPDATE zdm.job_progress SET state = 'queued', phase = 'apply', cancelled = false, error = NULL,"
                     " sqlstate = NULL, finished_at = NULL, crashes = 0 WHERE job = $1 AND state = 'failed'",
                     args) == 1;
        if (!failed) {
            return;
        }
        run("UPDATE zdm.job SET spec = spec || jsonb_build_object('transaction', pg_current_xact_id()::text)"
            " WHERE id = $1",
            args);
        // What was done and has nothing to undo is done still.
        run("UPDATE zdm.job_step SET state = 'pending', phase = 'apply', error = NULL, started_at = NULL,"
            " finished_at = NULL, index = NULL WHERE job = $1 AND (state <> 'done' OR NOT 'eager' = ANY (spec))",
            args);
    });
    return failed;
}

void forget_plan(int64 id)
{
    about_plans([&](MemoryContext) {
        Args args;
        args.big(id);
        run("DELETE FROM zdm.job_step WHERE job = $1", args);
        run("DELETE FROM zdm.job_progress WHERE job = $1", args);
        run("DELETE FROM zdm.job WHERE id = $1", args);
    });
}

bool take_up_plan(int64 id)
{
    bool taken = true;

    about_plans([&](MemoryContext) {
        Args args;
        args.big(id);
        if (run("UPDATE zdm.job_progress SET attempts = attempts + 1, crashes = crashes + 1, state = 'running',"
                " started_at = coalesce(started_at, clock_timestamp()), waiting_for = NULL"
                " WHERE job = $1 AND state IN ('queued', 'running') RETURNING crashes",
                args) == 1) {
            taken = number_field(1) <= kMostCrashes;
        }
    });
    return taken;
}

void plan_is_quiet(int64 id)
{
    about_plans([&](MemoryContext) {
        Args args;
        args.big(id);
        run("UPDATE zdm.job_progress SET crashes = 0, waiting_for = NULL WHERE job = $1"
            " AND (crashes <> 0 OR waiting_for IS NOT NULL)",
            args);
    });
}

bool turn_back_plan(int64 id)
{
    bool turned = false;

    about_plans([&](MemoryContext) {
        Args args;
        args.big(id);
        turned = run("UPDATE zdm.job_progress SET phase = 'undo', crashes = 1, sqlstate = '58030',"
                     " error = 'the server crashed three times while this job was at work'"
                     " WHERE job = $1 AND phase = 'apply'",
                     args) == 1;
    });
    return turned;
}

int open_plans(const Oid *relations, int count, OpenPlan *found, int room)
{
    static SPIPlanPtr plan = nullptr;
    int written = 0;

    if (!installed()) {
        return 0;
    }
    // Not as of the start of the user's transaction, or statement.
    PushActiveSnapshot(GetLatestSnapshot());
    as_keeper([&](MemoryContext) {
        Args args;
        args.add(OIDARRAYOID, oid_array(relations, count)).oid(MyDatabaseId);
        if (plan == nullptr) {
            plan = pg::spi_keep(SPI_prepare("SELECT j.id, j.owner, p.phase <> 'apply' FROM zdm.job j"
                                            " JOIN zdm.job_progress p ON p.job = j.id WHERE j.kind = 'ddl'"
                                            " AND j.relation = ANY ($1) AND j.database = $2"
                                            " AND p.state = 'running' AND NOT j.spec ? 'transaction' ORDER BY j.id",
                                            args.count, args.types));
        }
        pg::spi_check(SPI_execute_plan(plan, args.values, args.nulls, true, room));
        for (uint64 i = 0; i < SPI_processed; i++) {
            bool null = false;
            found[written++] = {DatumGetInt64(field(i, 1, &null)), DatumGetObjectId(field(i, 2, &null)),
                                DatumGetBool(field(i, 3, &null))};
        }
    });
    PopActiveSnapshot();
    return written;
}

int64 any_open_plan()
{
    int64 id = 0;

    about_plans([&](MemoryContext) {
        Args args;
        args.oid(MyDatabaseId);
        if (run("SELECT j.id FROM zdm.job j JOIN zdm.job_progress p ON p.job = j.id WHERE j.kind = 'ddl'"
                " AND j.database = $1 AND p.state IN ('queued', 'running', 'paused') ORDER BY j.id LIMIT 1",
                args) == 1) {
            id = big_field(1);
        }
    });
    return id;
}

void list_steps(ReturnSetInfo *result, Oid caller)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.oid(caller);
        const uint64 rows = run("SELECT s.job, s.step, s.phase, s.state, s.sql, s.started_at, s.finished_at,"
                                " s.lock_wait_ms, s.lock_held_ms, s.attempts, s.error"
                                " FROM zdm.job_step s JOIN zdm.job j ON j.id = s.job"
                                " WHERE pg_has_role($1, 'pg_monitor', 'USAGE') OR pg_has_role($1, j.owner, 'USAGE')"
                                " ORDER BY s.job, s.step",
                                args);
        for (uint64 i = 0; i < rows; i++) {
            tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
        }
    });
}

void announce_through(void (*now)(Oid database), void (*after_commit)())
{
    announcing_now = now;
    announcing_after_commit = after_commit;
}

void announce_now(Oid database)
{
    if (announcing_now != nullptr) {
        announcing_now(database);
    }
}

void announce_after_commit()
{
    if (announcing_after_commit != nullptr) {
        announcing_after_commit();
    }
}

} // namespace zdm::store
