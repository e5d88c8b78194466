// Ranges of blocks, for work where a row may be met twice. An update moves a row to another page, so a walk meets some
// rows twice and some never; what it has left is found in the end by one look at the whole table under one snapshot.
//
// Striped: a region of blocks is done in several batches, each of every K-th row. When the later ones come, what the
// first have left behind can be pruned, and the new versions find room on the page of the old: HOT, with less WAL and
// less growth. That needs that no index has a column written, and no old snapshot.
#include "fill/work.hpp"

#include <algorithm>

namespace zdm::fill
{

namespace
{

constexpr int kStripes = 8; // a power of two
constexpr int kPieces = 4;
constexpr int64 kSmallestPiece = 100;

Clauses clauses_of(const Work *work, Oid part)
{
    return clauses_for(work->job.relation, part, work->job.set_clause, work->job.where_clause);
}

Datum tid(BlockNumber block, OffsetNumber offset)
{
    auto *pointer = static_cast<ItemPointerData *>(palloc(sizeof(ItemPointerData)));

    ItemPointerSet(pointer, block, offset);
    return PointerGetDatum(pointer);
}

// Counts what an update has changed.
void count(Work *work, Batch *done)
{
    const bool certain = work->statements.meaning.ends_itself && !work->statements.meaning.repeatable;

    done->rows_done += static_cast<int64>(SPI_processed);
    if (SPI_processed > 0) {
        work->last_xid = GetTopTransactionIdIfAny();
    }
    for (uint64 i = 0; certain && SPI_tuptable != nullptr && i < SPI_tuptable->numvals; i++) {
        bool null = false;
        if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null))) {
            ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("a row still matches where_clause after its change"),
                    errdetail("A trigger has undone it; along the heap the row would be met again, and changed again."),
                    errhint("Add a key, and walk along it."));
        }
    }
}

void begin(Work *work, Place *place, Relation part)
{
    place->heap = {};
    place->heap.filenode = part->rd_rel->relfilenode;
    place->heap.end = RelationGetNumberOfBlocks(part);
    place->heap.stripes = 1;
    place->begun = true;
}

// What earlier batches have left behind can be pruned by now.
bool can_prune(const Work *work, Relation part)
{
    return !TransactionIdIsValid(work->last_xid) ||
           TransactionIdPrecedes(work->last_xid, GetOldestNonRemovableTransactionId(part));
}

void begin_region(Work *work, HeapPlace *heap, Relation part, const Order &order)
{
    const bool striped = work->striped && !work->statements.meaning.writes_index && order.how == How::Plain &&
                         !order.careful && can_prune(work, part);
    const double blocks = static_cast<double>(order.rows) * kStripes / work->rows_per_block;

    heap->stripe = 0;
    heap->stripes = striped ? kStripes : 1;
    heap->region_end = striped
                           ? static_cast<BlockNumber>(std::min<double>(heap->end, heap->block + std::max(1.0, blocks)))
                           : heap->end;
}

void do_stripe(Work *work, HeapPlace *heap, Batch *done, Oid part)
{
    Datum values[] = {tid(heap->block, 0), tid(heap->region_end, 0), Int32GetDatum(heap->stripes - 1),
                      Int32GetDatum(heap->stripe)};

    execute(prepare_heap(&work->statements, clauses_of(work, part), HeapPlan::Striped), values, false, 0);
    count(work, done);
    const double rows = (heap->region_end - heap->block) * work->rows_per_block;
    done->rows_seen += std::max<int64>(1, static_cast<int64>(rows / heap->stripes));
    if (++heap->stripe == heap->stripes) {
        heap->block = heap->region_end;
        heap->offset = 0;
    }
}

// The first place after so many rows, or line pointers if they are fewer than a block has rows.
HeapPlace after_rows(const Work *work, const HeapPlace &heap, int64 rows)
{
    HeapPlace next = heap;

    if (rows > 1 && rows >= static_cast<int64>(work->rows_per_block)) {
        const double blocks = std::max(1.0, static_cast<double>(rows) / work->rows_per_block);
        next.block = static_cast<BlockNumber>(std::min<double>(heap.region_end, heap.block + blocks));
        next.offset = 0;
        return next;
    }
    const int64 offset = std::max<int64>(1, heap.offset) + rows;
    if (offset > MaxHeapTuplesPerPage) {
        next.block = heap.block + 1;
        next.offset = 0;
    } else {
        next.offset = static_cast<OffsetNumber>(offset);
    }
    return next;
}

Datum places_of(const store::Places &rows)
{
    auto *places = static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<Size>(rows.count + 1)));

    for (int i = 0; i < rows.count; i++) {
        places[i] = DirectFunctionCall1(tidin, CStringGetDatum(rows.texts[i]));
    }
    return PointerGetDatum(construct_array(places, rows.count, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT));
}

