#include "fill/fill.hpp"
#include "fill/meaning.hpp"
#include "fill/statement.hpp"
#include "fill/tree.hpp"
#include "pg/xact.hpp"

#include <cmath>

namespace zdm::fill
{

namespace
{

// Correlation with the heap from which on a key is good to walk along.
constexpr double kFollows = 0.5;

void check_kind(Relation relation)
{
    const char kind = relation->rd_rel->relkind;

    if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE) {
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
                errmsg("\"%s\" is not a table", RelationGetRelationName(relation)),
                errdetail_relkind_not_supported(kind));
    }
    if (IsSystemRelation(relation)) {
        ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                errmsg("permission denied: \"%s\" is a system catalog", RelationGetRelationName(relation)));
    }
    if (relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP) {
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                errmsg("cannot backfill temporary table \"%s\"", RelationGetRelationName(relation)),
                errdetail("No other process can see its rows."), errhint("Use a plain UPDATE."));
    }
}

void refuse_column(Relation relation, AttrNumber column, List *columns, const char *what)
{
    const char *name = NameStr(TupleDescAttr(RelationGetDescr(relation), column - 1)->attname);
    ListCell *cell = nullptr;

    foreach (cell, columns) {
        if (strcmp(static_cast<char *>(lfirst(cell)), name) == 0) {
            ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("set_clause writes column \"%s\", which is part of the %s of \"%s\"", name, what,
                           RelationGetRelationName(relation)),
                    errdetail("A backfill walks along the key and could meet a row twice, or never."),
                    errhint("Backfill a new column, then exchange the columns."));
        }
    }
}

// Parses, analyzes, plans and checks rights, all as the caller; executes nothing.
void explain(const char *sql, const Key &key)
{
    Datum values[INDEX_MAX_KEYS] = {};
    char nulls[INDEX_MAX_KEYS];
    Oid types[INDEX_MAX_KEYS];

    memset(nulls, 'n', sizeof(nulls));
    memcpy(types, key.types, sizeof(types));
    if (key.more_path != nullptr) {
        pg::set_local("search_path", psprintf("%s%s", GetConfigOption("search_path", false, false), key.more_path));
    }
    SPI_connect();
    SPI_execute_with_args(psprintf("EXPLAIN %s", sql), key.count, types, values, nulls, false, 0);
    SPI_finish();
}

struct Asked {
    Oid root;
    List *columns;
    const char *set_clause;
    const char *where_clause;
    const char *path; // or null
};

[[noreturn]] void refuse_path(const Asked &asked)
{
    ereport(
        ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
        errmsg("path \"%s\" is only for work where a row can be met twice", asked.path),
        errdetail("An update moves a row to another page, where the walk may meet it again."),
        errhint("Leave the option out; or write a set_clause that reads no column it writes and gives the same each "
                "time, or a where_clause that the set_clause makes false."));
}

// How well the order of the key's first column follows the heap, from 0 to 1; 1 if nobody knows.
double follows_heap(Relation relation, const Key &key)
{
    AttStatsSlot slot;
    double correlation = 1;
    HeapTuple tuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(RelationGetRelid(relation)),
                                      Int16GetDatum(key.columns[0]), BoolGetDatum(false));

    if (!HeapTupleIsValid(tuple)) {
        return correlation;
    }
    if (get_attstatsslot(&slot, tuple, STATISTIC_KIND_CORRELATION, InvalidOid, ATTSTATSSLOT_NUMBERS)) {
        correlation = slot.nnumbers == 1 ? std::abs(slot.numbers[0]) : correlation;
        free_attstatsslot(&slot);
    }
    ReleaseSysCache(tuple);
    return correlation;
}

// Along such a key every batch would read pages all over a table that does not fit into memory.
bool is_worth_the_heap(Relation relation, const Key &key)
{
    return RelationGetNumberOfBlocks(relation) > static_cast<BlockNumber>(NBuffers) / 2 &&
           follows_heap(relation, key) < kFollows;
}

