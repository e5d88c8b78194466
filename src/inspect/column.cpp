// ADD COLUMN and ALTER COLUMN TYPE: whether PostgreSQL would rewrite, decided as PostgreSQL decides.
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

bool is_serial(const TypeName *type)
{
    // As transformColumnDefinition does: by name only, these are no types.
    static const char *const names[] = {"smallserial", "serial2", "serial", "serial4", "bigserial", "serial8"};

    if (list_length(type->names) != 1 || type->pct_type) {
        return false;
    }
    for (const char *name : names) {
        if (strcmp(strVal(linitial(type->names)), name) == 0) {
            return true;
        }
    }
    return false;
}

const char *serial_type(const TypeName *type)
{
    const char *name = strVal(linitial(type->names));
    return strstr(name, "small") != nullptr || strstr(name, "2") != nullptr ? "smallint"
           : strstr(name, "big") != nullptr || strstr(name, "8") != nullptr ? "bigint"
                                                                            : "integer";
}

// What stands between the brackets, with a blank before it.
std::string_view inside(std::string_view bracketed)
{
    return bracketed.size() < 2 ? std::string_view()
                                : psprintf(" %.*s", static_cast<int>(bracketed.size() - 2), bracketed.data() + 1);
}

// The steps that give a column a value per row without a rewrite: fast default for new rows, batches for old ones.
std::string_view fill_steps(Case &c, const Look &look, std::string_view column, std::string_view type,
                            std::string_view value, bool not_null)
{
    const std::string_view alter = c.concat({"ALTER TABLE ", look.relation.name, " "});
    return c.concat({alter, "ADD COLUMN ", column, " ", type, ";\n", alter, "ALTER COLUMN ", column, " SET DEFAULT ",
                     value, ";\nSELECT zdm.backfill(", quote_literal_cstr(pg::cstring(look.relation.name)), ", ",
                     quote_literal_cstr(pg::cstring(c.concat({column, " = ", value}))), ", ",
                     quote_literal_cstr(pg::cstring(c.concat({column, " IS NULL"}))), ");\nCALL zdm.wait();",
                     not_null ? c.concat({"\n", alter, "ALTER COLUMN ", column, " SET NOT NULL;"}) : ""});
}

std::string_view sequence_steps(Case &c, const Look &look, std::string_view column, const char *type, bool identity,
                                bool always, std::string_view options)
{
    const std::string_view bare = core::unquoted(c.arena, column);
    char *name = ChooseRelationName(pg::cstring(look.relation.bare), pg::cstring(bare), "seq", look.schema, false);
    const std::string_view sequence =
        pg::keep(c.arena, quote_qualified_identifier(get_namespace_name(look.schema), name));
    const std::string_view value = c.concat({"nextval(", quote_literal_cstr(pg::cstring(sequence)), ")"});
    const std::string_view steps = fill_steps(c, look, column, type, value, true);
    const std::string_view alter = c.concat({"ALTER TABLE ", look.relation.name, " ALTER COLUMN ", column});

    if (!identity) {
        return c.concat({"CREATE SEQUENCE ", sequence, " AS ", type, ";\n", steps, "\nALTER SEQUENCE ", sequence,
                         " OWNED BY ", look.relation.name, ".", column, ";"});
    }
    // In one transaction: before setval the new sequence would draw numbers that exist.
    return c.concat({"CREATE SEQUENCE ",
                     sequence,
                     " AS ",
                     type,
                     options,
                     ";\n",
                     steps,
                     "\nBEGIN;\n",
                     alter,
                     " DROP DEFAULT, ALTER COLUMN ",
                     column,
                     " ADD GENERATED ",
                     always ? "ALWAYS" : "BY DEFAULT",
                     " AS IDENTITY;\nSELECT setval(pg_get_serial_sequence(",
                     quote_literal_cstr(pg::cstring(look.relation.name)),
                     ", ",
                     quote_literal_cstr(pg::cstring(bare)),
                     "), nextval(",
                     quote_literal_cstr(pg::cstring(sequence)),
                     "));\nDROP SEQUENCE ",
                     sequence,
                     ";\nCOMMIT;"});
}

