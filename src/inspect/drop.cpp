// DROP and TRUNCATE: what is lost, and what goes along.
#include "pg/postgres.hpp"

#include "inspect/dependents.hpp"
#include "inspect/forms.hpp"
#include "inspect/notes.hpp"
#include "pg/catalog.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

bool may_drop(const Case &c, Oid catalog, Oid object)
{
    return c.purpose == Purpose::Explain || pg::owns_object(catalog, object, GetUserId());
}

bool is_kind(ObjectType wanted, char relkind)
{
    switch (wanted) {
    case OBJECT_TABLE:
        return relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE;
    case OBJECT_FOREIGN_TABLE:
        return relkind == RELKIND_FOREIGN_TABLE;
    case OBJECT_VIEW:
        return relkind == RELKIND_VIEW;
    case OBJECT_MATVIEW:
        return relkind == RELKIND_MATVIEW;
    case OBJECT_SEQUENCE:
        return relkind == RELKIND_SEQUENCE;
    default:
        return false;
    }
}

// What a DROP names, and what of it others can know.
struct Dropped {
    core::List<ObjectAddress> objects;
    core::List<Look> looks;
    bool refused = false; // PostgreSQL will say no
};

Dropped named_relations(Case &c, const DropStmt *stmt)
{
    Dropped dropped;
    ListCell *cell = nullptr;

    dropped.objects = core::List<ObjectAddress>(c.arena);
    dropped.looks = core::List<Look>(c.arena);
    foreach (cell, stmt->objects) {
        Look look;
        const RangeVar *name = makeRangeVarFromNameList(static_cast<List *>(lfirst(cell)));
        if (!look_at(c, name, &look)) {
            dropped.refused = dropped.refused || !stmt->missing_ok;
            continue;
        }
        if (!is_kind(stmt->removeType, look.relkind) || look.catalog ||
            (!look.owned && !may_drop(c, NamespaceRelationId, look.schema))) {
            dropped.refused = true;
        }
        dropped.objects.push({RelationRelationId, look.oid, 0});
        dropped.looks.push(look);
    }
    return dropped;
}

bool is_dropped(const Dropped &dropped, Oid relation)
{
    for (const ObjectAddress &object : dropped.objects) {
        if (object.classId == RelationRelationId && object.objectId == relation) {
            return true;
        }
    }
    return false;
}

// What DROP TABLE locks beside the table. Foreign keys dropped before it lock one of them at a time.
struct Keys {
    core::List<std::string_view> partners;
    std::string_view drops; // each of them, as SQL
};

Keys foreign_keys(Case &c, const Dropped &dropped, const Look &look)
{
    Keys keys{core::List<std::string_view>(c.arena), ""};
    core::Text drops(c.arena);
    List *seen = NIL;

    if (look.relkind != RELKIND_RELATION && look.relkind != RELKIND_PARTITIONED_TABLE) {
        return keys;
    }
    with_relation(c, look.oid, [&](Relation rel) {
        ListCell *cell = nullptr;
        foreach (cell, RelationGetFKeyList(rel)) {
            const auto *key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
            const char *constraint = get_constraint_name(key->conoid);
            if (is_dropped(dropped, key->confrelid) || constraint == nullptr) {
                continue;
            }
            drops << "ALTER TABLE " << look.relation.name << " DROP CONSTRAINT " << quote_identifier(constraint)
                  << ";\n";
            if (!list_member_oid(seen, key->confrelid)) {
                seen = lappend_oid(seen, key->confrelid);
                keys.partners.push(qualified(c, key->confrelid));
            }
        }
    });
    keys.drops = drops.str();
    return keys;
}

bool is_partition(const Look &look) { return look.partition || pg::was_partition(look.oid); }

void note_table(Case &c, const Look &look, const Keys &keys, std::string_view hint)
{
    if (is_partition(look)) {
        if (c.asks(core::Rule::DropPartition)) {
            note(c, core::Rule::DropPartition, &look.relation, core::with_size(c.arena, look.relation), hint);
        }
        return;
    }
    if (!look.empty || look.relkind == RELKIND_FOREIGN_TABLE) {
        note(c, core::Rule::DropTable, &look.relation, core::with_size(c.arena, look.relation), hint);
    }
    if (!keys.partners.empty()) {
        note(c, core::Rule::DropTableFkLocks, &look.relation,
             core::listed(c.arena, "The same lock at once on ", keys.partners, keys.partners.count), hint);
    }
}

