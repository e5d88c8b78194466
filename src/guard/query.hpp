#pragma once
// Queries: bulk reads and writes while others are locked out, and writes of too many rows at once.
#include "pg/postgres.hpp"

namespace zdm::guard
{

// Queries that PostgreSQL makes in the course of a statement of our concern are part of that: they are not looked at
// until this context is gone. Null: nothing.
void busy_while(MemoryContext statement);

} // namespace zdm::guard
