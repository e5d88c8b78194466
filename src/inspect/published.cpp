// Logical replication: who publishes a table, and whether its UPDATEs and DELETEs can say which row they mean.
#include "pg/postgres.hpp"

#include "inspect/notes.hpp"
#include "pg/catalog.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// What the publications of a table publish of it.
struct Published {
    bool changes = false;     // UPDATE or DELETE
    bool new_columns = false; // INSERT or UPDATE, without a list of columns
};

void add_publication(Oid publication, bool has_columns, Published *all)
{
    HeapTuple tuple = SearchSysCache1(PUBLICATIONOID, ObjectIdGetDatum(publication));

    if (!HeapTupleIsValid(tuple)) {
        return;
    }
    const auto *form = reinterpret_cast<Form_pg_publication>(GETSTRUCT(tuple));
    all->changes = all->changes || form->pubupdate || form->pubdelete;
    all->new_columns = all->new_columns || (!has_columns && (form->pubinsert || form->pubupdate));
    ReleaseSysCache(tuple);
}

// By name, and by its schema.
void add_relation(Oid relation, Published *all)
{
    CatCList *rows = SearchSysCacheList1(PUBLICATIONRELMAP, ObjectIdGetDatum(relation));
    ListCell *cell = nullptr;

    for (int i = 0; i < rows->n_members; i++) {
        HeapTuple tuple = &rows->members[i]->tuple;
        const auto *row = reinterpret_cast<Form_pg_publication_rel>(GETSTRUCT(tuple));
        bool no_columns = true;
        (void)SysCacheGetAttr(PUBLICATIONRELMAP, tuple, Anum_pg_publication_rel_prattrs, &no_columns);
        if (!pg::is_except(row)) {
            add_publication(row->prpubid, !no_columns, all);
        }
    }
    ReleaseSysCacheList(rows);
    foreach (cell, GetSchemaPublications(get_rel_namespace(relation))) {
        add_publication(lfirst_oid(cell), false, all);
    }
}

Published published(Relation rel)
{
    Published all;
    ListCell *cell = nullptr;

    if (!is_publishable_relation(rel)) {
        return all;
    }
    add_relation(RelationGetRelid(rel), &all);
    if (rel->rd_rel->relispartition) {
        foreach (cell, get_partition_ancestors(RelationGetRelid(rel))) {
            add_relation(lfirst_oid(cell), &all);
        }
    }
    foreach (cell, GetAllTablesPublications()) {
        add_publication(lfirst_oid(cell), false, &all);
    }
    return all;
}

// Whether a row of it can be told from others, as CheckCmdReplicaIdentity asks.
bool has_identity(Relation rel)
{
    return rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL || OidIsValid(RelationGetReplicaIndex(rel));
}

// Tables, or leaves of a partitioned table, whose UPDATEs will fail. Names of the first ones.
struct Nameless {
    core::List<std::string_view> names;
    std::uint32_t count = 0;
};

void add_nameless(Case &c, Oid relation, Nameless *found)
{
    ListCell *cell = nullptr;

    foreach (cell, GetPubPartitionOptionRelations(NIL, PUBLICATION_PART_LEAF, relation)) {
        const Oid oid = lfirst_oid(cell);
        with_relation(c, oid, [&](Relation rel) {
            if (!is_publishable_relation(rel) || has_identity(rel) || rel->rd_createSubid != InvalidSubTransactionId) {
                return;
            }
            if (found->names.count < core::kNamesShown) {
                found->names.push(qualified(c, oid));
            }
            found->count++;
        });
    }
}

void add_all(Case &c, Oid schema, Nameless *found)
{
    List *tables = NIL;
    ListCell *cell = nullptr;
    const auto collect = [&](HeapTuple tuple) {
        const auto *form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
        if (form->relkind == RELKIND_RELATION && form->relpersistence == RELPERSISTENCE_PERMANENT &&
            form->oid >= FirstNormalObjectId && (!OidIsValid(schema) || form->relnamespace == schema)) {
            tables = lappend_oid(tables, form->oid);
        }
        return true;
    };

    pg::each_row(RelationRelationId, InvalidOid, nullptr, {}, collect);
    foreach (cell, tables) {
        add_nameless(c, lfirst_oid(cell), found);
    }
}

void add_objects(Case &c, const List *objects, Nameless *found)
{
    ListCell *cell = nullptr;

    foreach (cell, objects) {
        const auto *object = lfirst_node(PublicationObjSpec, cell);
        if (object->pubobjtype == PUBLICATIONOBJ_TABLE) {
            const Oid relation = RangeVarGetRelid(object->pubtable->relation, NoLock, true);
            if (OidIsValid(relation)) {
                add_nameless(c, relation, found);
            }
        } else if (object->pubobjtype == PUBLICATIONOBJ_TABLES_IN_SCHEMA) {
            const Oid schema = get_namespace_oid(object->name, true);
            if (OidIsValid(schema)) {
                add_all(c, schema, found);
            }
        } else if (object->pubobjtype == PUBLICATIONOBJ_TABLES_IN_CUR_SCHEMA && fetch_search_path(false) != NIL) {
            add_all(c, linitial_oid(fetch_search_path(false)), found);
        }
    }
}

