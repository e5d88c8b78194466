#include "pg/replication.hpp"

namespace zdm::pg
{

namespace
{

// 19 may keep the process's number instead of its pid; either way, ask the struct.
template <class S> bool is_active(const S &slot)
{
    if constexpr (requires { slot.active_pid; }) {
        return slot.active_pid != 0;
    } else {
        return slot.active_proc != -1;
    }
}

template <class S> int user_of(const S &slot)
{
    if constexpr (requires { slot.active_pid; }) {
        return slot.active_pid;
    } else {
        return slot.active_proc == -1 ? 0 : GetPGProcByNumber(slot.active_proc)->pid;
    }
}

// 16 made it a cause.
template <class D> bool is_invalidated(const D &data)
{
    if constexpr (requires { data.invalidated; }) {
        return data.invalidated != 0;
    } else {
        return !XLogRecPtrIsInvalid(data.invalidated_at);
    }
}

void copy_application_name(int pid, char *name)
{
    name[0] = '\0';
    for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++) {
        // 16 gave it a name that says what the number is.
#if PG_VERSION_NUM >= 160000
        const LocalPgBackendStatus *local = pgstat_get_local_beentry_by_index(i);
#else
        const LocalPgBackendStatus *local = pgstat_fetch_stat_local_beentry(i);
#endif
        if (local != nullptr && local->backendStatus.st_procpid == pid) {
            strlcpy(name, local->backendStatus.st_appname, NAMEDATALEN);
            return;
        }
    }
}

} // namespace

int followers(Follower *found, int room)
{
    int count = 0;

    for (int i = 0; i < max_wal_senders && count < room; i++) {
        WalSnd *sender = &WalSndCtl->walsnds[i];
        SpinLockAcquire(&sender->mutex);
        const int pid = sender->pid;
        const WalSndState state = sender->state;
        const XLogRecPtr applied = sender->apply;
        SpinLockRelease(&sender->mutex);
        if (pid != 0 && (state == WALSNDSTATE_STREAMING || state == WALSNDSTATE_CATCHUP) &&
            !XLogRecPtrIsInvalid(applied)) {
            found[count].pid = pid;
            found[count].applied = applied;
            count++;
        }
    }
    if (count > 0) {
        pgstat_clear_backend_activity_snapshot();
    }
    for (int i = 0; i < count; i++) {
        copy_application_name(found[i].pid, found[i].name);
    }
    return count;
}

int slots(Slot *found, int room)
{
    int users[64];
    int count = 0;

    room = Min(room, static_cast<int>(lengthof(users)));
    LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
    for (int i = 0; i < max_replication_slots && count < room; i++) {
        ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];
        if (!slot->in_use) {
            continue;
        }
        SpinLockAcquire(&slot->mutex);
        if (!is_invalidated(slot->data)) {
            Slot &copy = found[count];
            memcpy(copy.name, NameStr(slot->data.name), NAMEDATALEN);
            copy.active = is_active(*slot);
            copy.logical = OidIsValid(slot->data.database);
            copy.confirmed = slot->data.confirmed_flush;
            copy.restart = slot->data.restart_lsn;
            users[count] = user_of(*slot);
            count++;
        }
        SpinLockRelease(&slot->mutex);
    }
    LWLockRelease(ReplicationSlotControlLock);
    for (int i = 0; i < count; i++) {
        found[i].user[0] = '\0';
        if (users[i] != 0) {
            copy_application_name(users[i], found[i].user);
        }
    }
    return count;
}

XLogRecPtr flushed() { return GetFlushRecPtr(nullptr); }

XLogRecPtr synchronous_wait()
{
    XLogRecPtr first = InvalidXLogRecPtr;

    if (!SyncRepRequested()) {
        return first;
    }
    // A look without the lock: whoever comes or goes meanwhile is seen the next time.
    for (uint32 i = 0; i < ProcGlobal->allProcCount; i++) {
        const PGPROC *process = &ProcGlobal->allProcs[i];
        if (process->pid != 0 && process->syncRepState == SYNC_REP_WAITING &&
            (XLogRecPtrIsInvalid(first) || process->waitLSN < first)) {
            first = process->waitLSN;
        }
    }
    return first;
}

double archiver_backlog()
{
    if (!XLogArchivingActive()) {
        return -1;
    }
    pgstat_clear_snapshot();
    const PgStat_ArchiverStats *stats = pgstat_fetch_stat_archiver();
    TimeLineID timeline = 0;
    XLogSegNo segment = 0;
    // Nothing archived yet, or something else last, such as a timeline's history.
    if (stats == nullptr || !IsXLogFileName(stats->last_archived_wal)) {
        return -1;
    }
    XLogFromFileName(stats->last_archived_wal, &timeline, &segment, wal_segment_size);
    XLogRecPtr end = InvalidXLogRecPtr;
    XLogSegNoOffsetToRecPtr(segment + 1, 0, wal_segment_size, end);
    const XLogRecPtr now = flushed();
    return now > end ? static_cast<double>(now - end) : 0;
}

double transaction_ids_used()
{
    TransactionId oldest = InvalidTransactionId;

    LWLockAcquire(XidGenLock, LW_SHARED);
#if PG_VERSION_NUM >= 170000
    // 17: "Rename ShmemVariableCache to TransamVariables".
    oldest = TransamVariables->oldestXid;
#else
    oldest = ShmemVariableCache->oldestXid;
#endif
    LWLockRelease(XidGenLock);
    const auto age =
        static_cast<double>(static_cast<uint32>(XidFromFullTransactionId(ReadNextFullTransactionId()) - oldest));
    return age / static_cast<double>(MaxTransactionId >> 1);
}

} // namespace zdm::pg
