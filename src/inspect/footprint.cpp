// What a statement leaves behind in its transaction: locks against others, and what later statements may build on.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

using core::Deed;

bool has_rows(char relkind)
{
    return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE || relkind == RELKIND_MATVIEW;
}

Oid inheritance_parent(Oid oid)
{
    ScanKeyData key;
    Oid parent = InvalidOid;

    ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
    Relation inherits = table_open(InheritsRelationId, AccessShareLock);
    SysScanDesc scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple)) {
        parent = reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple))->inhparent;
    }
    systable_endscan(scan);
    table_close(inherits, AccessShareLock);
    return parent;
}

bool is_index(char relkind) { return relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX; }

// A table with its indexes, partitions and children is one thing to who waits for it.
Oid family_of(Oid oid)
{
    for (;;) {
        const char relkind = get_rel_relkind(oid);
        Oid above = InvalidOid;
        int32 column = 0;

        if (is_index(relkind)) {
            above = IndexGetRelation(oid, true);
        } else if (relkind == RELKIND_SEQUENCE) {
            if (!sequenceIsOwned(oid, DEPENDENCY_AUTO, &above, &column)) {
                (void)sequenceIsOwned(oid, DEPENDENCY_INTERNAL, &above, &column);
            }
        } else if (has_rows(relkind)) {
            above = inheritance_parent(oid);
        }
        if (!OidIsValid(above)) {
            return oid;
        }
        oid = above;
    }
}

void add_hold(Case &c, const core::Target &target, bool by_ddl, core::Footprint *footprint)
{
    core::Held held;
    bool known_to_others = false;

    with_relation(c, target.relation.oid, [&](Relation rel) {
        known_to_others = !RelationUsesLocalBuffers(rel) && rel->rd_createSubid == InvalidSubTransactionId;
        held.table = has_rows(rel->rd_rel->relkind);
    });
    if (known_to_others) {
        held.relation = target.relation;
        held.family = family_of(target.relation.oid);
        held.lock = target.lock;
        held.by_ddl = by_ddl;
        footprint->holds.push(held);
    }
}

void add_reference(Case &c, const Node *node, Oid altered, core::Footprint *footprint)
{
    if (node == nullptr || !IsA(node, Constraint) || castNode(Constraint, node)->contype != CONSTR_FOREIGN) {
        return;
    }
    const RangeVar *name = castNode(Constraint, node)->pktable;
    Look look;
    if (name != nullptr && look_at(c, name, &look) && !look.hidden && look.oid != altered) {
        footprint->deeds.push({Deed::References, look.relation, ""});
    }
}

void add_references_of_column(Case &c, const Node *node, Oid altered, core::Footprint *footprint)
{
    ListCell *cell = nullptr;

    if (node != nullptr && IsA(node, ColumnDef)) {
        foreach (cell, castNode(ColumnDef, node)->constraints) {
            add_reference(c, static_cast<Node *>(lfirst(cell)), altered, footprint);
        }
    }
}

void of_alter_table(Case &c, const AlterTableStmt *stmt, const core::Statement &statement, core::Footprint *footprint)
{
    ListCell *cell = nullptr;
    const Oid altered = statement.relation.oid;

    if (!footprint->holds.empty()) {
        footprint->deeds.push({Deed::Alters, statement.relation, ""});
    }
    foreach (cell, stmt->cmds) {
        const auto *cmd = lfirst_node(AlterTableCmd, cell);
        if (cmd->subtype == AT_AddConstraint) {
            add_reference(c, cmd->def, altered, footprint);
        } else if (cmd->subtype == AT_AddColumn) {
            add_references_of_column(c, cmd->def, altered, footprint);
        }
    }
}

void of_create_table(Case &c, const CreateStmt *stmt, core::Footprint *footprint)
{
    ListCell *cell = nullptr;
    const char *schema = stmt->relation->schemaname;

    if (schema == nullptr) {
        List *path = fetch_search_path(false);
        schema = path == NIL ? nullptr : get_namespace_name(linitial_oid(path));
    }
    footprint->deeds.push(
        {Deed::CreatesTable, {}, pg::keep(c.arena, quote_qualified_identifier(schema, stmt->relation->relname))});
    foreach (cell, stmt->constraints) {
        add_reference(c, static_cast<Node *>(lfirst(cell)), InvalidOid, footprint);
    }
    foreach (cell, stmt->tableElts) {
        const auto *element = static_cast<Node *>(lfirst(cell));
        add_reference(c, element, InvalidOid, footprint);
        add_references_of_column(c, element, InvalidOid, footprint);
    }
}

