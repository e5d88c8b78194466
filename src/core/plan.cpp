#include "core/defer.hpp"
#include "core/draft.hpp"

namespace zdm::core
{

namespace
{

void plan_part(Draft &draft, const Settings &settings, const Part &part, const Statement &statement)
{
    switch (part.form) {
    case Form::CreateIndex:
        plan_create_index(draft, part);
        if (!part.analyze.empty() && action_of(settings, Rule::AutoAnalyze) == Action::Rewrite) {
            draft.act(StepKind::Long, part, Lock::ShareUpdateExclusive, Work::Instant,
                      draft.text({"ANALYZE ", part.relation.name}));
        }
        break;
    case Form::DropIndex:
        plan_drop_index(draft, part);
        break;
    case Form::Reindex:
        plan_reindex(draft, part);
        break;
    case Form::Refresh:
        plan_refresh(draft, part);
        break;
    case Form::DomainCheck:
        plan_domain_check(draft, part);
        break;
    case Form::AddForeignKey:
        if (part.partitions.empty()) {
            plan_foreign_key(draft, part, statement.head);
        } else {
            plan_partitioned_foreign_key(draft, part, statement.head);
        }
        break;
    case Form::AddCheck:
        plan_check(draft, part, statement.head);
        break;
    case Form::AddUnique:
        if (part.partitions.empty()) {
            plan_key(draft, part, false);
        } else {
            plan_partitioned_key(draft, part, false, statement.head);
        }
        break;
    case Form::RedefineKey:
        plan_redefined_key(draft, part);
        break;
    case Form::AddPrimaryKey:
        if (part.definition.empty()) {
            // USING INDEX: once its columns are NOT NULL it is instant as written.
            draft.act(StepKind::Instant, part, Lock::AccessExclusive, Work::Instant,
                      draft.text({statement.head, part.source}));
        } else if (!part.partitions.empty()) {
            plan_partitioned_key(draft, part, true, statement.head);
        } else {
            plan_key(draft, part, true);
        }
        break;
    case Form::Validate:
        plan_validate(draft, part, statement.head);
        break;
    case Form::AttachPartition:
    case Form::CreatePartition:
        plan_proven(draft, settings, part, statement.head);
        break;
    case Form::DetachPartition:
        plan_detach(draft, part);
        break;
    case Form::AddColumn:
        plan_column_end(draft, part);
        break;
    case Form::SetNotNull:
    case Form::AlterType:
    case Form::Other:
        break;
    }
}

bool comes_last(const Settings &settings, const Part &part, bool columns_first)
{
    return part.form == Form::AlterType || part.form == Form::RedefineKey ||
           (!is_rewritten(settings, part) && !(columns_first && part.form == Form::AddColumn));
}

// What is instant, and what cannot be undone, goes together and last.
void plan_rest(Draft &draft, const Settings &settings, const Statement &statement, bool columns_first)
{
    List<std::string_view> sources(draft.arena);
    Text before(draft.arena);
    Text after(draft.arena);
    const Part *first = nullptr;

    for (const Part &part : statement.parts) {
        if (!comes_last(settings, part, columns_first)) {
            continue;
        }
        sources.push(part.form == Form::RedefineKey && is_rewritten(settings, part) ? part.finish : part.source);
        first = first == nullptr || part.lock > first->lock ? &part : first;
        if (is_rewritten(settings, part)) {
            before << part.makes_room;
            after << part.puts_back;
        }
    }
    if (first != nullptr) {
        Step &step = draft.act(StepKind::Instant, *first, first->lock, Work::Instant,
                               draft.text({before.str(), statement.head, draft.join(sources, ", "), after.str()}));
        step.eager = true;
        plan_after_types(draft, settings, statement, step);
    }
}

} // namespace

Settings rewriting(const Settings &settings)
{
    Settings wanted = settings;

    wanted.mode = Mode::Rewrite;
    for (int i = 0; i < kRuleCount; i++) {
        wanted.actions[i] = row(static_cast<Rule>(i)).rewritable ? Action::Rewrite : wanted.actions[i];
    }
    return wanted;
}

bool is_rewritten(const Settings &settings, const Part &part)
{
    return part.hazard && part.rewritable && action_of(settings, part.rule) == Action::Rewrite;
}

std::string_view name(Ruling ruling)
{
    constexpr std::string_view kNames[] = {"pass", "warn", "rewrite", "defer", "reject"};
    return kNames[static_cast<int>(ruling)];
}

namespace
{

Ruling ruling_of(const Settings &settings, const Part &part, bool in_block)
{
    if (!part.hazard || (part.only_in_block && !in_block)) {
        return Ruling::Pass;
    }
    const Action action = action_of(settings, part.rule);
    if (in_block && part.fine_in_block) {
        return Ruling::Pass;
    }
    if (in_block && part.outside_only) {
        return Ruling::Pass;
    }
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
        const bool defers = settings.in_transaction == InTransaction::Defer && settings.max_workers > 0;
        verdict.ruling = defers && deferred(arena, settings, statement).possible ? Ruling::Defer : Ruling::Reject;
        verdict.needs_own_transactions = verdict.ruling == Ruling::Reject;
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
            plan_part(draft, settings, part, statement);
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
    const Settings wanted = rewriting(settings);
    Text text(arena);
    bool all_have_plans = true;

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
        if (finding.hint_is_whole && !finding.hint.empty() && action_of(settings, finding.rule) == Action::Reject) {
            return finding.hint;
        }
    }
    for (const Part &finding : verdict.findings) {
        for (const Part &part : statement.parts) {
            if (part.hazard && part.rule == finding.rule) {
                return safe_sql(arena, settings, statement);
            }
        }
        // Several hazards of one statement share its SQL, if not the comment before it.
        const std::size_t comment = finding.hint.starts_with("-- ") ? finding.hint.find('\n') + 1 : 0;
        const std::string_view sql = part_of(finding.hint, comment, finding.hint.size() - comment);
        if (text.str().find(sql) == std::string_view::npos) {
            text << (text.empty() ? "" : "\n") << finding.hint;
        }
    }
    return text.str();
}

} // namespace zdm::core
