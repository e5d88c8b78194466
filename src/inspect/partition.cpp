// A new partition, or one that leaves: what PostgreSQL would scan, and what proves it beforehand.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/xact.hpp"

namespace zdm::inspect
{

namespace
{

// As PartConstraintImpliedByRelConstraint in tablecmds.c does. `more`: what a further CHECK would add.
bool implied(Relation rel, List *qual, List *more)
{
    List *known = NIL;

    for (int i = 0; i < RelationGetDescr(rel)->natts; i++) {
        const FormData_pg_attribute *column = TupleDescAttr(RelationGetDescr(rel), i);
        if (column->attisdropped || !pg::is_not_null(rel, static_cast<AttrNumber>(i + 1))) {
            continue;
        }
        NullTest *test = makeNode(NullTest);
        test->arg = reinterpret_cast<Expr *>(
            makeVar(1, static_cast<AttrNumber>(i + 1), column->atttypid, column->atttypmod, column->attcollation, 0));
        test->nulltesttype = IS_NOT_NULL;
        test->location = -1;
        known = lappend(known, test);
    }
    known = list_concat(known, valid_checks(rel));
    return predicate_implied_by(qual, list_concat(known, more), true);
}

// The bounds of a partition and all above it. PostgreSQL keeps a lock on each parent of whose bounds it has no copy
// yet; we give back what we look at.
List *bounds_above(Case &c, Relation rel)
{
    if (!rel->rd_rel->relispartition) {
        return NIL;
    }
    const Oid parent = get_partition_parent(RelationGetRelid(rel), true);
    with_relation(c, parent, [&](Relation above) { bounds_above(c, above); });
    const bool known = rel->rd_partcheckvalid;
    List *qual = RelationGetPartitionQual(rel);
    if (!known) {
        UnlockRelationOid(parent, AccessShareLock);
    }
    return qual;
}

// A condition as SQL, as the prover would have it once it is a CHECK.
List *as_check(Relation rel, const char *sql)
{
    const auto *select = castNode(SelectStmt, linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_PLPGSQL_EXPR))->stmt);
    ParseState *state = make_parsestate(nullptr);
    ParseNamespaceItem *item = addRangeTableEntryForRelation(state, rel, AccessShareLock, nullptr, false, true);

    state->p_sourcetext = sql;
    addNSItemToQuery(state, item, true, true, true);
    Node *condition =
        transformExpr(state, linitial_node(ResTarget, select->targetList)->val, EXPR_KIND_CHECK_CONSTRAINT);
    condition = coerce_to_boolean(state, condition, "CHECK");
    assign_expr_collations(state, condition);
    condition = eval_const_expressions(nullptr, condition);
    condition = reinterpret_cast<Node *>(canonicalize_qual(reinterpret_cast<Expr *>(condition), true));
    return make_ands_implicit(reinterpret_cast<Expr *>(condition));
}

// Dates and the like must mean the same to whoever runs it.
const char *as_sql(Relation rel, List *qual)
{
    List *context = deparse_context_for(RelationGetRelationName(rel), RelationGetRelid(rel));
    const char *sql = nullptr;

    pg::with_settings([&] {
        pg::set_local("DateStyle", "ISO");
        pg::set_local("IntervalStyle", "postgres");
        pg::set_local("extra_float_digits", "3");
        sql = deparse_expression(reinterpret_cast<Node *>(make_ands_explicit(qual)), context, false, false);
    });
    return sql;
}

// Asks for a CHECK that proves `qual`, unless that is known already. False if a CHECK would not prove it.
bool want_proof(Case &c, Relation rel, const Look &look, List *qual, std::string_view message, core::Part *part)
{
    if (look.empty || implied(rel, qual, NIL)) {
        return true;
    }
    const char *sql = as_sql(rel, qual);
    core::Proof proof;

    proof.relation = look.relation;
    proof.name = quoted(c, ChooseConstraintName(RelationGetRelationName(rel), nullptr, "zdm_bounds",
                                                RelationGetNamespace(rel), c.chosen));
    proof.definition = c.concat({"(", sql, ")"});
    proof.message = message;
    proof.below = look.has_children;
    proof.probe = may_select(look.oid);
    part->proofs.push(proof);
    part->hazard = true;
    part->work = part->work > core::Work::Scan ? part->work : core::Work::Scan;
    if (implied(rel, qual, as_check(rel, sql))) {
        return true;
    }
    // So with hashed text: PostgreSQL's own condition has no collation, that of a CHECK has one.
    part->reason = "No CHECK can prove its bounds.";
    part->hint = c.concat({"SET zdm.safety_assured = on; ", c.text, ";"});
    return false;
}

