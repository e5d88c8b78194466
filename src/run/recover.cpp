// Plans whose session has died in the middle: undone, or finished if only what is instant or cleans up remains. And
// those that a worker does from their beginning, which go on where their last worker died.
// Everything is decided by what the catalog says now: in a step that was running anything may have been done or
// nothing, and the user may have cleared away by himself since.
#include "core/record.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/plan_lock.hpp"
#include "pg/report.hpp"
#include "pg/xact.hpp"
#include "run/journal.hpp"

namespace zdm::run
{

namespace
{

constexpr int kLookAgainMs = 20;
constexpr int kMostPlans = 16;

struct Rescue {
    Run run;
    store::Plan plan;
    Oid me; // who this process is
    int limit_ms;
};

bool is_state(const store::PlanStep &step, const char *state) { return strcmp(step.state, state) == 0; }

bool is_in(const Oids &oids, Oid oid)
{
    for (const std::uint32_t one : oids) {
        if (one == oid) {
            return true;
        }
    }
    return false;
}

bool is_invalid_index(Oid index) { return get_rel_relkind(index) == RELKIND_INDEX && !get_index_isvalid(index); }

// Runs body in transactions of its own. Returns its error, with all of it rolled back and ourselves again.
template <class F> ErrorData *attempt(const Rescue &rescue, F &&body)
{
    ErrorData *failure = pg::attempt(rescue.run.keep, [&] {
        body();
        pg::commit_and_start();
    });
    if (failure != nullptr) {
        // The abort makes us whoever we were when the transaction began, which may have been in the middle of a step.
        pg::abort_and_start();
        SetUserIdAndSecContext(rescue.me, 0);
        pg::commit_and_start();
    }
    return failure;
}

// REINDEX CONCURRENTLY names what it makes, and what it has replaced, so: _ccnew, _ccold, with a number if taken.
bool is_of_reindex(Oid index)
{
    const char *name = get_rel_name(index);
    std::size_t end = name == nullptr ? 0 : strlen(name);

    while (end > 0 && isdigit(static_cast<unsigned char>(name[end - 1])) != 0) {
        end--;
    }
    const std::string_view bare(name == nullptr ? "" : name, end);
    return bare.ends_with("_ccnew") || bare.ends_with("_ccold");
}

// The indexes that a concurrent step has left INVALID.
Oids leftovers(const Rescue &rescue, const store::PlanStep &step)
{
    Oids found(rescue.run.arena);
    const bool reindex = step.step.builds.empty() && step.step.drops.empty() && step.step.leftover.empty();
    const Oid built = index_of(step.step, step.step.builds);

    for (const std::uint32_t index : indexes_of(rescue.run, step.step, false)) {
        if (!is_in(step.invalid_before, index) && (index == built || (reindex && is_of_reindex(index)))) {
            found.push(index);
        }
    }
    return found;
}

// What a running step turns out to have been. Its own marks say only that it was begun.
void settle(store::PlanStep &step)
{
    if (!is_state(step, "running")) {
        return;
    }
    if (!step.step.builds.empty()) {
        const Oid built = index_of(step.step, step.step.builds);
        // Not the one that was there before.
        if (OidIsValid(built) && get_index_isvalid(built) && built != step.index) {
            step.state = "done";
            step.index = built;
        }
    } else if (!step.step.drops.empty() && get_rel_relkind(step.index) != RELKIND_INDEX) {
        step.state = "done";
    } else if (step.step.detaches != InvalidOid && !get_rel_relispartition(step.step.detaches)) {
        step.state = "done";
    }
}

bool is_unfinished(const store::Plan &plan)
{
    for (const store::PlanStep &step : plan.steps) {
        if (!is_state(step, "done")) {
            return true;
        }
    }
    return false;
}

bool is_clean_up(const core::Step &step)
{
    // ANALYZE is long by its locks only.
    const bool quick = step.kind == core::StepKind::Long && step.work == core::Work::Instant;
    return quick || step.kind == core::StepKind::Instant || !step.drops.empty() || is_half_detached(step);
}

// Whether so much of it is done that the rest is done in no time.
bool can_be_finished(const store::Plan &plan)
{
    bool begun = false;

    for (const store::PlanStep &step : plan.steps) {
        if (is_state(step, "done") && step.step.by_hand) {
            return true; // there is no way back
        }
    }
    for (const store::PlanStep &step : plan.steps) {
        if (is_state(step, "done")) {
            begun = begun || step.step.kind != core::StepKind::Probe;
        } else if (!is_clean_up(step.step)) {
            return false;
        } else if (is_state(step, "running") && (is_invalid_index(step.index) || is_half_detached(step.step))) {
            begun = true; // half dropped
        }
    }
    return begun;
}

void finish_step(const Rescue &rescue, const store::PlanStep &step, int number)
{
    store::StepTimes times{1, 0, 0};

    if (!step.step.drops.empty()) {
        const Oid index = OidIsValid(step.index) ? step.index : index_of(step.step, step.step.drops);
        if (get_rel_relkind(index) == RELKIND_INDEX) {
            drop_index(rescue.run, step.step.sql, rescue.limit_ms, index, false);
        }
    } else if (is_half_detached(step.step)) {
        finish_detach(rescue.run, step.step, &times);
    } else {
        run_step(rescue.run, step.step, &times);
    }
    store::step_done(rescue.plan.id, number, "finish", times, step.index);
}

void undo_step(const Rescue &rescue, const store::PlanStep &step, int number)
{
    Run run = rescue.run;

    // A fill goes on by itself, whoever had asked for it.
    if (is_state(step, "done") || step.step.kind == core::StepKind::Fill) {
        // Our own leftovers, whose relation may belong to another role by now.
        run.as_role = OidIsValid(step.step.relation.oid) ? pg::owner_of(step.step.relation.oid) : run.as_role;
        undo_done(run, step.step, step.index, rescue.limit_ms);
    } else if (is_half_detached(step.step)) {
        store::StepTimes times{};
        finish_detach(run, step.step, &times);
        undo_done(run, step.step, InvalidOid, rescue.limit_ms);
    } else if (step.step.kind == core::StepKind::Concurrent) {
        for (const std::uint32_t index : leftovers(rescue, step)) {
            drop_index(run, drop_index_sql(run, index), rescue.limit_ms, index, true);
        }
    }
    store::step_undone(rescue.plan.id, number);
}

// Error that another attempt will hardly meet again.
bool will_pass(int sqlerrcode)
{
    return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
           sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE || sqlerrcode == ERRCODE_QUERY_CANCELED ||
           ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES;
}

ErrorData *turn(Rescue &rescue, const char *phase, const ErrorData *why)
{
    rescue.plan.phase = phase;
    return attempt(rescue, [&] {
        store::plan_turns(rescue.plan.id, phase, why == nullptr ? nullptr : unpack_sql_state(why->sqlerrcode),
                          why == nullptr ? nullptr : text_of(why));
    });
}

// The rest of the steps. `broken`: it cannot be done, so all must be undone.
ErrorData *finish(Rescue &rescue, bool *broken)
{
    for (std::uint32_t i = 0; i < rescue.plan.steps.count; i++) {
        store::PlanStep &step = rescue.plan.steps[i];
        if (is_state(step, "done")) {
            continue;
        }
        ErrorData *failure = attempt(rescue, [&] { finish_step(rescue, step, static_cast<int>(i)); });
        if (failure != nullptr) {
            *broken = !will_pass(failure->sqlerrcode);
            return failure;
        }
        step.state = "done";
    }
    return nullptr;
}

// A step of a plan that is a worker's, once more from its beginning if its last worker died in it.
void apply_step(const Rescue &rescue, store::PlanStep &step, int number)
{
    const bool concurrently = step.step.kind == core::StepKind::Concurrent;
    store::StepTimes times{1, 0, 0};

    if (concurrently && is_state(step, "running")) {
        if (!step.step.drops.empty()) {
            finish_step(rescue, step, number);
            return;
        }
        for (const std::uint32_t left : leftovers(rescue, step)) {
            drop_index(rescue.run, drop_index_sql(rescue.run, left), 0, left, true);
        }
    } else if (concurrently) {
        step.index = index_of(step.step, step.step.drops.empty() ? step.step.builds : step.step.drops);
        step.invalid_before = indexes_of(rescue.run, step.step, false);
    }
    if (step.step.kind != core::StepKind::Instant) {
        store::step_starts(rescue.plan.id, number, "apply", step.index, step.invalid_before);
        pg::commit_and_start();
    }
    run_step(rescue.run, step.step, &times);
    if (!step.step.builds.empty()) {
        const Oid built = index_of(step.step, step.step.builds);
        step.index = built == step.index ? InvalidOid : built;
    }
    store::step_done(rescue.plan.id, number, "apply", times, step.index);
}

// All steps that are not done yet. `broken`: they cannot be.
ErrorData *apply(Rescue &rescue, bool (*stops)(), bool *broken)
{
    for (std::uint32_t i = 0; i < rescue.plan.steps.count; i++) {
        store::PlanStep &step = rescue.plan.steps[i];
        const int number = static_cast<int>(i);
        if (is_state(step, "done")) {
            continue;
        }
        ErrorData *failure = attempt(rescue, [&] {
            if (store::is_cancelled(rescue.plan.id)) {
                ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("the job was cancelled")));
            }
            pg::commit_and_start();
            apply_step(rescue, step, number);
        });
        if (failure == nullptr) {
            step.state = "done";
            ErrorData *ignored = attempt(rescue, [&] { store::plan_is_quiet(rescue.plan.id); });
            if (ignored != nullptr || (i + 1 < rescue.plan.steps.count && stops())) {
                return ignored;
            }
            continue;
        }
        // Whoever ends this worker does not mean the plan; whoever cancels its statement does.
        *broken = !stops() && (failure->sqlerrcode == ERRCODE_QUERY_CANCELED || !will_pass(failure->sqlerrcode));
        if (*broken) {
            step.state = step.step.kind == core::StepKind::Concurrent || step.step.kind == core::StepKind::Fill
                             ? "running"
                             : "pending";
            attempt(rescue, [&] {
                rescue.plan.cancelled = rescue.plan.cancelled || store::is_cancelled(rescue.plan.id);
                store::step_failed(rescue.plan.id, number, text_of(failure));
            });
        }
        return failure;
    }
    return nullptr;
}

