// House style of tables as a whole: their keys, their constraints, their indexes.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/notes.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

bool is_key_column(const CreateStmt *stmt, const ColumnDef *column)
{
    ListCell *cell = nullptr;
    ListCell *key = nullptr;

    foreach (cell, stmt->tableElts) {
        if (!IsA(lfirst(cell), Constraint) || lfirst_node(Constraint, cell)->contype != CONSTR_PRIMARY) {
            continue;
        }
        foreach (key, lfirst_node(Constraint, cell)->keys) {
            if (strcmp(strVal(lfirst(key)), column->colname) == 0) {
                return true;
            }
        }
    }
    return false;
}

bool has_primary_key(const CreateStmt *stmt)
{
    ListCell *cell = nullptr;
    ListCell *inner = nullptr;

    foreach (cell, stmt->tableElts) {
        const auto *element = static_cast<Node *>(lfirst(cell));
        if (IsA(element, Constraint) && castNode(Constraint, element)->contype == CONSTR_PRIMARY) {
            return true;
        }
        if (IsA(element, TableLikeClause) &&
            (castNode(TableLikeClause, element)->options & CREATE_TABLE_LIKE_INDEXES) != 0) {
            return true; // maybe
        }
        if (IsA(element, ColumnDef)) {
            foreach (inner, castNode(ColumnDef, element)->constraints) {
                if (lfirst_node(Constraint, inner)->contype == CONSTR_PRIMARY) {
                    return true;
                }
            }
        }
    }
    return false;
}

// Kinds whose name PostgreSQL makes up where the user gives none.
bool wants_name(const Constraint *constraint)
{
    switch (constraint->contype) {
    case CONSTR_CHECK:
    case CONSTR_PRIMARY:
    case CONSTR_UNIQUE:
    case CONSTR_EXCLUSION:
    case CONSTR_FOREIGN:
        return constraint->conname == nullptr && constraint->indexname == nullptr;
    default:
        return false;
    }
}

void unnamed(Case &c, const core::Relation *relation, const Constraint *constraint)
{
    if (c.asks(core::Rule::UnnamedConstraint) && wants_name(constraint)) {
        note(c, core::Rule::UnnamedConstraint, relation, "", "");
    }
}

// The column of a foreign key of one column.
const ColumnDef *only_column(const CreateStmt *stmt, const Constraint *constraint)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->tableElts) {
        if (list_length(constraint->fk_attrs) == 1 && IsA(lfirst(cell), ColumnDef) &&
            strcmp(lfirst_node(ColumnDef, cell)->colname, strVal(linitial(constraint->fk_attrs))) == 0) {
            return lfirst_node(ColumnDef, cell);
        }
    }
    return nullptr;
}

void references(Case &c, const Constraint *constraint, const ColumnDef *column)
{
    Look look;

    if (constraint->contype != CONSTR_FOREIGN || constraint->pktable == nullptr) {
        return;
    }
    if (c.asks(core::Rule::CreateTableFk) && look_at(c, constraint->pktable, &look) && !look.hidden) {
        note(c, core::Rule::CreateTableFk, nullptr, c.concat({look.relation.name, "."}), "");
    }
    if (column != nullptr) {
        style_foreign_key(c, nullptr, nullptr, constraint, column);
    }
}

} // namespace

void style_table(Case &c, const CreateStmt *stmt)
{
    ListCell *cell = nullptr;
    ListCell *inner = nullptr;

    if (stmt->relation->relpersistence == RELPERSISTENCE_TEMP ||
        OidIsValid(RangeVarGetRelid(stmt->relation, NoLock, true))) {
        return;
    }
    foreach (cell, stmt->tableElts) {
        const auto *element = static_cast<Node *>(lfirst(cell));
        if (IsA(element, ColumnDef)) {
            const auto *column = castNode(ColumnDef, element);
            style_column(c, nullptr, column, is_key_column(stmt, column));
            foreach (inner, column->constraints) {
                unnamed(c, nullptr, lfirst_node(Constraint, inner));
                references(c, lfirst_node(Constraint, inner), column);
            }
        } else if (IsA(element, Constraint)) {
            unnamed(c, nullptr, castNode(Constraint, element));
            references(c, castNode(Constraint, element), only_column(stmt, castNode(Constraint, element)));
        }
    }
    if (c.asks(core::Rule::TableWithoutPk) && stmt->inhRelations == NIL && stmt->ofTypename == nullptr &&
        !has_primary_key(stmt)) {
        note(c, core::Rule::TableWithoutPk, nullptr,
             c.concat({quote_qualified_identifier(stmt->relation->schemaname, stmt->relation->relname), "."}), "");
    }
}

