// ALTER TABLE: what its commands lose or break beside their locks.
#include "pg/postgres.hpp"

#include "inspect/dependents.hpp"
#include "inspect/forms.hpp"
#include "inspect/notes.hpp"
#include "inspect/tokens.hpp"
#include "pg/catalog.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

const FormData_pg_attribute *attribute(Relation rel, const char *column)
{
    const AttrNumber number = get_attnum(RelationGetRelid(rel), column);
    return number <= 0 ? nullptr : TupleDescAttr(RelationGetDescr(rel), number - 1);
}

Dependents dependents_of_one(Case &c, const ObjectAddress &object)
{
    core::List<ObjectAddress> objects(c.arena);
    objects.push(object);
    return dependents_of(c, objects);
}

// All that goes, as one sentence; empty if nothing does.
std::string_view along(Case &c, const Dependents &dependents)
{
    core::List<std::string_view> names(c.arena);
    const std::uint32_t count = dependents.along_count + dependents.cascaded_count;

    for (const std::string_view name : dependents.along) {
        names.push(name);
    }
    for (const std::string_view name : dependents.cascaded) {
        names.push(name);
    }
    return count == 0 ? "" : core::listed(c.arena, " With it go: ", names, count);
}

bool has_command(const AlterTableStmt *stmt, AlterTableType type, const char *column)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->cmds) {
        const auto *cmd = lfirst_node(AlterTableCmd, cell);
        if (cmd->subtype == type && (column == nullptr || strcmp(cmd->name, column) == 0)) {
            return true;
        }
    }
    return false;
}

void drop_column(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd)
{
    const FormData_pg_attribute *attr = attribute(rel, cmd->name);

    if (attr == nullptr || look.empty || attr->attinhcount > 0 || pg::is_new_column(look.oid, cmd->name)) {
        return;
    }
    const Dependents dependents = dependents_of_one(c, {RelationRelationId, look.oid, attr->attnum});
    if (cmd->behavior != DROP_CASCADE && dependents.cascaded_count > 0) {
        return; // PostgreSQL's own error
    }
    note(c, core::Rule::DropColumn, &look.relation,
         c.concat({"Column ", quoted(c, cmd->name), ".", along(c, dependents)}),
         core::reviewed(c.arena, c.text, core::kUnused));
}

// Whether NOT NULL columns and other CHECKs say all that this CHECK says, of children too unless it said nothing of
// them.
bool is_superfluous(Relation rel, const char *check)
{
    const TupleDesc desc = RelationGetDescr(rel);
    const TupleConstr *constraints = desc->constr;
    List *known = NIL;
    List *dropped = NIL;
    bool alone = false;

    for (int i = 0; constraints != nullptr && i < constraints->num_check; i++) {
        alone = alone || (strcmp(constraints->check[i].ccname, check) == 0 && constraints->check[i].ccnoinherit);
    }
    for (int i = 0; constraints != nullptr && i < constraints->num_check; i++) {
        auto *expression = static_cast<Node *>(stringToNode(constraints->check[i].ccbin));
        expression = eval_const_expressions(nullptr, expression);
        expression = reinterpret_cast<Node *>(canonicalize_qual(reinterpret_cast<Expr *>(expression), true));
        List *parts = make_ands_implicit(reinterpret_cast<Expr *>(expression));
        if (strcmp(constraints->check[i].ccname, check) == 0) {
            dropped = parts;
        } else if (constraints->check[i].ccvalid && (alone || !constraints->check[i].ccnoinherit)) {
            known = list_concat(known, parts);
        }
    }
    for (int i = 0; i < desc->natts; i++) {
        const FormData_pg_attribute *attr = TupleDescAttr(desc, i);
        if (attr->attisdropped || !pg::is_not_null(rel, attr->attnum)) {
            continue;
        }
        NullTest *test = makeNode(NullTest);
        test->arg =
            reinterpret_cast<Expr *>(makeVar(1, attr->attnum, attr->atttypid, attr->atttypmod, attr->attcollation, 0));
        test->nulltesttype = IS_NOT_NULL;
        test->location = -1;
        known = lappend(known, test);
    }
    return dropped != NIL && predicate_implied_by(dropped, known, true);
}

