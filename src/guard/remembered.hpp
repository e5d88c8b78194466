#pragma once
#include "pg/postgres.hpp"

namespace zdm::guard
{

// What a transaction remembers, as a list whose items have `made_in` and `next`: a savepoint that is rolled back takes
// its items along, one that is released hands them up.
template <class Item>
void at_savepoint(Item **items, SubXactEvent event, SubTransactionId mine, SubTransactionId parent)
{
    for (Item **link = items; *link != nullptr;) {
        if ((*link)->made_in != mine) {
            link = &(*link)->next;
        } else if (event == SUBXACT_EVENT_ABORT_SUB) {
            *link = (*link)->next;
        } else {
            if (event == SUBXACT_EVENT_COMMIT_SUB) {
                (*link)->made_in = parent;
            }
            link = &(*link)->next;
        }
    }
}

} // namespace zdm::guard
