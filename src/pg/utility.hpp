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

// Relations that the chain created since the last clear_created(). Filled by note_created(), from the object access
// hook; for undoing what a failed concurrent build left.
void clear_created();
void note_created(Oid relation);
int created_count();
Oid created(int i);

} // namespace zdm::pg
