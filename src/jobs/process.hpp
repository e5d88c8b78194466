#pragma once
// What launcher and worker have in common as processes.
#include "pg/attempt.hpp"
#include "pg/postgres.hpp"

namespace zdm::jobs
{

// SIGHUP rereads the settings. SIGTERM: see leaving().
void handle_signals();

// SIGTERM came. It also cancels the running statement, so that the process ends in good order, with its
// transaction rolled back and its last words said, and not in the middle of something.
bool leaving();

// Waits, at most so long (forever if negative), for the latch. Holds nothing meanwhile, and reacts to
// signals; ends the process if the postmaster died.
void doze(double milliseconds, const char *why, uint32 *event);

// Reads the configuration again if SIGHUP came, and ends the process if the postmaster died.
void look_up();

// Runs body in a transaction of its own, with a snapshot. Returns its error, in `keep`, the transaction
// rolled back.
template <class F> ErrorData *in_transaction(MemoryContext keep, F &&body)
{
    MemoryContext here = CurrentMemoryContext;
    ErrorData *failure = pg::attempt(keep, [&] {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        PushActiveSnapshot(GetTransactionSnapshot());
        body();
        PopActiveSnapshot();
        CommitTransactionCommand();
    });
    if (failure != nullptr) {
        AbortCurrentTransaction();
    }
    MemoryContextSwitchTo(here);
    return failure;
}

} // namespace zdm::jobs
