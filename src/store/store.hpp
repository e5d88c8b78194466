#pragma once
// zdm's own tables. Nobody but their owner may touch them, so every access here becomes that owner for its
// length, under a search_path that nobody else can write to.
#include "pg/postgres.hpp"
#include "store/plans.hpp"

#include <cstdint>

namespace zdm::store
{

// What others must not suffer from a job.
struct Limits {
    double lag_bytes; // -1: any
    double delay_ms;  // -1: any
    const char *ignored_standbys;
    double wal_per_second; // bytes; 0: any
};

// What a job is, as asked for. `settings` is a text[] of name, value, name, value; null: those of this
// session.
struct Job {
    int64 id;
    Oid database;
    const char *kind;
    Oid relation;
    const char *relation_name;
    const char *description;
    Oid owner;
    Datum settings;
    // a backfill's
    const char *set_clause;
    const char *where_clause; // may be null
    int64 batch_rows;         // 0: by time
    double batch_ms;          // what one batch should take
    double pause_ms;
    int64 max_failed_rows;
    int workers;
    const char *path;      // keyset, ctid, striped; null: chosen when it starts
    const char *only_when; // may be null
    const char *window;    // may be null
    bool verifies;         // changes nothing: rows that are not as set_clause would make them are its failed rows
    Limits limits;
};

// How far a backfill is. Texts and arrays live in the context that was current at the call that returned
// them.
struct Progress {
    Oid part;             // the table, partition or child in work; InvalidOid: none begun
    Datum cursor;         // text[]: key of the last row done in part; 0: none
    Datum stop;           // text[]: last key of part that is in scope; 0: not yet known
    int pass;             // from 1
    int64 pass_done;      // rows changed in this pass
    int64 still_matching; // rows that matched the where_clause after their change
    int64 batches;        // also the version of this row: whoever writes must have read it
    int64 rows_seen;
    int64 rows_done;
    int64 rows_total;
    double rows_per_second;
    int64 batch_rows;
    double batch_ms;
    int64 failed_rows;       // left out for good, in zdm.job_row
    int64 skipped_rows;      // locked by others when they were reached, there too
    const char *waiting_for; // why it is not at full speed; null: it is
    bool walked;             // the last range of this pass is done; what remains are skipped rows
};

// The extension exists in this database.
bool installed();

int64 add(const Job &job);

struct Wanting {
    int64 id;
    bool is_plan; // and maybe its session is at work on it
    bool blocked; // by an earlier one: of its transaction, or on its relation
};
// Jobs of this database that may want a worker, oldest first. Returns how many of them were written.
int runnable(Wanting *jobs, int room);

// Three crashes with a worker at work, and no progress in between, are enough.
constexpr int kMostCrashes = 3;

enum class Take : std::uint8_t { Gone, Taken, CrashedTooOften };
// Marks the job as running and its worker as at work; a crash leaves that mark behind.
Take take_up(int64 id, Job *job, Progress *progress);
// A batch is done. False: the job is not running any more, or somebody else moved it; then abort.
bool save(int64 id, const Progress &progress);
// The worker leaves in good order: the job is queued again and the mark is taken back.
void put_back(int64 id);
// The mark alone, before and after a long rest.
void mark(int64 id, bool at_work);
void finish(int64 id);
void fail(int64 id, const char *sqlstate, const char *error);
void waits_for(int64 id, const char *reason);

// State of a job, in a palloc'd text; null if there is no such job.
const char *state_of(int64 id);

struct Fate {
    const char *state;
    const char *sqlstate;
    const char *error;
    const char *relation_name;
    const char *kind;
    Oid owner;
    Oid relation;
    Oid database;
};
// False if there is no such job.
bool look(int64 id, Fate *fate);
// Jobs of this role that are queued or running here. Returns a palloc'd array.
int64 *open_jobs_of(Oid owner, int *count);

// From one of `from` (a text[] literal) to `to`. False if the job is in none of them.
bool move(int64 id, const char *from, const char *to);

// Reads what was asked for again: somebody has tuned it.
void read_spec(int64 id, Job *job);
// A job of this database as it was asked for. False: there is none.
bool find(int64 id, Job *job);
// Merges a JSON object into it.
void tune(int64 id, const char *changes);

// Rows that a job has not done with its batches. `place` is what the room `fill` calls the row.
struct LeftRow {
    int64 id;
    Oid part;
    Datum place; // text[]
    int tries;
};
// Returns false if it was known already (asked only if it can be).
bool remember_row(int64 job, Oid part, Datum place, const char *key, const ErrorData *error, bool may_be_known);
// Of the skipped ones, the one least often tried. False: there is none.
bool next_skipped(int64 job, LeftRow *row);
void row_done(int64 id);
void row_tried(int64 id);
void row_failed(int64 id, const ErrorData *error);
// Second texts of the places of failed rows.
struct Places {
    char **texts;
    int count;
};
Places failed_places(int64 job, Oid part);
int64 failed_rows_of(int64 job);
// Failed rows become skipped ones, to be taken again.
void take_failed_again(int64 job);
// Forgets failed rows: the next pass meets them again.
void forget_failed(int64 job);
// zdm.failed_rows for this caller.
void list_failed(ReturnSetInfo *result, Oid caller);

// zdm.jobs for this caller. `busy` is the text[] of ids that have a worker now; `idle_reason` says why others
// do not.
void list(ReturnSetInfo *result, Oid caller, Datum busy, const char *idle_reason);

} // namespace zdm::store
