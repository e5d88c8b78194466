// ADD CONSTRAINT and SET NOT NULL.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/tokens.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// The name the statement gives, or the one PostgreSQL would choose; the words then say it.
void name_it(Case &c, core::Part *part, const char *given, const char *chosen)
{
    const char *name = given != nullptr ? given : chosen;

    part->label = pg::keep(c.arena, name);
    part->name = quoted(c, name);
    if (given == nullptr && part->source.size() > 3) {
        // "ADD CHECK (...)" becomes "ADD CONSTRAINT name CHECK (...)"
        part->source = c.concat({"ADD CONSTRAINT ", part->name, part->source.substr(3)});
    }
}

const char *column_name(Relation rel, AttrNumber attnum)
{
    return NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname);
}

// The bracket behind CHECK, as the user wrote it.
std::string_view bracket(Case &c, std::string_view source, std::string_view keyword)
{
    const core::List<Token> tokens = tokenize(c.arena, source);
    int open = -1;
    int depth = 0;

    for (std::uint32_t i = 0; i < tokens.count; i++) {
        const std::string_view word = source.substr(tokens[i].start, tokens[i].end - tokens[i].start);
        if (open < 0) {
            if (tokens[i].code == '(' && i > 0) {
                const std::string_view before =
                    source.substr(tokens[i - 1].start, tokens[i - 1].end - tokens[i - 1].start);
                if (before.size() == keyword.size() &&
                    pg_strncasecmp(before.data(), keyword.data(), keyword.size()) == 0) {
                    open = static_cast<int>(i);
                }
            }
        }
        if (open >= 0) {
            depth += word == "(" ? 1 : word == ")" ? -1 : 0;
            if (depth == 0) {
                return source.substr(tokens[open].start, tokens[i].end - tokens[open].start);
            }
        }
    }
    return "";
}

void add_check(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part)
{
    ParseState *state = make_parsestate(nullptr);
    state->p_sourcetext = pg::cstring(c.text);
    ParseNamespaceItem *item = addRangeTableEntryForRelation(state, rel, AccessShareLock, nullptr, false, true);
    addNSItemToQuery(state, item, true, true, true);
    Node *expression = transformExpr(state, copy_node(constraint->raw_expr), EXPR_KIND_CHECK_CONSTRAINT);
    expression = coerce_to_boolean(state, expression, "CHECK");
    assign_expr_collations(state, expression);

    List *seen = NIL;
    ListCell *cell = nullptr;
    foreach (cell, pull_var_clause(expression, 0)) {
        const auto *var = lfirst_node(Var, cell);
        if (var->varattno > 0 && !list_member_int(seen, var->varattno)) {
            seen = lappend_int(seen, var->varattno);
            part->columns.push(quoted(c, column_name(rel, var->varattno)));
        }
    }
    const char *only = list_length(seen) == 1 ? column_name(rel, static_cast<AttrNumber>(linitial_int(seen))) : nullptr;
    const std::string_view written = part->source;
    name_it(c, part, constraint->conname,
            constraint->conname != nullptr
                ? nullptr
                : ChooseConstraintName(RelationGetRelationName(rel), only, "check", RelationGetNamespace(rel), NIL));
    part->form = core::Form::AddCheck;
    part->rule = core::Rule::AddCheckValidating;
    part->work = core::Work::Scan;
    part->only = part->only || constraint->is_no_inherit;
    part->definition = bracket(c, written, "check");
    part->probe = may_select(look.oid) && !part->definition.empty();
    part->hazard = true;
    part->rewritable = true;
}

// The operator with which the referenced column is compared, as SQL.
std::string_view equality(Case &c, Oid referenced, Oid referencing)
{
    List *name = list_make2(makeString(pstrdup("pg_catalog")), makeString(pstrdup("=")));
    Oid found = compatible_oper_opid(name, referenced, referencing, true);
    if (!OidIsValid(found)) {
        found = compatible_oper_opid(list_make1(makeString(pstrdup("="))), referenced, referencing, true);
    }
    if (!OidIsValid(found)) {
        return "";
    }
    HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(found));
    const auto *form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
    const std::string_view sql = c.concat(
        {"OPERATOR(", quote_identifier(get_namespace_name(form->oprnamespace)), ".", NameStr(form->oprname), ")"});
    ReleaseSysCache(tuple);
    return sql;
}

