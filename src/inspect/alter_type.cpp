// ALTER COLUMN TYPE: whether PostgreSQL would rewrite, decided as PostgreSQL decides.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/syntax.hpp"

namespace zdm::inspect
{

namespace
{

void refuse(core::Part *part, core::Rule rule, core::Work work, std::string_view hint)
{
    part->hazard = true;
    part->rewritable = false;
    part->rule = rule;
    part->work = work;
    part->hint = hint;
}

std::string_view type_name(Case &c, Oid type, int32 typmod)
{
    return pg::keep(c.arena, format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN));
}

// ATColumnChangeRequiresRewrite: whether the planned conversion does anything but hand the value on.
bool converts(Node *expression, AttrNumber column)
{
    for (;;) {
        if (IsA(expression, Var) && castNode(Var, expression)->varattno == column) {
            return false;
        }
        if (IsA(expression, RelabelType)) {
            expression = reinterpret_cast<Node *>(castNode(RelabelType, expression)->arg);
        } else if (IsA(expression, CoerceToDomain)) {
            const auto *domain = castNode(CoerceToDomain, expression);
            if (pg::domain_has_constraints(domain->resulttype)) {
                return true;
            }
            expression = reinterpret_cast<Node *>(domain->arg);
        } else if (IsA(expression, FuncExpr)) {
            const auto *function = castNode(FuncExpr, expression);
            if ((function->funcid != F_TIMESTAMPTZ_TIMESTAMP && function->funcid != F_TIMESTAMP_TIMESTAMPTZ) ||
                TimestampTimestampTzRequiresRewrite()) {
                return true;
            }
            expression = static_cast<Node *>(linitial(function->args));
        } else {
            return true;
        }
    }
}

// CheckIndexCompatible, before the type has changed: whether the index can keep its file.
bool index_survives(Relation index, AttrNumber column, Oid type, Oid collation)
{
    const FormData_pg_index *form = index->rd_index;
    bool used = false;

    for (int i = 0; i < form->indnatts; i++) {
        used = used || form->indkey.values[i] == column;
    }
    Bitmapset *in_expressions = nullptr;
    pull_varattnos(reinterpret_cast<Node *>(RelationGetIndexExpressions(index)), 1, &in_expressions);
    pull_varattnos(reinterpret_cast<Node *>(RelationGetIndexPredicate(index)), 1, &in_expressions);
    const bool inside = bms_is_member(column - FirstLowInvalidHeapAttributeNumber, in_expressions);
    if (!used && !inside) {
        return true;
    }
    if (inside || RelationGetIndexExpressions(index) != NIL || RelationGetIndexPredicate(index) != NIL ||
        !form->indisvalid) {
        return false;
    }
    for (int i = 0; i < form->indnkeyatts; i++) {
        if (form->indkey.values[i] != column) {
            continue;
        }
        const Oid now = index->rd_opcintype[i];
        const Oid method = index->rd_rel->relam;
        const Oid old_type = TupleDescAttr(RelationGetDescr(index), i)->atttypid;
        HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(RelationGetRelid(index)));
        bool null = false;
        const auto *classes = reinterpret_cast<oidvector *>(
            DatumGetPointer(SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &null)));
        const Oid current = classes->values[i];
        ReleaseSysCache(tuple);
        // A class that was the default for the old type is asked for anew; a named one stays.
        const Oid wanted = current == GetDefaultOpClass(old_type, method) ? GetDefaultOpClass(type, method) : current;
        if (wanted != current || index->rd_indcollation[i] != collation ||
            (IsPolymorphicType(now) && type != old_type)) {
            return false;
        }
    }
    return true;
}

// Of that column, or of any.
bool has_extended_statistics(Oid relation, AttrNumber column)
{
    Relation catalog = table_open(StatisticExtRelationId, AccessShareLock);
    ScanKeyData key;
    bool found = false;

    ScanKeyInit(&key, Anum_pg_statistic_ext_stxrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
    SysScanDesc scan = systable_beginscan(catalog, StatisticExtRelidIndexId, true, nullptr, 1, &key);
    for (HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row); row = systable_getnext(scan)) {
        const auto *form = reinterpret_cast<Form_pg_statistic_ext>(GETSTRUCT(row));
        const bool data = SearchSysCacheExists2(STATEXTDATASTXOID, ObjectIdGetDatum(form->oid), BoolGetDatum(false)) ||
                          SearchSysCacheExists2(STATEXTDATASTXOID, ObjectIdGetDatum(form->oid), BoolGetDatum(true));
        for (int i = 0; data && i < form->stxkeys.dim1; i++) {
            found = found || column == InvalidAttrNumber || form->stxkeys.values[i] == column;
        }
    }
    systable_endscan(scan);
    table_close(catalog, AccessShareLock);
    return found;
}

