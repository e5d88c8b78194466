// Ranges of keys: (last key done, last key of the batch]. The plain form is one UPDATE of the range and nothing else.
#include "fill/work.hpp"

#include <algorithm>

namespace zdm::fill
{

namespace
{

// A range is done in pieces, so that it can end early when somebody waits for a row of it.
constexpr int kPieces = 4;
constexpr int64 kSmallestPiece = 100;

// Rows remembered as locked; beyond, wait for them where we are.
constexpr int64 kMostSkipped = 10000;

// Reads a key from a row of the last result.
void read_key(const Key &key, uint64 row, int first_column, MemoryContext to, Datum *values)
{
    MemoryContext here = MemoryContextSwitchTo(to);

    for (int i = 0; i < key.count; i++) {
        bool null = false;
        const Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, first_column + i, &null);
        values[i] = datumCopy(value, key.by_value[i], key.lengths[i]);
    }
    MemoryContextSwitchTo(here);
}

bool fetch_key(const Key &key, MemoryContext to, Datum *values)
{
    if (SPI_processed == 0) {
        return false;
    }
    read_key(key, 0, 1, to, values);
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

void count_changed(Work *work, Batch *done, store::Progress *progress)
{
    done->rows_done += static_cast<int64>(SPI_processed);
    if (work->job.where_clause != nullptr && SPI_tuptable != nullptr) {
        progress->still_matching += count_still_matching();
    }
}

// The parameters of a range: the key done last, if any, and the last key of the range.
int range_values(const Key &key, const Place *place, const Datum *last, Datum *values)
{
    const int lower = place->begun ? key.count : 0;

    memcpy(values, place->cursor, sizeof(Datum) * static_cast<size_t>(lower));
    memcpy(values + lower, last, sizeof(Datum) * static_cast<size_t>(key.count));
    return lower + key.count;
}

Datum text_of(const Key &key, const Datum *values, MemoryContext to)
{
    MemoryContext here = MemoryContextSwitchTo(to);
    const Datum texts = to_texts(key, values);

    MemoryContextSwitchTo(here);
    return texts;
}

void remember(Work *work, Oid part, const Datum *values, const ErrorData *error, store::Progress *progress)
{
    const Key &key = work->statements.key;
    const Datum place = to_texts(key, values);
    // A row is met once in a pass.
    const bool fresh = store::remember_row(work->job.id, part, place, key_text(place), error, progress->pass > 1);

    if (fresh) {
        ++(error == nullptr ? progress->skipped_rows : progress->failed_rows);
    }
}

// Seldom needed, so it is made when it is.
SPIPlanPtr unlocked_plan(Work *work, const Place *place)
{
    return prepare_unlocked(&work->statements,
                            clauses_for(work->job.relation, place->part, work->job.set_clause, work->job.where_clause),
                            place->begun);
}

// Updates what is not locked, and remembers what is.
void update_unlocked(Work *work, const Place *place, Datum *values, Batch *done, store::Progress *progress)
{
    const Key &key = work->statements.key;
    bool null = false;

    execute(unlocked_plan(work, place), values, false, 0);
    const auto column = [&](int number) {
        return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &null));
    };
    done->rows_done += column(1);
    progress->still_matching += column(2);
    SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &null);
    const uint64 skipped = null ? 0 : SPI_tuptable->numvals;
    if (progress->skipped_rows + static_cast<int64>(skipped) > kMostSkipped) {
        ereport(ERROR, errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("more rows are locked than a job remembers"));
    }
    // remember() has SPI results of its own.
    auto *keys = static_cast<Datum *>(palloc(sizeof(Datum) * INDEX_MAX_KEYS * (skipped + 1)));
    for (uint64 i = 0; i < skipped; i++) {
        read_key(key, i, 3, CurrentMemoryContext, keys + i * INDEX_MAX_KEYS);
    }
    for (uint64 i = 0; i < skipped; i++) {
        remember(work, place->part, keys + i * INDEX_MAX_KEYS, nullptr, progress);
    }
}

