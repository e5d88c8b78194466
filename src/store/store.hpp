#pragma once
// zdm's own tables. Nobody but their owner may touch them, so every access here becomes that owner for its
// length, under a search_path that nobody else can write to.
#include "pg/postgres.hpp"
#include "store/plans.hpp"

#include <cstdint>

namespace zdm::store
{

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
    double aim_ms;
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

// zdm.jobs for this caller. `busy` is the text[] of ids that have a worker now; `idle_reason` says why others
// do not.
void list(ReturnSetInfo *result, Oid caller, Datum busy, const char *idle_reason);

} // namespace zdm::store
