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

} // namespace

Dependents dependents_of(Case &c, const core::List<ObjectAddress> &originals)
{
    Search found = begin(c.arena);
    Dependents all;

    all.cascaded = core::List<std::string_view>(c.arena);
    all.along = core::List<std::string_view>(c.arena);
    for (const ObjectAddress &address : originals) {
        add(found, address, kOriginal);
    }
    for (std::uint32_t i = 0; i < found.order.count; i++) {
        CHECK_FOR_INTERRUPTS();
        add_dependents(found, found.order[i]->address);
    }
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
