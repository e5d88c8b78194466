#pragma once
// A backfill: one table, or the leaves of a tree of tables one after the other, in key order, batch by batch.
#include "core/throttle.hpp"
#include "pg/postgres.hpp"
#include "store/store.hpp"

namespace zdm::fill
{

// At the call, as the caller: raises what PostgreSQL would raise for `UPDATE relation SET ... WHERE ...`, and
// refuses what cannot be done batch by batch. Runs nothing.
// `path`: the one asked for, or null; returns the one to take.
const char *check(Oid relation, const char *set_clause, const char *where_clause, const char *path);

// The where_clause under which every row can be compared with set_clause, or null; raises if that says nothing, because
// set_clause gives another value the second time.
const char *check_verifiable(Oid relation, const char *set_clause, const char *where_clause);

// What a backfill would do: items with their values, in the order in which they are read.
struct Say {
    void (*tell)(void *to, const char *item, const char *value);
    void *to;
    void operator()(const char *item, const char *value) const { tell(to, item, value); }
};
void plan(const store::Job &job, const Say &say);

// Runs body as the owner of a job, under the settings of its call.
void as_asked(store::Job &job, void (*body)(void *job));

// "schema.name", quoted where needed, in the current memory context.
char *qualified_name(Oid relation);

// What a worker keeps between batches: prepared statements and the place in the table.
struct Work;
Work *open(const store::Job &job, const store::Progress &progress);

// What a batch is to do.
enum class How : std::uint8_t {
    Plain,
    SkipLocked, // pass by rows that others have locked, and remember them
    LeaveOut,   // pass by the one row that failed, and remember it with its error; null: it is locked
};
struct Order {
    int64 rows;
    How how;
    const ErrorData *error;
    bool careful; // a row near here fails
};

// What a batch did, inside the caller's transaction. The new place is in `progress`; it holds if that
// transaction commits, and then confirm() must be called; else the work stays where it was.
struct Batch {
    int64 rows_seen; // keys passed
    int64 rows_done; // rows changed
    bool finished;   // nothing is left
    bool cut_short;  // somebody waited for its rows
    bool all_locked; // every skipped row was visited and is locked still: wait before the next round
    const char *statement;
};
Batch batch(Work *work, const Order &order, store::Progress *progress);
void confirm(Work *work);

// What the batch that failed had come to: a single row, by key or because it was a skipped one; any rows at all.
bool had_one_row(const Work *work);
bool had_rows(const Work *work);
// The skipped row it had visited; 0: none.
int64 visited(const Work *work);

// After a transaction with a batch was rolled back by this error, in a new one. True: it was not the user's,
// go on.
bool recover(Work *work, int sqlerrcode);
// The relation of the job is still there.
bool relation_exists(const Work *work);

// --- throttle
// At the call: raises unless only_when is a condition that can be asked. Reads a window; returns it with its time zone.
void check_only_when(const char *only_when);
char *check_window(const char *window);
// Facts for core::Throttle, in no transaction, with nothing held.
void look_around(Work *work, double now_ms, core::List<core::Fact> *facts);
// Whether only_when holds, in a transaction, as the owner of the job.
void ask_condition(Work *work, bool *holds);
// Some of what was asked for has changed.
void retune(Work *work, const store::Job &job);

} // namespace zdm::fill
