#include "fill/fill.hpp"

#include "fill/prepared.hpp"
#include "pg/spi.hpp"
#include "pg/xact.hpp"

namespace zdm::fill
{

namespace
{

// Looking for rows that match again, under one snapshot, is worth this much; beyond, walk the table once
// more.
constexpr int kCheckMs = 2000;

struct Place {
    MemoryContext memory;
    Oid part;
    bool begun;   // cursor is set
    bool bounded; // stop is set
    Datum cursor[INDEX_MAX_KEYS];
    Datum stop[INDEX_MAX_KEYS];
};

} // namespace

struct Work {
    MemoryContext memory;
    store::Job job;
    Place places[2];
    int now;           // the committed one
    Datum open_cursor; // places as stored, until the key is known
    Datum open_stop;
    Statements statements;
    bool checking;
    bool skip_check;
};

namespace
{

// Runs body connected to SPI as the job's owner, under the settings of the call.
template <class F> void as_owner(Work *work, F &&body)
{
    MemoryContext outer = CurrentMemoryContext;

    if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(work->job.owner))) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_OBJECT),
                errmsg("the role that owns the job, OID %u, was dropped", work->job.owner));
    }
    pg::as_role(work->job.owner, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION, [&] {
        apply_settings(work->job.settings, work->statements.key.more_path);
        // What a job cannot see it must not skip.
        pg::set_local("row_security", "off");
        // Deferred triggers would fire at commit, when we are the superuser again; PostgreSQL refuses to queue
        // them in a restricted operation. Here they fire when the UPDATE ends.
        AfterTriggerSetState(makeNode(ConstraintsSetStmt));
        SPI_connect();
        body();
        SPI_finish();
    });
    MemoryContextSwitchTo(outer);
}

// Reads a key from the first row of the last result.
bool fetch_key(const Key &key, MemoryContext to, Datum *values)
{
    if (SPI_processed == 0) {
        return false;
    }
    MemoryContext here = MemoryContextSwitchTo(to);
    for (int i = 0; i < key.count; i++) {
        bool null = false;
        const Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &null);
        values[i] = datumCopy(value, key.by_value[i], key.lengths[i]);
    }
    MemoryContextSwitchTo(here);
    return true;
}

// Rows that match where_clause after their change.
int64 count_still_matching()
{
    int64 count = 0;

    for (uint64 i = 0; i < SPI_tuptable->numvals; i++) {
        bool null = false;
        count += DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null)) ? 1 : 0;
    }
    return count;
}

// Updates the next range of keys. False: nothing of the part is left after it.
bool fill_range(Work *work, Place *place, int64 rows, Batch *done, store::Progress *progress)
{
    Statements *statements = &work->statements;
    const Key &key = statements->key;
    Datum values[2 * INDEX_MAX_KEYS + 1];
    Datum last[INDEX_MAX_KEYS];

    if (!place->bounded) {
        execute(statements->last_key, nullptr, true, 1);
        if (!fetch_key(key, place->memory, place->stop)) {
            return false;
        }
        place->bounded = true;
    }

    const bool after = place->begun;
    const int lower = after ? key.count : 0;
    memcpy(values, place->cursor, sizeof(Datum) * static_cast<size_t>(lower));
    memcpy(values + lower, place->stop, sizeof(Datum) * static_cast<size_t>(key.count));
    values[lower + key.count] = Int64GetDatum(rows - 1);
    execute(statements->bound[after], values, true, 1);
    const bool more = fetch_key(key, place->memory, last);
    if (more) {
        memcpy(values + lower, last, sizeof(Datum) * static_cast<size_t>(key.count));
    }

    execute(statements->update[after], values, false, 0);
    done->rows_done = static_cast<int64>(SPI_processed);
    done->rows_seen = more ? rows : done->rows_done;
    if (work->job.where_clause != nullptr && SPI_tuptable != nullptr) {
        progress->still_matching += count_still_matching();
    }
    memcpy(place->cursor, values + lower, sizeof(Datum) * static_cast<size_t>(key.count));
    place->begun = true;
    return more;
}

void leave_part(Place *place, Oid next)
{
    place->part = next;
    place->begun = false;
    place->bounded = false;
}

// A where_clause that no changed row matched again is made false by the set_clause: then a row that matches
// now was written since, and is wanted.
bool may_walk_again(const Work *work, const store::Progress *progress)
{
    return work->job.where_clause != nullptr && progress->still_matching == 0 &&
           !(progress->pass > 1 && progress->pass_done == 0);
}

bool any_left(Work *work)
{
    bool found = false;

    work->checking = true;
    as_owner(work, [&] {
        const Parts parts = parts_of(work->job.relation);
        enable_timeout_after(STATEMENT_TIMEOUT, kCheckMs);
        for (int i = 0; i < parts.count && !found; i++) {
            const Clauses clauses =
                clauses_for(work->job.relation, parts.oids[i], work->job.set_clause, work->job.where_clause);
            pg::spi_check(SPI_execute(any_statement(clauses), true, 1));
            found = SPI_processed > 0;
        }
        disable_timeout(STATEMENT_TIMEOUT, false);
    });
    work->checking = false;
    return found;
}

