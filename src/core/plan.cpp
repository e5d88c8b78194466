#include "core/plan.hpp"

#include "core/words.hpp"

namespace zdm::core
{

namespace
{

bool is_rewritten(const Settings &settings, const Part &part)
{
    return part.hazard && part.rewritable && action_of(settings, part.rule) == Action::Rewrite;
}

// Collects steps: looking comes first, acting after it, so that a statement that must fail has changed nothing.
struct Draft {
    Arena arena;
    List<Step> probes;
    List<Step> acts;

    explicit Draft(Arena a) : arena(a), probes(a), acts(a) {}

    std::string_view text(std::initializer_list<std::string_view> pieces) { return concat(arena, pieces); }

    std::string_view join(const List<std::string_view> &items, std::string_view between, std::string_view before = "",
                          std::string_view after = "")
    {
        Text all(arena);
        for (std::uint32_t i = 0; i < items.count; i++) {
            all << (i == 0 ? "" : between) << before << items[i] << after;
        }
        return all.str();
    }

    Step &act(StepKind kind, const Part &part, Lock lock, Work work, std::string_view sql, std::string_view undo = "")
    {
        Step step;
        step.kind = kind;
        step.sql = sql;
        step.undo = undo;
        step.lock = lock;
        step.work = work;
        step.relation = part.relation;
        step.also = List<Target>(arena);
        return acts.push(step);
    }

