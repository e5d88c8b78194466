#include "pg/catalog.hpp"

namespace zdm::pg
{

bool is_new(Oid catalog, Oid object)
{
    bool before = false;

    if (!TransactionIdIsValid(GetTopTransactionIdIfAny())) {
        return false;
    }
    before_this_transaction([&](Snapshot then) {
        each_row(catalog, get_object_oid_index(catalog), then, {{get_object_attnum_oid(catalog), object}},
                 [&](HeapTuple) {
                     before = true;
                     return false;
                 });
    });
    return !before;
}

bool is_new_column(Oid relation, const char *column)
{
    bool before = false;

    if (!TransactionIdIsValid(GetTopTransactionIdIfAny())) {
        return false;
    }
    before_this_transaction([&](Snapshot then) {
        // By number: the name may have changed meanwhile.
        const AttrNumber number = get_attnum(relation, column);
        each_row(AttributeRelationId, AttributeRelidNumIndexId, then, {{Anum_pg_attribute_attrelid, relation}},
                 [&](HeapTuple tuple) {
                     before = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple))->attnum == number;
                     return !before;
                 });
    });
    return !before;
}

bool was_partition(Oid relation)
{
    bool before = false;

    before_this_transaction([&](Snapshot then) {
        each_row(RelationRelationId, ClassOidIndexId, then, {{Anum_pg_class_oid, relation}}, [&](HeapTuple tuple) {
            before = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relispartition;
            return false;
        });
    });
    return before;
}

} // namespace zdm::pg
