// Saying whom we wait for, from inside PostgreSQL's own lock wait.
// The waits of a concurrent build happen deep in ProcSleep, which runs nothing of ours. But with log_lock_waits on it
// logs that it is still waiting each time it wakes up after the deadlock check; a timer wakes it, and the log hook
// turns that line into a NOTICE for the user. The hook runs in the middle of a lock wait: it must take no
// heavyweight lock, so no catalog is read there, and nothing is said that would need a check of rights.
#include "pg/postgres.hpp"

#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/report.hpp"
#include "run/waiting.hpp"

namespace zdm::run
{

namespace
{

constexpr int kFirstMs = 5 * 1000;
constexpr int kThenMs = 60 * 1000;

TimeoutId timer = USER_TIMEOUT;
bool timer_registered = false;
bool watching = false;
bool user_logs_waits = false;
char *step_sql = nullptr;
volatile sig_atomic_t due = 0;

core::Blocker describe_session(core::Arena arena, const VirtualTransactionId &vxid)
{
    core::Blocker blocker{};
    const PGPROC *holder = pg::holder_of(vxid);
    const PgBackendStatus *status = holder == nullptr ? nullptr : pg::status_of(vxid);

    blocker.age_ms = -1;
    blocker.pid = holder == nullptr ? 0 : holder->pid;
    blocker.state = "in a transaction";
    if (status != nullptr) {
        blocker.application = pg::keep(arena, status->st_appname == nullptr ? "" : status->st_appname);
        blocker.age_ms = status->st_xact_start_timestamp == 0
                             ? -1
                             : (GetCurrentTimestamp() - status->st_xact_start_timestamp) / 1000;
    }
    return blocker;
}

// Those behind the lock that this backend stands in the queue for.
core::List<core::Blocker> waited_for(core::Arena arena)
{
    core::List<core::Blocker> found(arena);
    const LOCK *lock = MyProc->waitLock;

    pgstat_clear_backend_activity_snapshot();
    if (lock == nullptr) {
        return found;
    }
    if (lock->tag.locktag_type == LOCKTAG_VIRTUALTRANSACTION) {
        found.push(describe_session(arena, pg::vxid_of(lock->tag)));
        return found;
    }
    int count = 0;
    const VirtualTransactionId *holders = GetLockConflicts(&lock->tag, MyProc->waitLockMode, &count);
    for (int i = 0; i < count; i++) {
        found.push(describe_session(arena, holders[i]));
    }
    return found;
}

} // namespace

void start_watching(std::string_view sql)
{
    if (!timer_registered) {
        timer = RegisterTimeout(USER_TIMEOUT, [] { due = 1; });
        timer_registered = true;
    }
    step_sql = pg::cstring(sql);
    user_logs_waits = log_lock_waits;
    log_lock_waits = true;
    due = 0;
    watching = true;
    enable_timeout_after(timer, kFirstMs);
}

void stop_watching()
{
    disable_timeout(timer, false);
    watching = false;
    log_lock_waits = user_logs_waits;
    step_sql = nullptr;
}

void on_log(ErrorData *line)
{
    if (!watching || line->elevel != LOG || line->funcname == nullptr || strcmp(line->funcname, "ProcSleep") != 0) {
        return;
    }
    // Not the user's wish, but ours.
    line->output_to_server = line->output_to_server && user_logs_waits;
    if (due != 0) {
        due = 0;
        const core::Arena arena = pg::arena(CurrentMemoryContext);
        pg::report(NOTICE, pg::kRewritten, core::still_waiting(arena, step_sql, waited_for(arena)));
        enable_timeout_after(timer, kThenMs);
    }
}

} // namespace zdm::run
