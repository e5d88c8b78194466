#pragma once
// What this transaction block has done, for the statements that follow in it. Rolled back to a savepoint, it is
// forgotten with the locks.
#include "core/transaction.hpp"
#include "pg/postgres.hpp"

namespace zdm::guard
{

// Nothing to know of: the test of every statement and query.
bool has_record();

// What was noted and still holds.
core::Footprint record(core::Arena arena);

// Notes what the statement has locked so far, and what it does. Noted twice is noted once.
void note_holds(const core::Footprint &footprint);
void note_deeds(const core::Footprint &footprint);

// Since when the first table is held whose schema was changed; 0 if there is none.
TimestampTz changed_since(core::Held *first);

void record_at_transaction_event(XactEvent event);
void record_at_subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent);

} // namespace zdm::guard
