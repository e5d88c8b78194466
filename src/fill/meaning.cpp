#include "fill/meaning.hpp"

#include "pg/compat.hpp"

namespace zdm::fill
{

namespace
{

// Looks for columns of the target in an expression, below subqueries too.
struct Reads {
    int relation; // its number in the range table
    Oid oid;
    const Bitmapset *columns;
    int level;
    bool found;
};

extern "C" {

static bool reads_columns(Node *node, void *context)
{
    auto *reads = static_cast<Reads *>(context);

    if (node == nullptr) {
        return false;
    }
    if (IsA(node, Var)) {
        const auto *var = reinterpret_cast<Var *>(node);
        // The whole row (0) has them all; what the system keeps of a row changes with it.
        reads->found =
            reads->found ||
            (static_cast<int>(var->varlevelsup) == reads->level && static_cast<int>(var->varno) == reads->relation &&
             (var->varattno <= 0 || bms_is_member(var->varattno, const_cast<Bitmapset *>(reads->columns))));
        return reads->found;
    }
    if (IsA(node, Query)) {
        auto *query = reinterpret_cast<Query *>(node);
        ListCell *cell = nullptr;
        foreach (cell, query->rtable) {
            // A subquery over the table itself sees what the job has done so far.
            const auto *entry = lfirst_node(RangeTblEntry, cell);
            reads->found = reads->found || (entry->rtekind == RTE_RELATION && entry->relid == reads->oid);
        }
        reads->level++;
        const bool found = reads->found || pg::walk_query(query, reads_columns, context);
        reads->level--;
        return found;
    }
    return pg::walk_expression(node, reads_columns, context);
}

// Functions whose answer is another one in the next transaction.
static bool changes_with_time(Oid function, void *)
{
    constexpr Oid kClocks[] = {F_NOW, F_TRANSACTION_TIMESTAMP, F_STATEMENT_TIMESTAMP, F_TXID_CURRENT,
                               F_PG_CURRENT_XACT_ID};

    if (func_volatile(function) == PROVOLATILE_IMMUTABLE) {
        return false;
    }
    for (const Oid clock : kClocks) {
        if (function == clock) {
            return true;
        }
    }
    // A stable function of the server depends on settings, which are those of the call; one of the user on anything.
    return func_volatile(function) == PROVOLATILE_VOLATILE || function >= FirstNormalObjectId;
}

static bool is_unsteady(Node *node, void *context)
{
    if (node == nullptr) {
        return false;
    }
    // CURRENT_TIMESTAMP and its like; nextval as NEXT VALUE FOR.
    if (IsA(node, SQLValueFunction) || IsA(node, NextValueExpr) ||
        check_functions_in_node(node, changes_with_time, context)) {
        return true;
    }
    if (IsA(node, Query)) {
        return pg::walk_query(reinterpret_cast<Query *>(node), is_unsteady, context);
    }
    return pg::walk_expression(node, is_unsteady, context);
}

// Puts the expression that a column gets in the place of the column.
static Node *put_new_values(Node *node, void *context)
{
    auto *query = static_cast<Query *>(context);

    if (node == nullptr) {
        return nullptr;
    }
    if (IsA(node, Var)) {
        const auto *var = reinterpret_cast<Var *>(node);
        if (var->varlevelsup == 0 && static_cast<int>(var->varno) == query->resultRelation) {
            ListCell *cell = nullptr;
            foreach (cell, query->targetList) {
                auto *entry = lfirst_node(TargetEntry, cell);
                if (!entry->resjunk && entry->resno == var->varattno) {
                    return static_cast<Node *>(copyObjectImpl(entry->expr));
                }
            }
        }
        return static_cast<Node *>(copyObjectImpl(node));
    }
    return pg::mutate_expression(node, put_new_values, context);
}

} // extern "C"

// `column = DEFAULT` gets the column's default, as the rewriter would put it there.
void put_defaults(Query *query, Relation part)
{
    ListCell *cell = nullptr;

    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (entry->resjunk || !IsA(entry->expr, SetToDefault)) {
            continue;
        }
        const auto *column = TupleDescAttr(RelationGetDescr(part), entry->resno - 1);
        Node *value = build_column_default(part, entry->resno);
        if (value == nullptr) {
            value = reinterpret_cast<Node *>(makeNullConst(column->atttypid, column->atttypmod, column->attcollation));
        }
        entry->expr = reinterpret_cast<Expr *>(value);
    }
}

Query *analyse(const Clauses &clauses, Relation part)
{
    const char *sql = plain_statement(clauses);
    auto *raw = linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT));
    Query *query = parse_analyze_fixedparams(raw, sql, nullptr, 0, nullptr);

    put_defaults(query, part);
    return query;
}

bool makes_false(Query *query)
{
    Node *condition = query->jointree->quals;

    // Subqueries have levels of their own; leave them.
    if (condition == nullptr || contain_subplans(condition) || contain_volatile_functions(condition)) {
        return false;
    }
    Node *after = put_new_values(condition, query);
    if (contain_volatile_functions(after)) {
        return false;
    }
    after = eval_const_expressions(nullptr, after);
    const auto *constant = IsA(after, Const) ? reinterpret_cast<Const *>(after) : nullptr;
    return constant != nullptr && (constant->constisnull || !DatumGetBool(constant->constvalue));
}

