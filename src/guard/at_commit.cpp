#include "pg/postgres.hpp"

#include "guard/at_commit.hpp"
#include "guard/remembered.hpp"
#include "pg/catalog.hpp"
#include "pg/memory.hpp"
#include "pg/report.hpp"

namespace zdm::guard
{

namespace
{

struct Awaited {
    core::Rule rule;
    Oid relation;
    Oid schema;
    const char *name;
    List *columns; // of C strings
    int severity;
    core::Report report;
    std::string_view statement;
    SubTransactionId made_in;
    Awaited *next;
};

// All in TopTransactionContext.
Awaited *awaited = nullptr;

bool takes_name_away(core::Rule rule) { return rule == core::Rule::RenameTable || rule == core::Rule::SetSchema; }

List *columns_of(Oid relation)
{
    List *columns = NIL;
    Relation rel = try_relation_open(relation, AccessShareLock);

    if (rel == nullptr) {
        return NIL;
    }
    for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++) {
        const FormData_pg_attribute *attr = TupleDescAttr(RelationGetDescr(rel), i);
        if (!attr->attisdropped) {
            columns = lappend(columns, pstrdup(NameStr(attr->attname)));
        }
    }
    relation_close(rel, NoLock);
    return columns;
}

// Whether something readable under the old name offers at least the old columns.
bool is_replaced(const Awaited &rename)
{
    const Oid now = get_relname_relid(rename.name, rename.schema);
    ListCell *cell = nullptr;

    if (!OidIsValid(now)) {
        return false;
    }
    switch (get_rel_relkind(now)) {
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE:
    case RELKIND_FOREIGN_TABLE:
    case RELKIND_VIEW:
    case RELKIND_MATVIEW:
        break;
    default:
        return false;
    }
    foreach (cell, rename.columns) {
        if (get_attnum(now, static_cast<char *>(lfirst(cell))) <= 0) {
            return false;
        }
    }
    return true;
}

// Whether it now stands under the old name of another: the second half of a swap, of which nobody knew the name.
bool is_replacement(const Awaited &rename)
{
    const char *now = get_rel_name(rename.relation);

    for (const Awaited *other = awaited; now != nullptr && other != nullptr; other = other->next) {
        if (takes_name_away(other->rule) && other->relation != rename.relation &&
            other->schema == get_rel_namespace(rename.relation) && strcmp(other->name, now) == 0) {
            return true;
        }
    }
    return false;
}

// A relation renamed twice: only its first name was known to others.
bool is_first(const Awaited &rename)
{
    for (const Awaited *before = rename.next; before != nullptr; before = before->next) {
        if (takes_name_away(before->rule) && before->relation == rename.relation) {
            return false;
        }
    }
    return true;
}

// Row security that is off again, or has a policy.
bool has_policy(const Awaited &enabled)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(enabled.relation));
    bool fine = !HeapTupleIsValid(tuple);

    if (HeapTupleIsValid(tuple)) {
        fine = !reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relrowsecurity;
        ReleaseSysCache(tuple);
    }
    pg::each_row(PolicyRelationId, PolicyPolrelidPolnameIndexId, nullptr, {{Anum_pg_policy_polrelid, enabled.relation}},
                 [&](HeapTuple) {
                     fine = true;
                     return false;
                 });
    return fine;
}

bool is_made_up_for(const Awaited &finding)
{
    switch (finding.rule) {
    case core::Rule::DropView:
        return OidIsValid(get_relname_relid(finding.name, finding.schema));
    case core::Rule::EnableRls:
        return has_policy(finding);
    default:
        return !is_first(finding) || is_replaced(finding) || is_replacement(finding);
    }
}

} // namespace

bool can_wait_for_commit(const core::Part &finding)
{
    return OidIsValid(finding.relation.oid) && (takes_name_away(finding.rule) || finding.rule == core::Rule::DropView ||
                                                finding.rule == core::Rule::EnableRls);
}

void wait_for_commit(const core::Part &finding, int severity, const core::Report &report, std::string_view statement)
{
    MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);
    const core::Arena arena = pg::arena(TopTransactionContext);
    auto *fresh = static_cast<Awaited *>(palloc0(sizeof(Awaited)));

    fresh->rule = finding.rule;
    fresh->relation = finding.relation.oid;
    fresh->schema = get_rel_namespace(fresh->relation);
    fresh->name = get_rel_name(fresh->relation);
    fresh->columns = columns_of(fresh->relation);
    fresh->severity = severity;
    fresh->report = {pg::keep(arena, report.message), pg::keep(arena, report.detail), pg::keep(arena, report.hint)};
    fresh->statement = pg::keep(arena, statement);
    fresh->made_in = GetCurrentSubTransactionId();
    fresh->next = awaited;
    awaited = fresh;
    MemoryContextSwitchTo(before);
}

void at_commit_transaction_event(XactEvent event)
{
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
    case XACT_EVENT_PRE_PREPARE:
        for (const Awaited *finding = awaited; finding != nullptr; finding = finding->next) {
            if (is_made_up_for(*finding)) {
                continue;
            }
            if (finding->severity == ERROR) {
                pg::report(ERROR, pg::kRejected, finding->report);
            }
            pg::report(finding->severity, pg::kWarned, finding->report, finding->statement);
        }
        break;
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
        awaited = nullptr;
        break;
    default:
        break;
    }
}

void at_commit_subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent)
{
    at_savepoint(&awaited, event, mine, parent);
}

} // namespace zdm::guard