// Columns of the referenced table: those named, or its primary key. False if there are none.
bool referenced_columns(Case &c, const Constraint *constraint, Relation partner, core::Part *part, List **numbers)
{
    ListCell *cell = nullptr;

    if (constraint->pk_attrs != NIL) {
        foreach (cell, constraint->pk_attrs) {
            const AttrNumber attnum = get_attnum(RelationGetRelid(partner), strVal(lfirst(cell)));
            if (attnum <= 0) {
                return false;
            }
            *numbers = lappend_int(*numbers, attnum);
            part->partner_columns.push(quoted(c, strVal(lfirst(cell))));
        }
        return true;
    }
    const Oid key = RelationGetPrimaryKeyIndex(partner);
    if (!OidIsValid(key)) {
        return false;
    }
    bool found = false;
    with_relation(c, key, [&](Relation index) {
        for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++) {
            const AttrNumber attnum = index->rd_index->indkey.values[i];
            *numbers = lappend_int(*numbers, attnum);
            part->partner_columns.push(quoted(c, column_name(partner, attnum)));
        }
        found = true;
    });
    return found;
}

// False if PostgreSQL will refuse the constraint before it scans.
bool match_columns(Case &c, Relation rel, Relation partner, const Constraint *constraint, core::Part *part)
{
    List *numbers = NIL;
    ListCell *cell = nullptr;

    if (!referenced_columns(c, constraint, partner, part, &numbers) ||
        list_length(numbers) != list_length(constraint->fk_attrs)) {
        return false;
    }
    int i = 0;
    foreach (cell, constraint->fk_attrs) {
        const char *column = strVal(lfirst(cell));
        const AttrNumber attnum = get_attnum(RelationGetRelid(rel), column);
        if (attnum <= 0) {
            return false;
        }
        const std::string_view equals = equality(c, get_atttype(RelationGetRelid(partner), list_nth_int(numbers, i)),
                                                 get_atttype(RelationGetRelid(rel), attnum));
        if (equals.empty()) {
            return false;
        }
        part->columns.push(quoted(c, column));
        part->equals.push(equals);
        i++;
    }
    return true;
}

char *foreign_key_name(Relation rel, const Constraint *constraint)
{
    // As ChooseForeignKeyConstraintNameAddition does.
    StringInfoData addition;
    ListCell *cell = nullptr;

    initStringInfo(&addition);
    foreach (cell, constraint->fk_attrs) {
        if (addition.len >= NAMEDATALEN) {
            break;
        }
        if (addition.len > 0) {
            appendStringInfoChar(&addition, '_');
        }
        appendStringInfoString(&addition, strVal(lfirst(cell)));
    }
    return ChooseConstraintName(RelationGetRelationName(rel), addition.data, "fkey", RelationGetNamespace(rel), NIL);
}

void add_foreign_key(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part)
{
    Look partner;
    bool sound = false;

    if (constraint->pktable == nullptr || !look_at(c, constraint->pktable, &partner)) {
        return;
    }
    with_relation(c, partner.oid, [&](Relation other) { sound = match_columns(c, rel, other, constraint, part); });
    if (!sound) {
        return;
    }
    name_it(c, part, constraint->conname, constraint->conname != nullptr ? nullptr : foreign_key_name(rel, constraint));
    part->form = core::Form::AddForeignKey;
    part->partner = partner.relation;
    part->match_full = constraint->fk_matchtype == FKCONSTR_MATCH_FULL;
    // A partitioned parent holds its rows in its partitions, an inheritance parent only its own count.
    part->only = partner.relkind != RELKIND_PARTITIONED_TABLE;
    part->work = core::Work::Scan;
    part->probe = may_select(look.oid) && may_select(partner.oid);
    part->hazard = true;
    part->rule = core::Rule::AddFkValidating;
    part->rewritable = true;
    part->reason = c.concat({"The same lock on ", partner.relation.name, "."});
    if (look.relkind == RELKIND_PARTITIONED_TABLE) {
        part->rule = core::Rule::AddFkPartitioned;
        part->rewritable = false;
        part->hint = c.concat({"For each partition of ", look.relation.name, ": ALTER TABLE partition ", part->source,
                               " NOT VALID; ALTER TABLE partition VALIDATE CONSTRAINT ", part->name,
                               "; and at the end the statement itself, which then reuses them without a scan"});
    }
}

std::string_view key_clauses(Case &c, const Constraint *constraint, const core::Part *part)
{
    core::Text sql(c.arena);
    ListCell *cell = nullptr;

    sql << "(";
    for (std::uint32_t i = 0; i < part->columns.count; i++) {
        sql << (i == 0 ? "" : ", ") << part->columns[i];
    }
    sql << ")";
    if (constraint->including != NIL) {
        sql << " INCLUDE (";
        foreach (cell, constraint->including) {
            sql << (foreach_current_index(cell) == 0 ? "" : ", ") << quote_identifier(strVal(lfirst(cell)));
        }
        sql << ")";
    }
    if (constraint->nulls_not_distinct) {
        sql << " NULLS NOT DISTINCT";
    }
    if (constraint->options != NIL) {
        sql << " WITH (";
        foreach (cell, constraint->options) {
            auto *option = lfirst_node(DefElem, cell);
            sql << (foreach_current_index(cell) == 0 ? "" : ", ") << quote_identifier(option->defname) << " = "
                << quote_literal_cstr(defGetString(option));
        }
        sql << ")";
    }
    if (constraint->indexspace != nullptr) {
        sql << " TABLESPACE " << quote_identifier(constraint->indexspace);
    }
    return sql.str();
}

