#include "pg/utility.hpp"

#include "pg/compat.hpp"

namespace zdm::pg
{

namespace
{

ProcessUtility_hook_type next_process_utility = nullptr;

constexpr int kMaxCreated = 64;
Oid created_relations[kMaxCreated];
int created_relations_count = 0;

} // namespace

void set_next_process_utility(ProcessUtility_hook_type next) { next_process_utility = next; }

void run_next(const UtilityCall &call)
{
    const ProcessUtility_hook_type next =
        next_process_utility != nullptr ? next_process_utility : standard_ProcessUtility;

    next(call.planned, call.query, call.read_only_tree, call.context, call.params, call.environment, call.dest,
         call.completion);
}

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
        call.planned = wrap_utility(raw->stmt, raw->stmt_location, raw->stmt_len);
        call.query = sql;
        call.context = context;
        call.dest = None_Receiver;
        run_next(call);
    }
}

void clear_created() { created_relations_count = 0; }

void note_created(Oid relation)
{
    if (created_relations_count < kMaxCreated) {
        created_relations[created_relations_count++] = relation;
    }
}

int created_count() { return created_relations_count; }

Oid created(int i) { return created_relations[i]; }

} // namespace zdm::pg
