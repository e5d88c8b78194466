// How a new column gets a value for each row without a rewrite: the default for new rows, batches for old ones. And the
// same by hand, where the background cannot do it.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/tokens.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

std::string_view literal(std::string_view text) { return quote_literal_cstr(pg::cstring(text)); }

std::string_view alter_column(Case &c, const Look &look, std::string_view column)
{
    return c.concat({c.out->statement.head, "ALTER COLUMN ", column});
}

std::string_view sequence_name(Case &c, const Look &look, std::string_view column, const char *label)
{
    char *name = ChooseRelationName(pg::cstring(look.relation.bare), pg::cstring(core::unquoted(c.arena, column)),
                                    label, look.schema, false);

    return pg::keep(c.arena, quote_qualified_identifier(get_namespace_name(look.schema), name));
}

// Owned by the table's owner and, from its first moment, by the column: it goes with it.
Fill sequence_fill(Case &c, const Look &look, std::string_view column, Oid type, std::string_view sequence,
                   std::string_view options)
{
    const Oid owner = pg::owner_of(look.oid);
    const bool unlogged = get_rel_persistence(look.oid) == RELPERSISTENCE_UNLOGGED;
    Fill fill;

    fill.before = c.concat(
        {"CREATE ", unlogged ? "UNLOGGED " : "", "SEQUENCE ", sequence, " AS ", format_type_be(type), options, "; "});
    if (owner != GetUserId()) {
        fill.before = c.concat({fill.before, "ALTER SEQUENCE ", sequence, " OWNER TO ",
                                quote_identifier(GetUserNameFromId(owner, false)), "; "});
    }
    fill.after = c.concat({"; ", alter_column(c, look, column), " SET DEFAULT pg_catalog.nextval(", literal(sequence),
                           "); ALTER SEQUENCE ", sequence, " OWNED BY ", look.relation.name, ".", column});
    return fill;
}

std::string_view is_null(Case &c, std::string_view column, bool composite)
{
    return c.concat({column, composite ? " IS NOT DISTINCT FROM NULL" : " IS NULL"});
}

// What stands between the brackets, with a blank before it.
std::string_view inside(std::string_view bracketed)
{
    return bracketed.size() < 2 ? std::string_view()
                                : psprintf(" %.*s", static_cast<int>(bracketed.size() - 2), bracketed.data() + 1);
}

// As zdm.backfill asks for it.
bool has_key(Case &c, Relation rel)
{
    bool found = false;
    ListCell *cell = nullptr;

    foreach (cell, RelationGetIndexList(rel)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) {
            const FormData_pg_index *form = index->rd_index;
            bool all = form->indisunique && (form->indimmediate || form->indisprimary) && form->indisvalid &&
                       index->rd_rel->relam == BTREE_AM_OID && RelationGetIndexPredicate(index) == NIL;
            for (int i = 0; all && i < form->indnkeyatts; i++) {
                const AttrNumber column = form->indkey.values[i];
                all = column > 0 && pg::is_not_null(rel, column);
            }
            found = found || all;
        });
    }
    return found;
}

bool fires_on_update(Relation rel)
{
    const TriggerDesc *triggers = rel->trigdesc;

    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (!trigger.tgisinternal && trigger.tgenabled != TRIGGER_DISABLED && trigger.tgnattr == 0 &&
            TRIGGER_FOR_UPDATE(trigger.tgtype)) {
            return true;
        }
    }
    const RuleLock *rules = rel->rd_rules;
    for (int i = 0; rules != nullptr && i < rules->numLocks; i++) {
        if (rules->rules[i]->event == CMD_UPDATE) {
            return true;
        }
    }
    return false;
}

} // namespace

Fill default_fill(Case &c, const Look &look, std::string_view column, std::string_view value)
{
    Fill fill;

    fill.after = c.concat({"; ", alter_column(c, look, column), " SET DEFAULT ", value});
    return fill;
}

Fill serial_fill(Case &c, const Look &look, std::string_view column, Oid type)
{
    return sequence_fill(c, look, column, type, sequence_name(c, look, column, "seq"), "");
}

