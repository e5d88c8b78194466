#pragma once
// A table's statements, prepared and planned once; they outlive transactions.
#include "fill/meaning.hpp"
#include "fill/tree.hpp"

#include <cstdint>

namespace zdm::fill
{

struct Statements {
    MemoryContext memory;
    Oid part; // InvalidOid: none
    char *schema;
    char *name;
    Key key;
    SPIPlanPtr last_key;
    SPIPlanPtr bound[2]; // without and with a key done last
    SPIPlanPtr update[2];
    SPIPlanPtr unlocked[2]; // null until needed
    SPIPlanPtr verify[2];   // likewise
    SPIPlanPtr one;         // likewise
    SPIPlanPtr heap[7];     // likewise, by HeapPlan
    Meaning meaning;
    const char *update_text; // for pg_stat_activity
};

// Along the heap: a range, a stripe of it, what nobody has locked of it; rows left anywhere, and the update of these.
enum class HeapPlan : std::uint8_t { Range, Striped, Unlocked, Left, These, TheseUnlocked, Verify };

// The statements are those of this table under its names of now, and its key is still indexed.
bool still_good(const Statements &statements, Oid part);
bool same_names(const Statements &statements);
void drop(Statements *statements);
// Anew, in two steps: what needs no rights; and, as the owner of the job and connected to SPI, the
// statements.
void learn_key(Statements *statements, Relation relation, bool needed);
void prepare(Statements *statements, const Clauses &clauses, Relation part);
// Those that are seldom needed are made when they are.
SPIPlanPtr prepare_unlocked(Statements *statements, const Clauses &clauses, bool after);
SPIPlanPtr prepare_heap(Statements *statements, const Clauses &clauses, HeapPlan which);
SPIPlanPtr prepare_verify(Statements *statements, const Clauses &clauses, bool after);
SPIPlanPtr prepare_one(Statements *statements, const Clauses &clauses);
// Executes one of them. values: its parameters.
void execute_at(SPIPlanPtr plan, Datum *values, bool read_only, Snapshot snapshot);
void execute(SPIPlanPtr plan, Datum *values, bool read_only, long rows);

} // namespace zdm::fill
