// A change of type that touches no row: its CHECKs come back NOT VALID, and its statistics are made anew.
#include "core/draft.hpp"

namespace zdm::core
{

void plan_after_types(Draft &draft, const Settings &settings, const Statement &statement, Step &change)
{
    List<std::string_view> analyze(draft.arena);
    const Part *first = nullptr;
    Text undo(draft.arena);
    Draft later(draft.arena);

    for (const Part &part : statement.parts) {
        if (part.form != Form::AlterType || !is_rewritten(settings, part)) {
            continue;
        }
        first = first == nullptr ? &part : first;
        for (const std::string_view constraint : part.validate) {
            const std::string_view sql =
                draft.text({"ALTER TABLE ", part.relation.name, " VALIDATE CONSTRAINT ", constraint});
            undo << (undo.empty() ? "" : "; ") << sql;
            later.act(StepKind::Long, part, Lock::ShareUpdateExclusive, Work::Scan, sql);
        }
        if (!part.analyze.empty()) {
            analyze.push(part.analyze);
        }
    }
    if (!analyze.empty()) {
        const bool whole = [&] {
            for (const std::string_view columns : analyze) {
                if (columns == "*") {
                    return true;
                }
            }
            return false;
        }();
        const std::string_view sql =
            whole ? draft.text({"ANALYZE ", first->relation.name})
                  : draft.text({"ANALYZE ", first->relation.name, " (", draft.join(analyze, ", "), ")"});
        undo << (undo.empty() ? "" : "; ") << sql;
        later.act(StepKind::Long, *first, Lock::ShareUpdateExclusive, Work::Instant, sql);
    }
    change.undo = undo.str();
    change.by_hand = !undo.empty();
    for (const Step &step : later.acts) {
        draft.acts.push(step);
    }
}

} // namespace zdm::core