Place *next_place(Work *work)
{
    const Place &now = work->places[work->now];
    Place *next = &work->places[1 - work->now];
    MemoryContext memory = next->memory;

    MemoryContextReset(memory);
    *next = now;
    next->memory = memory;
    return next;
}

// Gives the place values of its own, and the row of the job their texts. Both in the memory of the place: SPI's goes
// with SPI_finish.
void keep_place(Work *work, Place *place, store::Progress *progress)
{
    const Key &key = work->statements.key;
    MemoryContext here = MemoryContextSwitchTo(place->memory);

    if (place->begun) {
        copy_values(key, place->cursor, place->cursor);
    }
    if (place->bounded) {
        copy_values(key, place->stop, place->stop);
    }
    progress->part = place->part;
    progress->cursor = place->begun ? to_texts(key, place->cursor) : 0;
    progress->stop = place->bounded ? to_texts(key, place->stop) : 0;
    MemoryContextSwitchTo(here);
}

// True: this part is over.
bool fill_part(Work *work, Place *place, int64 rows, Batch *done, store::Progress *progress)
{
    bool over = false;
    Relation relation = try_relation_open(place->part, RowExclusiveLock);

    if (relation == nullptr) {
        return true;
    }
    // With our lock nobody can give the name to another table now.
    Statements *statements = &work->statements;
    if (!still_good(*statements, place->part)) {
        const Key before = statements->part == place->part ? statements->key : Key{};
        learn_key(statements, relation);
        if (place->begun && before.count > 0 && !same_columns(before, statements->key)) {
            refuse_other_key();
        }
    }
    as_owner(work, [&] {
        if (!OidIsValid(statements->part)) {
            prepare(statements,
                    clauses_for(work->job.relation, place->part, work->job.set_clause, work->job.where_clause),
                    place->part);
        }
        MemoryContext here = MemoryContextSwitchTo(place->memory);
        if (work->open_cursor != 0) {
            from_texts(statements->key, work->open_cursor, place->cursor);
        }
        if (work->open_stop != 0) {
            from_texts(statements->key, work->open_stop, place->stop);
        }
        MemoryContextSwitchTo(here);
        over = !fill_range(work, place, rows, done, progress);
        if (!over) {
            keep_place(work, place, progress);
        }
    });
    relation_close(relation, NoLock);
    done->statement = statements->update_text;
    return over;
}

} // namespace

Work *open(const store::Job &job, const store::Progress &progress)
{
    MemoryContext memory = AllocSetContextCreate(TopMemoryContext, "zdm backfill", ALLOCSET_DEFAULT_SIZES);
    auto *work = static_cast<Work *>(MemoryContextAllocZero(memory, sizeof(Work)));

    work->memory = memory;
    work->job = job;
    work->statements.memory = AllocSetContextCreate(memory, "zdm statements", ALLOCSET_DEFAULT_SIZES);
    for (Place &place : work->places) {
        place.memory = AllocSetContextCreate(memory, "zdm place", ALLOCSET_SMALL_SIZES);
    }
    Place &now = work->places[0];
    now.part = progress.part;
    now.begun = progress.cursor != 0;
    now.bounded = progress.stop != 0;
    work->open_cursor = progress.cursor;
    work->open_stop = progress.stop;
    return work;
}

Batch batch(Work *work, int64 rows, store::Progress *progress)
{
    Batch done{};
    Place *place = next_place(work);

    if (!relation_exists(work)) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table %s was dropped", work->job.relation_name));
    }
    if (!OidIsValid(place->part)) {
        if (progress->pass > 1 && !work->skip_check && !any_left(work)) {
            done.finished = true;
            return done;
        }
        work->skip_check = false;
        if (progress->pass == 1) {
            progress->rows_total = estimate_rows(work->job.relation);
        }
        leave_part(place, part_after(work->job.relation, InvalidOid));
    } else if (fill_part(work, place, rows, &done, progress)) {
        leave_part(place, part_after(work->job.relation, place->part));
    } else {
        progress->pass_done += done.rows_done;
        return done;
    }

    // On to the next part, the next pass, or the end.
    progress->pass_done += done.rows_done;
    progress->part = place->part;
    progress->cursor = 0;
    progress->stop = 0;
    if (!OidIsValid(place->part)) {
        if (may_walk_again(work, progress)) {
            progress->pass++;
            progress->pass_done = 0;
        } else {
            done.finished = true;
        }
    }
    return done;
}

void confirm(Work *work)
{
    work->now = 1 - work->now;
    work->open_cursor = 0;
    work->open_stop = 0;
}

bool recover(Work *work, int sqlerrcode)
{
    if (work->checking) {
        work->checking = false;
        work->skip_check = sqlerrcode == ERRCODE_QUERY_CANCELED;
        return work->skip_check;
    }
    // A half-made set of statements is none; and a name may have changed under a good one.
    const bool renamed = work->statements.name != nullptr && OidIsValid(work->statements.part) &&
                         relation_exists(work) && !same_names(work->statements);
    if (!OidIsValid(work->statements.part) || renamed) {
        drop(&work->statements);
    }
    return renamed;
}

bool relation_exists(const Work *work) { return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(work->job.relation)); }

} // namespace zdm::fill
