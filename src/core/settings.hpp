#pragma once
#include "core/rules.hpp"

namespace zdm::core
{

enum class Mode : std::uint8_t { Off, Warn, Reject, Rewrite };
enum class InTransaction : std::uint8_t { Reject, Defer };

// All settings as one value. Times in milliseconds.
struct Settings {
    Mode mode;
    bool safety_assured;
    bool allow_safety_assured;
    InTransaction in_transaction;
    int lock_timeout_ms;
    int lock_patience_ms;
    int long_transaction_ms;
    int instant_timeout_ms;
    int batch_time_ms;
    int max_replication_lag_kb;   // -1: any
    int max_replication_delay_ms; // -1: any
    const char *ignore_standbys;
    int max_wal_rate_kb; // 0: any
    bool run_jobs;
    std::int64_t small_table_bytes; // relations up to this size count as empty; -1: not even those without pages
    int max_lock_hold_ms;           // 0: no limit
    int max_dml_rows;               // 0: no limit
    int max_workers;                // 0 when the library was not preloaded
    Action actions[kRuleCount];
};

// The action in force: the rule's own or the one from zdm.rule_actions, under the ceiling of zdm.mode.
Action action_of(const Settings &settings, Rule rule);

} // namespace zdm::core
