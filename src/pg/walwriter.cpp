#include "pg/walwriter.hpp"

namespace zdm::pg
{

namespace
{

constexpr int kEveryMs = 2;

TimeoutId timer = MAX_TIMEOUTS;

} // namespace

extern "C" {

// In a signal handler: nothing but the latch.
static void wake()
{
#if PG_VERSION_NUM >= 180000
    // 393e0d231407 (18) keeps numbers of processes instead of latches.
    const ProcNumber writer = ProcGlobal->walwriterProc;
    if (writer != INVALID_PROC_NUMBER) {
        SetLatch(&GetPGProcByNumber(writer)->procLatch);
    }
#else
    if (ProcGlobal->walwriterLatch != nullptr) {
        SetLatch(ProcGlobal->walwriterLatch);
    }
#endif
}

} // extern "C"

void keep_walwriter_awake()
{
    if (timer == MAX_TIMEOUTS) {
        timer = RegisterTimeout(USER_TIMEOUT, wake);
    }
    enable_timeout_every(timer, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kEveryMs), kEveryMs);
}

void let_walwriter_sleep()
{
    if (timer != MAX_TIMEOUTS) {
        disable_timeout(timer, false);
    }
}

} // namespace zdm::pg