// A sequence of a column goes with it, and PostgreSQL refuses to drop it alone.
void note_relations(Case &c, const DropStmt *stmt)
{
    const Dropped dropped = named_relations(c, stmt);
    core::List<Keys> keys(c.arena);
    core::Text drops(c.arena);
    const Look *known = nullptr;

    if (dropped.refused || c.busy()) {
        return;
    }
    const Dependents dependents = dependents_of(c, dropped.objects);
    if (stmt->behavior != DROP_CASCADE && dependents.cascaded_count > 0) {
        return;
    }
    for (const Look &look : dropped.looks) {
        keys.push(look.hidden || is_partition(look) ? Keys{} : foreign_keys(c, dropped, look));
        drops << keys[keys.count - 1].drops;
    }
    const std::string_view hint = c.concat({drops.str(), core::reviewed(c.arena, c.text, core::kUnused)});
    for (std::uint32_t i = 0; i < dropped.looks.count; i++) {
        const Look &look = dropped.looks[i];
        const bool view = look.relkind == RELKIND_VIEW || look.relkind == RELKIND_MATVIEW;
        if (look.hidden) {
            continue;
        }
        known = known == nullptr ? &look : known;
        if (view || look.relkind == RELKIND_SEQUENCE) {
            note(c, view ? core::Rule::DropView : core::Rule::DropSequence, &look.relation,
                 c.concat({look.relation.name, "."}), hint);
        } else {
            note_table(c, look, keys[i], hint);
        }
    }
    if (known != nullptr && dependents.cascaded_count > 0) {
        note(c, core::Rule::DropTableCascade, &known->relation,
             core::listed(c.arena, "CASCADE takes along: ", dependents.cascaded, dependents.cascaded_count),
             core::reviewed(c.arena, c.text, core::kAllUnused));
    }
}

void note_schemas(Case &c, const DropStmt *stmt)
{
    ListCell *cell = nullptr;

    if (stmt->behavior != DROP_CASCADE) {
        return; // an empty one, or PostgreSQL's own error
    }
    foreach (cell, stmt->objects) {
        const char *name = strVal(lfirst(cell));
        const Oid schema = get_namespace_oid(name, true);
        if (!OidIsValid(schema) || !may_drop(c, NamespaceRelationId, schema) || isAnyTempNamespace(schema) ||
            pg::is_new(NamespaceRelationId, schema)) {
            continue;
        }
        core::List<ObjectAddress> object(c.arena);
        object.push({NamespaceRelationId, schema, 0});
        const Dependents dependents = dependents_of(c, object);
        if (dependents.cascaded_count > 0) {
            note(c, core::Rule::DropSchema, nullptr,
                 core::listed(c.arena, c.concat({quoted(c, name), " contains: "}), dependents.cascaded,
                              dependents.cascaded_count),
                 core::reviewed(c.arena, c.text, core::kAllUnused));
        }
    }
}

void note_types(Case &c, const DropStmt *stmt)
{
    core::List<ObjectAddress> objects(c.arena);
    core::List<std::string_view> names(c.arena);
    ListCell *cell = nullptr;

    foreach (cell, stmt->objects) {
        const Oid type = LookupTypeNameOid(nullptr, lfirst_node(TypeName, cell), true);
        if (!OidIsValid(type) || pg::is_new(TypeRelationId, type)) {
            continue;
        }
        if (!may_drop(c, TypeRelationId, type)) {
            return;
        }
        objects.push({TypeRelationId, type, 0});
        names.push(pg::keep(c.arena, format_type_be_qualified(type)));
    }
    const Dependents dependents = dependents_of(c, objects);
    if (stmt->behavior != DROP_CASCADE && dependents.cascaded_count > 0) {
        return;
    }
    for (std::uint32_t i = 0; i < names.count; i++) {
        note(c, core::Rule::DropType, nullptr,
             c.concat({names[i], ".",
                       i > 0 || dependents.cascaded_count == 0
                           ? ""
                           : core::listed(c.arena, " CASCADE takes along: ", dependents.cascaded,
                                          dependents.cascaded_count)}),
             core::reviewed(c.arena, c.text, core::kUnused));
    }
}

