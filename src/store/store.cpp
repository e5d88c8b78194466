#include "pg/postgres.hpp"

#include "store/keeper.hpp"
#include "store/spec.hpp"
#include "store/store.hpp"

namespace zdm::store
{

namespace
{

// The settings that give an expression its meaning, and what a job writes its place.
constexpr const char *kContext[] = {
    "search_path",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "bytea_output",
    "extra_float_digits",
    "default_tablespace",
    "default_table_access_method",
    "standard_conforming_strings",
    "backslash_quote",
    "transform_null_equals",
    "array_nulls",
    "xmloption",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "default_text_search_config",
};

} // namespace

Datum context_of_call()
{
    Datum texts[lengthof(kContext) * 2];
    int count = 0;

    for (const char *name : kContext) {
        texts[count++] = CStringGetTextDatum(name);
        texts[count++] = CStringGetTextDatum(GetConfigOption(name, false, false));
    }
    return PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

bool installed() { return OidIsValid(get_extension_oid("zdm", true)); }

int64 add(const Job &job)
{
    const Datum settings = job.settings == 0 ? context_of_call() : job.settings;
    int64 id = 0;

    as_keeper([&](MemoryContext) {
        Args args;
        args.oid(job.database).text(job.kind).oid(job.relation).text(job.relation_name).text(job.description);
        args.oid(job.owner).texts(settings).text(spec_text(job));
        run("INSERT INTO zdm.job (database, kind, relation, relation_name, description, owner, settings, spec)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb) RETURNING id",
            args);
        id = big_field(1);

        Args progress;
        progress.big(id);
        run("INSERT INTO zdm.job_progress (job) VALUES ($1)", progress);
        tell_listeners(id);
    });
    return id;
}

// Of the plans that are to be started, only the first of a transaction, and the first on a relation, may be.
int runnable(Wanting *jobs, int room)
{
    int count = 0;

    as_keeper([&](MemoryContext) {
        Args args;
        args.oid(MyDatabaseId);
        const uint64 rows =
            run("WITH open AS (SELECT j.id, j.kind, j.relation, j.spec->>'transaction' AS transaction, p.state"
                " FROM zdm.job j JOIN zdm.job_progress p ON p.job = j.id"
                " WHERE p.state IN ('queued', 'running', 'paused') AND j.database = $1"
                " AND j.kind IN ('backfill', 'ddl'))"
                " SELECT id, kind = 'ddl', kind = 'ddl' AND state = 'queued' AND EXISTS"
                " (SELECT FROM open o WHERE o.kind = 'ddl' AND o.id <> open.id AND (o.relation = open.relation"
                " AND (o.id < open.id OR o.state = 'running') OR o.transaction = open.transaction AND o.id < open.id))"
                " FROM open WHERE state <> 'paused' ORDER BY id",
                args);
        for (uint64 i = 0; i < rows && count < room; i++) {
            bool null = false;
            jobs[count++] = {DatumGetInt64(field(i, 1, &null)), DatumGetBool(field(i, 2, &null)),
                             DatumGetBool(field(i, 3, &null))};
        }
    });
    return count;
}

Take take_up(int64 id, Job *job, Progress *progress)
{
    Take taken = Take::Gone;

    as_keeper([&](MemoryContext outer) {
        Args args;
        args.big(id).oid(MyDatabaseId);
        if (run("UPDATE zdm.job_progress p SET state = 'running', started_at = coalesce(started_at, now()),"
                " attempts = attempts + 1, crashes = crashes + 1, waiting_for = NULL, batches = batches + 1"
                " FROM zdm.job j WHERE p.job = $1 AND j.id = p.job AND j.database = $2"
                " AND p.state IN ('queued', 'running')"
                " RETURNING j.relation, j.relation_name, j.description, j.owner, j.settings, j.kind,"
                " p.part, p.cursor, p.stop, p.pass, p.pass_done, p.still_matching, p.batches, p.rows_seen,"
                " p.rows_done, p.rows_total, p.rows_per_second, p.batch_rows::bigint, p.batch_ms,"
                " p.failed_rows, p.skipped_rows, p.walked::int, p.crashes",
                args) == 0) {
            return;
        }
        read_job(id, outer, job);
        progress->part = oid_field(7);
        progress->cursor = texts_field(outer, 8);
        progress->stop = texts_field(outer, 9);
        progress->pass = number_field(10);
        progress->pass_done = big_field(11);
        progress->still_matching = big_field(12);
        progress->batches = big_field(13);
        progress->rows_seen = big_field(14);
        progress->rows_done = big_field(15);
        progress->rows_total = big_field(16);
        progress->rows_per_second = real_field(17);
        progress->batch_rows = big_field(18);
        progress->batch_ms = real_field(19);
        progress->failed_rows = big_field(20);
        progress->skipped_rows = big_field(21);
        progress->walked = number_field(22) != 0;
        taken = number_field(23) > kMostCrashes ? Take::CrashedTooOften : Take::Taken;
        tell_listeners(id);
    });
    if (taken == Take::Taken) {
        read_spec(id, job);
    }
    return taken;
}

bool save(int64 id, const Progress &progress)
{
    static SPIPlanPtr plan = nullptr;
    bool saved = false;

    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id).big(progress.batches).oid(progress.part).texts(progress.cursor).texts(progress.stop);
        args.number(progress.pass).big(progress.pass_done).big(progress.still_matching).big(progress.rows_seen);
        args.big(progress.rows_done).big(progress.rows_total).real(progress.rows_per_second);
        args.number(static_cast<int32>(progress.batch_rows)).real(progress.batch_ms);
        args.big(progress.failed_rows).big(progress.skipped_rows).number(progress.walked ? 1 : 0);
        args.text(progress.waiting_for);
        if (plan == nullptr) {
            plan =
                pg::spi_keep(SPI_prepare("UPDATE zdm.job_progress SET part = $3, cursor = $4, stop = $5, pass = $6,"
                                         " pass_done = $7, still_matching = $8, rows_seen = $9, rows_done = $10,"
                                         " rows_total = $11, rows_per_second = $12, batch_rows = $13, batch_ms = $14,"
                                         " failed_rows = $15, skipped_rows = $16, walked = $17 <> 0,"
                                         " batches = batches + 1, crashes = 1, waiting_for = $18"
                                         " WHERE job = $1 AND batches = $2 AND state = 'running'",
                                         args.count, args.types));
        }
        pg::spi_check(SPI_execute_plan(plan, args.values, args.nulls, false, 0));
        saved = SPI_processed == 1;
    });
    return saved;
}

