#include "inspect/dependents.hpp"

#include "core/phrases.hpp"
#include "pg/catalog.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// How the search came to an object, as the flags of dependency.c say it.
constexpr int kOriginal = 1;
constexpr int kCascaded = 2; // a normal dependency
constexpr int kUnasked = 4;  // an automatic one
constexpr int kPart = 8;     // a part of something else that goes
constexpr int kOwner = 16;   // something whose part is reached

struct Found {
    ObjectAddress address; // the key: first
    int how;
};

// In the order in which they were found, and by address.
struct Search {
    core::List<Found *> order;
    HTAB *known;

    Found *find(const ObjectAddress &address) const
    {
        return static_cast<Found *>(hash_search(known, &address, HASH_FIND, nullptr));
    }
};

Search begin(core::Arena arena)
{
    HASHCTL control{};
    control.keysize = sizeof(ObjectAddress);
    control.entrysize = sizeof(Found);
    control.hcxt = CurrentMemoryContext;
    return {core::List<Found *>(arena),
            hash_create("zdm dependents", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT)};
}

// False if it was known.
bool add(Search &found, const ObjectAddress &address, int how)
{
    bool known = false;

    if (address.objectSubId != 0 && found.find({address.classId, address.objectId, 0}) != nullptr) {
        return false; // goes with the whole
    }
    auto *entry = static_cast<Found *>(hash_search(found.known, &address, HASH_ENTER, &known));
    entry->how = known ? entry->how | how : how;
    if (!known) {
        found.order.push(entry);
    }
    return !known;
}

int how_of(char type)
{
    switch (type) {
    case DEPENDENCY_NORMAL:
        return kCascaded;
    case DEPENDENCY_INTERNAL:
        return kPart;
    default:
        return kUnasked;
    }
}

// A part does not go alone: what it belongs to goes.
void add_owner(Search &found, const ObjectAddress &part)
{
    pg::each_row(DependRelationId, DependDependerIndexId, nullptr,
                 {{Anum_pg_depend_classid, part.classId}, {Anum_pg_depend_objid, part.objectId}}, [&](HeapTuple tuple) {
                     const auto *row = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple));
                     if (row->deptype == DEPENDENCY_INTERNAL && row->objsubid == part.objectSubId) {
                         add(found, {row->refclassid, row->refobjid, row->refobjsubid}, kOwner);
                         add(found, part, kPart);
                     }
                     return true;
                 });
}

void add_dependents(Search &found, const ObjectAddress &of)
{
    pg::each_row(
        DependRelationId, DependReferenceIndexId, nullptr,
        {{Anum_pg_depend_refclassid, of.classId}, {Anum_pg_depend_refobjid, of.objectId}}, [&](HeapTuple tuple) {
            const auto *row = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple));
            const ObjectAddress depender{row->classid, row->objid, row->objsubid};
            const bool itself = row->classid == of.classId && row->objid == of.objectId;
            if ((of.objectSubId != 0 && row->refobjsubid != of.objectSubId) || (itself && of.objectSubId == 0)) {
                return true;
            }
            if (add(found, depender, how_of(row->deptype)) && row->deptype != DEPENDENCY_INTERNAL) {
                add_owner(found, depender);
            }
            return true;
        });
}

// 18 keeps NOT NULL as a constraint of the column.
bool is_not_null_constraint(Oid oid)
{
    HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid));
    const bool yes = HeapTupleIsValid(tuple) && reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->contype == 'n';

    if (HeapTupleIsValid(tuple)) {
        ReleaseSysCache(tuple);
    }
    return yes;
}

// Not if nobody else can use it, or nobody knows it by name.
bool is_worth_a_word(const ObjectAddress &address)
{
    switch (address.classId) {
    case AttrDefaultRelationId:
        return false;
    case RelationRelationId:
        return get_rel_persistence(address.objectId) != RELPERSISTENCE_TEMP &&
               !IsToastNamespace(get_rel_namespace(address.objectId)) &&
               !pg::is_new(RelationRelationId, address.objectId);
    case TypeRelationId:
        return !OidIsValid(get_typ_typrelid(address.objectId));
    case ConstraintRelationId:
        return !is_not_null_constraint(address.objectId);
    default:
        return true;
    }
}

Search search(core::Arena arena, const core::List<ObjectAddress> &originals)
{
    Search found = begin(arena);

    for (const ObjectAddress &address : originals) {
        add(found, address, kOriginal);
    }
    for (std::uint32_t i = 0; i < found.order.count; i++) {
        CHECK_FOR_INTERRUPTS();
        add_dependents(found, found.order[i]->address);
    }
    return found;
}