ErrorData *undo_all(Rescue &rescue)
{
    for (std::uint32_t i = rescue.plan.steps.count; i-- > 0;) {
        store::PlanStep &step = rescue.plan.steps[i];
        const bool nothing_to_undo = is_state(step, "done") && step.step.undo.empty();
        if (is_state(step, "pending") || is_state(step, "undone") || nothing_to_undo) {
            continue;
        }
        ErrorData *failure = attempt(rescue, [&] { undo_step(rescue, step, static_cast<int>(i)); });
        if (failure != nullptr) {
            return failure;
        }
    }
    return nullptr;
}

ErrorData *end(Rescue &rescue, const char *state, const char *sqlstate, const char *error)
{
    return attempt(rescue, [&] { store::plan_ends(rescue.plan.id, state, sqlstate, error); });
}

// To its end, or to where `stops` says so; what fails is undone.
ErrorData *go_on_applying(Rescue &rescue, bool (*stops)(), bool *over)
{
    bool broken = rescue.plan.cancelled;
    ErrorData *failure = broken ? nullptr : apply(rescue, stops, &broken);

    *over = true;
    if (broken) {
        *over = false;
        rescue.plan.failed = failure != nullptr;
        return turn(rescue, "undo", rescue.plan.cancelled ? nullptr : failure);
    }
    return failure != nullptr || is_unfinished(rescue.plan) ? failure : end(rescue, "done", nullptr, nullptr);
}

