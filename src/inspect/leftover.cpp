// Whether an INVALID index is what a failed build of the wanted one left behind: same table, same definition.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// The statement that would build an existing index, analyzed like the user's.
IndexStmt *analyzed_definition(Oid index, Oid table)
{
    char *sql = pg_get_indexdef_string(index);
    const auto *raw = linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT));

    return transformIndexStmt(table, castNode(IndexStmt, raw->stmt), sql);
}

// pg_get_indexdef leaves out what is the default; so do we.
void drop_defaults(IndexStmt *stmt, Relation rel)
{
    ListCell *cell = nullptr;
    const Oid method = get_index_am_oid(stmt->accessMethod, true);

    foreach (cell, stmt->indexParams) {
        auto *key = lfirst_node(IndexElem, cell);
        Oid type = InvalidOid;
        Oid collation = InvalidOid;

        if (key->name != nullptr) {
            const AttrNumber attnum = get_attnum(RelationGetRelid(rel), key->name);
            int32 typmod = 0;
            if (attnum > 0) {
                get_atttypetypmodcoll(RelationGetRelid(rel), attnum, &type, &typmod, &collation);
            }
        } else if (key->expr != nullptr) {
            type = exprType(key->expr);
            collation = exprCollation(key->expr);
        }
        if (key->opclass != NIL && OidIsValid(type) && OidIsValid(method) &&
            get_opclass_oid(method, key->opclass, true) == GetDefaultOpClass(type, method)) {
            key->opclass = NIL;
        }
        if (key->collation != NIL && get_collation_oid(key->collation, true) == collation) {
            key->collation = NIL;
        }
        if (key->ordering == SORTBY_ASC) {
            key->ordering = SORTBY_DEFAULT;
        }
        if (key->nulls_ordering == (key->ordering == SORTBY_DESC ? SORTBY_NULLS_FIRST : SORTBY_NULLS_LAST)) {
            key->nulls_ordering = SORTBY_NULLS_DEFAULT;
        }
        key->indexcolname = nullptr;
    }
    foreach (cell, stmt->indexIncludingParams) {
        lfirst_node(IndexElem, cell)->indexcolname = nullptr;
    }
}

bool same_name(List *one, List *other)
{
    return one == NIL ? other == NIL : other != NIL && strcmp(strVal(llast(one)), strVal(llast(other))) == 0;
}

bool same_keys(List *one, List *other)
{
    ListCell *a = nullptr;
    ListCell *b = nullptr;

    if (list_length(one) != list_length(other)) {
        return false;
    }
    forboth(a, one, b, other)
    {
        const auto *x = lfirst_node(IndexElem, a);
        const auto *y = lfirst_node(IndexElem, b);
        if ((x->name == nullptr) != (y->name == nullptr) || (x->name != nullptr && strcmp(x->name, y->name) != 0) ||
            !equal(x->expr, y->expr) || !same_name(x->collation, y->collation) || !same_name(x->opclass, y->opclass) ||
            x->ordering != y->ordering || x->nulls_ordering != y->nulls_ordering) {
            return false;
        }
    }
    return true;
}

bool same_options(List *one, List *other)
{
    ListCell *a = nullptr;
    ListCell *b = nullptr;

    if (list_length(one) != list_length(other)) {
        return false;
    }
    forboth(a, one, b, other)
    {
        auto *x = lfirst_node(DefElem, a);
        auto *y = lfirst_node(DefElem, b);
        if (strcmp(x->defname, y->defname) != 0 || strcmp(defGetString(x), defGetString(y)) != 0) {
            return false;
        }
    }
    return true;
}

} // namespace

bool is_leftover(Case &c, Oid index, const Look &table, const IndexStmt *wanted)
{
    bool same = false;

    if (get_rel_relkind(index) != RELKIND_INDEX || get_index_isvalid(index) || get_rel_relispartition(index) ||
        IndexGetRelation(index, true) != table.oid) {
        return false;
    }
    with_relation(c, table.oid, [&](Relation rel) {
        IndexStmt *mine = transformIndexStmt(table.oid, copy_node(wanted), pg::cstring(c.text));
        IndexStmt *theirs = analyzed_definition(index, table.oid);

        drop_defaults(mine, rel);
        drop_defaults(theirs, rel);
        same = mine->unique == theirs->unique && mine->nulls_not_distinct == theirs->nulls_not_distinct &&
               strcmp(mine->accessMethod, theirs->accessMethod) == 0 &&
               same_keys(mine->indexParams, theirs->indexParams) &&
               same_keys(mine->indexIncludingParams, theirs->indexIncludingParams) &&
               equal(mine->whereClause, theirs->whereClause) && same_options(mine->options, theirs->options);
    });
    return same;
}

} // namespace zdm::inspect
