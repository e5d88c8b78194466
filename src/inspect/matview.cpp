// REFRESH MATERIALIZED VIEW, and whether it can leave its readers alone.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// As is_usable_unique_index in matview.c does.
bool has_usable_index(Case &c, Relation rel)
{
    bool found = false;
    ListCell *cell = nullptr;

    foreach (cell, RelationGetIndexList(rel)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) {
            const FormData_pg_index *form = index->rd_index;
            bool all = form->indisunique && form->indimmediate && index->rd_rel->relam == BTREE_AM_OID &&
                       form->indisvalid && RelationGetIndexPredicate(index) == NIL;
            for (int i = 0; i < form->indnatts; i++) {
                all = all && form->indkey.values[i] > 0;
            }
            found = found || all;
        });
    }
    return found;
}

// A column that the statistics take to be unique, or null.
const char *unique_column(Relation rel)
{
    for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++) {
        HeapTuple row = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(RelationGetRelid(rel)), Int16GetDatum(i + 1),
                                        BoolGetDatum(false));
        if (!HeapTupleIsValid(row)) {
            continue;
        }
        const bool unique = reinterpret_cast<Form_pg_statistic>(GETSTRUCT(row))->stadistinct == -1;
        ReleaseSysCache(row);
        if (unique) {
            return column_name(rel, static_cast<AttrNumber>(i + 1));
        }
    }
    return nullptr;
}

std::string_view by_hand(Case &c, const Look &look, Relation rel, std::string_view concurrently)
{
    const char *column = unique_column(rel);

    if (column != nullptr) {
        return c.concat({"CREATE UNIQUE INDEX CONCURRENTLY ON ", look.relation.name, " (", quote_identifier(column),
                         ");\n", concurrently, ";"});
    }
    return c.concat(
        {"-- CONCURRENTLY needs a unique index over plain columns of it. Without one:\n", reviewed(c, c.text)});
}

struct Sources {
    Case &c;
    bool filled = false;
};

// Whether a table that the query reads has rows; views are looked into.
bool find_rows(Node *node, void *context)
{
    auto *sources = static_cast<Sources *>(context);
    ListCell *cell = nullptr;

    check_stack_depth();
    if (node == nullptr || sources->filled) {
        return sources->filled;
    }
    if (!IsA(node, Query)) {
        return pg::walk_expression(node, find_rows, context);
    }
    auto *query = castNode(Query, node);
    foreach (cell, query->rtable) {
        const auto *entry = lfirst_node(RangeTblEntry, cell);
        Look look;
        // A view's own old and new stand there too.
        if (entry->rtekind != RTE_RELATION || !entry->inFromCl || !look_at(sources->c, entry->relid, &look) ||
            look.catalog) {
            continue;
        }
        if (look.relkind != RELKIND_VIEW) {
            sources->filled = sources->filled || !look.empty;
        } else {
            with_relation(sources->c, look.oid, [&](Relation view) {
                find_rows(reinterpret_cast<Node *>(copyObject(get_view_query(view))), context);
            });
        }
    }
    return sources->filled || pg::walk_query(query, find_rows, context);
}

// The work of a refresh that is no hazard: it reads what it is made from, and a concurrent one compares.
core::Work reading(Case &c, const RefreshMatViewStmt *stmt, const Look &look, Relation rel)
{
    const RuleLock *rules = rel->rd_rules;
    Sources sources{c};

    if (stmt->skipData || rules == nullptr || rules->numLocks != 1 || list_length(rules->rules[0]->actions) != 1) {
        return core::Work::Instant;
    }
    if (stmt->concurrent && !look.empty) {
        return core::Work::Scan;
    }
    return find_rows(static_cast<Node *>(linitial(rules->rules[0]->actions)), &sources) ? core::Work::Scan
                                                                                        : core::Work::Instant;
}

} // namespace

void refresh(Case &c, const RefreshMatViewStmt *stmt)
{
    Look look;
    core::Part part;

    if (!look_at(c, stmt->relation, &look) || look.hidden || look.catalog || look.relkind != RELKIND_MATVIEW ||
        !look.owned) {
        c.out->aside = true;
        return;
    }
    c.out->statement.relation = look.relation;
    want(c, look, stmt->concurrent ? core::Lock::Exclusive : core::Lock::AccessExclusive, false);
    part.relation = look.relation;
    part.source = c.text;
    part.form = core::Form::Refresh;
    part.rule = core::Rule::RefreshMatviewBlocking;
    part.lock = core::Lock::AccessExclusive;
    with_relation(c, look.oid, [&](Relation rel) {
        if (stmt->concurrent || stmt->skipData || look.empty || !RelationIsPopulated(rel)) {
            // Whether the sources have rows changes no verdict: only who asks pays for looking at them.
            part.work = c.purpose == Purpose::Explain ? reading(c, stmt, look, rel) : core::Work::Instant;
            return;
        }
        part.hazard = true;
        part.work = core::Work::Rewrite;
        part.definition = c.concat({"REFRESH MATERIALIZED VIEW CONCURRENTLY ", look.relation.name});
        part.rewritable = has_usable_index(c, rel);
        part.runs_in_block = true;
        part.hint = part.rewritable ? "" : by_hand(c, look, rel, part.definition);
    });
    c.out->statement.parts.push(part);
}

} // namespace zdm::inspect
