// What a step does, with which locks, and how it is undone.
#include "run/step.hpp"

#include "core/record.hpp"
#include "pg/compat.hpp"
#include "pg/limits.hpp"
#include "pg/memory.hpp"
#include "pg/report.hpp"
#include "pg/xact.hpp"
#include "run/waiting.hpp"

namespace zdm::run
{

namespace
{

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

template <class F> void each_setting(Datum context, F &&set)
{
    Datum *texts = nullptr;
    int count = 0;

    if (context == 0) {
        return;
    }
    deconstruct_array(DatumGetArrayTypeP(context), TEXTOID, -1, false, TYPALIGN_INT, &texts, nullptr, &count);
    for (int i = 0; i + 1 < count; i += 2) {
        set(TextDatumGetCString(texts[i]), TextDatumGetCString(texts[i + 1]));
    }
}

// Runs a body that does not commit as the plan's owner, who cannot become anybody else in it.
template <class F> void as_owner(const Run &run, F &&body)
{
    if (OidIsValid(run.as_role)) {
        pg::as_role(run.as_role, SECURITY_RESTRICTED_OPERATION, [&] {
            each_setting(run.context, pg::set_local);
            body();
        });
    } else {
        body();
    }
}

// The same for one that commits, over which neither a restriction nor a local setting may last. PostgreSQL itself runs
// what the table's owner has chosen, the functions of an index, under one; and only a worker comes here, which has no
// other use for its settings.
template <class F> void as_owner_over_commits(const Run &run, F &&body)
{
    Oid user = InvalidOid;
    int context = 0;

    if (!OidIsValid(run.as_role)) {
        body();
        return;
    }
    each_setting(run.context,
                 [](const char *name, const char *value) { SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION); });
    GetUserIdAndSecContext(&user, &context);
    SetUserIdAndSecContext(run.as_role, context);
    ErrorData *failure = pg::attempt(run.keep, body);
    SetUserIdAndSecContext(user, context);
    if (failure != nullptr) {
        ReThrowError(failure);
    }
}

void probe(const Run &run, const core::Step &step)
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
            as_owner(run, find);
        }
    });
    if (broken) {
        pg::raise_violation(step.violation, step.relation, key);
    }
}

struct InstantArg {
    const Run *run;
    const core::Step *step;
    const char *sql;
    bool undoing;
    TimestampTz started; // under the locks
};

// A relation that an earlier step has made is known by its name alone.
core::Relation found(core::Relation relation)
{
    if (relation.oid == InvalidOid && !relation.bare.empty()) {
        const Oid schema = get_namespace_oid(pg::cstring(relation.schema), true);
        relation.oid = get_relname_relid(pg::cstring(relation.bare), schema);
    }
    return relation;
}

// It and all below it; nothing if it is gone, of which PostgreSQL would say that a lookup failed.
List *below(Oid relation)
{
    return get_rel_name(relation) == nullptr ? NIL : find_all_inheritors(relation, NoLock, nullptr);
}

// The relation, and unless `only` all below it.
void add_targets(core::List<core::Target> *targets, core::Relation relation, core::Lock lock, bool only)
{
    ListCell *cell = nullptr;

    relation = found(relation);
    if (relation.oid == InvalidOid) {
        return;
    }
    targets->push({relation, lock});
    if (only) {
        return;
    }
    foreach (cell, below(relation.oid)) {
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

// The index that a partition was to be attached to may be whole, now that the partition has gone. PostgreSQL looks at
// that whenever one is attached, even if it is already.
void attach_again(const core::Step &step)
{
    for (const core::Target &target : step.also) {
        const Oid index = found(target.relation).oid;
        List *parts =
            OidIsValid(index) && get_rel_relkind(index) == RELKIND_PARTITIONED_INDEX && !get_index_isvalid(index)
                ? find_inheritance_children(index, NoLock)
                : NIL;
        if (parts != NIL) {
            const Oid part = linitial_oid(parts);
            const char *schema = get_namespace_name(get_rel_namespace(part));
            pg::run_sql(psprintf("ALTER INDEX %s ATTACH PARTITION %s", pg::cstring(target.relation.name),
                                 quote_qualified_identifier(schema, get_rel_name(part))),
                        PROCESS_UTILITY_QUERY);
        }
    }
}

// A partition that came before the parent had its index lacks one of its own.
void require_complete(const core::Step &step)
{
    if (step.completes.empty()) {
        return;
    }
    CommandCounterIncrement();
    const Oid index = get_relname_relid(pg::cstring(step.completes), get_rel_namespace(step.relation.oid));
    if (OidIsValid(index) && get_rel_relkind(index) == RELKIND_PARTITIONED_INDEX && !get_index_isvalid(index)) {
        ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                        errmsg("a partition was added to %s meanwhile", pg::cstring(step.relation.name)),
                        errhint("Run the statement again.")));
    }
}

