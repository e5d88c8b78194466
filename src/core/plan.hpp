#pragma once
// Facts and settings to a verdict; a verdict to a plan.
#include "core/settings.hpp"
#include "core/statement.hpp"

namespace zdm::core
{

enum class Ruling : std::uint8_t { Pass, Warn, Rewrite, Defer, Reject };

std::string_view name(Ruling ruling);

struct Verdict {
    Ruling ruling = Ruling::Pass;
    bool needs_own_transactions = false; // Reject, but only because of the transaction block (25001)
    List<Part> findings;                 // the parts that the verdict is about, each a hazard
    List<Part> weaker;                   // hazards whose rule says `warn` while another says more
};

// `assured`: reviewed by a person, nothing is reported.
Verdict judge(Arena arena, const Settings &settings, const Statement &statement, bool in_block, bool assured);

enum class StepKind : std::uint8_t {
    Probe,      // a SELECT; a row that it returns is an error
    Instant,    // takes locks that block others, under the lock ladder; its work is instant
    Long,       // takes locks that block nobody, may take long
    Concurrent, // commits by itself, cannot run in a transaction block
    Fill,       // a SELECT that starts a background job; done when that job is done
};

// PostgreSQL's own error for a row that breaks a constraint. DETAIL is prefix, the row's text, suffix; none if empty.
struct Violation {
    const char *sqlstate = nullptr;
    std::string_view message;
    std::string_view detail_prefix;
    std::string_view detail_suffix;
    std::string_view detail_if_null; // instead, for a row without text
    bool names_relation = false;     // the row's text is the relation's name, for "%s" in message
    std::string_view column;
    std::string_view constraint;
};

struct Step {
    StepKind kind = StepKind::Instant;
    std::string_view sql;
    std::string_view undo;        // undoes this step after it was done, or failed half-way; empty if nothing is to undo
    std::string_view undo_unless; // a SELECT; while it returns a row, undo must not be run
    Lock lock = Lock::None;
    Work work = Work::Instant;
    Relation relation;
    List<Target> also; // further relations that it locks; those without OID are looked up by name when it runs
    Violation violation;
    bool eager = false;          // Instant: stands on no step that is long, so that it may come first
                                 // Probe: a VALIDATE that follows looks for the same, with the same words
    bool as_owner = false;       // Probe: runs functions that the table's owner has chosen
    bool by_hand = false;        // cannot be undone: `undo` is for a person, should a later step fail
    bool only = false;           // locks the relation alone, not what is below it
    std::uint32_t partition = 0; // nothing is to be done once this one is gone, or no longer below the next
    std::uint32_t partition_of = 0;
    bool own_name = false;      // makes an object under a name that we chose: taken meanwhile, another will do
    std::string_view leftover;  // Concurrent: bare name of an index; unless it is INVALID there is nothing to do
    std::uint32_t detaches = 0; // Concurrent: a partition; failed half-way it is pending, and `finish` must come
    std::string_view finish;    // before `undo`
    std::string_view builds;    // Concurrent: bare name of the index that must be valid afterwards
    std::string_view drops;     // Concurrent: bare name of the index that it drops; can be finished, not undone
    std::string_view completes; // Instant: bare name of the partitioned index that must be valid afterwards
};

struct Plan {
    List<Step> steps;
};

// The safe plan of a statement whose verdict, outside a transaction block, is Rewrite.
Plan plan(Arena arena, const Settings &settings, const Statement &statement);

// All steps as SQL, a line each.
std::string_view script(Arena arena, const Plan &plan);

// The safe SQL for people: the plan's steps, and the hints of parts that have none.
std::string_view safe_sql(Arena arena, const Settings &settings, const Statement &statement);
// The same where the verdict may be about nothing but notes: then their hints.
std::string_view safe_sql(Arena arena, const Settings &settings, const Statement &statement, const Verdict &verdict);

} // namespace zdm::core
