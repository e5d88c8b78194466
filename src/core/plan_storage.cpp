// Statements whose safe form is another statement, and domains.
#include "core/draft.hpp"

namespace zdm::core
{

void plan_refresh(Draft &draft, const Part &part)
{
    draft.act(StepKind::Long, part, Lock::Exclusive, Work::Rewrite, part.definition);
}

// `columns` are the queries that look for a row that breaks it, `key_names` what PostgreSQL says of one.
void plan_domain_check(Draft &draft, const Part &part)
{
    for (std::uint32_t i = 0; i < part.columns.count; i++) {
        Violation violation;
        violation.sqlstate = "23514";
        violation.message = part.key_names[i];
        draft.probe(part, part.columns[i], violation);
    }
    draft.act(StepKind::Instant, part, Lock::None, Work::Instant, draft.text({part.definition, " NOT VALID"}),
              draft.text({"ALTER DOMAIN ", part.qualified, " DROP CONSTRAINT IF EXISTS ", part.name}));
    draft.act(StepKind::Long, part, Lock::ShareUpdateExclusive, Work::Scan,
              draft.text({"ALTER DOMAIN ", part.qualified, " VALIDATE CONSTRAINT ", part.name}));
}

} // namespace zdm::core