// What a DROP names that this role may drop.
core::List<ObjectAddress> named_objects(Case &c, const DropStmt *stmt)
{
    core::List<ObjectAddress> objects(c.arena);
    ListCell *cell = nullptr;

    foreach (cell, stmt->objects) {
        auto *name = static_cast<Node *>(lfirst(cell));
        ObjectAddress object{};
        if (stmt->removeType == OBJECT_SCHEMA) {
            object = {NamespaceRelationId, get_namespace_oid(strVal(name), true), 0};
        } else if (stmt->removeType == OBJECT_TYPE || stmt->removeType == OBJECT_DOMAIN) {
            object = {TypeRelationId, LookupTypeNameOid(nullptr, castNode(TypeName, name), true), 0};
        } else {
            object = {ProcedureRelationId, LookupFuncWithArgs(stmt->removeType, castNode(ObjectWithArgs, name), true),
                      0};
        }
        if (OidIsValid(object.objectId) && may_drop(c, object.classId, object.objectId)) {
            objects.push(object);
        }
    }
    return objects;
}

// It goes with its last role, and loses others without a lock.
bool policy_is_only_for(const List *roles, Oid policy)
{
    bool only = true;
    Relation catalog = table_open(PolicyRelationId, AccessShareLock);

    pg::each_row(PolicyRelationId, PolicyOidIndexId, nullptr, {{Anum_pg_policy_oid, policy}}, [&](HeapTuple tuple) {
        bool null = false;
        const Datum value = heap_getattr(tuple, Anum_pg_policy_polroles, RelationGetDescr(catalog), &null);
        ArrayType *array = null ? nullptr : DatumGetArrayTypeP(value);
        for (int i = 0; array != nullptr && i < ARR_DIMS(array)[0]; i++) {
            only = only && list_member_oid(roles, reinterpret_cast<const Oid *>(ARR_DATA_PTR(array))[i]);
        }
        return false;
    });
    table_close(catalog, AccessShareLock);
    return only;
}

} // namespace

void want_lost(Case &c, const DropStmt *stmt)
{
    const bool cascade = stmt->behavior == DROP_CASCADE;

    switch (stmt->removeType) {
    case OBJECT_TABLE:
    case OBJECT_FOREIGN_TABLE:
    case OBJECT_VIEW:
    case OBJECT_MATVIEW:
    case OBJECT_SEQUENCE: {
        const Dropped dropped = named_relations(c, stmt);
        if (!dropped.refused && !c.busy()) {
            want_dropped(c, dropped.objects, cascade);
        }
        break;
    }
    default:
        want_dropped(c, named_objects(c, stmt), cascade);
        break;
    }
}

void want_owned(Case &c, const DropOwnedStmt *stmt)
{
    core::List<ObjectAddress> objects(c.arena);
    List *roles = NIL;
    ListCell *cell = nullptr;

    foreach (cell, stmt->roles) {
        const Oid role = get_rolespec_oid(lfirst_node(RoleSpec, cell), true);
        if (!OidIsValid(role) || (c.purpose == Purpose::Guard && !has_privs_of_role(GetUserId(), role))) {
            return;
        }
        roles = lappend_oid(roles, role);
    }
    foreach (cell, roles) {
        pg::each_row(SharedDependRelationId, SharedDependReferenceIndexId, nullptr,
                     {{Anum_pg_shdepend_refclassid, AuthIdRelationId}, {Anum_pg_shdepend_refobjid, lfirst_oid(cell)}},
                     [&](HeapTuple tuple) {
                         const auto *row = reinterpret_cast<Form_pg_shdepend>(GETSTRUCT(tuple));
                         if (row->dbid == MyDatabaseId &&
                             (row->deptype == SHARED_DEPENDENCY_OWNER ||
                              (row->deptype == SHARED_DEPENDENCY_POLICY && policy_is_only_for(roles, row->objid)))) {
                             objects.push({row->classid, row->objid, row->objsubid});
                         }
                         return true;
                     });
    }
    want_dropped(c, objects, stmt->behavior == DROP_CASCADE);
}

