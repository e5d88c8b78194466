// ALTER TABLE: what each of its commands would do.
#include "pg/postgres.hpp"

#include "inspect/dependents.hpp"
#include "inspect/forms.hpp"
#include "inspect/notes.hpp"
#include "inspect/tokens.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

struct Pieces {
    core::List<std::string_view> sources; // one for each command
    bool found = false;
};

// Cuts "ALTER TABLE [IF EXISTS] [ONLY] name [*] one, two" into its commands.
Pieces cut(Case &c, const AlterTableStmt *stmt)
{
    Pieces pieces;
    if (stmt->relation->location < 0) {
        return pieces;
    }
    const core::List<Token> tokens = tokenize(c.arena, c.text);
    const int relation = token_at(tokens, stmt->relation->location - c.location);
    if (relation < 0) {
        return pieces;
    }
    const int first = after_name(tokens, relation);
    pieces.sources = split(c.arena, c.text, tokens, first);
    pieces.found = static_cast<int>(pieces.sources.count) == list_length(stmt->cmds);
    return pieces;
}

// These concern the parent, the partition and the default partition; the others are not even looked at.
bool is_about_partition(const AlterTableStmt *stmt)
{
    const auto type = linitial_node(AlterTableCmd, stmt->cmds)->subtype;

    return type == AT_AttachPartition || type == AT_DetachPartition || type == AT_DetachPartitionFinalize;
}

bool is_concurrent_detach(const AlterTableCmd *cmd)
{
    return cmd->subtype == AT_DetachPartition && castNode(PartitionCmd, cmd->def)->concurrent;
}

// A column and, in the children, what of it is only inherited and goes with it.
void add_columns(core::List<ObjectAddress> &dropped, Relation rel, const char *column, bool inherit)
{
    const Oid table = RelationGetRelid(rel);
    const AttrNumber number = get_attnum(table, column);
    ListCell *cell = nullptr;

    if (number <= 0) {
        return;
    }
    dropped.push({RelationRelationId, table, number});
    foreach (cell, inherit && rel->rd_rel->relhassubclass ? find_all_inheritors(table, NoLock, nullptr) : NIL) {
        HeapTuple tuple = lfirst_oid(cell) == table ? nullptr : SearchSysCacheAttName(lfirst_oid(cell), column);
        if (!HeapTupleIsValid(tuple)) {
            continue;
        }
        const auto *attr = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
        if (attr->attinhcount == 1 && !attr->attislocal) {
            dropped.push({RelationRelationId, attr->attrelid, attr->attnum});
        }
        ReleaseSysCache(tuple);
    }
}

// Locks on relations other than the altered one.
void want_partners(Case &c, Relation rel, const AlterTableCmd *cmd, bool inherit)
{
    const auto want_referenced = [&](const Constraint *constraint) {
        Look partner;
        if (constraint->contype == CONSTR_FOREIGN && constraint->pktable != nullptr &&
            look_at(c, constraint->pktable, &partner) && !partner.hidden) {
            want(c, partner, core::Lock::ShareRowExclusive, true);
        }
    };

    if (cmd->subtype == AT_AddConstraint) {
        want_referenced(castNode(Constraint, cmd->def));
    } else if (cmd->subtype == AT_AddColumn) {
        ListCell *cell = nullptr;
        foreach (cell, castNode(ColumnDef, cmd->def)->constraints) {
            want_referenced(lfirst_node(Constraint, cell));
        }
    } else if (cmd->subtype == AT_DropConstraint || cmd->subtype == AT_DropColumn) {
        core::List<ObjectAddress> dropped(c.arena);
        const Oid table = RelationGetRelid(rel);
        const bool column = cmd->subtype == AT_DropColumn;
        const Oid constraint = column ? InvalidOid : get_relation_constraint_oid(table, cmd->name, true);
        if (OidIsValid(constraint)) {
            dropped.push({ConstraintRelationId, constraint, 0});
        } else if (column) {
            add_columns(dropped, rel, cmd->name, inherit);
        }
        want_dropped(c, dropped, cmd->behavior == DROP_CASCADE);
    } else if (cmd->subtype == AT_AlterColumnType) {
        want_keys_over(c, rel, cmd->name);
    } else if ((cmd->subtype == AT_AttachPartition || cmd->subtype == AT_DetachPartition) &&
               !is_concurrent_detach(cmd)) {
        Look child;
        if (look_at(c, castNode(PartitionCmd, cmd->def)->name, &child)) {
            if (!child.hidden) {
                want(c, child, core::Lock::AccessExclusive, true);
            }
            want(c, get_default_partition_oid(RelationGetRelid(rel)), core::Lock::AccessExclusive);
        }
    }
}

