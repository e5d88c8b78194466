// A step that a background job does. The plan waits for it with nothing in hand.
#include "pg/postgres.hpp"

#include "pg/memory.hpp"
#include "pg/report.hpp"
#include "pg/xact.hpp"
#include "run/run.hpp"
#include "store/store.hpp"

namespace zdm::run
{

namespace
{

constexpr int kLookAgainMs = 50;

int64 start(const core::Step &step)
{
    int64 job = 0;

    pg::with_snapshot([&] {
        bool null = false;
        SPI_connect();
        SPI_execute(pg::cstring(step.sql), false, 0);
        job = SPI_processed == 0 ? 0
                                 : DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
        SPI_finish();
    });
    pg::commit_and_start();
    return job;
}

[[noreturn]] void raise(int64 job, const store::Fate &fate)
{
    const char *code = fate.sqlstate != nullptr && strlen(fate.sqlstate) == 5 ? fate.sqlstate : "57014";

    ereport(ERROR,
            (errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
             errmsg("%s", fate.error == nullptr ? "the backfill did not come to its end" : fate.error),
             errdetail("Job " INT64_FORMAT " (%s of %s) is %s.", job, fate.kind, fate.relation_name, fate.state)));
}

bool is_done(int64 job)
{
    store::Fate fate{};
    bool known = false;

    pg::with_snapshot([&] { known = store::look(job, &fate); });
    if (!known) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("job " INT64_FORMAT " is gone", job)));
    }
    if (strcmp(fate.state, "failed") == 0 || strcmp(fate.state, "cancelled") == 0) {
        raise(job, fate);
    }
    return strcmp(fate.state, "done") == 0;
}

} // namespace

void require_workers()
{
    if (GetConfigOption("zdm.max_workers", true, false) == nullptr) {
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("filling a column needs background workers, and zdm was not preloaded"),
                        errhint("Add zdm to shared_preload_libraries and restart the server.")));
    }
}

void fill(const core::Step &step)
{
    const int64 job = start(step);
    MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "zdm fill", ALLOCSET_SMALL_SIZES);

    for (bool done = false; !done;) {
        MemoryContext before = MemoryContextSwitchTo(memory);
        done = is_done(job);
        pg::commit_and_start();
        MemoryContextSwitchTo(before);
        MemoryContextReset(memory);
        if (!done) {
            wait_ms(kLookAgainMs);
        }
    }
    MemoryContextDelete(memory);
}

void stop_fill(const core::Step &step)
{
    pg::with_snapshot([&] {
        SPI_connect();
        SPI_execute(pg::cstring(step.undo), false, 0);
        SPI_finish();
    });
}

bool stays(const core::Step &step)
{
    const core::Arena arena = pg::arena(CurrentMemoryContext);
    bool holds = step.by_hand;

    if (!step.undo_unless.empty()) {
        pg::with_snapshot([&] {
            SPI_connect();
            SPI_execute(pg::cstring(step.undo_unless), true, 1);
            holds = SPI_processed > 0;
            SPI_finish();
        });
    }
    if (holds) {
        pg::report(WARNING, "01ZDM", core::stays(arena, step));
    }
    return holds;
}

} // namespace zdm::run
