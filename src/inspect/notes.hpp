#pragma once
// Hazards beside locks, scans and rewrites: what is lost, what breaks, what house style forbids. They are reported and
// change nothing else. One function for each subject; each says nothing where PostgreSQL will refuse the statement,
// and where nobody but this session can know the object.
#include "core/phrases.hpp"
#include "inspect/look.hpp"

namespace zdm::inspect
{

// Adds a hazard. `relation` may be null.
core::Part &note(Case &c, core::Rule rule, const core::Relation *relation, std::string_view reason,
                 std::string_view hint);

void note_drop(Case &c, const DropStmt *stmt);
void note_drop_index(Case &c, const DropStmt *stmt);
void note_drop_owned(Case &c, const DropOwnedStmt *stmt);
void note_drop_database(Case &c, const DropdbStmt *stmt);
void note_truncate(Case &c, const TruncateStmt *stmt);

// One command of ALTER TABLE; `source` is it in the user's words. `hazard`: it is one as it stands.
void note_command(Case &c, Relation rel, const Look &look, const AlterTableStmt *stmt, const AlterTableCmd *cmd,
                  std::string_view source, bool hazard);

void note_rename(Case &c, const RenameStmt *stmt);
void note_set_schema(Case &c, const AlterObjectSchemaStmt *stmt);
void note_enum_value(Case &c, const AlterEnumStmt *stmt);

void note_create_publication(Case &c, const CreatePublicationStmt *stmt);
void note_alter_publication(Case &c, const AlterPublicationStmt *stmt);
void note_new_column_published(Case &c, Relation rel, const Look &look, const ColumnDef *column);
void note_replica_identity(Case &c, Relation rel, const Look &look, const ReplicaIdentityStmt *wanted);
// Whether its UPDATEs and DELETEs, or anything at all of it, are published.
bool publishes_changes(Relation rel);

void note_sequence(Case &c, const AlterSeqStmt *stmt);

void note_create_table(Case &c, const CreateStmt *stmt);
void note_unlogged(Case &c, const RangeVar *table);
void note_create_index(Case &c, const IndexStmt *stmt);
void note_rule(Case &c, const RuleStmt *stmt);
void note_concurrent_in_block(Case &c, const Node *utility);

// Style: nothing of it costs anything while all its rules are `allow`.
bool is_style_asked(const Case &c);
void style_statement(Case &c, const Node *utility);
void style_table(Case &c, const CreateStmt *stmt);
void style_column(Case &c, const core::Relation *relation, const ColumnDef *column, bool is_key);
void style_type(Case &c, const core::Relation *relation, const char *column, const TypeName *type);
void style_constraint(Case &c, Relation rel, const Look &look, const Constraint *constraint);
void style_foreign_key(Case &c, const core::Relation *relation, Relation rel, const Constraint *constraint,
                       const ColumnDef *fresh);
void style_index(Case &c, const IndexStmt *stmt);
void style_command(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd);

} // namespace zdm::inspect