void style_constraint(Case &c, Relation rel, const Look &look, const Constraint *constraint)
{
    unnamed(c, &look.relation, constraint);
    if (constraint->skip_validation && c.asks(core::Rule::NotValidForgotten)) {
        note(c, core::Rule::NotValidForgotten, &look.relation, "",
             constraint->conname == nullptr ? ""
                                            : c.concat({"ALTER TABLE ", look.relation.name, " VALIDATE CONSTRAINT ",
                                                        quoted(c, constraint->conname), ";"}));
    }
}

namespace
{

// Integers by size; 0 for anything else.
int integer_size(Oid type) { return type == INT2OID ? 2 : type == INT4OID ? 4 : type == INT8OID ? 8 : 0; }

void compare_types(Case &c, const core::Relation *relation, const char *column, Oid referencing, Oid referenced)
{
    if (!OidIsValid(referencing) || !OidIsValid(referenced)) {
        return; // no such column
    }
    const int mine = integer_size(getBaseType(referencing));
    const int theirs = integer_size(getBaseType(referenced));

    // A larger integer holds every value of a smaller one; other types should be the same.
    if (getBaseType(referencing) == getBaseType(referenced) || (mine != 0 && theirs != 0 && mine > theirs)) {
        return;
    }
    note(c, core::Rule::FkTypeMismatch, relation,
         c.concat({"Column ", quoted(c, column), " is ", format_type_be(referencing), ", the referenced one is ",
                   format_type_be(referenced), "."}),
         "");
}

// The referenced columns: those named, or the primary key.
List *referenced_numbers(Case &c, Relation partner, const Constraint *constraint)
{
    List *numbers = NIL;
    ListCell *cell = nullptr;

    foreach (cell, constraint->pk_attrs) {
        numbers = lappend_int(numbers, get_attnum(RelationGetRelid(partner), strVal(lfirst(cell))));
    }
    const Oid key = numbers == NIL ? pg::primary_key_of(partner) : InvalidOid;
    if (OidIsValid(key)) {
        with_relation(c, key, [&](Relation index) {
            for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++) {
                numbers = lappend_int(numbers, index->rd_index->indkey.values[i]);
            }
        });
    }
    return numbers;
}

void missing_index(Case &c, const core::Relation *relation, Relation rel, const List *columns)
{
    ListCell *cell = nullptr;
    ListCell *inner = nullptr;
    bool found = false;
    core::Text names(c.arena);

    foreach (inner, columns) {
        names << (names.empty() ? "" : ", ") << quote_identifier(strVal(lfirst(inner)));
    }
    foreach (cell, RelationGetIndexList(rel)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) {
            const FormData_pg_index *form = index->rd_index;
            bool all = form->indisvalid && form->indnkeyatts >= list_length(columns) &&
                       RelationGetIndexPredicate(index) == NIL;
            foreach (inner, columns) {
                const AttrNumber number = get_attnum(RelationGetRelid(rel), strVal(lfirst(inner)));
                bool here = false;
                for (int i = 0; all && i < list_length(columns); i++) {
                    here = here || form->indkey.values[i] == number;
                }
                all = all && here;
            }
            found = found || all;
        });
    }
    if (!found) {
        note(c, core::Rule::FkMissingIndex, relation, c.concat({"Columns ", names.str(), "."}),
             c.concat({"CREATE INDEX CONCURRENTLY ON ", relation->name, " (", names.str(), ");"}));
    }
}

} // namespace

