#pragma once
// A clock that ends what this session does: it cancels a running statement, or ends the session where it idles in its
// transaction.
#include "pg/postgres.hpp"

namespace zdm::pg
{

// (Re)starts the clock. `ends_session`: not only cancels.
void cut_off_at(TimestampTz end, bool ends_session);

// Stops it; what it may have asked for and nobody has done yet is taken back.
void spare();

// It has fired since it was started.
bool is_cut_off();

} // namespace zdm::pg
