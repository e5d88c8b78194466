// ADD FOREIGN KEY: what it references, and with which operators.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/syntax.hpp"

namespace zdm::inspect
{

namespace
{

// The operator with which PostgreSQL compares the referenced column: that of its index. Empty if there is none.
std::string_view equality(Case &c, Oid opclass, Oid referencing)
{
    Oid family = InvalidOid;
    Oid input = InvalidOid;

    if (!get_opclass_opfamily_and_input_type(opclass, &family, &input)) {
        return "";
    }
    Oid found = get_opfamily_member(family, input, getBaseType(referencing), BTEqualStrategyNumber);
    if (!OidIsValid(found) && can_coerce_type(1, &referencing, &input, COERCION_IMPLICIT)) {
        found = get_opfamily_member(family, input, input, BTEqualStrategyNumber);
    }
    HeapTuple tuple = OidIsValid(found) ? SearchSysCache1(OPEROID, ObjectIdGetDatum(found)) : nullptr;
    if (!HeapTupleIsValid(tuple)) {
        return "";
    }
    const auto *form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
    const std::string_view sql = c.concat(
        {"OPERATOR(", quote_identifier(get_namespace_name(form->oprnamespace)), ".", NameStr(form->oprname), ")"});
    ReleaseSysCache(tuple);
    return sql;
}

// The operator class of a column in a unique index of its table.
Oid class_of_key(Case &c, Relation partner, AttrNumber column)
{
    Oid found = InvalidOid;
    ListCell *cell = nullptr;

    foreach (cell, RelationGetIndexList(partner)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) {
            for (int i = 0; i < index->rd_index->indnkeyatts; i++) {
                if (index->rd_index->indisunique && index->rd_index->indkey.values[i] == column && !OidIsValid(found)) {
                    found = get_index_column_opclass(RelationGetRelid(index), i + 1);
                }
            }
        });
    }
    return OidIsValid(found) ? found : GetDefaultOpClass(get_atttype(RelationGetRelid(partner), column), BTREE_AM_OID);
}

// Where the two columns differ in collation, PostgreSQL compares by that of the referenced one.
std::string_view collation_clause(Relation rel, AttrNumber column, Relation partner, AttrNumber referenced)
{
    const Oid mine = TupleDescAttr(RelationGetDescr(rel), column - 1)->attcollation;
    const Oid theirs = TupleDescAttr(RelationGetDescr(partner), referenced - 1)->attcollation;

    return mine == theirs || !OidIsValid(theirs) ? "" : psprintf(" COLLATE %s", generate_collation_name(theirs));
}

// Columns of the referenced table: those named, or its primary key. False if there are none.
bool referenced_columns(Case &c, const Constraint *constraint, Relation partner, core::Part *part, List **numbers)
{
    ListCell *cell = nullptr;

    if (constraint->pk_attrs != NIL) {
        foreach (cell, constraint->pk_attrs) {
            const AttrNumber attnum = column_number(partner, strVal(lfirst(cell)));
            if (attnum <= 0) {
                return false;
            }
            *numbers = lappend_int(*numbers, attnum);
            part->partner_columns.push(quoted(c, strVal(lfirst(cell))));
        }
        return true;
    }
    const Oid key = pg::primary_key_of(partner);
    if (!OidIsValid(key)) {
        return false;
    }
    bool found = false;
    with_relation(c, key, [&](Relation index) {
        for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++) {
            const AttrNumber attnum = index->rd_index->indkey.values[i];
            *numbers = lappend_int(*numbers, attnum);
            part->partner_columns.push(quoted(c, column_name(partner, attnum)));
        }
        found = true;
    });
    return found;
}

// Whether a unique constraint covers exactly these columns.
bool is_key(Case &c, Relation partner, List *numbers)
{
    bool found = false;
    ListCell *cell = nullptr;

    foreach (cell, RelationGetIndexList(partner)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) {
            const FormData_pg_index *form = index->rd_index;
            bool all = form->indisunique && form->indimmediate && form->indisvalid &&
                       form->indnkeyatts == list_length(numbers) && RelationGetIndexPredicate(index) == NIL;
            for (int i = 0; all && i < form->indnkeyatts; i++) {
                all = list_member_int(numbers, form->indkey.values[i]);
            }
            found = found || all;
        });
    }
    return found;
}

