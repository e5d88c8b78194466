// CREATE INDEX on a partitioned table: which partitions have an equal index already, and how PostgreSQL would name
// those that it makes.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// The wanted index of the parent, in the terms of CompareIndexInfo, by which PostgreSQL finds equal ones.
struct Wanted {
    IndexInfo *info;
    Oid collations[INDEX_MAX_KEYS];
    Oid families[INDEX_MAX_KEYS];
};

struct Walk {
    const IndexStmt *stmt; // analyzed
    Wanted wanted;
    core::Part *part;
    const char *label; // end of names that PostgreSQL chooses
    bool constraint;   // a key, for which an index without a constraint will not do
    HTAB *chosen;      // names that partitions before have been given
    bool refused;      // by PostgreSQL
};

void describe_column(Relation rel, const IndexStmt *stmt, const IndexElem *key, int i, Wanted *wanted)
{
    IndexInfo *info = wanted->info;
    Node *expression = key->expr;
    Oid type = InvalidOid;

    while (expression != nullptr && IsA(expression, CollateExpr)) {
        expression = reinterpret_cast<Node *>(castNode(CollateExpr, expression)->arg);
    }
    if (key->name != nullptr || (IsA(expression, Var) && castNode(Var, expression)->varattno > 0)) {
        const AttrNumber column =
            key->name != nullptr ? get_attnum(RelationGetRelid(rel), key->name) : castNode(Var, expression)->varattno;
        int32 typmod = 0;
        info->ii_IndexAttrNumbers[i] = column;
        if (column > 0) {
            get_atttypetypmodcoll(RelationGetRelid(rel), column, &type, &typmod, &wanted->collations[i]);
        }
    } else {
        info->ii_IndexAttrNumbers[i] = InvalidAttrNumber;
        type = exprType(expression);
        info->ii_Expressions = lappend(info->ii_Expressions, expression);
    }
    if (key->expr != nullptr) {
        wanted->collations[i] = exprCollation(key->expr);
    }
    if (key->collation != NIL) {
        wanted->collations[i] = get_collation_oid(key->collation, false);
    }
    if (i < info->ii_NumIndexKeyAttrs && OidIsValid(type)) {
        wanted->families[i] = get_opclass_family(ResolveOpClass(key->opclass, type, stmt->accessMethod, info->ii_Am));
    }
}

// As ComputeIndexAttrs in indexcmds.c, and BuildIndexInfo after it, would have it.
Wanted describe(Relation rel, const IndexStmt *stmt)
{
    Wanted wanted{};
    IndexInfo *info = makeNode(IndexInfo);
    List *columns = list_concat(list_copy(stmt->indexParams), stmt->indexIncludingParams);
    ListCell *cell = nullptr;

    wanted.info = info;
    info->ii_NumIndexAttrs = list_length(columns);
    info->ii_NumIndexKeyAttrs = list_length(stmt->indexParams);
    info->ii_Unique = stmt->unique;
    info->ii_NullsNotDistinct = stmt->nulls_not_distinct;
    info->ii_Am = get_index_am_oid(stmt->accessMethod, false);
    foreach (cell, columns) {
        if (foreach_current_index(cell) < INDEX_MAX_KEYS) {
            describe_column(rel, stmt, lfirst_node(IndexElem, cell), foreach_current_index(cell), &wanted);
        }
    }
    info->ii_Expressions =
        reinterpret_cast<List *>(eval_const_expressions(nullptr, reinterpret_cast<Node *>(info->ii_Expressions)));
    fix_opfuncids(reinterpret_cast<Node *>(info->ii_Expressions));
    if (stmt->whereClause != nullptr) {
        Node *predicate = eval_const_expressions(nullptr, copy_node(stmt->whereClause));
        predicate = reinterpret_cast<Node *>(canonicalize_qual(reinterpret_cast<Expr *>(predicate), false));
        info->ii_Predicate = make_ands_implicit(reinterpret_cast<Expr *>(predicate));
        fix_opfuncids(reinterpret_cast<Node *>(info->ii_Predicate));
    }
    return wanted;
}