void put_back(int64 id)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id);
        run("UPDATE zdm.job_progress SET state = 'queued', crashes = greatest(crashes - 1, 0), waiting_for = "
            "NULL"
            " WHERE job = $1 AND state = 'running'",
            args);
        tell_listeners(id);
    });
}

void mark(int64 id, bool at_work)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id).number(at_work ? 1 : -1);
        run("UPDATE zdm.job_progress SET crashes = greatest(crashes + $2, 0) WHERE job = $1 AND state = "
            "'running'",
            args);
    });
}

void finish(int64 id)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id);
        run("UPDATE zdm.job_progress SET state = 'done', finished_at = clock_timestamp(), rows_total = "
            "rows_done,"
            " rows_seen = rows_done, waiting_for = NULL, crashes = 0, part = 0, cursor = NULL, stop = NULL,"
            " walked = true WHERE job = $1 AND state = 'running'",
            args);
        tell_listeners(id);
    });
}

void fail(int64 id, const char *sqlstate, const char *error)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id).text(sqlstate).text(error);
        run("UPDATE zdm.job_progress SET state = 'failed', finished_at = clock_timestamp(), waiting_for = "
            "NULL,"
            " crashes = 0, sqlstate = $2, error = $3 WHERE job = $1 AND state IN ('queued', 'running')",
            args);
        tell_listeners(id);
    });
}

void waits_for(int64 id, const char *reason)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id).text(reason);
        run("UPDATE zdm.job_progress SET waiting_for = $2 WHERE job = $1 AND state = 'running'"
            " AND waiting_for IS DISTINCT FROM $2",
            args);
    });
}

const char *state_of(int64 id)
{
    Fate fate{};

    return look(id, &fate) ? fate.state : nullptr;
}

bool look(int64 id, Fate *fate)
{
    bool found = false;

    as_keeper([&](MemoryContext outer) {
        Args args;
        args.big(id);
        if (run("SELECT p.state, p.sqlstate, p.error, j.relation_name, j.kind, j.owner, j.relation, "
                "j.database"
                " FROM zdm.job j JOIN zdm.job_progress p ON p.job = j.id WHERE j.id = $1",
                args) == 0) {
            return;
        }
        *fate = {text_field(outer, 1), text_field(outer, 2), text_field(outer, 3), text_field(outer, 4),
                 text_field(outer, 5), oid_field(6),         oid_field(7),         oid_field(8)};
        found = true;
    });
    return found;
}