Fill identity_fill(Case &c, const Look &look, std::string_view column, Oid type, const Constraint *identity,
                   std::string_view options)
{
    // A sequence of our own until the column is filled, since ADD GENERATED wants NOT NULL.
    const std::string_view sequence = sequence_name(c, look, column, "zdm_seq");
    Fill fill = sequence_fill(c, look, column, type, sequence, inside(options));
    const std::string_view alter = alter_column(c, look, column);
    ListCell *cell = nullptr;

    foreach (cell, identity->options) {
        const char *name = lfirst_node(DefElem, cell)->defname;
        fill.impossible = fill.impossible || strcmp(name, "sequence_name") == 0 || strstr(name, "logged") != nullptr;
    }
    fill.finish =
        c.concat({"ALTER SEQUENCE ", sequence, " OWNED BY NONE; ", alter, " DROP DEFAULT; ", alter, " ADD GENERATED ",
                  identity->generated_when == ATTRIBUTE_IDENTITY_ALWAYS ? "ALWAYS" : "BY DEFAULT", " AS IDENTITY",
                  options.empty() ? "" : " ", options, "; SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(",
                  literal(look.relation.name), ", ", literal(core::unquoted(c.arena, column)),
                  "), last_value, is_called) FROM ", sequence, "; DROP SEQUENCE ", sequence});
    return fill;
}

std::string_view fill_call(Case &c, const Look &look, std::string_view column, bool composite)
{
    return c.concat({"SELECT zdm.backfill(", literal(look.relation.name), ", ",
                     literal(c.concat({column, " = DEFAULT"})), ", ", literal(is_null(c, column, composite)), ")"});
}

std::string_view stop_fill_call(Case &c, const Look &look, std::string_view column, bool composite)
{
    return c.concat({"SELECT zdm.cancel(id) FROM zdm.jobs WHERE kind OPERATOR(pg_catalog.=) 'backfill' AND description "
                     "OPERATOR(pg_catalog.=) ",
                     literal(c.concat({"UPDATE ", look.relation.name, " SET ", column, " = DEFAULT WHERE ",
                                       is_null(c, column, composite)})),
                     " AND state OPERATOR(pg_catalog.=) ANY ('{queued,running,paused}')"});
}

std::string_view no_fill_because(Case &c, const Look &look, Relation rel)
{
    std::string_view why;
    ListCell *cell = nullptr;

    foreach (cell, find_all_inheritors(look.oid, NoLock, nullptr)) {
        with_relation(c, lfirst_oid(cell), [&](Relation part) {
            const char kind = part->rd_rel->relkind;
            if (kind == RELKIND_FOREIGN_TABLE) {
                why = "A foreign table cannot be filled in the background.";
            } else if (fires_on_update(part)) {
                why = "Filling it row by row would fire triggers or rules of the table.";
            } else if (kind == RELKIND_RELATION && !has_key(c, part)) {
                why = "Without a primary key or a unique NOT NULL key the table cannot be filled in the background.";
            }
        });
    }
    return why;
}

std::string_view filled_by_hand(Case &c, const Look &look, const core::Part &part, std::string_view obstacle)
{
    const bool by_key = obstacle.find("key") == std::string_view::npos;

    if (by_key) {
        return c.concat(
            {obstacle.empty() ? "" : "-- fires the table's triggers for each row\n", part.fill, ";\nCALL zdm.wait();"});
    }
    return c.concat({"-- again and again, until it says UPDATE 0\nUPDATE ", look.relation.name, " SET ", part.name,
                     " = DEFAULT WHERE ctid = ANY (ARRAY(SELECT ctid FROM ", look.relation.name, " WHERE ",
                     is_null(c, part.name, part.composite), " LIMIT 10000));"});
}

std::string_view fill_by_hand(Case &c, const Look &look, const core::Part &part, std::string_view obstacle,
                              bool not_null)
{
    core::Text sql(c.arena);

    if (part.rewritable) {
        return "";
    }
    sql << part.first << ";\n" << filled_by_hand(c, look, part, obstacle);
    if (not_null) {
        sql << "\n" << alter_column(c, look, part.name) << " SET NOT NULL;";
    }
    if (!part.finish.empty()) {
        sql << "\nBEGIN;\n" << part.finish << ";\nCOMMIT;";
    }
    return sql.str();
}

