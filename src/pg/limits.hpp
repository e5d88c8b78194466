#pragma once
#include "pg/attempt.hpp"

namespace zdm::pg
{

// Runs body with other lock_timeout and deadlock_timeout (ms; 0 of the former: no limit; -1: leave), put back on
// error too. The variables are set themselves, not through the settings machinery: what body runs may commit, and a
// commit would end any local setting in the middle of it (measured with CREATE INDEX CONCURRENTLY).
template <class F> void with_lock_limits(int lock_timeout_ms, int deadlock_timeout_ms, F &&body)
{
    const int lock_before = LockTimeout;
    const int deadlock_before = DeadlockTimeout;

    LockTimeout = lock_timeout_ms >= 0 ? lock_timeout_ms : LockTimeout;
    DeadlockTimeout = deadlock_timeout_ms >= 0 ? deadlock_timeout_ms : DeadlockTimeout;
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
