#pragma once
// What launcher, workers and sessions know of each other: a piece of shared memory. It holds no state of a
// job; that is in zdm's tables. Whatever is lost here with a crash is found there again.
#include "pg/postgres.hpp"

namespace zdm::jobs::board
{

// From _PG_init, when preloaded.
void install();
// The library was preloaded, so there is a board.
bool exists();

// --- sessions. Neither may fail: they run at the end of a commit.
// Somebody should look for work in this database.
void wish(Oid database, bool later);
// Workers of this database should look at their jobs again.
void nudge(Oid database);

// --- launcher
void launcher_arrives();
// Takes the wishes off the board. True: too many were made, look at every database.
bool take_wishes(List **databases_now, List **databases_later);
// Reserves a slot for a worker that is about to be started; -1: all are taken.
int reserve(Oid database);
// The worker of this slot was not started.
void release(int slot);
// Frees slots reserved long ago by a launcher that died before it started the worker.
void release_forgotten();

// --- worker
// Takes the reserved slot; its database, or InvalidOid if it is not reserved any more. Frees it when the
// process ends.
Oid attach(int slot);
// True: no other worker has this job; now it is ours.
bool claim(int64 job);
bool is_claimed(int64 job);
// Grows each time this worker should look at its job again.
uint64 nudges();
// At the end of this process there is nothing more to do in its database, or there is.
void leave_behind(bool work);

// Jobs of this database that have a worker now, as text[].
Datum busy_jobs();

} // namespace zdm::jobs::board
