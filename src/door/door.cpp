// The porch: the only extern "C" that PostgreSQL sees by name. Each body is one call into a room.
#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "guard/guard.hpp"
#include "jobs/jobs.hpp"
#include "pg/compat.hpp"
#include "pg/utility.hpp"
#include "run/run.hpp"

extern "C" {
// PGDLLEXPORT is empty on ELF before 16, and we compile with -fvisibility=hidden.
#pragma GCC visibility push(default)
PG_MODULE_MAGIC;
void _PG_init(void);
#pragma GCC visibility pop

static object_access_hook_type next_object_access = nullptr;
static emit_log_hook_type next_emit_log = nullptr;
static ExecutorStart_hook_type next_executor_start = nullptr;
static ExecutorRun_hook_type next_executor_run = nullptr;
static ExecutorFinish_hook_type next_executor_finish = nullptr;

static void zdm_process_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
                                ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
                                DestReceiver *dest, QueryCompletion *completion)
{
    const zdm::pg::UtilityCall call{planned, query, read_only_tree, context, params, environment, dest, completion};

    zdm::guard::with_words_of_hold([&] {
        if (!zdm::guard::process(call)) {
            zdm::pg::run_next(call);
        }
    });
}

static void zdm_executor_start(QueryDesc *query, int flags)
{
    zdm::guard::look_at_query(query, flags);
    (next_executor_start != nullptr ? next_executor_start : standard_ExecutorStart)(query, flags);
}

static void zdm_executor_run(ZDM_EXECUTOR_RUN_PARAMETERS)
{
    zdm::guard::with_words_of_hold(
        [&] { (next_executor_run != nullptr ? next_executor_run : standard_ExecutorRun)(ZDM_EXECUTOR_RUN_ARGUMENTS); });
}

// Here triggers fire.
static void zdm_executor_finish(QueryDesc *query)
{
    zdm::guard::with_words_of_hold(
        [&] { (next_executor_finish != nullptr ? next_executor_finish : standard_ExecutorFinish)(query); });
}

static void zdm_object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
    if (access == OAT_POST_CREATE && class_id == RelationRelationId && sub_id == 0) {
        zdm::pg::note_created(object_id);
    }
    if (access == OAT_DROP && class_id == RelationRelationId && sub_id == 0) {
        zdm::run::before_drop(object_id);
    }
    if (next_object_access != nullptr) {
        next_object_access(access, class_id, object_id, sub_id, arg);
    }
}

static void zdm_emit_log(ErrorData *line)
{
    zdm::run::on_log(line);
    if (next_emit_log != nullptr) {
        next_emit_log(line);
    }
}
}

void _PG_init(void)
{
    const bool preloaded = process_shared_preload_libraries_in_progress;

    zdm::conf::define(preloaded);
    zdm::guard::install();
    zdm::pg::set_next_process_utility(ProcessUtility_hook);
    ProcessUtility_hook = zdm_process_utility;
    next_executor_start = ExecutorStart_hook;
    ExecutorStart_hook = zdm_executor_start;
    next_executor_run = ExecutorRun_hook;
    ExecutorRun_hook = zdm_executor_run;
    next_executor_finish = ExecutorFinish_hook;
    ExecutorFinish_hook = zdm_executor_finish;
    next_object_access = object_access_hook;
    object_access_hook = zdm_object_access;
    next_emit_log = emit_log_hook;
    emit_log_hook = zdm_emit_log;
    zdm::jobs::install(preloaded);
}
