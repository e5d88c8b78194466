// What ATTACH PARTITION would add to the partition while it is locked against reads and writes: indexes, keys and
// foreign keys of the parent that the partition does not have. Each becomes a statement of its own, judged like a
// user's.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/tokens.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

struct Lack {
    Relation parent;
    Relation child;
    AttrMap *map;
    List *used;  // indexes of the child that are taken for one of the parent's
    List *names; // of indexes to be made
    core::Part *part;
};

// Judges a statement of ours; without a plan for it there is none for the whole.
void add_before(Case &c, Lack &lack, std::string_view sql)
{
    const auto *raw = linitial_node(RawStmt, raw_parser(pg::cstring(sql), RAW_PARSE_DEFAULT));
    const Finding finding = facts(c.arena, *c.settings, raw->stmt, sql, 0, pg::cstring(sql), c.purpose);

    if (finding.busy.relation.oid != InvalidOid) {
        c.out->busy = finding.busy;
    }
    bool planned = !finding.aside;
    for (const core::Part &part : finding.statement.parts) {
        planned = planned && part.hazard && part.rewritable;
    }
    lack.part->hazard = true;
    lack.part->work = core::Work::IndexBuild;
    if (planned) {
        auto *kept = static_cast<core::Statement *>(palloc(sizeof(core::Statement)));
        *kept = finding.statement;
        lack.part->before.push(kept);
    } else {
        lack.part->reason = c.concat({"What it must get first has no safe form: ", sql});
        lack.part->hint = c.concat({"SET zdm.safety_assured = on; ", c.text, ";"});
    }
}

// As AttachPartitionEnsureIndexes does.
bool has_index(Case &c, Lack &lack, Relation wanted, bool constraint)
{
    bool found = false;
    ListCell *cell = nullptr;

    foreach (cell, RelationGetIndexList(lack.child)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) {
            if (found || list_member_oid(lack.used, RelationGetRelid(index)) || index->rd_rel->relispartition ||
                !index->rd_index->indisvalid ||
                (constraint && !OidIsValid(get_index_constraint(RelationGetRelid(index))))) {
                return;
            }
            found = CompareIndexInfo(BuildIndexInfo(index), BuildIndexInfo(wanted), index->rd_indcollation,
                                     wanted->rd_indcollation, index->rd_opfamily, wanted->rd_opfamily, lack.map);
            if (found) {
                lack.used = lappend_oid(lack.used, RelationGetRelid(index));
            }
        });
    }
    return found;
}

// As PostgreSQL would name the index that it adds, with the names in mind that others will have taken by then.
const char *name_for(Lack &lack, Relation wanted, bool constraint)
{
    char label[NAMEDATALEN];
    const char *word = !constraint ? "idx" : wanted->rd_index->indisprimary ? "pkey" : "key";
    List *columns = NIL;

    for (int i = 0; i < RelationGetDescr(wanted)->natts && !wanted->rd_index->indisprimary; i++) {
        IndexElem *column = makeNode(IndexElem);
        column->indexcolname = NameStr(TupleDescAttr(RelationGetDescr(wanted), i)->attname);
        columns = lappend(columns, column);
    }
    strlcpy(label, word, sizeof(label));
    for (int pass = 1;; pass++) {
        char *name = choose_index_name(RelationGetRelationName(lack.child), RelationGetNamespace(lack.child), columns,
                                       label, constraint);
        bool taken = false;
        ListCell *cell = nullptr;
        foreach (cell, lack.names) {
            taken = taken || strcmp(static_cast<char *>(lfirst(cell)), name) == 0;
        }
        if (!taken) {
            lack.names = lappend(lack.names, name);
            return name;
        }
        snprintf(label, sizeof(label), "%s%d", word, pass);
    }
}

// The words of a definition behind the name of its table, and `skip` further ones.
std::string_view behind_table(Case &c, std::string_view sql, int first, int skip)
{
    const core::List<Token> tokens = tokenize(c.arena, sql);
    return slice(sql, tokens, after_name(tokens, first) + skip, static_cast<int>(tokens.count));
}

