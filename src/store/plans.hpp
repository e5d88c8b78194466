#pragma once
// Plans of DDL as they are kept: a job of kind `ddl`, and a row for each of its steps.
// The job's row in job_progress is never written in a step's own transaction, which may hold locks that block others:
// somebody who steers the job may have that row locked. A step's row belongs to whoever holds the plan's lock.
#include "core/plan.hpp"
#include "pg/postgres.hpp"

namespace zdm::store
{

struct NewPlan {
    Oid relation; // InvalidOid: none in particular
    const char *relation_name;
    const char *description;
    const core::Plan *plan;
    std::uint32_t done; // the first steps, which are done already
    bool deferred;      // for a worker, when this transaction has committed
};
// Adds it: queued if deferred, else running.
int64 add_plan(const NewPlan &asked);

struct PlanStep {
    core::Step step;
    const char *state;                        // pending, running, done, failed, undone
    Oid index;                                // that it has built, or is to drop; InvalidOid: not known
    core::List<std::uint32_t> invalid_before; // indexes that were INVALID before it began
};

struct Plan {
    int64 id;
    Oid owner;
    Oid relation;
    const char *relation_name;
    Datum settings;
    const char *state;
    const char *phase; // apply, undo, finish
    bool deferred;     // a worker does all of it
    bool cancelled;
    bool failed; // it has an error already
    core::List<PlanStep> steps;
};
// False: there is no such plan in this database. Its texts are in the arena.
bool load_plan(int64 id, core::Arena arena, Plan *plan);

// What a step has cost those who wanted the same relation.
struct StepTimes {
    int attempts;
    double lock_wait_ms;
    double lock_held_ms;
};

// Steps are numbered from 0 here, from 1 in the table. Each in the current transaction; none fails because the
// extension is gone.
void step_starts(int64 id, int step, const char *phase, Oid index, const core::List<std::uint32_t> &invalid_before);
void step_done(int64 id, int step, const char *phase, const StepTimes &times, Oid index);
void step_undone(int64 id, int step);
void step_failed(int64 id, int step, const char *error);
// `error` null: leave what is there.
void plan_turns(int64 id, const char *phase, const char *sqlstate, const char *error);
void plan_ends(int64 id, const char *state, const char *sqlstate, const char *error);
void forget_plan(int64 id);
// It shall be undone; if it has not begun and nothing is to undo, this is its end. False: it is not open.
bool cancel_plan(int64 id);
bool is_cancelled(int64 id);
// One that failed, from the beginning; what stayed of it stays. False: it is not failed.
bool retry_plan(int64 id);
// A worker takes it up. False: its worker was at work in too many crashes.
bool take_up_plan(int64 id);
void plan_is_quiet(int64 id);
// One that crashes is undone. False: it is being undone.
bool turn_back_plan(int64 id);

struct OpenPlan {
    int64 id;
    Oid owner;
    bool recovering; // it is being undone or finished
};
// The plans of sessions on these relations that are running. Returns how many were written.
int open_plans(const Oid *relations, int count, OpenPlan *found, int room);
// Any plan of this database that is not over; 0: none.
int64 any_open_plan();

// zdm.steps for this caller.
void list_steps(ReturnSetInfo *result, Oid caller);

// How those who can hear that there is work to do are told: now, from any place, also at the end of a process; or
// when this transaction has committed. Installed by whoever has workers.
void announce_through(void (*now)(Oid database), void (*after_commit)());
void announce_now(Oid database);
void announce_after_commit();

} // namespace zdm::store
