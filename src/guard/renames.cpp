#include "pg/postgres.hpp"

#include "guard/renames.hpp"
#include "pg/memory.hpp"
#include "pg/report.hpp"

namespace zdm::guard
{

namespace
{

struct Rename {
    Oid relation;
    Oid schema;
    const char *name;
    List *columns; // of C strings
    core::Report report;
    SubTransactionId made_in;
    Rename *next;
};

// All in TopTransactionContext.
Rename *renames = nullptr;

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
bool is_replaced(const Rename &rename)
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
bool is_replacement(const Rename &rename)
{
    const char *now = get_rel_name(rename.relation);

    for (const Rename *other = renames; now != nullptr && other != nullptr; other = other->next) {
        if (other->relation != rename.relation && other->schema == get_rel_namespace(rename.relation) &&
            strcmp(other->name, now) == 0) {
            return true;
        }
    }
    return false;
}

// A relation renamed twice: only its first name was known to others.
bool is_first(const Rename &rename)
{
    for (const Rename *before = rename.next; before != nullptr; before = before->next) {
        if (before->relation == rename.relation) {
            return false;
        }
    }
    return true;
}

} // namespace

void note_rename(Oid relation, std::string_view message, std::string_view detail, std::string_view hint)
{
    MemoryContext before = MemoryContextSwitchTo(TopTransactionContext);
    const core::Arena arena = pg::arena(TopTransactionContext);
    auto *rename = static_cast<Rename *>(palloc0(sizeof(Rename)));

    rename->relation = relation;
    rename->schema = get_rel_namespace(relation);
    rename->name = get_rel_name(relation);
    rename->columns = columns_of(relation);
    rename->report = {pg::keep(arena, message), pg::keep(arena, detail), pg::keep(arena, hint)};
    rename->made_in = GetCurrentSubTransactionId();
    rename->next = renames;
    renames = rename;
    MemoryContextSwitchTo(before);
}

void renames_at_transaction_event(XactEvent event)
{
    switch (event) {
    case XACT_EVENT_PRE_COMMIT:
    case XACT_EVENT_PRE_PREPARE:
        for (const Rename *rename = renames; rename != nullptr; rename = rename->next) {
            if (is_first(*rename) && !is_replaced(*rename) && !is_replacement(*rename)) {
                pg::report(ERROR, pg::kRejected, rename->report);
            }
        }
        break;
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PREPARE:
        renames = nullptr;
        break;
    default:
        break;
    }
}

void renames_at_subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent)
{
    for (Rename **link = &renames; *link != nullptr;) {
        if ((*link)->made_in != mine) {
            link = &(*link)->next;
        } else if (event == SUBXACT_EVENT_ABORT_SUB) {
            *link = (*link)->next;
        } else {
            if (event == SUBXACT_EVENT_COMMIT_SUB) {
                (*link)->made_in = parent;
            }
            link = &(*link)->next;
        }
    }
}

} // namespace zdm::guard
