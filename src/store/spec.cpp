// What was asked for, as JSON: of a backfill its clauses and its limits. zdm.tune changes it, and the worker, when
// told, reads it again.
#include "pg/postgres.hpp"

#include "store/keeper.hpp"
#include "store/spec.hpp"
#include "store/store.hpp"

namespace zdm::store
{

namespace
{

void add_text(StringInfo json, const char *name, const char *value)
{
    if (value != nullptr) {
        appendStringInfo(json, "%s\"%s\": ", json->len > 1 ? ", " : "", name);
        escape_json(json, value);
    }
}

void add_number(StringInfo json, const char *name, double value)
{
    appendStringInfo(json, "%s\"%s\": %.17g", json->len > 1 ? ", " : "", name, value);
}

} // namespace

char *spec_text(const Job &job)
{
    StringInfoData json;

    initStringInfo(&json);
    appendStringInfoChar(&json, '{');
    add_text(&json, "set", job.set_clause);
    add_text(&json, "where", job.where_clause);
    add_number(&json, "batch_rows", static_cast<double>(job.batch_rows));
    add_number(&json, "batch_ms", job.batch_ms);
    add_number(&json, "pause_ms", job.pause_ms);
    add_number(&json, "max_failed_rows", static_cast<double>(job.max_failed_rows));
    add_number(&json, "workers", job.workers);
    add_number(&json, "verifies", job.verifies ? 1 : 0);
    add_text(&json, "path", job.path);
    add_text(&json, "only_when", job.only_when);
    add_text(&json, "window", job.window);
    add_number(&json, "lag_bytes", job.limits.lag_bytes);
    add_number(&json, "delay_ms", job.limits.delay_ms);
    add_text(&json, "ignored_standbys", job.limits.ignored_standbys);
    add_number(&json, "wal_per_second", job.limits.wal_per_second);
    appendStringInfoChar(&json, '}');
    return json.data;
}

void read_spec(int64 id, Job *job)
{
    as_keeper([&](MemoryContext outer) {
        Args args;
        args.big(id);
        if (run("SELECT spec->>'set', spec->>'where', (spec->>'batch_rows')::float8::bigint,"
                " (spec->>'batch_ms')::float8, (spec->>'pause_ms')::float8,"
                " (spec->>'max_failed_rows')::float8::bigint, (spec->>'workers')::float8::int, spec->>'path',"
                " spec->>'only_when', spec->>'window', coalesce((spec->>'lag_bytes')::float8, -1),"
                " coalesce((spec->>'delay_ms')::float8, -1), coalesce(spec->>'ignored_standbys', ''),"
                " (spec->>'wal_per_second')::float8, (spec->>'verifies')::float8::int"
                " FROM zdm.job WHERE id = $1",
                args) == 0) {
            return;
        }
        job->set_clause = text_field(outer, 1);
        job->where_clause = text_field(outer, 2);
        job->batch_rows = big_field(3);
        job->batch_ms = real_field(4);
        job->pause_ms = real_field(5);
        job->max_failed_rows = big_field(6);
        job->workers = number_field(7);
        job->path = text_field(outer, 8);
        job->only_when = text_field(outer, 9);
        job->window = text_field(outer, 10);
        job->limits = {real_field(11), real_field(12), text_field(outer, 13), real_field(14)};
        job->verifies = number_field(15) != 0;
    });
}

bool find(int64 id, Job *job)
{
    bool found = false;

    as_keeper([&](MemoryContext outer) {
        Args args;
        args.big(id).oid(MyDatabaseId);
        found = run("SELECT relation, relation_name, description, owner, settings, kind FROM zdm.job"
                    " WHERE id = $1 AND database = $2",
                    args) > 0;
        if (found) {
            read_job(id, outer, job);
        }
    });
    if (found) {
        read_spec(id, job);
    }
    return found;
}

void read_job(int64 id, MemoryContext to, Job *job)
{
    job->id = id;
    job->database = MyDatabaseId;
    job->relation = oid_field(1);
    job->relation_name = text_field(to, 2);
    job->description = text_field(to, 3);
    job->owner = oid_field(4);
    job->settings = texts_field(to, 5);
    job->kind = text_field(to, 6);
}

void tune(int64 id, const char *changes)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id).text(changes);
        run("UPDATE zdm.job SET spec = spec || $2::jsonb WHERE id = $1", args);
    });
}

} // namespace zdm::store
