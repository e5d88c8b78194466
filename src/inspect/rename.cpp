// Other names and other places for what running code knows: everything but the columns and tables of other.cpp.
#include "pg/postgres.hpp"

#include "inspect/notes.hpp"
#include "pg/catalog.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// An object that is no relation, as a statement names it. Invalid if there is none, or nothing to say about it.
struct Named {
    Oid catalog = InvalidOid;
    Oid oid = InvalidOid;
    std::string_view label;
};

Named named(Case &c, ObjectType type, Node *object)
{
    Named found;

    switch (type) {
    case OBJECT_FUNCTION:
    case OBJECT_PROCEDURE:
    case OBJECT_ROUTINE:
    case OBJECT_AGGREGATE:
        found = {ProcedureRelationId, LookupFuncWithArgs(type, castNode(ObjectWithArgs, object), true), ""};
        break;
    case OBJECT_TYPE:
    case OBJECT_DOMAIN:
        found = {TypeRelationId,
                 LookupTypeNameOid(nullptr,
                                   IsA(object, TypeName) ? castNode(TypeName, object)
                                                         : makeTypeNameFromNameList(castNode(List, object)),
                                   true),
                 ""};
        break;
    case OBJECT_PUBLICATION:
        found = {PublicationRelationId, get_publication_oid(strVal(object), true), ""};
        break;
    default:
        break;
    }
    if (!OidIsValid(found.oid) || pg::is_new(found.catalog, found.oid) ||
        (c.purpose == Purpose::Guard && !pg::owns_object(found.catalog, found.oid, GetUserId()))) {
        return {};
    }
    const ObjectAddress address{found.catalog, found.oid, 0};
    found.label = pg::keep(c.arena, getObjectDescription(&address, false));
    return found;
}

// Whether the name is taken among routines with the same arguments, or among types.
bool is_taken(const Named &object, const char *name, Oid schema)
{
    if (object.catalog == TypeRelationId) {
        return SearchSysCacheExists2(TYPENAMENSP, CStringGetDatum(name), ObjectIdGetDatum(schema));
    }
    if (object.catalog != ProcedureRelationId) {
        return false;
    }
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(object.oid));
    auto *form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    const bool taken = SearchSysCacheExists3(PROCNAMEARGSNSP, CStringGetDatum(name),
                                             PointerGetDatum(&form->proargtypes), ObjectIdGetDatum(schema));
    ReleaseSysCache(tuple);
    return taken;
}

Oid schema_of(const Named &object)
{
    const ObjectAddress address{object.catalog, object.oid, 0};
    return object.catalog == PublicationRelationId ? InvalidOid : get_object_namespace(&address);
}

const char *name_of(const Named &object)
{
    if (object.catalog == ProcedureRelationId) {
        return get_func_name(object.oid);
    }
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(object.oid));
    const char *name = pstrdup(NameStr(reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple))->typname));
    ReleaseSysCache(tuple);
    return name;
}

// A routine can have both names at once: the same definition under the new one. Empty for what cannot.
std::string_view twin(Case &c, const Named &object, Oid schema, const char *name)
{
    if (object.catalog != ProcedureRelationId || get_func_prokind(object.oid) == PROKIND_AGGREGATE) {
        return "";
    }
    const std::string_view definition =
        text_to_cstring(DatumGetTextPP(OidFunctionCall1(F_PG_GET_FUNCTIONDEF, ObjectIdGetDatum(object.oid))));
    const std::string_view before = quote_qualified_identifier(get_namespace_name(schema_of(object)), name_of(object));
    const std::string_view after = quote_qualified_identifier(get_namespace_name(schema), name);
    const std::size_t at = definition.find(before);
    if (at == std::string_view::npos) {
        return "";
    }
    const std::size_t rest = at + before.size();
    std::string_view tail = core::part_of(definition, rest, definition.size() - rest);
    while (tail.ends_with('\n')) {
        tail.remove_suffix(1);
    }
    return c.concat({"-- the same under the new name; move the code, then drop the old one:\n",
                     core::part_of(definition, 0, at), after, tail, ";"});
}

void note_object(Case &c, core::Rule rule, const Named &object, Oid schema, const char *name)
{
    if (!OidIsValid(object.oid) || is_taken(object, name, schema)) {
        return;
    }
    const std::string_view hint = twin(c, object, schema, name);
    note(c, rule, nullptr, c.concat({object.label, "."}),
         hint.empty() ? core::reviewed(c.arena, c.text, core::kCodeKnowsBoth) : hint);
}

bool schema_is_empty(Oid schema)
{
    bool empty = true;

    pg::each_row(DependRelationId, DependReferenceIndexId, nullptr,
                 {{Anum_pg_depend_refclassid, NamespaceRelationId}, {Anum_pg_depend_refobjid, schema}}, [&](HeapTuple) {
                     empty = false;
                     return false;
                 });
    return empty;
}

void note_schema(Case &c, const RenameStmt *stmt)
{
    const Oid schema = get_namespace_oid(stmt->subname, true);

    if (!OidIsValid(schema) || OidIsValid(get_namespace_oid(stmt->newname, true)) ||
        pg::is_new(NamespaceRelationId, schema) || schema_is_empty(schema) ||
        (c.purpose == Purpose::Guard && !pg::owns_object(NamespaceRelationId, schema, GetUserId()))) {
        return;
    }
    note(c, core::Rule::RenameSchema, nullptr, c.concat({"schema ", quoted(c, stmt->subname), "."}),
         core::reviewed(c.arena, c.text, core::kCodeKnowsBoth));
}

