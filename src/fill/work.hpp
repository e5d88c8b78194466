#pragma once
// What a worker keeps between batches; fill.cpp tells the story, the other files do their part of it.
#include "fill/fill.hpp"
#include "fill/prepared.hpp"
#include "pg/spi.hpp"
#include "pg/waiters.hpp"
#include "pg/xact.hpp"

namespace zdm::fill
{

// How far a walk along the heap is. Blocks from `end` on came after the walk began.
struct HeapPlace {
    Oid filenode; // of another one nothing is known
    BlockNumber end;
    BlockNumber block; // first not done, from
    OffsetNumber offset;
    BlockNumber region_end; // of the region in work, from `block` on
    int stripe;             // next
    int stripes;            // 1: none
};

struct Place {
    MemoryContext memory;
    Oid part;
    bool begun;   // cursor is set
    bool bounded; // stop is set
    Datum cursor[INDEX_MAX_KEYS];
    Datum stop[INDEX_MAX_KEYS];
    HeapPlace heap;
};

struct Watch; // throttle.cpp

struct Work {
    MemoryContext memory;
    Watch *watch; // null at first
    store::Job job;
    Place places[2];
    int now;           // the committed one
    Datum open_cursor; // places as stored, until the key is known
    Datum open_stop;
    Statements statements;
    MemoryContext suspect_memory;
    Datum suspect;  // the place of the one row that the last batch tried, as it is stored; 0: it tried more
    int64 visiting; // the skipped row that the last batch tried; 0: none
    int round;      // tries of the skipped rows visited in this round
    bool locked;    // the last batch got as far as the rows
    bool sweeping;  // looking for rows that are left
    bool walks_again;
    int walk_again; // that many times a row failed already then
    bool checking;
    bool skip_check;
    bool along_heap;
    bool striped;
    bool ends_itself; // set_clause makes where_clause false
    Oid sweep_part;   // along the heap: the part that the last pass has done last; InvalidOid: none
    Oid sweep_next;   // the same, when this batch has committed
    int64 swept;      // rows it has changed
    int64 swept_next;
    double rows_per_block;  // about
    TransactionId last_xid; // of the last batch that changed a row
};

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

// What a row that is not right is said to be.
ErrorData difference();

// --- along the key (keyset.cpp)
// Does the next range of keys as ordered. False: nothing of the part is left after it.
bool keyset_range(Work *work, Place *place, const Order &order, Batch *done, store::Progress *progress);
// Does one row that was skipped.
void keyset_row(Work *work, const store::LeftRow &row, Batch *done, store::Progress *progress);

// --- along the heap (heap.cpp)
// Likewise, from block to block.
bool heap_range(Work *work, Place *place, Relation part, const Order &order, Batch *done, store::Progress *progress);
void heap_row(Work *work, const store::LeftRow &row, Batch *done, store::Progress *progress);
// Does what a walk has left, found under one snapshot. True: that was all of it in this part; else see
// progress->walked, which turns false if another walk is better.
constexpr int64 kMostLeft = 5000;
bool heap_sweep(Work *work, Relation part, const Order &order, Batch *done, store::Progress *progress);
Datum heap_texts(const HeapPlace &place);
void heap_from_texts(Datum texts, HeapPlace *place);

} // namespace zdm::fill
