// SQL functions that only tell.
#include "pg/postgres.hpp"

#include "show/show.hpp"

extern "C" {
#pragma GCC visibility push(default)
PG_FUNCTION_INFO_V1(zdm_explain);
PG_FUNCTION_INFO_V1(zdm_rules);
#pragma GCC visibility pop

Datum zdm_explain(PG_FUNCTION_ARGS)
{
    zdm::show::explain(fcinfo);
    return static_cast<Datum>(0);
}

Datum zdm_rules(PG_FUNCTION_ARGS)
{
    zdm::show::rules(fcinfo);
    return static_cast<Datum>(0);
}
}
