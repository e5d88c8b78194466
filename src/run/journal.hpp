#pragma once
// The job as which a session's plan is recorded, from before its first step to after its last.
#include "run/step.hpp"

namespace zdm::run
{

// Records the plan if it has something to leave behind, and marks this session as at work on it. Its own transaction.
void open_journal(Run *run, const core::Plan &plan, const core::Statement &statement);

// Before a step that may take long, in its own transaction.
void note_start(const Run &run, int number, const char *phase, Oid index, const Oids &invalid_before);
// In the step's transaction.
void note_done(const Run &run, int number, const char *phase, const store::StepTimes &times, Oid index);
// In transactions of their own; no error leaves them, the launcher makes up for what they could not write.
void note_failure(const Run &run, int number, const ErrorData *why);
void note_undone(const Run &run, int number);
// It is over: nobody is at work on it any more. `state` null: forget that it ever was.
void close_journal(Run *run, const char *state, const ErrorData *why);
// Leaves it to whoever goes on in our place.
void abandon_journal(Run *run);

// An error as jobs and steps show it.
const char *text_of(const ErrorData *why);

} // namespace zdm::run
