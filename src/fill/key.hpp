#pragma once
// The key a backfill walks along.
#include "pg/postgres.hpp"

namespace zdm::fill
{

struct Key {
    int count; // 0: the table has none
    Oid index;
    AttrNumber columns[INDEX_MAX_KEYS];
    Oid types[INDEX_MAX_KEYS]; // base types, what parameters are declared as
    bool by_value[INDEX_MAX_KEYS];
    int16 lengths[INDEX_MAX_KEYS];
    const char *names;      // "(a, b)", or "a"
    const char *names_desc; // "a DESC, b DESC"
    const char *names_list; // "a, b"
    const char *greater;    // OPERATOR(pg_catalog.>)
    const char *equal;
    const char *at_most;   // OPERATOR(pg_catalog.<=)
    const char *more_path; // schemas to add to the search_path where one name cannot say both; or null
};

// The primary key; else the shortest unique index over NOT NULL columns alone, immediate, valid, in default
// order.
Key find_key(Relation relation);

[[noreturn]] void refuse_other_key();
bool same_columns(const Key &one, const Key &other);

// Between values and texts that any session reads alike; the first text says which columns they belong to, so
// that a place in one key is never taken for a place in another. Allocates in the current memory context.
Datum to_texts(const Key &key, const Datum *values);
void from_texts(const Key &key, Datum texts, Datum *values);
// What users read: the value; of several, a row's text. From the texts of to_texts().
char *key_text(Datum texts);
void copy_values(const Key &key, const Datum *from, Datum *to);

} // namespace zdm::fill
