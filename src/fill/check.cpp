#include "fill/fill.hpp"
#include "fill/statement.hpp"
#include "fill/tree.hpp"
#include "pg/xact.hpp"

namespace zdm::fill
{

namespace
{

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

void check_part(Oid root, Oid part, List *columns, const char *set_clause, const char *where_clause)
{
    Relation relation = table_open(part, AccessShareLock);

    if (relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE) {
        ereport(ERROR, errcode(ERRCODE_WRONG_OBJECT_TYPE),
                errmsg("cannot backfill foreign table \"%s\"", RelationGetRelationName(relation)),
                errhint("Backfill the other partitions one by one."));
    }

    const Key key = find_key(relation);
    if (key.count == 0) {
        refuse_without_key(relation);
    }
    for (int i = 0; i < key.count; i++) {
        refuse_column(relation, key.columns[i], columns, "key");
    }

    // Parses, analyzes, plans and checks rights, all as the caller; executes nothing.
    const Clauses clauses = clauses_for(root, part, set_clause, where_clause);
    Datum values[INDEX_MAX_KEYS] = {};
    char nulls[INDEX_MAX_KEYS];
    Oid types[INDEX_MAX_KEYS];
    memset(nulls, 'n', sizeof(nulls));
    memcpy(types, key.types, sizeof(types));
    if (key.more_path != nullptr) {
        pg::set_local("search_path", psprintf("%s%s", GetConfigOption("search_path", false, false), key.more_path));
    }
    SPI_connect();
    SPI_execute_with_args(psprintf("EXPLAIN %s", update_statement(clauses, key, false)), key.count, types, values,
                          nulls, false, 0);
    SPI_finish();
    table_close(relation, NoLock);
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

void check(Oid relation, const char *set_clause, const char *where_clause)
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

    pg::with_settings([&] {
        // A policy that hides rows from the job must fail here and not, row by row, in silence.
        pg::set_local("row_security", "off");
        pg::set_local("jit", "off");
        const Parts parts = parts_of(relation);
        for (int i = 0; i < parts.count; i++) {
            check_part(relation, parts.oids[i], columns, set_clause, where_clause);
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
}

} // namespace zdm::fill
