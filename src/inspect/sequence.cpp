// ALTER SEQUENCE: whether the numbers run out, or come again.
#include "pg/postgres.hpp"

#include "inspect/notes.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

struct State {
    std::int64_t last = 0;
    bool called = false;
};

// As the sequence's one page says.
State state_of(Relation rel)
{
    State state;
    Buffer buffer = ReadBuffer(rel, 0);

    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    Page page = BufferGetPage(buffer);
    ItemId item = PageGetItemId(page, FirstOffsetNumber);
    if (ItemIdIsNormal(item)) {
        HeapTupleData tuple;
        tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
        tuple.t_len = ItemIdGetLength(item);
        const auto *data = reinterpret_cast<Form_pg_sequence_data>(GETSTRUCT(&tuple));
        state = {data->last_value, data->is_called};
    }
    UnlockReleaseBuffer(buffer);
    return state;
}

// What the sequence will be.
struct Wanted {
    std::int64_t increment;
    std::int64_t min;
    std::int64_t max;
    std::int64_t restart = 0;
    bool restarts = false;
    bool starts_to_cycle = false;
    bool concerned = false; // by what the rule is about
};

std::int64_t type_limit(const TypeName *type, bool low)
{
    switch (typenameTypeId(nullptr, type)) {
    case INT2OID:
        return low ? PG_INT16_MIN : PG_INT16_MAX;
    case INT4OID:
        return low ? PG_INT32_MIN : PG_INT32_MAX;
    default:
        return low ? PG_INT64_MIN : PG_INT64_MAX;
    }
}

std::int64_t type_limit(Oid type, bool low)
{
    return type == INT2OID   ? (low ? PG_INT16_MIN : PG_INT16_MAX)
           : type == INT4OID ? (low ? PG_INT32_MIN : PG_INT32_MAX)
                             : (low ? PG_INT64_MIN : PG_INT64_MAX);
}

Wanted wanted_of(List *options, const FormData_pg_sequence *now)
{
    Wanted wanted{now->seqincrement, now->seqmin, now->seqmax};
    ListCell *cell = nullptr;

    foreach (cell, options) {
        auto *option = lfirst_node(DefElem, cell);
        const std::string_view name = option->defname;
        if (name == "as") {
            // A limit that was the old type's becomes the new type's.
            const TypeName *type = defGetTypeName(option);
            wanted.max = now->seqmax == type_limit(now->seqtypid, false) ? type_limit(type, false) : wanted.max;
            wanted.min = now->seqmin == type_limit(now->seqtypid, true) ? type_limit(type, true) : wanted.min;
            wanted.concerned = true;
        } else if (name == "maxvalue" && option->arg != nullptr) {
            wanted.max = defGetInt64(option);
            wanted.concerned = true;
        } else if (name == "minvalue" && option->arg != nullptr) {
            wanted.min = defGetInt64(option);
            wanted.concerned = true;
        } else if (name == "increment") {
            wanted.increment = defGetInt64(option);
            wanted.concerned = true;
        } else if (name == "restart") {
            wanted.restart = option->arg == nullptr ? now->seqstart : defGetInt64(option);
            wanted.restarts = wanted.concerned = true;
        } else if (name == "cycle" && option->arg != nullptr && boolVal(option->arg) && !now->seqcycle) {
            wanted.starts_to_cycle = wanted.concerned = true;
        }
    }
    return wanted;
}

// The table whose column takes its numbers has no rows.
bool owner_is_empty(Case &c, Oid sequence)
{
    Oid table = InvalidOid;
    int32 column = 0;
    Look look;

    if (!sequenceIsOwned(sequence, DEPENDENCY_AUTO, &table, &column) &&
        !sequenceIsOwned(sequence, DEPENDENCY_INTERNAL, &table, &column)) {
        return false;
    }
    return look_at(c, table, &look) && look.empty;
}

// More than nine tenths of the way to its end.
bool is_near_end(const Wanted &wanted, std::int64_t at)
{
    const auto from = static_cast<double>(wanted.increment > 0 ? wanted.min : wanted.max);
    const auto to = static_cast<double>(wanted.increment > 0 ? wanted.max : wanted.min);
    // A descending or ascending one that starts in the middle of its type counts from zero.
    const double start = (from < 0) != (to < 0) ? 0 : from;
    return to != start && (static_cast<double>(at) - start) / (to - start) > 0.9;
}

} // namespace

void note_sequence(Case &c, const AlterSeqStmt *stmt)
{
    Look look;
    State state;

    if (!c.asks(core::Rule::SequenceOverflow) || !look_at(c, stmt->sequence, &look) || look.hidden || !look.owned ||
        look.relkind != RELKIND_SEQUENCE) {
        return;
    }
    with_relation(c, look.oid, [&](Relation rel) { state = state_of(rel); });
    HeapTuple tuple = SearchSysCache1(SEQRELID, ObjectIdGetDatum(look.oid));
    if (!HeapTupleIsValid(tuple)) {
        return;
    }
    const Wanted wanted = wanted_of(stmt->options, reinterpret_cast<Form_pg_sequence>(GETSTRUCT(tuple)));
    ReleaseSysCache(tuple);

    const std::int64_t at = wanted.restarts ? wanted.restart : state.last;
    const bool again = wanted.restarts && state.called &&
                       (wanted.increment > 0 ? wanted.restart <= state.last : wanted.restart >= state.last);
    if (!wanted.concerned || at < wanted.min || at > wanted.max ||
        (!again && !wanted.starts_to_cycle && !is_near_end(wanted, at)) || owner_is_empty(c, look.oid)) {
        return;
    }
    core::Text reason(c.arena);
    reason << look.relation.name << " is at " << state.last << "; its end will be "
           << (wanted.increment > 0 ? wanted.max : wanted.min) << ".";
    note(c, core::Rule::SequenceOverflow, &look.relation, reason.str(),
         core::reviewed(c.arena, c.text, core::kNumbersChecked));
}

} // namespace zdm::inspect
