#pragma once
#include "pg/postgres.hpp"

namespace zdm::jobs
{

// In a worker: a backfill, from where it is to its end, or until somebody stops it.
void work_on_backfill(int64 id);

} // namespace zdm::jobs
