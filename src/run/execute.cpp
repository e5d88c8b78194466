// Steps, each a transaction of its own; and back, if one fails.
#include "pg/postgres.hpp"

#include "pg/limits.hpp"
#include "pg/memory.hpp"
#include "pg/report.hpp"
#include "pg/xact.hpp"
#include "run/run.hpp"
#include "run/waiting.hpp"

namespace zdm::run
{

namespace
{

struct Run {
    const core::Settings *settings;
    MemoryContext keep; // survives all transactions of the plan
    core::Arena arena;
};

// Between two steps somebody may have dropped or replaced the relation: the name must still mean it.
void require_same(const core::Relation &relation)
{
    if (relation.oid != InvalidOid && get_rel_name(relation.oid) != nullptr) {
        const char *schema = get_namespace_name(get_rel_namespace(relation.oid));
        const char *name = quote_qualified_identifier(schema, get_rel_name(relation.oid));
        if (relation.name == name) {
            return;
        }
    }
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("relation %s was changed by another session between two steps", pg::cstring(relation.name)),
                    errhint("Run the statement again.")));
}

// For waits that block nobody: no lock_timeout, however small the session's own, and words about whom it waits for.
// The deadlock check must have run before a wait can speak.
template <class F> void patient(std::string_view sql, F &&body)
{
    pg::with_lock_limits(0, Min(DeadlockTimeout, 1000), [&] { watched(sql, body); });
}

void probe(const core::Step &step)
{
    bool broken = false;
    char *key = nullptr;
    MemoryContext here = CurrentMemoryContext;

    pg::with_lock_limits(0, -1, [&] {
        SPI_connect();
        SPI_execute(pg::cstring(step.sql), true, 1);
        broken = SPI_processed > 0;
        if (broken) {
            MemoryContext inner = MemoryContextSwitchTo(here);
            key = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
            key = pstrdup(key == nullptr ? "" : key);
            MemoryContextSwitchTo(inner);
        }
        SPI_finish();
    });
    if (broken) {
        pg::raise_violation(step.violation, step.relation, key);
    }
}

struct InstantArg {
    const core::Settings *settings;
    const core::Step *step;
    const char *sql;
};

// The relation and all below it.
void add_targets(core::List<core::Target> *targets, const core::Relation &relation, core::Lock lock)
{
    ListCell *cell = nullptr;

    if (relation.oid == InvalidOid) {
        return;
    }
    targets->push({relation, lock});
    foreach (cell, find_all_inheritors(relation.oid, NoLock, nullptr)) {
        if (lfirst_oid(cell) != relation.oid) {
            core::Relation child = relation;
            child.oid = lfirst_oid(cell);
            targets->push({child, lock});
        }
    }
}

void instant(const Run &run, const core::Step &step, std::string_view sql, core::Lock lock, core::Lock partner_lock)
{
    core::List<core::Target> targets(run.arena);
    InstantArg arg{run.settings, &step, pg::cstring(sql)};

    add_targets(&targets, step.relation, lock);
    if (step.partner.oid != step.relation.oid) {
        add_targets(&targets, step.partner, partner_lock);
    }
    Patience patience = begin(*run.settings);
    const Body body = [](void *data) {
        const auto *with = static_cast<InstantArg *>(data);
        require_same(with->step->relation);
        pg::with_time_limit(with->settings->instant_timeout_ms, [&] { pg::run_sql(with->sql, PROCESS_UTILITY_QUERY); });
        return true;
    };
    climb(*run.settings, patience, targets, body, &arg);
}

// A leftover may have become valid, or been rebuilt, while we waited for the session that was building it.
bool still_invalid(const core::Step &step)
{
    LockRelationOid(step.relation.oid, ShareUpdateExclusiveLock);
    AcceptInvalidationMessages();
    const Oid index = get_relname_relid(pg::cstring(step.leftover), get_rel_namespace(step.relation.oid));
    return OidIsValid(index) && get_rel_relkind(index) == RELKIND_INDEX && !get_index_isvalid(index);
}

// IF NOT EXISTS is content with any index of that name that has appeared meanwhile.
void require_valid(const core::Step &step)
{
    const Oid index = get_relname_relid(pg::cstring(step.builds), get_rel_namespace(step.relation.oid));

    if (OidIsValid(index) && get_rel_relkind(index) == RELKIND_INDEX && !get_index_isvalid(index)) {
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("index \"%s\" is invalid", pg::cstring(step.builds)),
                        errhint("Another session's build of it failed. Run the statement again.")));
    }
}

void run_step(const Run &run, const core::Step &step)
{
    switch (step.kind) {
    case core::StepKind::Probe:
        pg::with_snapshot([&] { probe(step); });
        break;
    case core::StepKind::Instant:
        instant(run, step, step.sql, step.lock, step.partner_lock);
        break;
    case core::StepKind::Long:
        patient(step.sql, [&] {
            pg::with_snapshot([&] {
                require_same(step.relation);
                pg::run_sql(pg::cstring(step.sql), PROCESS_UTILITY_QUERY);
            });
        });
        break;
    case core::StepKind::Concurrent:
        patient(step.sql, [&] {
            if (!step.leftover.empty()) {
                if (!still_invalid(step)) {
                    return;
                }
                pg::commit_and_start();
            }
            pg::with_snapshot([&] { pg::run_sql(pg::cstring(step.sql), PROCESS_UTILITY_TOPLEVEL); });
            if (!step.builds.empty()) {
                require_valid(step);
            }
        });
        break;
    }
}

