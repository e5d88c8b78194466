#pragma once
// Everything that only tells.
#include "pg/postgres.hpp"

namespace zdm::show
{

// zdm.explain(statements text, in_transaction boolean): what the guard would do, as rows.
void explain(FunctionCallInfo fcinfo);

// The rows behind the view zdm.rules.
void rules(FunctionCallInfo fcinfo);

} // namespace zdm::show