// The same statement makes another of that name.
bool is_replaced(const AlterTableStmt *stmt, const char *name)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->cmds) {
        const auto *cmd = lfirst_node(AlterTableCmd, cell);
        if (cmd->subtype == AT_AddConstraint && castNode(Constraint, cmd->def)->conname != nullptr &&
            strcmp(castNode(Constraint, cmd->def)->conname, name) == 0) {
            return true;
        }
    }
    return false;
}

// The rule for dropping a constraint of this kind; false where nothing is lost.
bool rule_of_constraint(Relation rel, const Look &look, const AlterTableStmt *stmt,
                        const FormData_pg_constraint *constraint, core::Rule *rule)
{
    switch (constraint->contype) {
    case CONSTRAINT_UNIQUE:
    case CONSTRAINT_EXCLUSION:
        *rule = core::Rule::DropUniqueConstraint;
        return !look.empty;
    case CONSTRAINT_PRIMARY:
        *rule = core::Rule::DropPrimaryKey;
        // Not where the same statement brings another.
        return !has_command(stmt, AT_AddConstraint, nullptr);
    case CONSTRAINT_CHECK:
        *rule = core::Rule::DropCheck;
        return !look.empty && !is_superfluous(rel, NameStr(constraint->conname));
    case 'n': // 18: NOT NULL
        *rule = core::Rule::DropNotNull;
        return !look.empty;
    default:
        return false;
    }
}

void drop_constraint(Case &c, Relation rel, const Look &look, const AlterTableStmt *stmt, const AlterTableCmd *cmd)
{
    const Oid oid = get_relation_constraint_oid(look.oid, cmd->name, true);
    HeapTuple tuple = OidIsValid(oid) ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid)) : nullptr;
    core::Rule rule{};

    if (!HeapTupleIsValid(tuple)) {
        return;
    }
    const auto *constraint = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
    const bool inherited = constraint->coninhcount > 0;
    const bool lost = !inherited && rule_of_constraint(rel, look, stmt, constraint, &rule);
    ReleaseSysCache(tuple);
    if (!lost || is_replaced(stmt, cmd->name) || pg::is_new(ConstraintRelationId, oid)) {
        return;
    }
    const Dependents dependents = dependents_of_one(c, {ConstraintRelationId, oid, 0});
    if (cmd->behavior != DROP_CASCADE && dependents.cascaded_count > 0) {
        return;
    }
    note(c, rule, &look.relation,
         c.concat({"Constraint ", quoted(c, cmd->name), ".",
                   rule == core::Rule::DropPrimaryKey && rel->rd_rel->relreplident == REPLICA_IDENTITY_DEFAULT &&
                           publishes_changes(rel)
                       ? core::kPublishedWithoutKey
                       : "",
                   along(c, dependents)}),
         core::reviewed(c.arena, c.text, core::kUnneeded));
}

bool is_key_column(Case &c, Relation rel, AttrNumber column)
{
    const Oid key = pg::primary_key_of(rel);
    bool found = false;

    if (OidIsValid(key)) {
        with_relation(c, key, [&](Relation index) {
            for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++) {
                found = found || index->rd_index->indkey.values[i] == column;
            }
        });
    }
    return found;
}

void drop_not_null(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd)
{
    const FormData_pg_attribute *attr = attribute(rel, cmd->name);

    if (attr == nullptr || !attr->attnotnull || look.empty || attr->attidentity != '\0' ||
        is_key_column(c, rel, attr->attnum) || pg::is_new_column(look.oid, cmd->name)) {
        return;
    }
    note(c, core::Rule::DropNotNull, &look.relation, c.concat({"Column ", quoted(c, cmd->name), "."}),
         core::reviewed(c.arena, c.text, core::kReadersKnowNull));
}