// Whether the default, planned as ATExecAddColumn does, is volatile.
bool is_volatile(Case &c, Relation rel, const ColumnDef *column, Node *raw, Oid type, int32 typmod)
{
    ParseState *state = make_parsestate(nullptr);
    state->p_sourcetext = c.query;
    Node *value = transformExpr(state, copy_node(raw), EXPR_KIND_COLUMN_DEFAULT);
    Node *coerced = coerce_to_target_type(state, value, exprType(value), type, typmod, COERCION_ASSIGNMENT,
                                          COERCE_IMPLICIT_CAST, -1);
    if (coerced == nullptr) {
        return false; // PostgreSQL's own error
    }
    assign_expr_collations(state, coerced);
    coerced = reinterpret_cast<Node *>(expression_planner(reinterpret_cast<Expr *>(coerced)));
    return contain_volatile_functions(coerced);
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

// REFERENCES ... as it was written, from its parts.
std::string_view references_clause(Case &c, const Constraint *constraint)
{
    const auto action = [](char code) -> const char * {
        switch (code) {
        case FKCONSTR_ACTION_RESTRICT:
            return "RESTRICT";
        case FKCONSTR_ACTION_CASCADE:
            return "CASCADE";
        case FKCONSTR_ACTION_SETNULL:
            return "SET NULL";
        case FKCONSTR_ACTION_SETDEFAULT:
            return "SET DEFAULT";
        default:
            return nullptr;
        }
    };
    const RangeVar *table = constraint->pktable;
    core::Text sql(c.arena);

    sql << "REFERENCES " << quote_qualified_identifier(table->schemaname, table->relname);
    if (constraint->pk_attrs != NIL) {
        sql << " (" << quote_identifier(strVal(linitial(constraint->pk_attrs))) << ")";
    }
    if (action(constraint->fk_upd_action) != nullptr) {
        sql << " ON UPDATE " << action(constraint->fk_upd_action);
    }
    if (action(constraint->fk_del_action) != nullptr) {
        sql << " ON DELETE " << action(constraint->fk_del_action);
    }
    return sql.str();
}

// What ADD COLUMN says besides name and type.
struct Clauses {
    Node *value = nullptr; // DEFAULT
    bool not_null = false;
    const Constraint *references = nullptr;
};

// Reads the column's constraints. True if one of them is the hazard.
bool inline_hazard(Case &c, const Look &look, const ColumnDef *column, std::string_view name, std::string_view type,
                   Clauses *clauses, core::Part *part)
{
    const std::string_view alter = c.concat({"ALTER TABLE ", look.relation.name, " "});
    const std::string_view add = c.concat({alter, "ADD COLUMN ", name, " ", type});
    ListCell *cell = nullptr;

    clauses->value = column->raw_default;
    clauses->not_null = column->is_not_null;
    foreach (cell, column->constraints) {
        const auto *constraint = lfirst_node(Constraint, cell);
        switch (constraint->contype) {
        case CONSTR_DEFAULT:
            clauses->value = constraint->raw_expr;
            break;
        case CONSTR_NOTNULL:
            clauses->not_null = true;
            break;
        case CONSTR_FOREIGN:
            clauses->references = constraint;
            break;
        case CONSTR_IDENTITY:
            refuse(part, core::Rule::AddColumnIdentity, core::Work::Rewrite,
                   sequence_steps(c, look, name, pg::cstring(type), true,
                                  constraint->generated_when == ATTRIBUTE_IDENTITY_ALWAYS,
                                  inside(bracket(c, part->source, "identity"))));
            return true;
        case CONSTR_GENERATED:
            if (pg::is_virtual(constraint)) {
                break;
            }
            refuse(part, core::Rule::AddColumnGeneratedStored, core::Work::Rewrite,
                   c.concat({add, "; keep it with a BEFORE INSERT OR UPDATE trigger; fill it with zdm.backfill"}));
            return true;
        case CONSTR_CHECK:
            refuse(part, core::Rule::AddColumnInlineCheck, core::Work::Scan,
                   c.concat({add, ";\n", alter, "ADD CHECK ", bracket(c, part->source, "check"), ";"}));
            return true;
        case CONSTR_PRIMARY:
        case CONSTR_UNIQUE:
            refuse(part, core::Rule::AddColumnInlineUnique, core::Work::IndexBuild,
                   c.concat({add, ";\n", alter,
                             constraint->contype == CONSTR_UNIQUE ? "ADD UNIQUE (" : "ADD PRIMARY KEY (", name, ");"}));
            return true;
        default:
            break;
        }
    }
    return false;
}

} // namespace

void add_column(Case &c, Relation rel, const Look &look, const ColumnDef *column, bool replaces, core::Part *part)
{
    const std::string_view name = quoted(c, column->colname);
    const std::string_view alter = c.concat({"ALTER TABLE ", look.relation.name, " ADD "});
    Clauses clauses;
    Oid type = InvalidOid;
    int32 typmod = -1;

    part->form = core::Form::AddColumn;
    if (look.empty || (!replaces && get_attnum(RelationGetRelid(rel), column->colname) != InvalidAttrNumber)) {
        return; // nothing to rewrite; or PostgreSQL's own error or NOTICE
    }
    if (is_serial(column->typeName)) {
        refuse(part, core::Rule::AddColumnSerial, core::Work::Rewrite,
               sequence_steps(c, look, name, serial_type(column->typeName), false, false, ""));
        return;
    }
    typenameTypeIdAndMod(nullptr, column->typeName, &type, &typmod);
    const std::string_view sql_type = type_name(c, type, typmod);

    if (inline_hazard(c, look, column, name, sql_type, &clauses, part)) {
        return;
    }
    if (clauses.value != nullptr && is_volatile(c, rel, column, clauses.value, type, typmod)) {
        Node *value = transformExpr(make_parsestate(nullptr), copy_node(clauses.value), EXPR_KIND_COLUMN_DEFAULT);
        refuse(part, core::Rule::AddColumnVolatileDefault, core::Work::Rewrite,
               fill_steps(c, look, name, sql_type, pg::keep(c.arena, deparse_expression(value, NIL, false, false)),
                          clauses.not_null));
    } else if (get_typtype(type) == TYPTYPE_DOMAIN && pg::domain_has_constraints(type)) {
        refuse(part, core::Rule::AddColumnConstrainedDomain, core::Work::Rewrite,
               c.concat({alter, "COLUMN ", name, " ", type_name(c, getBaseType(type), -1),
                         "; then add the domain's conditions as CHECK constraints in statements of their own"}));
    } else if (clauses.references != nullptr && clauses.value != nullptr) {
        const std::string_view add = c.concat({alter, "COLUMN ", name, " ", sql_type, " DEFAULT "});
        Node *value = transformExpr(make_parsestate(nullptr), copy_node(clauses.value), EXPR_KIND_COLUMN_DEFAULT);
        refuse(part, core::Rule::AddColumnInlineFk, core::Work::Scan,
               c.concat({add, deparse_expression(value, NIL, false, false), clauses.not_null ? " NOT NULL" : "", ";\n",
                         alter, "FOREIGN KEY (", name, ") ", references_clause(c, clauses.references), ";"}));
    }
}

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
