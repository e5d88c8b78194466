#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "guard/assurance.hpp"
#include "guard/at_commit.hpp"
#include "guard/guard.hpp"
#include "guard/hold.hpp"
#include "guard/query.hpp"
#include "guard/record.hpp"
#include "guard/tell.hpp"
#include "inspect/inspect.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/report.hpp"
#include "pg/syntax.hpp"
#include "pg/xact.hpp"
#include "run/run.hpp"
#include "store/store.hpp"

namespace zdm::guard
{

namespace
{

// PostgreSQL refuses most DDL in a read-only transaction, but not the kind that only rewrites what is there.
bool will_be_refused(const pg::UtilityCall &call)
{
    const Node *utility = call.planned->utilityStmt;

    return XactReadOnly && !IsA(utility, VacuumStmt) && nodeTag(utility) != pg::kCluster &&
           !IsA(utility, ReindexStmt) && !IsA(utility, LockStmt);
}

// Where the hook must not act, and mostly must not even look at a catalog.
bool stands_aside(const pg::UtilityCall &call)
{
    return conf::off() || !inspect::may_concern(call.planned->utilityStmt) ||
           call.context == PROCESS_UTILITY_SUBCOMMAND || !IsTransactionState() || creating_extension ||
           IsBinaryUpgrade || IsBootstrapProcessingMode() || IsParallelWorker() || IsInParallelMode() ||
           RecoveryInProgress() || pg::in_autovacuum_worker() || IsLogicalWorker() || InSecurityRestrictedOperation() ||
           will_be_refused(call) || ActivePortal == nullptr;
}

bool is_restore(const core::Settings &settings)
{
    return settings.allow_safety_assured && application_name != nullptr && strcmp(application_name, "pg_restore") == 0;
}

// One statement on its way through.
struct Passage {
    pg::UtilityCall call;
    core::Settings settings;
    core::Arena arena;
    std::string_view text;
    int location;
    bool in_block;
    bool assured;
    run::Patience patience;
    inspect::Finding finding;
    core::Verdict verdict;
    core::Footprint footprint;
    bool judged_later;
};

// By what the transaction has done before. CREATE TABLE is one with several foreign keys by itself.
void judge_in_transaction(Passage &passage)
{
    const Node *utility = passage.call.planned->utilityStmt;
    core::Statement &statement = passage.finding.statement;

    passage.footprint = core::Footprint(passage.arena);
    if ((!passage.in_block && !IsA(utility, CreateStmt)) || (passage.finding.aside && !IsA(utility, CreateStmt))) {
        return;
    }
    passage.footprint = inspect::footprint(passage.arena, passage.settings, utility, statement);
    core::judge_shape(passage.arena, record(passage.arena), passage.footprint, &statement);
    for (const core::Part &note : statement.notes) {
        passage.finding.aside =
            passage.finding.aside && core::action_of(passage.settings, note.rule) == core::Action::Allow;
    }
}

// Looks and judges; waits for relations that somebody holds against readers.
void look(Passage &passage)
{
    for (;;) {
        passage.finding = inspect::facts(passage.arena, passage.settings, passage.call.planned->utilityStmt,
                                         passage.text, passage.location, passage.call.query, inspect::Purpose::Guard);
        if (passage.finding.busy.relation.oid == InvalidOid) {
            break;
        }
        if (passage.settings.mode == core::Mode::Warn) {
            // Change nothing, not even the waiting.
            passage.finding.aside = true;
            break;
        }
        run::wait_to_look(passage.settings, passage.patience, passage.finding.busy, !passage.in_block);
    }
    judge_in_transaction(passage);
    passage.verdict =
        core::judge(passage.arena, passage.settings, passage.finding.statement, passage.in_block, passage.assured);
}

Judged judged(const Passage &passage)
{
    return {passage.arena,    &passage.settings, &passage.finding.statement, &passage.verdict, passage.text,
            passage.in_block, passage.assured};
}

// Whether all that speaks against the statement may yet be made up for in its transaction block.
bool all_can_wait(const Passage &passage)
{
    for (const core::Part &part : passage.verdict.findings) {
        if (!can_wait_for_commit(part)) {
            return false;
        }
    }
    return passage.in_block &&
           (passage.verdict.ruling == core::Ruling::Reject || passage.verdict.ruling == core::Ruling::Warn);
}

// Each relation by itself: one of them may be made up for.
void wait_with_all(const Passage &passage, const core::Verdict *would)
{
    for (const core::Part &part : passage.verdict.findings) {
        const core::Statement &statement = passage.finding.statement;
        const bool reject = passage.verdict.ruling == core::Ruling::Reject;
        core::Verdict one = passage.verdict;
        one.findings = core::List<core::Part>(passage.arena);
        one.findings.push(part);
        one.weaker = core::List<core::Part>(passage.arena);
        wait_for_commit(part, reject ? ERROR : WARNING,
                        reject ? core::rejected(passage.arena, passage.settings, statement, one)
                               : core::warned(passage.arena, passage.settings, statement, one, would),
                        passage.text);
    }
}

// What can wait for the end of the block is said there.
void say(const Passage &passage)
{
    const bool later = passage.verdict.ruling == core::Ruling::Warn && all_can_wait(passage);

    warn(judged(passage), later);
    if (later && passage.settings.mode == core::Mode::Warn) {
        const core::Verdict would = would_be(judged(passage));
        wait_with_all(passage, &would);
    } else if (later) {
        wait_with_all(passage, nullptr);
    }
}

// Under the locks: is it still the statement that was judged?
bool still_holds(Passage &passage)
{
    const inspect::Finding now =
        inspect::facts(passage.arena, passage.settings, passage.call.planned->utilityStmt, passage.text,
                       passage.location, passage.call.query, inspect::Purpose::Guard);
    const core::Verdict verdict =
        core::judge(passage.arena, passage.settings, now.statement, passage.in_block, passage.assured);

    return now.busy.relation.oid != InvalidOid || now.aside || verdict.ruling <= core::Ruling::Warn;
}

// As written, under the lock rules.
bool run_as_written(Passage &passage)
{
    const core::Statement &statement = passage.finding.statement;
    const run::Body body = [](void *arg) {
        auto *with = static_cast<Passage *>(arg);
        if (!with->assured && !with->judged_later && !still_holds(*with)) {
            return false;
        }
        if (with->in_block) {
            // Held from now on, however long the statement takes.
            note_holds(with->footprint);
            limit_hold();
        }
        pg::run_next(with->call);
        return true;
    };

    if (passage.in_block) {
        if (!run::climb_in_block(passage.settings, passage.patience, statement.targets, body, &passage)) {
            look(passage);
            return false;
        }
        return true;
    }
    return run::climb(passage.settings, passage.patience, statement.targets, statement.commits, body, &passage);
}

// What is instant now, in the user's transaction; the rest as a job that exists if it commits.
bool defer(Passage &passage)
{
    const core::Statement statement = passage.finding.statement;
    const core::Deferral split = core::deferred(passage.arena, passage.settings, statement);
    const run::Body still_deferred = [](void *arg) {
        auto *with = static_cast<Passage *>(arg);
        look(*with);
        return with->verdict.ruling == core::Ruling::Defer;
    };
    core::Plan whole = split.now;

    if (!split.now.steps.empty() &&
        !run::do_now(passage.settings, passage.patience, split.now, still_deferred, &passage)) {
        return false;
    }
    for (const core::Step &step : split.later.steps) {
        whole.steps.push(step);
    }
    const bool known = statement.relation.oid != InvalidOid;
    const int64 job = store::add_plan({statement.relation.oid, known ? pg::cstring(statement.relation.name) : nullptr,
                                       pg::cstring(statement.text), &whole, split.now.steps.count, true});
    store::announce_after_commit();
    pg::report(NOTICE, pg::kRewritten, core::put_off(passage.arena, statement, passage.verdict, split, job));
    return true;
}

bool blocks_anybody(const core::Statement &statement)
{
    bool any = statement.opaque;
    for (const core::Target &target : statement.targets) {
        any = any || core::blocks_others(target.lock);
    }
    return any;
}

// Carries the verdict out. False: the world changed meanwhile, look again.
bool carry_out(Passage &passage)
{
    const core::Statement &statement = passage.finding.statement;

    if (passage.verdict.ruling != core::Ruling::Reject && passage.settings.mode != core::Mode::Warn &&
        run::await_plans(passage.settings, passage.patience, statement, passage.in_block)) {
        return false;
    }
    say(passage);
    switch (passage.verdict.ruling) {
    case core::Ruling::Reject:
        if (!all_can_wait(passage)) {
            reject(judged(passage));
        }
        wait_with_all(passage, nullptr);
        passage.judged_later = true;
        break;
    case core::Ruling::Rewrite: {
        const core::Plan plan = core::plan(passage.arena, passage.settings, statement);
        pg::report(NOTICE, pg::kRewritten, core::rewritten(passage.arena, statement, passage.verdict, plan));
        if (passage.in_block) {
            return run::execute_in_block(passage.settings, passage.patience, plan);
        }
        return run::execute(passage.settings, plan, statement, static_cast<MemoryContext>(passage.arena.owner));
    }
    case core::Ruling::Defer:
        return defer(passage);
    case core::Ruling::Pass:
    case core::Ruling::Warn:
        break;
    }
    if (statement.waits_long && passage.settings.mode != core::Mode::Warn) {
        pg::with_some_snapshot([&] {
            run::unlimited(passage.call, passage.text, statement.relation, statement.commits && !passage.in_block);
        });
        return true;
    }
    if (passage.settings.mode == core::Mode::Warn || !blocks_anybody(statement)) {
        pg::with_some_snapshot([&] { pg::run_next(passage.call); });
        return true;
    }
    return run_as_written(passage);
}

void at_transaction_event(XactEvent event, void *)
{
    at_commit_transaction_event(event);
    hold_at_transaction_event(event);
    record_at_transaction_event(event);
    assurance_at_transaction_event(event);
}

void at_subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *)
{
    at_commit_subtransaction_event(event, mine, parent);
    record_at_subtransaction_event(event, mine, parent);
    hold_at_subtransaction_event(event);
}

} // namespace

