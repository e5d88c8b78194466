#pragma once
// What a worker keeps between batches; fill.cpp tells the story, the other files do their part of it.
#include "fill/fill.hpp"
#include "fill/prepared.hpp"
#include "pg/spi.hpp"
#include "pg/waiters.hpp"
#include "pg/xact.hpp"

namespace zdm::fill
{

struct Place {
    MemoryContext memory;
    Oid part;
    bool begun;   // cursor is set
    bool bounded; // stop is set
    Datum cursor[INDEX_MAX_KEYS];
    Datum stop[INDEX_MAX_KEYS];
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
    bool checking;
    bool skip_check;
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

// --- along the key (keyset.cpp)
// Does the next range of keys as ordered. False: nothing of the part is left after it.
bool keyset_range(Work *work, Place *place, const Order &order, Batch *done, store::Progress *progress);
// Does one row that was skipped.
void keyset_row(Work *work, const store::LeftRow &row, Batch *done, store::Progress *progress);

} // namespace zdm::fill
