#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

#include <climits>

namespace zdm::conf
{

namespace
{

using core::Action;

const config_enum_entry kModes[] = {
    {"off", static_cast<int>(core::Mode::Off), false},
    {"warn", static_cast<int>(core::Mode::Warn), false},
    {"reject", static_cast<int>(core::Mode::Reject), false},
    {"rewrite", static_cast<int>(core::Mode::Rewrite), false},
    {nullptr, 0, false},
};

const config_enum_entry kInTransaction[] = {
    {"reject", static_cast<int>(core::InTransaction::Reject), false},
    {"defer", static_cast<int>(core::InTransaction::Defer), false},
    {nullptr, 0, false},
};

int mode = static_cast<int>(core::Mode::Rewrite);
int in_transaction = static_cast<int>(core::InTransaction::Reject);
char *rule_actions = nullptr;
bool safety_assured = false;
bool allow_safety_assured = true;
int lock_timeout_ms = 100;
int lock_patience_ms = 60 * 1000;
int long_transaction_ms = 1000;
int instant_timeout_ms = 30 * 1000;
int small_table_kb = 0;
int max_lock_hold_ms = 0;
int max_rows = 0;
int batch_time_ms = 25;
int max_replication_lag_kb = 16 * 1024;
int max_replication_delay_ms = 5000;
char *ignore_standbys = nullptr;
int max_wal_rate_kb = 0;
bool run_jobs = true;
int max_workers = 0;

// What zdm.rule_actions says, parsed at SET. kUnset where it says nothing.
constexpr std::uint8_t kUnset = 255;
struct Overrides {
    std::uint8_t actions[core::kRuleCount];
};
const Overrides *overrides = nullptr;

// Each SET of zdm.safety_assured has a number, kept in its `extra`, so that a value which guc.c merely restores is
// known for what it is: used up stays used up.
struct Assurance {
    GucSource source;
    std::uint64_t number;
};
std::uint64_t assurances = 0;
std::uint64_t assurances_used_up = 0;
Assurance assurance{PGC_S_DEFAULT, 0};

bool is_used_up() { return assurance.number != 0 && assurance.number <= assurances_used_up; }

} // namespace

extern "C" {

static bool check_rule_actions(char **value, void **extra, GucSource source)
{
    Overrides parsed;
    memset(parsed.actions, kUnset, sizeof(parsed.actions));

    char *text = pstrdup(*value);
    char *rest = nullptr;
    for (char *entry = strtok_r(text, ",", &rest); entry != nullptr; entry = strtok_r(nullptr, ",", &rest)) {
        char *equals = strchr(entry, '=');
        const auto trim = [](char *from, char *to) {
            while (from < to && isspace(static_cast<unsigned char>(*from))) {
                from++;
            }
            while (to > from && isspace(static_cast<unsigned char>(to[-1]))) {
                to--;
            }
            return std::string_view(from, static_cast<std::size_t>(to - from));
        };
        char *end = entry + strlen(entry);
        if (trim(entry, end).empty()) {
            continue;
        }
        if (equals == nullptr) {
            GUC_check_errdetail("\"%s\" is not of the form rule=action.", pg::cstring(trim(entry, end)));
            return false;
        }
        const std::string_view rule_name = trim(entry, equals);
        const std::string_view action_name = trim(equals + 1, end);
        const core::RuleRow *rule = core::find_rule(rule_name);
        Action action{};
        if (rule == nullptr) {
            GUC_check_errdetail("There is no rule \"%s\".", pg::cstring(rule_name));
            GUC_check_errhint("The view zdm.rules lists them.");
            return false;
        }
        if (!core::parse_action(action_name, &action)) {
            GUC_check_errdetail("\"%s\" is not an action.", pg::cstring(action_name));
            GUC_check_errhint("Actions are allow, warn, reject and rewrite.");
            return false;
        }
        if (action == Action::Rewrite && !rule->rewritable) {
            GUC_check_errdetail("Rule \"%s\" has no rewrite.", pg::cstring(rule_name));
            GUC_check_errhint("Use allow, warn or reject.");
            return false;
        }
        parsed.actions[static_cast<int>(rule->id)] = static_cast<std::uint8_t>(action);
    }
    *extra = pg::guc_allocate(sizeof(Overrides));
    if (*extra == nullptr) {
        return false;
    }
    memcpy(*extra, &parsed, sizeof(parsed));
    return true;
}

static bool check_name_list(char **value, void **extra, GucSource source)
{
    List *names = NIL;
    char *copy = pstrdup(*value);
    const bool good = SplitGUCList(copy, ',', &names);

    if (!good) {
        GUC_check_errdetail("List syntax is invalid.");
    }
    list_free(names);
    pfree(copy);
    return good;
}

static void assign_rule_actions(const char *value, void *extra) { overrides = static_cast<Overrides *>(extra); }

static bool check_safety_assured(bool *value, void **extra, GucSource source)
{
    auto *seen = static_cast<Assurance *>(pg::guc_allocate(sizeof(Assurance)));
    if (seen == nullptr) {
        return false;
    }
    *seen = {source, ++assurances};
    *extra = seen;
    if (*value && !allow_safety_assured && source == PGC_S_SESSION && IsTransactionState()) {
        GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
        GUC_check_errmsg("zdm.safety_assured cannot be set here");
        GUC_check_errdetail("zdm.allow_safety_assured is off.");
        return false;
    }
    return true;
}

static void assign_safety_assured(bool value, void *extra)
{
    assurance = extra == nullptr ? Assurance{PGC_S_DEFAULT, 0} : *static_cast<Assurance *>(extra);
}

static const char *show_safety_assured() { return safety_assured && !is_used_up() ? "on" : "off"; }

} // extern "C"

void define(bool preloaded)
{
    DefineCustomEnumVariable("zdm.mode", "What the guard does with dangerous DDL.",
                             "off, warn, reject or rewrite: a ceiling over the action of each rule.", &mode,
                             static_cast<int>(core::Mode::Rewrite), kModes, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomStringVariable("zdm.rule_actions", "Actions of single rules.",
                               "A list such as 'rename-column=warn, vacuum-full=allow'.", &rule_actions, "", PGC_SUSET,
                               0, check_rule_actions, assign_rule_actions, nullptr);
    DefineCustomBoolVariable("zdm.safety_assured", "The next guarded statement has been reviewed: run it as written.",
                             "Given by SET it counts for one statement or transaction block. Lock limits stay.",
                             &safety_assured, false, PGC_USERSET, 0, check_safety_assured, assign_safety_assured,
                             show_safety_assured);
    DefineCustomBoolVariable("zdm.allow_safety_assured", "Whether zdm.safety_assured may be used.", nullptr,
                             &allow_safety_assured, true, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomEnumVariable(
        "zdm.in_transaction", "What to do inside a transaction block where the safe form needs several transactions.",
        "reject, or defer: what is instant is done now, the rest by a background job after commit.", &in_transaction,
        static_cast<int>(core::InTransaction::Reject), kInTransaction, PGC_USERSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("zdm.lock_timeout",
                            "The longest one attempt may stand in lock queues where others wait behind it.", nullptr,
                            &lock_timeout_ms, 100, 1, INT_MAX, PGC_SUSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("zdm.lock_patience", "How long to go on attempting to get locks.", "0 is one attempt.",
                            &lock_patience_ms, 60 * 1000, 0, INT_MAX, PGC_USERSET, GUC_UNIT_MS, nullptr, nullptr,
                            nullptr);
    DefineCustomIntVariable("zdm.long_transaction",
                            "Do not queue behind a lock holder whose transaction is older than this.", nullptr,
                            &long_transaction_ms, 1000, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("zdm.instant_timeout", "Limit for a step that should be instant, from its last lock on.",
                            "0 is no limit.", &instant_timeout_ms, 30 * 1000, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS,
                            nullptr, nullptr, nullptr);
    DefineCustomIntVariable("zdm.small_table_size", "Relations up to this size are treated as empty ones are.",
                            "0: only those without pages. -1: not even those, as if every table were large. Lock "
                            "limits count for all.",
                            &small_table_kb, 0, -1, INT_MAX, PGC_SUSET, GUC_UNIT_KB, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("zdm.max_lock_hold",
                            "How long a transaction that changed a table's schema may keep a lock that blocks others.",
                            "Idle longer ends the session, a statement longer is cancelled. 0 is no limit.",
                            &max_lock_hold_ms, 0, 0, INT_MAX, PGC_SUSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("zdm.max_dml_rows",
                            "UPDATE and DELETE of more rows, by the planner's estimate, are rule unbatched-dml.",
                            "0 is no limit.", &max_rows, 0, 0, INT_MAX, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("zdm.batch_time", "What one batch of a backfill should take.", nullptr, &batch_time_ms, 25,
                            1, 60 * 1000, PGC_USERSET, GUC_UNIT_MS, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("zdm.max_replication_lag",
                            "A job waits while a standby or an active logical slot is further behind than this.",
                            "-1 ignores them.", &max_replication_lag_kb, 16 * 1024, -1, INT_MAX, PGC_USERSET,
                            GUC_UNIT_KB, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("zdm.max_replication_delay",
                            "A job waits while a standby or an active logical slot is later than this.",
                            "-1 ignores them.", &max_replication_delay_ms, 5000, -1, INT_MAX, PGC_USERSET, GUC_UNIT_MS,
                            nullptr, nullptr, nullptr);
    DefineCustomStringVariable("zdm.ignore_standbys", "Standbys and slots that no job waits for.",
                               "A list of application names, or names of slots.", &ignore_standbys, "", PGC_USERSET,
                               GUC_LIST_INPUT, check_name_list, nullptr, nullptr);
    DefineCustomIntVariable("zdm.max_wal_rate", "WAL that a job may write per second.", "0 is no limit.",
                            &max_wal_rate_kb, 0, 0, INT_MAX, PGC_USERSET, GUC_UNIT_KB, nullptr, nullptr, nullptr);
    DefineCustomBoolVariable("zdm.run_jobs", "Whether background jobs run.", "off ends every worker within one batch.",
                             &run_jobs, true, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
    if (preloaded) {
        DefineCustomIntVariable("zdm.max_workers", "Background workers at once, in the whole cluster.", nullptr,
                                &max_workers, 4, 1, 64, PGC_POSTMASTER, 0, nullptr, nullptr, nullptr);
    }
    MarkGUCPrefixReserved("zdm");
}

int max_dml_rows() { return max_rows; }

bool limits_lock_hold() { return max_lock_hold_ms > 0; }

core::Action action(core::Rule rule)
{
    const std::uint8_t wanted = overrides == nullptr ? kUnset : overrides->actions[static_cast<int>(rule)];
    return wanted == kUnset ? core::row(rule).default_action : static_cast<Action>(wanted);
}

bool off() { return mode == static_cast<int>(core::Mode::Off); }

core::Settings current()
{
    core::Settings now{};

    now.mode = static_cast<core::Mode>(mode);
    now.safety_assured = safety_assured && !is_used_up();
    now.allow_safety_assured = allow_safety_assured;
    now.in_transaction = static_cast<core::InTransaction>(in_transaction);
    now.lock_timeout_ms = LockTimeout > 0 && LockTimeout < lock_timeout_ms ? LockTimeout : lock_timeout_ms;
    now.lock_patience_ms = lock_patience_ms;
    now.long_transaction_ms = long_transaction_ms;
    now.instant_timeout_ms = instant_timeout_ms;
    now.small_table_bytes = small_table_kb < 0 ? -1 : static_cast<std::int64_t>(small_table_kb) * 1024;
    now.max_lock_hold_ms = max_lock_hold_ms;
    now.max_dml_rows = max_rows;
    now.batch_time_ms = batch_time_ms;
    now.max_replication_lag_kb = max_replication_lag_kb;
    now.max_replication_delay_ms = max_replication_delay_ms;
    now.ignore_standbys = ignore_standbys == nullptr ? "" : ignore_standbys;
    now.max_wal_rate_kb = max_wal_rate_kb;
    now.run_jobs = run_jobs;
    now.max_workers = max_workers;
    for (int i = 0; i < core::kRuleCount; i++) {
        now.actions[i] = action(static_cast<core::Rule>(i));
    }
    return now;
}

bool safety_assured_is_single_use() { return assurance.source == PGC_S_SESSION; }

void use_up_safety_assured() { assurances_used_up = assurance.number; }

} // namespace zdm::conf
