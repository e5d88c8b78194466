// Rows that a backfill left out of its batches. Each is written or removed in the transaction that passes it by or does
// it, so that none is lost and none is done twice.
#include "pg/postgres.hpp"

#include "store/keeper.hpp"
#include "store/store.hpp"

namespace zdm::store
{

namespace
{

const char *message_of(const ErrorData *error)
{
    if (error == nullptr) {
        return nullptr;
    }
    const char *message = error->message == nullptr ? "unknown error" : error->message;
    return error->detail == nullptr ? message : psprintf("%s (%s)", message, error->detail);
}

Args &add_error(Args &args, const ErrorData *error)
{
    return args.text(error == nullptr ? nullptr : unpack_sql_state(error->sqlerrcode)).text(message_of(error));
}

} // namespace

bool remember_row(int64 job, Oid part, Datum place, const char *key, const ErrorData *error, bool may_be_known)
{
    bool fresh = true;

    as_keeper([&](MemoryContext) {
        Args args;
        args.big(job).oid(part).texts(place).text(key);
        args.text(error == nullptr ? "skipped" : "failed");
        add_error(args, error);
        if (may_be_known) {
            fresh = run("UPDATE zdm.job_row SET state = $5, key = $4, tries = 0, sqlstate = $6, message = $7,"
                        " at = clock_timestamp() WHERE job = $1 AND part = $2 AND place = $3",
                        args) == 0;
        }
        if (fresh) {
            run("INSERT INTO zdm.job_row (job, part, place, key, state, sqlstate, message)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7)",
                args);
        }
    });
    return fresh;
}

bool next_skipped(int64 job, LeftRow *row)
{
    bool found = false;

    as_keeper([&](MemoryContext outer) {
        Args args;
        args.big(job);
        found = run("SELECT id, part, place, tries FROM zdm.job_row WHERE job = $1 AND state = 'skipped'"
                    " ORDER BY tries, id LIMIT 1",
                    args) > 0;
        if (found) {
            *row = {big_field(1), oid_field(2), texts_field(outer, 3), number_field(4)};
        }
    });
    return found;
}

void row_done(int64 id)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id);
        run("DELETE FROM zdm.job_row WHERE id = $1", args);
    });
}

void row_tried(int64 id)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id);
        run("UPDATE zdm.job_row SET tries = tries + 1 WHERE id = $1", args);
    });
}

void row_failed(int64 id, const ErrorData *error)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(id);
        add_error(args, error);
        run("UPDATE zdm.job_row SET state = 'failed', sqlstate = $2, message = $3, at = clock_timestamp()"
            " WHERE id = $1",
            args);
    });
}

Places failed_places(int64 job, Oid part)
{
    Places places{};

    as_keeper([&](MemoryContext outer) {
        Args args;
        args.big(job).oid(part);
        const uint64 rows =
            run("SELECT place[2] FROM zdm.job_row WHERE job = $1 AND part = $2 AND state = 'failed'", args);
        places.texts = static_cast<char **>(MemoryContextAlloc(outer, sizeof(char *) * (rows + 1)));
        for (uint64 i = 0; i < rows; i++) {
            const char *key = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
            places.texts[places.count++] = MemoryContextStrdup(outer, key);
        }
    });
    return places;
}

int64 failed_rows_of(int64 job)
{
    int64 count = 0;

    as_keeper([&](MemoryContext) {
        Args args;
        args.big(job);
        run("SELECT count(*) FROM zdm.job_row WHERE job = $1 AND state = 'failed'", args);
        count = big_field(1);
    });
    return count;
}

void take_failed_again(int64 job)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(job);
        run("UPDATE zdm.job_row SET state = 'skipped', tries = 0 WHERE job = $1 AND state = 'failed'", args);
        run("UPDATE zdm.job_progress SET skipped_rows = skipped_rows + failed_rows, failed_rows = 0,"
            " batches = batches + 1 WHERE job = $1",
            args);
    });
}

void forget_failed(int64 job)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.big(job);
        run("DELETE FROM zdm.job_row WHERE job = $1 AND state = 'failed'", args);
    });
}

void list_failed(ReturnSetInfo *result, Oid caller)
{
    as_keeper([&](MemoryContext) {
        Args args;
        args.oid(caller);
        const uint64 rows = run("SELECT r.job, r.key, r.sqlstate, r.message, r.at FROM zdm.job_row r"
                                " JOIN zdm.job j ON j.id = r.job WHERE r.state = 'failed'"
                                " AND (pg_has_role($1, 'pg_monitor', 'USAGE') OR pg_has_role($1, j.owner, 'USAGE'))"
                                " ORDER BY r.job, r.id",
                                args);
        for (uint64 i = 0; i < rows; i++) {
            tuplestore_puttuple(result->setResult, SPI_tuptable->vals[i]);
        }
    });
}

} // namespace zdm::store
