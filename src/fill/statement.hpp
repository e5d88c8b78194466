#pragma once
// The SQL of a backfill. The caller's clauses are text; that they are clauses and nothing more is checked
// once, at the call, by parsing each of them alone.
#include "fill/key.hpp"

namespace zdm::fill
{

// Columns that set_clause names, as a List of char *. Raises 42601 if it is anything but `column =
// expression, ...`.
List *columns_set(const char *set_clause);
// Raises 42601 if where_clause is anything but one condition.
void check_condition(const char *where_clause);

// One table's statements. Parameters: the key done last (only with `after`), then the last key of the range.
struct Clauses {
    const char *table; // qualified
    const char *alias; // name under which the clauses know it; null: its own
    const char *set_clause;
    const char *where_clause; // or null
    const char *not_yet;      // condition that a row is not right yet; or null
};
char *update_statement(const Clauses &clauses, const Key &key, bool after);
// The keys of rows in a range, or places in the heap, that are not right.
char *verify_statement(const Clauses &clauses, const Key &key, bool after);
char *heap_verify_statement(const Clauses &clauses);
// The same for the rows of the range that nobody has locked. Returns rows changed, rows that match again, and the keys
// of those locked, a row for each, or one without keys.
char *unlocked_statement(const Clauses &clauses, const Key &key, bool after);
// The same for one key.
char *one_statement(const Clauses &clauses, const Key &key);
// Ranges of places in the heap: from $1 to before $2; striped: of these the rows whose place hashes to $4 of $3 + 1.
char *heap_statement(const Clauses &clauses, bool striped);
char *heap_unlocked_statement(const Clauses &clauses);
// The key of the row at $1.
char *key_at_statement(const char *table, const Key &key);
// Up to $1 places of rows that are left anywhere but at $2; and the update of these, all or the unlocked.
char *heap_left_statement(const Clauses &clauses);
char *heap_these_statement(const Clauses &clauses, bool unlocked);
// The key so many rows further on; the last parameter is that number less one.
char *bound_statement(const char *table, const Key &key, bool after);
char *last_key_statement(const char *table, const Key &key);
// Whether a condition about no row in particular holds.
char *condition_statement(const char *condition);
// Whether any row matches where_clause.
char *any_statement(const Clauses &clauses);
// The UPDATE without a range: what the caller must be able to do.
char *plain_statement(const Clauses &clauses);

} // namespace zdm::fill
