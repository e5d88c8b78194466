#include "jobs/process.hpp"

#include "pg/compat.hpp"

namespace zdm::jobs
{

namespace
{

volatile sig_atomic_t terminated = 0;

} // namespace

extern "C" {

static void terminate(SIGNAL_ARGS)
{
    const int saved = errno;

    terminated = 1;
    QueryCancelPending = true;
    InterruptPending = true;
    SetLatch(MyLatch);
    errno = saved;
}

} // extern "C"

void handle_signals()
{
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, terminate);
    BackgroundWorkerUnblockSignals();
}

bool leaving() { return terminated != 0; }

void doze(double milliseconds, const char *why, uint32 *event)
{
    const int flags = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (milliseconds < 0 ? 0 : WL_TIMEOUT);

    if (!leaving()) {
        WaitLatch(MyLatch, flags, static_cast<long>(milliseconds < 0 ? -1 : milliseconds), pg::wait_event(event, why));
    }
    ResetLatch(MyLatch);
    look_up();
}

void look_up()
{
    if (!PostmasterIsAlive()) {
        // Nobody may start a server on our data while we write to it.
        proc_exit(1);
    }
    if (ConfigReloadPending != 0) {
        ConfigReloadPending = 0;
        ProcessConfigFile(PGC_SIGHUP);
    }
    if (ProcSignalBarrierPending) {
        ProcessProcSignalBarrier();
    }
    // Outside a transaction there is nothing to cancel.
    QueryCancelPending = false;
    if (!leaving()) {
        CHECK_FOR_INTERRUPTS();
    }
}

} // namespace zdm::jobs
