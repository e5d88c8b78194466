// ADD COLUMN: what PostgreSQL would do to the rows that are there, decided as PostgreSQL decides, and the words of the
// column without what is to be done apart from it.
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

// A constraint of a column with its words and, once folded, what stands behind it (DEFERRABLE).
struct Clause {
    Constraint *constraint = nullptr; // null: COLLATE
    std::string_view words;
};

// ADD COLUMN, taken apart.
struct Column {
    const ColumnDef *definition;
    Oid type = InvalidOid;
    int32 typmod = -1;
    std::string_view name; // quoted
    std::string_view head; // the type's words and what comes before the first clause
    core::List<Clause> clauses;
    Constraint *value = nullptr; // DEFAULT
    Constraint *identity = nullptr;
    Constraint *generated = nullptr;
    Constraint *not_null = nullptr;
    bool serial = false;
};

bool is_attribute(const Constraint *constraint)
{
    return constraint->contype == CONSTR_ATTR_DEFERRABLE || constraint->contype == CONSTR_ATTR_NOT_DEFERRABLE ||
           constraint->contype == CONSTR_ATTR_DEFERRED || constraint->contype == CONSTR_ATTR_IMMEDIATE ||
           pg::is_enforcement(constraint);
}

bool may_be_deferrable(const Constraint *constraint)
{
    return constraint != nullptr && (constraint->contype == CONSTR_UNIQUE || constraint->contype == CONSTR_PRIMARY ||
                                     constraint->contype == CONSTR_FOREIGN);
}

// As transformConstraintAttrs does. False if it stands where PostgreSQL will not have it.
bool fold(Constraint *into, const Constraint *attribute)
{
    if (pg::is_enforcement(attribute)) {
        const bool fits = into != nullptr && (into->contype == CONSTR_CHECK || into->contype == CONSTR_FOREIGN);
        if (fits) {
            pg::set_enforcement(into, attribute);
        }
        return fits;
    }
    if (!may_be_deferrable(into)) {
        return false;
    }
    into->deferrable =
        into->deferrable || attribute->contype == CONSTR_ATTR_DEFERRABLE || attribute->contype == CONSTR_ATTR_DEFERRED;
    into->initdeferred = into->initdeferred || attribute->contype == CONSTR_ATTR_DEFERRED;
    return true;
}

// Where each clause starts, in the order of the text; COLLATE stands among them.
List *starts_of(const ColumnDef *definition)
{
    List *starts = NIL;
    ListCell *cell = nullptr;

    foreach (cell, definition->constraints) {
        starts = list_append_unique_int(starts, lfirst_node(Constraint, cell)->location);
    }
    if (definition->collClause != nullptr) {
        starts = list_append_unique_int(starts, definition->collClause->location);
    }
    list_sort(starts, list_int_cmp);
    return starts;
}

std::string_view trimmed(std::string_view words)
{
    while (!words.empty() && isspace(static_cast<unsigned char>(words.back())) != 0) {
        words.remove_suffix(1);
    }
    return words;
}

// False if the words cannot be told apart: then the statement stays whole.
bool take_apart(Case &c, std::string_view source, Column *column)
{
    const int base = source.empty() ? 0 : c.location + static_cast<int>(source.data() - c.text.data());
    const int end = static_cast<int>(source.size());
    List *starts = starts_of(column->definition);
    const int type = column->definition->typeName->location - base;
    const auto words_from = [&](int from, int number) {
        const int to = number < list_length(starts) ? list_nth_int(starts, number) - base : end;
        return from < 0 || to < from || to > end ? std::string_view() : trimmed(core::part_of(source, from, to - from));
    };

    column->clauses = core::List<Clause>(c.arena);
    column->head = words_from(type, 0);
    if (column->head.empty()) {
        return false;
    }
    for (int i = 0; i < list_length(starts); i++) {
        Clause clause;
        ListCell *cell = nullptr;
        clause.words = words_from(list_nth_int(starts, i) - base, i + 1);
        foreach (cell, column->definition->constraints) {
            if (lfirst_node(Constraint, cell)->location == list_nth_int(starts, i)) {
                clause.constraint = copy_node(lfirst_node(Constraint, cell));
            }
        }
        if (clause.words.empty()) {
            return false;
        }
        if (clause.constraint == nullptr || !is_attribute(clause.constraint)) {
            column->clauses.push(clause);
            continue;
        }
        Clause *last = column->clauses.empty() ? nullptr : &column->clauses[column->clauses.count - 1];
        if (last == nullptr || !fold(last->constraint, clause.constraint)) {
            return false;
        }
        last->words = c.concat({last->words, " ", clause.words});
    }
    return true;
}

