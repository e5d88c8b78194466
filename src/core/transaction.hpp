#pragma once
// The shape of a transaction: what it has done so far makes of a harmless statement a dangerous one.
#include "core/words.hpp"

namespace zdm::core
{

// A relation that others know, and that the transaction locks against them.
struct Held {
    Relation relation;
    std::uint32_t family = 0; // the table it belongs to: root of its partitions, or whose index it is
    Lock lock = Lock::None;
    bool table = false;  // has rows
    bool by_ddl = false; // by a change of the schema; not by TRUNCATE or LOCK TABLE
};

enum class Deed : std::uint8_t { Alters, References, DropsTable, CreatesTable, DropsIndex, CreatesIndex };

struct Done {
    Deed deed{};
    Relation relation;     // the altered or referenced table, or the one that the index is of
    std::string_view what; // name of the table, or the first column of the index
};

// What a statement will do, or a transaction has done.
struct Footprint {
    List<Held> holds;
    List<Done> deeds;
    bool renames = false; // a table's name only, as the swap of two tables does
    bool locks_by_hand = false;

    Footprint() = default;
    explicit Footprint(Arena arena) : holds(arena), deeds(arena) {}
};

void add(Footprint *past, const Footprint &now);

// Judges the statement by what its transaction block has done before it: adds notes, and makes a VALIDATE CONSTRAINT a
// hazard whose scan would run while others are locked out.
void judge_shape(Arena arena, const Footprint &past, const Footprint &now, Statement *statement);

// A query, as the planner sees it.
struct Query {
    std::string_view tag;
    std::string_view text;
    Relation relation;         // that it writes, or the largest that it reads
    bool changes_rows = false; // UPDATE, DELETE, MERGE
    double rows_written = 0;
    double cost = 0; // of reading; 0 where only catalogs are read
    std::string_view batched;
};

// Many rows to write, or much to read.
bool is_bulk(double rows_written, double cost, int max_dml_rows);

// The same for a query. Its notes are all there is to be judged.
Statement judge_query(Arena arena, const Settings &settings, const Footprint &past, const Query &query);

Report held_too_long(Arena arena, Rule rule, const Held &held, std::int64_t held_ms, std::int64_t limit_ms);
Report prepared_with_lock(Arena arena, const Held &held);

// What is held longest of the tables whose schema was changed, or null.
const Held *first_change(const Footprint &past);

} // namespace zdm::core