template <class Form> Oid holder(const ObjectAddress &of, Oid index, AttrNumber key, Oid Form::*relation)
{
    Oid oid = InvalidOid;

    pg::each_row(of.classId, index, nullptr, {{key, of.objectId}}, [&](HeapTuple tuple) {
        oid = reinterpret_cast<Form *>(GETSTRUCT(tuple))->*relation;
        return false;
    });
    return oid;
}

// The relation that PostgreSQL locks to delete the object, as doDeletion does. An index goes with a lock on its table.
Oid relation_of_object(const ObjectAddress &object)
{
    switch (object.classId) {
    case RelationRelationId: {
        const char relkind = get_rel_relkind(object.objectId);
        return relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX
                   ? IndexGetRelation(object.objectId, true)
                   : object.objectId;
    }
    case AttrDefaultRelationId:
        return holder(object, AttrDefaultOidIndexId, Anum_pg_attrdef_oid, &FormData_pg_attrdef::adrelid);
    case ConstraintRelationId:
        return holder(object, ConstraintOidIndexId, Anum_pg_constraint_oid, &FormData_pg_constraint::conrelid);
    case TriggerRelationId:
        return holder(object, TriggerOidIndexId, Anum_pg_trigger_oid, &FormData_pg_trigger::tgrelid);
    case RewriteRelationId:
        return holder(object, RewriteOidIndexId, Anum_pg_rewrite_oid, &FormData_pg_rewrite::ev_class);
    case PolicyRelationId:
        return holder(object, PolicyOidIndexId, Anum_pg_policy_oid, &FormData_pg_policy::polrelid);
    default:
        return InvalidOid;
    }
}

// Not what nobody else can hold, nor what is reached through its table alone.
void want_if_known(Case &c, Oid relation)
{
    if (OidIsValid(relation) && get_rel_name(relation) != nullptr &&
        get_rel_persistence(relation) != RELPERSISTENCE_TEMP && !IsToastNamespace(get_rel_namespace(relation)) &&
        !IsCatalogRelationOid(relation) && !pg::is_new(RelationRelationId, relation)) {
        want(c, relation, core::Lock::AccessExclusive);
    }
}

bool needs_cascade(const Found &one) { return (one.how & (kOriginal | kPart | kUnasked)) == 0; }

} // namespace

void want_dropped(Case &c, const core::List<ObjectAddress> &originals, bool cascade)
{
    const Search found = search(c.arena, originals);
    bool refused = false;

    for (const Found *one : found.order) {
        refused = refused || (!cascade && needs_cascade(*one));
    }
    // As PostgreSQL does: first all that goes, in the order in which it is found, then what is touched in going.
    for (const Found *one : found.order) {
        const Oid relation = relation_of_object(one->address);
        if (refused || one->address.classId != RelationRelationId || relation != one->address.objectId) {
            continue;
        }
        if (one->address.objectSubId == 0 && get_rel_relispartition(relation)) {
            const Oid parent = get_partition_parent(relation, true);
            want_if_known(c, parent);
            want_if_known(c, get_default_partition_oid(parent));
        }
        want_if_known(c, relation);
    }
    for (const Found *one : found.order) {
        const Oid relation = refused ? InvalidOid : relation_of_object(one->address);
        if (OidIsValid(relation) && found.find({RelationRelationId, relation, 0}) == nullptr) {
            want_if_known(c, relation);
        }
    }
    hash_destroy(found.known);
}

Dependents dependents_of(Case &c, const core::List<ObjectAddress> &originals)
{
    const Search found = search(c.arena, originals);
    Dependents all;

    all.cascaded = core::List<std::string_view>(c.arena);
    all.along = core::List<std::string_view>(c.arena);
    for (const Found *entry : found.order) {
        const Found &one = *entry;
        if ((one.how & (kOriginal | kPart)) != 0 || !is_worth_a_word(one.address)) {
            continue;
        }
        const bool unasked = (one.how & kUnasked) != 0;
        core::List<std::string_view> &names = unasked ? all.along : all.cascaded;
        (unasked ? all.along_count : all.cascaded_count)++;
        if (names.count < core::kNamesShown) {
            const char *name = getObjectDescription(&one.address, true);
            names.push(pg::keep(c.arena, name == nullptr ? "" : name));
        }
    }
    hash_destroy(found.known);
    return all;
}

} // namespace zdm::inspect
