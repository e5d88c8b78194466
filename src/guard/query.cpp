#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "guard/assurance.hpp"
#include "guard/guard.hpp"
#include "guard/hold.hpp"
#include "guard/query.hpp"
#include "guard/record.hpp"
#include "guard/tell.hpp"
#include "inspect/inspect.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::guard
{

namespace
{

int busy = 0;

bool stands_aside(const QueryDesc *query, int flags)
{
    return conf::off() || busy > 0 || (flags & EXEC_FLAG_EXPLAIN_ONLY) != 0 ||
           query->plannedstmt->utilityStmt != nullptr || creating_extension || IsBinaryUpgrade ||
           IsBootstrapProcessingMode() || IsParallelWorker() || RecoveryInProgress() || pg::in_autovacuum_worker() ||
           IsLogicalWorker() || pg::in_own_worker() ||
           // What follows from foreign keys was decided with the statement itself.
           InSecurityRestrictedOperation() || InNoForceRLSOperation() || !guarded();
}

// By numbers alone: for most queries this is all.
bool is_of_interest(const QueryDesc *query)
{
    const PlannedStmt *planned = query->plannedstmt;

    return core::is_bulk(inspect::rows_written(planned),
                         planned->planTree == nullptr ? 0 : planned->planTree->total_cost, conf::max_dml_rows()) ||
           (has_record() && conf::action(core::Rule::StatementAfterAccessExclusive) != core::Action::Allow);
}

bool is_restore(const core::Settings &settings)
{
    return settings.allow_safety_assured && application_name != nullptr && strcmp(application_name, "pg_restore") == 0;
}

void tell(core::Arena arena, const QueryDesc *query, const core::Settings &settings, const core::Footprint &past)
{
    int location = 0;
    core::Query facts = inspect::query_of(arena, settings, query->plannedstmt,
                                          inspect::source_of(arena, query->plannedstmt, query->sourceText, &location));
    const bool in_block = IsTransactionBlock() || has_record();
    core::Statement statement = core::judge_query(arena, settings, past, facts);
    core::Verdict verdict = core::judge(arena, settings, statement, in_block, false);

    if (verdict.ruling == core::Ruling::Pass) {
        return;
    }
    if (is_assured(settings)) {
        use_up_assurance(facts.text, in_block);
        return;
    }
    if (facts.changes_rows) {
        // Parameters, which may be variables of a function, mean nothing elsewhere.
        const bool has_parameters = query->params != nullptr && query->params->numParams > 0;
        facts.batched =
            inspect::batched(arena, has_parameters ? "" : facts.text, facts.relation, settings.max_dml_rows);
        statement = core::judge_query(arena, settings, past, facts);
        verdict = core::judge(arena, settings, statement, in_block, false);
    }
    const Judged judged{arena, &settings, &statement, &verdict, facts.text, in_block, false};
    warn(judged);
    if (verdict.ruling == core::Ruling::Reject) {
        reject(judged);
    }
}

} // namespace

void busy_while(MemoryContext statement)
{
    if (statement == nullptr) {
        return;
    }
    // The end of the context is the one thing that an error and a success have in common.
    auto *callback = static_cast<MemoryContextCallback *>(MemoryContextAlloc(statement, sizeof(MemoryContextCallback)));
    callback->func = [](void *) { busy--; };
    callback->arg = nullptr;
    MemoryContextRegisterResetCallback(statement, callback);
    busy++;
}

void look_at_query(const QueryDesc *query, int flags)
{
    if (conf::max_dml_rows() == 0 && !has_record()) {
        return;
    }
    const bool of_interest = is_of_interest(query);
    if ((!of_interest && !conf::limits_lock_hold()) || stands_aside(query, flags)) {
        return;
    }
    warn_of_hold();
    const core::Settings settings = conf::current();
    if (!of_interest || is_restore(settings)) {
        return;
    }

    MemoryContext before = CurrentMemoryContext;
    MemoryContext mine = AllocSetContextCreate(before, "zdm query", ALLOCSET_SMALL_SIZES);
    MemoryContextSwitchTo(mine);
    tell(pg::arena(mine), query, settings, record(pg::arena(mine)));
    MemoryContextSwitchTo(before);
    MemoryContextDelete(mine);
}

} // namespace zdm::guard