void style_foreign_key(Case &c, const core::Relation *relation, Relation rel, const Constraint *constraint,
                       const ColumnDef *fresh)
{
    Look partner;

    if (constraint->pktable == nullptr || !look_at(c, constraint->pktable, &partner)) {
        return;
    }
    if (c.asks(core::Rule::FkTypeMismatch)) {
        with_relation(c, partner.oid, [&](Relation other) {
            const List *numbers = referenced_numbers(c, other, constraint);
            const int count = fresh != nullptr ? 1 : list_length(constraint->fk_attrs);
            for (int i = 0; i < count && i < list_length(numbers); i++) {
                const char *column = fresh != nullptr ? fresh->colname : strVal(list_nth(constraint->fk_attrs, i));
                compare_types(c, relation, column,
                              fresh != nullptr
                                  ? LookupTypeNameOid(nullptr, fresh->typeName, true)
                                  : get_atttype(RelationGetRelid(rel), get_attnum(RelationGetRelid(rel), column)),
                              get_atttype(partner.oid, static_cast<AttrNumber>(list_nth_int(numbers, i))));
            }
        });
    }
    if (c.asks(core::Rule::FkMissingIndex) && rel != nullptr) {
        missing_index(c, relation, rel,
                      fresh != nullptr ? list_make1(makeString(fresh->colname)) : constraint->fk_attrs);
    }
}