void drop_default(Case &c, Relation rel, const Look &look, const AlterTableStmt *stmt, const AlterTableCmd *cmd)
{
    const FormData_pg_attribute *attr = attribute(rel, cmd->name);

    if (cmd->def == nullptr && attr != nullptr && attr->attnotnull && attr->atthasdef && attr->attgenerated == '\0' &&
        !look.empty && !has_command(stmt, AT_DropNotNull, cmd->name) && !has_command(stmt, AT_AddIdentity, cmd->name)) {
        note(c, core::Rule::DropDefaultNotNull, &look.relation, c.concat({"Column ", quoted(c, cmd->name), "."}),
             core::reviewed(c.arena, c.text, core::kWritersSetIt));
    }
}

void disable_trigger(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd)
{
    const TriggerDesc *triggers = rel->trigdesc;
    core::List<std::string_view> names(c.arena);
    bool keys = false;

    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        const bool meant = cmd->subtype == AT_DisableTrigAll ||
                           (cmd->subtype == AT_DisableTrigUser && !trigger.tgisinternal) ||
                           (cmd->subtype == AT_DisableTrig && strcmp(trigger.tgname, cmd->name) == 0);
        if (!meant || trigger.tgenabled == TRIGGER_DISABLED) {
            continue;
        }
        if (!trigger.tgisinternal) {
            names.push(quoted(c, trigger.tgname));
        } else if (!keys) {
            keys = true;
            names.push("foreign key checks");
        }
    }
    if (!names.empty()) {
        note(c, core::Rule::DisableTrigger, &look.relation, core::listed(c.arena, "It turns off: ", names, names.count),
             c.concat({"-- for one session, if it may:\nSET session_replication_role = replica;"}));
    }
}

bool has_policy(Oid relation)
{
    bool any = false;

    pg::each_row(PolicyRelationId, PolicyPolrelidPolnameIndexId, nullptr, {{Anum_pg_policy_polrelid, relation}},
                 [&](HeapTuple) {
                     any = true;
                     return false;
                 });
    return any;
}

void row_security(Case &c, Relation rel, const Look &look, const AlterTableStmt *stmt, const AlterTableCmd *cmd)
{
    const bool enabled = rel->rd_rel->relrowsecurity;
    const bool new_for_somebody =
        cmd->subtype == AT_EnableRowSecurity
            ? !enabled
            : enabled && !rel->rd_rel->relforcerowsecurity && !has_command(stmt, AT_DisableRowSecurity, nullptr);

    // A table without rows is on its way to its policies.
    if (new_for_somebody && !look.empty && !has_policy(look.oid)) {
        const std::string_view policy =
            quoted(c, makeObjectName(pg::cstring(look.relation.bare), nullptr, "everybody"));
        note(c, core::Rule::EnableRls, &look.relation, "It has no policy.",
             c.concat({"BEGIN;\nCREATE POLICY ", policy, " ON ", look.relation.name,
                       " USING (true); -- or what each role may see\n", c.text, ";\nCOMMIT;"}));
    }
}

void disable_autovacuum(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd)
{
    const auto *now = reinterpret_cast<StdRdOptions *>(rel->rd_options);
    ListCell *cell = nullptr;

    foreach (cell, castNode(List, cmd->def)) {
        auto *option = lfirst_node(DefElem, cell);
        bool on = true;
        if (strcmp(option->defname, "autovacuum_enabled") != 0 || option->arg == nullptr ||
            !parse_bool(defGetString(option), &on) || on ||
            (option->defnamespace == nullptr && now != nullptr && !now->autovacuum.enabled)) {
            continue;
        }
        note(c, core::Rule::DisableAutovacuum, &look.relation, "",
             c.concat({"ALTER TABLE ", look.relation.name,
                       " SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 10);"}));
        return;
    }
}

// The user's words without NOT NULL.
std::string_view without_not_null(Case &c, std::string_view source)
{
    const core::List<Token> tokens = tokenize(c.arena, source);
    const auto is = [&](std::uint32_t i, std::string_view word) {
        return tokens[i].end - tokens[i].start == static_cast<int>(word.size()) &&
               pg_strncasecmp(source.data() + tokens[i].start, word.data(), word.size()) == 0;
    };

    for (std::uint32_t i = 1; i + 1 < tokens.count; i++) {
        if (is(i, "not") && is(i + 1, "null")) {
            const std::size_t end = tokens[i + 1].end;
            return c.concat(
                {core::part_of(source, 0, tokens[i - 1].end), core::part_of(source, end, source.size() - end)});
        }
    }
    return source;
}

