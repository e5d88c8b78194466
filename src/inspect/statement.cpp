#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

bool may_concern(const Node *utility)
{
    switch (nodeTag(utility)) {
    case T_AlterTableStmt:
    case T_IndexStmt:
    case T_DropStmt:
    case T_ReindexStmt:
    case T_ClusterStmt:
    case T_VacuumStmt:
    case T_RenameStmt:
    case T_TruncateStmt:
    case T_CreateTrigStmt:
    case T_RuleStmt:
    case T_CreatePolicyStmt:
    case T_AlterPolicyStmt:
    case T_LockStmt:
    case T_RefreshMatViewStmt:
    case T_AlterObjectSchemaStmt:
    case T_ViewStmt:
    case T_AlterSeqStmt:
    case T_CreateStmt:
    case T_AlterTableMoveAllStmt:
    case T_AlterDomainStmt:
    case T_DropOwnedStmt:
        return true;
    default:
        return false;
    }
}

Finding facts(core::Arena arena, const Node *utility, std::string_view text, int location, bool wait)
{
    Finding finding;
    Case c{arena, text, location, wait, &finding};

    finding.statement.text = text;
    finding.statement.tag = CreateCommandName(const_cast<Node *>(utility));
    finding.statement.targets = core::List<core::Target>(arena);
    finding.statement.parts = core::List<core::Part>(arena);

    switch (nodeTag(utility)) {
    case T_AlterTableStmt:
        alter_table(c, castNode(AlterTableStmt, utility));
        break;
    case T_IndexStmt:
        create_index(c, castNode(IndexStmt, utility));
        break;
    case T_DropStmt:
        if (castNode(DropStmt, utility)->removeType == OBJECT_INDEX) {
            drop_index(c, castNode(DropStmt, utility));
        } else {
            drop(c, castNode(DropStmt, utility));
        }
        break;
    case T_ReindexStmt:
        reindex(c, castNode(ReindexStmt, utility));
        break;
    case T_ClusterStmt:
        cluster(c, castNode(ClusterStmt, utility));
        break;
    case T_VacuumStmt:
        vacuum(c, castNode(VacuumStmt, utility));
        break;
    case T_RenameStmt:
        rename(c, castNode(RenameStmt, utility));
        break;
    default:
        other(c, utility);
        break;
    }
    return finding;
}

std::string_view source_of(core::Arena arena, const PlannedStmt *planned, const char *query, int *location)
{
    int where = planned->stmt_location;
    int length = planned->stmt_len;

    if (query == nullptr) {
        *location = 0;
        return "";
    }
    // Skips blanks around the statement, as pg_stat_statements does.
    const char *start = CleanQuerytext(query, &where, &length);
    *location = where;
    return pg::keep(arena, std::string_view(start, static_cast<std::size_t>(length)));
}

} // namespace zdm::inspect
