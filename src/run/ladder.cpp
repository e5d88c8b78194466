// The lock ladder: look before you queue, queue briefly, back off with nothing in hand, look again, and at the end
// name who was in the way.
#include "pg/postgres.hpp"

#include "core/backoff.hpp"
#include "pg/compat.hpp"
#include "pg/limits.hpp"
#include "pg/memory.hpp"
#include "pg/report.hpp"
#include "pg/xact.hpp"
#include "run/step.hpp"

namespace zdm::run
{

namespace
{

// statement_timeout must not fire first: its 57014 would not say who was in the way.
constexpr int kBeforeStatementTimeoutMs = 50;
// How often to look whether an old transaction has ended. Looking asks for nothing.
constexpr int kLookAgainMs = 50;

bool is_lock_failure(const ErrorData *failure)
{
    return failure->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || failure->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

// A role that cannot lock a relation so strongly by itself does not get the lock from us: PostgreSQL will check its
// rights on the statement, and lock, or not.
bool may_lock(const core::Target &target)
{
    if (get_rel_name(target.relation.oid) == nullptr) {
        return false; // dropped meanwhile: what that means the statement will say
    }
    const AclMode any = target.lock <= core::Lock::ShareRowExclusive
                            ? ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE | ACL_TRIGGER | ACL_REFERENCES
                            : ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE;
    return pg_class_aclmask(target.relation.oid, GetUserId(), any, ACLMASK_ANY) != 0 ||
           has_privs_of_role(GetUserId(), pg::owner_of(target.relation.oid));
}

// One attempt must end before statement_timeout does.
int attempt_ms(const core::Settings &settings)
{
    if (!get_timeout_active(STATEMENT_TIMEOUT)) {
        return settings.lock_timeout_ms;
    }
    const int left = ms_until(get_timeout_finish_time(STATEMENT_TIMEOUT));
    return Max(1, Min(settings.lock_timeout_ms, left - Min(kBeforeStatementTimeoutMs, (left / 2) + 1)));
}

void lock_all(const core::List<core::Target> &targets, TimestampTz end, core::Target *blocked_on)
{
    core::Target left{};
    int count_left = 0;

    for (const core::Target &target : targets) {
        if (target.lock == core::Lock::None) {
            continue;
        }
        if (!may_lock(target)) {
            left = target;
            count_left++;
            continue;
        }
        *blocked_on = target;
        pg::set_local_ms("lock_timeout", ms_until(end));
        LockRelationOid(target.relation.oid, static_cast<LOCKMODE>(target.lock));
    }
    // Of several that are left to the statement only PostgreSQL can say which one it has not got.
    if (count_left > 0) {
        *blocked_on = count_left == 1 ? left : core::Target{};
    }
    // The statement itself may want more.
    pg::set_local_ms("lock_timeout", ms_until(end));
}

[[noreturn]] void give_up(const core::Settings &settings, const Patience &patience, const core::Target &wanted)
{
    const core::Arena arena = pg::arena(CurrentMemoryContext);
    const std::int64_t waited = (GetCurrentTimestamp() - patience.started) / 1000;

    pg::report(ERROR, "55P03", core::lock_not_available(arena, wanted, waited, blockers(arena, wanted)));
    pg_unreachable();
}

// Whether to try again after a failure. Sleeps if so.
bool back_off(const core::Settings &settings, Patience &patience, int ms)
{
    if (patience.over()) {
        return false;
    }
    const std::int64_t left = (patience.deadline - GetCurrentTimestamp()) / 1000;
    patience.attempts++;
    pg::without_portal_snapshot([&] { wait_ms(static_cast<int>(Max(1, Min(left, static_cast<std::int64_t>(ms))))); });
    return true;
}

int jitter(const core::Settings &settings, const Patience &patience)
{
    return core::backoff_ms(patience.attempts, settings.lock_timeout_ms, pg_prng_double(&pg_global_prng_state));
}

} // namespace

bool holds_nothing(std::span<const core::Target> targets)
{
    bool nothing = !TransactionIdIsValid(GetTopTransactionIdIfAny());
    const LockData *locks = GetLockStatusData();

    for (int i = 0; i < locks->nelements; i++) {
        const LockInstanceData &lock = locks->locks[i];
        if (lock.pid != MyProcPid || lock.locktag.locktag_type != LOCKTAG_RELATION) {
            continue;
        }
        nothing = nothing && (lock.holdMask & ~LOCKBIT_ON(AccessShareLock)) == 0;
        for (const core::Target &target : targets) {
            nothing = nothing && (lock.holdMask == 0 || lock.locktag.locktag_field2 != target.relation.oid);
        }
    }
    return nothing;
}

Patience begin(const core::Settings &settings)
{
    Patience patience{};

    patience.started = GetCurrentTimestamp();
    patience.deadline = TimestampTzPlusMilliseconds(patience.started, settings.lock_patience_ms);
    if (get_timeout_active(STATEMENT_TIMEOUT)) {
        const TimestampTz end = TimestampTzPlusMilliseconds(get_timeout_finish_time(STATEMENT_TIMEOUT),
                                                            -(settings.lock_timeout_ms + kBeforeStatementTimeoutMs));
        patience.deadline = Min(patience.deadline, end);
    }
    return patience;
}

int ms_until(TimestampTz end)
{
    const std::int64_t left = (end - GetCurrentTimestamp()) / 1000;
    return left < 1 ? 1 : static_cast<int>(left);
}

void wait_ms(int ms)
{
    InvalidateCatalogSnapshotConditionally();
    CHECK_FOR_INTERRUPTS();
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
}

Outcome under_locks(const core::Settings &settings, const core::List<core::Target> &targets, bool commits, Body body,
                    void *arg, core::Target *blocked_on)
{
    for (const core::Target &target : targets) {
        if (core::blocks_others(target.lock) && may_lock(target) && behind_long_transaction(settings, target)) {
            *blocked_on = target;
            return Outcome::Behind;
        }
    }
    const int limit = attempt_ms(settings);
    bool ran = false;
    if (commits) {
        pg::with_lock_limits(limit, core::deadlock_check_ms(limit), [&] {
            ran = body(arg);
            pg::commit_and_start();
        });
    } else {
        pg::with_lock_settings(limit, core::deadlock_check_ms(limit), [&] {
            lock_all(targets, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), limit), blocked_on);
            ran = body(arg);
        });
    }
    return ran ? Outcome::Done : Outcome::Changed;
}

