// The handler asks for both: PostgreSQL cancels a statement first, and ignores that while it waits for the client's
// next one; then the idle session ends as by idle_in_transaction_session_timeout, whose machinery this borrows.
#include "pg/cutoff.hpp"

namespace zdm::pg
{

namespace
{

TimeoutId timer = MAX_TIMEOUTS; // registered with the first use: PostgreSQL forgets earlier ones when a backend starts
bool running = false;
volatile sig_atomic_t fired = 0;
volatile sig_atomic_t may_end_session = 0;
volatile sig_atomic_t borrowed = 0; // the setting was 0, with which the request would be ignored

} // namespace

extern "C" {
static void cut_off()
{
    fired = 1;
    if (may_end_session != 0) {
        if (IdleInTransactionSessionTimeout == 0) {
            IdleInTransactionSessionTimeout = 1;
            borrowed = 1;
        }
        IdleInTransactionSessionTimeoutPending = 1;
    }
    QueryCancelPending = 1;
    InterruptPending = 1;
    SetLatch(MyLatch);
}
}

void cut_off_at(TimestampTz end, bool ends_session)
{
    if (timer == MAX_TIMEOUTS) {
        timer = RegisterTimeout(USER_TIMEOUT, cut_off);
    }
    spare();
    running = true;
    may_end_session = ends_session ? 1 : 0;
    enable_timeout_at(timer, end);
}

void spare()
{
    if (!running) {
        return;
    }
    running = false;
    disable_timeout(timer, false);
    if (fired != 0) {
        IdleInTransactionSessionTimeoutPending = 0;
        QueryCancelPending = 0;
    }
    if (borrowed != 0) {
        IdleInTransactionSessionTimeout = 0;
    }
    borrowed = 0;
    fired = 0;
}

bool is_cut_off() { return fired != 0; }

} // namespace zdm::pg
