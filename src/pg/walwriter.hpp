#pragma once
#include "pg/postgres.hpp"

namespace zdm::pg
{

// A session that commits must wait until all WAL before its own is on disk, a big writer's too. From one call to the
// other the WAL writer is woken every few milliseconds, so that what others have to wait for stays small. (Measured
// in windows of half a second, in turn with and without, under 100 to 400 point updates a second: their p50 is 10 to
// 25 % lower with it, their p90 and p99 40 to 75 %.)
void keep_walwriter_awake();
void let_walwriter_sleep();

} // namespace zdm::pg
