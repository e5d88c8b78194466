#pragma once
#include "pg/attempt.hpp"
#include "pg/xact.hpp"

namespace zdm::pg
{

// Whether the session's own limits may end a statement in the middle.
inline bool may_time_out() { return StatementTimeout > 0 || LockTimeout > 0; }

// Runs body, which does not commit, with other lock_timeout and deadlock_timeout (ms; 0 of the former: no limit).
template <class F> void with_lock_settings(int lock_timeout_ms, int deadlock_timeout_ms, F &&body)
{
    with_settings([&] {
        set_local_ms("lock_timeout", lock_timeout_ms);
        set_local_ms("deadlock_timeout", deadlock_timeout_ms);
        body();
    });
}

// The same for a body that commits by itself, which would end a local setting in the middle of it (measured with
// CREATE INDEX CONCURRENTLY): the variables are set behind the settings machinery, and put back on error too. Body
// must end with a commit: a function of the user's that changes these settings locally, say in an event trigger,
// makes the machinery put our value back at the end of its transaction, and that must be before ours goes.
template <class F> void with_lock_limits(int lock_timeout_ms, int deadlock_timeout_ms, F &&body)
{
    const int lock_before = LockTimeout;
    const int deadlock_before = DeadlockTimeout;

    LockTimeout = lock_timeout_ms;
    DeadlockTimeout = deadlock_timeout_ms;
    ErrorData *failure = attempt(CurrentMemoryContext, body);
    LockTimeout = lock_before;
    DeadlockTimeout = deadlock_before;
    if (failure != nullptr) {
        ReThrowError(failure);
    }
}

// Runs body with what is left of statement_timeout cut to `ms` (0: as it is), put back on error too.
template <class F> void with_time_limit(int ms, F &&body)
{
    const bool had = get_timeout_active(STATEMENT_TIMEOUT);
    const TimestampTz end = had ? get_timeout_finish_time(STATEMENT_TIMEOUT) : 0;
    const TimestampTz mine = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);

    if (ms <= 0 || (had && end <= mine)) {
        body();
        return;
    }
    enable_timeout_at(STATEMENT_TIMEOUT, mine);
    ErrorData *failure = attempt(CurrentMemoryContext, body);
    disable_timeout(STATEMENT_TIMEOUT, false);
    if (had && end > GetCurrentTimestamp()) {
        enable_timeout_at(STATEMENT_TIMEOUT, end);
    }
    if (failure != nullptr) {
        ReThrowError(failure);
    }
}

} // namespace zdm::pg
