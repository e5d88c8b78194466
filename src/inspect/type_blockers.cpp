// What depends on a column and forbids a change of its type: PostgreSQL says so only once it has the lock.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// What goes before the change, and comes back after it.
struct Dance {
    Case &c;
    core::Text before;
    core::Text names;
    List *views = NIL; // in the order in which they can be dropped
    core::Text others;
    core::Text others_back;
    bool feasible = true;
};

template <class F> void for_each_dependent(Oid relation, int column, F &&body)
{
    Relation catalog = table_open(DependRelationId, AccessShareLock);
    ScanKeyData keys[3];

    ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(RelationRelationId));
    ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
    ScanKeyInit(&keys[2], Anum_pg_depend_refobjsubid, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(column));
    SysScanDesc scan = systable_beginscan(catalog, DependReferenceIndexId, true, nullptr, column == 0 ? 2 : 3, keys);
    for (HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row); row = systable_getnext(scan)) {
        body(reinterpret_cast<Form_pg_depend>(GETSTRUCT(row)));
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
}

// The relation whose rule this is; `name` gets the rule's.
Oid rule_on(Oid rule, char **name)
{
    Relation catalog = table_open(RewriteRelationId, AccessShareLock);
    ScanKeyData key;
    Oid relation = InvalidOid;

    ScanKeyInit(&key, Anum_pg_rewrite_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(rule));
    SysScanDesc scan = systable_beginscan(catalog, RewriteOidIndexId, true, nullptr, 1, &key);
    HeapTuple row = systable_getnext(scan);
    if (HeapTupleIsValid(row)) {
        const auto *form = reinterpret_cast<Form_pg_rewrite>(GETSTRUCT(row));
        relation = form->ev_class;
        *name = pstrdup(NameStr(form->rulename));
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return relation;
}

void add_view(Dance &dance, Oid view)
{
    if (list_member_oid(dance.views, view)) {
        return;
    }
    for_each_dependent(view, 0, [&](const FormData_pg_depend *depend) {
        char *name = nullptr;
        if (depend->classid == RewriteRelationId) {
            const Oid other = rule_on(depend->objid, &name);
            if (other != view && OidIsValid(other)) {
                add_view(dance, other);
            }
            dance.feasible = dance.feasible && strcmp(name == nullptr ? "" : name, ViewSelectRuleName) == 0;
        } else if (depend->classid != TypeRelationId) {
            dance.feasible = false; // INSTEAD OF triggers, defaults, functions over it
        }
    });
    dance.feasible = dance.feasible && get_rel_relkind(view) == RELKIND_VIEW;
    dance.views = lappend_oid(dance.views, view);
}

void note(Dance &dance, Oid catalog, Oid object)
{
    ObjectAddress address;

    ObjectAddressSet(address, catalog, object);
    dance.names << (dance.names.empty() ? "" : ", ") << getObjectDescription(&address, false);
}

std::string_view call_text(PGFunction function, Oid argument)
{
    return text_to_cstring(DatumGetTextPP(DirectFunctionCall1(function, ObjectIdGetDatum(argument))));
}

void add_trigger(Dance &dance, const Look &look, Oid trigger)
{
    with_relation(dance.c, look.oid, [&](Relation rel) {
        const TriggerDesc *triggers = rel->trigdesc;
        for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
            if (triggers->triggers[i].tgoid == trigger) {
                dance.others << "DROP TRIGGER " << quote_identifier(triggers->triggers[i].tgname) << " ON "
                             << look.relation.name << ";\n";
            }
        }
    });
    dance.others_back << call_text(pg_get_triggerdef, trigger) << ";\n";
}

// A dependent, if PostgreSQL would refuse for its sake.
void add_dependent(Dance &dance, const Look &look, AttrNumber column, const FormData_pg_depend *depend)
{
    char *name = nullptr;

    switch (depend->classid) {
    case RewriteRelationId: {
        const Oid relation = rule_on(depend->objid, &name);
        if (name != nullptr && strcmp(name, ViewSelectRuleName) == 0) {
            add_view(dance, relation);
            note(dance, RelationRelationId, relation);
        } else {
            dance.feasible = false;
            note(dance, depend->classid, depend->objid);
        }
        break;
    }
    case TriggerRelationId:
        add_trigger(dance, look, depend->objid);
        note(dance, depend->classid, depend->objid);
        break;
    case AttrDefaultRelationId: {
        const ObjectAddress of = GetAttrDefaultColumnAddress(depend->objid);
        if (of.objectId != look.oid || of.objectSubId != column) {
            dance.feasible = false;
            note(dance, of.classId, of.objectId);
            dance.names << " (generated column)";
        }
        break;
    }
    case PolicyRelationId:
    case PublicationRelRelationId:
    case ProcedureRelationId:
        dance.feasible = false;
        note(dance, depend->classid, depend->objid);
        break;
    default:
        break;
    }
}