void warn_left_behind(const Run &run, std::string_view undo, const ErrorData *why)
{
    pg::report(WARNING, "01ZDM",
               core::left_behind(run.arena, undo, pg::keep(run.arena, why->message == nullptr ? "" : why->message)));
}

bool is_concurrent(std::string_view sql) { return sql.starts_with("DROP INDEX CONCURRENTLY"); }

ErrorData *try_undo(const Run &run, const core::Step &step, std::string_view sql)
{
    ErrorData *failure = pg::attempt(run.keep, [&] {
        if (is_concurrent(sql)) {
            patient(sql, [&] { pg::with_snapshot([&] { pg::run_sql(pg::cstring(sql), PROCESS_UTILITY_TOPLEVEL); }); });
        } else {
            const core::Lock partner_lock =
                step.partner.oid == InvalidOid ? core::Lock::None : core::Lock::AccessExclusive;
            instant(run, step, sql, core::Lock::AccessExclusive, partner_lock);
        }
        pg::commit_and_start();
    });
    if (failure != nullptr) {
        pg::abort_and_start();
    }
    return failure;
}

// A user who cancels twice cancels the undoing, and wants it done all the same: it is tried again for a while.
void undo_sql(const Run &run, const core::Step &step, std::string_view sql)
{
    const Patience patience = begin(*run.settings);
    ErrorData *failure = try_undo(run, step, sql);

    while (failure != nullptr && failure->sqlerrcode == ERRCODE_QUERY_CANCELED && !patience.over()) {
        failure = try_undo(run, step, sql);
    }
    if (failure != nullptr) {
        warn_left_behind(run, sql, failure);
    }
}

// What a concurrent command that failed half-way left: indexes that it created, or that were valid before it.
void drop_invalid(const Run &run, const core::Step &step, const core::List<std::uint32_t> &valid_before)
{
    core::List<std::uint32_t> suspects(run.arena);
    for (int i = 0; i < pg::created_count(); i++) {
        suspects.push(pg::created(i));
    }
    for (const std::uint32_t oid : valid_before) {
        suspects.push(oid);
    }
    for (const std::uint32_t oid : suspects) {
        if (get_rel_relkind(oid) != RELKIND_INDEX || get_index_isvalid(oid)) {
            continue;
        }
        const char *schema = get_namespace_name(get_rel_namespace(oid));
        undo_sql(run, step,
                 core::concat(run.arena, {"DROP INDEX CONCURRENTLY IF EXISTS ",
                                          quote_qualified_identifier(schema, get_rel_name(oid))}));
    }
}

core::List<std::uint32_t> valid_indexes(const Run &run, const core::Step &step)
{
    core::List<std::uint32_t> valid(run.arena);

    if (step.kind != core::StepKind::Concurrent || step.relation.oid == InvalidOid) {
        return valid;
    }
    Relation rel = try_relation_open(step.relation.oid, AccessShareLock);
    if (rel == nullptr) {
        return valid;
    }
    ListCell *cell = nullptr;
    foreach (cell, RelationGetIndexList(rel)) {
        if (get_index_isvalid(lfirst_oid(cell))) {
            valid.push(lfirst_oid(cell));
        }
    }
    relation_close(rel, AccessShareLock);
    return valid;
}

} // namespace

void unlimited(const pg::UtilityCall &call, std::string_view text)
{
    patient(text, [&] { pg::run_next(call); });
}

void execute(const core::Settings &settings, const core::Plan &plan, MemoryContext keep)
{
    const Run run{&settings, keep, pg::arena(keep)};

    PreventInTransactionBlock(true, "a plan of zdm");
    MemoryContextSwitchTo(keep);
    pg::commit_and_start();

    for (std::uint32_t i = 0; i < plan.steps.count; i++) {
        const core::Step &step = plan.steps[i];
        pg::clear_created();
        const core::List<std::uint32_t> valid_before = valid_indexes(run, step);
        ErrorData *failure = pg::attempt(keep, [&] { run_step(run, step); });
        if (failure == nullptr) {
            // The commit itself may fail: deferred triggers, a lost connection to a synchronous standby.
            failure = pg::attempt(keep, [] { pg::commit_and_start(); });
        }
        if (failure == nullptr) {
            continue;
        }
        pg::abort_and_start();
        if (step.kind == core::StepKind::Concurrent) {
            drop_invalid(run, step, valid_before);
        }
        for (std::uint32_t j = i; j-- > 0;) {
            if (!plan.steps[j].undo.empty()) {
                undo_sql(run, plan.steps[j], plan.steps[j].undo);
            }
        }
        ReThrowError(failure);
    }
}

} // namespace zdm::run
