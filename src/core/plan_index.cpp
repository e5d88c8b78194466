// Indexes, and the constraints that stand on one.
#include "core/draft.hpp"

namespace zdm::core
{

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
    // Children have indexes of their own; partitions share one.
    sql << (part.partitions.empty() ? ") FROM ONLY " : ") FROM ") << part.relation.name << where.str() << " GROUP BY "
        << draft.join(part.columns, ", ") << " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1";

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
    if (!part.partitions.empty()) {
        plan_partitioned_index(draft, part);
        return;
    }
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

void plan_key(Draft &draft, const Part &part, bool primary)
{
    Part index = part;
    index.unique = true;
    index.only = false;
    index.below = false; // a key of an inheritance parent knows nothing of its children
    plan_create_index(draft, index);
    draft.act(StepKind::Instant, part, Lock::AccessExclusive, Work::Instant,
              draft.text({"ALTER TABLE ", part.relation.name, " ADD CONSTRAINT ", part.name,
                          primary ? " PRIMARY KEY" : " UNIQUE", " USING INDEX ", part.name}),
              draft.text({"ALTER TABLE ", part.relation.name, " DROP CONSTRAINT IF EXISTS ", part.name}));
}

void plan_redefined_key(Draft &draft, const Part &part)
{
    Part index = part;

    index.below = false;
    if (part.probe) {
        index.label = part.constraint;
        probe_duplicates(draft, index);
        index.label = part.label;
    }
    index.unique = true;
    index.only = false;
    index.probe = false;
    plan_create_index(draft, index);
}

void plan_drop_index(Draft &draft, const Part &part)
{
    draft
        .act(StepKind::Concurrent, part, Lock::ShareUpdateExclusive, Work::Instant,
             draft.text({"DROP INDEX CONCURRENTLY ", part.qualified}))
        .drops = part.label;
}

void plan_reindex(Draft &draft, const Part &part)
{
    draft.act(StepKind::Concurrent, part, Lock::ShareUpdateExclusive, Work::IndexBuild, part.definition);
}

} // namespace zdm::core
