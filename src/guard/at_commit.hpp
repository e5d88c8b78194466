#pragma once
// What can only be judged at the end of a transaction block: a swap of two tables, or a view under the old name, leaves
// running code what it needs, a bare rename does not; a view may be dropped and made anew; row security may get its
// policies after it was enabled.
#include "core/words.hpp"
#include "pg/postgres.hpp"

namespace zdm::guard
{

// Whether the end of the block may show that nothing was wrong.
bool can_wait_for_commit(const core::Part &finding);

// Notes the finding before its statement is run. `report` is what COMMIT will say, with this severity, unless
// something makes up for it.
void wait_for_commit(const core::Part &finding, int severity, const core::Report &report, std::string_view statement);

void at_commit_transaction_event(XactEvent event);
void at_commit_subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent);

} // namespace zdm::guard
