// New columns: added first, where something stands on them; filled in the background, where each row gets a value of
// its own.
#include "core/draft.hpp"

namespace zdm::core
{

namespace
{

bool must_come_first(const Settings &settings, const Statement &statement)
{
    for (const Part &part : statement.parts) {
        if (is_rewritten(settings, part) && (part.after_add || part.form == Form::AddColumn)) {
            return true;
        }
    }
    return false;
}

} // namespace

bool plan_new_columns(Draft &draft, const Settings &settings, const Statement &statement)
{
    List<std::string_view> plain(draft.arena);
    List<std::string_view> names(draft.arena);
    List<std::string_view> keeps(draft.arena);
    List<Target> partners(draft.arena);
    const Part *any = nullptr;
    Text sql(draft.arena);

    if (!must_come_first(settings, statement)) {
        return false;
    }
    for (const Part &part : statement.parts) {
        if (part.form != Form::AddColumn) {
            continue;
        }
        any = &part;
        if (!is_rewritten(settings, part)) {
            plain.push(part.source);
        }
        if (part.name.empty()) {
            continue; // there already: IF NOT EXISTS
        }
        names.push(part.name);
        if (!part.keeps.empty()) {
            keeps.push(part.keeps);
        }
        if (part.partner.oid != 0) {
            partners.push({part.partner, Lock::ShareRowExclusive});
        }
    }
    if (any == nullptr) {
        return false;
    }
    if (!plain.empty()) {
        sql << statement.head << draft.join(plain, ", ");
    }
    for (const Part &part : statement.parts) {
        if (part.form == Form::AddColumn && is_rewritten(settings, part)) {
            sql << (sql.empty() ? "" : "; ") << part.first;
        }
    }
    Step &add =
        draft.columns.push(draft.step(StepKind::Instant, *any, Lock::AccessExclusive, Work::Instant, sql.str(),
                                      draft.text({statement.head, draft.join(names, ", ", "DROP COLUMN IF EXISTS ")})));
    add.eager = true;
    add.also = partners;
    if (!keeps.empty()) {
        add.undo_unless = draft.text({"SELECT 1 FROM ", any->only ? "ONLY " : "", any->relation.name, " WHERE ",
                                      draft.join(keeps, " OR ", "(", ")"), " LIMIT 1"});
    }
    for (const Part &part : statement.parts) {
        if (!part.fill.empty() && is_rewritten(settings, part)) {
            draft.columns.push(
                draft.step(StepKind::Fill, part, Lock::RowExclusive, Work::Backfill, part.fill, part.stop_fill));
        }
    }
    return true;
}

void plan_column_end(Draft &draft, const Part &part)
{
    if (!part.finish.empty()) {
        draft.act(StepKind::Instant, part, Lock::AccessExclusive, Work::Instant, part.finish);
    }
}

} // namespace zdm::core
