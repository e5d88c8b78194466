#include "fill/fill.hpp"

#include "core/trouble.hpp"
#include "fill/work.hpp"

namespace zdm::fill
{

namespace
{

// Looking for rows that match again, under one snapshot, is worth this much; beyond, walk the table once
// more.
constexpr int kCheckMs = 2000;

constexpr int kMostWalks = 5;

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
    return !work->job.verifies && work->job.where_clause != nullptr && progress->still_matching == 0 &&
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

    if (place->begun && !work->along_heap) {
        copy_values(key, place->cursor, place->cursor);
    }
    if (place->bounded) {
        copy_values(key, place->stop, place->stop);
    }
    progress->part = place->part;
    if (work->along_heap) {
        progress->cursor = heap_texts(place->heap);
        progress->stop = 0;
        MemoryContextSwitchTo(here);
        return;
    }
    progress->cursor = place->begun ? to_texts(key, place->cursor) : 0;
    progress->stop = place->bounded ? to_texts(key, place->stop) : 0;
    MemoryContextSwitchTo(here);
}

double rows_per_block(Relation relation)
{
    BlockNumber pages = 0;
    double tuples = 0;
    double all_visible = 0;

    estimate_rel_size(relation, nullptr, &pages, &tuples, &all_visible);
    return pages == 0 ? 1 : Max(1.0, tuples / pages);
}

// Opens the part, prepares its statements and runs body as the job's owner. False: the part is gone.
template <class F> bool in_part(Work *work, Oid part, bool begun, F &&body)
{
    Relation relation = try_relation_open(part, RowExclusiveLock);

    if (relation == nullptr) {
        return false;
    }
    // With our lock nobody can give the name to another table now.
    Statements *statements = &work->statements;
    if (!still_good(*statements, part)) {
        const Key before = statements->part == part ? statements->key : Key{};
        learn_key(statements, relation, !work->along_heap);
        work->rows_per_block = rows_per_block(relation);
        if (begun && before.count > 0 && !same_columns(before, statements->key)) {
            refuse_other_key();
        }
    }
    as_owner(work, [&] {
        if (!OidIsValid(statements->part)) {
            prepare(statements, clauses_for(work->job.relation, part, work->job.set_clause, work->job.where_clause),
                    relation);
            work->ends_itself = statements->meaning.ends_itself;
        }
        body(relation);
    });
    relation_close(relation, NoLock);
    return true;
}

// True: this part is over.
bool fill_part(Work *work, Place *place, const Order &order, Batch *done, store::Progress *progress)
{
    bool over = true;

    in_part(work, place->part, place->begun && !work->along_heap, [&](Relation part) {
        MemoryContext here = MemoryContextSwitchTo(place->memory);
        if (work->open_cursor != 0) {
            from_texts(work->statements.key, work->open_cursor, place->cursor);
        }
        if (work->open_stop != 0) {
            from_texts(work->statements.key, work->open_stop, place->stop);
        }
        MemoryContextSwitchTo(here);
        over = !(work->along_heap ? heap_range(work, place, part, order, done, progress)
                                  : keyset_range(work, place, order, done, progress));
        if (!over) {
            keep_place(work, place, progress);
        }
        done->statement = work->statements.update_text;
    });
    return over;
}

// The next of the rows that were locked when the walk came by.
void visit_skipped(Work *work, const Order &order, Batch *done, store::Progress *progress)
{
    store::LeftRow row{};

    if (!store::next_skipped(work->job.id, &row)) {
        progress->skipped_rows = 0;
        return;
    }
    if (row.tries > work->round) {
        work->round = row.tries;
        done->all_locked = true;
        return;
    }
    work->visiting = row.id;
    if (order.how == How::LeaveOut) {
        store::row_failed(row.id, order.error);
        progress->failed_rows++;
    } else {
        in_part(work, row.part, false, [&](Relation) {
            work->locked = true;
            (work->along_heap ? heap_row : keyset_row)(work, row, done, progress);
            done->statement = work->statements.update_text;
        });
        store::row_done(row.id);
    }
    progress->skipped_rows--;
}

// All ranges of the table are done, and all skipped rows. On to the next pass, or the end.
void end_pass(const Work *work, Batch *done, store::Progress *progress)
{
    if (!may_walk_again(work, progress)) {
        done->finished = true;
        return;
    }
    progress->pass++;
    progress->pass_done = 0;
    progress->walked = false;
    if (progress->failed_rows > 0) {
        store::forget_failed(work->job.id);
        progress->failed_rows = 0;
    }
}

// What the walks along the heap have left, part by part.
void sweep(Work *work, const Order &order, Batch *done, store::Progress *progress)
{
    const Oid part = part_after(work->job.relation, work->sweep_part);
    bool all = true;

    if (!OidIsValid(part)) {
        // Without a where_clause that comes true again for them, later rows need not be waited for.
        done->finished = work->swept == 0 || !work->ends_itself;
        progress->pass += done->finished ? 0 : 1;
        work->sweep_next = InvalidOid;
        work->swept_next = 0;
        return;
    }
    if (work->walks_again) {
        progress->walked = false;
    } else {
        in_part(work, part, false, [&](Relation relation) { all = heap_sweep(work, relation, order, done, progress); });
    }
    work->sweep_next = all ? part : work->sweep_part;
    work->swept_next = work->swept + done->rows_done;
    if (!progress->walked) {
        progress->pass++;
        progress->part = InvalidOid;
        work->sweep_next = InvalidOid;
        work->swept_next = 0;
        store::forget_failed(work->job.id);
        progress->failed_rows = 0;
    }
}

void begin_pass(Work *work, Place *place, Batch *done, store::Progress *progress)
{
    if (progress->pass > 1 && !work->along_heap && !work->skip_check && !any_left(work)) {
        done->finished = true;
        return;
    }
    work->skip_check = false;
    if (progress->pass == 1) {
        progress->rows_total = estimate_rows(work->job.relation);
    }
    leave_part(place, part_after(work->job.relation, InvalidOid));
}

} // namespace