void create_again(Case &c, core::Text *sql, Oid view)
{
    const std::string_view name = qualified(c, view);
    const char *comment = GetComment(view, RelationRelationId, 0);
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(view));
    bool null = false;
    const Datum options = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_reloptions, &null);

    *sql << "CREATE VIEW " << name;
    if (!null) {
        ListCell *cell = nullptr;
        *sql << " WITH (";
        foreach (cell, untransformRelOptions(options)) {
            auto *option = lfirst_node(DefElem, cell);
            *sql << (foreach_current_index(cell) == 0 ? "" : ", ") << option->defname << " = "
                 << quote_literal_cstr(defGetString(option));
        }
        *sql << ")";
    }
    ReleaseSysCache(tuple);
    *sql << " AS" << call_text(pg_get_viewdef, view) << "\n";
    if (pg::owner_of(view) != GetUserId()) {
        *sql << "ALTER VIEW " << name << " OWNER TO " << quote_identifier(GetUserNameFromId(pg::owner_of(view), false))
             << ";\n";
    }
    if (comment != nullptr) {
        *sql << "COMMENT ON VIEW " << name << " IS " << quote_literal_cstr(comment) << ";\n";
    }
    *sql << grants(c, view, name);
}

} // namespace

std::string_view grants(Case &c, Oid relation, std::string_view to)
{
    core::Text sql(c.arena);
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    bool null = false;
    const Datum datum = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &null);
    const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;

    if (!null) {
        Acl *acl = DatumGetAclPCopy(datum);
        static const struct {
            AclMode mode;
            const char *name;
        } kPrivileges[] = {{ACL_SELECT, "SELECT"},  {ACL_INSERT, "INSERT"},     {ACL_UPDATE, "UPDATE"},
                           {ACL_DELETE, "DELETE"},  {ACL_TRUNCATE, "TRUNCATE"}, {ACL_REFERENCES, "REFERENCES"},
                           {ACL_TRIGGER, "TRIGGER"}};
        for (int i = 0; i < ACL_NUM(acl); i++) {
            const AclItem &item = ACL_DAT(acl)[i];
            if (item.ai_grantee == owner) {
                continue;
            }
            const char *role = item.ai_grantee == ACL_ID_PUBLIC
                                   ? "PUBLIC"
                                   : quote_identifier(GetUserNameFromId(item.ai_grantee, false));
            for (const auto &privilege : kPrivileges) {
                if ((ACLITEM_GET_PRIVS(item) & privilege.mode) != 0) {
                    sql << "GRANT " << privilege.name << " ON " << to << " TO " << role
                        << ((ACLITEM_GET_GOPTIONS(item) & privilege.mode) != 0 ? " WITH GRANT OPTION" : "") << ";\n";
                }
            }
        }
    }
    ReleaseSysCache(tuple);
    return sql.str();
}

bool forbidden(Case &c, const Look &look, AttrNumber column, core::Part *part)
{
    Dance dance{c, core::Text(c.arena), core::Text(c.arena), NIL, core::Text(c.arena), core::Text(c.arena)};
    core::Text sql(c.arena);
    ListCell *cell = nullptr;

    for_each_dependent(look.oid, column,
                       [&](const FormData_pg_depend *depend) { add_dependent(dance, look, column, depend); });
    if (dance.names.empty()) {
        return false;
    }
    part->hazard = true;
    part->rewritable = false;
    part->rule = core::Rule::AlterColumnTypeBlockedByView;
    part->work = core::Work::Instant;
    part->reason = c.concat({"It is used by ", dance.names.str(), "."});
    part->hint_is_whole = true;
    if (!dance.feasible) {
        part->hint = c.concat(
            {"-- In one transaction: drop ", dance.names.str(), "; change the type; create them again as they were."});
        return true;
    }
    sql << "BEGIN;\nSET LOCAL zdm.safety_assured = on;\n" << dance.others.str();
    foreach (cell, dance.views) {
        sql << "DROP VIEW " << qualified(c, lfirst_oid(cell)) << ";\n";
    }
    sql << c.text << ";\n" << dance.others_back.str();
    for (int i = list_length(dance.views); i-- > 0;) {
        create_again(c, &sql, list_nth_oid(dance.views, i));
    }
    sql << "COMMIT;";
    part->hint = sql.str();
    return true;
}

void want_keys_over(Case &c, Relation rel, const char *name)
{
    ListCell *cell = nullptr;
    core::List<std::uint32_t> found(c.arena);

    foreach (cell, find_all_inheritors(RelationGetRelid(rel), NoLock, nullptr)) {
        const AttrNumber column = get_attnum(lfirst_oid(cell), name);
        if (column <= 0) {
            continue;
        }
        for_each_dependent(lfirst_oid(cell), column, [&](const FormData_pg_depend *depend) {
            HeapTuple row = depend->classid == ConstraintRelationId
                                ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(depend->objid))
                                : nullptr;
            if (!HeapTupleIsValid(row)) {
                return;
            }
            const auto *form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(row));
            if (form->contype == CONSTRAINT_FOREIGN) {
                found.push(form->conrelid == lfirst_oid(cell) ? form->confrelid : form->conrelid);
            }
            ReleaseSysCache(row);
        });
    }
    for (const std::uint32_t other : found) {
        Look look;
        if (other != RelationGetRelid(rel) && look_at(c, other, &look, false) && !look.hidden) {
            want(c, look, core::Lock::AccessExclusive, false);
        }
    }
}

} // namespace zdm::inspect
