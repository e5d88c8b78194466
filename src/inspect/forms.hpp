#pragma once
// One function for each family of statements; all fill Case::out.
#include "inspect/look.hpp"

namespace zdm::inspect
{

// Behind a call that a hint names.
inline constexpr std::string_view kNotYet = "); -- this version does not have it yet; by hand: ";

void alter_table(Case &c, const AlterTableStmt *stmt);
void create_index(Case &c, const IndexStmt *stmt);
void drop(Case &c, const DropStmt *stmt);
void drop_index(Case &c, const DropStmt *stmt);
void reindex(Case &c, const ReindexStmt *stmt);
void cluster(Case &c, const Node *utility);
void vacuum(Case &c, const VacuumStmt *stmt);
void rename(Case &c, const RenameStmt *stmt);
// Everything that is instant but locks against others.
void other(Case &c, const Node *utility);
// Hazards beside those of locks; see notes.hpp.
void take_notes(Case &c, const Node *utility);

// Constraint parts of ALTER TABLE. `part` comes with source, relation and lock.
void add_constraint(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part);
void set_not_null(Case &c, Relation rel, const Look &look, const char *column, core::Part *part);
// `replaces`: the same statement drops a column of that name.
void add_column(Case &c, Relation rel, const Look &look, const ColumnDef *column, bool replaces, core::Part *part);
void alter_type(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd, core::Part *part);

void add_foreign_key(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part);
void add_key(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part);
void add_key_using_index(Case &c, Relation rel, const Look &look, const Constraint *constraint, core::Part *part);

// The name the statement gives, or the one PostgreSQL would choose; the words then say it.
void name_it(Case &c, core::Part *part, const char *given, const char *chosen);
// For part->nullable: a free name for the CHECK that proves it, and what undoes SET NOT NULL.
void name_proof(Case &c, Relation rel, const Look &look, core::Part *part);
const char *column_name(Relation rel, AttrNumber attnum);
// The bracket behind a word, as the user wrote it; empty if there is none.
std::string_view bracket(Case &c, std::string_view source, std::string_view keyword);

// Whether valid constraints of the table prove that the column holds no NULL, as the server's own prover decides.
bool proven_not_null(Relation rel, AttrNumber column);

// Whether a SELECT of ours would be allowed and see every row.
bool may_select(Oid relation);
// The same of its owner, as whom the keys of an index are computed.
bool owner_may_select(Oid relation);

// The name PostgreSQL would choose for an index over these columns ("key", "idx"; "pkey" for null columns).
char *choose_index_name(const char *table, Oid schema, List *columns, const char *label, bool constraint);

// CREATE INDEX over an existing one that a failed build left behind: its qualified name, or empty.
bool is_leftover(Case &c, Oid index, const Look &table, const IndexStmt *wanted);

} // namespace zdm::inspect
