// House style: all of it off unless asked for, and then it costs what it must. Types, names, constraints, and what only
// follows the lock rules.
#include "pg/postgres.hpp"

#include "inspect/notes.hpp"
#include "inspect/tokens.hpp"
#include "pg/catalog.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

void say(Case &c, core::Rule rule, const core::Relation *relation, std::string_view what, std::string_view hint = "")
{
    if (c.asks(rule)) {
        note(c, rule, relation, what.empty() ? "" : c.concat({what, "."}), hint);
    }
}

// Of a name that others can see: temporary tables are nobody's style.
bool is_visible(const RangeVar *name)
{
    return name != nullptr && name->relpersistence != RELPERSISTENCE_TEMP &&
           (name->schemaname == nullptr || strcmp(name->schemaname, "pg_temp") != 0);
}

void require_schema(Case &c, const Node *utility)
{
    bool may_be_missing = false;
    const RangeVar *name = IsA(utility, CreateStmt)          ? castNode(CreateStmt, utility)->relation
                           : IsA(utility, CreateTableAsStmt) ? castNode(CreateTableAsStmt, utility)->into->rel
                           : IsA(utility, ViewStmt)          ? castNode(ViewStmt, utility)->view
                                                             : subject(utility, &may_be_missing);

    if (!c.asks(core::Rule::RequireTableSchema) || !is_visible(name) || name->schemaname != nullptr) {
        return;
    }
    const Oid oid = RangeVarGetRelid(name, NoLock, true);
    if (!OidIsValid(oid) || get_rel_persistence(oid) != RELPERSISTENCE_TEMP) {
        say(c, core::Rule::RequireTableSchema, nullptr, quoted(c, name->relname));
    }
}

// PostgreSQL cuts names off, with a NOTICE.
void check_names(Case &c)
{
    if (!c.asks(core::Rule::IdentifierTooLong)) {
        return;
    }
    for (const Token &token : tokenize(c.arena, c.text)) {
        const std::string_view word = core::part_of(c.text, token.start, token.end - token.start);
        const bool is_quoted = word.starts_with('"');
        const auto first = static_cast<unsigned char>(word[0]);
        const bool is_bare =
            (isalpha(first) || first == '_' || first >= 0x80) && word.find_first_of("'\"") == std::string_view::npos;
        if (!is_quoted && !is_bare) {
            continue;
        }
        const std::string_view name = is_quoted ? core::unquoted(c.arena, word) : word;
        if (name.size() >= NAMEDATALEN) {
            const int kept = pg_mbcliplen(name.data(), static_cast<int>(name.size()), NAMEDATALEN - 1);
            say(c, core::Rule::IdentifierTooLong, nullptr,
                c.concat({word, " becomes ", quoted(c, pg::cstring(core::part_of(name, 0, kept)))}));
        }
    }
}

void create_domain(Case &c, const CreateDomainStmt *stmt)
{
    ListCell *cell = nullptr;

    say(c, core::Rule::BanCreateDomain, nullptr, NameListToString(stmt->domainname));
    foreach (cell, stmt->constraints) {
        const auto type = lfirst_node(Constraint, cell)->contype;
        if (type == CONSTR_CHECK || type == CONSTR_NOTNULL) {
            say(c, core::Rule::CreateDomainWithConstraint, nullptr, NameListToString(stmt->domainname));
            return;
        }
    }
}

// Statements whose only hazard is a short lock, which the lock rules take care of.
core::Rule brief_lock(const Node *utility)
{
    switch (nodeTag(utility)) {
    case T_CreateTrigStmt:
        return core::Rule::CreateTrigger;
    case T_LockStmt:
        return core::Rule::LockTableExplicit;
    case T_ViewStmt:
        return core::Rule::CreateOrReplaceView;
    case T_RenameStmt:
        return core::Rule::RenameConstraint;
    default:
        return core::Rule::CachedPlanBreak;
    }
}

