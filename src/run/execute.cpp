// Steps, each a transaction of its own; and back, if one fails.
#include "pg/postgres.hpp"

#include "pg/compat.hpp"
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
    pg::with_lock_settings(0, Min(DeadlockTimeout, 1000), [&] { watched(sql, body); });
}

// The same for a body that commits by itself. `limit_ms`: 0 for none.
template <class F> void patient_over_commits(std::string_view sql, int limit_ms, F &&body)
{
    pg::with_lock_limits(limit_ms, Min(DeadlockTimeout, 1000), [&] {
        watched(sql, [&] {
            pg::with_some_snapshot(body);
            pg::commit_and_start();
        });
    });
}

void probe(const core::Step &step)
{
    bool broken = false;
    char *key = nullptr;
    MemoryContext here = CurrentMemoryContext;

    const auto find = [&] {
        SPI_connect();
        SPI_execute(pg::cstring(step.sql), true, 1);
        broken = SPI_processed > 0;
        if (broken) {
            MemoryContext inner = MemoryContextSwitchTo(here);
            key = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
            key = key == nullptr ? nullptr : pstrdup(key);
            MemoryContextSwitchTo(inner);
        }
        SPI_finish();
    };
    pg::with_lock_settings(0, DeadlockTimeout, [&] {
        if (step.as_owner) {
            pg::as_role(pg::owner_of(step.relation.oid), SECURITY_RESTRICTED_OPERATION, find);
        } else {
            find();
        }
    });
    if (broken) {
        pg::raise_violation(step.violation, step.relation, key);
    }
}

struct InstantArg {
    const core::Settings *settings;
    const core::Step *step;
    const char *sql;
    bool undoing;
};

// The relation, and unless `only` all below it. One that an earlier step has made is known by its name.
void add_targets(core::List<core::Target> *targets, core::Relation relation, core::Lock lock, bool only)
{
    ListCell *cell = nullptr;

    if (relation.oid == InvalidOid && !relation.bare.empty()) {
        const Oid schema = get_namespace_oid(pg::cstring(relation.schema), true);
        relation.oid = get_relname_relid(pg::cstring(relation.bare), schema);
    }
    if (relation.oid == InvalidOid) {
        return;
    }
    targets->push({relation, lock});
    if (only) {
        return;
    }
    foreach (cell, find_all_inheritors(relation.oid, NoLock, nullptr)) {
        if (lfirst_oid(cell) != relation.oid) {
            core::Relation child = relation;
            child.oid = lfirst_oid(cell);
            targets->push({child, lock});
        }
    }
}

// Another session may drop or detach a partition while the plan is at work on others.
bool is_needless(const core::Step &step)
{
    if (step.partition == InvalidOid) {
        return false;
    }
    List *above = get_partition_ancestors(step.partition);
    const bool below = get_rel_relispartition(step.partition) && list_member_oid(above, step.partition_of);
    list_free(above);
    return !below;
}

// Undoing asks for the strongest lock on all of them.
void instant(const Run &run, const core::Step &step, std::string_view sql, bool undoing)
{
    core::List<core::Target> targets(run.arena);
    InstantArg arg{run.settings, &step, pg::cstring(sql), undoing};

    const bool only = step.only && !undoing;

    add_targets(&targets, step.relation, undoing ? core::Lock::AccessExclusive : step.lock, only);
    for (const core::Target &other : step.also) {
        if (other.relation.oid != step.relation.oid) {
            add_targets(&targets, other.relation, undoing ? core::Lock::AccessExclusive : other.lock, only);
        }
    }
    Patience patience = begin(*run.settings);
    const Body body = [](void *data) {
        const auto *with = static_cast<InstantArg *>(data);
        if (!with->undoing && is_needless(*with->step)) {
            return true;
        }
        require_same(with->step->relation);
        pg::with_time_limit(with->settings->instant_timeout_ms, [&] { pg::run_sql(with->sql, PROCESS_UTILITY_QUERY); });
        return true;
    };
    climb(*run.settings, patience, targets, false, body, &arg);
}

