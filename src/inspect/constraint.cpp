// ADD CONSTRAINT and SET NOT NULL.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/tokens.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/syntax.hpp"

namespace zdm::inspect
{

namespace
{

void add_check(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part)
{
    ParseState *state = make_parsestate(nullptr);
    state->p_sourcetext = c.query;
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
            constraint->conname != nullptr ? nullptr
                                           : ChooseConstraintName(RelationGetRelationName(rel), only, "check",
                                                                  RelationGetNamespace(rel), c.chosen));
    part->form = core::Form::AddCheck;
    part->rule = core::Rule::AddCheckValidating;
    part->work = core::Work::Scan;
    part->only = part->only || constraint->is_no_inherit;
    part->definition = bracket(c, written, "check");
    part->probe = may_select(look.oid) && !part->definition.empty();
    part->hazard = true;
    part->rewritable = true;
}

// NOT NULL as a constraint of the table: 18 and later. NULLs get PostgreSQL's own error, from VALIDATE.
void add_not_null(Case &c, Relation rel, Constraint *constraint, core::Part *part)
{
    const char *column = strVal(linitial(constraint->keys));
    const AttrNumber attnum = column_number(rel, column);

    if (attnum <= 0 || TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attnotnull || proven_not_null(rel, attnum)) {
        return;
    }
    name_it(c, part, constraint->conname,
            constraint->conname != nullptr ? nullptr
                                           : ChooseConstraintName(RelationGetRelationName(rel), column, "not_null",
                                                                  RelationGetNamespace(rel), c.chosen));
    part->form = core::Form::AddCheck;
    part->rule = core::Rule::SetNotNullScan;
    part->work = core::Work::Scan;
    part->probe = false;
    part->hazard = true;
    part->rewritable = true;
}

void add_exclusion(Case &c, core::Part *part)
{
    part->hazard = true;
    part->rule = core::Rule::AddExcludeBlocking;
    part->work = core::Work::IndexBuild;
    part->hint = c.concat({"-- Without the lock only in a new table, filled and swapped. In a maintenance window:\n",
                           reviewed(c, c.text)});
    part->hint_is_whole = true;
}

} // namespace

// The bracket behind CHECK, as the user wrote it.
std::string_view bracket(Case &c, std::string_view source, std::string_view keyword)
{
    const core::List<Token> tokens = tokenize(c.arena, source);
    int open = -1;
    int depth = 0;

    for (std::uint32_t i = 0; i < tokens.count; i++) {
        const std::string_view word = core::part_of(source, tokens[i].start, tokens[i].end - tokens[i].start);
        if (open < 0) {
            if (tokens[i].code == '(' && i > 0) {
                const std::string_view before =
                    core::part_of(source, tokens[i - 1].start, tokens[i - 1].end - tokens[i - 1].start);
                if (before.size() == keyword.size() &&
                    pg_strncasecmp(before.data(), keyword.data(), keyword.size()) == 0) {
                    open = static_cast<int>(i);
                }
            }
        }
        if (open >= 0) {
            depth += word == "(" ? 1 : word == ")" ? -1 : 0;
            if (depth == 0) {
                return core::part_of(source, tokens[open].start, tokens[i].end - tokens[open].start);
            }
        }
    }
    return "";
}

// The name the statement gives, or the one PostgreSQL would choose; the words then say it.
void name_it(Case &c, core::Part *part, const char *given, const char *chosen)
{
    const char *name = given != nullptr ? given : chosen;

    c.chosen = lappend(c.chosen, pstrdup(name));
    part->label = pg::keep(c.arena, name);
    part->name = quoted(c, name);
    if (given == nullptr && part->source.size() > 3) {
        // "ADD CHECK (...)" becomes "ADD CONSTRAINT name CHECK (...)"
        part->source =
            c.concat({"ADD CONSTRAINT ", part->name, core::part_of(part->source, 3, part->source.size() - 3)});
    }
}

const char *column_name(Relation rel, AttrNumber attnum)
{
    return NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname);
}

namespace
{

bool lacks_not_null(Relation rel, const char *column)
{
    const AttrNumber attnum = column_number(rel, column);
    return attnum > 0 && !TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attnotnull;
}

// DROP NOT NULL for each relation that lacks it now, and for no other: it recurses, and would take from a child what
// was the child's own. A partitioned table can only drop it everywhere, or nowhere.
void note_undo(Case &c, const Look &look, const char *column, core::Part *part)
{
    List *tree = part->only ? list_make1_oid(look.oid) : find_all_inheritors(look.oid, NoLock, nullptr);
    const std::string_view drop = c.concat({" ALTER COLUMN ", quoted(c, column), " DROP NOT NULL"});
    bool all = true;
    ListCell *cell = nullptr;

    foreach (cell, tree) {
        with_relation(c, lfirst_oid(cell), [&](Relation rel) {
            const bool lacks = lacks_not_null(rel, column);
            all = all && lacks;
            if (lacks && look.relkind != RELKIND_PARTITIONED_TABLE) {
                part->undo_not_null.push(c.concat({"ALTER TABLE ONLY ", qualified(c, RelationGetRelid(rel)), drop}));
            }
        });
    }
    if (all && look.relkind == RELKIND_PARTITIONED_TABLE) {
        part->undo_not_null.push(c.concat({"ALTER TABLE ", look.relation.name, drop}));
    }
}

} // namespace