// {"ctid", "(0,1)"}
Datum row_text(BlockNumber block, OffsetNumber offset)
{
    Datum texts[] = {CStringGetTextDatum("ctid"), CStringGetTextDatum(psprintf("(%u,%u)", block, offset))};

    return PointerGetDatum(construct_array(texts, 2, TEXTOID, -1, false, TYPALIGN_INT));
}

// What users read: its key if there is one, else its place.
char *name_of(Work *work, Oid part, Datum row)
{
    const Key &key = work->statements.key;
    Datum *items = nullptr;
    int count_items = 0;
    Oid type = TIDOID;
    char *name = key_text(row);

    if (key.count == 0) {
        return name;
    }
    MemoryContext outer = CurrentMemoryContext;
    deconstruct_array(DatumGetArrayTypeP(row), TEXTOID, -1, false, TYPALIGN_INT, &items, nullptr, &count_items);
    Datum place = DirectFunctionCall1(tidin, CStringGetDatum(TextDatumGetCString(items[1])));
    SPI_connect();
    pg::spi_check(
        SPI_execute_with_args(key_at_statement(clauses_of(work, part).table, key), 1, &type, &place, nullptr, true, 1));
    if (SPI_processed == 1) {
        Datum values[INDEX_MAX_KEYS];
        for (int i = 0; i < key.count; i++) {
            bool null = false;
            values[i] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &null);
        }
        name = MemoryContextStrdup(outer, key_text(to_texts(key, values)));
    }
    SPI_finish();
    return name;
}

void verify(Work *work, const Place *place, Datum *range, store::Progress *progress)
{
    const ErrorData differs = difference();

    execute(prepare_heap(&work->statements, clauses_of(work, place->part), HeapPlan::Verify), range, true, 0);
    const auto count = static_cast<int>(SPI_processed);
    auto *texts = static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<Size>(count + 1)));
    for (int i = 0; i < count; i++) {
        bool null = false;
        const auto *pointer = reinterpret_cast<const ItemPointerData *>(
            DatumGetPointer(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null)));
        texts[i] = row_text(ItemPointerGetBlockNumber(pointer), ItemPointerGetOffsetNumber(pointer));
    }
    for (int i = 0; i < count; i++) {
        store::remember_row(work->job.id, place->part, texts[i], name_of(work, place->part, texts[i]), &differs, false);
        progress->failed_rows++;
    }
}

void do_piece(Work *work, Place *place, int64 rows, const Order &order, Batch *done, store::Progress *progress)
{
    HeapPlace *heap = &place->heap;
    const HeapPlace next = after_rows(work, *heap, rows);
    const OffsetNumber first = std::max<OffsetNumber>(1, heap->offset);
    const bool one = next.block == heap->block && next.offset == first + 1;
    Datum values[] = {tid(heap->block, heap->offset), tid(next.block, next.offset)};

    if (order.how == How::LeaveOut) {
        const Datum row = row_text(heap->block, first);
        if (store::remember_row(work->job.id, place->part, row, name_of(work, place->part, row), order.error, true)) {
            ++(order.error == nullptr ? progress->skipped_rows : progress->failed_rows);
        }
    } else {
        MemoryContext here = MemoryContextSwitchTo(work->suspect_memory);
        work->suspect = one ? row_text(heap->block, first) : 0;
        MemoryContextSwitchTo(here);
        if (work->job.verifies) {
            verify(work, place, values, progress);
        } else {
            const HeapPlan which = order.how == How::SkipLocked ? HeapPlan::Unlocked : HeapPlan::Range;
            execute(prepare_heap(&work->statements, clauses_of(work, place->part), which), values, false, 0);
            count(work, done);
        }
    }
    const double blocks =
        next.block > heap->block ? next.block - heap->block : static_cast<double>(rows) / MaxHeapTuplesPerPage;
    done->rows_seen += std::max<int64>(1, static_cast<int64>(blocks * work->rows_per_block));
    heap->block = next.block;
    heap->offset = next.offset;
}

} // namespace

bool heap_range(Work *work, Place *place, Relation part, const Order &order, Batch *done, store::Progress *progress)
{
    HeapPlace *heap = &place->heap;

    if (!place->begun || heap->filenode != part->rd_rel->relfilenode) {
        begin(work, place, part);
    }
    work->locked = true;
    if (heap->stripes > 1 && (order.how != How::Plain || order.careful)) {
        heap->stripes = 1;
        heap->stripe = 0;
    }
    const int64 size =
        order.how == How::Plain ? std::max(kSmallestPiece, (order.rows + kPieces - 1) / kPieces) : order.rows;
    for (int64 left = order.rows; left > 0; left -= size) {
        if (heap->block >= heap->end) {
            return false;
        }
        if (heap->block >= heap->region_end) {
            begin_region(work, heap, part, order);
        }
        if (heap->stripes > 1) {
            do_stripe(work, heap, done, place->part);
            return heap->block < heap->end;
        }
        do_piece(work, place, std::min(left, size), order, done, progress);
        if (left > size && pg::somebody_waits_for_us()) {
            done->cut_short = true;
            return true;
        }
    }
    return heap->block < heap->end;
}

