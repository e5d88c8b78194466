// Constraints: NOT VALID under a short lock, then VALIDATE under one that blocks nobody.
#include "core/draft.hpp"

#include "core/words.hpp"

namespace zdm::core
{

namespace
{

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

Step &probe_check(Draft &draft, const Part &part)
{
    Violation violation;
    violation.sqlstate = "23514";
    violation.constraint = part.label;
    violation.message = draft.text({"check constraint \"", part.label, "\" of relation \"",
                                    part.below ? "%s" : part.relation.bare, "\" is violated by some row"});
    violation.names_relation = part.below;
    return draft.probe(
        part,
        draft.text({"SELECT ", subject(draft, part), from(draft, part), " WHERE NOT ", part.definition, " LIMIT 1"}),
        violation);
}

} // namespace

// The query that PostgreSQL's own RI_Initial_Check runs.
Step &probe_foreign_key(Draft &draft, const Part &part)
{
    Text sql(draft.arena);
    Text filled(draft.arena);

    sql << "SELECT ";
    if (part.match_full && part.columns.count > 1) {
        sql << "CASE WHEN " << draft.join(part.columns, " OR ", "fk.", " IS NULL") << " THEN NULL ELSE ";
    }
    sql << "pg_catalog.concat_ws(', ', " << draft.join(part.columns, ", ", "fk.") << ")"
        << (part.match_full && part.columns.count > 1 ? " END" : "")
        << (part.partitions.empty() ? " FROM ONLY " : " FROM ") << part.relation.name << " fk LEFT OUTER JOIN "
        << (part.only ? "ONLY " : "") << part.partner.name << " pk ON (";
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
    return draft.probe(part, sql.str(), violation);
}

namespace
{

void prove_and_set(Draft &draft, const Part &first, const List<std::string_view> &columns, std::string_view undo)
{
    const std::string_view alter = draft.text({"ALTER TABLE ", first.only ? "ONLY " : "", first.relation.name, " "});
    const std::string_view drop = draft.text({alter, "DROP CONSTRAINT ", first.name});

    if (first.probe) {
        for (const std::string_view column : columns) {
            probe_null(draft, first, column);
        }
    }
    Step &prove = draft.act(
        StepKind::Instant, first, Lock::AccessExclusive, Work::Instant,
        draft.text({alter, "ADD CONSTRAINT ", first.name, " CHECK (",
                    draft.join(columns, " AND ", "", first.composite ? " IS DISTINCT FROM NULL" : " IS NOT NULL"), ")",
                    first.only ? " NO INHERIT" : "", " NOT VALID"}),
        draft.text({alter, "DROP CONSTRAINT IF EXISTS ", first.name}));
    prove.own_name = true;
    prove.eager = true;
    draft.act(StepKind::Long, first, Lock::ShareUpdateExclusive, Work::Scan,
              draft.text({alter, "VALIDATE CONSTRAINT ", first.name}));
    draft.act(StepKind::Instant, first, Lock::AccessExclusive, Work::Instant,
              draft.text({alter, draft.join(columns, ", ", "ALTER COLUMN ", " SET NOT NULL"), "; ", drop}), undo);
}

void plan_validated(Draft &draft, const Part &part, std::string_view head, Lock lock)
{
    Step &add = draft.act(StepKind::Instant, part, lock, Work::Instant, draft.text({head, part.source, " NOT VALID"}),
                          draft.text({"ALTER TABLE ", part.relation.name, " DROP CONSTRAINT IF EXISTS ", part.name}));
    add.eager = true;
    if (part.partner.oid != 0) {
        add.also.push({part.partner, lock});
    }
    draft.act(StepKind::Long, part, Lock::ShareUpdateExclusive, Work::Scan,
              draft.text({"ALTER TABLE ", part.relation.name, " VALIDATE CONSTRAINT ", part.name}));
}

bool contains(const List<std::string_view> &all, std::string_view one)
{
    for (const std::string_view known : all) {
        if (known == one) {
            return true;
        }
    }
    return false;
}

} // namespace

// NOT NULL of all columns shares one scan, and comes first: a primary key wants it.
void plan_not_null(Draft &draft, const Settings &settings, const Statement &statement)
{
    List<std::string_view> columns(draft.arena);
    List<std::string_view> undo(draft.arena);
    const Part *first = nullptr;
    bool composite = false;
    bool after_add = false;

    for (const Part &part : statement.parts) {
        if (!is_rewritten(settings, part)) {
            continue;
        }
        composite = composite || part.composite;
        for (const std::string_view column : part.nullable) {
            if (!contains(columns, column)) {
                columns.push(column);
            }
            first = first == nullptr ? &part : first;
            after_add = after_add || part.after_add;
        }
        for (const std::string_view sql : part.undo_not_null) {
            undo.push(sql);
        }
    }
    if (first != nullptr) {
        Part group = *first;
        group.name = first->proof_name;
        group.composite = composite;
        group.after_add = after_add;
        group.only = (first->form == Form::SetNotNull || first->form == Form::AddColumn) && first->only;
        prove_and_set(draft, group, columns, draft.join(undo, "; "));
    }
}

void plan_check(Draft &draft, const Part &part, std::string_view head)
{
    if (part.probe) {
        probe_check(draft, part).eager = true;
    }
    plan_validated(draft, part, head, Lock::AccessExclusive);
}

void plan_foreign_key(Draft &draft, const Part &part, std::string_view head)
{
    if (part.probe) {
        probe_foreign_key(draft, part).eager = true;
    }
    plan_validated(draft, part, head, Lock::ShareRowExclusive);
}

// In a transaction of its own, which holds no other lock.
void plan_validate(Draft &draft, const Part &part, std::string_view head)
{
    draft.act(StepKind::Long, part, Lock::ShareUpdateExclusive, Work::Scan, draft.text({head, part.source}));
}

} // namespace zdm::core
