// The table as it will be once the statement's new columns are there, so that constraints over them can be looked at
// before.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/compat.hpp"

namespace zdm::inspect
{

namespace
{

// Columns that the statement adds, and PostgreSQL would not find there already.
List *new_columns(Relation rel, const AlterTableStmt *stmt)
{
    List *columns = NIL;
    ListCell *cell = nullptr;

    foreach (cell, stmt->cmds) {
        const auto *cmd = lfirst_node(AlterTableCmd, cell);
        if (cmd->subtype != AT_AddColumn) {
            continue;
        }
        auto *column = castNode(ColumnDef, cmd->def);
        if (column_number(rel, column->colname) == InvalidAttrNumber || drops_column(stmt, column->colname)) {
            columns = lappend(columns, column);
        }
    }
    return columns;
}

bool says_not_null(const ColumnDef *column)
{
    bool not_null = column->is_not_null;
    ListCell *cell = nullptr;

    foreach (cell, column->constraints) {
        not_null = not_null || lfirst_node(Constraint, cell)->contype == CONSTR_NOTNULL;
    }
    return not_null;
}

void describe(TupleDesc desc, AttrNumber attnum, const ColumnDef *column)
{
    Oid type = InvalidOid;
    int32 typmod = -1;

    for (int i = 0; i < attnum - 1; i++) {
        FormData_pg_attribute *old = TupleDescAttr(desc, i);
        // One that the same statement drops.
        old->attisdropped = old->attisdropped || strcmp(NameStr(old->attname), column->colname) == 0;
    }
    column_type(column, &type, &typmod);
    TupleDescInitEntry(desc, attnum, column->colname, type, typmod, list_length(column->typeName->arrayBounds));
    TupleDescInitEntryCollation(desc, attnum, GetColumnDefCollation(nullptr, const_cast<ColumnDef *>(column), type));
    // One that is filled in the background is to be proven first.
    TupleDescAttr(desc, attnum - 1)->attnotnull = says_not_null(column) && column->raw_default == nullptr;
}

} // namespace

bool drops_column(const AlterTableStmt *stmt, const char *column)
{
    ListCell *cell = nullptr;

    foreach (cell, stmt->cmds) {
        const auto *cmd = lfirst_node(AlterTableCmd, cell);
        if (cmd->subtype == AT_DropColumn && strcmp(cmd->name, column) == 0) {
            return true;
        }
    }
    return false;
}

AttrNumber column_number(Relation rel, const char *name)
{
    const TupleDesc desc = RelationGetDescr(rel);

    for (int i = 0; i < desc->natts; i++) {
        const FormData_pg_attribute *column = TupleDescAttr(desc, i);
        if (!column->attisdropped && strcmp(NameStr(column->attname), name) == 0) {
            return column->attnum;
        }
    }
    const FormData_pg_attribute *system = SystemAttributeByName(name);
    return system == nullptr ? InvalidAttrNumber : system->attnum;
}

void column_type(const ColumnDef *column, Oid *type, int32 *typmod)
{
    *typmod = -1;
    if (serial_type(column->typeName) != InvalidOid) {
        *type = serial_type(column->typeName);
    } else {
        typenameTypeIdAndMod(nullptr, column->typeName, type, typmod);
    }
}

Oid serial_type(const TypeName *type)
{
    // As transformColumnDefinition does: by name only, these are no types.
    static const struct {
        const char *name;
        Oid type;
    } kSerials[] = {{"smallserial", INT2OID}, {"serial2", INT2OID},   {"serial", INT4OID},
                    {"serial4", INT4OID},     {"bigserial", INT8OID}, {"serial8", INT8OID}};

    if (list_length(type->names) == 1 && !type->pct_type) {
        for (const auto &serial : kSerials) {
            if (strcmp(strVal(linitial(type->names)), serial.name) == 0) {
                return serial.type;
            }
        }
    }
    return InvalidOid;
}

void forget_future(Relation rel, Relation future)
{
    if (future != rel) {
        // What the cache would have kept for good.
        list_free(future->rd_indexlist);
    }
}

Relation future_of(Relation rel, const AlterTableStmt *stmt)
{
    List *columns = new_columns(rel, stmt);
    const int now = RelationGetNumberOfAttributes(rel);
    ListCell *cell = nullptr;

    if (columns == NIL) {
        return rel;
    }
    const TupleDesc desc = pg::with_room(RelationGetDescr(rel), list_length(columns));
    foreach (cell, columns) {
        describe(desc, static_cast<AttrNumber>(now + foreach_current_index(cell) + 1), lfirst_node(ColumnDef, cell));
    }
    pg::settle(desc, now);
    auto *future = static_cast<Relation>(palloc(sizeof(RelationData)));
    *future = *rel;
    future->rd_att = desc;
    // Lists of the cache that it may free meanwhile.
    future->rd_indexvalid = false;
    future->rd_indexlist = NIL;
    future->rd_fkeyvalid = false;
    future->rd_fkeylist = NIL;
    return future;
}

} // namespace zdm::inspect
