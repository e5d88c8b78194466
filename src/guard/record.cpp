#include "pg/postgres.hpp"

#include "guard/record.hpp"
#include "guard/remembered.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"

namespace zdm::guard
{

namespace
{

struct Entry {
    core::Held held; // relation.oid 0: a deed
    core::Done done;
    TimestampTz since;
    SubTransactionId made_in;
    Entry *next; // the one before it
};

// All in TopTransactionContext.
Entry *entries = nullptr;

core::Relation keep(core::Arena arena, const core::Relation &relation)
{
    core::Relation kept = relation;

    kept.name = pg::keep(arena, relation.name);
    kept.schema = pg::keep(arena, relation.schema);
    kept.bare = pg::keep(arena, relation.bare);
    return kept;
}

Entry *add()
{
    auto *entry = static_cast<Entry *>(MemoryContextAllocZero(TopTransactionContext, sizeof(Entry)));

    entry->since = GetCurrentTimestamp();
    entry->made_in = GetCurrentSubTransactionId();
    entry->next = entries;
    entries = entry;
    return entry;
}

bool is_noted(const core::Held &held)
{
    for (const Entry *entry = entries; entry != nullptr; entry = entry->next) {
        if (entry->held.relation.oid == held.relation.oid && entry->held.lock >= held.lock &&
            (entry->held.by_ddl || !held.by_ddl)) {
            return true;
        }
    }
    return false;
}

// A statement may have done with less than it wanted.
core::Lock lock_on(Oid relation)
{
    for (LOCKMODE mode = AccessExclusiveLock; mode >= ShareLock; mode--) {
        if (pg::holds_lock(relation, mode)) {
            return static_cast<core::Lock>(mode);
        }
    }
    return core::Lock::None;
}

} // namespace

bool has_record() { return entries != nullptr; }

core::Footprint record(core::Arena arena)
{
    core::Footprint past(arena);
    List *oldest_first = NIL;
    ListCell *cell = nullptr;

    for (Entry *entry = entries; entry != nullptr; entry = entry->next) {
        oldest_first = lcons(entry, oldest_first);
    }
    foreach (cell, oldest_first) {
        const auto *entry = static_cast<Entry *>(lfirst(cell));
        if (entry->held.relation.oid == InvalidOid) {
            past.deeds.push(entry->done);
        } else if (pg::holds_lock(entry->held.relation.oid, static_cast<LOCKMODE>(entry->held.lock))) {
            past.holds.push(entry->held);
        }
    }
    return past;
}

void note_holds(const core::Footprint &footprint)
{
    const core::Arena arena = pg::arena(TopTransactionContext);

    for (const core::Held &wanted : footprint.holds) {
        core::Held held = wanted;
        held.lock = lock_on(wanted.relation.oid);
        if (held.lock == core::Lock::None || is_noted(held)) {
            continue;
        }
        held.relation = keep(arena, wanted.relation);
        add()->held = held;
    }
}

void note_deeds(const core::Footprint &footprint)
{
    const core::Arena arena = pg::arena(TopTransactionContext);

    for (const core::Done &done : footprint.deeds) {
        Entry *entry = add();
        entry->done = {done.deed, keep(arena, done.relation), pg::keep(arena, done.what)};
    }
}

TimestampTz changed_since(core::Held *first)
{
    TimestampTz since = 0;

    for (const Entry *entry = entries; entry != nullptr; entry = entry->next) {
        if (entry->held.table && entry->held.by_ddl) {
            since = entry->since;
            *first = entry->held;
        }
    }
    return since;
}

void record_at_transaction_event(XactEvent event)
{
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) {
        entries = nullptr;
    }
}

void record_at_subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent)
{
    at_savepoint(&entries, event, mine, parent);
}

} // namespace zdm::guard
