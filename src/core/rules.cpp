#include "core/settings.hpp"

namespace zdm::core
{

namespace
{

// In the order of enum Rule.
constexpr RuleRow kRules[] = {
    {Rule::CreateIndexBlocking, "create-index-blocking", Class::Availability, Lock::Share, Work::IndexBuild,
     Action::Rewrite, true, "CREATE INDEX blocks writes while the index is built", "CREATE INDEX CONCURRENTLY"},
    {Rule::CreateIndexPartitioned, "create-index-partitioned", Class::Availability, Lock::Share, Work::IndexBuild,
     Action::Rewrite, true, "CREATE INDEX on a partitioned table blocks writes to all its partitions",
     "CREATE INDEX ON ONLY the parent; CREATE INDEX CONCURRENTLY on each partition; ALTER INDEX ... ATTACH PARTITION"},
    {Rule::ConcurrentlyInTxn, "concurrently-in-txn", Class::Transaction, Lock::None, Work::Instant, Action::Warn, false,
     "CONCURRENTLY cannot run in a transaction block", "a statement of its own, outside the block"},
    {Rule::CicIfNotExistsInvalid, "cic-if-not-exists-invalid", Class::Availability, Lock::ShareUpdateExclusive,
     Work::IndexBuild, Action::Rewrite, true, "an INVALID index of a failed build stands in the way",
     "DROP INDEX CONCURRENTLY, then CREATE INDEX CONCURRENTLY"},
    {Rule::CicShortTimeout, "cic-short-timeout", Class::Availability, Lock::ShareUpdateExclusive, Work::IndexBuild,
     Action::Rewrite, true, "a timeout in the middle of a concurrent build leaves an INVALID index",
     "the build without lock_timeout, and undone if statement_timeout ends it"},
    {Rule::UniqueIndexDup, "unique-index-dup", Class::Data, Lock::Share, Work::IndexBuild, Action::Warn, false,
     "duplicates, which could not be looked for, would make the build fail after its scan",
     "SELECT ... GROUP BY ... HAVING count(*) > 1 first"},
    {Rule::DropIndexBlocking, "drop-index-blocking", Class::Availability, Lock::AccessExclusive, Work::Instant,
     Action::Rewrite, true, "DROP INDEX locks the table against reads and writes", "DROP INDEX CONCURRENTLY"},
    {Rule::DropIndexNeeded, "drop-index-needed", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "the index that goes serves a foreign key or the replica identity", "another index over the same columns first"},
    {Rule::ReplaceIndexDropFirst, "replace-index-drop-first", Class::Style, Lock::AccessExclusive, Work::Instant,
     Action::Allow, false, "an index is dropped before its replacement is there",
     "create the new index, then drop the old one"},
    {Rule::ReindexBlocking, "reindex-blocking", Class::Availability, Lock::AccessExclusive, Work::IndexBuild,
     Action::Rewrite, true, "REINDEX blocks writes, and reads through the index, while it is rebuilt",
     "REINDEX CONCURRENTLY"},
    {Rule::DuplicateIndex, "duplicate-index", Class::Style, Lock::Share, Work::IndexBuild, Action::Allow, false,
     "another valid index has the same definition", "none: drop one of them"},
    {Rule::RedundantIndex, "redundant-index", Class::Style, Lock::Share, Work::IndexBuild, Action::Allow, false,
     "another valid index begins with the same columns", "none: drop the shorter one if its uniqueness is not needed"},
    {Rule::WideIndex, "wide-index", Class::Style, Lock::Share, Work::IndexBuild, Action::Allow, false,
     "an index of more than three columns is rarely used whole", "fewer leading columns"},
    {Rule::AlterIndexTablespace, "alter-index-tablespace", Class::Availability, Lock::AccessExclusive, Work::IndexBuild,
     Action::Rewrite, true, "ALTER INDEX SET TABLESPACE copies the index under a lock against reads and writes",
     "REINDEX (TABLESPACE ...) INDEX CONCURRENTLY"},
    {Rule::AutoAnalyze, "auto-analyze", Class::Availability, Lock::ShareUpdateExclusive, Work::Instant, Action::Rewrite,
     true, "a new index over an expression has no statistics until the next ANALYZE", "ANALYZE after the build"},
    {Rule::SetNotNullScan, "set-not-null-scan", Class::Availability, Lock::AccessExclusive, Work::Scan, Action::Rewrite,
     true, "SET NOT NULL scans the table under a lock against reads and writes",
     "ADD CHECK (column IS NOT NULL) NOT VALID; VALIDATE; SET NOT NULL; DROP the CHECK"},
    {Rule::AddCheckValidating, "add-check-validating", Class::Availability, Lock::AccessExclusive, Work::Scan,
     Action::Rewrite, true, "ADD CHECK scans the table under a lock against reads and writes",
     "ADD CONSTRAINT ... NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::AddColumnInlineCheck, "add-column-inline-check", Class::Availability, Lock::AccessExclusive, Work::Scan,
     Action::Rewrite, true, "ADD COLUMN with a CHECK scans the table under a lock against reads and writes",
     "ADD COLUMN; ADD CONSTRAINT ... CHECK NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::AddFkValidating, "add-fk-validating", Class::Availability, Lock::ShareRowExclusive, Work::Scan,
     Action::Rewrite, true, "ADD FOREIGN KEY scans the table while writes to both tables are blocked",
     "ADD CONSTRAINT ... NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::AddColumnInlineFk, "add-column-inline-fk", Class::Availability, Lock::AccessExclusive, Work::Scan,
     Action::Rewrite, true, "ADD COLUMN with a default and a foreign key scans the table under lock",
     "ADD COLUMN; ADD FOREIGN KEY ... NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::AddFkPartitioned, "add-fk-partitioned", Class::Availability, Lock::ShareRowExclusive, Work::Scan,
     Action::Rewrite, true, "a foreign key of a partitioned table cannot be added NOT VALID before PostgreSQL 18",
     "ADD FOREIGN KEY ... NOT VALID and VALIDATE on each partition, then ADD FOREIGN KEY on the parent"},
    {Rule::FkTypeMismatch, "fk-type-mismatch", Class::Style, Lock::ShareRowExclusive, Work::Instant, Action::Allow,
     false, "the referencing column cannot hold every value of the referenced one",
     "the same type as the referenced column"},
    {Rule::FkMissingIndex, "fk-missing-index", Class::Style, Lock::ShareRowExclusive, Work::Instant, Action::Allow,
     false, "no index of the referencing table begins with the foreign key's columns",
     "CREATE INDEX CONCURRENTLY over them first"},
    {Rule::MultipleFksOneTxn, "multiple-fks-one-txn", Class::Transaction, Lock::ShareRowExclusive, Work::Instant,
     Action::Warn, false, "a second table is locked against writes for a foreign key until the transaction ends",
     "one foreign key per transaction"},
    {Rule::CreateTableFk, "create-table-fk", Class::Style, Lock::ShareRowExclusive, Work::Instant, Action::Allow, false,
     "CREATE TABLE ... REFERENCES locks the referenced table against writes for a moment",
     "none: it follows the lock rules"},
    {Rule::AddUniqueBlocking, "add-unique-blocking", Class::Availability, Lock::AccessExclusive, Work::IndexBuild,
     Action::Rewrite, true, "ADD UNIQUE builds an index under a lock against reads and writes",
     "CREATE UNIQUE INDEX CONCURRENTLY; ADD CONSTRAINT ... UNIQUE USING INDEX"},
    {Rule::AddColumnInlineUnique, "add-column-inline-unique", Class::Availability, Lock::AccessExclusive,
     Work::IndexBuild, Action::Rewrite, true,
     "ADD COLUMN with UNIQUE or PRIMARY KEY builds an index under a lock against reads and writes",
     "ADD COLUMN; CREATE UNIQUE INDEX CONCURRENTLY; ADD CONSTRAINT ... USING INDEX"},
    {Rule::AddPkBlocking, "add-pk-blocking", Class::Availability, Lock::AccessExclusive, Work::IndexBuild,
     Action::Rewrite, true, "ADD PRIMARY KEY builds an index, and scans, under a lock against reads and writes",
     "SET NOT NULL safely; CREATE UNIQUE INDEX CONCURRENTLY; ADD CONSTRAINT ... PRIMARY KEY USING INDEX"},
    {Rule::AddPkUsingIndexNullable, "add-pk-using-index-nullable", Class::Availability, Lock::AccessExclusive,
     Work::Scan, Action::Rewrite, true,
     "PRIMARY KEY USING INDEX over nullable columns scans the table under a lock against reads and writes",
     "SET NOT NULL safely first"},
    {Rule::RedefinePrimaryKey, "redefine-primary-key", Class::Availability, Lock::AccessExclusive, Work::IndexBuild,
     Action::Rewrite, true,
     "a primary key that is replaced in one statement is rebuilt under a lock against reads and writes",
     "CREATE UNIQUE INDEX CONCURRENTLY; DROP CONSTRAINT, ADD PRIMARY KEY USING INDEX in one short ALTER TABLE"},
    {Rule::DropPrimaryKey, "drop-primary-key", Class::Replication, Lock::AccessExclusive, Work::Instant, Action::Warn,
     false, "without its primary key the table has no identity: logical replication and batches need one",
     "a new key first; REPLICA IDENTITY USING INDEX"},
    {Rule::AddExcludeBlocking, "add-exclude-blocking", Class::Availability, Lock::AccessExclusive, Work::IndexBuild,
     Action::Reject, false, "ADD EXCLUDE builds an index under a lock against reads and writes",
     "none in place: a new table with the constraint, filled and swapped"},
    {Rule::ValidateInSameTxn, "validate-in-same-txn", Class::Availability, Lock::AccessExclusive, Work::Scan,
     Action::Rewrite, true, "VALIDATE CONSTRAINT scans while this transaction holds a lock that blocks others",
     "VALIDATE CONSTRAINT in a transaction of its own"},
    {Rule::NotValidForgotten, "not-valid-forgotten", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow,
     false, "a constraint added NOT VALID stays so until somebody validates it", "VALIDATE CONSTRAINT"},
    {Rule::DropFkConstraint, "drop-fk-constraint", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow,
     false, "DROP CONSTRAINT of a foreign key locks both tables for a moment", "none: it follows the lock rules"},
    {Rule::DropUniqueConstraint, "drop-unique-constraint", Class::Data, Lock::AccessExclusive, Work::Instant,
     Action::Warn, false, "code may rely on the uniqueness, ON CONFLICT does", "none"},
    {Rule::DropCheck, "drop-check", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "rows that break the constraint become possible, and code may rely on there being none", "none"},
    {Rule::DropNotNull, "drop-not-null", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "readers will meet NULLs", "code that copes with NULL first"},
    {Rule::AlterConstraintDeferrable, "alter-constraint-deferrable", Class::Style, Lock::AccessExclusive, Work::Instant,
     Action::Allow, false, "ALTER CONSTRAINT locks the table for a moment", "none: it follows the lock rules"},
    {Rule::RenameConstraint, "rename-constraint", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow,
     false, "a renamed constraint breaks ON CONFLICT ON CONSTRAINT", "none: it follows the lock rules"},
    {Rule::AlterDomainConstraintValidating, "alter-domain-constraint-validating", Class::Availability, Lock::Share,
     Work::Scan, Action::Rewrite, true,
     "ALTER DOMAIN ADD CHECK scans every table that uses the domain while writes are blocked",
     "ALTER DOMAIN ... ADD CONSTRAINT ... NOT VALID; ALTER DOMAIN ... VALIDATE CONSTRAINT"},
    {Rule::AlterDomainSetNotNull, "alter-domain-set-not-null", Class::Availability, Lock::Share, Work::Scan,
     Action::Reject, false, "ALTER DOMAIN SET NOT NULL scans every table that uses the domain while writes are blocked",
     "ALTER DOMAIN ... ADD CHECK (VALUE IS NOT NULL) NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::CreateDomainWithConstraint, "create-domain-with-constraint", Class::Style, Lock::None, Work::Instant,
     Action::Allow, false, "constraints of a domain are hard to change once tables use it", "a CHECK of the table"},
    {Rule::UnnamedConstraint, "unnamed-constraint", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow,
     false, "a constraint without a name gets one that may differ between databases", "CONSTRAINT name"},
    {Rule::AddColumnVolatileDefault, "add-column-volatile-default", Class::Availability, Lock::AccessExclusive,
     Work::Rewrite, Action::Rewrite, true, "ADD COLUMN with a volatile default rewrites the table",
     "ADD COLUMN without default; SET DEFAULT; fill in batches; SET NOT NULL"},
    {Rule::AddColumnNotNullNoDefault, "add-column-not-null-no-default", Class::Compatibility, Lock::AccessExclusive,
     Work::Scan, Action::Reject, false,
     "ADD COLUMN NOT NULL without a default fails on rows that exist, and breaks code that does not set it",
     "a nullable column, or a DEFAULT; fill it; SET NOT NULL"},
    {Rule::DropDefaultNotNull, "drop-default-not-null", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn,
     false, "without its default a NOT NULL column breaks code that does not set it",
     "keep the default until all code sets the column"},
    {Rule::AddColumnGeneratedStored, "add-column-generated-stored", Class::Availability, Lock::AccessExclusive,
     Work::Rewrite, Action::Reject, false, "ADD COLUMN GENERATED ... STORED rewrites the table",
     "a plain column kept by a trigger, filled in batches"},
    {Rule::AddColumnIdentity, "add-column-identity", Class::Availability, Lock::AccessExclusive, Work::Rewrite,
     Action::Rewrite, true, "ADD COLUMN GENERATED AS IDENTITY rewrites the table",
     "a sequence; ADD COLUMN; SET DEFAULT nextval; fill in batches; SET NOT NULL; ADD GENERATED"},
    {Rule::AddColumnSerial, "add-column-serial", Class::Availability, Lock::AccessExclusive, Work::Rewrite,
     Action::Rewrite, true, "ADD COLUMN serial rewrites the table",
     "a sequence; ADD COLUMN; SET DEFAULT nextval; fill in batches; SET NOT NULL"},
    {Rule::AddColumnConstrainedDomain, "add-column-constrained-domain", Class::Availability, Lock::AccessExclusive,
     Work::Rewrite, Action::Reject, false, "ADD COLUMN of a domain with constraints rewrites the table",
     "ADD COLUMN of the base type; ADD CHECK NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::AddColumnPublished, "add-column-published", Class::Replication, Lock::AccessExclusive, Work::Instant,
     Action::Warn, false, "subscribers that lack the new column stop when a row of the table is replicated",
     "ALTER TABLE ... ADD COLUMN on every subscriber first"},
    {Rule::PreferJsonb, "prefer-jsonb", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "json has no equality: DISTINCT, GROUP BY and UNION over it fail", "jsonb"},
    {Rule::DropColumn, "drop-column", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "the column's data are lost, and code that still uses it breaks", "stop using the column first"},
    {Rule::RenameColumn, "rename-column", Class::Compatibility, Lock::AccessExclusive, Work::Instant, Action::Reject,
     false, "RENAME COLUMN breaks running code that uses the old name", "zdm.rename_column"},
    {Rule::AlterColumnTypeRewrite, "alter-column-type-rewrite", Class::Availability, Lock::AccessExclusive,
     Work::Rewrite, Action::Reject, false, "ALTER COLUMN TYPE rewrites the table and its indexes", "zdm.change_type"},
    {Rule::AlterColumnTypeIndexRebuild, "alter-column-type-index-rebuild", Class::Availability, Lock::AccessExclusive,
     Work::IndexBuild, Action::Reject, false,
     "ALTER COLUMN TYPE rebuilds indexes under a lock against reads and writes", "zdm.change_type"},
    {Rule::AlterColumnTypeCheckRecheck, "alter-column-type-check-recheck", Class::Availability, Lock::AccessExclusive,
     Work::Scan, Action::Rewrite, true,
     "ALTER COLUMN TYPE checks constraints over the column again under a lock against reads and writes",
     "DROP the CHECK, change the type, ADD it NOT VALID in one short transaction; VALIDATE CONSTRAINT"},
    {Rule::AlterColumnTypeStatsLost, "alter-column-type-stats-lost", Class::Availability, Lock::AccessExclusive,
     Work::Instant, Action::Rewrite, true, "ALTER COLUMN TYPE throws the column's statistics away",
     "ANALYZE right after"},
    {Rule::AlterColumnTypeBlockedByView, "alter-column-type-blocked-by-view", Class::Availability,
     Lock::AccessExclusive, Work::Instant, Action::Reject, false,
     "something that depends on the column forbids the change of its type",
     "drop what depends on it, change the type and create it again in one transaction"},
    {Rule::ChangeColumnDefault, "change-column-default", Class::Style, Lock::AccessExclusive, Work::Instant,
     Action::Allow, false, "SET DEFAULT changes what code that does not set the column writes",
     "none: it follows the lock rules"},
    {Rule::SetStorage, "set-storage", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow, false,
     "SET STORAGE counts for new rows only", "none: it follows the lock rules"},
    {Rule::SetCompression, "set-compression", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow, false,
     "SET COMPRESSION counts for new rows only", "none: it follows the lock rules"},
    {Rule::CachedPlanBreak, "cached-plan-break", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow,
     false, "prepared SELECT * statements fail once after their columns changed", "name the columns"},
    {Rule::DropTable, "drop-table", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "the table's rows are lost, and code that still uses it breaks", "rename it away, wait, drop it later"},
    {Rule::DropTableCascade, "drop-table-cascade", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn,
     false, "other objects are dropped with it", "drop what depends on it one by one"},
    {Rule::DropSchema, "drop-schema", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "all that the schema contains is dropped with it", "drop its objects one by one"},
    {Rule::DropDatabase, "drop-database", Class::Data, Lock::None, Work::Instant, Action::Warn, false,
     "everything in the database is lost", "a backup first"},
    {Rule::DropType, "drop-type", Class::Data, Lock::None, Work::Instant, Action::Warn, false,
     "code that still uses the type breaks", "none"},
    {Rule::DropView, "drop-view", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "code that still reads the view breaks", "CREATE OR REPLACE VIEW, or drop and create it in one transaction"},
    {Rule::DropSequence, "drop-sequence", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "code that still takes numbers from the sequence breaks", "none"},
    {Rule::DropOwned, "drop-owned", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "all that the role owns in this database is dropped", "REASSIGN OWNED first"},
    {Rule::DropTableFkLocks, "drop-table-fk-locks", Class::Transaction, Lock::AccessExclusive, Work::Instant,
     Action::Warn, false, "every table that it references is locked against reads and writes as well",
     "drop its foreign keys first, each in a transaction of its own"},
    {Rule::Truncate, "truncate", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "all rows of the table are lost", "DELETE in batches"},
    {Rule::TruncateCascade, "truncate-cascade", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "tables that reference it are emptied as well", "TRUNCATE that names every table"},
    {Rule::RenameTable, "rename-table", Class::Compatibility, Lock::AccessExclusive, Work::Instant, Action::Reject,
     false, "RENAME TABLE breaks running code that uses the old name", "zdm.rename_table"},
    {Rule::SetSchema, "set-schema", Class::Compatibility, Lock::AccessExclusive, Work::Instant, Action::Reject, false,
     "SET SCHEMA breaks running code that uses the old name",
     "SET SCHEMA and CREATE VIEW under the old name in one transaction"},
    {Rule::RenameSchema, "rename-schema", Class::Compatibility, Lock::None, Work::Instant, Action::Reject, false,
     "ALTER SCHEMA RENAME breaks running code that uses the old name", "a new schema with views"},
    {Rule::RenameEnumValue, "rename-enum-value", Class::Compatibility, Lock::None, Work::Instant, Action::Reject, false,
     "RENAME VALUE breaks running code that uses the old value", "ADD VALUE; code that knows both; zdm.backfill"},
    {Rule::RenameOther, "rename-other", Class::Compatibility, Lock::AccessExclusive, Work::Instant, Action::Reject,
     false, "a rename breaks running code that uses the old name", "the new name beside the old one"},
    {Rule::EnumValueInTxn, "enum-value-in-txn", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "a new enum value cannot be used before the transaction has ended", "ADD VALUE in a transaction of its own"},
    {Rule::EnumValueUnordered, "enum-value-unordered", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "a new enum value without BEFORE or AFTER goes to the end", "BEFORE or AFTER"},
    {Rule::CreateEnum, "create-enum", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "values of an enum cannot be removed", "a lookup table"},
    {Rule::SetTablespace, "set-tablespace", Class::Availability, Lock::AccessExclusive, Work::Rewrite, Action::Reject,
     false, "SET TABLESPACE copies the table under a lock against reads and writes", "pg_repack or pg_squeeze"},
    {Rule::SetLoggedUnlogged, "set-logged-unlogged", Class::Availability, Lock::AccessExclusive, Work::Rewrite,
     Action::Reject, false, "SET LOGGED and SET UNLOGGED rewrite the table under a lock against reads and writes",
     "a new table, filled and swapped"},
    {Rule::SetAccessMethod, "set-access-method", Class::Availability, Lock::AccessExclusive, Work::Rewrite,
     Action::Reject, false, "SET ACCESS METHOD rewrites the table under a lock against reads and writes",
     "a new table, filled and swapped"},
    {Rule::SetExpression, "set-expression", Class::Availability, Lock::AccessExclusive, Work::Rewrite, Action::Reject,
     false, "SET EXPRESSION of a stored column rewrites the table under a lock against reads and writes",
     "a new column, filled and swapped"},
    {Rule::Cluster, "cluster", Class::Availability, Lock::AccessExclusive, Work::Rewrite, Action::Reject, false,
     "CLUSTER rewrites the table under a lock against reads and writes", "pg_repack or pg_squeeze"},
    {Rule::VacuumFull, "vacuum-full", Class::Availability, Lock::AccessExclusive, Work::Rewrite, Action::Reject, false,
     "VACUUM FULL rewrites the table under a lock against reads and writes", "VACUUM; pg_repack or pg_squeeze"},
    {Rule::RefreshMatviewBlocking, "refresh-matview-blocking", Class::Availability, Lock::AccessExclusive,
     Work::Rewrite, Action::Rewrite, true, "REFRESH MATERIALIZED VIEW locks it against reads while its query runs",
     "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index"},
    {Rule::CreateOrReplaceView, "create-or-replace-view", Class::Style, Lock::AccessExclusive, Work::Instant,
     Action::Allow, false, "CREATE OR REPLACE VIEW locks the view for a moment", "none: it follows the lock rules"},
    {Rule::AttachPartitionScan, "attach-partition-scan", Class::Availability, Lock::AccessExclusive, Work::Scan,
     Action::Rewrite, true, "ATTACH PARTITION scans under a lock against reads and writes",
     "a CHECK that proves the bounds, NOT VALID then VALIDATE; ATTACH; DROP the CHECK"},
    {Rule::CreatePartitionDefaultScan, "create-partition-default-scan", Class::Availability, Lock::AccessExclusive,
     Work::Scan, Action::Rewrite, true,
     "CREATE TABLE ... PARTITION OF scans the default partition under a lock against reads and writes",
     "a CHECK on the default partition, NOT VALID then VALIDATE; CREATE TABLE; DROP the CHECK"},
    {Rule::DetachPartitionBlocking, "detach-partition-blocking", Class::Availability, Lock::AccessExclusive,
     Work::Instant, Action::Rewrite, true, "DETACH PARTITION locks the parent against reads and writes",
     "DETACH PARTITION ... CONCURRENTLY"},
    {Rule::DropPartition, "drop-partition", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow, false,
     "DROP TABLE of a partition locks the parent for a moment", "none: it follows the lock rules"},
    {Rule::Inherit, "inherit", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow, false,
     "INHERIT locks the child for a moment", "none: it follows the lock rules"},
    {Rule::NoInherit, "no-inherit", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow, false,
     "NO INHERIT locks the child for a moment", "none: it follows the lock rules"},
    {Rule::CreateTrigger, "create-trigger", Class::Style, Lock::ShareRowExclusive, Work::Instant, Action::Allow, false,
     "CREATE TRIGGER changes what writes do, and locks the table against them for a moment",
     "none: it follows the lock rules"},
    {Rule::DisableTrigger, "disable-trigger", Class::Data, Lock::ShareRowExclusive, Work::Instant, Action::Warn, false,
     "triggers, and foreign key checks among them, are turned off for everybody",
     "session_replication_role for one session"},
    {Rule::CreateRule, "create-rule", Class::Data, Lock::AccessExclusive, Work::Instant, Action::Warn, false,
     "a rule changes what statements of running code mean", "a trigger"},
    {Rule::EnableRls, "enable-rls", Class::Compatibility, Lock::AccessExclusive, Work::Instant, Action::Reject, false,
     "ROW LEVEL SECURITY without a policy hides all rows from everybody but the owner",
     "CREATE POLICY and ENABLE ROW LEVEL SECURITY in one transaction"},
    {Rule::OwnerChange, "owner-change", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow, false,
     "OWNER TO locks the table for a moment", "none: it follows the lock rules"},
    {Rule::Revoke, "revoke", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "REVOKE takes rights away that running code may use", "none"},
    {Rule::ReplicaIdentity, "replica-identity", Class::Replication, Lock::AccessExclusive, Work::Instant, Action::Warn,
     false,
     "REPLICA IDENTITY FULL writes whole rows to the WAL, NOTHING makes UPDATE and DELETE of a published table fail",
     "REPLICA IDENTITY USING INDEX"},
    {Rule::PublicationNoReplicaIdentity, "publication-no-replica-identity", Class::Replication, Lock::None,
     Work::Instant, Action::Warn, false, "UPDATE and DELETE of a published table without a replica identity fail",
     "a primary key or REPLICA IDENTITY first"},
    {Rule::DisableAutovacuum, "disable-autovacuum", Class::Data, Lock::ShareUpdateExclusive, Work::Instant,
     Action::Warn, false, "without autovacuum the table bloats", "other autovacuum settings of the table"},
    {Rule::UnloggedTable, "unlogged-table", Class::Data, Lock::None, Work::Instant, Action::Warn, false,
     "an unlogged table is empty after a crash and on standbys", "a logged table"},
    {Rule::TableWithoutPk, "table-without-pk", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "a table without a primary key cannot be replicated by row nor worked on in batches by key", "PRIMARY KEY"},
    {Rule::SequenceOverflow, "sequence-overflow", Class::Data, Lock::ShareRowExclusive, Work::Instant, Action::Warn,
     false, "the sequence is near its end, or would give values again", "bigint"},
    {Rule::LockTableExplicit, "lock-table-explicit", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow,
     false, "LOCK TABLE holds its lock until the transaction ends", "the weakest mode that serves"},
    {Rule::CreateExtension, "create-extension", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "the script of an extension may take any lock", "a quiet moment"},
    {Rule::AlterExtension, "alter-extension", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "the script of an extension's update may take any lock", "a quiet moment"},
    {Rule::IfNotExistsMismatch, "if-not-exists-mismatch", Class::Data, Lock::None, Work::Instant, Action::Warn, false,
     "the table that exists has other columns than the statement's", "ALTER TABLE"},
    {Rule::CreateTableForce, "create-table-force", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow,
     false, "a table is dropped and created again in one transaction", "ALTER TABLE"},
    {Rule::UnbatchedDml, "unbatched-dml", Class::Transaction, Lock::RowExclusive, Work::Scan, Action::Warn, false,
     "one statement writes more rows than zdm.max_dml_rows", "zdm.backfill, or batches by key"},
    {Rule::DdlDmlMixed, "ddl-dml-mixed", Class::Transaction, Lock::AccessExclusive, Work::Scan, Action::Warn, false,
     "rows are read or written in bulk while this transaction holds a lock that blocks others",
     "DDL and data in transactions of their own"},
    {Rule::MultiTableAccessExclusive, "multi-table-access-exclusive", Class::Transaction, Lock::AccessExclusive,
     Work::Instant, Action::Warn, false, "a second table is locked against reads and writes until the transaction ends",
     "one table per transaction"},
    {Rule::StatementAfterAccessExclusive, "statement-after-access-exclusive", Class::Style, Lock::AccessExclusive,
     Work::Instant, Action::Allow, false,
     "a statement runs while this transaction holds a lock against reads and writes", "COMMIT right after the DDL"},
    {Rule::LockHeldTooLong, "lock-held-too-long", Class::Transaction, Lock::AccessExclusive, Work::Instant,
     Action::Warn, false, "the transaction keeps a lock that blocks others for longer than zdm.max_lock_hold",
     "COMMIT right after the DDL"},
    {Rule::IdleInTxnAfterDdl, "idle-in-txn-after-ddl", Class::Transaction, Lock::AccessExclusive, Work::Instant,
     Action::Warn, false, "the transaction idles for longer than zdm.max_lock_hold with a lock that blocks others",
     "COMMIT right after the DDL"},
    {Rule::CombinableAlters, "combinable-alters", Class::Style, Lock::AccessExclusive, Work::Instant, Action::Allow,
     false, "several ALTER TABLE of one table in a transaction could be one", "one ALTER TABLE"},
    {Rule::PreferBigint, "prefer-bigint", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "an integer or smallint key runs out of values", "bigint"},
    {Rule::PreferIdentity, "prefer-identity", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "serial leaves its sequence to be cared for apart", "GENERATED ... AS IDENTITY"},
    {Rule::PreferText, "prefer-text", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "varchar(n) gives a limit that is hard to lower", "text with a CHECK"},
    {Rule::BanChar, "ban-char", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "char(n) pads with blanks", "text"},
    {Rule::PreferTimestamptz, "prefer-timestamptz", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "timestamp without time zone means another instant for each client", "timestamptz"},
    {Rule::TimestampPrecision, "timestamp-precision", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "timestamp(0) rounds, into the future too", "timestamptz and date_trunc"},
    {Rule::BanMoney, "ban-money", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "money means what lc_monetary says", "numeric"},
    {Rule::BanCreateDomain, "ban-create-domain", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "a domain hides the type of its columns and is hard to change", "a CHECK of the table"},
    {Rule::RequireTableSchema, "require-table-schema", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "a name without its schema depends on search_path", "schema.name"},
    {Rule::IdentifierTooLong, "identifier-too-long", Class::Style, Lock::None, Work::Instant, Action::Allow, false,
     "a name of more than 63 bytes is cut off", "a shorter name"},
};

constexpr bool in_order()
{
    for (int i = 0; i < kRuleCount; i++) {
        if (static_cast<int>(kRules[i].id) != i ||
            (kRules[i].default_action == Action::Rewrite && !kRules[i].rewritable)) {
            return false;
        }
    }
    return sizeof(kRules) / sizeof(kRules[0]) == kRuleCount;
}
static_assert(in_order());

constexpr std::string_view kLocks[] = {
    "",          "AccessShareLock",       "RowShareLock",  "RowExclusiveLock",    "ShareUpdateExclusiveLock",
    "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock",
};
constexpr std::string_view kSqlLocks[] = {
    "",      "ACCESS SHARE",        "ROW SHARE", "ROW EXCLUSIVE",    "SHARE UPDATE EXCLUSIVE",
    "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE",
};
constexpr std::string_view kClasses[] = {"availability", "compatibility", "data",
                                         "replication",  "transaction",   "style"};
constexpr std::string_view kActions[] = {"allow", "warn", "rewrite", "reject"};
constexpr std::string_view kWorks[] = {"instant", "scan", "index build", "rewrite", "backfill"};

} // namespace

const RuleRow &row(Rule rule) { return kRules[static_cast<int>(rule)]; }

const RuleRow *find_rule(std::string_view name)
{
    for (const RuleRow &rule : kRules) {
        if (rule.name == name) {
            return &rule;
        }
    }
    return nullptr;
}

std::string_view name(Class cls) { return kClasses[static_cast<int>(cls)]; }
std::string_view name(Action action) { return kActions[static_cast<int>(action)]; }
std::string_view name(Lock lock) { return kLocks[static_cast<int>(lock)]; }
std::string_view sql_name(Lock lock) { return kSqlLocks[static_cast<int>(lock)]; }
std::string_view name(Work work) { return kWorks[static_cast<int>(work)]; }

std::string_view blocks(Lock lock)
{
    if (lock == Lock::AccessExclusive) {
        return "reads and writes";
    }
    return blocks_others(lock) ? "writes" : "nothing";
}

bool parse_action(std::string_view word, Action *action)
{
    for (int i = 0; i < 4; i++) {
        if (kActions[i] == word) {
            *action = static_cast<Action>(i);
            return true;
        }
    }
    return false;
}

Action action_of(const Settings &settings, Rule rule)
{
    const Action action = settings.actions[static_cast<int>(rule)];

    if (settings.mode == Mode::Warn && action != Action::Allow) {
        return Action::Warn;
    }
    if (settings.mode == Mode::Reject && action == Action::Rewrite) {
        return Action::Reject;
    }
    return action;
}

} // namespace zdm::core
