#include "fill/prepared.hpp"

#include "pg/spi.hpp"
#include "pg/xact.hpp"

#include <initializer_list>

namespace zdm::fill
{

namespace
{

SPIPlanPtr keep_plan(const Key &key, const char *sql, int parameters, bool with_offset)
{
    Oid types[2 * INDEX_MAX_KEYS + 1];
    int count = 0;

    for (; count < parameters; count++) {
        types[count] = key.types[count % key.count];
    }
    if (with_offset) {
        types[count++] = INT8OID;
    }
    return pg::spi_keep(SPI_prepare_cursor(sql, count, types, CURSOR_OPT_GENERIC_PLAN));
}

bool is_planned(SPIPlanPtr plan)
{
    ListCell *cell = nullptr;

    foreach (cell, SPI_plan_get_plan_sources(plan)) {
        auto *source = static_cast<CachedPlanSource *>(lfirst(cell));
        if (!source->is_valid || source->gplan == nullptr || !source->gplan->is_valid) {
            return false;
        }
    }
    return true;
}

// Plans in advance, so that the planner's settings are ours while it works and the user's while triggers run.
// A batch must follow the key's index whatever the statistics say: every other path costs a scan per batch.
void plan_along_the_key(SPIPlanPtr plan)
{
    if (is_planned(plan)) {
        return;
    }
    pg::with_settings([&] {
        pg::set_local("enable_seqscan", "off");
        pg::set_local("enable_bitmapscan", "off");
        pg::set_local("enable_sort", "off");
        pg::set_local("enable_indexscan", "on");
        pg::set_local("enable_indexonlyscan", "on");
        pg::set_local("enable_tidscan", "on");
        pg::set_local("enable_nestloop", "on");
        pg::set_local("jit", "off");
        pg::set_local("max_parallel_workers_per_gather", "0");
        CachedPlan *cached = SPI_plan_get_cached_plan(plan);
        if (cached != nullptr) {
            ReleaseCachedPlan(cached, CurrentResourceOwner);
        }
    });
}

} // namespace

bool still_good(const Statements &statements, Oid part)
{
    return statements.part == part && same_names(statements) &&
           (statements.key.count == 0 || SearchSysCacheExists1(INDEXRELID, ObjectIdGetDatum(statements.key.index)));
}

bool same_names(const Statements &statements)
{
    const char *name = get_rel_name(statements.part);

    return name != nullptr && strcmp(name, statements.name) == 0 &&
           strcmp(get_namespace_name(get_rel_namespace(statements.part)), statements.schema) == 0;
}

void drop(Statements *statements)
{
    for (SPIPlanPtr plan : {statements->last_key, statements->bound[0], statements->bound[1], statements->update[0],
                            statements->update[1], statements->unlocked[0], statements->unlocked[1], statements->one,
                            statements->verify[0], statements->verify[1]}) {
        if (plan != nullptr) {
            SPI_freeplan(plan);
        }
    }
    for (SPIPlanPtr plan : statements->heap) {
        if (plan != nullptr) {
            SPI_freeplan(plan);
        }
    }
    MemoryContext memory = statements->memory;
    MemoryContextReset(memory);
    *statements = {};
    statements->memory = memory;
}

void learn_key(Statements *statements, Relation relation, bool needed)
{
    drop(statements);
    MemoryContext here = MemoryContextSwitchTo(statements->memory);
    statements->key = find_key(relation);
    statements->schema = get_namespace_name(RelationGetNamespace(relation));
    statements->name = pstrdup(RelationGetRelationName(relation));
    MemoryContextSwitchTo(here);
    if (needed && statements->key.count == 0) {
        refuse_without_key(relation);
    }
}

void prepare(Statements *statements, const Clauses &plain, Relation part)
{
    const Key &key = statements->key;
    char *bound[2] = {};
    char *update[2] = {};
    Clauses clauses = plain;

    statements->meaning = read_meaning(plain, part);
    if (statements->meaning.not_yet != nullptr) {
        statements->meaning.not_yet = MemoryContextStrdup(statements->memory, statements->meaning.not_yet);
    }
    clauses.not_yet = statements->meaning.not_yet;
    if (key.count == 0) {
        statements->update_text = MemoryContextStrdup(statements->memory, heap_statement(clauses, false));
        statements->part = RelationGetRelid(part);
        return;
    }
    for (const bool after : {false, true}) {
        bound[after] = bound_statement(clauses.table, key, after);
        update[after] = update_statement(clauses, key, after);
    }
    statements->update_text = MemoryContextStrdup(statements->memory, update[1]);
    statements->last_key = keep_plan(key, last_key_statement(clauses.table, key), 0, false);
    for (const bool after : {false, true}) {
        const int parameters = key.count * (after ? 2 : 1);
        statements->bound[after] = keep_plan(key, bound[after], parameters, true);
        statements->update[after] = keep_plan(key, update[after], parameters, false);
    }
    statements->part = RelationGetRelid(part);
}

namespace
{

SPIPlanPtr keep_heap_plan(const Clauses &clauses, HeapPlan which)
{
    Oid range[] = {TIDOID, TIDOID, INT4OID, INT4OID};
    Oid left[] = {INT8OID, TIDARRAYOID};
    Oid places[] = {TIDARRAYOID};
    const auto keep = [](const char *sql, int parameters, Oid *types) {
        return pg::spi_keep(SPI_prepare_cursor(sql, parameters, types, CURSOR_OPT_GENERIC_PLAN));
    };

    switch (which) {
    case HeapPlan::Range:
        return keep(heap_statement(clauses, false), 2, range);
    case HeapPlan::Striped:
        return keep(heap_statement(clauses, true), 4, range);
    case HeapPlan::Unlocked:
        return keep(heap_unlocked_statement(clauses), 2, range);
    case HeapPlan::Left:
        return keep(heap_left_statement(clauses), 2, left);
    case HeapPlan::These:
        return keep(heap_these_statement(clauses, false), 1, places);
    case HeapPlan::Verify:
        return keep(heap_verify_statement(clauses), 2, range);
    case HeapPlan::TheseUnlocked:
        break;
    }
    return keep(heap_these_statement(clauses, true), 1, places);
}

} // namespace

SPIPlanPtr prepare_heap(Statements *statements, const Clauses &clauses, HeapPlan which)
{
    SPIPlanPtr *plan = &statements->heap[static_cast<int>(which)];

    if (*plan == nullptr) {
        Clauses filtered = clauses;
        filtered.not_yet = statements->meaning.not_yet;
        *plan = keep_heap_plan(filtered, which);
    }
    return *plan;
}

SPIPlanPtr prepare_unlocked(Statements *statements, const Clauses &clauses, bool after)
{
    const Key &key = statements->key;

    if (statements->unlocked[after] == nullptr) {
        Clauses filtered = clauses;
        filtered.not_yet = statements->meaning.not_yet;
        statements->unlocked[after] =
            keep_plan(key, unlocked_statement(filtered, key, after), key.count * (after ? 2 : 1), false);
    }
    return statements->unlocked[after];
}

SPIPlanPtr prepare_verify(Statements *statements, const Clauses &clauses, bool after)
{
    const Key &key = statements->key;

    if (statements->verify[after] == nullptr) {
        Clauses filtered = clauses;
        filtered.not_yet = statements->meaning.not_yet;
        statements->verify[after] =
            keep_plan(key, verify_statement(filtered, key, after), key.count * (after ? 2 : 1), false);
    }
    return statements->verify[after];
}

SPIPlanPtr prepare_one(Statements *statements, const Clauses &clauses)
{
    const Key &key = statements->key;

    if (statements->one == nullptr) {
        Clauses filtered = clauses;
        filtered.not_yet = statements->meaning.not_yet;
        statements->one = keep_plan(key, one_statement(filtered, key), key.count, false);
    }
    return statements->one;
}

void execute_at(SPIPlanPtr plan, Datum *values, bool read_only, Snapshot snapshot)
{
    plan_along_the_key(plan);
    pg::spi_check(SPI_execute_snapshot(plan, values, nullptr, snapshot, InvalidSnapshot, read_only, true, 0));
}

void execute(SPIPlanPtr plan, Datum *values, bool read_only, long rows)
{
    plan_along_the_key(plan);
    pg::spi_check(SPI_execute_plan(plan, values, nullptr, read_only, rows));
}

} // namespace zdm::fill
