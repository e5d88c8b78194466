#include "jobs/board.hpp"
#include "jobs/jobs.hpp"
#include "jobs/steer.hpp"

#include "store/store.hpp"

namespace zdm::jobs
{

void install(bool preloaded)
{
    watch_commits();
    store::announce_through(
        [](Oid database) {
            if (board::exists()) {
                board::wish(database, false);
            }
        },
        look_after_commit);
    if (!preloaded || IsBinaryUpgrade) {
        return;
    }
    board::install();

    BackgroundWorker launcher{};
    strlcpy(launcher.bgw_name, "zdm launcher", BGW_MAXLEN);
    strlcpy(launcher.bgw_type, "zdm launcher", BGW_MAXLEN);
    strlcpy(launcher.bgw_library_name, "zdm", BGW_MAXLEN);
    strlcpy(launcher.bgw_function_name, "zdm_launcher_main", BGW_MAXLEN);
    launcher.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    // On a standby: after promotion.
    launcher.bgw_start_time = BgWorkerStart_RecoveryFinished;
    launcher.bgw_restart_time = 1;
    RegisterBackgroundWorker(&launcher);
}

} // namespace zdm::jobs
