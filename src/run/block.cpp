// A plan of one step inside a user's transaction block: it becomes a part of that transaction.
#include "pg/postgres.hpp"

#include "pg/memory.hpp"
#include "run/run.hpp"

namespace zdm::run
{

bool execute_in_block(const core::Settings &settings, Patience &patience, const core::Plan &plan)
{
    const core::Arena arena = pg::arena(CurrentMemoryContext);
    core::List<core::Target> targets(arena);

    for (const core::Step &step : plan.steps) {
        targets.push({step.relation, step.lock});
    }
    const Body body = [](void *arg) {
        for (const core::Step &step : static_cast<const core::Plan *>(arg)->steps) {
            pg::run_sql(pg::cstring(step.sql), PROCESS_UTILITY_QUERY);
        }
        return true;
    };
    return climb_in_block(settings, patience, targets, body, const_cast<core::Plan *>(&plan));
}

} // namespace zdm::run
