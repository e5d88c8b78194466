#pragma once
// Inside a transaction block a plan is split: what is instant and stands on nothing long is done at once, in the user's
// transaction; the rest is left to a job that exists if that transaction commits.
#include "core/plan.hpp"

namespace zdm::core
{

struct Deferral {
    bool possible = false;
    Plan now;
    Plan later;
};

Deferral deferred(Arena arena, const Settings &settings, const Statement &statement);
// Of a plan alone; `possible`: none of its steps would need a job of its own.
Deferral split(Arena arena, const Plan &plan);

} // namespace zdm::core
