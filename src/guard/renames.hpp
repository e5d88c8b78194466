#pragma once
// Table renames inside a transaction block are judged at its end: a swap of two tables, or a view under the old name,
// leaves running code what it needs; a bare rename does not.
#include "core/statement.hpp"
#include "pg/postgres.hpp"

namespace zdm::guard
{

// Notes the relation before it is renamed. `report` is what COMMIT will say if nothing takes its place.
void note_rename(Oid relation, std::string_view message, std::string_view detail, std::string_view hint);

void renames_at_transaction_event(XactEvent event);
void renames_at_subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent);

} // namespace zdm::guard
