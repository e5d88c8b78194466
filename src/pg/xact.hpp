#pragma once
// Transactions, snapshots and settings by scope. On ERROR PostgreSQL's own (sub)transaction abort does the leaving.
#include "pg/postgres.hpp"

namespace zdm::pg
{

// Commit what is open and start afresh, with no snapshot; the memory context stays the caller's. Needs a context
// that survives the commit (not TransactionContext's children, not the portal's snapshot memory).
void commit_and_start();

// Abort what is open and start afresh, likewise. Session locks on relations are lost.
void abort_and_start();

void drop_snapshots();

// Runs body with an active snapshot; body may itself commit and leave none (concurrent index commands do).
template <class F> void with_snapshot(F &&body)
{
    PushActiveSnapshot(GetTransactionSnapshot());
    body();
    drop_snapshots();
}

// The same where the caller may have had to start a new transaction, and with it have lost the portal's snapshot.
template <class F> void with_some_snapshot(F &&body)
{
    if (ActiveSnapshotSet()) {
        body();
    } else {
        with_snapshot(body);
    }
}

// Runs body, which sleeps in the middle of a user's transaction, without the portal's snapshot where that can be
// given up: READ COMMITTED, directly under the portal.
template <class F> void without_portal_snapshot(F &&body)
{
    const bool ours = ActivePortal != nullptr && ActivePortal->portalSnapshot != nullptr && ActiveSnapshotSet() &&
                      GetActiveSnapshot() == ActivePortal->portalSnapshot && !IsolationUsesXactSnapshot();
    if (ours) {
        PopActiveSnapshot();
        ActivePortal->portalSnapshot = nullptr;
    }
    body();
    if (ours) {
        EnsurePortalSnapshotExists();
    }
}

// Settings changed in body end with it.
template <class F> void with_settings(F &&body)
{
    const int nest = NewGUCNestLevel();
    body();
    AtEOXact_GUC(true, nest);
}

// Runs body as another role under its security context (SECURITY_... of miscadmin.h); whatever body sets ends with it,
// also what a function called there means to set for the session. On ERROR the abort puts ours back.
template <class F> void as_role(Oid role, int security, F &&body)
{
    Oid user = InvalidOid;
    int context = 0;

    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(role, context | security);
    const int nest = NewGUCNestLevel();
    body();
    AtEOXact_GUC(false, nest);
    SetUserIdAndSecContext(user, context);
}

// Set for the current nest level, with the right to set anything: value is ours, not the user's.
void set_local(const char *name, const char *value);

// The same in milliseconds.
void set_local_ms(const char *name, int milliseconds);

} // namespace zdm::pg
