#pragma once
// What users read. Style: PostgreSQL's error message style guide.
#include "core/defer.hpp"

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
// `job`: that does the rest.
Report put_off(Arena arena, const Statement &statement, const Verdict &verdict, const Deferral &split,
               std::int64_t job);
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
// `job`: who will try again; 0: nobody.
// What a step made stays, though a later one failed; its undo is the hint.
Report stays(Arena arena, const Step &step);
Report left_behind(Arena arena, std::string_view undo_sql, std::string_view why, std::int64_t job);
// A plan whose session has died is in the way. `job`; `here`: nobody but this session could go on with it.
Report plan_in_the_way(Arena arena, const Relation &relation, std::int64_t job, std::int64_t waited_ms, bool here);
Report plan_is_open(Arena arena, std::int64_t job);

// 8192 bytes, 48 kB, 5120 MB
std::string_view pretty_size(Arena arena, std::uint64_t bytes);

// 1.2 s, 85 ms, 2 min
std::string_view duration(Arena arena, std::int64_t ms);

} // namespace zdm::core