int64 *open_jobs_of(Oid owner, int *count)
{
    int64 *ids = nullptr;

    as_keeper([&](MemoryContext outer) {
        Args args;
        args.oid(owner).oid(MyDatabaseId);
        const uint64 rows = run("SELECT j.id FROM zdm.job j JOIN zdm.job_progress p ON p.job = j.id"
                                " WHERE j.owner = $1 AND j.database = $2 AND p.state IN ('queued', 'running')"
                                " ORDER BY j.id",
                                args);
        ids = static_cast<int64 *>(MemoryContextAlloc(outer, sizeof(int64) * (rows + 1)));
        for (uint64 i = 0; i < rows; i++) {
            bool null = false;
            ids[i] = DatumGetInt64(field(i, 1, &null));
        }
        *count = static_cast<int>(rows);
    });
    return ids;
}

bool move(int64 id, const char *from, const char *to)
{
    bool moved = false;

    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id).text(from).text(to).oid(MyDatabaseId);
        moved = run("UPDATE zdm.job_progress SET state = $3, waiting_for = NULL, crashes = 0,"
                    " error = CASE WHEN $3 = 'queued' THEN NULL ELSE error END,"
                    " sqlstate = CASE WHEN $3 = 'queued' THEN NULL ELSE sqlstate END,"
                    " finished_at = CASE WHEN $3 = 'cancelled' THEN clock_timestamp() END"
                    " WHERE job = $1 AND state = ANY ($2::text[])",
                    args) == 1;
        if (moved && strcmp(to, "queued") == 0) {
            // To let a job of a copied database go on is to adopt it.
            Args adopt;
            adopt.big(id).oid(MyDatabaseId);
            run("UPDATE zdm.job SET database = $2 WHERE id = $1 AND database <> $2", adopt);
        }
        if (moved) {
            tell_listeners(id);
        }
    });
    return moved;
}

void list(ReturnSetInfo *result, Oid caller, Datum busy, const char *idle_reason)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.oid(caller).oid(MyDatabaseId).texts(busy).text(idle_reason);
        const uint64 rows = run(
            "SELECT id, kind, CASE WHEN away THEN 'paused' ELSE state END, relation, description,"
            " pg_get_userbyid(owner), created_at, started_at, finished_at, rows_done, greatest(rows_total, rows_done),"
            " CASE WHEN state = 'done' THEN 100.0"
            " WHEN rows_total > 0 THEN round(least(99.9, 100.0 * rows_seen / rows_total), 1) END,"
            " round(rows_per_second::numeric, 1),"
            " CASE WHEN busy AND rows_per_second > 0 AND rows_total >= rows_seen"
            " THEN make_interval(secs => ceil((rows_total - rows_seen) / rows_per_second)) END,"
            " batch_rows, round(batch_ms::numeric, 1), busy::int,"
            " CASE WHEN away THEN format('zdm.resume(%s): the job was copied with its database, whose "
            "OID was %s',"
            " id, database)"
            " WHEN (state = 'queued' OR state = 'running' AND kind <> 'ddl') AND NOT busy THEN coalesce(ahead, $4) ELSE waiting_for END,"
            " failed_rows, attempts, error FROM ("
            "SELECT j.id, j.database, j.kind, j.description, j.owner, j.created_at,"
            " coalesce((SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = j.relation), j.relation_name)"
            " AS relation, j.database <> $2 AND p.state IN ('queued', 'running', 'ready') AS away,"
            " p.state IN ('queued', 'running') AND j.id::text = ANY ($3) AS busy,"
            " (SELECT 'job ' || min(o.id) FROM zdm.job o JOIN zdm.job_progress q ON q.job = o.id"
            " WHERE j.kind = 'ddl' AND p.state = 'queued' AND o.kind = 'ddl' AND o.id <> j.id"
            " AND q.state IN ('queued', 'running', 'paused') AND (o.relation = j.relation"
            " AND (o.id < j.id OR q.state = 'running') OR o.spec->>'transaction' = j.spec->>'transaction'"
            " AND o.id < j.id)) AS ahead, p.*"
            " FROM zdm.job j JOIN zdm.job_progress p ON p.job = j.id"
            " WHERE pg_has_role($1, 'pg_monitor', 'USAGE') OR pg_has_role($1, j.owner, 'USAGE')) j"
            " ORDER BY id",
            args);
        for (uint64 i = 0; i < rows; i++) {
            tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
        }
    });
}

} // namespace zdm::store
