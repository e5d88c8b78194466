#pragma once
// One step of a plan, forth and back. Each leaves a transaction open in which nothing but the step has been done.
#include "pg/attempt.hpp"
#include "run/run.hpp"
#include "store/store.hpp"

namespace zdm::run
{

struct Run {
    const core::Settings *settings;
    MemoryContext keep; // survives all transactions of the plan
    core::Arena arena;
    int64 job;     // what the plan is recorded as; 0: not
    Oid as_role;   // InvalidOid: as whoever we are
    Datum context; // 0, or the settings under which that role has asked for it
};

using Oids = core::List<std::uint32_t>;

// Does it. The caller commits.
void run_step(const Run &run, const core::Step &step, store::StepTimes *times);

// The index of this bare name beside the step's relation and on it; InvalidOid if there is none.
Oid index_of(const core::Step &step, std::string_view name);

// The indexes that a concurrent step may touch, valid or not.
Oids indexes_of(const Run &run, const core::Step &step, bool valid);

// Undoes a step that is done. `index`: what it has built. `limit_ms`: how long to wait where nobody is blocked.
void undo_done(const Run &run, const core::Step &step, Oid index, int limit_ms);

// A DETACH ... CONCURRENTLY that failed between its two transactions has no way back but through its end.
bool is_half_detached(const core::Step &step);
void finish_detach(const Run &run, const core::Step &step, store::StepTimes *times);

// By OID: an event trigger that writes would make DROP INDEX CONCURRENTLY impossible. Another session that wants an
// index of this name may clear it away first. `only_invalid`: leave it if it is valid once nobody builds it any more.
void drop_index(const Run &run, std::string_view sql, int limit_ms, Oid index, bool only_invalid);

// Whether this transaction may be kept waiting without keeping others: it has written nothing, and holds nothing
// that others may want.
bool holds_nothing(std::span<const core::Target> targets);

// The SQL that drops it, for words.
std::string_view drop_index_sql(const Run &run, Oid index);

} // namespace zdm::run
