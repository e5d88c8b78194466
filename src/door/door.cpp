// The porch: the only extern "C" that PostgreSQL sees by name. Each body is one call into a room.
#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "guard/guard.hpp"
#include "jobs/jobs.hpp"
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

static void zdm_process_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
                                ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
                                DestReceiver *dest, QueryCompletion *completion)
{
    const zdm::pg::UtilityCall call{planned, query, read_only_tree, context, params, environment, dest, completion};

    if (!zdm::guard::process(call)) {
        zdm::pg::run_next(call);
    }
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
    next_object_access = object_access_hook;
    object_access_hook = zdm_object_access;
    next_emit_log = emit_log_hook;
    emit_log_hook = zdm_emit_log;
    zdm::jobs::install(preloaded);
}