// The default partition must hold no row of the new one's.
bool want_proof_of_default(Case &c, Relation parent, List *bounds, core::Part *part)
{
    const Oid oid = get_default_partition_oid(RelationGetRelid(parent));
    Look look;
    bool fine = true;

    if (!OidIsValid(oid) || !look_at(c, oid, &look)) {
        return true;
    }
    part->also.push({look.relation, core::Lock::AccessExclusive});
    with_relation(c, oid, [&](Relation rel) {
        List *qual = get_proposed_default_constraint(copy_node(bounds));
        fine =
            want_proof(c, rel, look, map_partition_varattnos(qual, 1, rel, parent),
                       "updated partition constraint for default partition \"%s\" would be violated by some row", part);
    });
    return fine;
}

PartitionBoundSpec *bound_of(Case &c, Relation parent, PartitionBoundSpec *raw, const char *name)
{
    ParseState *state = make_parsestate(nullptr);

    state->p_sourcetext = c.query;
    PartitionBoundSpec *bound = transformPartitionBound(state, parent, copy_node(raw));
    check_new_partition_bound(pstrdup(name), parent, bound, state);
    return bound;
}

// Whether each column of one is a column of the other; else PostgreSQL refuses, and we leave the words to it.
bool same_columns(Relation one, Relation other)
{
    const auto covers = [](Relation these, Relation those) {
        const TupleDesc columns = RelationGetDescr(those);
        for (int i = 0; i < columns->natts; i++) {
            const FormData_pg_attribute *theirs = TupleDescAttr(columns, i);
            const AttrNumber mine =
                theirs->attisdropped ? 0 : get_attnum(RelationGetRelid(these), NameStr(theirs->attname));
            if (!theirs->attisdropped &&
                (mine <= 0 || TupleDescAttr(RelationGetDescr(these), mine - 1)->atttypid != theirs->atttypid ||
                 TupleDescAttr(RelationGetDescr(these), mine - 1)->atttypmod != theirs->atttypmod ||
                 TupleDescAttr(RelationGetDescr(these), mine - 1)->attcollation != theirs->attcollation)) {
                return false;
            }
        }
        return true;
    };
    return covers(one, other) && covers(other, one);
}

void begin(Case &c, Relation parent, core::Part *part)
{
    part->proofs = core::List<core::Proof>(c.arena);
    part->before = core::List<const core::Statement *>(c.arena);
    part->also = core::List<core::Target>(c.arena);
    part->partner = relation_of(c, RelationGetRelid(parent));
    part->lock = core::Lock::AccessExclusive;
    part->work = core::Work::Instant;
}

} // namespace

void attach_partition(Case &c, Relation rel, const PartitionCmd *cmd, core::Part *part)
{
    Look look;

    if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE || !look_at(c, cmd->name, &look) || look.partition ||
        !look.owned || (look.relkind != RELKIND_RELATION && look.relkind != RELKIND_PARTITIONED_TABLE)) {
        return;
    }
    begin(c, rel, part);
    with_relation(c, look.oid, [&](Relation child) {
        if (!same_columns(rel, child)) {
            return;
        }
        PartitionBoundSpec *bound = bound_of(c, rel, cmd->bound, RelationGetRelationName(child));
        List *bounds = get_qual_from_partbound(rel, bound);
        List *all = list_concat(list_copy(bounds), bounds_above(c, rel));
        // What this transaction has made nobody else waits for.
        const bool quiet = look.empty || look.hidden;
        bool fine = true;

        part->form = core::Form::AttachPartition;
        part->rule = core::Rule::AttachPartitionScan;
        if (!quiet) {
            what_attach_would_add(c, rel, child, part);
        }
        if (all != NIL && !quiet) {
            all = reinterpret_cast<List *>(eval_const_expressions(nullptr, reinterpret_cast<Node *>(all)));
            all = map_partition_varattnos(list_make1(make_ands_explicit(all)), 1, child, rel);
            fine = want_proof(c, child, look, all, "partition constraint of relation \"%s\" is violated by some row",
                              part);
        }
        if (!bound->is_default) {
            fine = want_proof_of_default(c, rel, bounds, part) && fine;
        }
        part->relation = !quiet || part->proofs.empty() ? look.relation : part->proofs[0].relation;
        part->rewritable = fine && part->hint.empty();
        // Programs for the maintenance of partitions attach what they have just made, in a function: that the default
        // partition is scanned is no reason to leave them without the next one.
        part->mild_in_block = quiet;
        ListCell *cell = nullptr;
        foreach (cell, find_all_inheritors(look.oid, NoLock, nullptr)) {
            part->also.push({relation_of(c, lfirst_oid(cell)), core::Lock::AccessExclusive});
        }
    });
}

