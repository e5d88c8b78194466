#include "core/defer.hpp"

namespace zdm::core
{

namespace
{

// What it looks for is enforced for new rows already, and VALIDATE will look for the old ones, with the same words.
bool is_looked_for_later(const Step &step)
{
    const std::string_view violation = step.violation.sqlstate == nullptr ? "" : step.violation.sqlstate;
    return step.kind == StepKind::Probe && (violation == "23503" || violation == "23514");
}

// What the user has asked for stays if the rest fails; what only serves the rest goes.
Step kept(const Step &step)
{
    Step now = step;
    now.undo = now.own_name ? now.undo : "";
    return now;
}

} // namespace

Deferral deferred(Arena arena, const Plan &plan)
{
    Deferral split;

    split.possible = true;
    split.now.steps = List<Step>(arena);
    split.later.steps = List<Step>(arena);
    for (const Step &step : plan.steps) {
        split.possible = split.possible && step.kind != StepKind::Fill;
        if (step.eager) {
            split.now.steps.push(kept(step));
        } else if (!is_looked_for_later(step)) {
            split.later.steps.push(step);
        }
    }
    split.possible = split.possible && !split.later.steps.empty();
    return split;
}

} // namespace zdm::core
