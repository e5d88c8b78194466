#include "pg/waiters.hpp"

namespace zdm::pg
{

bool somebody_waits_for_us()
{
    const TransactionId xid = GetTopTransactionIdIfAny();
    LOCKTAG tag;

    if (!TransactionIdIsValid(xid)) {
        return false;
    }
    // Whoever waits for a row waits for its transaction. Its lock is never a fast-path one, which LockHasWaiters()
    // could not look at.
    SET_LOCKTAG_TRANSACTION(tag, xid);
    return LockHasWaiters(&tag, ExclusiveLock, false);
}

} // namespace zdm::pg
