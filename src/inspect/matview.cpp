// REFRESH MATERIALIZED VIEW, and whether it can leave its readers alone.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
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
