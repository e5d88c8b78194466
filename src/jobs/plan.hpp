#pragma once
#include "pg/postgres.hpp"

namespace zdm::jobs
{

// Undoes or finishes a plan whose session has died. This process holds the plan's lock.
void resolve_plan(int64 id, MemoryContext memory);

// Whether nobody is at work on the plan; now we are.
bool take_plan(int64 id, MemoryContext memory);

} // namespace zdm::jobs