// A unique index must contain the key by which the table is partitioned.
bool covers_partition_key(Relation rel, const IndexStmt *stmt)
{
    const PartitionKey key = RelationGetPartitionKey(rel);

    if (!stmt->unique || key == nullptr) {
        return true;
    }
    for (int i = 0; i < key->partnatts; i++) {
        bool found = false;
        ListCell *cell = nullptr;
        foreach (cell, stmt->indexParams) {
            const auto *column = lfirst_node(IndexElem, cell);
            found = found || (column->name != nullptr && key->partattrs[i] != 0 &&
                              get_attnum(RelationGetRelid(rel), column->name) == key->partattrs[i]);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

// Whether the statement has not yet taken this name; then it has now.
bool take_name(Walk &walk, Oid schema, const char *name)
{
    struct {
        Oid schema;
        char name[NAMEDATALEN];
    } key;
    bool taken = false;

    memset(&key, 0, sizeof(key));
    key.schema = schema;
    strlcpy(key.name, name, NAMEDATALEN);
    hash_search(walk.chosen, &key, HASH_ENTER, &taken);
    return !taken;
}

// As ChooseRelationName does, with the names in mind that this statement will have taken by then.
char *choose_name(Walk &walk, Relation rel)
{
    List *columns =
        walk.stmt->primary ? NIL : list_concat(list_copy(walk.stmt->indexParams), walk.stmt->indexIncludingParams);
    const Oid schema = RelationGetNamespace(rel);
    char label[NAMEDATALEN];

    strlcpy(label, walk.label, sizeof(label));
    for (int pass = 1;; pass++) {
        char *name = choose_index_name(RelationGetRelationName(rel), schema, columns, label, walk.constraint);
        if (take_name(walk, schema, name)) {
            return name;
        }
        snprintf(label, sizeof(label), "%s%d", walk.label, pass);
    }
}

core::Relation relation_named(Case &c, Oid schema, const char *name)
{
    core::Relation relation;
    const char *space = get_namespace_name(schema);

    relation.bare = pg::keep(c.arena, name);
    relation.schema = pg::keep(c.arena, space);
    relation.name = pg::keep(c.arena, quote_qualified_identifier(space, name));
    return relation;
}

bool matches(Walk &walk, Relation index, const AttrMap *map)
{
    return CompareIndexInfo(BuildIndexInfo(index), walk.wanted.info, index->rd_indcollation, walk.wanted.collations,
                            index->rd_opfamily, walk.wanted.families, const_cast<AttrMap *>(map));
}

// The index of a partition that PostgreSQL would take: the first that is equal and no part of another. `under`: an
// existing index of the parent, whose part is looked for first.
void find_index(Case &c, Walk &walk, Relation rel, const AttrMap *map, Oid under, core::Partition *found)
{
    ListCell *cell = nullptr;

    foreach (cell, RelationGetIndexList(rel)) {
        const Oid oid = lfirst_oid(cell);
        const bool is_part = get_rel_relispartition(oid);
        with_relation(c, oid, [&](Relation index) {
            const bool mine = is_part && OidIsValid(under) && get_partition_parent(oid, true) == under;
            const bool usable = !walk.constraint || OidIsValid(get_index_constraint(oid));
            walk.refused =
                walk.refused || (walk.stmt->primary && index->rd_index->indisprimary && !matches(walk, index, map));
            if (!mine && (is_part || !usable || OidIsValid(found->index.oid) || !found->leftover.empty() ||
                          !matches(walk, index, map))) {
                return;
            }
            found->attached = mine;
            found->index = relation_of(c, oid);
            found->leftover = "";
            if (!mine && !found->partitioned && !index->rd_index->indisvalid) {
                found->leftover = found->index.name;
                found->index.oid = InvalidOid;
            }
        });
    }
}

void add_below(Case &c, Walk &walk, Oid parent, const core::Relation &parent_index);

void add_partition(Case &c, Walk &walk, Relation rel, Relation parent, const core::Relation &parent_index)
{
    core::Partition partition;
    AttrMap *map = pg::map_columns(rel, parent);

    partition.relation = relation_of(c, RelationGetRelid(rel));
    partition.partitioned = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
    partition.parent_index = parent_index;
    partition.index_clause = walk.part->definition;
    find_index(c, walk, rel, map, parent_index.oid, &partition);
    if (partition.index.bare.empty()) {
        partition.index = relation_named(c, RelationGetNamespace(rel), choose_name(walk, rel));
    }
    partition.index_name = quoted(c, pg::cstring(partition.index.bare));
    walk.refused = walk.refused || !covers_partition_key(rel, walk.stmt);
    if (c.purpose == Purpose::Guard && !pg::owns_relation(RelationGetRelid(rel), GetUserId())) {
        walk.part->rewritable = false;
        walk.part->reason = c.concat({"Partition ", partition.relation.name, " belongs to another role."});
    }
    walk.part->partitions.push(partition);
}

void add_below(Case &c, Walk &walk, Oid parent, const core::Relation &parent_index)
{
    ListCell *cell = nullptr;

    foreach (cell, find_inheritance_children(parent, NoLock)) {
        const std::uint32_t mine = walk.part->partitions.count;
        bool below = false;
        with_relation(c, lfirst_oid(cell), [&](Relation rel) {
            if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE) {
                // It has no index, and without one ON ONLY the parent would never become valid.
                walk.part->whole_at_end = true;
                walk.refused = walk.refused || walk.stmt->unique;
                return;
            }
            with_relation(c, parent, [&](Relation above) { add_partition(c, walk, rel, above, parent_index); });
            below = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && walk.part->partitions.count > mine;
        });
        if (c.busy()) {
            return;
        }
        if (below) {
            const core::Partition middle = walk.part->partitions[mine];
            // What is valid is whole.
            if (!OidIsValid(middle.index.oid) || !get_index_isvalid(middle.index.oid)) {
                add_below(c, walk, lfirst_oid(cell), middle.index);
            }
        }
    }
}

} // namespace

bool partitions_to_index(Case &c, Relation rel, const IndexStmt *analyzed, bool constraint, core::Part *part)
{
    Walk walk{};
    HASHCTL control{};

    control.keysize = sizeof(Oid) + NAMEDATALEN;
    control.entrysize = control.keysize;
    control.hcxt = CurrentMemoryContext;
    walk.chosen = hash_create("names of indexes", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    walk.stmt = analyzed;
    walk.part = part;
    walk.constraint = constraint;
    walk.label = !constraint ? "idx" : analyzed->primary ? "pkey" : "key";
    walk.wanted = describe(rel, analyzed);
    walk.refused = !covers_partition_key(rel, analyzed);
    part->partitions = core::List<core::Partition>(c.arena);

    take_name(walk, RelationGetNamespace(rel), pg::cstring(part->label));
    core::Relation index;
    index.name = part->qualified;
    index.schema = part->relation.schema;
    index.bare = part->label;
    add_below(c, walk, RelationGetRelid(rel), index);
    return !walk.refused && !c.busy();
}

} // namespace zdm::inspect