// CREATE [UNIQUE] INDEX name ON [ONLY] table ...
std::string_view index_clauses(Case &c, Oid index)
{
    const std::string_view sql = pg_get_indexdef_string(index);
    const core::List<Token> tokens = tokenize(c.arena, sql);

    for (std::uint32_t i = 0; i + 1 < tokens.count; i++) {
        if (core::part_of(sql, tokens[i].start, tokens[i].end - tokens[i].start) == "ON") {
            const bool only =
                core::part_of(sql, tokens[i + 1].start, tokens[i + 1].end - tokens[i + 1].start) == "ONLY";
            return behind_table(c, sql, static_cast<int>(i) + (only ? 2 : 1), 0);
        }
    }
    return "";
}

void add_index(Case &c, Lack &lack, Relation index)
{
    const Oid oid = RelationGetRelid(index);
    const Oid constraint = get_index_constraint(oid);

    if (index->rd_rel->relkind != RELKIND_PARTITIONED_INDEX || has_index(c, lack, index, OidIsValid(constraint))) {
        return;
    }
    const std::string_view name = quoted(c, name_for(lack, index, OidIsValid(constraint)));
    const std::string_view child = qualified(c, RelationGetRelid(lack.child));
    if (OidIsValid(constraint)) {
        // ALTER TABLE table ADD CONSTRAINT name ...
        add_before(c, lack,
                   c.concat({"ALTER TABLE ", child, " ADD CONSTRAINT ", name, " ",
                             behind_table(c, pg_get_constraintdef_command(constraint), 2, 3)}));
    } else {
        add_before(c, lack,
                   c.concat({"CREATE ", index->rd_index->indisunique ? "UNIQUE " : "", "INDEX ", name, " ON ", child,
                             " ", index_clauses(c, oid)}));
    }
}

// As tryAttachPartitionForeignKey does.
bool has_foreign_key(const Lack &lack, const ForeignKeyCacheInfo *wanted, const FormData_pg_constraint *parent)
{
    ListCell *cell = nullptr;

    foreach (cell, RelationGetFKeyList(lack.child)) {
        const auto *mine = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
        bool same = mine->confrelid == wanted->confrelid && mine->nkeys == wanted->nkeys;
        for (int i = 0; same && i < wanted->nkeys; i++) {
            same = mine->conkey[i] == lack.map->attnums[wanted->conkey[i] - 1] &&
                   mine->confkey[i] == wanted->confkey[i] && mine->conpfeqop[i] == wanted->conpfeqop[i];
        }
        HeapTuple tuple = same ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(mine->conoid)) : nullptr;
        if (HeapTupleIsValid(tuple)) {
            const auto *form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
            same = !OidIsValid(form->conparentid) && form->convalidated &&
                   form->condeferrable == parent->condeferrable && form->condeferred == parent->condeferred &&
                   form->confupdtype == parent->confupdtype && form->confdeltype == parent->confdeltype &&
                   form->confmatchtype == parent->confmatchtype;
            ReleaseSysCache(tuple);
            if (same) {
                return true;
            }
        }
    }
    return false;
}