void brief(Case &c, const Node *utility)
{
    bool may_be_missing = false;
    const RangeVar *name =
        IsA(utility, ViewStmt) ? castNode(ViewStmt, utility)->view : subject(utility, &may_be_missing);
    Look look;

    if (!c.out->aside && name != nullptr && look_at(c, name, &look) && !look.hidden) {
        say(c, brief_lock(utility), &look.relation, look.relation.name);
    }
}

} // namespace

bool is_style_asked(const Case &c)
{
    for (int i = 0; i < core::kRuleCount; i++) {
        const auto rule = static_cast<core::Rule>(i);
        if (core::row(rule).cls == core::Class::Style && c.asks(rule)) {
            return true;
        }
    }
    return false;
}

void style_statement(Case &c, const Node *utility)
{
    check_names(c);
    require_schema(c, utility);
    switch (nodeTag(utility)) {
    case T_CreateStmt:
        style_table(c, castNode(CreateStmt, utility));
        break;
    case T_IndexStmt:
        style_index(c, castNode(IndexStmt, utility));
        break;
    case T_CreateEnumStmt:
        say(c, core::Rule::CreateEnum, nullptr, NameListToString(castNode(CreateEnumStmt, utility)->typeName));
        break;
    case T_CreateDomainStmt:
        create_domain(c, castNode(CreateDomainStmt, utility));
        break;
    case T_CreateExtensionStmt:
        if (!OidIsValid(get_extension_oid(castNode(CreateExtensionStmt, utility)->extname, true))) {
            say(c, core::Rule::CreateExtension, nullptr, castNode(CreateExtensionStmt, utility)->extname);
        }
        break;
    case T_AlterExtensionStmt:
        say(c, core::Rule::AlterExtension, nullptr, castNode(AlterExtensionStmt, utility)->extname);
        break;
    case T_GrantStmt:
        if (!castNode(GrantStmt, utility)->is_grant) {
            say(c, core::Rule::Revoke, nullptr, "");
        }
        break;
    case T_CreateTrigStmt:
    case T_LockStmt:
        brief(c, utility);
        break;
    case T_ViewStmt:
        if (castNode(ViewStmt, utility)->replace) {
            brief(c, utility);
        }
        break;
    case T_RenameStmt:
        if (castNode(RenameStmt, utility)->renameType == OBJECT_TABCONSTRAINT) {
            brief(c, utility);
        }
        break;
    default:
        break;
    }
}

void style_type(Case &c, const core::Relation *relation, const char *column, const TypeName *type_name)
{
    int32 typmod = -1;
    Type tuple = type_name == nullptr ? nullptr : LookupTypeName(nullptr, type_name, &typmod, true);

    if (!HeapTupleIsValid(tuple)) {
        return; // serial, or nothing
    }
    Oid type = typeTypeId(tuple);
    ReleaseSysCache(tuple);
    type = OidIsValid(get_element_type(type)) ? get_element_type(type) : type;
    const std::string_view what =
        c.concat({"Column ", quoted(c, column), " ", format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN)});
    switch (type) {
    case VARCHAROID:
        if (typmod >= 0) {
            say(c, core::Rule::PreferText, relation, what);
        }
        break;
    case BPCHAROID:
        say(c, core::Rule::BanChar, relation, what);
        break;
    case JSONOID:
        say(c, core::Rule::PreferJsonb, relation, what);
        break;
    case CASHOID:
        say(c, core::Rule::BanMoney, relation, what);
        break;
    case TIMESTAMPOID:
        say(c, core::Rule::PreferTimestamptz, relation, what);
        [[fallthrough]];
    case TIMESTAMPTZOID:
        if (typmod == 0) {
            say(c, core::Rule::TimestampPrecision, relation, what);
        }
        break;
    default:
        break;
    }
}

