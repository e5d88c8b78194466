#pragma once
#include "pg/postgres.hpp"

namespace zdm::pg
{

// A utility statement as the hook gets it.
struct UtilityCall {
    PlannedStmt *planned;
    const char *query;
    bool read_only_tree;
    ProcessUtilityContext context;
    ParamListInfo params;
    QueryEnvironment *environment;
    DestReceiver *dest;
    QueryCompletion *completion;
};

// The rest of the hook chain: what was there before us, down to PostgreSQL itself.
void set_next_process_utility(ProcessUtility_hook_type next);
void run_next(const UtilityCall &call);

// Parses SQL made by us and sends each statement down the chain. Needs an active snapshot.
void run_sql(const char *sql, ProcessUtilityContext context);

// Relations created since watch_created(true), until watch_created(false). Filled by note_created(), from the object
// access hook; for undoing what a failed concurrent build left.
void watch_created(bool watch);
void note_created(Oid relation);
int created_count();
Oid created(int i);

// DROP INDEX CONCURRENTLY by OID, so that no name is looked up: a role may own an index in a schema that it may not
// use, such as pg_toast. Commits; needs an active snapshot, leaves a transaction open.
void drop_index_concurrently(Oid index);

} // namespace zdm::pg