namespace
{

// The CHECK that DETACH ... CONCURRENTLY adds, and the plain form does not; empty if the bounds are known already.
std::string_view check_of_detach(Case &c, Relation child)
{
    List *qual = bounds_above(c, child);
    List *columns = NIL;
    ListCell *cell = nullptr;

    qual = reinterpret_cast<List *>(eval_const_expressions(nullptr, reinterpret_cast<Node *>(qual)));
    if (implied(child, qual, NIL)) {
        return "";
    }
    foreach (cell, pull_var_clause(reinterpret_cast<Node *>(qual), 0)) {
        columns = list_append_unique_int(columns, lfirst_node(Var, cell)->varattno);
    }
    const char *only =
        list_length(columns) == 1 ? column_name(child, static_cast<AttrNumber>(linitial_int(columns))) : nullptr;
    return quoted(
        c, ChooseConstraintName(RelationGetRelationName(child), only, "check", RelationGetNamespace(child), NIL));
}

// FOR VALUES FROM (1) TO (2)
std::string_view bound_as_sql(Case &c, Oid partition)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(partition));
    bool missing = true;
    std::string_view sql;

    if (!HeapTupleIsValid(tuple)) {
        return "";
    }
    const Datum bound = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &missing);
    if (!missing) {
        sql = pg::keep(c.arena,
                       TextDatumGetCString(DirectFunctionCall2(pg_get_expr, bound, ObjectIdGetDatum(partition))));
    }
    ReleaseSysCache(tuple);
    return sql;
}

} // namespace

void detach_partition(Case &c, Relation rel, const PartitionCmd *cmd, core::Part *part)
{
    Look look;

    if (cmd->concurrent || rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE || !look_at(c, cmd->name, &look) ||
        !look.partition || look.hidden || OidIsValid(get_default_partition_oid(RelationGetRelid(rel))) ||
        get_partition_parent(look.oid, true) != RelationGetRelid(rel) || PartitionHasPendingDetach(look.oid)) {
        return;
    }
    begin(c, rel, part);
    with_relation(c, look.oid, [&](Relation child) {
        part->form = core::Form::DetachPartition;
        part->rule = core::Rule::DetachPartitionBlocking;
        part->work = core::Work::Instant;
        part->relation = look.relation;
        part->hazard = true;
        part->rewritable = true;
        part->fine_in_block = true;
        part->name = check_of_detach(c, child);
        part->definition = bound_as_sql(c, look.oid);
    });
}

void create_partition(Case &c, const CreateStmt *stmt)
{
    const Oid oid = RangeVarGetRelid(linitial_node(RangeVar, stmt->inhRelations), NoLock, true);
    core::Part part;

    if (stmt->partbound->is_default || !OidIsValid(oid) || !OidIsValid(get_default_partition_oid(oid)) ||
        (stmt->if_not_exists && OidIsValid(RangeVarGetRelid(stmt->relation, NoLock, true)))) {
        return;
    }
    with_relation(c, oid, [&](Relation rel) {
        if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE) {
            return;
        }
        begin(c, rel, &part);
        part.form = core::Form::CreatePartition;
        part.rule = core::Rule::CreatePartitionDefaultScan;
        part.source = c.text;
        PartitionBoundSpec *bound = bound_of(c, rel, stmt->partbound, stmt->relation->relname);
        part.rewritable = want_proof_of_default(c, rel, get_qual_from_partbound(rel, bound), &part);
        part.relation = part.proofs.empty() ? part.partner : part.proofs[0].relation;
    });
    c.out->statement.parts.push(part);
}

} // namespace zdm::inspect