    Step &probe(const Part &part, std::string_view sql, const Violation &violation)
    {
        Step step;
        step.kind = StepKind::Probe;
        step.sql = sql;
        step.lock = Lock::AccessShare;
        step.work = Work::Scan;
        step.relation = part.relation;
        step.violation = violation;
        return probes.push(step);
    }
};

std::string_view from(Draft &draft, const Part &part)
{
    return draft.text({part.only ? " FROM ONLY " : " FROM ", part.relation.name});
}

// What a row that breaks the constraint is to tell: with children, whose it is.
std::string_view subject(Draft &draft, const Part &part)
{
    return part.below ? draft.text({"(SELECT c.relname FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) ",
                                    part.relation.name, ".tableoid)"})
                      : "1";
}

void probe_null(Draft &draft, const Part &part, std::string_view column)
{
    Violation violation;
    violation.sqlstate = "23502";
    violation.column = unquoted(draft.arena, column);
    violation.message = draft.text({"column \"", violation.column, "\" of relation \"",
                                    part.below ? "%s" : part.relation.bare, "\" contains null values"});
    violation.names_relation = part.below;
    draft.probe(part,
                draft.text({"SELECT ", subject(draft, part), from(draft, part), " WHERE ", column,
                            part.composite ? " IS NOT DISTINCT FROM NULL" : " IS NULL", " LIMIT 1"}),
                violation);
}

void probe_check(Draft &draft, const Part &part)
{
    Violation violation;
    violation.sqlstate = "23514";
    violation.constraint = part.label;
    violation.message = draft.text({"check constraint \"", part.label, "\" of relation \"",
                                    part.below ? "%s" : part.relation.bare, "\" is violated by some row"});
    violation.names_relation = part.below;
    draft.probe(
        part,
        draft.text({"SELECT ", subject(draft, part), from(draft, part), " WHERE NOT ", part.definition, " LIMIT 1"}),
        violation);
}

// The query that PostgreSQL's own RI_Initial_Check runs.
void probe_foreign_key(Draft &draft, const Part &part)
{
    Text sql(draft.arena);
    Text filled(draft.arena);

    sql << "SELECT ";
    if (part.match_full && part.columns.count > 1) {
        sql << "CASE WHEN " << draft.join(part.columns, " OR ", "fk.", " IS NULL") << " THEN NULL ELSE ";
    }
    sql << "pg_catalog.concat_ws(', ', " << draft.join(part.columns, ", ", "fk.") << ")"
        << (part.match_full && part.columns.count > 1 ? " END" : "") << " FROM ONLY " << part.relation.name
        << " fk LEFT OUTER JOIN " << (part.only ? "ONLY " : "") << part.partner.name << " pk ON (";
    for (std::uint32_t i = 0; i < part.columns.count; i++) {
        sql << (i == 0 ? "" : " AND ") << "pk." << part.partner_columns[i] << " " << part.equals[i] << " fk."
            << part.columns[i] << part.collations[i];
        filled << (i == 0 ? "" : (part.match_full ? " OR " : " AND ")) << "fk." << part.columns[i] << " IS NOT NULL";
    }
    sql << ") WHERE pk." << part.partner_columns[0] << " IS NULL AND (" << filled.str() << ") LIMIT 1";

    Violation violation;
    violation.sqlstate = "23503";
    violation.constraint = part.label;
    violation.message = draft.text({"insert or update on table \"", part.relation.bare,
                                    "\" violates foreign key constraint \"", part.label, "\""});
    violation.detail_prefix = draft.text({"Key (", unquoted_list(draft.arena, part.columns), ")=("});
    violation.detail_suffix = draft.text({") is not present in table \"", part.partner.bare, "\"."});
    violation.detail_if_null = "MATCH FULL does not allow mixing of null and nonnull key values.";
    draft.probe(part, sql.str(), violation);
}

void probe_duplicates(Draft &draft, const Part &part)
{
    Text sql(draft.arena);
    Text where(draft.arena);

    if (!part.predicate.empty()) {
        where << " WHERE (" << part.predicate << ")";
    }
    if (!part.nulls_equal) {
        for (const std::string_view key : part.columns) {
            where << (where.empty() ? " WHERE " : " AND ") << key << " IS DISTINCT FROM NULL";
        }
    }
    // No cast to text, which a type's owner may define: concat calls the output function, as PostgreSQL does.
    sql << "SELECT pg_catalog.concat_ws(', '";
    for (const std::string_view key : part.columns) {
        part.nulls_equal ? sql << ", CASE WHEN " << key
                               << " IS NOT DISTINCT FROM NULL THEN 'null' ELSE pg_catalog.concat(" << key << ") END"
                         : sql << ", " << key;
    }
    sql << ") FROM ONLY " << part.relation.name << where.str() << " GROUP BY " << draft.join(part.columns, ", ")
        << " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1";

    Violation violation;
    violation.sqlstate = "23505";
    violation.constraint = part.label;
    violation.message = draft.text({"could not create unique index \"", part.label, "\""});
    violation.detail_prefix = draft.text({"Key (", draft.join(part.key_names, ", "), ")=("});
    violation.detail_suffix = ") is duplicated.";
    draft.probe(part, sql.str(), violation).as_owner = true;
}

void plan_create_index(Draft &draft, const Part &part)
{
    if (part.unique && part.probe) {
        probe_duplicates(draft, part);
    }
    if (!part.leftover.empty()) {
        draft
            .act(StepKind::Concurrent, part, Lock::ShareUpdateExclusive, Work::Instant,
                 draft.text({"DROP INDEX CONCURRENTLY IF EXISTS ", part.leftover}))
            .leftover = part.label;
    }
    draft
        .act(StepKind::Concurrent, part, Lock::ShareUpdateExclusive, Work::IndexBuild,
             draft.text({"CREATE ", part.unique ? "UNIQUE " : "", "INDEX CONCURRENTLY ",
                         part.if_not_exists ? "IF NOT EXISTS " : "", part.name, " ON ", part.only ? "ONLY " : "",
                         part.relation.name, " ", part.definition}),
             draft.text({"DROP INDEX CONCURRENTLY IF EXISTS ", part.qualified}))
        .builds = part.label;
}

void plan_not_null(Draft &draft, const Part &first, const List<std::string_view> &columns, std::string_view undo)
{
    const std::string_view alter = draft.text({"ALTER TABLE ", first.only ? "ONLY " : "", first.relation.name, " "});
    const std::string_view drop = draft.text({alter, "DROP CONSTRAINT ", first.name});

    if (first.probe) {
        for (const std::string_view column : columns) {
            probe_null(draft, first, column);
        }
    }
    draft
        .act(StepKind::Instant, first, Lock::AccessExclusive, Work::Instant,
             draft.text({alter, "ADD CONSTRAINT ", first.name, " CHECK (",
                         draft.join(columns, " AND ", "", first.composite ? " IS DISTINCT FROM NULL" : " IS NOT NULL"),
                         ")", first.only ? " NO INHERIT" : "", " NOT VALID"}),
             draft.text({alter, "DROP CONSTRAINT IF EXISTS ", first.name}))
        .own_name = true;
    draft.act(StepKind::Long, first, Lock::ShareUpdateExclusive, Work::Scan,
              draft.text({alter, "VALIDATE CONSTRAINT ", first.name}));
    draft.act(StepKind::Instant, first, Lock::AccessExclusive, Work::Instant,
              draft.text({alter, draft.join(columns, ", ", "ALTER COLUMN ", " SET NOT NULL"), "; ", drop}), undo);
}

void plan_validated(Draft &draft, const Part &part, std::string_view head, Lock lock)
{
    Step &add = draft.act(StepKind::Instant, part, lock, Work::Instant, draft.text({head, part.source, " NOT VALID"}),
                          draft.text({"ALTER TABLE ", part.relation.name, " DROP CONSTRAINT IF EXISTS ", part.name}));
    if (part.partner.oid != 0) {
        add.also.push({part.partner, lock});
    }
    draft.act(StepKind::Long, part, Lock::ShareUpdateExclusive, Work::Scan,
              draft.text({"ALTER TABLE ", part.relation.name, " VALIDATE CONSTRAINT ", part.name}));
}

void plan_unique(Draft &draft, const Part &part, bool primary)
{
    Part index = part;
    index.unique = true;
    index.only = false;
    plan_create_index(draft, index);
    draft.act(StepKind::Instant, part, Lock::AccessExclusive, Work::Instant,
              draft.text({"ALTER TABLE ", part.relation.name, " ADD CONSTRAINT ", part.name,
                          primary ? " PRIMARY KEY" : " UNIQUE", " USING INDEX ", part.name}),
              draft.text({"ALTER TABLE ", part.relation.name, " DROP CONSTRAINT IF EXISTS ", part.name}));
}

// NOT NULL of all columns shares one scan, and comes first: a primary key wants it.
void plan_all_not_null(Draft &draft, const Settings &settings, const Statement &statement)
{
    List<std::string_view> columns(draft.arena);
    List<std::string_view> undo(draft.arena);
    const Part *first = nullptr;
    bool composite = false;

    for (const Part &part : statement.parts) {
        if (!is_rewritten(settings, part)) {
            continue;
        }
        composite = composite || part.composite;
        for (const std::string_view column : part.nullable) {
            columns.push(column);
            first = first == nullptr ? &part : first;
        }
        for (const std::string_view sql : part.undo_not_null) {
            undo.push(sql);
        }
    }
    if (first != nullptr) {
        Part group = *first;
        group.name = first->proof_name;
        group.composite = composite;
        group.only = first->form == Form::SetNotNull && first->only;
        plan_not_null(draft, group, columns, draft.join(undo, "; "));
    }
}

void plan_part(Draft &draft, const Part &part, const Statement &statement)
{
    switch (part.form) {
    case Form::CreateIndex:
        plan_create_index(draft, part);
        break;
    case Form::DropIndex:
        draft
            .act(StepKind::Concurrent, part, Lock::ShareUpdateExclusive, Work::Instant,
                 draft.text({"DROP INDEX CONCURRENTLY ", part.qualified}))
            .drops = part.label;
        break;
    case Form::Reindex:
        draft.act(StepKind::Concurrent, part, Lock::ShareUpdateExclusive, Work::IndexBuild, part.definition);
        break;
    case Form::AddForeignKey:
        if (part.probe) {
            probe_foreign_key(draft, part);
        }
        plan_validated(draft, part, statement.head, Lock::ShareRowExclusive);
        break;
    case Form::AddCheck:
        if (part.probe) {
            probe_check(draft, part);
        }
        plan_validated(draft, part, statement.head, Lock::AccessExclusive);
        break;
    case Form::AddUnique:
        plan_unique(draft, part, false);
        break;
    case Form::AddPrimaryKey:
        if (part.definition.empty()) {
            // USING INDEX: once its columns are NOT NULL it is instant as written.
            draft.act(StepKind::Instant, part, Lock::AccessExclusive, Work::Instant,
                      draft.text({statement.head, part.source}));
        } else {
            plan_unique(draft, part, true);
        }
        break;
    case Form::SetNotNull:
    case Form::Other:
    case Form::AddColumn:
        break;
    }
}

// What is instant, and what cannot be undone, goes together and last.
void plan_rest(Draft &draft, const Settings &settings, const Statement &statement)
{
    List<std::string_view> sources(draft.arena);
    const Part *first = nullptr;

    for (const Part &part : statement.parts) {
        if (!is_rewritten(settings, part)) {
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

std::string_view name(Ruling ruling)
{
    constexpr std::string_view kNames[] = {"pass", "warn", "rewrite", "reject"};
    return kNames[static_cast<int>(ruling)];
}

Verdict judge(Arena arena, const Settings &settings, const Statement &statement, bool in_block, bool assured)
{
    Verdict verdict;
    verdict.findings = List<Part>(arena);
    verdict.weaker = List<Part>(arena);

    const auto ruling_of = [&](const Part &part) {
        if (!part.hazard || assured) {
            return Ruling::Pass;
        }
        const Action action = action_of(settings, part.rule);
        if (action == Action::Rewrite && !part.rewritable) {
            return Ruling::Reject;
        }
        constexpr Ruling kRulings[] = {Ruling::Pass, Ruling::Warn, Ruling::Rewrite, Ruling::Reject};
        return kRulings[static_cast<int>(action)];
    };

    for (const Part &part : statement.parts) {
        const Ruling ruling = ruling_of(part);
        verdict.ruling = ruling > verdict.ruling ? ruling : verdict.ruling;
    }
    for (const Part &part : statement.parts) {
        const Ruling ruling = ruling_of(part);
        if (ruling != Ruling::Pass && part.lock != Lock::None) {
            (ruling == verdict.ruling || ruling != Ruling::Warn ? verdict.findings : verdict.weaker).push(part);
        }
    }
    if (verdict.ruling == Ruling::Rewrite && in_block) {
        verdict.ruling = Ruling::Reject;
        verdict.needs_own_transactions = true;
    }
    return verdict;
}

Plan plan(Arena arena, const Settings &settings, const Statement &statement)
{
    Draft draft(arena);

    plan_all_not_null(draft, settings, statement);
    for (const Part &part : statement.parts) {
        if (is_rewritten(settings, part)) {
            plan_part(draft, part, statement);
        }
    }
    if (!statement.head.empty()) {
        plan_rest(draft, settings, statement);
    }

    Plan whole;
    whole.steps = draft.probes;
    for (const Step &step : draft.acts) {
        whole.steps.push(step);
    }
    return whole;
}

std::string_view script(Arena arena, const Plan &plan)
{
    Text text(arena);
    for (const Step &step : plan.steps) {
        text << (text.empty() ? "" : "\n") << step.sql << ";";
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
    for (const Part &part : statement.parts) {
        all_have_plans = all_have_plans && (!part.hazard || is_rewritten(wanted, part));
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
        text << (text.empty() ? "" : "\n");
        if (part.hazard && !is_rewritten(wanted, part)) {
            text << part.hint;
        } else if (!statement.head.empty() && statement.parts.count > 1) {
            // The other commands of the statement, which must not be lost.
            text << statement.head << part.source << ";";
        }
    }
    return text.str();
}

} // namespace zdm::core
