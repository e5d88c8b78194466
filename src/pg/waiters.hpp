#pragma once
#include "pg/postgres.hpp"

namespace zdm::pg
{

// Another session waits for a row that this transaction has changed. Cheap enough to ask every few milliseconds.
bool somebody_waits_for_us();

} // namespace zdm::pg
