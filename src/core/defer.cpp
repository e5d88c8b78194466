#include "core/defer.hpp"

namespace zdm::core
{

namespace
{

// What the transaction may go on to use, a new partition, or the column's new type, cannot be put off.
bool can_wait(Form form)
{
    switch (form) {
    case Form::Other:
    case Form::AddColumn:
    case Form::CreateIndex:
    case Form::DropIndex:
    case Form::Reindex:
    case Form::AddForeignKey:
    case Form::AddCheck:
    case Form::SetNotNull:
    case Form::AddUnique:
    case Form::AddPrimaryKey:
    case Form::Validate:
    case Form::AttachPartition:
        return true;
    default:
        return false;
    }
}

// What the user has asked for stays if the rest fails; what only serves the rest goes.
Step kept(const Step &step)
{
    Step now = step;
    now.undo = now.own_name ? now.undo : "";
    return now;
}

} // namespace

Deferral deferred(Arena arena, const Settings &settings, const Statement &statement)
{
    Deferral made = split(arena, plan(arena, settings, statement));

    for (const Part &part : statement.parts) {
        const bool rewritten = part.hazard && part.rewritable && action_of(settings, part.rule) == Action::Rewrite;
        // Nor what is planned for the partitions of now: the transaction, or another, may add one before the job
        // begins.
        made.possible = made.possible && (!rewritten || (can_wait(part.form) && part.partitions.empty()));
    }
    return made;
}

Deferral split(Arena arena, const Plan &plan)
{
    Deferral made;

    made.possible = true;
    made.now.steps = List<Step>(arena);
    made.later.steps = List<Step>(arena);
    for (const Step &step : plan.steps) {
        made.possible = made.possible && step.kind != StepKind::Fill;
        if (!step.eager) {
            made.later.steps.push(step);
        } else if (step.kind != StepKind::Probe) {
            made.now.steps.push(kept(step));
        }
    }
    made.possible = made.possible && !made.later.steps.empty();
    return made;
}

} // namespace zdm::core
