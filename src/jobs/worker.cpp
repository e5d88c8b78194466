// A worker takes one job of one database and ends with it; the next job gets a fresh process, which owes
// nothing to what the job's triggers and functions have done to this one.
#include "jobs/board.hpp"
#include "jobs/filling.hpp"
#include "jobs/jobs.hpp"
#include "jobs/plan.hpp"
#include "jobs/process.hpp"

#include "conf/conf.hpp"
#include "store/store.hpp"

namespace zdm::jobs
{

namespace
{

constexpr int kMostJobs = 256;

// Nothing of the database's or the bootstrap role's settings may change what a job does.
void settle_session()
{
    const struct {
        const char *name;
        const char *value;
    } settings[] = {
        {"search_path", "pg_catalog, pg_temp"},
        {"statement_timeout", "0"},
        {"idle_in_transaction_session_timeout", "0"},
        {"default_transaction_isolation", "read committed"},
        {"default_transaction_read_only", "off"},
        {"default_transaction_deferrable", "off"},
        {"session_replication_role", "origin"},
        {"client_min_messages", "error"},
        {"row_security", "off"},
    };
    for (const auto &setting : settings) {
        SetConfigOption(setting.name, setting.value, PGC_SUSET, PGC_S_OVERRIDE);
    }
}

// A job of this database that nobody has, claimed; 0: there is none. Some may be left for others.
store::Wanting find_job(MemoryContext keep)
{
    store::Wanting jobs[kMostJobs];
    int count = 0;
    bool blocked = false;

    ErrorData *failure = in_transaction(keep, [&] {
        if (store::installed()) {
            count = store::runnable(jobs, kMostJobs);
        }
    });
    if (failure != nullptr) {
        ereport(LOG, errmsg("zdm worker could not look for jobs: %s", failure->message));
        return {};
    }
    for (int i = 0; i < count; i++) {
        // Its turn comes when another has ended.
        blocked = blocked || jobs[i].blocked;
        // Of a plan whose session is at work nothing is wanted; when it dies, it asks.
        if (jobs[i].is_plan && (jobs[i].blocked || !take_plan(jobs[i].id, keep))) {
            continue;
        }
        if (board::claim(jobs[i].id)) {
            if (i + 1 < count) {
                board::wish(MyDatabaseId, false);
            }
            return jobs[i];
        }
    }
    board::leave_behind(blocked);
    return {};
}

void name_process(int64 job)
{
    char name[NAMEDATALEN];

    snprintf(name, sizeof(name), "zdm job " INT64_FORMAT, job);
    SetConfigOption("application_name", name, PGC_USERSET, PGC_S_SESSION);
}

} // namespace

void worker_main(int slot)
{
    const Oid database = board::attach(slot);

    if (!OidIsValid(database)) {
        proc_exit(0);
    }
    handle_signals();
    BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
    settle_session();

    const store::Wanting found = leaving() || !conf::current().run_jobs ? store::Wanting{} : find_job(TopMemoryContext);
    const int64 id = found.id;
    if (found.is_plan) {
        name_process(id);
        resolve_plan(id, TopMemoryContext);
    } else if (id != 0) {
        char lock_timeout[16];
        snprintf(lock_timeout, sizeof(lock_timeout), "%d", conf::current().lock_timeout_ms);
        SetConfigOption("lock_timeout", lock_timeout, PGC_SUSET, PGC_S_OVERRIDE);
        name_process(id);
        work_on_backfill(id);
    }
    pgstat_report_stat(true);
    proc_exit(0);
}

} // namespace zdm::jobs
