// ALTER TABLE: what each of its commands would do.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/tokens.hpp"
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

// Locks on relations other than the altered one.
void want_partners(Case &c, Relation rel, const AlterTableCmd *cmd)
{
    const auto want_referenced = [&](const Constraint *constraint) {
        Look partner;
        if (constraint->contype == CONSTR_FOREIGN && constraint->pktable != nullptr &&
            look_at(c, constraint->pktable, &partner)) {
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
        ListCell *cell = nullptr;
        const AttrNumber column = cmd->subtype == AT_DropColumn ? get_attnum(RelationGetRelid(rel), cmd->name) : 0;
        foreach (cell, RelationGetFKeyList(rel)) {
            const auto *key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
            bool goes = false;
            if (cmd->subtype == AT_DropConstraint) {
                const char *name = get_constraint_name(key->conoid);
                goes = name != nullptr && strcmp(name, cmd->name) == 0;
            } else {
                for (int i = 0; i < key->nkeys; i++) {
                    goes = goes || key->conkey[i] == column;
                }
            }
            if (goes) {
                want(c, key->confrelid, core::Lock::AccessExclusive);
            }
        }
    } else if ((cmd->subtype == AT_AttachPartition || cmd->subtype == AT_DetachPartition) &&
               IsA(cmd->def, PartitionCmd)) {
        Look child;
        if (look_at(c, castNode(PartitionCmd, cmd->def)->name, &child)) {
            want(c, child, core::Lock::AccessExclusive, true);
            want(c, get_default_partition_oid(RelationGetRelid(rel)), core::Lock::AccessExclusive);
        }
    }
}

void inspect_command(Case &c, Relation rel, const Look &look, AlterTableCmd *cmd, core::Part *part)
{
    const auto named = [&](const char *name) { part->name = name == nullptr ? "" : quoted(c, name); };

    switch (cmd->subtype) {
    case AT_AddColumn:
        named(castNode(ColumnDef, cmd->def)->colname);
        add_column(c, rel, look, castNode(ColumnDef, cmd->def), part);
        break;
    case AT_SetNotNull:
        set_not_null(c, rel, look, cmd->name, part);
        break;
    case AT_AddConstraint:
        add_constraint(c, rel, look, castNode(Constraint, cmd->def), part);
        break;
    case AT_AlterColumnType:
        named(cmd->name);
        alter_type(c, rel, look, cmd, part);
        break;
    case AT_DropColumn:
    case AT_DropConstraint:
    case AT_DropNotNull:
        named(cmd->name);
        break;
    default:
        break;
    }
}

// A command that changes what another one builds on cannot be moved behind it.
void forbid_reordering(Case &c, core::Statement &statement)
{
    for (core::Part &part : statement.parts) {
        if (!part.hazard || !part.rewritable) {
            continue;
        }
        for (const core::Part &other : statement.parts) {
            const bool drops = !other.rewritable || !other.hazard;
            if (!drops || other.name.empty()) {
                continue;
            }
            bool clash = other.name == part.name || part.form == core::Form::AddPrimaryKey;
            for (const std::string_view column : part.columns) {
                clash = clash || column == other.name;
            }
            for (const std::string_view column : part.nullable) {
                clash = clash || column == other.name;
            }
            if (clash) {
                part.rewritable = false;
                part.reason = "It builds on another command of the same statement.";
                part.hint = "Run the commands as statements of their own, in the order in which they are written.";
            }
        }
    }
}

} // namespace

void alter_table(Case &c, const AlterTableStmt *stmt)
{
    core::Statement &statement = c.out->statement;
    Look look;

    if (!look_at(c, stmt->relation, &look) || look.hidden || look.catalog || !look.owned) {
        c.out->aside = true;
        return;
    }
    const core::Lock whole = lock_of(AlterTableGetLockLevel(stmt->cmds));
    const bool is_table = look.relkind == RELKIND_RELATION || look.relkind == RELKIND_PARTITIONED_TABLE;
    const Pieces pieces = cut(c, stmt);

    statement.relation = look.relation;
    statement.head = c.concat({"ALTER TABLE ", stmt->relation->inh ? "" : "ONLY ", look.relation.name, " "});
    want(c, look, whole, stmt->relation->inh);
    with_relation(c, look.oid, [&](Relation rel) {
        ListCell *cell = nullptr;
        std::uint32_t i = 0;
        foreach (cell, stmt->cmds) {
            auto *cmd = lfirst_node(AlterTableCmd, cell);
            core::Part part;
            part.nullable = core::List<std::string_view>(c.arena);
            part.columns = core::List<std::string_view>(c.arena);
            part.partner_columns = core::List<std::string_view>(c.arena);
            part.equals = core::List<std::string_view>(c.arena);
            part.relation = look.relation;
            part.lock = lock_of(AlterTableGetLockLevel(list_make1(cmd)));
            part.source = pieces.found ? pieces.sources[i] : "";
            part.only = !stmt->relation->inh;
            if (is_table) {
                want_partners(c, rel, cmd);
                inspect_command(c, rel, look, cmd, &part);
            }
            if (cmd->subtype == AT_DetachPartition || cmd->subtype == AT_ValidateConstraint) {
                statement.waits_long = true;
            }
            part.rewritable = part.rewritable && pieces.found;
            statement.parts.push(part);
            i++;
        }
    });
    forbid_reordering(c, statement);
    if (!core::blocks_others(whole)) {
        statement.waits_long = true;
    }
}

} // namespace zdm::inspect
