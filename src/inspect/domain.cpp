// ALTER DOMAIN: the tables whose columns it would look through.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/tokens.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

struct Use {
    Oid relation;
    AttrNumber column;
};

// As get_rels_with_domain does; containers of the domain make PostgreSQL refuse.
void find_uses(Oid domain, core::List<Use> *uses)
{
    Relation catalog = table_open(DependRelationId, AccessShareLock);
    ScanKeyData keys[2];

    check_stack_depth();
    ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(TypeRelationId));
    ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(domain));
    SysScanDesc scan = systable_beginscan(catalog, DependReferenceIndexId, true, nullptr, 2, keys);
    for (HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row); row = systable_getnext(scan)) {
        const auto *depend = reinterpret_cast<Form_pg_depend>(GETSTRUCT(row));
        if (depend->classid == TypeRelationId && get_typtype(depend->objid) == TYPTYPE_DOMAIN) {
            find_uses(depend->objid, uses);
        } else if (depend->classid == RelationRelationId && depend->objsubid > 0) {
            uses->push({depend->objid, static_cast<AttrNumber>(depend->objsubid)});
        }
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
}

// Locks of the statement as written. The first table with rows, and all their names.
bool want_tables(Case &c, const core::List<Use> &uses, core::Lock lock, core::Relation *first, core::Text *names)
{
    core::List<std::uint32_t> seen(c.arena);
    bool any = false;

    for (const Use &use : uses) {
        Look look;
        bool known = false;
        for (const std::uint32_t other : seen) {
            known = known || other == use.relation;
        }
        if (known || !look_at(c, use.relation, &look) || look.hidden) {
            continue;
        }
        seen.push(use.relation);
        want(c, look, lock, false);
        if ((look.relkind == RELKIND_RELATION || look.relkind == RELKIND_MATVIEW) && !look.empty) {
            *first = any ? *first : look.relation;
            *names << (any ? ", " : "") << look.relation.name;
            any = true;
        }
    }
    return any;
}

// CHECK's condition for a column: VALUE is its name.
std::string_view over_column(Case &c, std::string_view words, std::string_view column)
{
    const core::List<Token> tokens = tokenize(c.arena, words);
    core::Text sql(c.arena);
    int at = 0;

    for (const Token &token : tokens) {
        const std::string_view word = core::part_of(words, token.start, token.end - token.start);
        sql << core::part_of(words, at, token.start - at)
            << (word.size() == 5 && pg_strncasecmp(word.data(), "value", 5) == 0 ? column : word);
        at = token.end;
    }
    return sql.str();
}

void add_check(Case &c, Oid domain, std::string_view name, const Constraint *constraint, const core::List<Use> &uses,
               core::Part *part)
{
    const std::string_view condition = bracket(c, c.text, "check");
    const char *given = constraint->conname != nullptr
                            ? constraint->conname
                            : ChooseConstraintName(pg::cstring(core::unquoted(c.arena, part->label)), nullptr, "check",
                                                   pg::namespace_of_type(domain), NIL);

    part->name = quoted(c, given);
    part->qualified = name;
    part->definition = c.concat({"ALTER DOMAIN ", name, " ADD CONSTRAINT ", part->name, " CHECK ", condition});
    for (const Use &use : uses) {
        Look look;
        if (!look_at(c, use.relation, &look) || look.empty ||
            (look.relkind != RELKIND_RELATION && look.relkind != RELKIND_MATVIEW)) {
            continue;
        }
        const std::string_view column = quoted(c, get_attname(use.relation, use.column, false));
        part->columns.push(c.concat(
            {"SELECT 1 FROM ONLY ", look.relation.name, " WHERE NOT ", over_column(c, condition, column), " LIMIT 1"}));
        part->key_names.push(c.concat({"column \"", core::unquoted(c.arena, column), "\" of table \"",
                                       look.relation.bare, "\" contains values that violate the new constraint"}));
    }
}

std::string_view domain_hint(Case &c, const AlterDomainStmt *stmt, std::string_view name, std::string_view bare,
                             const core::Part &part)
{
    const bool not_null = stmt->subtype == 'O';
    const std::string_view check = not_null ? quoted(c, psprintf("%s_not_null", pg::cstring(bare))) : part.name;

    if (stmt->subtype == 'V') {
        return c.concat(
            {"-- In this version it blocks writes to every table that uses the domain.\n", reviewed(c, c.text)});
    }
    return c.concat({not_null
                         ? c.concat({"ALTER DOMAIN ", name, " ADD CONSTRAINT ", check, " CHECK (VALUE IS NOT NULL)"})
                         : part.definition,
                     " NOT VALID;",
                     pg::kDomainValidateLetsWrite
                         ? c.concat({"\nALTER DOMAIN ", name, " VALIDATE CONSTRAINT ", check, ";"})
                         : std::string_view("\n-- It counts for new values at once. In this version VALIDATE "
                                            "CONSTRAINT blocks writes while it looks at the old ones.")});
}

} // namespace

void alter_domain(Case &c, const AlterDomainStmt *stmt)
{
    const Oid domain = LookupTypeNameOid(nullptr, makeTypeNameFromNameList(stmt->typeName), true);
    const auto *constraint = stmt->subtype == 'C' ? castNode(Constraint, stmt->def) : nullptr;
    const bool checks = constraint != nullptr && constraint->contype == CONSTR_CHECK && !constraint->skip_validation;
    const bool validates = stmt->subtype == 'V';
    core::List<Use> uses(c.arena);
    core::Text names(c.arena);
    core::Part part;

    if (!OidIsValid(domain) || get_typtype(domain) != TYPTYPE_DOMAIN ||
        (!checks && !validates && stmt->subtype != 'O') ||
        (c.purpose == Purpose::Guard && !pg::owns_object(TypeRelationId, domain, GetUserId()))) {
        c.out->aside = true;
        return;
    }
    find_uses(domain, &uses);
    const bool lets_write = validates && pg::kDomainValidateLetsWrite;
    const bool any =
        want_tables(c, uses, lets_write ? core::Lock::ShareUpdateExclusive : core::Lock::Share, &part.relation, &names);
    const std::string_view name = format_type_be_qualified(domain);
    const std::string_view bare = strVal(llast(stmt->typeName));
    c.out->aside = c.out->statement.targets.empty();
    c.out->statement.waits_long = lets_write;
    part.columns = core::List<std::string_view>(c.arena);
    part.key_names = core::List<std::string_view>(c.arena);
    part.label = bare;
    part.source = c.text;
    part.form = core::Form::DomainCheck;
    if (any && !lets_write) {
        part.hazard = true;
        part.rule =
            stmt->subtype == 'O' ? core::Rule::AlterDomainSetNotNull : core::Rule::AlterDomainConstraintValidating;
        part.lock = core::Lock::Share;
        part.work = core::Work::Scan;
        part.reason = c.concat({"Tables that use it: ", names.str(), "."});
        if (checks) {
            add_check(c, domain, name, constraint, uses, &part);
        }
        part.rewritable = checks && pg::kDomainValidateLetsWrite;
        part.hint = domain_hint(c, stmt, name, bare, part);
    }
    c.out->statement.parts.push(part);
}

} // namespace zdm::inspect