// True: this part is to be walked along the heap.
bool check_part(const Asked &asked, Oid part)
{
    Relation relation = table_open(part, AccessShareLock);
    const bool wants_heap = asked.path != nullptr && strcmp(asked.path, "keyset") != 0;

    if (relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE) {
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
                errmsg("cannot backfill foreign table \"%s\"", RelationGetRelationName(relation)),
                errhint("Backfill the other partitions one by one."));
    }

    const Key key = find_key(relation);
    const Clauses clauses = clauses_for(asked.root, part, asked.set_clause, asked.where_clause);
    for (int i = 0; i < key.count; i++) {
        refuse_column(relation, key.columns[i], asked.columns, "key");
    }
    if (key.count > 0) {
        explain(update_statement(clauses, key, false), key);
    } else {
        explain(plain_statement(clauses), key);
    }
    bool along_heap = wants_heap || key.count == 0;
    if (!along_heap && asked.path == nullptr && is_worth_the_heap(relation, key)) {
        along_heap = read_meaning(clauses, relation).repeatable;
    } else if (along_heap) {
        const Meaning meaning = read_meaning(clauses, relation);
        if (asked.path != nullptr && !wants_heap) {
            refuse_without_key(relation);
        }
        if (!meaning.repeatable && !meaning.ends_itself) {
            if (wants_heap) {
                refuse_path(asked);
            }
            refuse_without_key(relation);
        }
    }
    table_close(relation, NoLock);
    return along_heap;
}

void check_partition_key(Relation relation, List *columns)
{
    if (relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE) {
        return;
    }
    auto *key = RelationGetPartitionKey(relation);
    for (int i = 0; i < get_partition_natts(key); i++) {
        if (get_partition_col_attnum(key, i) > 0) {
            refuse_column(relation, get_partition_col_attnum(key, i), columns, "partition key");
        }
    }
}

} // namespace

void as_asked(store::Job &job, void (*body)(void *job))
{
    pg::as_role(job.owner, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION, [&] {
        apply_settings(job.settings, nullptr);
        body(&job);
    });
}

const char *check_verifiable(Oid relation, const char *set_clause, const char *where_clause)
{
    const Parts parts = parts_of(relation);
    bool verifiable = true;
    bool scope_is_lost = false;

    for (int i = 0; i < parts.count; i++) {
        Relation part = table_open(parts.oids[i], AccessShareLock);
        const Meaning meaning = read_meaning(clauses_for(relation, parts.oids[i], set_clause, where_clause), part);
        verifiable = verifiable && meaning.repeatable;
        scope_is_lost = scope_is_lost || meaning.scope_is_lost;
        table_close(part, NoLock);
    }
    if (!verifiable) {
        ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("the backfill cannot be verified"),
                errdetail("Its set_clause reads a column that it writes, or gives another value each time: %s",
                          set_clause));
    }
    return scope_is_lost ? nullptr : where_clause;
}

const char *check(Oid relation, const char *set_clause, const char *where_clause, const char *path)
{
    Relation root = try_relation_open(relation, AccessShareLock);
    if (root == nullptr) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation));
    }

    check_kind(root);
    List *columns = columns_set(set_clause);
    if (where_clause != nullptr) {
        check_condition(where_clause);
    }
    check_partition_key(root, columns);

    const Asked asked{relation, columns, set_clause, where_clause, path};
    bool along_heap = path != nullptr && strcmp(path, "keyset") != 0;
    pg::with_settings([&] {
        // A policy that hides rows from the job must fail here and not, row by row, in silence.
        pg::set_local("row_security", "off");
        pg::set_local("jit", "off");
        const Parts parts = parts_of(relation);
        for (int i = 0; i < parts.count; i++) {
            along_heap = check_part(asked, parts.oids[i]) || along_heap;
        }
        if (parts.count == 0) {
            SPI_connect();
            SPI_execute(
                psprintf("EXPLAIN %s", plain_statement(clauses_for(relation, relation, set_clause, where_clause))),
                false, 0);
            SPI_finish();
        }
    });
    relation_close(root, NoLock);
    return path != nullptr ? path : along_heap ? "striped" : "keyset";
}

} // namespace zdm::fill
