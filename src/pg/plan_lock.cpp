#include "pg/plan_lock.hpp"

#include "pg/compat.hpp"

namespace zdm::pg
{

namespace
{

// pg_advisory_lock() and its kin know only 1 and 2: nobody can come into our way by SQL.
constexpr int kOurs = 0x7A64;

LOCKTAG tag_of(int64 job)
{
    LOCKTAG tag;

    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(static_cast<uint64>(job) >> 32),
                         static_cast<uint32>(job), kOurs);
    return tag;
}

} // namespace

bool hold_plan(int64 job)
{
    const LOCKTAG tag = tag_of(job);
    return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

void release_plan(int64 job)
{
    const LOCKTAG tag = tag_of(job);

    if (holds_lock(tag, ExclusiveLock)) {
        LockRelease(&tag, ExclusiveLock, true);
    }
}

bool still_hold_plan(int64 job)
{
    const LOCKTAG tag = tag_of(job);
    return holds_lock(tag, ExclusiveLock) || hold_plan(job);
}

bool is_plan_held(int64 job)
{
    const LOCKTAG tag = tag_of(job);

    if (LockAcquire(&tag, ShareLock, true, true) == LOCKACQUIRE_NOT_AVAIL) {
        return true;
    }
    LockRelease(&tag, ShareLock, true);
    return false;
}

int plan_holder(int64 job)
{
    const LOCKTAG tag = tag_of(job);
    const LockData *locks = GetLockStatusData();

    for (int i = 0; i < locks->nelements; i++) {
        const LockInstanceData &lock = locks->locks[i];
        if (memcmp(&lock.locktag, &tag, sizeof(LOCKTAG)) == 0 && (lock.holdMask & LOCKBIT_ON(ExclusiveLock)) != 0) {
            return lock.pid;
        }
    }
    return 0;
}

} // namespace zdm::pg
