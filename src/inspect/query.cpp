// What a query reads and writes, by the planner's estimate.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

double sum_of_rows(const PlannedStmt *planned, const ModifyTable **target)
{
    double rows = 0;
    ListCell *cell = nullptr;
    const auto count = [&](const Plan *plan) {
        // ModifyTable itself is planned to return nothing.
        if (plan != nullptr && IsA(plan, ModifyTable)) {
            rows += outerPlan(plan)->plan_rows;
            *target = *target == nullptr ? castNode(ModifyTable, plan) : *target;
        }
    };

    count(planned->planTree);
    foreach (cell, planned->subplans) {
        count(static_cast<Plan *>(lfirst(cell)));
    }
    return rows;
}

BlockNumber pages_of(Oid oid)
{
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(oid));
    BlockNumber pages = 0;

    if (HeapTupleIsValid(tuple)) {
        pages = static_cast<BlockNumber>(reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relpages);
        ReleaseSysCache(tuple);
    }
    return pages;
}

// The largest table of the user's that the query knows; 0 if it looks at catalogs and functions only.
Oid largest(const PlannedStmt *planned)
{
    Oid found = InvalidOid;
    ListCell *cell = nullptr;

    foreach (cell, planned->rtable) {
        const auto *entry = lfirst_node(RangeTblEntry, cell);
        if (entry->rtekind == RTE_RELATION && entry->relid >= FirstNormalObjectId && entry->relkind != RELKIND_VIEW &&
            (!OidIsValid(found) || pages_of(entry->relid) > pages_of(found))) {
            found = entry->relid;
        }
    }
    return found;
}

// Rows that nobody else can see are not in anybody's way.
bool is_private(Oid oid)
{
    Relation rel = RelationIdGetRelation(oid);
    const bool hidden =
        rel != nullptr && (RelationUsesLocalBuffers(rel) || rel->rd_createSubid != InvalidSubTransactionId);

    if (rel != nullptr) {
        RelationClose(rel);
    }
    return hidden;
}

} // namespace

double rows_written(const PlannedStmt *planned)
{
    const ModifyTable *target = nullptr;
    return sum_of_rows(planned, &target);
}

core::Query query_of(core::Arena arena, const core::Settings &settings, const PlannedStmt *planned,
                     std::string_view text)
{
    Finding unused;
    Case c{arena, text, 0, "", Purpose::Guard, &unused, &settings};
    core::Query query;
    const ModifyTable *target = nullptr;
    const Oid read = largest(planned);

    query.tag = GetCommandTagName(CreateCommandTag(reinterpret_cast<Node *>(const_cast<PlannedStmt *>(planned))));
    query.text = text;
    query.rows_written = sum_of_rows(planned, &target);
    query.cost = OidIsValid(read) ? planned->planTree->total_cost : 0;
    if (target != nullptr) {
        const Oid oid =
            list_nth_node(RangeTblEntry, planned->rtable, static_cast<int>(target->nominalRelation) - 1)->relid;
        query.relation = relation_of(c, oid);
        query.changes_rows = target->operation != CMD_INSERT && !is_private(oid);
    } else if (OidIsValid(read)) {
        query.relation = relation_of(c, read);
    }
    return query;
}

} // namespace zdm::inspect