void name_proof(Case &c, Relation rel, const Look &look, core::Part *part)
{
    const char *first = pg::cstring(core::unquoted(c.arena, part->nullable[0]));

    part->proof_name = quoted(c, ChooseConstraintName(RelationGetRelationName(rel), first, "zdm_not_null",
                                                      RelationGetNamespace(rel), c.chosen));
    for (const std::string_view column : part->nullable) {
        const AttrNumber attnum = column_number(rel, pg::cstring(core::unquoted(c.arena, column)));
        part->composite =
            part->composite || type_is_rowtype(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid);
        note_undo(c, look, pg::cstring(core::unquoted(c.arena, column)), part);
    }
}

void add_constraint(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part)
{
    if (constraint->conname != nullptr &&
        ConstraintNameIsUsed(CONSTRAINT_RELATION, RelationGetRelid(rel), constraint->conname)) {
        return; // PostgreSQL's own error
    }
    // A small table may yet reference a large one, which the check reads as well.
    const bool two_sides = constraint->contype == CONSTR_FOREIGN && look.relation.bytes > 0;
    if ((look.empty && !two_sides) || constraint->skip_validation) {
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
        } else if (pg::is_without_overlaps(constraint)) {
            add_exclusion(c, part);
        } else {
            add_key(c, rel, look, constraint, part);
        }
        break;
    case CONSTR_NOTNULL:
        add_not_null(c, rel, constraint, part);
        break;
    case CONSTR_EXCLUSION:
        add_exclusion(c, part);
        break;
    default:
        break;
    }
}

void set_not_null(Case &c, Relation rel, const Look &look, const char *column, core::Part *part)
{
    const AttrNumber attnum = column_number(rel, column);

    if (attnum <= 0 || look.empty) {
        return;
    }
    if (pg::is_not_null_unproven(rel, attnum)) {
        // A proof would not help: PostgreSQL validates the constraint that is there, under its lock.
        part->hazard = true;
        part->rule = core::Rule::SetNotNullScan;
        part->work = core::Work::Scan;
        part->reason = "Its NOT NULL constraint is NOT VALID.";
        part->hint = c.concat({"ALTER TABLE ", look.relation.name, " VALIDATE CONSTRAINT ",
                               quoted(c, pg::not_null_constraint(rel, attnum)), ";"});
        return;
    }
    bool done = pg::is_not_null(rel, attnum) || proven_not_null(rel, attnum);
    if (look.has_children && !part->only) {
        ListCell *cell = nullptr;
        foreach (cell, find_all_inheritors(look.oid, NoLock, nullptr)) {
            if (lfirst_oid(cell) == look.oid || !done) {
                continue;
            }
            with_relation(c, lfirst_oid(cell), [&](Relation child) {
                const AttrNumber number = get_attnum(RelationGetRelid(child), column);
                done = number > 0 && (pg::is_not_null(child, number) || proven_not_null(child, number));
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
    name_proof(c, rel, look, part);
    part->probe = may_select(look.oid);
    part->hazard = true;
    part->rewritable = true;
}

List *valid_checks(Relation rel)
{
    const TupleConstr *constraints = RelationGetDescr(rel)->constr;
    List *known = NIL;

    for (int i = 0; constraints != nullptr && i < constraints->num_check; i++) {
        if (!constraints->check[i].ccvalid) {
            continue;
        }
        auto *expression = static_cast<Node *>(stringToNode(constraints->check[i].ccbin));
        expression = eval_const_expressions(nullptr, expression);
        expression = reinterpret_cast<Node *>(canonicalize_qual(reinterpret_cast<Expr *>(expression), true));
        known = list_concat(known, make_ands_implicit(reinterpret_cast<Expr *>(expression)));
    }
    return known;
}

bool proven_not_null(Relation rel, AttrNumber column)
{
    // As NotNullImpliedByRelConstraints in tablecmds.c does.
    const FormData_pg_attribute *attr = TupleDescAttr(RelationGetDescr(rel), column - 1);
    NullTest *test = makeNode(NullTest);

    test->arg = reinterpret_cast<Expr *>(makeVar(1, column, attr->atttypid, attr->atttypmod, attr->attcollation, 0));
    test->nulltesttype = IS_NOT_NULL;
    test->argisrow = false;
    test->location = -1;

    return predicate_implied_by(list_make1(test), valid_checks(rel), true);
}

} // namespace zdm::inspect