void sort_out(Column *column)
{
    for (const Clause &clause : column->clauses) {
        if (clause.constraint == nullptr) {
            continue;
        }
        switch (clause.constraint->contype) {
        case CONSTR_DEFAULT:
            column->value = clause.constraint;
            break;
        case CONSTR_IDENTITY:
            column->identity = clause.constraint;
            break;
        case CONSTR_GENERATED:
            column->generated = clause.constraint;
            break;
        case CONSTR_NOTNULL:
            column->not_null = clause.constraint;
            break;
        default:
            break;
        }
    }
}

// Words behind CONSTRAINT name, if that is there; `prefix` gets that.
std::string_view body_of(Case &c, std::string_view words, std::string_view *prefix)
{
    const core::List<Token> tokens = tokenize(c.arena, words);
    int first = 0;

    *prefix = "";
    if (tokens.count > 2 && pg_strncasecmp(words.data(), "constraint", 10) == 0) {
        first = after_name(tokens, 1);
        *prefix = slice(words, tokens, 0, first);
    }
    return slice(words, tokens, first, static_cast<int>(tokens.count));
}

// The expression of DEFAULT as the user wrote it.
std::string_view default_words(Case &c, const Column &column)
{
    std::string_view prefix;

    for (const Clause &clause : column.clauses) {
        if (clause.constraint != nullptr && clause.constraint == column.value) {
            const std::string_view body = body_of(c, clause.words, &prefix);
            const core::List<Token> tokens = tokenize(c.arena, body);
            return slice(body, tokens, 1, static_cast<int>(tokens.count));
        }
    }
    return "";
}

// A column's constraint as one of the table: ADD [CONSTRAINT name] FOREIGN KEY (c) REFERENCES ...
std::string_view as_table_constraint(Case &c, const Column &column, const Clause &clause)
{
    std::string_view prefix;
    const std::string_view body = body_of(c, clause.words, &prefix);
    const core::List<Token> tokens = tokenize(c.arena, body);
    const int count = static_cast<int>(tokens.count);
    const auto word_is = [&](int i, const char *word) {
        return i < count && static_cast<std::size_t>(tokens[i].end - tokens[i].start) == strlen(word) &&
               pg_strncasecmp(body.data() + tokens[i].start, word, strlen(word)) == 0;
    };
    const std::string_view keys = c.concat({" (", column.name, ") "});
    int keyword = 0;

    switch (clause.constraint->contype) {
    case CONSTR_FOREIGN:
        return c.concat({"ADD ", prefix, prefix.empty() ? "" : " ", "FOREIGN KEY", keys, body});
    case CONSTR_PRIMARY:
        keyword = 2;
        break;
    case CONSTR_UNIQUE:
        // UNIQUE [NULLS [NOT] DISTINCT]
        keyword = word_is(1, "nulls") ? (word_is(2, "not") ? 4 : 3) : 1;
        break;
    default:
        return c.concat({"ADD ", prefix, prefix.empty() ? "" : " ", body});
    }
    return trimmed(c.concat({"ADD ", prefix, prefix.empty() ? "" : " ", slice(body, tokens, 0, keyword), keys,
                             slice(body, tokens, keyword, count)}));
}

// The column's words without clauses that `skip` names.
template <class F> std::string_view words_without(Case &c, const Column &column, std::string_view type, F &&skip)
{
    core::Text sql(c.arena);

    sql << "ADD COLUMN " << column.name << " " << (type.empty() ? column.head : type);
    for (const Clause &clause : column.clauses) {
        if (clause.constraint == nullptr || !skip(clause.constraint)) {
            sql << " " << clause.words;
        }
    }
    return sql.str();
}

