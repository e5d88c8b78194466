// Indexes that somebody needs, indexes that are already there, and searches for duplicates that cannot be made.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/notes.hpp"
#include "pg/catalog.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// Whether an index finds rows by these columns, in whatever order: it begins with them, for every row.
bool leads_with(Relation index, const AttrNumber *columns, int count)
{
    const FormData_pg_index *form = index->rd_index;

    if (!form->indisvalid || form->indnkeyatts < count || RelationGetIndexPredicate(index) != NIL) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        bool found = false;
        for (int j = 0; j < count; j++) {
            found = found || form->indkey.values[j] == columns[i];
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

// Foreign keys of the table that only the dropped index serves.
void note_foreign_keys(Case &c, Relation table, Oid dropped, const List *all_dropped, const Look &look,
                       core::List<std::string_view> *keys)
{
    ListCell *cell = nullptr;

    foreach (cell, RelationGetFKeyList(table)) {
        const auto *key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
        bool mine = false;
        bool other = false;
        ListCell *inner = nullptr;
        foreach (inner, RelationGetIndexList(table)) {
            with_relation(c, lfirst_oid(inner), [&](Relation index) {
                const bool leads = leads_with(index, key->conkey, key->nkeys);
                mine = mine || (leads && lfirst_oid(inner) == dropped);
                other = other || (leads && !list_member_oid(all_dropped, lfirst_oid(inner)));
            });
        }
        const char *name = get_constraint_name(key->conoid);
        if (mine && !other && !look.empty && name != nullptr) {
            keys->push(quoted(c, name));
        }
    }
}

} // namespace

void note_drop_index(Case &c, const DropStmt *stmt)
{
    List *dropped = NIL;
    ListCell *cell = nullptr;

    if (!c.asks(core::Rule::DropIndexNeeded)) {
        return;
    }
    foreach (cell, stmt->objects) {
        const Oid oid = RangeVarGetRelid(makeRangeVarFromNameList(static_cast<List *>(lfirst(cell))), NoLock, true);
        dropped = OidIsValid(oid) ? lappend_oid(dropped, oid) : dropped;
    }
    foreach (cell, dropped) {
        Look look;
        core::List<std::string_view> keys(c.arena);
        bool identity = false;
        const Oid index = lfirst_oid(cell);
        if (!look_at(c, IndexGetRelation(index, true), &look) || look.hidden) {
            continue;
        }
        with_relation(c, look.oid, [&](Relation table) {
            note_foreign_keys(c, table, index, dropped, look, &keys);
            with_relation(c, index, [&](Relation rel) {
                identity = table->rd_rel->relreplident == REPLICA_IDENTITY_INDEX && rel->rd_index->indisreplident;
            });
        });
        if (identity) {
            note(c, core::Rule::DropIndexNeeded, &look.relation,
                 c.concat({qualified(c, index), " is the replica identity of ", look.relation.name,
                           "; without it UPDATE and DELETE fail once the table is published."}),
                 core::reviewed(c.arena, c.text, core::kOtherIdentity));
        }
        if (!keys.empty()) {
            note(c, core::Rule::DropIndexNeeded, &look.relation,
                 core::listed(c.arena, c.concat({qualified(c, index), " is the only index for foreign key "}), keys,
                              keys.count),
                 core::reviewed(c.arena, c.text, core::kKeysStay));
        }
    }
}

void note_create_index(Case &c, const IndexStmt *stmt)
{
    ListCell *cell = nullptr;
    bool other_equality = false;

    if (c.out->aside || !stmt->unique || !c.asks(core::Rule::UniqueIndexDup)) {
        return;
    }
    foreach (cell, stmt->indexParams) {
        other_equality = other_equality || lfirst_node(IndexElem, cell)->opclass != NIL;
    }
    for (const core::Part &part : c.out->statement.parts) {
        // Other reasons not to look are what PostgreSQL will refuse.
        const bool unseen = !owner_may_select(part.relation.oid);
        if (part.form == core::Form::CreateIndex && part.work == core::Work::IndexBuild && !part.probe &&
            (unseen || other_equality) && !part.definition.empty()) {
            const core::Part found = part;
            note(c, core::Rule::UniqueIndexDup, &found.relation, "",
                 unseen ? core::duplicates(c.arena, found.relation, found.columns, found.predicate) : "");
            return;
        }
    }
}

void note_concurrent_in_block(Case &c, const Node *utility)
{
    if (!c.out->aside && c.out->statement.commits && c.out->statement.waits_long &&
        c.asks(core::Rule::ConcurrentlyInTxn)) {
        note(c, core::Rule::ConcurrentlyInTxn, nullptr, "", c.concat({"COMMIT;\n", c.text, ";"})).only_in_block = true;
    }
}

} // namespace zdm::inspect
