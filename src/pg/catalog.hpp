#pragma once
// Rows of catalogs, also as they were before the transaction of now.
#include "pg/postgres.hpp"

#include <initializer_list>

namespace zdm::pg
{

struct Key {
    AttrNumber column;
    Oid value;
};

// Calls body(HeapTuple) for each row whose columns equal the keys; stops at false.
template <class F> void each_row(Oid catalog, Oid index, Snapshot snapshot, std::initializer_list<Key> keys, F &&body)
{
    ScanKeyData scan_keys[4];
    int count = 0;
    Relation rel = table_open(catalog, AccessShareLock);

    for (const Key &key : keys) {
        ScanKeyInit(&scan_keys[count++], key.column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(key.value));
    }
    SysScanDesc scan = systable_beginscan(rel, index, OidIsValid(index), snapshot, count, scan_keys);
    for (HeapTuple tuple = systable_getnext(scan); HeapTupleIsValid(tuple); tuple = systable_getnext(scan)) {
        if (!body(tuple)) {
            break;
        }
    }
    systable_endscan(scan);
    table_close(rel, AccessShareLock);
}

// Runs body(Snapshot) with a snapshot that sees nothing of what this transaction, with its savepoints, has done.
template <class F> void before_this_transaction(F &&body)
{
    Snapshot now = RegisterSnapshot(GetLatestSnapshot());
    SnapshotData then = *now;

    // Rows of ours are of command 0 or later.
    then.curcid = FirstCommandId;
    body(&then);
    UnregisterSnapshot(now);
}

// Whether the object came with this transaction.
bool is_new(Oid catalog, Oid object);

// Whether the column came with this transaction.
bool is_new_column(Oid relation, const char *column);

// Whether the relation was a partition when this transaction began.
bool was_partition(Oid relation);

} // namespace zdm::pg