bool run_instant(void *data)
{
    auto *with = static_cast<InstantArg *>(data);

    with->started = GetCurrentTimestamp();
    if (!with->undoing) {
        if (is_needless(*with->step)) {
            as_owner(*with->run, [&] { attach_again(*with->step); });
            require_complete(*with->step);
            return true;
        }
        require_same(with->step->relation);
    }
    pg::with_time_limit(with->run->settings->instant_timeout_ms,
                        [&] { as_owner(*with->run, [&] { pg::run_sql(with->sql, PROCESS_UTILITY_QUERY); }); });
    if (!with->undoing) {
        require_complete(*with->step);
    }
    return true;
}

double ms_between(TimestampTz from, TimestampTz to) { return static_cast<double>(to - from) / 1000.0; }

// Undoing asks for the strongest lock on all of them.
void instant(const Run &run, const core::Step &step, std::string_view sql, bool undoing, store::StepTimes *times)
{
    core::List<core::Target> targets(run.arena);
    InstantArg arg{&run, &step, pg::cstring(sql), undoing, 0};

    pg::with_some_snapshot([&] {
        add_targets(&targets, step.relation, undoing ? core::Lock::AccessExclusive : step.lock, step.only);
        for (const core::Target &other : step.also) {
            if (other.relation.oid != step.relation.oid) {
                add_targets(&targets, other.relation, undoing ? core::Lock::AccessExclusive : other.lock, step.only);
            }
        }
    });
    pg::drop_snapshots();
    Patience patience = begin(*run.settings);
    climb(*run.settings, patience, targets, false, run_instant, &arg);
    *times = {patience.attempts + 1, ms_between(patience.started, arg.started),
              ms_between(arg.started, GetCurrentTimestamp())};
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

// The relation; or, where a command goes through all of them, the command: two at once would meet in the middle, each
// with a snapshot for which the other waits.
LOCKTAG tag_of(Oid relation)
{
    LOCKTAG tag;

    if (relation == InvalidOid) {
        SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId, get_extension_oid("zdm", true), 1);
    } else {
        SET_LOCKTAG_RELATION(tag, IsSharedRelation(relation) ? InvalidOid : MyDatabaseId, relation);
    }
    return tag;
}

// Takes the lock of a concurrent command before it starts, and without a snapshot: a build that runs on the same table
// waits for our snapshot while we wait for its lock, and one of us would die in the deadlock. Held by the session over
// the commits that follow; an abort gives it back.
void lock_first(std::string_view sql, int limit_ms, Oid relation)
{
    const LOCKTAG tag = tag_of(relation);

    pg::drop_snapshots();
    pg::with_lock_settings(limit_ms, Min(DeadlockTimeout, 1000), [&] {
        watched(sql, [&] {
            InvalidateCatalogSnapshotConditionally();
            LockAcquire(&tag, ShareUpdateExclusiveLock, true, false);
        });
    });
    pg::commit_and_start();
}

void unlock_after(Oid relation)
{
    const LOCKTAG tag = tag_of(relation);
    LockRelease(&tag, ShareUpdateExclusiveLock, true);
}

