#pragma once
#include "pg/postgres.hpp"

namespace zdm::pg
{

// Asks the postmaster for one piece of shared memory with one lock, both named "zdm". Call from _PG_init,
// when preloaded. `size` is asked once the settings are read. `start` gets the piece: fresh, or found as
// another process made it. After a crash of any backend the postmaster makes it afresh.
void share_memory(Size (*size)(), void (*start)(void *memory, LWLock *lock, bool found));

} // namespace zdm::pg