ErrorData difference()
{
    ErrorData differs{};

    differs.sqlerrcode = ERRCODE_SUCCESSFUL_COMPLETION;
    differs.message = const_cast<char *>("the row is not as set_clause would make it");
    return differs;
}

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
    work->suspect_memory = AllocSetContextCreate(memory, "zdm suspect", ALLOCSET_SMALL_SIZES);
    Place &now = work->places[0];
    now.part = progress.part;
    now.begun = progress.cursor != 0;
    now.bounded = progress.stop != 0;
    work->along_heap = job.path != nullptr && strcmp(job.path, "keyset") != 0;
    work->striped = !job.verifies && job.path != nullptr && strcmp(job.path, "striped") == 0;
    if (work->along_heap) {
        if (now.begun) {
            heap_from_texts(progress.cursor, &now.heap);
        }
        return work;
    }
    work->open_cursor = progress.cursor;
    work->open_stop = progress.stop;
    return work;
}

Batch batch(Work *work, const Order &order, store::Progress *progress)
{
    Batch done{};
    Place *place = next_place(work);

    work->visiting = 0;
    work->locked = false;
    work->sweep_next = work->sweep_part;
    work->swept_next = work->swept;
    if (order.how != How::LeaveOut) {
        work->suspect = 0;
        MemoryContextReset(work->suspect_memory);
    }
    if (!relation_exists(work)) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table %s was dropped", work->job.relation_name));
    }
    if (progress->walked) {
        if (progress->skipped_rows > 0) {
            visit_skipped(work, order, &done, progress);
            progress->pass_done += done.rows_done;
        } else if (work->along_heap && !work->job.verifies) {
            sweep(work, order, &done, progress);
            if (!progress->walked) {
                leave_part(place, InvalidOid);
            }
        } else {
            end_pass(work, &done, progress);
        }
        return done;
    }
    if (!OidIsValid(place->part)) {
        begin_pass(work, place, &done, progress);
        if (done.finished) {
            return done;
        }
    } else {
        const bool over = fill_part(work, place, order, &done, progress);
        progress->pass_done += done.rows_done;
        if (!over) {
            return done;
        }
        leave_part(place, part_after(work->job.relation, place->part));
    }

    progress->part = place->part;
    progress->cursor = 0;
    progress->stop = 0;
    progress->walked = !OidIsValid(place->part);
    if (progress->walked && progress->skipped_rows == 0 && (!work->along_heap || work->job.verifies)) {
        end_pass(work, &done, progress);
    }
    return done;
}

void confirm(Work *work)
{
    work->now = 1 - work->now;
    work->open_cursor = 0;
    work->open_stop = 0;
    work->suspect = 0;
    work->sweep_part = work->sweep_next;
    work->swept = work->swept_next;
    work->walks_again = false;
}

void retune(Work *work, const store::Job &job)
{
    work->job.limits.lag_bytes = job.limits.lag_bytes;
    work->job.limits.delay_ms = job.limits.delay_ms;
}

bool had_one_row(const Work *work) { return work->visiting != 0 || work->suspect != 0; }

bool had_rows(const Work *work) { return work->locked; }

int64 visited(const Work *work) { return work->visiting; }

bool recover(Work *work, int sqlerrcode)
{
    if (work->checking) {
        work->checking = false;
        work->skip_check = sqlerrcode == ERRCODE_QUERY_CANCELED;
        return work->skip_check;
    }
    // A row that fails when it is looked at: the walk finds out which.
    if (work->sweeping) {
        work->sweeping = false;
        if (core::trouble(unpack_sql_state(sqlerrcode)) == core::Trouble::Row && work->walk_again < kMostWalks) {
            work->walk_again++;
            work->walks_again = true;
            return true;
        }
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
