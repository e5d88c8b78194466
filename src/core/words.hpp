#pragma once
// What users read. Style: PostgreSQL's error message style guide.
#include "core/plan.hpp"

namespace zdm::core
{

struct Report {
    std::string_view message;
    std::string_view detail;
    std::string_view hint;
};

// DETAIL line of one hazard: Rule set-not-null-scan: ACCESS EXCLUSIVE on public.users (5120 MB) for a full scan; ...
std::string_view describe(Arena arena, const Part &part);
std::string_view describe(Arena arena, const Verdict &verdict);

Report rejected(Arena arena, const Settings &settings, const Statement &statement, const Verdict &verdict);
Report needs_own_transactions(Arena arena, const Settings &settings, const Statement &statement,
                              const Verdict &verdict);
// In mode warn `would` is what mode rewrite would have done; otherwise null.
Report warned(Arena arena, const Settings &settings, const Statement &statement, const Verdict &verdict,
              const Verdict *would);
Report rewritten(Arena arena, const Statement &statement, const Verdict &verdict, const Plan &plan);

// A session in the way of a lock.
struct Blocker {
    int pid; // 0: a prepared transaction
    std::string_view application;
    std::string_view state;
    std::int64_t age_ms; // of its transaction; -1 unknown
    Lock held;
    std::string_view relation;
    std::string_view query; // empty if the caller may not see it
};

std::string_view describe(Arena arena, const Blocker &blocker);
Report lock_not_available(Arena arena, const Target &wanted, std::int64_t waited_ms, const List<Blocker> &blockers);
Report still_waiting(Arena arena, std::string_view sql, const List<Blocker> &blockers);
Report left_behind(Arena arena, std::string_view undo_sql, std::string_view why);

// 5120 MB, as pg_size_pretty does
std::string_view size_text(Arena arena, std::uint64_t bytes);
// 1.2 s, 85 ms, 2 min
std::string_view duration(Arena arena, std::int64_t ms);

} // namespace zdm::core
