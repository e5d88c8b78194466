#include "pg/xact.hpp"

namespace zdm::pg
{

void commit_and_start()
{
    MemoryContext here = CurrentMemoryContext;

    drop_snapshots();
    CommitTransactionCommand();
    StartTransactionCommand();
    MemoryContextSwitchTo(here);
}

void abort_and_start()
{
    MemoryContext here = CurrentMemoryContext;

    AbortCurrentTransaction();
    StartTransactionCommand();
    MemoryContextSwitchTo(here);
}

void drop_snapshots()
{
    while (ActiveSnapshotSet()) {
        PopActiveSnapshot();
    }
}

void set_local(const char *name, const char *value)
{
    set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void set_local_ms(const char *name, int milliseconds)
{
    char value[16];

    snprintf(value, sizeof(value), "%d", milliseconds);
    set_local(name, value);
}

} // namespace zdm::pg