// Names in a CHECK's expression that may be columns.
bool collect_columns(Node *node, void *context)
{
    if (node == nullptr) {
        return false;
    }
    if (IsA(node, ColumnRef)) {
        auto **names = static_cast<List **>(context);
        const auto *last = static_cast<Node *>(llast(castNode(ColumnRef, node)->fields));
        if (IsA(last, String)) {
            *names = lappend(*names, makeString(pstrdup(strVal(const_cast<Node *>(last)))));
        }
    }
    return pg::walk_raw(node, collect_columns, context);
}

List *mentioned_columns(const AlterTableCmd *cmd)
{
    if (cmd->subtype != AT_AddConstraint) {
        return cmd->subtype == AT_SetNotNull ? list_make1(makeString(cmd->name)) : NIL;
    }
    const auto *constraint = castNode(Constraint, cmd->def);
    List *names = NIL;
    collect_columns(constraint->raw_expr, &names);
    names = list_concat(names, constraint->keys);
    names = list_concat(names, constraint->including);
    return list_concat(names, constraint->fk_attrs);
}

// Whether `cmd` sees what `other`, of the same statement, has done: PostgreSQL runs drops first, then changes of
// type, then new columns, then constraints.
bool builds_on(const AlterTableCmd *cmd, const AlterTableCmd *other)
{
    const char *changed = nullptr;
    ListCell *cell = nullptr;

    switch (other->subtype) {
    case AT_AlterColumnType:
    case AT_DropColumn:
    case AT_DropNotNull:
        changed = other->name;
        break;
    case AT_DropConstraint: {
        const auto *mine = cmd->subtype == AT_AddConstraint ? castNode(Constraint, cmd->def) : nullptr;
        return mine != nullptr && mine->indexname == nullptr &&
               (mine->contype == CONSTR_PRIMARY ||
                (mine->conname != nullptr && strcmp(mine->conname, other->name) == 0));
    }
    default:
        return false;
    }
    if (cmd->subtype == AT_AddColumn) {
        return other->subtype == AT_DropColumn && strcmp(castNode(ColumnDef, cmd->def)->colname, changed) == 0;
    }
    foreach (cell, mentioned_columns(cmd)) {
        if (strcmp(strVal(lfirst(cell)), changed) == 0) {
            return true;
        }
    }
    return false;
}

// The commands as statements, in the order in which PostgreSQL runs them.
std::string_view one_by_one(Case &c, const AlterTableStmt *stmt, const Pieces &pieces)
{
    core::Text sql(c.arena);

    for (int pass = 0; pass < 5 && pieces.found; pass++) {
        ListCell *cell = nullptr;
        std::uint32_t i = 0;
        foreach (cell, stmt->cmds) {
            const auto type = lfirst_node(AlterTableCmd, cell)->subtype;
            const bool drop = type == AT_DropColumn || type == AT_DropConstraint || type == AT_DropNotNull;
            const int mine = drop                                                ? 0
                             : type == AT_AlterColumnType                        ? 1
                             : type == AT_AddConstraint || type == AT_SetNotNull ? 3
                             : type == AT_ValidateConstraint                     ? 4
                                                                                 : 2;
            if (mine == pass) {
                sql << (sql.empty() ? "" : "\n") << c.out->statement.head << pieces.sources[i] << ";";
            }
            i++;
        }
    }
    return sql.str();
}