// A leftover may have become valid, or been rebuilt, while we waited for the session that was building it: under the
// lock of concurrent commands nobody is building now.
bool still_invalid(const core::Step &step)
{
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

LockRelId lock_id(Oid relation) { return {relation, IsSharedRelation(relation) ? InvalidOid : MyDatabaseId}; }

// Takes the lock of a concurrent command before it starts, and without a snapshot: a build that runs on the same table
// waits for our snapshot while we wait for its lock, and one of us would die in the deadlock. Held by the session over
// the commits that follow; an abort gives it back.
void lock_first(std::string_view sql, int limit_ms, Oid relation)
{
    const LockRelId id = lock_id(relation);

    pg::drop_snapshots();
    pg::with_lock_settings(limit_ms, Min(DeadlockTimeout, 1000), [&] {
        watched(sql, [&] {
            InvalidateCatalogSnapshotConditionally();
            LockRelationIdForSession(const_cast<LockRelId *>(&id), ShareUpdateExclusiveLock);
        });
    });
    pg::commit_and_start();
}

void unlock_after(Oid relation)
{
    LockRelId id = lock_id(relation);
    UnlockRelationIdForSession(&id, ShareUpdateExclusiveLock);
}

void concurrent(const core::Step &step)
{
    const bool known = step.relation.oid != InvalidOid;
    bool wanted = true;

    if (known) {
        lock_first(step.sql, 0, step.relation.oid);
        if (is_needless(step)) {
            unlock_after(step.relation.oid);
            return;
        }
        require_same(step.relation);
    }
    if (!step.leftover.empty()) {
        wanted = still_invalid(step);
        pg::commit_and_start();
    }
    if (wanted) {
        patient_over_commits(step.sql, 0, [&] { pg::run_sql(pg::cstring(step.sql), PROCESS_UTILITY_TOPLEVEL); });
    }
    if (!step.builds.empty()) {
        require_valid(step);
    }
    if (known) {
        unlock_after(step.relation.oid);
    }
}

void run_step(const Run &run, const core::Step &step)
{
    switch (step.kind) {
    case core::StepKind::Probe:
        pg::with_snapshot([&] { probe(step); });
        break;
    case core::StepKind::Instant:
        instant(run, step, step.sql, false);
        break;
    case core::StepKind::Long:
        lock_first(step.sql, 0, step.relation.oid);
        pg::with_snapshot([&] {
            patient(step.sql, [&] {
                if (!is_needless(step)) {
                    require_same(step.relation);
                    pg::run_sql(pg::cstring(step.sql), PROCESS_UTILITY_QUERY);
                }
            });
        });
        unlock_after(step.relation.oid);
        break;
    case core::StepKind::Concurrent:
        concurrent(step);
        break;
    case core::StepKind::Fill:
        fill(step);
        break;
    }
}

void warn_left_behind(const Run &run, std::string_view undo, const ErrorData *why)
{
    pg::report(WARNING, "01ZDM",
               core::left_behind(run.arena, undo, pg::keep(run.arena, why->message == nullptr ? "" : why->message)));
}

// A user who cancels twice cancels the undoing, and wants it done all the same: it is tried again, for as long as
// zdm.lock_patience. `sql` is for the words.
template <class F> void undo(const Run &run, std::string_view sql, F &&body)
{
    const Patience patience = begin(*run.settings);
    const int messages = client_min_messages;
    ErrorData *failure = nullptr;

    // A later step may have dropped already what an earlier one is to undo: nobody wants to hear of that.
    client_min_messages = Max(client_min_messages, WARNING);
    do {
        failure = pg::attempt(run.keep, [&] {
            body(ms_until(patience.deadline));
            pg::commit_and_start();
        });
        if (failure != nullptr) {
            pg::abort_and_start();
        }
    } while (failure != nullptr && !patience.over() &&
             (failure->sqlerrcode == ERRCODE_QUERY_CANCELED || failure->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED));
    client_min_messages = messages;
    if (failure != nullptr) {
        warn_left_behind(run, sql, failure);
    }
}

// By OID: an event trigger that writes would make DROP INDEX CONCURRENTLY impossible. Another session that wants an
// index of this name may clear it away first.
void drop_index(std::string_view sql, int limit_ms, Oid index)
{
    const Oid table = IndexGetRelation(index, true);

    if (!OidIsValid(table)) {
        return;
    }
    lock_first(sql, limit_ms, table);
    if (get_rel_relkind(index) == RELKIND_INDEX) {
        patient_over_commits(sql, limit_ms, [&] { pg::drop_index_concurrently(index); });
    }
    unlock_after(table);
}

void undo_step(const Run &run, const core::Step &step)
{
    undo(run, step.undo, [&](int limit_ms) {
        if (step.kind == core::StepKind::Concurrent) {
            const Oid index = get_relname_relid(pg::cstring(step.builds), get_rel_namespace(step.relation.oid));
            if (OidIsValid(index) && get_rel_relkind(index) == RELKIND_INDEX &&
                IndexGetRelation(index, true) == step.relation.oid) {
                drop_index(step.undo, limit_ms, index);
            }
        } else if (step.kind == core::StepKind::Fill) {
            stop_fill(step);
        } else {
            require_undoable(step);
            instant(run, step, step.undo, true);
        }
    });
}

using Oids = core::List<std::uint32_t>;

void add_valid_indexes(Oid relation, Oids *valid)
{
    Relation rel = try_relation_open(relation, AccessShareLock);
    ListCell *cell = nullptr;

    if (rel == nullptr) {
        return;
    }
    foreach (cell, RelationGetIndexList(rel)) {
        if (get_index_isvalid(lfirst_oid(cell))) {
            valid->push(lfirst_oid(cell));
        }
    }
    const Oid toast = rel->rd_rel->reltoastrelid;
    relation_close(rel, AccessShareLock);
    if (OidIsValid(toast)) {
        add_valid_indexes(toast, valid);
    }
}

// REINDEX of a schema or database: whatever is valid now.
void add_all_valid_indexes(Oids *valid)
{
    Relation catalog = table_open(IndexRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, nullptr, 0, nullptr);

    for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple); tuple = systable_getnext(scan)) {
        const auto *form = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
        if (form->indisvalid) {
            valid->push(form->indexrelid);
        }
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
}