// False if PostgreSQL will refuse the constraint before it scans.
bool match_columns(Case &c, Relation rel, Relation partner, const Constraint *constraint, core::Part *part, List **keys)
{
    List *&numbers = *keys;
    ListCell *cell = nullptr;

    if (!referenced_columns(c, constraint, partner, part, &numbers) ||
        list_length(numbers) != list_length(constraint->fk_attrs) || !is_key(c, partner, numbers)) {
        return false;
    }
    int i = 0;
    foreach (cell, constraint->fk_attrs) {
        const char *column = strVal(lfirst(cell));
        const AttrNumber attnum = column_number(rel, column);
        if (attnum <= 0) {
            return false;
        }
        const auto referenced = static_cast<AttrNumber>(list_nth_int(numbers, i));
        const std::string_view equals = equality(c, class_of_key(c, partner, referenced),
                                                 TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid);
        if (equals.empty()) {
            return false;
        }
        part->columns.push(quoted(c, column));
        part->collations.push(pg::keep(c.arena, collation_clause(rel, attnum, partner, referenced)));
        part->equals.push(equals);
        i++;
    }
    return true;
}

char *foreign_key_name(Case &c, Relation rel, const Constraint *constraint)
{
    // As ChooseForeignKeyConstraintNameAddition does.
    StringInfoData addition;
    ListCell *cell = nullptr;

    initStringInfo(&addition);
    foreach (cell, constraint->fk_attrs) {
        if (addition.len >= NAMEDATALEN) {
            break;
        }
        if (addition.len > 0) {
            appendStringInfoChar(&addition, '_');
        }
        appendStringInfoString(&addition, strVal(lfirst(cell)));
    }
    return ChooseConstraintName(RelationGetRelationName(rel), addition.data, "fkey", RelationGetNamespace(rel),
                                c.chosen);
}

} // namespace

void add_foreign_key(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part)
{
    Look partner;
    List *keys = NIL;
    bool sound = false;

    if (constraint->pktable == nullptr || !look_at(c, constraint->pktable, &partner) || (look.empty && partner.empty)) {
        return;
    }
    with_relation(c, partner.oid,
                  [&](Relation other) { sound = match_columns(c, rel, other, constraint, part, &keys); });
    if (!sound) {
        return;
    }
    name_it(c, part, constraint->conname,
            constraint->conname != nullptr ? nullptr : foreign_key_name(c, rel, constraint));
    part->form = core::Form::AddForeignKey;
    part->partner = partner.relation;
    part->match_full = constraint->fk_matchtype == FKCONSTR_MATCH_FULL;
    // A partitioned parent holds its rows in its partitions, an inheritance parent only its own count.
    part->only = partner.relkind != RELKIND_PARTITIONED_TABLE;
    part->work = core::Work::Scan;
    part->probe = may_select(look.oid) && may_select(partner.oid);
    part->hazard = true;
    part->rule = core::Rule::AddFkValidating;
    part->rewritable = true;
    part->reason = c.concat({"The same lock on ", partner.relation.name, "."});
    if (pg::has_period(constraint)) {
        // Measured on 18.6: a period covered in part only passes VALIDATE, and is refused by the plain statement.
        part->rewritable = false;
        part->reason = "VALIDATE CONSTRAINT misses rows that break a FOREIGN KEY with PERIOD.";
        part->hint = c.concat({"-- In a maintenance window:\n", reviewed(c, c.text)});
        part->hint_is_whole = true;
    } else if (look.relkind == RELKIND_PARTITIONED_TABLE) {
        part->rule = core::Rule::AddFkPartitioned;
        with_relation(c, partner.oid,
                      [&](Relation other) { partitions_to_reference(c, rel, other, constraint, keys, part); });
    }
}

} // namespace zdm::inspect
