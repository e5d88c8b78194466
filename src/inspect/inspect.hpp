#pragma once
// From a parse tree and the catalog to facts. Reads only; the strongest lock it takes is ACCESS SHARE, given back
// before it returns, so that what it says may be old news: decide, lock, decide again.
#include "core/transaction.hpp"
#include "pg/postgres.hpp"

namespace zdm::inspect
{

// Whether statements of this kind can be of interest at all. By the node's tag, without the catalog.
bool may_concern(const Node *utility);

// The same with the settings: some are of interest to rules alone that nobody may have asked for.
bool concerns(const core::Settings &settings, const Node *utility);

struct Finding {
    core::Statement statement;
    bool aside = false; // nothing to guard: private objects, or PostgreSQL will refuse it before it locks
    core::Target busy;  // oid set: somebody holds this against readers, look again later
};

enum class Purpose : std::uint8_t {
    Guard,   // never waits: reports `busy`; leaves what the caller does not own to PostgreSQL's own refusal
    Explain, // waits for ACCESS SHARE, and judges for whoever will run it
};

// `text` is the source of the utility statement, `location` where it starts in `query`, to which the tree's locations
// refer. `settings` say which hazards are asked for. Raises PostgreSQL's own errors for names and expressions that do
// not fit.
Finding facts(core::Arena arena, const core::Settings &settings, const Node *utility, std::string_view text,
              int location, const char *query, Purpose purpose);

// What the statement will leave behind in its transaction. Before it runs: it may drop what this looks at.
core::Footprint footprint(core::Arena arena, const core::Settings &settings, const Node *utility,
                          const core::Statement &statement);

// The locks of a statement that only PostgreSQL could know of, after it has run: adds what this session holds.
void add_all_held(core::Arena arena, const core::Settings &settings, core::Footprint *footprint);

// An UPDATE or DELETE of one table as a backfill or in batches of at most `rows`; words where it is neither.
std::string_view batched(core::Arena arena, std::string_view text, const core::Relation &relation, int rows);

// What the planner expects of a query.
double rows_written(const PlannedStmt *planned);
core::Query query_of(core::Arena arena, const core::Settings &settings, const PlannedStmt *planned,
                     std::string_view text);

// The relation that a statement of our concern is about, or null; whether it may be missing.
const RangeVar *subject(const Node *utility, bool *may_be_missing);

// The source of a statement, without what surrounds it: comments, blanks, the semicolon.
std::string_view source_of(core::Arena arena, const PlannedStmt *planned, const char *query, int *location);

} // namespace zdm::inspect