void heap_row(Work *work, const store::LeftRow &row, Batch *done, store::Progress *progress)
{
    Datum *items = nullptr;
    int length = 0;

    // If it has moved meanwhile, the last pass finds it.
    deconstruct_array(DatumGetArrayTypeP(row.place), TEXTOID, -1, false, TYPALIGN_INT, &items, nullptr, &length);
    if (length == 2) {
        Datum place = DirectFunctionCall1(tidin, CStringGetDatum(TextDatumGetCString(items[1])));
        Datum values[] = {
            PointerGetDatum(construct_array(&place, 1, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT))};
        execute(prepare_heap(&work->statements, clauses_of(work, row.part), HeapPlan::These), values, false, 0);
        count(work, done);
    }
}

bool heap_sweep(Work *work, Relation part, const Order &order, Batch *done, store::Progress *progress)
{
    const Oid oid = RelationGetRelid(part);

    if (order.how == How::LeaveOut) {
        if (store::remember_row(work->job.id, oid, work->suspect, name_of(work, oid, work->suspect), order.error,
                                true)) {
            ++(order.error == nullptr ? progress->skipped_rows : progress->failed_rows);
        }
        return false;
    }

    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    Datum asked[] = {Int64GetDatum(kMostLeft), places_of(store::failed_places(work->job.id, oid))};
    work->sweeping = true;
    execute_at(prepare_heap(&work->statements, clauses_of(work, oid), HeapPlan::Left), asked, true, snapshot);
    work->sweeping = false;
    const auto found = static_cast<int>(SPI_processed);
    auto *places = static_cast<Datum *>(palloc(sizeof(Datum) * static_cast<Size>(found + 1)));
    for (int i = 0; i < found; i++) {
        bool null = false;
        places[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &null);
    }

    // Where a row fails, a few at a time.
    const int take = order.careful ? static_cast<int>(std::min<int64>(found, order.rows)) : found;
    if (take > 0) {
        Datum values[] = {
            PointerGetDatum(construct_array(places, take, TIDOID, sizeof(ItemPointerData), false, TYPALIGN_SHORT))};
        if (take == 1) {
            const auto *pointer = reinterpret_cast<const ItemPointerData *>(DatumGetPointer(places[0]));
            MemoryContext here = MemoryContextSwitchTo(work->suspect_memory);
            work->suspect = row_text(ItemPointerGetBlockNumber(pointer), ItemPointerGetOffsetNumber(pointer));
            MemoryContextSwitchTo(here);
        }
        work->locked = true;
        // Under the same snapshot: what has moved since is not taken for what has taken its place.
        const HeapPlan which = order.how == How::Plain ? HeapPlan::These : HeapPlan::TheseUnlocked;
        execute_at(prepare_heap(&work->statements, clauses_of(work, oid), which), values, false, snapshot);
        count(work, done);
        done->all_locked = order.how == How::SkipLocked && done->rows_done < take;
    }
    UnregisterSnapshot(snapshot);
    if (found >= kMostLeft) {
        // Too many to look for again and again.
        progress->walked = false;
    }
    // A row that has moved since, or is locked, is found again.
    return found < kMostLeft && done->rows_done == found;
}

Datum heap_texts(const HeapPlace &place)
{
    const long long numbers[] = {place.filenode,   place.end,    place.block,  place.offset,
                                 place.region_end, place.stripe, place.stripes};
    Datum texts[lengthof(numbers) + 1] = {CStringGetTextDatum("heap")};

    for (Size i = 0; i < lengthof(numbers); i++) {
        texts[i + 1] = CStringGetTextDatum(psprintf("%lld", numbers[i]));
    }
    return PointerGetDatum(construct_array(texts, lengthof(texts), TEXTOID, -1, false, TYPALIGN_INT));
}

void heap_from_texts(Datum texts, HeapPlace *place)
{
    Datum *items = nullptr;
    int length = 0;
    int64 numbers[7] = {};

    deconstruct_array(DatumGetArrayTypeP(texts), TEXTOID, -1, false, TYPALIGN_INT, &items, nullptr, &length);
    for (int i = 1; i < length && i <= 7; i++) {
        numbers[i - 1] = strtoll(TextDatumGetCString(items[i]), nullptr, 10);
    }
    *place = {static_cast<Oid>(numbers[0]),         static_cast<BlockNumber>(numbers[1]),
              static_cast<BlockNumber>(numbers[2]), static_cast<OffsetNumber>(numbers[3]),
              static_cast<BlockNumber>(numbers[4]), static_cast<int>(numbers[5]),
              static_cast<int>(numbers[6])};
}

} // namespace zdm::fill