std::string_view generated_by_hand(Case &c, const NewColumn &where, std::string_view column, Oid type, int32 typmod,
                                   const Constraint *generated)
{
    const Look &look = where.look;
    ParseState *state = make_parsestate(nullptr);
    state->p_sourcetext = c.query;
    addNSItemToQuery(state, addRangeTableEntryForRelation(state, where.future, AccessShareLock, nullptr, false, true),
                     true, true, true);
    Node *value = transformExpr(state, copy_node(generated->raw_expr), EXPR_KIND_GENERATED_COLUMN);
    assign_expr_collations(state, value);
    const std::string_view bare = core::unquoted(c.arena, column);
    const char *name = makeObjectName(pg::cstring(look.relation.bare), pg::cstring(bare), "generate");
    const std::string_view function =
        pg::keep(c.arena, quote_qualified_identifier(get_namespace_name(look.schema), name));
    const std::string_view obstacle = no_fill_because(c, look, where.future);
    core::Part part;

    part.name = column;
    part.composite = type_is_rowtype(type);
    part.fill = fill_call(c, look, column, part.composite);
    part.first = c.concat(
        {c.out->statement.head, "ADD COLUMN ", column, " ", format_type_with_typemod(type, typmod),
         ";\nCREATE FUNCTION ", function, "() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n    NEW.", column,
         " := ", deparse_expression(value, deparse_context_for("new", look.oid), true, false),
         ";\n    RETURN NEW;\nEND\n$$;\nCREATE TRIGGER ", quote_identifier(name), " BEFORE INSERT OR UPDATE ON ",
         look.relation.name, " FOR EACH ROW EXECUTE FUNCTION ", function, "()"});
    return fill_by_hand(c, look, part, obstacle, false);
}

std::string_view base_of_domain(Case &c, Oid domain, int32 typmod)
{
    const Oid base = getBaseTypeAndTypmod(domain, &typmod);

    return pg::keep(c.arena, format_type_with_typemod(base, typmod));
}

std::string_view domain_by_hand(Case &c, const Look &look, std::string_view column, Oid domain, std::string_view value)
{
    // What the domain itself gives to a column without a default.
    Node *usual = value.empty() ? get_typdefault(domain) : nullptr;
    const std::string_view given =
        usual == nullptr ? value : pg::keep(c.arena, deparse_expression(usual, NIL, false, false));

    return c.concat({c.out->statement.head, "ADD COLUMN ", column, " ", base_of_domain(c, domain, -1),
                     given.empty() ? "" : " DEFAULT ", given, ";", rules_of_domain(c, look, column, domain)});
}

std::string_view rules_of_domain(Case &c, const Look &look, std::string_view column, Oid domain)
{
    const std::string_view alter = c.concat({c.out->statement.head, "ADD "});
    core::Text sql(c.arena);

    // Those of the domains below it too.
    for (Oid type = domain; get_typtype(type) == TYPTYPE_DOMAIN;) {
        HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
        const auto *form = reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple));
        const Oid base = form->typbasetype;
        const bool not_null = form->typnotnull;
        ReleaseSysCache(tuple);
        if (not_null) {
            sql << "\n" << alter_column(c, look, column) << " SET NOT NULL;";
        }
        Relation constraints = table_open(ConstraintRelationId, AccessShareLock);
        ScanKeyData key;
        ScanKeyInit(&key, Anum_pg_constraint_contypid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
        SysScanDesc scan = systable_beginscan(constraints, ConstraintTypidIndexId, true, nullptr, 1, &key);
        for (HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row); row = systable_getnext(scan)) {
            const auto *constraint = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(row));
            if (constraint->contype != CONSTRAINT_CHECK) {
                continue;
            }
            const std::string_view words = text_to_cstring(
                DatumGetTextPP(DirectFunctionCall1(pg_get_constraintdef, ObjectIdGetDatum(constraint->oid))));
            const core::List<Token> tokens = tokenize(c.arena, words);
            int at = 0;
            sql << "\n" << alter;
            for (const Token &token : tokens) {
                const std::string_view word = core::part_of(words, token.start, token.end - token.start);
                sql << core::part_of(words, at, token.start - at) << (word == "VALUE" ? column : word);
                at = token.end;
            }
            sql << ";";
        }
        systable_endscan(scan);
        table_close(constraints, AccessShareLock);
        type = base;
    }
    return sql.str();
}

} // namespace zdm::inspect