void add_foreign_key(Case &c, Lack &lack, const ForeignKeyCacheInfo *wanted)
{
    HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(wanted->conoid));
    const Oid child = RelationGetRelid(lack.child);

    if (!HeapTupleIsValid(tuple)) {
        return;
    }
    const auto *form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
    // Its triggers there go, as those of the parent's take their place.
    lack.part->also.push({relation_of(c, wanted->confrelid), core::Lock::AccessExclusive});
    if (form->convalidated && !has_foreign_key(lack, wanted, form)) {
        char *name = pstrdup(NameStr(form->conname));
        if (ConstraintNameIsUsed(CONSTRAINT_RELATION, child, name)) {
            StringInfoData columns;
            initStringInfo(&columns);
            for (int i = 0; i < wanted->nkeys && columns.len < NAMEDATALEN; i++) {
                appendStringInfo(&columns, "%s%s", i == 0 ? "" : "_", column_name(lack.parent, wanted->conkey[i]));
            }
            name = ChooseConstraintName(RelationGetRelationName(lack.child), columns.data, "fkey",
                                        RelationGetNamespace(lack.child), NIL);
        }
        const char *definition =
            TextDatumGetCString(DirectFunctionCall1(pg_get_constraintdef, ObjectIdGetDatum(wanted->conoid)));
        add_before(
            c, lack,
            c.concat({"ALTER TABLE ", qualified(c, child), " ADD CONSTRAINT ", quoted(c, name), " ", definition}));
    }
    ReleaseSysCache(tuple);
}

// Whether a partition has the foreign key that its parent is to get.
bool has_wanted_key(Relation child, const AttrMap *map, Relation parent, Relation partner, const Constraint *wanted,
                    List *keys)
{
    ListCell *cell = nullptr;

    foreach (cell, RelationGetFKeyList(child)) {
        const auto *mine = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
        bool same = mine->confrelid == RelationGetRelid(partner) && mine->nkeys == list_length(keys);
        for (int i = 0; same && i < mine->nkeys; i++) {
            const AttrNumber column = get_attnum(RelationGetRelid(parent), strVal(list_nth(wanted->fk_attrs, i)));
            same = mine->conkey[i] == map->attnums[column - 1] && mine->confkey[i] == list_nth_int(keys, i);
        }
        HeapTuple tuple = same ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(mine->conoid)) : nullptr;
        if (HeapTupleIsValid(tuple)) {
            const auto *form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
            same = !OidIsValid(form->conparentid) && form->convalidated && form->condeferrable == wanted->deferrable &&
                   form->condeferred == wanted->initdeferred && form->confupdtype == wanted->fk_upd_action &&
                   form->confdeltype == wanted->fk_del_action && form->confmatchtype == wanted->fk_matchtype;
            ReleaseSysCache(tuple);
            if (same) {
                return true;
            }
        }
    }
    return false;
}

} // namespace

void partitions_to_reference(Case &c, Relation rel, Relation partner, const Constraint *constraint, List *keys,
                             core::Part *part)
{
    ListCell *cell = nullptr;

    part->partitions = core::List<core::Partition>(c.arena);
    foreach (cell, find_all_inheritors(RelationGetRelid(rel), NoLock, nullptr)) {
        if (lfirst_oid(cell) == RelationGetRelid(rel)) {
            continue;
        }
        with_relation(c, lfirst_oid(cell), [&](Relation child) {
            core::Partition partition;
            partition.relation = relation_of(c, RelationGetRelid(child));
            partition.partitioned = child->rd_rel->relkind != RELKIND_RELATION;
            partition.attached = has_wanted_key(child, pg::map_columns(child, rel), rel, partner, constraint, keys);
            if (!partition.attached &&
                ConstraintNameIsUsed(CONSTRAINT_RELATION, RelationGetRelid(child), pg::cstring(part->label))) {
                part->rewritable = false;
                part->reason =
                    c.concat({"Partition ", partition.relation.name, " has another constraint of that name."});
                part->hint = c.concat({"-- give it another name: ADD CONSTRAINT name FOREIGN KEY ..."});
            }
            part->partitions.push(partition);
        });
    }
}

void what_attach_would_add(Case &c, Relation parent, Relation child, core::Part *part)
{
    Lack lack{parent, child, pg::map_columns(child, parent), NIL, NIL, part};
    ListCell *cell = nullptr;

    foreach (cell, RelationGetIndexList(parent)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) { add_index(c, lack, index); });
    }
    foreach (cell, RelationGetFKeyList(parent)) {
        add_foreign_key(c, lack, static_cast<ForeignKeyCacheInfo *>(lfirst(cell)));
    }
}

} // namespace zdm::inspect