void note_database(Case &c, const RenameStmt *stmt)
{
    const Oid database = get_database_oid(stmt->subname, true);

    if (OidIsValid(database) && database != MyDatabaseId && !OidIsValid(get_database_oid(stmt->newname, true)) &&
        (c.purpose == Purpose::Explain || pg::owns_object(DatabaseRelationId, database, GetUserId()))) {
        note(c, core::Rule::RenameOther, nullptr, c.concat({"database ", quoted(c, stmt->subname), "."}),
             core::reviewed(c.arena, c.text, core::kCodeKnowsBoth));
    }
}

// Sequences, and attributes of composite types.
void note_relation(Case &c, const RenameStmt *stmt)
{
    Look look;

    if (!look_at(c, stmt->relation, &look) || look.hidden || look.catalog || !look.owned) {
        return;
    }
    const bool attribute = stmt->renameType == OBJECT_ATTRIBUTE && get_attnum(look.oid, stmt->subname) > 0 &&
                           get_attnum(look.oid, stmt->newname) == InvalidAttrNumber;
    const bool sequence =
        look.relkind == RELKIND_SEQUENCE && !OidIsValid(get_relname_relid(stmt->newname, look.schema));
    if (attribute || sequence) {
        note(c, core::Rule::RenameOther, &look.relation,
             attribute ? c.concat({"attribute ", quoted(c, stmt->subname), " of ", look.relation.name, "."})
                       : c.concat({"sequence ", look.relation.name, "."}),
             core::reviewed(c.arena, c.text, core::kCodeKnowsBoth));
    }
}

} // namespace

void note_rename(Case &c, const RenameStmt *stmt)
{
    if (stmt->renameType == OBJECT_SCHEMA) {
        note_schema(c, stmt);
    } else if (stmt->renameType == OBJECT_DATABASE) {
        note_database(c, stmt);
    } else if (stmt->relation != nullptr) {
        note_relation(c, stmt);
    } else if (stmt->object != nullptr) {
        const Named object = named(c, stmt->renameType, stmt->object);
        note_object(c, core::Rule::RenameOther, object, OidIsValid(object.oid) ? schema_of(object) : InvalidOid,
                    stmt->newname);
    }
}

void note_set_schema(Case &c, const AlterObjectSchemaStmt *stmt)
{
    const Oid schema = get_namespace_oid(stmt->newschema, true);
    Look look;

    if (!OidIsValid(schema)) {
        return;
    }
    if (stmt->relation == nullptr) {
        const Named object = stmt->object == nullptr ? Named{} : named(c, stmt->objectType, stmt->object);
        if (OidIsValid(object.oid) && schema_of(object) != schema) {
            note_object(c, core::Rule::SetSchema, object, schema, name_of(object));
        }
        return;
    }
    if (!look_at(c, stmt->relation, &look) || look.hidden || look.catalog || !look.owned || look.partition ||
        look.schema == schema || OidIsValid(get_relname_relid(pg::cstring(look.relation.bare), schema))) {
        return;
    }
    const std::string_view moved = quote_qualified_identifier(stmt->newschema, pg::cstring(look.relation.bare));
    note(c, core::Rule::SetSchema, &look.relation, "",
         look.relkind == RELKIND_SEQUENCE ? core::reviewed(c.arena, c.text, core::kCodeKnowsBoth)
                                          : c.concat({"BEGIN;\n", c.text, ";\nCREATE VIEW ", look.relation.name,
                                                      " AS SELECT * FROM ", moved, ";\nCOMMIT;"}))
        .lock = core::Lock::AccessExclusive;
}

namespace
{

bool has_value(Oid type, const char *value)
{
    return SearchSysCacheExists2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), CStringGetDatum(value));
}

} // namespace

void note_enum_value(Case &c, const AlterEnumStmt *stmt)
{
    const Oid type = LookupTypeNameOid(nullptr, makeTypeNameFromNameList(stmt->typeName), true);

    if (!OidIsValid(type) || pg::is_new(TypeRelationId, type) ||
        (c.purpose == Purpose::Guard && !pg::owns_object(TypeRelationId, type, GetUserId()))) {
        return;
    }
    const std::string_view name = pg::keep(c.arena, format_type_be_qualified(type));
    if (stmt->oldVal != nullptr) {
        if (has_value(type, stmt->oldVal) && !has_value(type, stmt->newVal)) {
            note(c, core::Rule::RenameEnumValue, nullptr, c.concat({name, "."}),
                 c.concat({"ALTER TYPE ", name, " ADD VALUE ", quote_literal_cstr(stmt->newVal), " AFTER ",
                           quote_literal_cstr(stmt->oldVal),
                           ";\n-- then code that knows both, and zdm.backfill for each column of the type"}));
        }
        return;
    }
    if (has_value(type, stmt->newVal)) {
        return;
    }
    if (c.asks(core::Rule::EnumValueInTxn)) {
        note(c, core::Rule::EnumValueInTxn, nullptr, c.concat({name, "."}), c.concat({"COMMIT;\n", c.text, ";"}))
            .only_in_block = true;
    }
    if (c.asks(core::Rule::EnumValueUnordered) && stmt->newValNeighbor == nullptr) {
        note(c, core::Rule::EnumValueUnordered, nullptr, c.concat({name, "."}), "");
    }
}

} // namespace zdm::inspect
