#pragma once
// One function for each family of statements; all fill Case::out.
#include "inspect/look.hpp"

namespace zdm::inspect
{

void alter_table(Case &c, const AlterTableStmt *stmt);
void create_index(Case &c, const IndexStmt *stmt);
void drop(Case &c, const DropStmt *stmt);
// Locks of all that goes with what a DROP, or DROP OWNED, names.
void want_lost(Case &c, const DropStmt *stmt);
void want_owned(Case &c, const DropOwnedStmt *stmt);
void drop_index(Case &c, const DropStmt *stmt);
void reindex(Case &c, const ReindexStmt *stmt);
void cluster(Case &c, const Node *utility);
void vacuum(Case &c, const VacuumStmt *stmt);
void refresh(Case &c, const RefreshMatViewStmt *stmt);
void alter_domain(Case &c, const AlterDomainStmt *stmt);
void move_all(Case &c, const AlterTableMoveAllStmt *stmt);
// A command of ALTER TABLE that would copy the relation.
void keep_elsewhere(Case &c, Relation rel, const Look &look, const AlterTableStmt *stmt, const AlterTableCmd *cmd,
                    core::Part *part);
void rename(Case &c, const RenameStmt *stmt);
// Everything that is instant but locks against others.
void other(Case &c, const Node *utility);
// Hazards beside those of locks; see notes.hpp.
void take_notes(Case &c, const Node *utility);

// Whether a row of pg_constraint is about the column.
bool constrains(HeapTuple constraint, Relation catalog, AttrNumber column);
// Whether something that depends on the column forbids a change of its type; then `part` says what, and what to do.
bool forbidden(Case &c, const Look &look, AttrNumber column, core::Part *part);
// A change of type makes foreign keys over the column anew: the lock on their other sides.
void want_keys_over(Case &c, Relation rel, const char *column);
// A change of type in steps that a person can paste. `using_new`: the expression over a row called new, or empty.
// `domain`: whose rules the new column of type `type` is to keep, or InvalidOid.
std::string_view change_type_by_hand(Case &c, Relation rel, const Look &look, AttrNumber column, std::string_view type,
                                     std::string_view using_new, Oid domain);

std::string_view rename_column_by_hand(Case &c, Relation rel, const Look &look, AttrNumber column,
                                       const char *new_name);
// The grants of a relation, for another one.
std::string_view grants(Case &c, Oid relation, std::string_view to);

// Constraint parts of ALTER TABLE. `part` comes with source, relation and lock.
void add_constraint(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part);
void set_not_null(Case &c, Relation rel, const Look &look, const char *column, core::Part *part);

struct NewColumn {
    const AlterTableStmt *stmt;
    const Look &look;
    Relation future; // with the new columns of the statement
    bool replaces;   // the same statement drops a column of that name
};
// `further` gets a part for each constraint of the column that is made apart.
void add_column(Case &c, const NewColumn &where, const ColumnDef *column, core::Part *part,
                core::List<core::Part> *further);

// A value for each row of a new column: what surrounds ADD COLUMN, and what ends it.
struct Fill {
    std::string_view before;
    std::string_view after;
    std::string_view finish;
    bool impossible = false;
};
Fill default_fill(Case &c, const Look &look, std::string_view column, std::string_view value);
Fill serial_fill(Case &c, const Look &look, std::string_view column, Oid type);
Fill identity_fill(Case &c, const Look &look, std::string_view column, Oid type, const Constraint *identity,
                   std::string_view options);
std::string_view fill_call(Case &c, const Look &look, std::string_view column, bool composite);
std::string_view stop_fill_call(Case &c, const Look &look, std::string_view column, bool composite);
// Why the background cannot do it as ADD COLUMN would; or empty.
std::string_view no_fill_because(Case &c, const Look &look, Relation rel);
std::string_view fill_by_hand(Case &c, const Look &look, const core::Part &part, std::string_view obstacle,
                              bool not_null);
std::string_view filled_by_hand(Case &c, const Look &look, const core::Part &part, std::string_view obstacle);
std::string_view generated_by_hand(Case &c, const NewColumn &where, std::string_view column, Oid type, int32 typmod,
                                   const Constraint *generated);
std::string_view domain_by_hand(Case &c, const Look &look, std::string_view column, Oid domain, std::string_view value);
// The type below a domain; and what the domain forbids, as statements about a column of that type, each on a new line.
std::string_view base_of_domain(Case &c, Oid domain, int32 typmod);
std::string_view rules_of_domain(Case &c, const Look &look, std::string_view column, Oid domain);

// For what only a person can decide: the statement itself, once it has been thought over.
inline std::string_view reviewed(Case &c, std::string_view statement)
{
    return c.concat({"SET zdm.safety_assured = on;\n", statement, ";"});
}

// Whether children and partitions are locked as well.
bool reaches_children(Relation rel, const AlterTableStmt *stmt);
// Whether what is below is worth a look: it costs, with a thousand partitions.
bool size_matters(const AlterTableStmt *stmt);
bool builds_in_partitions(Relation rel, const AlterTableStmt *stmt);
bool renames_of_children(Relation rel, const RenameStmt *stmt);
bool has_row_trigger(Relation rel, const char *name);

// The table with the statement's new columns; `rel` itself if there are none. To be forgotten before rel is closed.
Relation future_of(Relation rel, const AlterTableStmt *stmt);
void forget_future(Relation rel, Relation future);
bool drops_column(const AlterTableStmt *stmt, const char *column);
// As get_attnum, but of the table as given.
AttrNumber column_number(Relation rel, const char *name);
void column_type(const ColumnDef *column, Oid *type, int32 *typmod);
// InvalidOid unless it is one of the names that only stand for a type.
Oid serial_type(const TypeName *type);
void alter_type(Case &c, Relation rel, const Look &look, const AlterTableCmd *cmd, core::Part *part);

void add_foreign_key(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part);
void add_key(Case &c, Relation rel, const Look &look, Constraint *constraint, core::Part *part);
void add_key_using_index(Case &c, Relation rel, const Look &look, const Constraint *constraint, core::Part *part);

// ADD PRIMARY KEY beside a DROP CONSTRAINT of the one that is there. False if it is no such thing.
bool redefine_key(Case &c, Relation rel, const Look &look, const AlterTableStmt *stmt, Constraint *constraint,
                  core::Part *part);

// The name the statement gives, or the one PostgreSQL would choose; the words then say it.
void name_it(Case &c, core::Part *part, const char *given, const char *chosen);
// For part->nullable: a free name for the CHECK that proves it, and what undoes SET NOT NULL.
void name_proof(Case &c, Relation rel, const Look &look, core::Part *part);
const char *column_name(Relation rel, AttrNumber attnum);
// The bracket behind a word, as the user wrote it; empty if there is none.
std::string_view bracket(Case &c, std::string_view source, std::string_view keyword);

// Whether valid constraints of the table prove that the column holds no NULL, as the server's own prover decides.
bool proven_not_null(Relation rel, AttrNumber column);

// The validated CHECKs of the table, as the prover wants them.
List *valid_checks(Relation rel);

// ALTER TABLE ... ATTACH or DETACH PARTITION. `rel` is the parent.
void attach_partition(Case &c, Relation rel, const PartitionCmd *cmd, core::Part *part);
void detach_partition(Case &c, Relation rel, const PartitionCmd *cmd, core::Part *part);
// CREATE TABLE ... PARTITION OF.
void create_partition(Case &c, const CreateStmt *stmt);
// What the partition lacks of its parent's indexes and foreign keys, as statements in part->before.
void what_attach_would_add(Case &c, Relation parent, Relation child, core::Part *part);

// Whether a SELECT of ours would be allowed and see every row.
bool may_select(Oid relation);
// The same of its owner, as whom the keys of an index are computed.
bool owner_may_select(Oid relation);

// The name PostgreSQL would choose for an index over these columns ("key", "idx"; "pkey" for null columns).
char *choose_index_name(const char *table, Oid schema, List *columns, const char *label, bool constraint);

// An index or a key of a partitioned table: what each partition lacks, in part->partitions. False if PostgreSQL will
// refuse it, or if another session holds one of them (then c.busy()).
bool partitions_to_index(Case &c, Relation rel, const IndexStmt *analyzed, bool constraint, core::Part *part);
// ADD FOREIGN KEY on a partitioned table: the partitions that lack it. `keys`: the referenced columns.
void partitions_to_reference(Case &c, Relation rel, Relation partner, const Constraint *constraint, List *keys,
                             core::Part *part);

// CREATE INDEX over an existing one that a failed build left behind: its qualified name, or empty.
bool is_leftover(Case &c, Oid index, const Look &table, const IndexStmt *wanted);

} // namespace zdm::inspect