// Columns of a key that are not NOT NULL yet. False if one does not exist.
bool nullable_columns(Case &c, Relation rel, List *keys, core::Part *part)
{
    ListCell *cell = nullptr;

    foreach (cell, keys) {
        const AttrNumber attnum = get_attnum(RelationGetRelid(rel), strVal(lfirst(cell)));
        if (attnum <= 0) {
            return false;
        }
        if (!TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attnotnull) {
            part->nullable.push(quoted(c, strVal(lfirst(cell))));
        }
    }
    return true;
}

bool all_proven(Relation rel, Case &c, const core::Part *part)
{
    for (const std::string_view column : part->nullable) {
        const AttrNumber attnum = get_attnum(RelationGetRelid(rel), pg::cstring(core::unquoted(c.arena, column)));
        if (!proven_not_null(rel, attnum)) {
            return false;
        }
    }
    return true;
}

void name_proof(Case &c, Relation rel, core::Part *part)
{
    const char *column = pg::cstring(core::unquoted(c.arena, part->nullable[0]));
    part->proof_name = quoted(
        c, ChooseConstraintName(RelationGetRelationName(rel), column, "zdm_not_null", RelationGetNamespace(rel), NIL));
}

void add_key_using_index(Case &c, Relation rel, const Look &look, const Constraint *constraint, core::Part *part)
{
    const Oid index = get_relname_relid(constraint->indexname, RelationGetNamespace(rel));
    List *keys = NIL;

    if (constraint->contype != CONSTR_PRIMARY || !OidIsValid(index) || get_rel_relkind(index) != RELKIND_INDEX ||
        IndexGetRelation(index, true) != RelationGetRelid(rel)) {
        return;
    }
    with_relation(c, index, [&](Relation rel_index) {
        for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(rel_index); i++) {
            if (rel_index->rd_index->indkey.values[i] > 0) {
                keys = lappend(keys, makeString(pstrdup(column_name(rel, rel_index->rd_index->indkey.values[i]))));
            }
        }
    });
    if (!nullable_columns(c, rel, keys, part) || part->nullable.empty() || all_proven(rel, c, part)) {
        return;
    }
    name_proof(c, rel, part);
    part->form = core::Form::AddPrimaryKey;
    part->rule = core::Rule::AddPkUsingIndexNullable;
    part->work = core::Work::Scan;
    part->probe = may_select(look.oid);
    part->hazard = true;
    part->rewritable = true;
}

void add_key(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part)
{
    const bool primary = constraint->contype == CONSTR_PRIMARY;
    ListCell *cell = nullptr;
    List *columns = NIL;

    if (primary && OidIsValid(RelationGetPrimaryKeyIndex(rel))) {
        return; // PostgreSQL refuses a second one
    }
    foreach (cell, constraint->keys) {
        IndexElem *key = makeNode(IndexElem);
        key->name = strVal(lfirst(cell));
        columns = lappend(columns, key);
        part->columns.push(quoted(c, key->name));
    }
    foreach (cell, constraint->including) {
        IndexElem *key = makeNode(IndexElem);
        key->name = strVal(lfirst(cell));
        columns = lappend(columns, key);
    }
    if (!nullable_columns(c, rel, constraint->keys, part)) {
        return;
    }
    if (!primary || all_proven(rel, c, part)) {
        part->nullable.count = 0;
    }
    if (!part->nullable.empty()) {
        name_proof(c, rel, part);
    }
    name_it(c, part, constraint->conname,
            constraint->conname != nullptr
                ? nullptr
                : choose_index_name(RelationGetRelationName(rel), RelationGetNamespace(rel), primary ? NIL : columns,
                                    primary ? "pkey" : "key", true));
    if (OidIsValid(get_relname_relid(pg::cstring(part->label), RelationGetNamespace(rel)))) {
        return; // the name is taken: PostgreSQL's own error
    }
    part->qualified = pg::keep(
        c.arena, quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), pg::cstring(part->label)));
    part->form = primary ? core::Form::AddPrimaryKey : core::Form::AddUnique;
    part->rule = primary ? core::Rule::AddPkBlocking : core::Rule::AddUniqueBlocking;
    part->work = core::Work::IndexBuild;
    part->definition = key_clauses(c, constraint, part);
    part->nulls_equal = constraint->nulls_not_distinct;
    part->probe = may_select(look.oid);
    part->hazard = true;
    part->rewritable = true;
    if (constraint->deferrable) {
        part->rewritable = false;
        part->reason = "A prebuilt index would enforce a DEFERRABLE constraint at once.";
        part->hint =
            c.concat({"Add it without DEFERRABLE, or in a maintenance window with SET zdm.safety_assured = on"});
    } else if (look.relkind == RELKIND_PARTITIONED_TABLE) {
        part->rewritable = false;
        part->reason = "A partitioned table cannot use a prebuilt index.";
        part->hint =
            c.concat({"CREATE UNIQUE INDEX ", part->name, " ON ONLY ", look.relation.name, " ", part->definition,
                      "; then, for each partition, CREATE UNIQUE INDEX CONCURRENTLY and ALTER INDEX ", part->qualified,
                      " ATTACH PARTITION"});
    }
}

} // namespace