// The statement with another text in the place of one of its commands, which is a piece of it.
std::string_view instead_of(Case &c, std::string_view command, std::string_view fresh)
{
    const std::size_t at = command.data() - c.text.data();
    const std::size_t rest = at + command.size();

    if (command.data() < c.text.data() || rest > c.text.size()) {
        return c.concat({c.out->statement.head, fresh}); // it has been put into other words
    }
    return c.concat({core::part_of(c.text, 0, at), fresh, core::part_of(c.text, rest, c.text.size() - rest)});
}

// PostgreSQL fails on the first row, after it has waited for its lock.
void add_not_null(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd, std::string_view source)
{
    const auto *column = castNode(ColumnDef, cmd->def);
    bool not_null = column->is_not_null;
    ListCell *cell = nullptr;

    foreach (cell, column->constraints) {
        const auto type_of = lfirst_node(Constraint, cell)->contype;
        not_null = not_null || type_of == CONSTR_NOTNULL ||
                   (type_of == CONSTR_PRIMARY && !OidIsValid(pg::primary_key_of(rel)));
        if (type_of == CONSTR_DEFAULT || type_of == CONSTR_IDENTITY || type_of == CONSTR_GENERATED) {
            return;
        }
    }
    if (!not_null || look.empty || column->raw_default != nullptr || column->identity != '\0' ||
        get_attnum(look.oid, column->colname) != InvalidAttrNumber) {
        return;
    }
    // None: serial, which has values, or PostgreSQL's own error.
    const Oid type = LookupTypeNameOid(nullptr, column->typeName, true);
    if (!OidIsValid(type) || get_typdefault(type) != nullptr) {
        return;
    }
    const std::string_view column_name = quoted(c, column->colname);
    note(c, core::Rule::AddColumnNotNullNoDefault, &look.relation, c.concat({"Column ", column_name, "."}),
         core::nullable_first(c.arena, instead_of(c, source, without_not_null(c, source)), look.relation, column_name))
        .hint_is_whole = true;
}

} // namespace

void note_command(Case &c, Relation rel, const Look &look, const AlterTableStmt *stmt, const AlterTableCmd *cmd,
                  std::string_view source, bool hazard)
{
    switch (cmd->subtype) {
    case AT_AddColumn:
        if (!hazard) {
            add_not_null(c, rel, look, cmd, source);
        }
        note_new_column_published(c, rel, look, castNode(ColumnDef, cmd->def));
        break;
    case AT_DropColumn:
        drop_column(c, rel, look, cmd);
        break;
    case AT_DropConstraint:
        drop_constraint(c, rel, look, stmt, cmd);
        break;
    case AT_DropNotNull:
        drop_not_null(c, rel, look, cmd);
        break;
    case AT_ColumnDefault:
        drop_default(c, rel, look, stmt, cmd);
        break;
    case AT_DisableTrig:
    case AT_DisableTrigAll:
    case AT_DisableTrigUser:
        disable_trigger(c, rel, look, cmd);
        break;
    case AT_EnableRowSecurity:
    case AT_ForceRowSecurity:
        row_security(c, rel, look, stmt, cmd);
        break;
    case AT_ReplicaIdentity:
        note_replica_identity(c, rel, look, castNode(ReplicaIdentityStmt, cmd->def));
        break;
    case AT_SetRelOptions:
        disable_autovacuum(c, rel, look, cmd);
        break;
    case AT_SetUnLogged:
        if (rel->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT) {
            note(c, core::Rule::UnloggedTable, &look.relation, "", core::reviewed(c.arena, c.text, core::kLossIsFine));
        }
        break;
    default:
        break;
    }
    if (is_style_asked(c)) {
        style_command(c, rel, look, cmd);
    }
}

} // namespace zdm::inspect