// Values of these types are equal if and only if they are the same.
bool equal_is_same(Oid type, Oid collation)
{
    switch (type) {
    case BOOLOID:
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case OIDOID:
    case DATEOID:
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
    case UUIDOID:
    case BYTEAOID:
        return true;
    case TEXTOID:
    case VARCHAROID:
        return !OidIsValid(collation) || get_collation_isdeterministic(collation);
    default:
        return false;
    }
}

char *not_yet(const Query *query, const Clauses &clauses, Relation part)
{
    const char *name = clauses.alias == nullptr ? RelationGetRelationName(part) : clauses.alias;
    List *context = deparse_context_for(name, RelationGetRelid(part));
    StringInfoData sql;
    ListCell *cell = nullptr;

    initStringInfo(&sql);
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        if (entry->resjunk) {
            continue;
        }
        const auto *column = TupleDescAttr(RelationGetDescr(part), entry->resno - 1);
        const char *column_name = quote_identifier(NameStr(column->attname));
        const char *table_name = quote_identifier(name);
        const char *value = deparse_expression(reinterpret_cast<Node *>(entry->expr), context, true, false);
        const char *form = equal_is_same(column->atttypid, column->attcollation)
                               ? "%s%s.%s IS DISTINCT FROM (%s)"
                               : "%spg_catalog.record_image_ne(ROW(%s.%s), ROW((%s)))";
        appendStringInfo(&sql, form, sql.len > 0 ? " OR " : "", table_name, column_name, value);
    }
    return psprintf("((%s) IS TRUE)", sql.data);
}

bool has_column(const Bitmapset *columns, Node *expression)
{
    Bitmapset *used = nullptr;

    pull_varattnos(expression, 1, &used);
    for (int column = bms_next_member(columns, -1); column >= 0; column = bms_next_member(columns, column)) {
        if (bms_is_member(column - FirstLowInvalidHeapAttributeNumber, used)) {
            return true;
        }
    }
    return bms_is_member(-FirstLowInvalidHeapAttributeNumber, used);
}

bool any_index_has(const Bitmapset *columns, Relation part)
{
    List *indexes = RelationGetIndexList(part);
    ListCell *cell = nullptr;
    bool found = false;

    foreach (cell, indexes) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        const IndexInfo *info = BuildIndexInfo(index);
        for (int i = 0; i < info->ii_NumIndexAttrs; i++) {
            found = found || bms_is_member(info->ii_IndexAttrNumbers[i], const_cast<Bitmapset *>(columns));
        }
        found = found || has_column(columns, reinterpret_cast<Node *>(info->ii_Expressions)) ||
                has_column(columns, reinterpret_cast<Node *>(info->ii_Predicate));
        index_close(index, AccessShareLock);
    }
    list_free(indexes);
    return found;
}

// Such a trigger has the last word on what an update writes, and may be what the update is for.
bool has_before_trigger(Relation part)
{
    const TriggerDesc *triggers = part->trigdesc;

    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (TRIGGER_FOR_ROW(trigger.tgtype) && TRIGGER_FOR_BEFORE(trigger.tgtype) &&
            TRIGGER_FOR_UPDATE(trigger.tgtype) && trigger.tgenabled != TRIGGER_DISABLED &&
            trigger.tgenabled != TRIGGER_FIRES_ON_REPLICA) {
            return true;
        }
    }
    return false;
}

} // namespace

Meaning read_meaning(const Clauses &clauses, Relation part)
{
    Query *query = analyse(clauses, part);
    Bitmapset *written = nullptr;
    ListCell *cell = nullptr;
    Meaning meaning{};

    foreach (cell, query->targetList) {
        const auto *entry = lfirst_node(TargetEntry, cell);
        if (!entry->resjunk) {
            written = bms_add_member(written, entry->resno);
        }
    }
    Reads reads{query->resultRelation, RelationGetRelid(part), written, 0, false};
    bool unsteady = false;
    bool elsewhere = false;
    foreach (cell, query->targetList) {
        auto *entry = lfirst_node(TargetEntry, cell);
        reads_columns(reinterpret_cast<Node *>(entry->expr), &reads);
        unsteady = unsteady || is_unsteady(reinterpret_cast<Node *>(entry->expr), nullptr);
        // (a, b) = (SELECT ...) has its subquery elsewhere.
        elsewhere = elsewhere || entry->resjunk;
    }
    meaning.repeatable = !reads.found && !unsteady && !elsewhere && !has_before_trigger(part);
    meaning.ends_itself = clauses.where_clause != nullptr && makes_false(query);
    meaning.not_yet = meaning.repeatable ? not_yet(query, clauses, part) : nullptr;
    Reads scope{query->resultRelation, RelationGetRelid(part), written, 0, false};
    reads_columns(query->jointree->quals, &scope);
    meaning.scope_is_lost = scope.found;
    meaning.writes_index = any_index_has(written, part);
    return meaning;
}

} // namespace zdm::fill
