#include "core/draft.hpp"

namespace zdm::core
{

namespace
{

void plan_part(Draft &draft, const Part &part, const Statement &statement)
{
    switch (part.form) {
    case Form::CreateIndex:
        plan_create_index(draft, part);
        break;
    case Form::DropIndex:
        plan_drop_index(draft, part);
        break;
    case Form::Reindex:
        plan_reindex(draft, part);
        break;
    case Form::AddForeignKey:
        plan_foreign_key(draft, part, statement.head);
        break;
    case Form::AddCheck:
        plan_check(draft, part, statement.head);
        break;
    case Form::AddUnique:
        plan_key(draft, part, false);
        break;
    case Form::AddPrimaryKey:
        if (part.definition.empty()) {
            // USING INDEX: once its columns are NOT NULL it is instant as written.
            draft.act(StepKind::Instant, part, Lock::AccessExclusive, Work::Instant,
                      draft.text({statement.head, part.source}));
        } else {
            plan_key(draft, part, true);
        }
        break;
    case Form::AddColumn:
        plan_column_end(draft, part);
        break;
    case Form::SetNotNull:
    case Form::Other:
        break;
    }
}

// What is instant, and what cannot be undone, goes together and last.
void plan_rest(Draft &draft, const Settings &settings, const Statement &statement, bool columns_first)
{
    List<std::string_view> sources(draft.arena);
    const Part *first = nullptr;

    for (const Part &part : statement.parts) {
        if (!is_rewritten(settings, part) && !(columns_first && part.form == Form::AddColumn)) {
            sources.push(part.source);
            first = first == nullptr ? &part : first;
        }
    }
    if (first != nullptr) {
        draft.act(StepKind::Instant, *first, first->lock, Work::Instant,
                  draft.text({statement.head, draft.join(sources, ", ")}));
    }
}

} // namespace

bool is_rewritten(const Settings &settings, const Part &part)
{
    return part.hazard && part.rewritable && action_of(settings, part.rule) == Action::Rewrite;
}

std::string_view name(Ruling ruling)
{
    constexpr std::string_view kNames[] = {"pass", "warn", "rewrite", "reject"};
    return kNames[static_cast<int>(ruling)];
}

namespace
{

Ruling ruling_of(const Settings &settings, const Part &part, bool in_block)
{
    if (!part.hazard) {
        return Ruling::Pass;
    }
    const Action action = action_of(settings, part.rule);
    if (action != Action::Allow && in_block && part.mild_in_block) {
        return Ruling::Warn;
    }
    if (action == Action::Rewrite && !part.rewritable) {
        return Ruling::Reject;
    }
    constexpr Ruling kRulings[] = {Ruling::Pass, Ruling::Warn, Ruling::Rewrite, Ruling::Reject};
    return kRulings[static_cast<int>(action)];
}

} // namespace

Verdict judge(Arena arena, const Settings &settings, const Statement &statement, bool in_block, bool assured)
{
    Verdict verdict;
    bool needs_own_transactions = false;
    verdict.findings = List<Part>(arena);
    verdict.weaker = List<Part>(arena);

    if (assured) {
        return verdict;
    }
    const List<Part> *both[] = {&statement.parts, &statement.notes};
    for (const List<Part> *parts : both) {
        for (const Part &part : *parts) {
            const Ruling ruling = ruling_of(settings, part, in_block);
            verdict.ruling = ruling > verdict.ruling ? ruling : verdict.ruling;
            needs_own_transactions = needs_own_transactions || (ruling == Ruling::Rewrite && !part.runs_in_block);
        }
    }
    for (const List<Part> *parts : both) {
        for (const Part &part : *parts) {
            const Ruling ruling = ruling_of(settings, part, in_block);
            if (ruling != Ruling::Pass) {
                (ruling == verdict.ruling || ruling != Ruling::Warn ? verdict.findings : verdict.weaker).push(part);
            }
        }
    }
    if (verdict.ruling == Ruling::Rewrite && in_block && needs_own_transactions) {
        verdict.ruling = Ruling::Reject;
        verdict.needs_own_transactions = true;
    }
    return verdict;
}

Plan plan(Arena arena, const Settings &settings, const Statement &statement)
{
    Draft draft(arena);

    const bool columns_first = plan_new_columns(draft, settings, statement);
    plan_not_null(draft, settings, statement);
    for (const Part &part : statement.parts) {
        if (is_rewritten(settings, part)) {
            plan_part(draft, part, statement);
        }
    }
    if (!statement.head.empty()) {
        plan_rest(draft, settings, statement, columns_first);
    }

    Plan whole;
    whole.steps = draft.probes;
    for (const List<Step> *more : {&draft.columns, &draft.probes_of_columns, &draft.acts}) {
        for (const Step &step : *more) {
            whole.steps.push(step);
        }
    }
    return whole;
}

std::string_view script(Arena arena, const Plan &plan)
{
    Text text(arena);
    for (const Step &step : plan.steps) {
        text << (text.empty() ? "" : "\n") << step.sql << (step.kind == StepKind::Fill ? ";\nCALL zdm.wait();" : ";");
    }
    return text.str();
}

std::string_view safe_sql(Arena arena, const Settings &settings, const Statement &statement)
{
    Settings wanted = settings;
    Text text(arena);
    bool all_have_plans = true;

    // What the safe form is does not depend on what the settings say about using it.
    wanted.mode = Mode::Rewrite;
    for (int i = 0; i < kRuleCount; i++) {
        wanted.actions[i] = row(static_cast<Rule>(i)).rewritable ? Action::Rewrite : wanted.actions[i];
    }
    const auto has_plan = [&](const Part &part) { return !part.hazard || is_rewritten(wanted, part); };
    for (const Part &part : statement.parts) {
        all_have_plans = all_have_plans && has_plan(part);
    }
    if (all_have_plans) {
        return script(arena, plan(arena, wanted, statement));
    }
    for (const Part &part : statement.parts) {
        if (part.hint_is_whole) {
            return part.hint;
        }
    }
    for (const Part &part : statement.parts) {
        const bool alone = statement.head.empty() || statement.parts.count == 1;
        const std::string_view sql = !has_plan(part) && (alone || action_of(wanted, part.rule) >= Action::Rewrite)
                                         ? part.hint
                                     // The other commands of the statement, which must not be lost.
                                     : alone ? ""
                                             : concat(arena, {statement.head, part.source, ";"});
        text << (text.empty() || sql.empty() ? "" : "\n") << sql;
    }
    return text.str();
}

std::string_view safe_sql(Arena arena, const Settings &settings, const Statement &statement, const Verdict &verdict)
{
    Text text(arena);

    for (const Part &finding : verdict.findings) {
        for (const Part &part : statement.parts) {
            if (part.hazard && part.rule == finding.rule) {
                return safe_sql(arena, settings, statement);
            }
        }
        text << (text.empty() || finding.hint.empty() ? "" : "\n") << finding.hint;
    }
    return text.str();
}

} // namespace zdm::core