void style_column(Case &c, const core::Relation *relation, const ColumnDef *column, bool is_key)
{
    const std::string_view what = c.concat({"Column ", quoted(c, column->colname)});
    const char *name = column->typeName != nullptr && list_length(column->typeName->names) == 1
                           ? strVal(linitial(column->typeName->names))
                           : "";
    const bool serial =
        pg_strncasecmp(name, "serial", 6) == 0 || strcmp(name, "bigserial") == 0 || strcmp(name, "smallserial") == 0;
    const bool big = strcmp(name, "bigserial") == 0 || strcmp(name, "serial8") == 0;
    bool numbers = is_key || serial;
    ListCell *cell = nullptr;

    foreach (cell, column->constraints) {
        const auto type = lfirst_node(Constraint, cell)->contype;
        numbers = numbers || type == CONSTR_PRIMARY || type == CONSTR_IDENTITY;
    }
    const Oid type =
        serial || column->typeName == nullptr ? InvalidOid : LookupTypeNameOid(nullptr, column->typeName, true);
    if (serial) {
        say(c, core::Rule::PreferIdentity, relation, what);
    }
    if (numbers && ((serial && !big) || type == INT4OID || type == INT2OID)) {
        say(c, core::Rule::PreferBigint, relation, what);
    }
    if (!serial) {
        style_type(c, relation, column->colname, column->typeName);
    }
}

namespace
{

void style_drop_constraint(Case &c, const Look &look, const AlterTableCmd *cmd)
{
    const Oid oid = get_relation_constraint_oid(look.oid, cmd->name, true);
    HeapTuple tuple = OidIsValid(oid) ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid)) : nullptr;

    if (HeapTupleIsValid(tuple)) {
        const char type = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->contype;
        ReleaseSysCache(tuple);
        if (type == CONSTRAINT_FOREIGN) {
            say(c, core::Rule::DropFkConstraint, &look.relation, c.concat({"Constraint ", quoted(c, cmd->name)}));
        }
    }
}

} // namespace

void style_command(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd)
{
    const core::Relation *relation = &look.relation;
    const std::string_view column = cmd->name == nullptr ? "" : c.concat({"Column ", quoted(c, cmd->name)});
    ListCell *cell = nullptr;

    switch (cmd->subtype) {
    case AT_AddColumn: {
        const auto *fresh = castNode(ColumnDef, cmd->def);
        if (get_attnum(look.oid, fresh->colname) != InvalidAttrNumber) {
            break;
        }
        style_column(c, relation, fresh, false);
        foreach (cell, fresh->constraints) {
            const auto *constraint = lfirst_node(Constraint, cell);
            style_constraint(c, rel, look, constraint);
            if (constraint->contype == CONSTR_FOREIGN) {
                style_foreign_key(c, relation, rel, constraint, fresh);
            }
        }
        say(c, core::Rule::CachedPlanBreak, relation, look.relation.name);
        break;
    }
    case AT_DropColumn:
        say(c, core::Rule::CachedPlanBreak, relation, look.relation.name);
        break;
    case AT_AlterColumnType:
        style_type(c, relation, cmd->name, castNode(ColumnDef, cmd->def)->typeName);
        say(c, core::Rule::CachedPlanBreak, relation, look.relation.name);
        break;
    case AT_AddConstraint:
        style_constraint(c, rel, look, castNode(Constraint, cmd->def));
        if (castNode(Constraint, cmd->def)->contype == CONSTR_FOREIGN) {
            style_foreign_key(c, relation, rel, castNode(Constraint, cmd->def), nullptr);
        }
        break;
    case AT_DropConstraint:
        style_drop_constraint(c, look, cmd);
        break;
    case AT_AlterConstraint:
        say(c, core::Rule::AlterConstraintDeferrable, relation, look.relation.name);
        break;
    case AT_ColumnDefault:
        say(c, core::Rule::ChangeColumnDefault, relation, column);
        break;
    case AT_SetStorage:
        say(c, core::Rule::SetStorage, relation, column);
        break;
    case AT_SetCompression:
        say(c, core::Rule::SetCompression, relation, column);
        break;
    case AT_AddInherit:
        say(c, core::Rule::Inherit, relation, look.relation.name);
        break;
    case AT_DropInherit:
        say(c, core::Rule::NoInherit, relation, look.relation.name);
        break;
    case AT_ChangeOwner:
        if (rel->rd_rel->relowner != get_rolespec_oid(cmd->newowner, true)) {
            say(c, core::Rule::OwnerChange, relation, look.relation.name);
        }
        break;
    default:
        break;
    }
}

} // namespace zdm::inspect
