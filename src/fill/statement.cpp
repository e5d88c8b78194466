#include "fill/statement.hpp"

#include "pg/compat.hpp"
#include "pg/syntax.hpp"

#include <initializer_list>

namespace zdm::fill
{

namespace
{

// Parse errors point into our text, not into the statement of the client.
void place_in_our_text(void *text)
{
    const int position = geterrposition();

    if (position > 0) {
        errposition(0);
        internalerrposition(position);
        internalerrquery(static_cast<const char *>(text));
    }
}

List *parse(const char *sql)
{
    ErrorContextCallback callback = {error_context_stack, place_in_our_text, const_cast<char *>(sql)};

    error_context_stack = &callback;
    List *statements = raw_parser(sql, RAW_PARSE_DEFAULT);
    error_context_stack = callback.previous;
    return statements;
}

extern "C" {

static bool has_parameter(Node *node, void *context)
{
    if (node == nullptr) {
        return false;
    }
    if (IsA(node, ParamRef)) {
        ereport(ERROR, errcode(ERRCODE_UNDEFINED_PARAMETER),
                errmsg("there is no parameter $%d", reinterpret_cast<ParamRef *>(node)->number));
    }
    return pg::walk_raw(node, has_parameter, context);
}
}

template <class T> T *only_statement(List *statements, NodeTag tag)
{
    if (list_length(statements) != 1) {
        return nullptr;
    }
    Node *statement = linitial_node(RawStmt, statements)->stmt;
    return nodeTag(statement) == tag ? reinterpret_cast<T *>(statement) : nullptr;
}

// A clause ends with a line of its own, so that a comment in it cannot swallow what follows.
void add_condition(StringInfo sql, const char *where_clause)
{
    // IS TRUE also keeps the planner from walking another index than the key's.
    appendStringInfo(sql, "((\n%s\n) IS TRUE)", where_clause);
}

void add_parameters(StringInfo sql, int first, int count)
{
    appendStringInfoString(sql, count > 1 ? "(" : "");
    for (int i = 0; i < count; i++) {
        appendStringInfo(sql, "%s$%d", i > 0 ? ", " : "", first + i);
    }
    appendStringInfoString(sql, count > 1 ? ")" : "");
}

// Returns how many parameters it used.
int add_range(StringInfo sql, const Key &key, bool after)
{
    int used = 0;

    if (after) {
        appendStringInfo(sql, "%s %s ", key.names, key.greater);
        add_parameters(sql, 1, key.count);
        appendStringInfoString(sql, " AND ");
        used = key.count;
    }
    appendStringInfo(sql, "%s %s ", key.names, key.at_most);
    add_parameters(sql, used + 1, key.count);
    return used + key.count;
}

void add_head(StringInfo sql, const Clauses &clauses)
{
    appendStringInfo(sql, "UPDATE ONLY %s", clauses.table);
    if (clauses.alias != nullptr) {
        appendStringInfo(sql, " AS %s", quote_identifier(clauses.alias));
    }
    appendStringInfo(sql, " SET %s\n WHERE ", clauses.set_clause);
}

void add_from(StringInfo sql, const Clauses &clauses)
{
    appendStringInfo(sql, " FROM ONLY %s", clauses.table);
    if (clauses.alias != nullptr) {
        appendStringInfo(sql, " AS %s", quote_identifier(clauses.alias));
    }
}

// Rows that are wanted, and not right yet.
void add_wanted(StringInfo sql, const Clauses &clauses)
{
    if (clauses.where_clause != nullptr) {
        appendStringInfoString(sql, " AND ");
        add_condition(sql, clauses.where_clause);
    }
    if (clauses.not_yet != nullptr) {
        appendStringInfo(sql, " AND %s", clauses.not_yet);
    }
}

void add_where(StringInfo sql, const Clauses &clauses)
{
    add_wanted(sql, clauses);
    if (clauses.where_clause != nullptr) {
        // Whether the row would match again decides whether the table may be walked a second time.
        appendStringInfoString(sql, " RETURNING ");
        add_condition(sql, clauses.where_clause);
    }
}

} // namespace

List *columns_set(const char *set_clause)
{
    auto *update = only_statement<UpdateStmt>(parse(psprintf("UPDATE t SET %s", set_clause)), T_UpdateStmt);
    if (update == nullptr || update->whereClause != nullptr || update->fromClause != NIL || pg::has_returning(update) ||
        update->withClause != nullptr) {
        ereport(ERROR, errcode(ERRCODE_SYNTAX_ERROR), errmsg("set_clause is not a list of assignments"),
                errdetail("It reads: %s", set_clause),
                errhint("Write what stands between SET and WHERE, such as 'amount_cents = amount * 100'."));
    }
    pg::walk_raw(reinterpret_cast<Node *>(update), has_parameter, nullptr);

    List *columns = NIL;
    ListCell *cell = nullptr;
    foreach (cell, update->targetList) {
        columns = lappend(columns, lfirst_node(ResTarget, cell)->name);
    }
    return columns;
}

void check_condition(const char *where_clause)
{
    auto *select = only_statement<SelectStmt>(parse(psprintf("SELECT 1 WHERE %s", where_clause)), T_SelectStmt);
    if (select == nullptr || select->op != SETOP_NONE || select->groupClause != NIL ||
        select->havingClause != nullptr || select->windowClause != NIL || select->sortClause != NIL ||
        select->limitOffset != nullptr || select->limitCount != nullptr || select->lockingClause != NIL ||
        select->withClause != nullptr || select->intoClause != nullptr) {
        ereport(ERROR, errcode(ERRCODE_SYNTAX_ERROR), errmsg("where_clause is not a condition"),
                errdetail("It reads: %s", where_clause), errhint("Write what stands after WHERE, and no more."));
    }
    pg::walk_raw(reinterpret_cast<Node *>(select), has_parameter, nullptr);
}

char *update_statement(const Clauses &clauses, const Key &key, bool after)
{
    StringInfoData sql;

    initStringInfo(&sql);
    add_head(&sql, clauses);
    add_range(&sql, key, after);
    add_where(&sql, clauses);
    return sql.data;
}

char *unlocked_statement(const Clauses &clauses, const Key &key, bool after)
{
    StringInfoData sql;

    initStringInfo(&sql);
    for (const bool locks : {false, true}) {
        appendStringInfo(&sql, "%s AS MATERIALIZED (SELECT %s", locks ? ", zdm_unlocked" : "WITH zdm_wanted",
                         key.names_list);
        add_from(&sql, clauses);
        appendStringInfoString(&sql, " WHERE ");
        add_range(&sql, key, after);
        add_wanted(&sql, clauses);
        appendStringInfoString(&sql, locks ? " FOR NO KEY UPDATE SKIP LOCKED)" : ")");
    }
    appendStringInfoString(&sql, ", zdm_changed AS (");
    add_head(&sql, clauses);
    add_range(&sql, key, after);
    appendStringInfo(&sql, " AND %s %s ANY (SELECT %s FROM zdm_unlocked) RETURNING ", key.names, key.equal,
                     key.names_list);
    if (clauses.where_clause != nullptr) {
        add_condition(&sql, clauses.where_clause);
    } else {
        appendStringInfoString(&sql, "false");
    }
    appendStringInfo(&sql,
                     " AS zdm_again) SELECT (SELECT pg_catalog.count(*) FROM zdm_changed),"
                     " (SELECT pg_catalog.count(*) FROM zdm_changed WHERE zdm_again), zdm_locked.*"
                     " FROM (SELECT 1) AS zdm_one LEFT JOIN (TABLE zdm_wanted EXCEPT TABLE zdm_unlocked) AS zdm_locked"
                     " ON true");
    return sql.data;
}

char *one_statement(const Clauses &clauses, const Key &key)
{
    StringInfoData sql;

    initStringInfo(&sql);
    add_head(&sql, clauses);
    appendStringInfo(&sql, "%s %s ", key.names, key.equal);
    add_parameters(&sql, 1, key.count);
    add_where(&sql, clauses);
    return sql.data;
}

char *verify_statement(const Clauses &clauses, const Key &key, bool after)
{
    StringInfoData sql;

    initStringInfo(&sql);
    appendStringInfo(&sql, "SELECT %s", key.names_list);
    add_from(&sql, clauses);
    appendStringInfoString(&sql, " WHERE ");
    add_range(&sql, key, after);
    add_wanted(&sql, clauses);
    return sql.data;
}

char *heap_verify_statement(const Clauses &clauses)
{
    StringInfoData sql;

    initStringInfo(&sql);
    appendStringInfoString(&sql, "SELECT ctid");
    add_from(&sql, clauses);
    appendStringInfoString(&sql, " WHERE ctid >= $1 AND ctid < $2");
    add_wanted(&sql, clauses);
    return sql.data;
}

char *heap_statement(const Clauses &clauses, bool striped)
{
    StringInfoData sql;

    initStringInfo(&sql);
    add_head(&sql, clauses);
    appendStringInfoString(&sql, "ctid >= $1 AND ctid < $2");
    if (striped) {
        appendStringInfoString(&sql,
                               " AND (pg_catalog.hashtid(ctid) OPERATOR(pg_catalog.&) $3) OPERATOR(pg_catalog.=) $4");
    }
    add_where(&sql, clauses);
    return sql.data;
}

char *heap_unlocked_statement(const Clauses &clauses)
{
    StringInfoData sql;

    initStringInfo(&sql);
    add_head(&sql, clauses);
    appendStringInfoString(&sql, "ctid = ANY (ARRAY(SELECT ctid");
    add_from(&sql, clauses);
    appendStringInfoString(&sql, " WHERE ctid >= $1 AND ctid < $2");
    add_wanted(&sql, clauses);
    appendStringInfoString(&sql, " FOR NO KEY UPDATE SKIP LOCKED))");
    add_where(&sql, clauses);
    return sql.data;
}

char *key_at_statement(const char *table, const Key &key)
{
    return psprintf("SELECT %s FROM ONLY %s WHERE ctid = $1", key.names_list, table);
}

char *heap_left_statement(const Clauses &clauses)
{
    StringInfoData sql;

    initStringInfo(&sql);
    appendStringInfoString(&sql, "SELECT ctid");
    add_from(&sql, clauses);
    // In that order: the rest would fail for these.
    appendStringInfoString(&sql, " WHERE CASE WHEN ctid = ANY ($2) THEN false ELSE true");
    add_wanted(&sql, clauses);
    appendStringInfoString(&sql, " END LIMIT $1");
    return sql.data;
}

char *heap_these_statement(const Clauses &clauses, bool unlocked)
{
    StringInfoData sql;

    initStringInfo(&sql);
    add_head(&sql, clauses);
    if (unlocked) {
        appendStringInfoString(&sql, "ctid = ANY (ARRAY(SELECT ctid");
        add_from(&sql, clauses);
        appendStringInfoString(&sql, " WHERE ctid = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED))");
    } else {
        appendStringInfoString(&sql, "ctid = ANY ($1)");
    }
    add_where(&sql, clauses);
    return sql.data;
}

char *bound_statement(const char *table, const Key &key, bool after)
{
    StringInfoData sql;

    initStringInfo(&sql);
    appendStringInfo(&sql, "SELECT %s FROM ONLY %s WHERE ", key.names_list, table);
    const int used = add_range(&sql, key, after);
    appendStringInfo(&sql, " ORDER BY %s OFFSET $%d LIMIT 1", key.names_list, used + 1);
    return sql.data;
}

char *last_key_statement(const char *table, const Key &key)
{
    return psprintf("SELECT %s FROM ONLY %s ORDER BY %s LIMIT 1", key.names_list, table, key.names_desc);
}

char *any_statement(const Clauses &clauses)
{
    StringInfoData sql;

    initStringInfo(&sql);
    appendStringInfo(&sql, "SELECT 1 FROM ONLY %s", clauses.table);
    if (clauses.alias != nullptr) {
        appendStringInfo(&sql, " AS %s", quote_identifier(clauses.alias));
    }
    // Here any index may help.
    appendStringInfo(&sql, " WHERE (\n%s\n) LIMIT 1", clauses.where_clause);
    return sql.data;
}

char *condition_statement(const char *condition) { return psprintf("SELECT 1 = 1 WHERE (\n%s\n)", condition); }

char *plain_statement(const Clauses &clauses)
{
    StringInfoData sql;

    initStringInfo(&sql);
    add_head(&sql, clauses);
    if (clauses.where_clause == nullptr) {
        appendStringInfoString(&sql, "true");
    } else {
        add_condition(&sql, clauses.where_clause);
    }
    return sql.data;
}

} // namespace zdm::fill
