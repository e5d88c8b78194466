#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "pg/memory.hpp"
#include "pg/syntax.hpp"

namespace zdm::inspect
{

bool may_concern(const Node *utility)
{
    switch (nodeTag(utility)) {
    case T_AlterTableStmt:
    case T_IndexStmt:
    case T_DropStmt:
    case T_ReindexStmt:
    case pg::kCluster:
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
    case T_DropdbStmt:
    case T_CreateTableAsStmt:
    case T_AlterEnumStmt:
    case T_CreateEnumStmt:
    case T_CreateDomainStmt:
    case T_CreatePublicationStmt:
    case T_AlterPublicationStmt:
    case T_CreateExtensionStmt:
    case T_AlterExtensionStmt:
    case T_GrantStmt:
    case T_CreateSchemaStmt:
    case T_CreateSeqStmt:
    case T_CreateFunctionStmt:
    case T_CompositeTypeStmt:
    case T_CreateForeignTableStmt:
        return true;
    default:
        return false;
    }
}

bool concerns(const core::Settings &settings, const Node *utility)
{
    const auto asks = [&](core::Rule rule) { return core::action_of(settings, rule) != core::Action::Allow; };

    switch (nodeTag(utility)) {
    case T_CreateEnumStmt:
        return asks(core::Rule::CreateEnum) || asks(core::Rule::IdentifierTooLong);
    case T_CreateDomainStmt:
        return asks(core::Rule::BanCreateDomain) || asks(core::Rule::CreateDomainWithConstraint) ||
               asks(core::Rule::IdentifierTooLong);
    case T_CreateExtensionStmt:
        return asks(core::Rule::CreateExtension);
    case T_AlterExtensionStmt:
        return asks(core::Rule::AlterExtension);
    case T_GrantStmt:
        return asks(core::Rule::Revoke) && !castNode(GrantStmt, utility)->is_grant;
    case T_CreateTableAsStmt:
        return castNode(CreateTableAsStmt, utility)->into->rel->relpersistence == RELPERSISTENCE_UNLOGGED ||
               asks(core::Rule::RequireTableSchema) || asks(core::Rule::IdentifierTooLong);
    case T_CreateSchemaStmt:
    case T_CreateSeqStmt:
    case T_CreateFunctionStmt:
    case T_CompositeTypeStmt:
    case T_CreateForeignTableStmt:
        return asks(core::Rule::IdentifierTooLong);
    default:
        return true;
    }
}

Finding facts(core::Arena arena, const core::Settings &settings, const Node *utility, std::string_view text,
              int location, const char *query, Purpose purpose)
{
    Finding finding;
    Case c{arena, text, location, query, purpose, &finding, &settings};

    finding.statement.text = text;
    finding.statement.tag = CreateCommandName(const_cast<Node *>(utility));
    finding.statement.targets = core::List<core::Target>(arena);
    finding.statement.parts = core::List<core::Part>(arena);
    finding.statement.notes = core::List<core::Part>(arena);

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
    case pg::kCluster:
        cluster(c, utility);
        break;
    case T_VacuumStmt:
        vacuum(c, castNode(VacuumStmt, utility));
        break;
    case T_RefreshMatViewStmt:
        refresh(c, castNode(RefreshMatViewStmt, utility));
        break;
    case T_AlterDomainStmt:
        alter_domain(c, castNode(AlterDomainStmt, utility));
        break;
    case T_AlterTableMoveAllStmt:
        move_all(c, castNode(AlterTableMoveAllStmt, utility));
        break;
    case T_RenameStmt:
        rename(c, castNode(RenameStmt, utility));
        break;
    default:
        other(c, utility);
        break;
    }
    if (!c.busy()) {
        take_notes(c, utility);
    }
    return finding;
}

const RangeVar *subject(const Node *utility, bool *may_be_missing)
{
    *may_be_missing = false;
    switch (nodeTag(utility)) {
    case T_AlterTableStmt:
        *may_be_missing = castNode(AlterTableStmt, utility)->missing_ok;
        return castNode(AlterTableStmt, utility)->relation;
    case T_IndexStmt:
        return castNode(IndexStmt, utility)->relation;
    case T_ReindexStmt:
        return castNode(ReindexStmt, utility)->relation;
    case pg::kCluster:
        return pg::cluster_call(utility).relation;
    case T_RenameStmt:
        *may_be_missing = castNode(RenameStmt, utility)->missing_ok;
        return castNode(RenameStmt, utility)->relation;
    case T_TruncateStmt:
        return linitial_node(RangeVar, castNode(TruncateStmt, utility)->relations);
    case T_CreateTrigStmt:
        return castNode(CreateTrigStmt, utility)->relation;
    case T_RuleStmt:
        return castNode(RuleStmt, utility)->relation;
    case T_CreatePolicyStmt:
        return castNode(CreatePolicyStmt, utility)->table;
    case T_AlterPolicyStmt:
        return castNode(AlterPolicyStmt, utility)->table;
    case T_LockStmt:
        return linitial_node(RangeVar, castNode(LockStmt, utility)->relations);
    case T_RefreshMatViewStmt:
        return castNode(RefreshMatViewStmt, utility)->relation;
    case T_AlterObjectSchemaStmt:
        *may_be_missing = castNode(AlterObjectSchemaStmt, utility)->missing_ok;
        return castNode(AlterObjectSchemaStmt, utility)->relation;
    case T_AlterSeqStmt:
        *may_be_missing = castNode(AlterSeqStmt, utility)->missing_ok;
        return castNode(AlterSeqStmt, utility)->sequence;
    case T_VacuumStmt: {
        List *relations = castNode(VacuumStmt, utility)->rels;
        return relations == NIL ? nullptr : linitial_node(VacuumRelation, relations)->relation;
    }
    case T_DropStmt: {
        const auto *drop = castNode(DropStmt, utility);
        *may_be_missing = drop->missing_ok;
        switch (drop->removeType) {
        case OBJECT_TABLE:
        case OBJECT_VIEW:
        case OBJECT_MATVIEW:
        case OBJECT_SEQUENCE:
        case OBJECT_FOREIGN_TABLE:
        case OBJECT_INDEX:
            return makeRangeVarFromNameList(static_cast<List *>(linitial(drop->objects)));
        default:
            return nullptr;
        }
    }
    default:
        return nullptr;
    }
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
