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
     Action::Reject, false, "CREATE INDEX on a partitioned table blocks writes to all its partitions",
     "CREATE INDEX ON ONLY the parent; CREATE INDEX CONCURRENTLY on each partition; ALTER INDEX ... ATTACH PARTITION"},
    {Rule::CicIfNotExistsInvalid, "cic-if-not-exists-invalid", Class::Availability, Lock::ShareUpdateExclusive,
     Work::IndexBuild, Action::Rewrite, true, "an INVALID index of a failed build stands in the way",
     "DROP INDEX CONCURRENTLY, then CREATE INDEX CONCURRENTLY"},
    {Rule::DropIndexBlocking, "drop-index-blocking", Class::Availability, Lock::AccessExclusive, Work::Instant,
     Action::Rewrite, true, "DROP INDEX locks the table against reads and writes", "DROP INDEX CONCURRENTLY"},
    {Rule::ReindexBlocking, "reindex-blocking", Class::Availability, Lock::AccessExclusive, Work::IndexBuild,
     Action::Rewrite, true, "REINDEX blocks writes, and reads through the index, while it is rebuilt",
     "REINDEX CONCURRENTLY"},
    {Rule::SetNotNullScan, "set-not-null-scan", Class::Availability, Lock::AccessExclusive, Work::Scan, Action::Rewrite,
     true, "SET NOT NULL scans the table under a lock against reads and writes",
     "ADD CHECK (column IS NOT NULL) NOT VALID; VALIDATE; SET NOT NULL; DROP the CHECK"},
    {Rule::AddCheckValidating, "add-check-validating", Class::Availability, Lock::AccessExclusive, Work::Scan,
     Action::Rewrite, true, "ADD CHECK scans the table under a lock against reads and writes",
     "ADD CONSTRAINT ... NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::AddColumnInlineCheck, "add-column-inline-check", Class::Availability, Lock::AccessExclusive, Work::Scan,
     Action::Reject, false, "ADD COLUMN with a CHECK scans the table under a lock against reads and writes",
     "ADD COLUMN; ADD CONSTRAINT ... CHECK NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::AddFkValidating, "add-fk-validating", Class::Availability, Lock::ShareRowExclusive, Work::Scan,
     Action::Rewrite, true, "ADD FOREIGN KEY scans the table while writes to both tables are blocked",
     "ADD CONSTRAINT ... NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::AddColumnInlineFk, "add-column-inline-fk", Class::Availability, Lock::AccessExclusive, Work::Scan,
     Action::Reject, false, "ADD COLUMN with a default and a foreign key scans the table under lock",
     "ADD COLUMN; ADD FOREIGN KEY ... NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::AddFkPartitioned, "add-fk-partitioned", Class::Availability, Lock::ShareRowExclusive, Work::Scan,
     Action::Reject, false, "a foreign key of a partitioned table cannot be added NOT VALID before PostgreSQL 18",
     "ADD FOREIGN KEY ... NOT VALID and VALIDATE on each partition, then ADD FOREIGN KEY on the parent"},
    {Rule::AddUniqueBlocking, "add-unique-blocking", Class::Availability, Lock::AccessExclusive, Work::IndexBuild,
     Action::Rewrite, true, "ADD UNIQUE builds an index under a lock against reads and writes",
     "CREATE UNIQUE INDEX CONCURRENTLY; ADD CONSTRAINT ... UNIQUE USING INDEX"},
    {Rule::AddColumnInlineUnique, "add-column-inline-unique", Class::Availability, Lock::AccessExclusive,
     Work::IndexBuild, Action::Reject, false,
     "ADD COLUMN with UNIQUE or PRIMARY KEY builds an index under a lock against reads and writes",
     "ADD COLUMN; CREATE UNIQUE INDEX CONCURRENTLY; ADD CONSTRAINT ... USING INDEX"},
    {Rule::AddPkBlocking, "add-pk-blocking", Class::Availability, Lock::AccessExclusive, Work::IndexBuild,
     Action::Rewrite, true, "ADD PRIMARY KEY builds an index, and scans, under a lock against reads and writes",
     "SET NOT NULL safely; CREATE UNIQUE INDEX CONCURRENTLY; ADD CONSTRAINT ... PRIMARY KEY USING INDEX"},
    {Rule::AddPkUsingIndexNullable, "add-pk-using-index-nullable", Class::Availability, Lock::AccessExclusive,
     Work::Scan, Action::Rewrite, true,
     "PRIMARY KEY USING INDEX over nullable columns scans the table under a lock against reads and writes",
     "SET NOT NULL safely first"},
    {Rule::AddExcludeBlocking, "add-exclude-blocking", Class::Availability, Lock::AccessExclusive, Work::IndexBuild,
     Action::Reject, false, "ADD EXCLUDE builds an index under a lock against reads and writes",
     "none in place: a new table with the constraint, filled and swapped"},
    {Rule::AddColumnVolatileDefault, "add-column-volatile-default", Class::Availability, Lock::AccessExclusive,
     Work::Rewrite, Action::Reject, false, "ADD COLUMN with a volatile default rewrites the table",
     "ADD COLUMN without default; SET DEFAULT; fill in batches; SET NOT NULL"},
    {Rule::AddColumnGeneratedStored, "add-column-generated-stored", Class::Availability, Lock::AccessExclusive,
     Work::Rewrite, Action::Reject, false, "ADD COLUMN GENERATED ... STORED rewrites the table",
     "a plain column kept by a trigger, filled in batches"},
    {Rule::AddColumnIdentity, "add-column-identity", Class::Availability, Lock::AccessExclusive, Work::Rewrite,
     Action::Reject, false, "ADD COLUMN GENERATED AS IDENTITY rewrites the table",
     "a sequence; ADD COLUMN; SET DEFAULT nextval; fill in batches; SET NOT NULL; ADD GENERATED"},
    {Rule::AddColumnSerial, "add-column-serial", Class::Availability, Lock::AccessExclusive, Work::Rewrite,
     Action::Reject, false, "ADD COLUMN serial rewrites the table",
     "a sequence; ADD COLUMN; SET DEFAULT nextval; fill in batches; SET NOT NULL"},
    {Rule::AddColumnConstrainedDomain, "add-column-constrained-domain", Class::Availability, Lock::AccessExclusive,
     Work::Rewrite, Action::Reject, false, "ADD COLUMN of a domain with constraints rewrites the table",
     "ADD COLUMN of the base type; ADD CHECK NOT VALID; VALIDATE CONSTRAINT"},
    {Rule::RenameColumn, "rename-column", Class::Compatibility, Lock::AccessExclusive, Work::Instant, Action::Reject,
     false, "RENAME COLUMN breaks running code that uses the old name", "zdm.rename_column"},
    {Rule::AlterColumnTypeRewrite, "alter-column-type-rewrite", Class::Availability, Lock::AccessExclusive,
     Work::Rewrite, Action::Reject, false, "ALTER COLUMN TYPE rewrites the table and its indexes", "zdm.change_type"},
    {Rule::AlterColumnTypeIndexRebuild, "alter-column-type-index-rebuild", Class::Availability, Lock::AccessExclusive,
     Work::IndexBuild, Action::Reject, false,
     "ALTER COLUMN TYPE rebuilds indexes under a lock against reads and writes", "zdm.change_type"},
    {Rule::RenameTable, "rename-table", Class::Compatibility, Lock::AccessExclusive, Work::Instant, Action::Reject,
     false, "RENAME TABLE breaks running code that uses the old name", "zdm.rename_table"},
    {Rule::Cluster, "cluster", Class::Availability, Lock::AccessExclusive, Work::Rewrite, Action::Reject, false,
     "CLUSTER rewrites the table under a lock against reads and writes", "pg_repack or pg_squeeze"},
    {Rule::VacuumFull, "vacuum-full", Class::Availability, Lock::AccessExclusive, Work::Rewrite, Action::Reject, false,
     "VACUUM FULL rewrites the table under a lock against reads and writes", "VACUUM; pg_repack or pg_squeeze"},
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
constexpr std::string_view kWorks[] = {"instant", "scan", "rewrite", "index build", "backfill"};

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
