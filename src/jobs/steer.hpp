#pragma once
#include "pg/postgres.hpp"

namespace zdm::jobs
{

// Once: what is done at the end of a transaction that asked for a job or steered one.
void watch_commits();
// When this transaction has committed, somebody looks at the jobs of this database. After a rollback nobody
// does.
void look_after_commit();

} // namespace zdm::jobs