bool climb(const core::Settings &settings, Patience &patience, const core::List<core::Target> &targets, bool commits,
           Body body, void *arg)
{
    core::Target blocked_on{};

    if (!targets.empty()) {
        blocked_on = targets[0];
    }
    for (;;) {
        Outcome outcome = Outcome::Behind;
        ErrorData *failure = pg::attempt(CurrentMemoryContext, [&] {
            const bool pushed = !ActiveSnapshotSet();
            if (pushed) {
                PushActiveSnapshot(GetTransactionSnapshot());
            }
            outcome = under_locks(settings, targets, commits, body, arg, &blocked_on);
            if (pushed) {
                pg::drop_snapshots();
            }
        });
        if (failure == nullptr && outcome == Outcome::Done) {
            return true;
        }
        if (failure != nullptr && !is_lock_failure(failure)) {
            ReThrowError(failure);
        }
        // Give everything back, then wait.
        if (failure != nullptr || outcome == Outcome::Changed) {
            pg::abort_and_start();
        } else {
            pg::commit_and_start();
        }
        if (outcome == Outcome::Changed && failure == nullptr) {
            return false;
        }
        if (!back_off(settings, patience, failure == nullptr ? kLookAgainMs : jitter(settings, patience))) {
            // A deadlock names its parties itself; of locks that only PostgreSQL knows of, it alone can speak.
            if (failure != nullptr &&
                (failure->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED || blocked_on.lock == core::Lock::None)) {
                ReThrowError(failure);
            }
            give_up(settings, patience, blocked_on);
        }
    }
}

bool climb_in_block(const core::Settings &settings, Patience &patience, const core::List<core::Target> &targets,
                    Body body, void *arg)
{
    // Our own failed attempts may give this transaction an id (LogAccessExclusiveLock does): ask before the first.
    const bool patient = holds_nothing({targets.begin(), targets.count});
    core::Target blocked_on = targets.empty() ? core::Target{} : targets[0];
    const TimestampTz first = GetCurrentTimestamp();

    for (;;) {
        MemoryContext here = CurrentMemoryContext;
        ResourceOwner owner = CurrentResourceOwner;
        Outcome outcome = Outcome::Behind;

        BeginInternalSubTransaction(nullptr);
        MemoryContextSwitchTo(here);
        const Body locked = [](void *) { return true; };
        ErrorData *failure =
            pg::attempt(here, [&] { outcome = under_locks(settings, targets, false, locked, nullptr, &blocked_on); });
        if (failure == nullptr) {
            ReleaseCurrentSubTransaction();
        } else {
            RollbackAndReleaseCurrentSubTransaction();
        }
        MemoryContextSwitchTo(here);
        CurrentResourceOwner = owner;

        if (failure != nullptr && !is_lock_failure(failure)) {
            ReThrowError(failure);
        }
        if (failure == nullptr && outcome == Outcome::Done) {
            break;
        }
        if (!patient || !back_off(settings, patience, failure == nullptr ? kLookAgainMs : jitter(settings, patience))) {
            give_up(settings, patience, blocked_on);
        }
    }

    bool ran = false;
    const TimestampTz end =
        TimestampTzPlusMilliseconds(patience.attempts == 0 ? first : GetCurrentTimestamp(), settings.lock_timeout_ms);
    pg::with_lock_settings(ms_until(end), core::deadlock_check_ms(settings.lock_timeout_ms), [&] { ran = body(arg); });
    return ran;
}

void wait_to_look(const core::Settings &settings, Patience &patience, const core::Target &busy, bool own_transaction)
{
    const bool patient = own_transaction || holds_nothing({&busy, 1});

    if (own_transaction) {
        pg::commit_and_start();
    }
    if (!patient || !back_off(settings, patience, kLookAgainMs)) {
        give_up(settings, patience, busy);
    }
}

} // namespace zdm::run
