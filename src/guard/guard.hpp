#pragma once
// Judges a statement at the hook: pass, warn, reject, rewrite.
#include "pg/utility.hpp"

namespace zdm::guard
{

// Installs what outlives a statement (transaction callbacks). Once, from _PG_init.
void install();

// Deals with a utility statement. False: nothing of ours, the caller passes it on as it is.
bool process(const pg::UtilityCall &call);

// Whether DDL in this session is guarded now: extension in this database, and a mode other than off.
bool guarded();

} // namespace zdm::guard