void install()
{
    RegisterXactCallback(at_transaction_event, nullptr);
    RegisterSubXactCallback(at_subtransaction_event, nullptr);
}

bool guarded() { return !conf::off() && OidIsValid(get_extension_oid("zdm", true)); }

bool process(const pg::UtilityCall &call)
{
    if (stands_aside(call) || !guarded()) {
        return false;
    }
    Passage passage{};
    passage.settings = conf::current();
    if (is_restore(passage.settings) || !inspect::concerns(passage.settings, call.planned->utilityStmt)) {
        return false;
    }

    // Survives the commits and aborts in between; the plan cache may take the user's tree away on an abort. In a block
    // there are none, and an error that a function catches must give it back.
    passage.in_block = IsInTransactionBlock(call.context == PROCESS_UTILITY_TOPLEVEL);
    MemoryContext before = CurrentMemoryContext;
    MemoryContext mine = AllocSetContextCreate(passage.in_block ? CurTransactionContext : PortalContext,
                                               "zdm statement", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(mine);
    passage.arena = pg::arena(mine);
    passage.call = call;
    passage.call.planned = copy_node(call.planned);
    passage.call.query = pstrdup(call.query == nullptr ? "" : call.query);
    passage.call.read_only_tree = true;
    passage.text = inspect::source_of(passage.arena, call.planned, passage.call.query, &passage.location);
    passage.patience = run::begin(passage.settings);

    passage.assured = is_assured(passage.settings);
    warn_of_hold();
    busy_while(passage.in_block ? mine : nullptr);
    look(passage);
    if (passage.finding.aside) {
        const bool restarted = passage.patience.attempts > 0 && !passage.in_block;
        if (restarted) {
            pg::with_snapshot([&] { pg::run_next(passage.call); });
        }
        MemoryContextSwitchTo(before);
        MemoryContextDelete(mine);
        return restarted;
    }
    if (passage.assured) {
        use_up_assurance(passage.text, passage.in_block);
    }
    while (!carry_out(passage)) {
        look(passage);
    }
    if (passage.in_block) {
        if (passage.finding.statement.opaque) {
            inspect::add_all_held(passage.arena, passage.settings, &passage.footprint);
        }
        note_holds(passage.footprint);
        note_deeds(passage.footprint);
        limit_hold();
    }
    MemoryContextSwitchTo(before);
    MemoryContextDelete(mine);
    return true;
}

} // namespace zdm::guard