void concurrent(const Run &run, const core::Step &step, store::StepTimes *times)
{
    const bool known = step.relation.oid != InvalidOid;
    const TimestampTz asked = GetCurrentTimestamp();
    bool wanted = true;

    lock_first(step.sql, 0, step.relation.oid);
    if (known && is_needless(step)) {
        unlock_after(step.relation.oid);
        return;
    }
    if (known) {
        require_same(step.relation);
    }
    const TimestampTz got = GetCurrentTimestamp();
    if (!step.leftover.empty()) {
        wanted = still_invalid(step);
        pg::commit_and_start();
    }
    if (wanted) {
        as_owner_over_commits(run, [&] {
            patient_over_commits(step.sql, 0, [&] { pg::run_sql(pg::cstring(step.sql), PROCESS_UTILITY_TOPLEVEL); });
        });
    }
    if (!step.builds.empty()) {
        require_valid(step);
    }
    unlock_after(step.relation.oid);
    *times = {1, ms_between(asked, got), ms_between(got, GetCurrentTimestamp())};
}

void validate(const Run &run, const core::Step &step, store::StepTimes *times)
{
    const TimestampTz asked = GetCurrentTimestamp();

    lock_first(step.sql, 0, step.relation.oid);
    const TimestampTz got = GetCurrentTimestamp();
    pg::with_snapshot([&] {
        patient(step.sql, [&] {
            if (!is_needless(step)) {
                require_same(step.relation);
                as_owner(run, [&] { pg::run_sql(pg::cstring(step.sql), PROCESS_UTILITY_QUERY); });
            }
        });
    });
    unlock_after(step.relation.oid);
    *times = {1, ms_between(asked, got), ms_between(got, GetCurrentTimestamp())};
}

// The relation's name of now; empty if it is gone.
std::string_view name_of_now(const Run &run, const core::Relation &relation)
{
    const char *name = get_rel_name(relation.oid);

    return name == nullptr
               ? ""
               : pg::keep(run.arena,
                          quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation.oid)), name));
}

// By the catalog, since the relation cache hides those that are half dropped. InvalidOid: of all relations.
void add_indexes(Oid relation, bool valid, Oids *found)
{
    Relation catalog = table_open(IndexRelationId, AccessShareLock);
    ScanKeyData key;

    ScanKeyInit(&key, Anum_pg_index_indrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
    const bool one = OidIsValid(relation);
    SysScanDesc scan = systable_beginscan(catalog, IndexIndrelidIndexId, one, nullptr, one ? 1 : 0, &key);
    for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple); tuple = systable_getnext(scan)) {
        const auto *form = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
        if (form->indisvalid == valid) {
            found->push(form->indexrelid);
        }
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
}

Oid toast_of(Oid relation)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    Oid toast = InvalidOid;

    if (HeapTupleIsValid(tuple)) {
        toast = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->reltoastrelid;
        ReleaseSysCache(tuple);
    }
    return toast;
}

} // namespace

void run_step(const Run &run, const core::Step &step, store::StepTimes *times)
{
    switch (step.kind) {
    case core::StepKind::Probe:
        pg::with_snapshot([&] { probe(run, step); });
        *times = {1, 0, 0};
        break;
    case core::StepKind::Instant:
        instant(run, step, step.sql, false, times);
        break;
    case core::StepKind::Long:
        validate(run, step, times);
        break;
    case core::StepKind::Concurrent:
        concurrent(run, step, times);
        break;
    case core::StepKind::Fill:
        fill(step);
        *times = {1, 0, 0};
        break;
    }
}