// Whether the default, planned as ATExecAddColumn does, is volatile.
bool is_volatile(Case &c, const Column &column, bool *mutable_too)
{
    ParseState *state = make_parsestate(nullptr);
    state->p_sourcetext = c.query;
    Node *value = transformExpr(state, copy_node(column.value->raw_expr), EXPR_KIND_COLUMN_DEFAULT);
    Node *coerced = coerce_to_target_type(state, value, exprType(value), column.type, column.typmod,
                                          COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
    if (coerced == nullptr) {
        return false; // PostgreSQL's own error
    }
    assign_expr_collations(state, coerced);
    coerced = reinterpret_cast<Node *>(expression_planner(reinterpret_cast<Expr *>(coerced)));
    *mutable_too = contain_mutable_functions(coerced);
    return contain_volatile_functions(coerced);
}

std::string_view type_name(Case &c, Oid type, int32 typmod)
{
    return pg::keep(c.arena, format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN));
}

// Rows for whose sake the column must stay when the statement is undone.
std::string_view keeps(Case &c, const Column &column, bool is_mutable)
{
    const std::string_view filled = c.concat({column.name, " IS DISTINCT FROM NULL"});

    if (column.value == nullptr) {
        return filled;
    }
    if (is_mutable) {
        return ""; // whose default it is cannot be told
    }
    return c.concat({filled, " AND pg_catalog.concat(", column.name,
                     ") OPERATOR(pg_catalog.<>) pg_catalog.concat(CAST(", default_words(c, column), " AS ",
                     type_name(c, column.type, column.typmod), "))"});
}

// Whether PostgreSQL would check the foreign keys of new columns: transformAlterTableStmt skips that as long as the
// statement gives no column a default, and adds no foreign key otherwise.
bool checks_foreign_keys(const AlterTableStmt *stmt)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->cmds) {
        const auto *cmd = lfirst_node(AlterTableCmd, cell);
        if (cmd->subtype == AT_AddConstraint && castNode(Constraint, cmd->def)->contype == CONSTR_FOREIGN) {
            return true;
        }
        if (cmd->subtype != AT_AddColumn) {
            continue;
        }
        const auto *column = castNode(ColumnDef, cmd->def);
        ListCell *inner = nullptr;
        if (OidIsValid(serial_type(column->typeName))) {
            return true;
        }
        foreach (inner, column->constraints) {
            if (lfirst_node(Constraint, inner)->contype == CONSTR_DEFAULT) {
                return true;
            }
        }
    }
    return false;
}

bool goes_apart(const Constraint *constraint, bool foreign_keys)
{
    return constraint->contype == CONSTR_CHECK || constraint->contype == CONSTR_UNIQUE ||
           constraint->contype == CONSTR_PRIMARY || (constraint->contype == CONSTR_FOREIGN && foreign_keys);
}

// The column's constraints as further parts. PostgreSQL makes them constraints of the table too.
void split_off(Case &c, const NewColumn &where, const Column &column, bool foreign_keys, const core::Part &blank,
               core::List<core::Part> *further)
{
    for (const Clause &clause : column.clauses) {
        if (clause.constraint == nullptr || !goes_apart(clause.constraint, foreign_keys)) {
            continue;
        }
        Constraint *constraint = clause.constraint;
        core::Part part = blank;
        part.source = as_table_constraint(c, column, clause);
        part.after_add = true;
        if (constraint->contype == CONSTR_FOREIGN) {
            constraint->fk_attrs = list_make1(makeString(column.definition->colname));
        } else {
            constraint->keys = list_make1(makeString(column.definition->colname));
        }
        add_constraint(c, where.future, where.look, constraint, &part);
        if (part.hazard) {
            part.rule = constraint->contype == CONSTR_CHECK     ? core::Rule::AddColumnInlineCheck
                        : constraint->contype == CONSTR_FOREIGN ? core::Rule::AddColumnInlineFk
                                                                : core::Rule::AddColumnInlineUnique;
            part.lock = core::Lock::AccessExclusive;
            part.rewritable = part.rewritable && !where.replaces;
        }
        further->push(part);
    }
}

void refuse(core::Part *part, core::Rule rule, std::string_view hint)
{
    part->hazard = true;
    part->rewritable = false;
    part->rule = rule;
    part->work = core::Work::Rewrite;
    part->hint = hint;
}

