// SQL functions of the guard.
#include "pg/postgres.hpp"

#include "guard/guard.hpp"

extern "C" {
#pragma GCC visibility push(default)
PG_FUNCTION_INFO_V1(zdm_guarded);
#pragma GCC visibility pop

Datum zdm_guarded(PG_FUNCTION_ARGS) { PG_RETURN_BOOL(zdm::guard::guarded()); }
}
