#include "pg/postgres.hpp"

#include "store/keeper.hpp"
#include "store/spec.hpp"

namespace zdm::store
{

void tell_listeners(int64 id)
{
    Args args;

    args.big(id);
    if (run("SELECT jsonb_build_object('job', j.id, 'kind', j.kind, 'state', p.state, 'relation', j.relation_name)::text"
            " FROM zdm.job j JOIN zdm.job_progress p ON p.job = j.id WHERE j.id = $1",
            args) > 0) {
        Async_Notify("zdm", text_field(CurrentMemoryContext, 1));
    }
}

} // namespace zdm::store