// The expression of USING over a row called new; empty if there is none.
std::string_view using_words(Case &c, Relation rel, const Look &look, const ColumnDef *definition, AttrNumber column)
{
    if (definition->raw_default == nullptr) {
        return "";
    }
    ParseState *state = make_parsestate(nullptr);
    state->p_sourcetext = c.query;
    addNSItemToQuery(state, addRangeTableEntryForRelation(state, rel, AccessShareLock, nullptr, false, true), false,
                     true, true);
    Node *value = transformExpr(state, copy_node(definition->raw_default), EXPR_KIND_ALTER_COL_TRANSFORM);
    assign_expr_collations(state, value);
    return pg::keep(c.arena, deparse_expression(value, deparse_context_for("new", look.oid), true, false));
}

// For the sake of another column whose type the same statement changes.
bool comes_back_already(Case &c, std::string_view constraint)
{
    for (const core::Part &part : c.out->statement.parts) {
        for (const std::string_view other : part.validate) {
            if (other == constraint) {
                return true;
            }
        }
    }
    return false;
}

// Valid CHECKs over the column would be checked again: they come back NOT VALID, and are validated afterwards.
void keep_checks(Case &c, Relation rel, const Look &look, AttrNumber column, core::Part *part)
{
    Relation constraints = table_open(ConstraintRelationId, AccessShareLock);
    core::Text before(c.arena);
    core::Text after(c.arena);
    ScanKeyData key;
    bool inherited = false;

    part->validate = core::List<std::string_view>(c.arena);
    ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(look.oid));
    SysScanDesc scan = systable_beginscan(constraints, ConstraintRelidTypidNameIndexId, true, nullptr, 1, &key);
    for (HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row); row = systable_getnext(scan)) {
        const auto *form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(row));
        if (form->contype != CONSTRAINT_CHECK || !form->convalidated || !constrains(row, constraints, column)) {
            continue;
        }
        const std::string_view name = quoted(c, NameStr(form->conname));
        if (comes_back_already(c, name)) {
            continue;
        }
        const char *comment = GetComment(form->oid, ConstraintRelationId, 0);
        inherited = inherited || form->coninhcount > 0 || (look.has_children && !form->connoinherit);
        before << c.out->statement.head << "DROP CONSTRAINT " << name << "; ";
        after << "; " << c.out->statement.head << "ADD CONSTRAINT " << name << " "
              << text_to_cstring(DatumGetTextPP(DirectFunctionCall1(pg_get_constraintdef, ObjectIdGetDatum(form->oid))))
              << " NOT VALID";
        if (comment != nullptr) {
            after << "; COMMENT ON CONSTRAINT " << name << " ON " << look.relation.name << " IS "
                  << quote_literal_cstr(comment);
        }
        part->validate.push(name);
    }
    systable_endscan(scan);
    table_close(constraints, AccessShareLock);
    if (part->validate.empty()) {
        return;
    }
    refuse(part, core::Rule::AlterColumnTypeCheckRecheck, core::Work::Scan, "");
    part->makes_room = before.str();
    part->puts_back = after.str();
    part->rewritable = !inherited;
    if (inherited) {
        part->reason = "Children inherit a CHECK over it.";
        part->hint = reviewed(c, c.text);
        part->hint_is_whole = true;
    }
}