namespace
{

// A key of an index: by what, in which order, and how compared.
struct IndexKey {
    AttrNumber column; // 0: the expression
    Node *expression;
    Oid opclass;
    Oid collation;
    int option;
};

struct Shape {
    core::List<IndexKey> keys;
    core::List<IndexKey> included;
    List *predicate = NIL;
    Oid method = InvalidOid;
    bool unique = false;
};

Shape shape_of(Case &c, Relation index)
{
    Shape shape{core::List<IndexKey>(c.arena), core::List<IndexKey>(c.arena), RelationGetIndexPredicate(index),
                index->rd_rel->relam, index->rd_index->indisunique};
    List *expressions = RelationGetIndexExpressions(index);
    int next = 0;

    for (int i = 0; i < index->rd_index->indnatts; i++) {
        const AttrNumber column = index->rd_index->indkey.values[i];
        const bool key = i < index->rd_index->indnkeyatts;
        IndexKey one{column, column == 0 ? static_cast<Node *>(list_nth(expressions, next++)) : nullptr, InvalidOid,
                     InvalidOid, 0};
        if (key) {
            one.opclass = get_index_column_opclass(RelationGetRelid(index), i + 1);
            one.collation = index->rd_indcollation[i];
            one.option = index->rd_indoption[i];
        }
        (key ? shape.keys : shape.included).push(one);
    }
    return shape;
}

// The statement's, once analyzed. False if PostgreSQL will refuse it.
bool shape_of(Case &c, Relation rel, const IndexStmt *stmt, Shape *shape)
{
    ListCell *cell = nullptr;

    *shape = {core::List<IndexKey>(c.arena), core::List<IndexKey>(c.arena), NIL,
              get_index_am_oid(stmt->accessMethod, true), stmt->unique};
    foreach (cell, stmt->indexParams) {
        const auto *element = lfirst_node(IndexElem, cell);
        const AttrNumber column =
            element->name == nullptr ? InvalidAttrNumber : get_attnum(RelationGetRelid(rel), element->name);
        if (element->name != nullptr && column == InvalidAttrNumber) {
            return false;
        }
        const Oid type = column != 0 ? get_atttype(RelationGetRelid(rel), column) : exprType(element->expr);
        Oid collation = column > 0   ? TupleDescAttr(RelationGetDescr(rel), column - 1)->attcollation
                        : column < 0 ? InvalidOid
                                     : exprCollation(element->expr);
        if (element->collation != NIL) {
            collation = get_collation_oid(element->collation, true);
        }
        const bool desc = element->ordering == SORTBY_DESC;
        const bool nulls_first =
            element->nulls_ordering == SORTBY_NULLS_FIRST || (desc && element->nulls_ordering == SORTBY_NULLS_DEFAULT);
        const Oid opclass = element->opclass == NIL ? GetDefaultOpClass(type, shape->method)
                                                    : get_opclass_oid(shape->method, element->opclass, true);
        shape->keys.push({column, element->expr, opclass, collation,
                          (desc ? INDOPTION_DESC : 0) | (nulls_first ? INDOPTION_NULLS_FIRST : 0)});
    }
    foreach (cell, stmt->indexIncludingParams) {
        const auto *element = lfirst_node(IndexElem, cell);
        shape->included.push({get_attnum(RelationGetRelid(rel), element->name), nullptr, InvalidOid, InvalidOid, 0});
    }
    if (stmt->whereClause != nullptr) {
        Node *predicate = eval_const_expressions(nullptr, stmt->whereClause);
        shape->predicate = make_ands_implicit(canonicalize_qual(reinterpret_cast<Expr *>(predicate), false));
    }
    return OidIsValid(shape->method);
}

bool same(const IndexKey &one, const IndexKey &other)
{
    return one.column == other.column && one.opclass == other.opclass && one.collation == other.collation &&
           one.option == other.option && equal(one.expression, other.expression);
}

// Whether `whole` begins with all keys of `start`, over the same rows.
bool begins_with(const Shape &whole, const Shape &start)
{
    if (whole.method != start.method || start.keys.count > whole.keys.count ||
        !equal(whole.predicate, start.predicate)) {
        return false;
    }
    for (std::uint32_t i = 0; i < start.keys.count; i++) {
        if (!same(whole.keys[i], start.keys[i])) {
            return false;
        }
    }
    return true;
}

bool same_included(const Shape &one, const Shape &other)
{
    bool all = one.included.count == other.included.count;
    for (std::uint32_t i = 0; all && i < one.included.count; i++) {
        all = one.included[i].column == other.included[i].column;
    }
    return all;
}

void compare_indexes(Case &c, Relation rel, const Look &look, const Shape &fresh)
{
    ListCell *cell = nullptr;

    foreach (cell, RelationGetIndexList(rel)) {
        with_relation(c, lfirst_oid(cell), [&](Relation index) {
            const Shape there = shape_of(c, index);
            const std::string_view name = qualified(c, RelationGetRelid(index));
            const bool equal_keys = begins_with(there, fresh) && there.keys.count == fresh.keys.count;
            if (!index->rd_index->indisvalid) {
                return;
            }
            if (equal_keys && same_included(there, fresh) && there.unique == fresh.unique) {
                if (c.asks(core::Rule::DuplicateIndex)) {
                    note(c, core::Rule::DuplicateIndex, &look.relation, c.concat({name, "."}), "");
                }
            } else if (c.asks(core::Rule::RedundantIndex) && fresh.method == BTREE_AM_OID &&
                       ((!fresh.unique && fresh.included.empty() && begins_with(there, fresh)) ||
                        (!there.unique && there.included.empty() && begins_with(fresh, there)))) {
                note(c, core::Rule::RedundantIndex, &look.relation, c.concat({name, "."}), "");
            }
        });
    }
}

} // namespace

void style_index(Case &c, const IndexStmt *stmt)
{
    Look look;

    if (c.out->aside || !look_at(c, stmt->relation, &look) || look.hidden) {
        return;
    }
    if (c.asks(core::Rule::WideIndex) && !stmt->unique && list_length(stmt->indexParams) > 3) {
        note(c, core::Rule::WideIndex, &look.relation, "", "");
    }
    if (!c.asks(core::Rule::DuplicateIndex) && !c.asks(core::Rule::RedundantIndex)) {
        return;
    }
    for (const core::Part &part : c.out->statement.parts) {
        if (OidIsValid(get_relname_relid(pg::cstring(part.label), look.schema))) {
            return; // it exists
        }
    }
    with_relation(c, look.oid, [&](Relation rel) {
        Shape fresh;
        if (shape_of(c, rel, transformIndexStmt(look.oid, copy_node(stmt), c.query), &fresh)) {
            compare_indexes(c, rel, look, fresh);
        }
    });
}

} // namespace zdm::inspect