ErrorData *go_on(Rescue &rescue, bool (*stops)())
{
    if (rescue.plan.deferred && strcmp(rescue.plan.phase, "apply") == 0) {
        bool over = false;
        ErrorData *failure = go_on_applying(rescue, stops, &over);
        if (failure != nullptr || over) {
            return failure;
        }
    }
    if (strcmp(rescue.plan.phase, "apply") == 0) {
        const bool finishes = !rescue.plan.cancelled && can_be_finished(rescue.plan);
        if (ErrorData *failure = turn(rescue, finishes ? "finish" : "undo", nullptr)) {
            return failure;
        }
    }
    if (strcmp(rescue.plan.phase, "finish") == 0) {
        bool broken = false;
        ErrorData *failure = finish(rescue, &broken);
        if (failure == nullptr) {
            return end(rescue, "done", nullptr, nullptr);
        }
        if (!broken) {
            return failure;
        }
        if (ErrorData *again = turn(rescue, "undo", failure)) {
            return again;
        }
    }
    if (ErrorData *failure = undo_all(rescue)) {
        return failure;
    }
    return end(rescue,
               rescue.plan.cancelled ? "cancelled"
               : rescue.plan.failed  ? "failed"
                                     : "rolled back",
               nullptr, nullptr);
}

bool relation_is_gone(const store::Plan &plan)
{
    return OidIsValid(plan.relation) && !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(plan.relation));
}

// Whether it is to be waited for. The plan may have ended between our look at its row and that at its lock.
bool is_left_alone(const store::OpenPlan &plan) { return plan.recovering || !pg::is_plan_held(plan.id); }

store::OpenPlan plan_on(const Oids &relations)
{
    store::OpenPlan plans[kMostPlans];
    const int count = store::open_plans(relations.items, static_cast<int>(relations.count), plans, kMostPlans);

    for (int i = 0; i < count; i++) {
        if (is_left_alone(plans[i])) {
            return plans[i];
        }
    }
    return {};
}