void add_constraint(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part)
{
    if (constraint->conname != nullptr &&
        ConstraintNameIsUsed(CONSTRAINT_RELATION, RelationGetRelid(rel), constraint->conname)) {
        return; // PostgreSQL's own error
    }
    if (look.empty || constraint->skip_validation) {
        return;
    }
    switch (constraint->contype) {
    case CONSTR_CHECK:
        add_check(c, rel, look, constraint, part);
        break;
    case CONSTR_FOREIGN:
        add_foreign_key(c, rel, look, constraint, part);
        break;
    case CONSTR_PRIMARY:
    case CONSTR_UNIQUE:
        if (constraint->indexname != nullptr) {
            add_key_using_index(c, rel, look, constraint, part);
        } else {
            add_key(c, rel, look, constraint, part);
        }
        break;
    case CONSTR_EXCLUSION:
        part->hazard = true;
        part->rule = core::Rule::AddExcludeBlocking;
        part->work = core::Work::IndexBuild;
        part->hint = c.concat({"CREATE TABLE a copy with the constraint, fill it, and swap the names; or, in a "
                               "maintenance window, SET zdm.safety_assured = on"});
        break;
    default:
        break;
    }
}

void set_not_null(Case &c, Relation rel, const Look &look, const char *column, core::Part *part)
{
    const AttrNumber attnum = get_attnum(RelationGetRelid(rel), column);

    if (attnum <= 0 || look.empty) {
        return;
    }
    bool done = TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attnotnull || proven_not_null(rel, attnum);
    if (look.has_children && !part->only) {
        ListCell *cell = nullptr;
        foreach (cell, find_all_inheritors(look.oid, NoLock, nullptr)) {
            if (lfirst_oid(cell) == look.oid || !done) {
                continue;
            }
            with_relation(c, lfirst_oid(cell), [&](Relation child) {
                const AttrNumber number = get_attnum(RelationGetRelid(child), column);
                done = number > 0 && (TupleDescAttr(RelationGetDescr(child), number - 1)->attnotnull ||
                                      proven_not_null(child, number));
            });
        }
    }
    if (done || (part->only && look.relkind == RELKIND_PARTITIONED_TABLE)) {
        return;
    }
    part->form = core::Form::SetNotNull;
    part->rule = core::Rule::SetNotNullScan;
    part->work = core::Work::Scan;
    part->name = quoted(c, column);
    part->nullable.push(part->name);
    name_proof(c, rel, part);
    part->probe = may_select(look.oid);
    part->hazard = true;
    part->rewritable = true;
}

bool proven_not_null(Relation rel, AttrNumber column)
{
    // As NotNullImpliedByRelConstraints in tablecmds.c does.
    const FormData_pg_attribute *attr = TupleDescAttr(RelationGetDescr(rel), column - 1);
    const TupleConstr *constraints = RelationGetDescr(rel)->constr;
    NullTest *test = makeNode(NullTest);
    List *known = NIL;

    test->arg = reinterpret_cast<Expr *>(makeVar(1, column, attr->atttypid, attr->atttypmod, attr->attcollation, 0));
    test->nulltesttype = IS_NOT_NULL;
    test->argisrow = false;
    test->location = -1;

    for (int i = 0; constraints != nullptr && i < constraints->num_check; i++) {
        if (!constraints->check[i].ccvalid) {
            continue;
        }
        auto *expression = static_cast<Node *>(stringToNode(constraints->check[i].ccbin));
        expression = eval_const_expressions(nullptr, expression);
        expression = reinterpret_cast<Node *>(canonicalize_qual(reinterpret_cast<Expr *>(expression), true));
        known = list_concat(known, make_ands_implicit(reinterpret_cast<Expr *>(expression)));
    }
    return predicate_implied_by(list_make1(test), known, true);
}

} // namespace zdm::inspect