// A constraint that builds on what the same statement changes cannot be looked at beforehand, nor be moved behind it.
bool refuse_entangled(Case &c, const Look &look, const AlterTableStmt *stmt, const AlterTableCmd *cmd,
                      const Pieces &pieces, core::Part *part)
{
    ListCell *cell = nullptr;
    bool entangled = false;

    foreach (cell, stmt->cmds) {
        entangled = entangled || builds_on(cmd, lfirst_node(AlterTableCmd, cell));
    }
    if (!entangled || look.empty || cmd->subtype == AT_AddColumn) {
        return entangled && cmd->subtype != AT_AddColumn;
    }
    part->rule = core::Rule::SetNotNullScan;
    if (cmd->subtype == AT_AddConstraint) {
        const auto *constraint = castNode(Constraint, cmd->def);
        if (constraint->skip_validation) {
            return true;
        }
        part->rule = constraint->contype == CONSTR_CHECK     ? core::Rule::AddCheckValidating
                     : constraint->contype == CONSTR_FOREIGN ? core::Rule::AddFkValidating
                     : constraint->contype == CONSTR_UNIQUE  ? core::Rule::AddUniqueBlocking
                     : constraint->contype == CONSTR_PRIMARY ? core::Rule::AddPkBlocking
                     : constraint->contype == CONSTR_NOTNULL ? core::Rule::SetNotNullScan
                                                             : core::Rule::AddExcludeBlocking;
    }
    part->hazard = true;
    part->work = core::row(part->rule).work;
    part->reason = "It builds on another command of the same statement.";
    part->hint = one_by_one(c, stmt, pieces);
    part->hint_is_whole = true;
    return true;
}

// Beside a command that needs a stronger lock, the scan of VALIDATE CONSTRAINT runs under that lock.
void validate(Case &c, Relation rel, const Look &look, const AlterTableStmt *stmt, const AlterTableCmd *cmd,
              const Pieces &pieces, core::Part *part)
{
    const Oid constraint = get_relation_constraint_oid(RelationGetRelid(rel), cmd->name, true);
    HeapTuple tuple = OidIsValid(constraint) ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint)) : nullptr;
    bool validated = false;
    part->rule = core::Rule::AddCheckValidating;

    if (HeapTupleIsValid(tuple)) {
        const auto *form = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple));
        validated = form->convalidated;
        part->rule = form->contype == CONSTRAINT_FOREIGN ? core::Rule::AddFkValidating : part->rule;
        ReleaseSysCache(tuple);
    }
    const core::Lock whole = lock_of(AlterTableGetLockLevel(stmt->cmds));
    if (validated || look.empty) {
        return;
    }
    part->work = core::Work::Scan;
    part->form = HeapTupleIsValid(tuple) ? core::Form::Validate : part->form;
    part->name = quoted(c, cmd->name);
    if (!core::blocks_others(whole)) {
        return;
    }
    part->hazard = true;
    part->lock = whole;
    part->reason = "VALIDATE CONSTRAINT scans under the lock of the commands beside it.";
    part->hint = one_by_one(c, stmt, pieces);
    part->hint_is_whole = true;
}

// Whether a command is about a column that the same statement adds.
bool is_after_add(Relation rel, Relation future, const AlterTableCmd *cmd)
{
    ListCell *cell = nullptr;

    foreach (cell, mentioned_columns(cmd)) {
        if (column_number(future, strVal(lfirst(cell))) > RelationGetNumberOfAttributes(rel)) {
            return true;
        }
    }
    return false;
}

core::Part blank_part(Case &c, const Look &look, const AlterTableStmt *stmt, AlterTableCmd *cmd)
{
    core::Part part;

    part.nullable = core::List<std::string_view>(c.arena);
    part.columns = core::List<std::string_view>(c.arena);
    part.partner_columns = core::List<std::string_view>(c.arena);
    part.equals = core::List<std::string_view>(c.arena);
    part.collations = core::List<std::string_view>(c.arena);
    part.undo_not_null = core::List<std::string_view>(c.arena);
    part.key_names = core::List<std::string_view>(c.arena);
    part.relation = look.relation;
    part.lock = lock_of(AlterTableGetLockLevel(list_make1(cmd)));
    part.only = !stmt->relation->inh;
    part.below = look.has_children && stmt->relation->inh;
    return part;
}

