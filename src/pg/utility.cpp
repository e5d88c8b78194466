#include "pg/utility.hpp"

#include "pg/compat.hpp"

namespace zdm::pg
{

namespace
{

ProcessUtility_hook_type next_process_utility = nullptr;

bool watching_created = false;
Oid *created_relations = nullptr; // in TopMemoryContext
int created_relations_count = 0;
int created_relations_room = 0;

} // namespace

void set_next_process_utility(ProcessUtility_hook_type next) { next_process_utility = next; }

void run_next(const UtilityCall &call)
{
    const ProcessUtility_hook_type next =
        next_process_utility != nullptr ? next_process_utility : standard_ProcessUtility;

    next(call.planned, call.query, call.read_only_tree, call.context, call.params, call.environment, call.dest,
         call.completion);
}

namespace
{

void select(const char *sql, const RawStmt *raw)
{
    const char *start = sql + raw->stmt_location;

    SPI_connect();
    SPI_execute(raw->stmt_len == 0 ? start : pnstrdup(start, raw->stmt_len), false, 0);
    SPI_finish();
}

} // namespace

void run_sql(const char *sql, ProcessUtilityContext context)
{
    ListCell *cell = nullptr;
    bool first = true;

    foreach (cell, pg_parse_query(sql)) {
        const auto *raw = lfirst_node(RawStmt, cell);
        UtilityCall call{};
        if (!first) {
            CommandCounterIncrement();
        }
        first = false;
        if (IsA(raw->stmt, SelectStmt)) {
            select(sql, raw);
            continue;
        }
        call.planned = wrap_utility(raw->stmt, raw->stmt_location, raw->stmt_len);
        call.query = sql;
        call.context = context;
        call.dest = None_Receiver;
        run_next(call);
    }
}

void watch_created(bool watch)
{
    watching_created = watch;
    created_relations_count = watch ? 0 : created_relations_count;
}

void note_created(Oid relation)
{
    if (!watching_created) {
        return;
    }
    if (created_relations_count == created_relations_room) {
        created_relations_room = Max(16, created_relations_room * 2);
        const Size bytes = sizeof(Oid) * created_relations_room;
        created_relations =
            static_cast<Oid *>(created_relations == nullptr ? MemoryContextAlloc(TopMemoryContext, bytes)
                                                            : repalloc(created_relations, bytes));
    }
    created_relations[created_relations_count++] = relation;
}

void drop_index_concurrently(Oid index)
{
    ObjectAddress address;

    ObjectAddressSet(address, RelationRelationId, index);
    // performDeletion would lock it ACCESS EXCLUSIVE first, whatever the flags say.
    ObjectAddresses *all = new_object_addresses();
    add_exact_object_address(&address, all);
    performMultipleDeletions(all, DROP_RESTRICT, PERFORM_DELETION_CONCURRENTLY);
}

int created_count() { return created_relations_count; }

Oid created(int i) { return created_relations[i]; }

} // namespace zdm::pg
