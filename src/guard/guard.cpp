#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "guard/at_commit.hpp"
#include "guard/guard.hpp"
#include "inspect/inspect.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/report.hpp"
#include "pg/syntax.hpp"
#include "pg/xact.hpp"
#include "run/run.hpp"

namespace zdm::guard
{

namespace
{

bool use_up_at_end = false;

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
    bool judged_later;
};

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
    passage.verdict =
        core::judge(passage.arena, passage.settings, passage.finding.statement, passage.in_block, passage.assured);
}

void log_assurance(const Passage &passage)
{
    ereport(LOG, (errmsg("zdm.safety_assured used by role \"%s\", application \"%s\"",
                         GetUserNameFromId(GetUserId(), false), application_name == nullptr ? "" : application_name),
                  errdetail_log("Statement: %s", pg::cstring(passage.text))));
}

// safety_assured counts for this statement, and if it came by SET for no other.
void take_assurance(Passage &passage)
{
    if (!passage.settings.safety_assured) {
        return;
    }
    if (!passage.settings.allow_safety_assured) {
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("zdm.safety_assured cannot be used here"),
                        errdetail("zdm.allow_safety_assured is off."),
                        errhint("RESET zdm.safety_assured, or ask a superuser.")));
    }
    passage.assured = true;
}

void use_up_assurance(const Passage &passage)
{
    if (!passage.assured) {
        return;
    }
    log_assurance(passage);
    if (!conf::safety_assured_is_single_use()) {
        return;
    }
    if (passage.in_block) {
        use_up_at_end = true;
    } else {
        conf::use_up_safety_assured();
    }
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

void warn(const Passage &passage)
{
    const core::Statement &statement = passage.finding.statement;
    core::Settings rewriting = passage.settings;
    core::Verdict would;
    const bool watching = passage.settings.mode == core::Mode::Warn;

    if (!statement.warning.empty()) {
        pg::report(WARNING, pg::kWarned, {statement.warning, "", ""});
    }
    if (watching) {
        rewriting.mode = core::Mode::Rewrite;
        would = core::judge(passage.arena, rewriting, statement, passage.in_block, passage.assured);
    }
    if (!passage.verdict.weaker.empty() && passage.verdict.ruling != core::Ruling::Reject) {
        core::Verdict weaker;
        weaker.findings = passage.verdict.weaker;
        weaker.weaker = core::List<core::Part>(passage.arena);
        pg::report(WARNING, pg::kWarned, core::warned(passage.arena, passage.settings, statement, weaker, nullptr),
                   passage.text);
    }
    if (passage.verdict.ruling == core::Ruling::Warn && all_can_wait(passage)) {
        wait_with_all(passage, watching ? &would : nullptr);
    } else if (passage.verdict.ruling == core::Ruling::Warn) {
        pg::report(
            WARNING, pg::kWarned,
            core::warned(passage.arena, passage.settings, statement, passage.verdict, watching ? &would : nullptr),
            passage.text);
    }
}

[[noreturn]] void reject(const Passage &passage)
{
    const core::Statement &statement = passage.finding.statement;

    if (passage.verdict.needs_own_transactions) {
        pg::report(ERROR, "25001",
                   core::needs_own_transactions(passage.arena, passage.settings, statement, passage.verdict));
    }
    pg::report(ERROR, pg::kRejected, core::rejected(passage.arena, passage.settings, statement, passage.verdict));
    pg_unreachable();
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
    warn(passage);
    switch (passage.verdict.ruling) {
    case core::Ruling::Reject:
        if (!all_can_wait(passage)) {
            reject(passage);
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

void at_transaction_end(XactEvent event, void *arg)
{
    at_commit_transaction_event(event);
    if (use_up_at_end && (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)) {
        use_up_at_end = false;
        conf::use_up_safety_assured();
    }
}

} // namespace

void install()
{
    RegisterXactCallback([](XactEvent event, void *arg) { at_transaction_end(event, arg); }, nullptr);
    RegisterSubXactCallback([](SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
                               void *arg) { at_commit_subtransaction_event(event, mine, parent); },
                            nullptr);
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

    take_assurance(passage);
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
    use_up_assurance(passage);
    while (!carry_out(passage)) {
        look(passage);
    }
    MemoryContextSwitchTo(before);
    MemoryContextDelete(mine);
    return true;
}

} // namespace zdm::guard
