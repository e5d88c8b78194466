#include "fill/tree.hpp"

#include "fill/fill.hpp"
#include "pg/xact.hpp"

namespace zdm::fill
{

Parts parts_of(Oid relation)
{
    List *members = NIL;
    ListCell *cell = nullptr;
    Parts parts{};

    if (has_subclass(relation)) {
        members = find_all_inheritors(relation, NoLock, nullptr);
        list_sort(members, list_oid_cmp);
    } else {
        members = list_make1_oid(relation);
    }
    parts.oids = static_cast<Oid *>(palloc(sizeof(Oid) * static_cast<Size>(list_length(members))));
    foreach (cell, members) {
        const char kind = get_rel_relkind(lfirst_oid(cell));
        if (kind == RELKIND_RELATION || kind == RELKIND_FOREIGN_TABLE) {
            parts.oids[parts.count++] = lfirst_oid(cell);
        }
    }
    list_free(members);
    return parts;
}

Oid part_after(Oid relation, Oid part)
{
    const Parts parts = parts_of(relation);

    for (int i = 0; i < parts.count; i++) {
        if (parts.oids[i] > part) {
            return parts.oids[i];
        }
    }
    return InvalidOid;
}

int64 estimate_rows(Oid relation)
{
    const Parts parts = parts_of(relation);
    double rows = 0;

    for (int i = 0; i < parts.count; i++) {
        Relation part = try_relation_open(parts.oids[i], AccessShareLock);
        if (part != nullptr) {
            BlockNumber pages = 0;
            double tuples = 0;
            double all_visible = 0;
            estimate_rel_size(part, nullptr, &pages, &tuples, &all_visible);
            rows += tuples;
            relation_close(part, AccessShareLock);
        }
    }
    return static_cast<int64>(rows);
}

char *qualified_name(Oid relation)
{
    return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), get_rel_name(relation));
}

Clauses clauses_for(Oid relation, Oid part, const char *set_clause, const char *where_clause)
{
    return {qualified_name(part), part == relation ? nullptr : get_rel_name(relation), set_clause, where_clause,
            nullptr};
}

void refuse_without_key(Relation relation)
{
    ereport(
        ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
        errmsg("table \"%s\" has no key to walk along", RelationGetRelationName(relation)),
        errdetail("It has no primary key, and no valid unique index on NOT NULL columns alone."),
        errhint("Write a set_clause that reads no column it writes, or a where_clause that the set_clause makes false, "
                "so that a row can be met twice; or add a key: CREATE UNIQUE INDEX CONCURRENTLY on columns that are "
                "NOT NULL."));
}

void apply_settings(Datum settings, const char *more_path)
{
    Datum *texts = nullptr;
    int count = 0;

    deconstruct_array(DatumGetArrayTypeP(settings), TEXTOID, -1, false, TYPALIGN_INT, &texts, nullptr, &count);
    for (int i = 0; i + 1 < count; i += 2) {
        const char *name = TextDatumGetCString(texts[i]);
        const char *value = TextDatumGetCString(texts[i + 1]);
        if (more_path != nullptr && strcmp(name, "search_path") == 0) {
            value = psprintf("%s%s", value[0] == '\0' ? "pg_catalog" : value, more_path);
        }
        pg::set_local(name, value);
    }
}

} // namespace zdm::fill
