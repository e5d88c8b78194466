#pragma once
// Who follows this server, and how far behind. Read from shared memory: no transaction, no snapshot.
#include "pg/postgres.hpp"

namespace zdm::pg
{

struct Follower {
    int pid;
    char name[NAMEDATALEN]; // application_name
    XLogRecPtr applied;     // replayed, as far as we were told
};
// Standbys (and logical subscribers) that stream, or catch up, and report how far they have replayed; others, such as
// pg_receivewal, replay nothing. Returns how many were written.
int followers(Follower *found, int room);

struct Slot {
    char name[NAMEDATALEN];
    char user[NAMEDATALEN]; // application_name of whoever streams from it; empty: nobody
    bool active;
    bool logical;
    XLogRecPtr confirmed; // a logical one's
    XLogRecPtr restart;   // oldest WAL kept for it
};
int slots(Slot *found, int room);

// End of the WAL that could have been sent.
XLogRecPtr flushed();

// Sessions wait in COMMIT for a synchronous standby: the position that the first of them waits for; invalid: none does.
XLogRecPtr synchronous_wait();

// WAL, in bytes, that is finished but not archived; -1: unknown, or nothing is archived.
double archiver_backlog();

// Share of the transaction ids that are used up before the server refuses to give more.
double transaction_ids_used();

} // namespace zdm::pg
