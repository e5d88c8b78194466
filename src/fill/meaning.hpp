#pragma once
// What the caller's clauses mean, read from the analysed statement and not from its text.
#include "fill/statement.hpp"

namespace zdm::fill
{

struct Meaning {
    // set_clause reads no column it writes and gives the same each time, and no BEFORE trigger has a say in it: a row
    // can be met twice.
    bool repeatable;
    // set_clause makes where_clause false: a row that is done does not match again.
    bool ends_itself;
    // The condition that a row is not as set_clause would make it; null where a second look could see another value.
    const char *not_yet;
    // where_clause says something of a column written: who was in scope cannot be told any more.
    bool scope_is_lost;
    // An index has one of the columns written, so that no update of them can be a HOT one.
    bool writes_index;
};

// As the role that may do it, under the settings of the call.
Meaning read_meaning(const Clauses &clauses, Relation part);

} // namespace zdm::fill
