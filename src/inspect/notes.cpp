#include "inspect/notes.hpp"

#include "inspect/forms.hpp"

namespace zdm::inspect
{

namespace
{

void note_by_kind(Case &c, const Node *utility)
{
    switch (nodeTag(utility)) {
    case T_DropStmt:
        note_drop(c, castNode(DropStmt, utility));
        break;
    case T_DropOwnedStmt:
        note_drop_owned(c, castNode(DropOwnedStmt, utility));
        break;
    case T_DropdbStmt:
        note_drop_database(c, castNode(DropdbStmt, utility));
        break;
    case T_TruncateStmt:
        note_truncate(c, castNode(TruncateStmt, utility));
        break;
    case T_RenameStmt:
        note_rename(c, castNode(RenameStmt, utility));
        break;
    case T_AlterObjectSchemaStmt:
        note_set_schema(c, castNode(AlterObjectSchemaStmt, utility));
        break;
    case T_AlterEnumStmt:
        note_enum_value(c, castNode(AlterEnumStmt, utility));
        break;
    case T_AlterSeqStmt:
        note_sequence(c, castNode(AlterSeqStmt, utility));
        break;
    case T_CreatePublicationStmt:
        note_create_publication(c, castNode(CreatePublicationStmt, utility));
        break;
    case T_AlterPublicationStmt:
        note_alter_publication(c, castNode(AlterPublicationStmt, utility));
        break;
    case T_CreateStmt:
        note_create_table(c, castNode(CreateStmt, utility));
        break;
    case T_CreateTableAsStmt:
        note_unlogged(c, castNode(CreateTableAsStmt, utility)->into->rel);
        break;
    case T_IndexStmt:
        note_create_index(c, castNode(IndexStmt, utility));
        break;
    case T_RuleStmt:
        note_rule(c, castNode(RuleStmt, utility));
        break;
    default:
        break;
    }
}

} // namespace

void take_notes(Case &c, const Node *utility)
{
    core::Statement &statement = c.out->statement;

    note_by_kind(c, utility);
    if (is_style_asked(c)) {
        style_statement(c, utility);
    }
    note_concurrent_in_block(c, utility);
    if (c.out->aside && !statement.notes.empty()) {
        // Nothing to guard but what the notes say: it runs as it would have run.
        c.out->aside = false;
        statement.parts = core::List<core::Part>(c.arena);
        statement.targets = core::List<core::Target>(c.arena);
        statement.opaque = false;
    }
}

core::Part &note(Case &c, core::Rule rule, const core::Relation *relation, std::string_view reason,
                 std::string_view hint)
{
    core::Statement &statement = c.out->statement;
    core::Part part;

    part.hazard = true;
    part.rule = rule;
    part.work = core::row(rule).work;
    part.source = c.text;
    part.reason = reason;
    part.hint = hint;
    if (relation != nullptr) {
        part.relation = *relation;
        if (statement.relation.oid == InvalidOid) {
            statement.relation = *relation;
        }
    }
    return statement.notes.push(part);
}

} // namespace zdm::inspect