// The indexes that a concurrent command may leave INVALID: REINDEX swaps them for new ones before it drops them.
Oids valid_indexes(const Run &run, const core::Step &step)
{
    Oids valid(run.arena);
    ListCell *cell = nullptr;

    if (step.relation.oid == InvalidOid) {
        add_all_valid_indexes(&valid);
        return valid;
    }
    foreach (cell, find_all_inheritors(step.relation.oid, NoLock, nullptr)) {
        add_valid_indexes(lfirst_oid(cell), &valid);
    }
    return valid;
}

void drop_if_invalid(const Run &run, Oid index)
{
    if (get_rel_relkind(index) != RELKIND_INDEX || get_index_isvalid(index)) {
        return;
    }
    const char *schema = get_namespace_name(get_rel_namespace(index));
    const std::string_view sql = core::concat(
        run.arena, {"DROP INDEX CONCURRENTLY IF EXISTS ", quote_qualified_identifier(schema, get_rel_name(index))});
    undo(run, sql, [&](int limit_ms) { drop_index(sql, limit_ms, index); });
}

// What a concurrent command that failed half-way left: indexes that it created, or that were valid before it.
void drop_invalid(const Run &run, const Oids &valid_before)
{
    for (int i = 0; i < pg::created_count(); i++) {
        drop_if_invalid(run, pg::created(i));
    }
    for (const std::uint32_t index : valid_before) {
        drop_if_invalid(run, index);
    }
}

} // namespace

void unlimited(const pg::UtilityCall &call, std::string_view text, const core::Relation &relation, bool commits)
{
    if (commits) {
        if (relation.oid != InvalidOid) {
            pg::commit_and_start();
            lock_first(text, 0, relation.oid);
        }
        patient_over_commits(text, 0, [&] { pg::run_next(call); });
        if (relation.oid != InvalidOid) {
            unlock_after(relation.oid);
        }
    } else {
        patient(text, [&] { pg::run_next(call); });
    }
}

bool execute(const core::Settings &settings, const core::Plan &plan, MemoryContext keep)
{
    const Run run{&settings, keep, pg::arena(keep)};

    PreventInTransactionBlock(true, "a plan of zdm");
    for (const core::Step &step : plan.steps) {
        if (step.kind == core::StepKind::Fill) {
            require_workers();
        }
    }
    MemoryContextSwitchTo(keep);
    pg::commit_and_start();

    for (std::uint32_t i = 0; i < plan.steps.count; i++) {
        const core::Step &step = plan.steps[i];
        const bool concurrently = step.kind == core::StepKind::Concurrent;
        Oids valid_before(run.arena);

        pg::watch_created(concurrently);
        // The commit itself may fail: deferred triggers, a lost connection to a synchronous standby.
        ErrorData *failure = pg::attempt(keep, [&] {
            if (concurrently) {
                valid_before = valid_indexes(run, step);
                pg::commit_and_start();
            }
            run_step(run, step);
            pg::commit_and_start();
        });
        pg::watch_created(false);
        if (failure == nullptr) {
            continue;
        }
        pg::abort_and_start();
        if (concurrently) {
            drop_invalid(run, valid_before);
        }
        // A fill goes on without us unless it is stopped.
        for (std::uint32_t j = i + (step.kind == core::StepKind::Fill ? 1 : 0); j-- > 0;) {
            if (!plan.steps[j].undo.empty()) {
                undo_step(run, plan.steps[j]);
            }
        }
        if (step.own_name &&
            (failure->sqlerrcode == ERRCODE_DUPLICATE_OBJECT || failure->sqlerrcode == ERRCODE_DUPLICATE_TABLE)) {
            return false;
        }
        ReThrowError(failure);
    }
    return true;
}

} // namespace zdm::run