// Rows that are not right are this job's failed rows.
void verify(Work *work, const Place *place, Datum *values, store::Progress *progress)
{
    const Key &key = work->statements.key;
    const ErrorData differs = difference();

    execute(prepare_verify(&work->statements,
                           clauses_for(work->job.relation, place->part, work->job.set_clause, work->job.where_clause),
                           place->begun),
            values, true, 0);
    const uint64 count = SPI_processed;
    auto *keys = static_cast<Datum *>(palloc(sizeof(Datum) * INDEX_MAX_KEYS * (count + 1)));
    for (uint64 i = 0; i < count; i++) {
        read_key(key, i, 1, CurrentMemoryContext, keys + i * INDEX_MAX_KEYS);
    }
    for (uint64 i = 0; i < count; i++) {
        remember(work, place->part, keys + i * INDEX_MAX_KEYS, &differs, progress);
    }
}

// Passes by the one row that failed. If it is gone meanwhile, its place is not taken by another: nothing is done.
bool leave_out(Work *work, const Place *place, const Datum *last, const Order &order, store::Progress *progress)
{
    const Datum found = to_texts(work->statements.key, last);

    if (work->suspect == 0 ||
        !DatumGetBool(OidFunctionCall2Coll(F_ARRAY_EQ, DEFAULT_COLLATION_OID, work->suspect, found))) {
        return false;
    }
    remember(work, place->part, last, order.error, progress);
    return true;
}

// One piece of a range. False: nothing of the part is left after it.
bool piece(Work *work, Place *place, int64 rows, const Order &order, Batch *done, store::Progress *progress)
{
    Statements *statements = &work->statements;
    const Key &key = statements->key;
    Datum values[2 * INDEX_MAX_KEYS + 1];
    Datum last[INDEX_MAX_KEYS];

    const int count = range_values(key, place, place->stop, values);
    values[count] = Int64GetDatum(rows - 1);
    execute(statements->bound[place->begun], values, true, 1);
    const bool more = fetch_key(key, place->memory, last);
    if (!more) {
        memcpy(last, place->stop, sizeof(last));
    }
    range_values(key, place, last, values);

    const int64 done_before = done->rows_done;
    if (work->job.verifies && order.how != How::LeaveOut) {
        work->suspect = rows == 1 && more ? text_of(key, last, work->suspect_memory) : 0;
        verify(work, place, values, progress);
    } else if (order.how == How::LeaveOut) {
        if (!more || !leave_out(work, place, last, order, progress)) {
            return more;
        }
    } else if (order.how == How::SkipLocked) {
        update_unlocked(work, place, values, done, progress);
    } else {
        work->suspect = rows == 1 && more ? text_of(key, last, work->suspect_memory) : 0;
        execute(statements->update[place->begun], values, false, 0);
        count_changed(work, done, progress);
    }
    // At the end of a part nobody has counted them.
    done->rows_seen += more ? rows : done->rows_done - done_before;
    memcpy(place->cursor, last, sizeof(last));
    place->begun = true;
    return more;
}

} // namespace

bool keyset_range(Work *work, Place *place, const Order &order, Batch *done, store::Progress *progress)
{
    const Key &key = work->statements.key;

    if (!place->bounded) {
        execute(work->statements.last_key, nullptr, true, 1);
        if (!fetch_key(key, place->memory, place->stop)) {
            return false;
        }
        place->bounded = true;
    }
    work->locked = true;
    const int64 size =
        order.how == How::Plain ? std::max(kSmallestPiece, (order.rows + kPieces - 1) / kPieces) : order.rows;
    int64 left = order.rows;
    while (left > 0) {
        if (!piece(work, place, std::min(left, size), order, done, progress)) {
            return false;
        }
        left -= size;
        if (left > 0 && pg::somebody_waits_for_us()) {
            done->cut_short = true;
            return true;
        }
    }
    return true;
}

void keyset_row(Work *work, const store::LeftRow &row, Batch *done, store::Progress *progress)
{
    Datum values[INDEX_MAX_KEYS];

    from_texts(work->statements.key, row.place, values);
    execute(prepare_one(&work->statements,
                        clauses_for(work->job.relation, row.part, work->job.set_clause, work->job.where_clause)),
            values, false, 0);
    count_changed(work, done, progress);
}

} // namespace zdm::fill
