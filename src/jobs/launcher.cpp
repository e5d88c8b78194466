// The launcher sees shared catalogs only. It keeps a list of databases where somebody should look for work,
// and starts a worker for each as slots become free; the worker finds the job, or finds nothing and ends. A
// database gets on the list when a session commits a new job, when a worker ends with work left, and, all of
// them, when the server starts or zdm.run_jobs is turned on. So an idle database costs nothing, and whatever
// dies is started again from the tables.
#include "jobs/board.hpp"
#include "jobs/jobs.hpp"
#include "jobs/process.hpp"

#include "conf/conf.hpp"
#include "pg/compat.hpp"

namespace zdm::jobs
{

namespace
{

constexpr int kLaterMs = 1000;
// After a start, so that a database whose workers bring the server down again and again leaves others time to connect.
constexpr int kAfterStartMs = 2000;
constexpr int kIdleMs = 60 * 1000;
constexpr int kMostSlots = 64;

struct Launcher {
    MemoryContext memory;
    List *now;   // databases, in order
    List *later; // the same, not before `due`
    TimestampTz due;
    bool ran_jobs;
    bool complained;
    BackgroundWorkerHandle *workers[kMostSlots]; // those started; null: none
};

// Databases that can be connected to; templates only if asked for, since a worker in one hinders those who
// copy it.
List *all_databases(MemoryContext keep, bool templates)
{
    List *databases = NIL;

    ErrorData *failure = in_transaction(keep, [&] {
        Relation relation = table_open(DatabaseRelationId, AccessShareLock);
        TableScanDesc scan = table_beginscan_catalog(relation, 0, nullptr);
        HeapTuple tuple = nullptr;
        while ((tuple = heap_getnext(scan, ForwardScanDirection)) != nullptr) {
            const auto *database = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
            if (database->datallowconn && (templates || !database->datistemplate)) {
                MemoryContext here = MemoryContextSwitchTo(keep);
                databases = lappend_oid(databases, database->oid);
                MemoryContextSwitchTo(here);
            }
        }
        table_endscan(scan);
        table_close(relation, AccessShareLock);
    });
    if (failure != nullptr) {
        ereport(LOG, errmsg("zdm launcher could not list the databases: %s", failure->message));
        FreeErrorData(failure);
    }
    return databases;
}

// True: the worker for this slot is on the way.
bool start_worker(Launcher *launcher, int slot)
{
    BackgroundWorker worker{};

    strlcpy(worker.bgw_name, "zdm worker", BGW_MAXLEN);
    strlcpy(worker.bgw_type, "zdm worker", BGW_MAXLEN);
    strlcpy(worker.bgw_library_name, "zdm", BGW_MAXLEN);
    strlcpy(worker.bgw_function_name, "zdm_worker_main", BGW_MAXLEN);
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION | pg::kInterruptibleWorker;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    worker.bgw_main_arg = Int32GetDatum(slot);
    worker.bgw_notify_pid = MyProcPid;

    MemoryContext here = MemoryContextSwitchTo(launcher->memory);
    const bool registered = RegisterDynamicBackgroundWorker(&worker, &launcher->workers[slot]);
    MemoryContextSwitchTo(here);
    if (!registered) {
        launcher->workers[slot] = nullptr;
        board::release(slot);
        if (!launcher->complained) {
            ereport(WARNING, errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                    errmsg("zdm could not start a worker: out of background worker slots"),
                    errhint("Increase \"max_worker_processes\"."));
            launcher->complained = true;
        }
        return false;
    }
    launcher->complained = false;
    return true;
}

// Workers that ended before they took their slot (no memory for a process, a database that is gone) leave it
// to us.
void clear_away(Launcher *launcher)
{
    for (int i = 0; i < kMostSlots; i++) {
        pid_t pid = 0;
        if (launcher->workers[i] != nullptr && GetBackgroundWorkerPid(launcher->workers[i], &pid) == BGWH_STOPPED) {
            pfree(launcher->workers[i]);
            launcher->workers[i] = nullptr;
            board::release(i);
        }
    }
    board::release_forgotten();
}

void read_board(Launcher *launcher)
{
    const bool runs_jobs = conf::current().run_jobs;

    MemoryContext here = MemoryContextSwitchTo(launcher->memory);
    List *later = NIL;
    const bool everywhere = board::take_wishes(&launcher->now, &later);
    if (later != NIL) {
        if (launcher->later == NIL) {
            launcher->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kLaterMs);
        }
        launcher->later = list_concat_unique_oid(launcher->later, later);
        list_free(later);
    }
    if (launcher->later != NIL && GetCurrentTimestamp() >= launcher->due) {
        launcher->now = list_concat_unique_oid(launcher->now, launcher->later);
        list_free(launcher->later);
        launcher->later = NIL;
    }
    if (everywhere || (runs_jobs && !launcher->ran_jobs)) {
        List *all = all_databases(launcher->memory, false);
        List **when = everywhere ? &launcher->later : &launcher->now;
        if (everywhere) {
            launcher->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kAfterStartMs);
        }
        *when = list_concat_unique_oid(*when, all);
        list_free(all);
    }
    MemoryContextSwitchTo(here);
    launcher->ran_jobs = runs_jobs;
}

// A worker in a database that was dropped meanwhile would only fail, and ask for another.
void forget_dropped(Launcher *launcher)
{
    if (launcher->now == NIL) {
        return;
    }
    MemoryContext here = MemoryContextSwitchTo(launcher->memory);
    List *all = all_databases(launcher->memory, true);
    List *there = NIL;
    ListCell *cell = nullptr;
    foreach (cell, launcher->now) {
        if (list_member_oid(all, lfirst_oid(cell))) {
            there = lappend_oid(there, lfirst_oid(cell));
        }
    }
    list_free(all);
    list_free(launcher->now);
    launcher->now = there;
    MemoryContextSwitchTo(here);
}

// Starts what can be started. True: something could not be.
bool start_workers(Launcher *launcher)
{
    forget_dropped(launcher);
    while (launcher->now != NIL && conf::current().run_jobs && !leaving()) {
        const Oid database = linitial_oid(launcher->now);
        const int slot = board::reserve(database);
        if (slot < 0) {
            return false; // a worker that ends wakes us
        }
        if (launcher->workers[slot] != nullptr) {
            // Its former worker took the slot and left it, but has not been reaped yet.
            pfree(launcher->workers[slot]);
            launcher->workers[slot] = nullptr;
        }
        if (!start_worker(launcher, slot)) {
            return true;
        }
        launcher->now = list_delete_first(launcher->now);
    }
    return false;
}

} // namespace

void launcher_main()
{
    static uint32 event = 0;

    handle_signals();
    BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
    board::launcher_arrives();

    auto *launcher = static_cast<Launcher *>(MemoryContextAllocZero(TopMemoryContext, sizeof(Launcher)));
    launcher->memory = AllocSetContextCreate(TopMemoryContext, "zdm launcher", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(launcher->memory);
    launcher->ran_jobs = true; // the board says itself that the server has just started

    while (!leaving()) {
        clear_away(launcher);
        read_board(launcher);
        const bool again = start_workers(launcher);
        doze(again || launcher->later != NIL ? kLaterMs / 4.0 : kIdleMs, "ZdmLauncherMain", &event);
    }
    // Anything but 0: the postmaster starts us again, unless it is shutting down.
    proc_exit(1);
}

} // namespace zdm::jobs