void note_drop(Case &c, const DropStmt *stmt)
{
    switch (stmt->removeType) {
    case OBJECT_TABLE:
    case OBJECT_FOREIGN_TABLE:
    case OBJECT_VIEW:
    case OBJECT_MATVIEW:
    case OBJECT_SEQUENCE:
        note_relations(c, stmt);
        break;
    case OBJECT_INDEX:
        if (!c.out->aside) {
            note_drop_index(c, stmt);
        }
        break;
    case OBJECT_SCHEMA:
        note_schemas(c, stmt);
        break;
    case OBJECT_TYPE:
    case OBJECT_DOMAIN:
        note_types(c, stmt);
        break;
    default:
        break;
    }
}

void note_drop_owned(Case &c, const DropOwnedStmt *stmt)
{
    core::List<std::string_view> names(c.arena);
    std::uint32_t count = 0;
    ListCell *cell = nullptr;

    foreach (cell, stmt->roles) {
        const Oid role = get_rolespec_oid(lfirst_node(RoleSpec, cell), true);
        if (!OidIsValid(role) || (c.purpose == Purpose::Guard && !has_privs_of_role(GetUserId(), role))) {
            return;
        }
        pg::each_row(SharedDependRelationId, SharedDependReferenceIndexId, nullptr,
                     {{Anum_pg_shdepend_refclassid, AuthIdRelationId}, {Anum_pg_shdepend_refobjid, role}},
                     [&](HeapTuple tuple) {
                         const auto *row = reinterpret_cast<Form_pg_shdepend>(GETSTRUCT(tuple));
                         const ObjectAddress object{row->classid, row->objid, row->objsubid};
                         if (row->dbid != MyDatabaseId || row->deptype != SHARED_DEPENDENCY_OWNER) {
                             return true;
                         }
                         if (names.count < core::kNamesShown) {
                             const char *name = getObjectDescription(&object, true);
                             names.push(pg::keep(c.arena, name == nullptr ? "" : name));
                         }
                         count++;
                         return true;
                     });
    }
    if (count > 0) {
        note(c, core::Rule::DropOwned, nullptr, core::listed(c.arena, "It drops: ", names, count),
             core::reviewed(c.arena, c.text, core::kReassigned));
    }
}

void note_drop_database(Case &c, const DropdbStmt *stmt)
{
    const Oid database = get_database_oid(stmt->dbname, true);

    if (OidIsValid(database) && database != MyDatabaseId && may_drop(c, DatabaseRelationId, database)) {
        note(c, core::Rule::DropDatabase, nullptr, "", core::reviewed(c.arena, c.text, core::kBackedUp));
    }
}

void note_truncate(Case &c, const TruncateStmt *stmt)
{
    const std::string_view hint = core::reviewed(c.arena, c.text, core::kRowsUnneeded);
    core::List<std::string_view> names(c.arena);
    core::List<Look> looks(c.arena);
    List *emptied = NIL;
    ListCell *cell = nullptr;

    foreach (cell, stmt->relations) {
        const auto *name = lfirst_node(RangeVar, cell);
        Look look;
        if (!look_at(c, name, &look)) {
            continue;
        }
        if (c.purpose == Purpose::Guard && pg_class_aclcheck(look.oid, GetUserId(), ACL_TRUNCATE) != ACLCHECK_OK) {
            return;
        }
        looks.push(look);
        emptied = list_concat_unique_oid(emptied, name->inh ? find_all_inheritors(look.oid, NoLock, nullptr)
                                                            : list_make1_oid(look.oid));
    }
    List *more = emptied == NIL ? NIL : heap_truncate_find_FKs(emptied);
    if (more != NIL && stmt->behavior != DROP_CASCADE) {
        return; // PostgreSQL's own error
    }
    for (const Look &look : looks) {
        if (!look.hidden && !look.catalog && !look.empty) {
            note(c, core::Rule::Truncate, &look.relation, core::with_size(c.arena, look.relation), hint);
        }
    }
    for (; more != NIL; more = heap_truncate_find_FKs(emptied)) {
        foreach (cell, more) {
            Look look;
            if (look_at(c, lfirst_oid(cell), &look) && !look.hidden && !look.empty) {
                names.push(look.relation.name);
            }
        }
        emptied = list_concat_unique_oid(emptied, more);
    }
    if (!names.empty()) {
        note(c, core::Rule::TruncateCascade, &looks[0].relation,
             core::listed(c.arena, "It empties as well: ", names, names.count),
             core::reviewed(c.arena, c.text, core::kRowsUnneeded));
    }
}

} // namespace zdm::inspect