void of_drop(Case &c, const DropStmt *stmt, core::Footprint *footprint)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->objects) {
        if (stmt->removeType != OBJECT_TABLE && stmt->removeType != OBJECT_INDEX) {
            return;
        }
        const Oid oid = RangeVarGetRelid(makeRangeVarFromNameList(static_cast<List *>(lfirst(cell))), NoLock, true);
        if (!OidIsValid(oid)) {
            continue;
        }
        if (stmt->removeType == OBJECT_TABLE) {
            footprint->deeds.push({Deed::DropsTable, {}, qualified(c, oid)});
            continue;
        }
        if (!is_index(get_rel_relkind(oid))) {
            continue; // PostgreSQL will say so
        }
        with_relation(c, oid, [&](Relation index) {
            const AttrNumber first = index->rd_index->indkey.values[0];
            const Oid table = index->rd_index->indrelid;
            const char *column = first > 0 ? get_attname(table, first, true) : nullptr;
            if (column != nullptr) {
                footprint->deeds.push({Deed::DropsIndex, relation_of(c, table), quoted(c, column)});
            }
        });
    }
}

void of_create_index(Case &c, const IndexStmt *stmt, const core::Statement &statement, core::Footprint *footprint)
{
    const char *column = linitial_node(IndexElem, stmt->indexParams)->name;

    if (column != nullptr) {
        footprint->deeds.push({Deed::CreatesIndex, statement.relation, quoted(c, column)});
    }
}

} // namespace

core::Footprint footprint(core::Arena arena, const core::Settings &settings, const Node *utility,
                          const core::Statement &statement)
{
    Finding unused;
    Case c{arena, "", 0, "", Purpose::Guard, &unused, &settings};
    core::Footprint footprint(arena);
    const bool changes_schema =
        !IsA(utility, TruncateStmt) && !IsA(utility, LockStmt) && !IsA(utility, RefreshMatViewStmt);

    for (const core::Target &target : statement.targets) {
        if (core::blocks_others(target.lock)) {
            add_hold(c, target, changes_schema, &footprint);
        }
    }
    footprint.locks_by_hand = IsA(utility, LockStmt);
    switch (nodeTag(utility)) {
    case T_AlterTableStmt:
        of_alter_table(c, castNode(AlterTableStmt, utility), statement, &footprint);
        break;
    case T_CreateStmt:
        of_create_table(c, castNode(CreateStmt, utility), &footprint);
        break;
    case T_DropStmt:
        of_drop(c, castNode(DropStmt, utility), &footprint);
        break;
    case T_IndexStmt:
        of_create_index(c, castNode(IndexStmt, utility), statement, &footprint);
        break;
    case T_RenameStmt:
        footprint.renames = castNode(RenameStmt, utility)->renameType == OBJECT_TABLE;
        break;
    default:
        break;
    }
    return footprint;
}

void add_all_held(core::Arena arena, const core::Settings &settings, core::Footprint *footprint)
{
    Finding unused;
    Case c{arena, "", 0, "", Purpose::Guard, &unused, &settings};
    const LockData *locks = GetLockStatusData();

    for (int i = 0; i < locks->nelements; i++) {
        const LockInstanceData &lock = locks->locks[i];
        const LOCKTAG &tag = lock.locktag;
        if (lock.pid != MyProcPid || tag.locktag_type != LOCKTAG_RELATION || tag.locktag_field1 != MyDatabaseId ||
            tag.locktag_field2 < FirstNormalObjectId) {
            continue;
        }
        for (LOCKMODE mode = AccessExclusiveLock; mode >= ShareLock; mode--) {
            if ((lock.holdMask & LOCKBIT_ON(mode)) != 0) {
                add_hold(c, {relation_of(c, tag.locktag_field2), lock_of(mode)}, true, footprint);
                break;
            }
        }
    }
}

} // namespace zdm::inspect
