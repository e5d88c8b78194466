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
           SearchSysCacheExists1(INDEXRELID, ObjectIdGetDatum(statements.key.index));
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
                            statements->update[1], statements->unlocked[0], statements->unlocked[1], statements->one}) {
        if (plan != nullptr) {
            SPI_freeplan(plan);
        }
    }
    MemoryContext memory = statements->memory;
    MemoryContextReset(memory);
    *statements = {};
    statements->memory = memory;
}

void learn_key(Statements *statements, Relation relation)
{
    drop(statements);
    MemoryContext here = MemoryContextSwitchTo(statements->memory);
    statements->key = find_key(relation);
    statements->schema = get_namespace_name(RelationGetNamespace(relation));
    statements->name = pstrdup(RelationGetRelationName(relation));
    MemoryContextSwitchTo(here);
    if (statements->key.count == 0) {
        refuse_without_key(relation);
    }
}

void prepare(Statements *statements, const Clauses &clauses, Oid part)
{
    const Key &key = statements->key;
    char *bound[2] = {};
    char *update[2] = {};

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
    statements->part = part;
}

SPIPlanPtr prepare_unlocked(Statements *statements, const Clauses &clauses, bool after)
{
    const Key &key = statements->key;

    if (statements->unlocked[after] == nullptr) {
        statements->unlocked[after] =
            keep_plan(key, unlocked_statement(clauses, key, after), key.count * (after ? 2 : 1), false);
    }
    return statements->unlocked[after];
}

SPIPlanPtr prepare_one(Statements *statements, const Clauses &clauses)
{
    const Key &key = statements->key;

    if (statements->one == nullptr) {
        statements->one = keep_plan(key, one_statement(clauses, key), key.count, false);
    }
    return statements->one;
}

void execute(SPIPlanPtr plan, Datum *values, bool read_only, long rows)
{
    plan_along_the_key(plan);
    pg::spi_check(SPI_execute_plan(plan, values, nullptr, read_only, rows));
}

} // namespace zdm::fill
