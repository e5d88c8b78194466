#pragma once
// A plan, now: steps across transactions, the lock ladder, who blocks us.
#include "core/plan.hpp"
#include "core/words.hpp"
#include "pg/utility.hpp"

namespace zdm::run
{

// How long to go on. statement_timeout ends it a little earlier than itself, so that the error names the blockers.
struct Patience {
    TimestampTz started;
    TimestampTz deadline;
    int attempts;

    [[nodiscard]] bool over() const { return GetCurrentTimestamp() >= deadline; }
};
Patience begin(const core::Settings &settings);

// Milliseconds until then, at least 1: a limit of 0 would be none.
int ms_until(TimestampTz end);

// Sleeps interruptibly. The caller holds nothing that others may want.
void wait_ms(int ms);

enum class Outcome : std::uint8_t {
    Done,
    Behind,  // somebody with an old transaction holds what we want: nothing was asked for
    Changed, // under the locks the statement means something else than before
};

// Takes all locks within settings.lock_timeout_ms and runs body under what is left of it. Raises 55P03.
// `blocked_on` says what was being waited for. Body returns whether it ran (else: Changed).
using Body = bool (*)(void *arg);
// `commits`: body commits by itself, so that no lock taken before it would last; it is left to take its own.
Outcome under_locks(const core::Settings &settings, const core::List<core::Target> &targets, bool commits, Body body,
                    void *arg, core::Target *blocked_on);

// The same for a statement that owns its transaction: again and again in fresh transactions that hold nothing
// meanwhile. May commit and abort. Leaves a transaction open. False: Changed, a fresh transaction is open.
// Raises 55P03 naming the blockers.
bool climb(const core::Settings &settings, Patience &patience, const core::List<core::Target> &targets, bool commits,
           Body body, void *arg);

// The same inside a user's transaction block: locks in a subtransaction, body outside of it.
bool climb_in_block(const core::Settings &settings, Patience &patience, const core::List<core::Target> &targets,
                    Body body, void *arg);

// After a failed look at a relation: waits for it, or raises 55P03.
void wait_to_look(const core::Settings &settings, Patience &patience, const core::Target &busy, bool own_transaction);

// Runs a plan to its end, or undoes it and raises what stopped it. Must be called at top level, outside a block.
// False: undone, because another session has taken a name that the plan had chosen; plan again.
bool execute(const core::Settings &settings, const core::Plan &plan, const core::Statement &statement,
             MemoryContext keep);

// Undoes or finishes a plan whose session has died, in transactions of its own. The caller holds the plan's lock
// (pg/plan_lock.hpp). Null: it is resolved, or there is none; else what hinders it. `limit_ms`: how long to wait where
// nobody is blocked. A plan that is a worker's is done; `stops` says that this process must end, and it is left for the
// next one.
ErrorData *recover(const core::Settings &settings, int64 job, MemoryContext keep, int limit_ms, bool (*stops)());

// Does steps that are all instant, in the user's own transaction. False: `still_holds` says that the statement has come
// to mean something else; nothing is done.
bool do_now(const core::Settings &settings, Patience &patience, const core::Plan &now, Body still_holds, void *arg);

// Waits until no plan is open on the statement's relations whose session has died, and helps if nobody else will.
// True: the statement must be judged anew. Raises 55P03. Outside a block it commits.
bool await_plans(const core::Settings &settings, Patience &patience, const core::Statement &statement, bool in_block);

// 55000 if the relation is one of ours and a plan is open: the extension is being dropped.
void before_drop(Oid relation);

// A step of kind Fill: starts the job, and waits until it is done. Raises what it failed with.
void fill(const core::Step &step);
void stop_fill(const core::Step &step);
// Raises if there are no workers that could do it.
void require_workers();
// Whether the step must not be undone: others have written to its column since, or it cannot be. Says so.
bool stays(const core::Step &step);

// A plan that fits into the user's own transaction. False: Changed.
bool execute_in_block(const core::Settings &settings, Patience &patience, const core::Plan &plan);

// Runs a statement whose waits block nobody without lock_timeout: one that fires in the middle of a concurrent build
// leaves an INVALID index.
void unlimited(const pg::UtilityCall &call, std::string_view text, const core::Relation &relation, bool commits);

// Sees every line for the server's log; see waiting.cpp.
void on_log(ErrorData *line);

// Sessions that hold a lock which conflicts with the wanted one.
core::List<core::Blocker> blockers(core::Arena arena, const core::Target &wanted);

// Whether one of them has been in its transaction for longer than settings.long_transaction_ms. Autovacuum that can
// be sent away does not count.
bool behind_long_transaction(const core::Settings &settings, const core::Target &wanted);

} // namespace zdm::run