void inspect_command(Case &c, Relation rel, Relation future, const Look &look, const AlterTableStmt *stmt,
                     AlterTableCmd *cmd, const Pieces &pieces, core::Part *part, core::List<core::Part> *further)
{
    if (cmd->subtype == AT_AddConstraint && redefine_key(c, future, look, stmt, castNode(Constraint, cmd->def), part)) {
        return;
    }
    if (refuse_entangled(c, look, stmt, cmd, pieces, part)) {
        return;
    }
    part->after_add = future != rel && is_after_add(rel, future, cmd);
    switch (cmd->subtype) {
    case AT_AddColumn: {
        const auto *column = castNode(ColumnDef, cmd->def);
        add_column(c, {stmt, look, future, drops_column(stmt, column->colname)}, column, part, further);
        if (drops_column(stmt, column->colname)) {
            part->hint = one_by_one(c, stmt, pieces);
            part->hint_is_whole = true;
        }
        break;
    }
    case AT_SetNotNull:
        set_not_null(c, future, look, cmd->name, part);
        break;
    case AT_AddConstraint:
        add_constraint(c, future, look, castNode(Constraint, cmd->def), part);
        break;
    case AT_AlterColumnType:
        part->name = quoted(c, cmd->name);
        alter_type(c, rel, look, cmd, part);
        break;
    case AT_AttachPartition:
        attach_partition(c, rel, castNode(PartitionCmd, cmd->def), part);
        break;
    case AT_DetachPartition:
        detach_partition(c, rel, castNode(PartitionCmd, cmd->def), part);
        break;
    case AT_ValidateConstraint:
        validate(c, rel, look, stmt, cmd, pieces, part);
        break;
    default:
        break;
    }
}

} // namespace

void alter_table(Case &c, const AlterTableStmt *stmt)
{
    core::Statement &statement = c.out->statement;
    Look look;

    const bool deep = !is_about_partition(stmt) && size_matters(stmt);

    if (!look_at(c, stmt->relation, &look, deep) || look.catalog || !look.owned) {
        c.out->aside = true;
        return;
    }
    if (look.hidden) {
        // Nobody else can want it, but a foreign key locks the other side too.
        with_relation(c, look.oid, [&](Relation rel) {
            ListCell *cell = nullptr;
            foreach (cell, stmt->cmds) {
                want_partners(c, rel, lfirst_node(AlterTableCmd, cell), stmt->relation->inh);
            }
        });
        statement.relation = look.relation;
        c.out->aside = statement.targets.empty();
        return;
    }
    const core::Lock whole = lock_of(AlterTableGetLockLevel(stmt->cmds));
    const bool is_table = look.relkind == RELKIND_RELATION || look.relkind == RELKIND_PARTITIONED_TABLE;
    const Pieces pieces = cut(c, stmt);

    statement.relation = look.relation;
    statement.head = c.concat({"ALTER TABLE ", stmt->relation->inh ? "" : "ONLY ", look.relation.name, " "});
    want(c, look, whole, false);
    with_relation(c, look.oid, [&](Relation rel) {
        want(c, look, whole, deep && reaches_children(rel, stmt));
        if (builds_in_partitions(rel, stmt)) {
            want(c, look, core::Lock::Share, true);
        }
        const Relation future = is_table ? future_of(rel, stmt) : rel;
        ListCell *cell = nullptr;
        std::uint32_t i = 0;
        foreach (cell, stmt->cmds) {
            auto *cmd = lfirst_node(AlterTableCmd, cell);
            core::Part part = blank_part(c, look, stmt, cmd);
            core::List<core::Part> further(c.arena);
            part.source = pieces.found ? pieces.sources[i] : "";
            if (look.relkind == RELKIND_PARTITIONED_INDEX && cmd->subtype == AT_AttachPartition) {
                Look child;
                if (look_at(c, castNode(PartitionCmd, cmd->def)->name, &child)) {
                    want(c, child, core::Lock::AccessExclusive, false);
                }
            }
            if (is_table) {
                want_partners(c, rel, cmd, stmt->relation->inh);
                inspect_command(c, rel, future, look, stmt, cmd, pieces, &part, &further);
                note_command(c, rel, look, stmt, cmd, pieces.found ? pieces.sources[i] : "", part.hazard);
            }
            if (!part.hazard) {
                keep_elsewhere(c, rel, look, stmt, cmd, &part);
            }
            statement.waits_long = statement.waits_long || is_concurrent_detach(cmd);
            statement.commits = statement.commits || is_concurrent_detach(cmd);
            part.rewritable = part.rewritable && pieces.found;
            statement.parts.push(part);
            for (core::Part &other : further) {
                other.rewritable = other.rewritable && pieces.found;
                statement.parts.push(other);
            }
            i++;
        }
        forget_future(rel, future);
    });
    if (!core::blocks_others(whole)) {
        statement.waits_long = true;
    }
}

} // namespace zdm::inspect