// The column gets a value for each row in the background, or it is said how a person can do that.
void fill_it(Case &c, const NewColumn &where, const Column &column, core::Rule rule, core::Part *part)
{
    const Fill fill = column.identity != nullptr ? identity_fill(c, where.look, column.name, column.type,
                                                                 column.identity, bracket(c, part->source, "identity"))
                      : column.serial            ? serial_fill(c, where.look, column.name, column.type)
                                                 : default_fill(c, where.look, column.name, default_words(c, column));
    const bool not_null = column.not_null != nullptr || column.serial || column.identity != nullptr;
    const std::string_view type = column.serial ? type_name(c, column.type, -1) : "";
    const std::string_view words = words_without(c, column, type, [&](const Constraint *constraint) {
        return goes_apart(constraint, true) || constraint == column.value || constraint == column.identity ||
               constraint == column.not_null;
    });
    const std::string_view obstacle = no_fill_because(c, where.look, where.future);

    refuse(part, rule, "");
    part->first = c.concat({fill.before, c.out->statement.head, words, fill.after});
    if (not_null) {
        part->nullable.push(column.name);
        name_proof(c, where.future, where.look, part);
        part->probe = may_select(where.look.oid);
    }
    part->after_add = true;
    part->finish = fill.finish;
    part->fill = fill_call(c, where.look, column.name, type_is_rowtype(column.type));
    part->stop_fill = stop_fill_call(c, where.look, column.name, type_is_rowtype(column.type));
    part->rewritable = obstacle.empty() && !fill.impossible && !where.replaces;
    part->reason = obstacle;
    part->hint = fill.impossible ? reviewed(c, c.text) : fill_by_hand(c, where.look, *part, obstacle, not_null);
    part->hint_is_whole = fill.impossible;
}

} // namespace

void add_column(Case &c, const NewColumn &where, const ColumnDef *definition, core::Part *part,
                core::List<core::Part> *further)
{
    Column column{definition};
    const core::Part blank = *part;
    bool is_mutable = false;

    part->form = where.replaces ? core::Form::Other : core::Form::AddColumn;
    if (where.look.empty || (!where.replaces && get_attnum(where.look.oid, definition->colname) != InvalidAttrNumber)) {
        return; // nothing to rewrite; or PostgreSQL's own error or NOTICE
    }
    column.name = quoted(c, definition->colname);
    column.serial = OidIsValid(serial_type(definition->typeName));
    column_type(definition, &column.type, &column.typmod);
    if (!take_apart(c, part->source, &column)) {
        return; // PostgreSQL's own error
    }
    sort_out(&column);
    const bool volatile_value = column.value != nullptr && is_volatile(c, column, &is_mutable);
    const bool filled = volatile_value || column.serial || column.identity != nullptr;
    const bool foreign_keys = filled || checks_foreign_keys(where.stmt);

    split_off(c, where, column, foreign_keys, blank, further);
    part->name = column.name;
    if (!where.replaces) {
        part->source = words_without(
            c, column, "", [&](const Constraint *constraint) { return goes_apart(constraint, foreign_keys); });
    }
    if (get_typtype(column.type) == TYPTYPE_DOMAIN && pg::domain_has_constraints(column.type)) {
        refuse(part, core::Rule::AddColumnConstrainedDomain,
               domain_by_hand(c, where.look, column.name, column.type,
                              column.value == nullptr ? "" : default_words(c, column)));
    } else if (column.serial) {
        fill_it(c, where, column, core::Rule::AddColumnSerial, part);
    } else if (column.identity != nullptr) {
        if (where.look.has_children && where.look.relkind != RELKIND_PARTITIONED_TABLE) {
            return; // PostgreSQL refuses it
        }
        fill_it(c, where, column, core::Rule::AddColumnIdentity, part);
    } else if (column.generated != nullptr && !pg::is_virtual(column.generated)) {
        refuse(part, core::Rule::AddColumnGeneratedStored,
               generated_by_hand(c, where, column.name, column.type, column.typmod, column.generated));
    } else if (volatile_value) {
        fill_it(c, where, column, core::Rule::AddColumnVolatileDefault, part);
    } else {
        part->keeps = keeps(c, column, is_mutable);
    }
    part->rewritable = part->rewritable && !where.replaces;
    for (const Clause &clause : column.clauses) {
        Look partner;
        if (clause.constraint != nullptr && clause.constraint->contype == CONSTR_FOREIGN && !foreign_keys &&
            look_at(c, clause.constraint->pktable, &partner)) {
            part->partner = partner.relation;
        }
    }
}

} // namespace zdm::inspect
