#include "inspect/look.hpp"

#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

std::uint64_t pages_of(Case &c, Relation rel)
{
    if (RELKIND_HAS_STORAGE(rel->rd_rel->relkind)) {
        return RelationGetNumberOfBlocks(rel);
    }
    return 0;
}

// A partitioned table, or the root of an inheritance tree, is as large as all below it.
std::uint64_t pages_below(Case &c, Oid oid)
{
    std::uint64_t pages = 0;
    ListCell *cell = nullptr;

    foreach (cell, find_all_inheritors(oid, NoLock, nullptr)) {
        if (lfirst_oid(cell) != oid) {
            with_relation(c, lfirst_oid(cell), [&](Relation child) { pages += pages_of(c, child); });
        }
    }
    return pages;
}

} // namespace

bool look_at(Case &c, const RangeVar *name, Look *look, bool deep)
{
    const Oid oid = RangeVarGetRelid(name, NoLock, true);

    return OidIsValid(oid) && look_at(c, oid, look, deep);
}

bool look_at(Case &c, Oid oid, Look *look, bool deep)
{
    bool has_children = false;
    const bool seen = with_relation(c, oid, [&](Relation rel) {
        const std::uint64_t pages = pages_of(c, rel);

        look->oid = oid;
        look->relkind = rel->rd_rel->relkind;
        look->hidden = RelationUsesLocalBuffers(rel) || rel->rd_createSubid != InvalidSubTransactionId;
        look->catalog = IsCatalogRelation(rel) || IsToastRelation(rel);
        look->owned = c.purpose == Purpose::Explain || pg::owns_relation(oid, GetUserId());
        look->partition = rel->rd_rel->relispartition;
        look->schema = RelationGetNamespace(rel);
        look->relation = relation_of(c, oid);
        look->relation.bytes = pages * BLCKSZ;
        has_children = rel->rd_rel->relhassubclass && rel->rd_rel->relkind != RELKIND_INDEX &&
                       rel->rd_rel->relkind != RELKIND_PARTITIONED_INDEX;
    });
    if (!seen) {
        return false;
    }
    look->has_children = has_children;
    if (has_children && deep) {
        look->relation.bytes += pages_below(c, oid) * BLCKSZ;
    }
    look->empty = static_cast<std::int64_t>(look->relation.bytes) <= c.settings->small_table_bytes;
    return !c.busy();
}

bool lock_to_look(Case &c, Oid oid)
{
    if (c.purpose == Purpose::Explain) {
        LockRelationOid(oid, AccessShareLock);
        return true;
    }
    if (ConditionalLockRelationOid(oid, AccessShareLock)) {
        return true;
    }
    c.out->busy = {relation_of(c, oid), core::Lock::AccessShare};
    return false;
}

std::string_view quoted(Case &c, const char *identifier) { return pg::keep(c.arena, quote_identifier(identifier)); }

std::string_view qualified(Case &c, Oid oid) { return relation_of(c, oid).name; }

core::Relation relation_of(Case &c, Oid oid)
{
    core::Relation relation;
    const char *name = get_rel_name(oid);

    if (name == nullptr) {
        return relation;
    }
    const char *schema = get_namespace_name(get_rel_namespace(oid));
    relation.oid = oid;
    relation.schema = pg::keep(c.arena, schema == nullptr ? "" : schema);
    relation.bare = pg::keep(c.arena, name);
    relation.name = pg::keep(c.arena, quote_qualified_identifier(schema, name));
    return relation;
}

namespace
{

// Looks for it among the first `known` targets only: there may be thousands of partitions.
void want_new(Case &c, Oid oid, core::Lock lock, std::uint32_t known)
{
    core::List<core::Target> &targets = c.out->statement.targets;

    for (std::uint32_t i = 0; i < known; i++) {
        if (targets[i].relation.oid == oid) {
            targets[i].lock = lock > targets[i].lock ? lock : targets[i].lock;
            return;
        }
    }
    targets.push({relation_of(c, oid), lock});
}

} // namespace

void want(Case &c, const Look &look, core::Lock lock, bool inherit)
{
    const std::uint32_t known = c.out->statement.targets.count;

    want(c, look.oid, lock);
    if (inherit && look.has_children) {
        ListCell *cell = nullptr;
        foreach (cell, find_all_inheritors(look.oid, NoLock, nullptr)) {
            if (lfirst_oid(cell) != look.oid) {
                want_new(c, lfirst_oid(cell), lock, known);
            }
        }
    }
}

void want(Case &c, Oid oid, core::Lock lock)
{
    if (OidIsValid(oid)) {
        want_new(c, oid, lock, c.out->statement.targets.count);
    }
}

} // namespace zdm::inspect
