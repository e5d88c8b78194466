#pragma once
// Who is at work on a plan: its session or worker holds a lock on the plan's job that no commit and no abort gives
// back, and that the system takes away when the process ends, however it ends. Whoever gets it may go on in its place.
#include "pg/postgres.hpp"

namespace zdm::pg
{

// Takes the lock without waiting; false: somebody else has it.
bool hold_plan(int64 job);
void release_plan(int64 job);
// Again, if a function of the user's has given all advisory locks of the session back.
bool still_hold_plan(int64 job);

// Whether somebody is at work on it, other than this session.
bool is_plan_held(int64 job);
// The process that is; 0: none.
int plan_holder(int64 job);

} // namespace zdm::pg
