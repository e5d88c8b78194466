#pragma once
// The tables behind a name: itself, its partitions, its children.
#include "fill/statement.hpp"

namespace zdm::fill
{

struct Parts {
    int count;
    Oid *oids; // ascending, tables with rows of their own only
};

Parts parts_of(Oid relation);
// The part that follows by OID, or InvalidOid. Parts that came meanwhile and sort earlier hold only later
// rows.
Oid part_after(Oid relation, Oid part);
int64 estimate_rows(Oid relation);

// In a part, the clauses know the table by the name of the relation they were written for.
Clauses clauses_for(Oid relation, Oid part, const char *set_clause, const char *where_clause);

[[noreturn]] void refuse_without_key(Relation relation);

// Puts a text[] of name, value, name, value in force for the current nest level. more_path: ", schema, ..."
// or null.
void apply_settings(Datum settings, const char *more_path);

} // namespace zdm::fill
