#include "pg/attempt.hpp"

namespace zdm::pg
{

ErrorData *attempt_call(MemoryContext keep, void (*body)(void *arg), void *arg)
{
    MemoryContext here = CurrentMemoryContext;
    ErrorData *volatile failure = nullptr;

    PG_TRY();
    {
        body(arg);
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(keep);
        failure = CopyErrorData();
        FlushErrorState();
    }
    PG_END_TRY();

    MemoryContextSwitchTo(here);
    return failure;
}

} // namespace zdm::pg