Oids relations_of(core::Arena arena, const core::Statement &statement)
{
    Oids relations(arena);
    const auto add = [&](const core::Relation &relation) {
        if (relation.oid != InvalidOid && !is_in(relations, relation.oid)) {
            relations.push(relation.oid);
        }
    };

    add(statement.relation);
    for (const core::Target &target : statement.targets) {
        add(target.relation);
    }
    for (const core::Part &part : statement.parts) {
        add(part.relation);
    }
    return relations;
}

[[noreturn]] void give_up(const core::Statement &statement, const store::OpenPlan &plan, const Patience &patience,
                          bool here)
{
    const core::Arena arena = pg::arena(CurrentMemoryContext);
    const std::int64_t waited = (GetCurrentTimestamp() - patience.started) / 1000;

    pg::report(ERROR, "55P03", core::plan_in_the_way(arena, statement.relation, plan.id, waited, here));
    pg_unreachable();
}

// This session does what no worker will do.
void recover_here(const core::Settings &settings, const Patience &patience, int64 job)
{
    MemoryContext memory = AllocSetContextCreate(PortalContext, "zdm recovery", ALLOCSET_DEFAULT_SIZES);
    MemoryContext before = MemoryContextSwitchTo(memory);

    pg::commit_and_start();
    if (pg::hold_plan(job)) {
        ErrorData *failure = recover(settings, job, memory, ms_until(patience.deadline), [] { return false; });
        pg::release_plan(job);
        if (failure != nullptr) {
            ReThrowError(failure);
        }
    } else {
        wait_ms(kLookAgainMs);
    }
    MemoryContextSwitchTo(before);
    MemoryContextDelete(memory);
}

} // namespace

ErrorData *recover(const core::Settings &settings, int64 job, MemoryContext keep, int limit_ms, bool (*stops)())
{
    int context = 0;
    Rescue rescue{{&settings, keep, pg::arena(keep), job, InvalidOid, 0}, {}, InvalidOid, limit_ms};
    bool open = false;

    GetUserIdAndSecContext(&rescue.me, &context);
    ErrorData *failure = attempt(rescue, [&] {
        open = store::load_plan(job, rescue.run.arena, &rescue.plan) && strcmp(rescue.plan.state, "running") == 0;
        for (store::PlanStep &step : rescue.plan.steps) {
            settle(step);
        }
    });
    if (failure != nullptr || !open) {
        return failure;
    }
    rescue.run.as_role = rescue.plan.owner;
    rescue.run.context = rescue.plan.settings;
    if (relation_is_gone(rescue.plan)) {
        return end(rescue, rescue.plan.deferred ? "failed" : "rolled back", "42P01",
                   psprintf("relation %s was dropped", rescue.plan.relation_name));
    }
    return go_on(rescue, stops);
}

bool await_plans(const core::Settings &settings, Patience &patience, const core::Statement &statement, bool in_block)
{
    const Oids relations = relations_of(pg::arena(CurrentMemoryContext), statement);
    bool waited = false;

    if (relations.empty()) {
        return false;
    }
    for (;;) {
        // Twice: it may have ended between the look at its row and the look at its lock.
        store::OpenPlan plan = plan_on(relations);
        if (plan.id == 0 || (plan = plan_on(relations)).id == 0) {
            return waited;
        }
        const bool here = settings.max_workers == 0 || !settings.run_jobs;
        if (in_block ? here || !holds_nothing({statement.targets.begin(), statement.targets.count})
                     : here && !has_privs_of_role(GetUserId(), plan.owner)) {
            give_up(statement, plan, patience, here);
        }
        if (waited && patience.over()) {
            give_up(statement, plan, patience, here);
        }
        waited = true;
        patience.attempts++;
        if (here) {
            recover_here(settings, patience, plan.id);
            continue;
        }
        store::announce_now(MyDatabaseId);
        if (!in_block) {
            pg::commit_and_start();
        }
        pg::without_portal_snapshot([&] { wait_ms(kLookAgainMs); });
    }
}

void before_drop(Oid relation)
{
    if (creating_extension || get_rel_namespace(relation) != get_namespace_oid("zdm", true) ||
        !OidIsValid(get_relname_relid("job_step", get_rel_namespace(relation))) || !store::installed()) {
        return;
    }
    if (const int64 job = store::any_open_plan(); job != 0) {
        pg::report(ERROR, "55000", core::plan_is_open(pg::arena(CurrentMemoryContext), job));
    }
}

} // namespace zdm::run
