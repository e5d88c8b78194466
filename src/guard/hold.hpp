#pragma once
// zdm.max_lock_hold: how long a transaction block may keep others from a table whose schema it has changed.
#include "core/settings.hpp"
#include "pg/postgres.hpp"

namespace zdm::guard
{

// Starts the clock if there is something held to be limited.
void limit_hold();

// Where the rule only warns: says so at the next occasion.
void warn_of_hold();

// Before the record of the transaction forgets.
void hold_at_transaction_event(XactEvent event);
// After it has forgotten.
void hold_at_subtransaction_event(SubXactEvent event);

} // namespace zdm::guard
