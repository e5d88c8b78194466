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

void change_type_hint(Case &c, const Look &look, std::string_view column, std::string_view type, core::Part *part)
{
    const std::string_view bare = core::unquoted(c.arena, column);
    const std::string_view fresh = quoted(c, pg::cstring(c.concat({bare, "__new"})));
    part->hint = c.concat({"SELECT zdm.change_type(", quote_literal_cstr(pg::cstring(look.relation.name)), ", ",
                           quote_literal_cstr(pg::cstring(bare)), ", ", quote_literal_cstr(pg::cstring(type)), kNotYet,
                           "ALTER TABLE ", look.relation.name, " ADD COLUMN ", fresh, " ", type,
                           "; keep it equal with a trigger; fill it with zdm.backfill; ",
                           "then swap the two names in one short transaction"});
}

} // namespace

namespace
{

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

} // namespace

void alter_type(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd, core::Part *part)
{
    auto *definition = castNode(ColumnDef, copy_node(cmd->def));
    const AttrNumber column = get_attnum(RelationGetRelid(rel), cmd->name);
    ListCell *cell = nullptr;
    Oid type = InvalidOid;
    int32 typmod = -1;

    if (column <= 0 || look.empty) {
        return;
    }
    const FormData_pg_attribute *attr = TupleDescAttr(RelationGetDescr(rel), column - 1);
    if (pg::is_virtual(attr)) {
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
    if (definition->collClause != nullptr) {
        to = c.concat({to, " COLLATE ", generate_collation_name(collation)});
    }
    if (converts(value, column)) {
        refuse(part, core::Rule::AlterColumnTypeRewrite, core::Work::Rewrite, "");
        part->reason = c.concat({"Column ", part->name, " from ", from, " to ", to, " rewrites every row."});
        change_type_hint(c, look, part->name, to, part);
        return;
    }
    foreach (cell, RelationGetIndexList(rel)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) {
            if (!index_survives(index, column, type, collation) && !part->hazard) {
                refuse(part, core::Rule::AlterColumnTypeIndexRebuild, core::Work::IndexBuild, "");
                part->reason = c.concat({"Index ", qualified(c, RelationGetRelid(index)), " would be rebuilt."});
                change_type_hint(c, look, part->name, to, part);
            }
        });
    }
}

} // namespace zdm::inspect