// Statistics of the column, or of several with it, go with any change of type.
void keep_statistics(Case &c, const Look &look, AttrNumber column, core::Part *part)
{
    const bool own =
        SearchSysCacheExists3(STATRELATTINH, ObjectIdGetDatum(look.oid), Int16GetDatum(column), BoolGetDatum(false)) ||
        SearchSysCacheExists3(STATRELATTINH, ObjectIdGetDatum(look.oid), Int16GetDatum(column), BoolGetDatum(true));

    if (!own && !has_extended_statistics(look.oid, column)) {
        return;
    }
    // ANALYZE of some columns cannot make statistics of others with them.
    const bool common = has_extended_statistics(look.oid, InvalidAttrNumber);
    part->analyze = common ? std::string_view("*") : part->name;
    if (part->hazard) {
        return;
    }
    refuse(
        part, core::Rule::AlterColumnTypeStatsLost, core::Work::Instant,
        c.concat({"ANALYZE ", look.relation.name, common ? "" : " (", common ? "" : part->name, common ? ";" : ");"}));
    part->rewritable = true;
    part->mild_in_block = true;
}

} // namespace

void alter_type(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd, core::Part *part)
{
    auto *definition = castNode(ColumnDef, copy_node(cmd->def));
    const AttrNumber column = get_attnum(RelationGetRelid(rel), cmd->name);
    ListCell *cell = nullptr;
    Oid type = InvalidOid;
    int32 typmod = -1;

    part->form = core::Form::AlterType;
    if (column <= 0 || forbidden(c, look, column, part)) {
        return;
    }
    const FormData_pg_attribute *attr = TupleDescAttr(RelationGetDescr(rel), column - 1);
    if (look.empty || pg::is_virtual(attr)) {
        return; // stored nowhere, and in no index
    }
    typenameTypeIdAndMod(nullptr, definition->typeName, &type, &typmod);
    const Oid collation = GetColumnDefCollation(nullptr, definition, type);

    ParseState *state = make_parsestate(nullptr);
    state->p_sourcetext = c.query;
    Node *value = nullptr;
    if (definition->raw_default != nullptr) {
        ParseNamespaceItem *item = addRangeTableEntryForRelation(state, rel, AccessShareLock, nullptr, false, true);
        addNSItemToQuery(state, item, false, true, true);
        value = transformExpr(state, definition->raw_default, EXPR_KIND_ALTER_COL_TRANSFORM);
    } else {
        value = reinterpret_cast<Node *>(makeVar(1, column, attr->atttypid, attr->atttypmod, attr->attcollation, 0));
    }
    value = coerce_to_target_type(state, value, exprType(value), type, typmod, COERCION_ASSIGNMENT,
                                  COERCE_IMPLICIT_CAST, -1);
    if (value == nullptr) {
        return; // PostgreSQL's own error
    }
    assign_expr_collations(state, value);
    value = reinterpret_cast<Node *>(expression_planner(reinterpret_cast<Expr *>(value)));

    const std::string_view from = type_name(c, attr->atttypid, attr->atttypmod);
    std::string_view to = type_name(c, type, typmod);
    // No column of a domain with rules can be added without a rewrite.
    const bool ruled = get_typtype(type) == TYPTYPE_DOMAIN && pg::domain_has_constraints(type);
    std::string_view beside = ruled ? base_of_domain(c, type, typmod) : to;
    if (definition->collClause != nullptr) {
        to = c.concat({to, " COLLATE ", generate_collation_name(collation)});
        beside = c.concat({beside, " COLLATE ", generate_collation_name(collation)});
    }
    const auto by_hand = [&] {
        return change_type_by_hand(c, rel, look, column, beside, using_words(c, rel, look, definition, column),
                                   ruled ? type : InvalidOid);
    };
    if (converts(value, column)) {
        refuse(part, core::Rule::AlterColumnTypeRewrite, core::Work::Rewrite, "");
        part->reason = c.concat({"Column ", part->name, " from ", from, " to ", to, " rewrites every row."});
        part->hint = by_hand();
        return;
    }
    foreach (cell, RelationGetIndexList(rel)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) {
            if (!index_survives(index, column, type, collation) && !part->hazard) {
                refuse(part, core::Rule::AlterColumnTypeIndexRebuild, core::Work::IndexBuild, "");
                part->reason = c.concat({"Index ", qualified(c, RelationGetRelid(index)), " would be rebuilt."});
                part->hint = by_hand();
            }
        });
    }
    if (!part->hazard) {
        keep_checks(c, rel, look, column, part);
        keep_statistics(c, look, column, part);
    }
}

} // namespace zdm::inspect
