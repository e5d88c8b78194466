#pragma once
// The table of hazards. Adding one is a row here, a fact in inspect if it needs one, a planner case if it can be
// rewritten, and tests.
#include "core/memory.hpp"

namespace zdm::core
{

enum class Rule : std::uint8_t {
    CreateIndexBlocking,
    CreateIndexPartitioned,
    ConcurrentlyInTxn,
    CicIfNotExistsInvalid,
    CicShortTimeout,
    UniqueIndexDup,
    DropIndexBlocking,
    DropIndexNeeded,
    ReplaceIndexDropFirst,
    ReindexBlocking,
    DuplicateIndex,
    RedundantIndex,
    WideIndex,
    AlterIndexTablespace,
    AutoAnalyze,
    SetNotNullScan,
    AddCheckValidating,
    AddColumnInlineCheck,
    AddFkValidating,
    AddColumnInlineFk,
    AddFkPartitioned,
    FkTypeMismatch,
    FkMissingIndex,
    MultipleFksOneTxn,
    CreateTableFk,
    AddUniqueBlocking,
    AddColumnInlineUnique,
    AddPkBlocking,
    AddPkUsingIndexNullable,
    RedefinePrimaryKey,
    DropPrimaryKey,
    AddExcludeBlocking,
    ValidateInSameTxn,
    NotValidForgotten,
    DropFkConstraint,
    DropUniqueConstraint,
    DropCheck,
    DropNotNull,
    AlterConstraintDeferrable,
    RenameConstraint,
    AlterDomainConstraintValidating,
    AlterDomainSetNotNull,
    CreateDomainWithConstraint,
    UnnamedConstraint,
    AddColumnVolatileDefault,
    AddColumnNotNullNoDefault,
    DropDefaultNotNull,
    AddColumnGeneratedStored,
    AddColumnIdentity,
    AddColumnSerial,
    AddColumnConstrainedDomain,
    AddColumnPublished,
    PreferJsonb,
    DropColumn,
    RenameColumn,
    AlterColumnTypeRewrite,
    AlterColumnTypeIndexRebuild,
    AlterColumnTypeCheckRecheck,
    AlterColumnTypeStatsLost,
    AlterColumnTypeBlockedByView,
    ChangeColumnDefault,
    SetStorage,
    SetCompression,
    CachedPlanBreak,
    DropTable,
    DropTableCascade,
    DropSchema,
    DropDatabase,
    DropType,
    DropView,
    DropSequence,
    DropOwned,
    DropTableFkLocks,
    Truncate,
    TruncateCascade,
    RenameTable,
    SetSchema,
    RenameSchema,
    RenameEnumValue,
    RenameOther,
    EnumValueInTxn,
    EnumValueUnordered,
    CreateEnum,
    SetTablespace,
    SetLoggedUnlogged,
    SetAccessMethod,
    SetExpression,
    Cluster,
    VacuumFull,
    RefreshMatviewBlocking,
    CreateOrReplaceView,
    AttachPartitionScan,
    CreatePartitionDefaultScan,
    DetachPartitionBlocking,
    DropPartition,
    Inherit,
    NoInherit,
    CreateTrigger,
    DisableTrigger,
    CreateRule,
    EnableRls,
    OwnerChange,
    Revoke,
    ReplicaIdentity,
    PublicationNoReplicaIdentity,
    DisableAutovacuum,
    UnloggedTable,
    TableWithoutPk,
    SequenceOverflow,
    LockTableExplicit,
    CreateExtension,
    AlterExtension,
    IfNotExistsMismatch,
    CreateTableForce,
    UnbatchedDml,
    DdlDmlMixed,
    MultiTableAccessExclusive,
    StatementAfterAccessExclusive,
    LockHeldTooLong,
    IdleInTxnAfterDdl,
    CombinableAlters,
    PreferBigint,
    PreferIdentity,
    PreferText,
    BanChar,
    PreferTimestamptz,
    TimestampPrecision,
    BanMoney,
    BanCreateDomain,
    RequireTableSchema,
    IdentifierTooLong,
};
inline constexpr int kRuleCount = static_cast<int>(Rule::IdentifierTooLong) + 1;

enum class Class : std::uint8_t { Availability, Compatibility, Data, Replication, Transaction, Style };

// In order of strictness.
enum class Action : std::uint8_t { Allow, Warn, Rewrite, Reject };

// Numbers as in PostgreSQL's lockdefs.h.
enum class Lock : std::uint8_t {
    None,
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
};

// The heavier, the later.
enum class Work : std::uint8_t { Instant, Scan, IndexBuild, Rewrite, Backfill };

struct RuleRow {
    Rule id;
    std::string_view name;
    Class cls;
    Lock lock; // strongest lock of the statement as written
    Work work; // what it does under that lock
    Action default_action;
    bool rewritable; // a safe plan exists
    std::string_view summary;
    std::string_view safe_form;
};

const RuleRow &row(Rule rule);
// Null when there is no such rule.
const RuleRow *find_rule(std::string_view name);

std::string_view name(Class cls);
std::string_view name(Action action);
// As PostgreSQL names modes in pg_locks: AccessExclusiveLock.
std::string_view name(Lock lock);
// As SQL names them: ACCESS EXCLUSIVE.
std::string_view sql_name(Lock lock);
std::string_view name(Work work);
// What others cannot do while the lock is held or queued for: nothing, writes, reads and writes.
std::string_view blocks(Lock lock);
// Share and stronger: others' writes, or reads too, wait behind it.
inline bool blocks_others(Lock lock) { return lock >= Lock::Share; }

// Parses one entry of zdm.rule_actions. Returns an empty text, or what is wrong with it.
bool parse_action(std::string_view word, Action *action);

} // namespace zdm::core