bool do_now(const core::Settings &settings, Patience &patience, const core::Plan &now, Body still_holds, void *arg)
{
    struct Now {
        const core::Settings *settings;
        const core::Plan *plan;
        Body still_holds;
        void *arg;
    } with{&settings, &now, still_holds, arg};
    core::List<core::Target> targets(pg::arena(CurrentMemoryContext));

    for (const core::Step &step : now.steps) {
        add_targets(&targets, step.relation, step.lock, step.only);
        for (const core::Target &other : step.also) {
            add_targets(&targets, other.relation, other.lock, step.only);
        }
    }
    const Body body = [](void *data) {
        const auto *given = static_cast<Now *>(data);
        if (!given->still_holds(given->arg)) {
            return false;
        }
        for (const core::Step &step : given->plan->steps) {
            pg::with_time_limit(given->settings->instant_timeout_ms,
                                [&] { pg::run_sql(pg::cstring(step.sql), PROCESS_UTILITY_QUERY); });
            CommandCounterIncrement();
        }
        return true;
    };
    return climb_in_block(settings, patience, targets, body, &with);
}

Oid index_of(const core::Step &step, std::string_view name)
{
    const Oid index =
        name.empty() ? InvalidOid : get_relname_relid(pg::cstring(name), get_rel_namespace(step.relation.oid));

    return OidIsValid(index) && get_rel_relkind(index) == RELKIND_INDEX &&
                   IndexGetRelation(index, true) == step.relation.oid
               ? index
               : InvalidOid;
}

Oids indexes_of(const Run &run, const core::Step &step, bool valid)
{
    Oids found(run.arena);
    ListCell *cell = nullptr;

    if (step.relation.oid == InvalidOid) {
        // REINDEX of a schema or database may touch any.
        add_indexes(InvalidOid, valid, &found);
        return found;
    }
    foreach (cell, below(step.relation.oid)) {
        const Oid toast = toast_of(lfirst_oid(cell));
        add_indexes(lfirst_oid(cell), valid, &found);
        if (OidIsValid(toast)) {
            add_indexes(toast, valid, &found);
        }
    }
    return found;
}

void undo_done(const Run &run, const core::Step &step, Oid index, int limit_ms)
{
    store::StepTimes times{};

    if (step.kind == core::StepKind::Concurrent && step.detaches == InvalidOid) {
        if (OidIsValid(index)) {
            drop_index(run, step.undo, limit_ms, index, false);
        }
        return;
    }
    if (step.kind == core::StepKind::Fill) {
        as_owner(run, [&] { stop_fill(step); });
        return;
    }
    const std::string_view name = name_of_now(run, step.relation);
    bool left = name.empty();
    if (!left) {
        as_owner(run, [&] { left = stays(step); });
    }
    if (!left) {
        instant(run, step, core::retargeted(run.arena, step.undo, step.relation.name, name), true, &times);
    }
}

bool is_half_detached(const core::Step &step)
{
    return step.detaches != InvalidOid && get_rel_relispartition(step.detaches) &&
           PartitionHasPendingDetach(step.detaches);
}

void finish_detach(const Run &run, const core::Step &step, store::StepTimes *times)
{
    instant(run, step, step.finish, true, times);
}

void drop_index(const Run &run, std::string_view sql, int limit_ms, Oid index, bool only_invalid)
{
    const Oid table = get_rel_relkind(index) == RELKIND_INDEX ? IndexGetRelation(index, true) : InvalidOid;

    if (!OidIsValid(table)) {
        return;
    }
    lock_first(sql, limit_ms, table);
    if (get_rel_relkind(index) == RELKIND_INDEX && !(only_invalid && get_index_isvalid(index))) {
        patient_over_commits(sql, limit_ms, [&] { pg::drop_index_concurrently(index); });
    }
    unlock_after(table);
}

std::string_view drop_index_sql(const Run &run, Oid index)
{
    const char *schema = get_namespace_name(get_rel_namespace(index));
    return core::concat(
        run.arena, {"DROP INDEX CONCURRENTLY IF EXISTS ", quote_qualified_identifier(schema, get_rel_name(index))});
}

void unlimited(const pg::UtilityCall &call, std::string_view text, const core::Relation &relation, bool commits)
{
    if (commits) {
        pg::commit_and_start();
        lock_first(text, 0, relation.oid);
        patient_over_commits(text, 0, [&] { pg::run_next(call); });
        unlock_after(relation.oid);
    } else {
        patient(text, [&] { pg::run_next(call); });
    }
}

} // namespace zdm::run
