// Who holds what we want. Sees fast-path locks too.
#include "pg/postgres.hpp"

#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "run/run.hpp"

namespace zdm::run
{

namespace
{

LOCKTAG tag_of(Oid relation)
{
    LOCKTAG tag;

    SET_LOCKTAG_RELATION(tag, IsSharedRelation(relation) ? InvalidOid : MyDatabaseId, relation);
    return tag;
}

// Strongest mode that a process holds on the relation.
core::Lock held_by(const LockData *locks, const LOCKTAG &tag, int pid)
{
    int strongest = NoLock;

    for (int i = 0; i < locks->nelements; i++) {
        const LockInstanceData &lock = locks->locks[i];
        if (lock.pid != pid || memcmp(&lock.locktag, &tag, sizeof(LOCKTAG)) != 0) {
            continue;
        }
        for (int mode = NoLock + 1; mode <= MaxLockMode; mode++) {
            if ((lock.holdMask & LOCKBIT_ON(mode)) != 0 && mode > strongest) {
                strongest = mode;
            }
        }
    }
    return static_cast<core::Lock>(strongest);
}

std::string_view state_name(BackendState state)
{
    switch (state) {
    case STATE_IDLE:
        return "idle";
    case STATE_RUNNING:
        return "active";
    case STATE_IDLEINTRANSACTION:
        return "idle in transaction";
    case STATE_FASTPATH:
        return "fastpath function call";
    case STATE_IDLEINTRANSACTION_ABORTED:
        return "idle in transaction (aborted)";
    default:
        return "state unknown";
    }
}

bool may_see_query_of(Oid role)
{
    return has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS) ||
           (OidIsValid(role) && has_privs_of_role(GetUserId(), role));
}

std::int64_t age_ms(TimestampTz start) { return start == 0 ? -1 : (GetCurrentTimestamp() - start) / 1000; }

bool is_autovacuum_that_yields(const PGPROC *holder)
{
    return (holder->statusFlags & PROC_IS_AUTOVACUUM) != 0 && (holder->statusFlags & PROC_VACUUM_FOR_WRAPAROUND) == 0;
}

} // namespace

bool behind_long_transaction(const core::Settings &settings, const core::Target &wanted)
{
    const LOCKTAG tag = tag_of(wanted.relation.oid);
    int count = 0;
    const VirtualTransactionId *holders = GetLockConflicts(&tag, static_cast<LOCKMODE>(wanted.lock), &count);

    if (count > 0) {
        pgstat_clear_backend_activity_snapshot();
    }
    for (int i = 0; i < count; i++) {
        const PGPROC *holder = pg::holder_of(holders[i]);
        if (holder == nullptr) {
            // A prepared transaction has no session and may stay for ever; a session may just have ended.
            if (pg::is_prepared(holders[i])) {
                return true;
            }
            continue;
        }
        if (is_autovacuum_that_yields(holder)) {
            continue;
        }
        const PgBackendStatus *status = pg::status_of(holders[i]);
        if (status != nullptr && age_ms(status->st_xact_start_timestamp) > settings.long_transaction_ms) {
            return true;
        }
    }
    return false;
}

core::List<core::Blocker> blockers(core::Arena arena, const core::Target &wanted)
{
    core::List<core::Blocker> found(arena);
    const LOCKTAG tag = tag_of(wanted.relation.oid);
    int count = 0;
    const VirtualTransactionId *holders = GetLockConflicts(&tag, static_cast<LOCKMODE>(wanted.lock), &count);
    const LockData *locks = count > 0 ? GetLockStatusData() : nullptr;

    pgstat_clear_backend_activity_snapshot();
    for (int i = 0; i < count; i++) {
        core::Blocker blocker{};
        const PGPROC *holder = pg::holder_of(holders[i]);

        blocker.relation = wanted.relation.name;
        blocker.age_ms = -1;
        if (holder == nullptr) {
            if (pg::is_prepared(holders[i])) {
                found.push(blocker);
            }
            continue;
        }
        blocker.pid = holder->pid;
        blocker.held = held_by(locks, tag, holder->pid);
        const PgBackendStatus *status = pg::status_of(holders[i]);
        if (status != nullptr) {
            blocker.application = pg::keep(arena, status->st_appname == nullptr ? "" : status->st_appname);
            blocker.state = state_name(status->st_state);
            blocker.age_ms = age_ms(status->st_xact_start_timestamp);
            if (may_see_query_of(status->st_userid)) {
                blocker.query = pg::keep(arena, pgstat_clip_activity(status->st_activity_raw));
            }
        }
        found.push(blocker);
    }
    return found;
}

} // namespace zdm::run