// What the option `publish` says (in a copy: the split writes into it): whether UPDATE or DELETE is among it. False if
// the option is not there.
bool publish_option(List *options, bool *changes)
{
    ListCell *cell = nullptr;

    foreach (cell, options) {
        auto *option = lfirst_node(DefElem, cell);
        List *words = NIL;
        ListCell *word = nullptr;
        if (strcmp(option->defname, "publish") != 0 || option->arg == nullptr ||
            !SplitIdentifierString(pstrdup(defGetString(option)), ',', &words)) {
            continue;
        }
        *changes = false;
        foreach (word, words) {
            const char *name = static_cast<char *>(lfirst(word));
            *changes = *changes || strcmp(name, "update") == 0 || strcmp(name, "delete") == 0;
        }
        return true;
    }
    return false;
}

void note_nameless(Case &c, const Nameless &found)
{
    if (found.count == 0) {
        return;
    }
    core::Text sql(c.arena);
    for (const std::string_view name : found.names) {
        sql << "ALTER TABLE " << name << " REPLICA IDENTITY FULL; -- or give it a primary key\n";
    }
    sql << c.text << ";";
    note(c, core::Rule::PublicationNoReplicaIdentity, nullptr,
         core::listed(c.arena, "Without one: ", found.names, found.count), sql.str());
}

} // namespace

bool publishes_changes(Relation rel) { return published(rel).changes; }

void note_create_publication(Case &c, const CreatePublicationStmt *stmt)
{
    Nameless found{core::List<std::string_view>(c.arena)};
    bool changes = true;

    publish_option(stmt->options, &changes);
    if (!c.asks(core::Rule::PublicationNoReplicaIdentity) || !changes ||
        OidIsValid(get_publication_oid(stmt->pubname, true))) {
        return;
    }
    if (stmt->for_all_tables) {
        add_all(c, InvalidOid, &found);
    } else {
        add_objects(c, stmt->pubobjects, &found);
    }
    note_nameless(c, found);
}

void note_alter_publication(Case &c, const AlterPublicationStmt *stmt)
{
    const Oid oid = get_publication_oid(stmt->pubname, true);
    Nameless found{core::List<std::string_view>(c.arena)};
    bool changes = false;
    ListCell *cell = nullptr;

    if (!OidIsValid(oid) || !c.asks(core::Rule::PublicationNoReplicaIdentity) ||
        (c.purpose == Purpose::Guard && !pg::owns_object(PublicationRelationId, oid, GetUserId()))) {
        return;
    }
    const Publication *now = GetPublication(oid);
    if (stmt->options != NIL) {
        // What it publishes changes.
        if (publish_option(stmt->options, &changes) && changes && !now->pubactions.pubupdate &&
            !now->pubactions.pubdelete) {
            if (now->alltables) {
                add_all(c, InvalidOid, &found);
            }
            pg::each_row(PublicationRelRelationId, PublicationRelPrpubidIndexId, nullptr,
                         {{Anum_pg_publication_rel_prpubid, oid}}, [&](HeapTuple tuple) {
                             const auto *row = reinterpret_cast<Form_pg_publication_rel>(GETSTRUCT(tuple));
                             if (!pg::is_except(row)) {
                                 add_nameless(c, row->prrelid, &found);
                             }
                             return true;
                         });
            foreach (cell, GetPublicationSchemas(oid)) {
                add_all(c, lfirst_oid(cell), &found);
            }
        }
    } else if (stmt->action != AP_DropObjects && (now->pubactions.pubupdate || now->pubactions.pubdelete)) {
        add_objects(c, stmt->pubobjects, &found);
    }
    note_nameless(c, found);
}

void note_new_column_published(Case &c, Relation rel, const Look &look, const ColumnDef *column)
{
    if (c.asks(core::Rule::AddColumnPublished) && get_attnum(look.oid, column->colname) == InvalidAttrNumber &&
        published(rel).new_columns) {
        note(c, core::Rule::AddColumnPublished, &look.relation,
             c.concat({"Column ", quoted(c, column->colname), " of ", look.relation.name, "."}),
             core::reviewed(c.arena, c.text, core::kSubscribersHaveIt));
    }
}

void note_replica_identity(Case &c, Relation rel, const Look &look, const ReplicaIdentityStmt *wanted)
{
    const char type = wanted->identity_type;
    const bool full = type == REPLICA_IDENTITY_FULL;
    const bool nothing =
        type == REPLICA_IDENTITY_NOTHING || (type == REPLICA_IDENTITY_DEFAULT && !OidIsValid(pg::primary_key_of(rel)));

    if (rel->rd_rel->relreplident == type || (!full && !nothing) || !publishes_changes(rel)) {
        return;
    }
    note(c, core::Rule::ReplicaIdentity, &look.relation, c.concat({look.relation.name, "."}),
         core::reviewed(c.arena, c.text, full ? core::kWalIsFine : core::kSubscribersIgnore));
}

} // namespace zdm::inspect
