#pragma once
// What a relation looks like now.
#include "core/settings.hpp"
#include "inspect/inspect.hpp"

namespace zdm::inspect
{

// The statement under inspection.
struct Case {
    core::Arena arena;
    std::string_view text; // source of the statement
    int location;          // offset of text in query
    const char *query;     // the string that parse locations refer to
    Purpose purpose;
    Finding *out;
    const core::Settings *settings;
    List *chosen = NIL; // names of constraints that this statement has been given by us

    // Whether anybody wants to hear of this hazard.
    [[nodiscard]] bool asks(core::Rule rule) const { return core::action_of(*settings, rule) != core::Action::Allow; }
    [[nodiscard]] bool busy() const { return out->busy.relation.oid != 0; }
    [[nodiscard]] std::string_view concat(std::initializer_list<std::string_view> pieces) const
    {
        return core::concat(arena, pieces);
    }
};

struct Look {
    Oid oid = InvalidOid;
    char relkind = 0;
    bool hidden = false; // temporary, or created in this transaction: nobody else can want it
    bool catalog = false;
    bool empty = false; // no pages, in no partition either; or no more than zdm.small_table_size
    bool owned = false;
    bool partition = false;
    bool has_children = false;
    Oid schema = InvalidOid;
    core::Relation relation;
};

// Looks at a relation. False if there is none, or if it is busy (then c.busy()).
// `deep`: its size counts what is below it, which costs a look at each partition.
bool look_at(Case &c, const RangeVar *name, Look *look, bool deep = true);
bool look_at(Case &c, Oid oid, Look *look, bool deep = true);

// Runs body with the relation open under ACCESS SHARE, given back at the end. False if it is gone or busy.
template <class F> bool with_relation(Case &c, Oid oid, F &&body);

// Locks ACCESS SHARE; false and `busy` noted when that cannot be had at once and the case does not wait.
bool lock_to_look(Case &c, Oid oid);

std::string_view quoted(Case &c, const char *identifier);
std::string_view qualified(Case &c, Oid oid);
core::Relation relation_of(Case &c, Oid oid);

// Adds a lock that the statement as written takes; children get the same where `inherit`.
void want(Case &c, const Look &look, core::Lock lock, bool inherit);
void want(Case &c, Oid oid, core::Lock lock);

inline core::Lock lock_of(LOCKMODE mode) { return static_cast<core::Lock>(mode); }

template <class F> bool with_relation(Case &c, Oid oid, F &&body)
{
    if (!lock_to_look(c, oid)) {
        return false;
    }
    Relation rel = try_relation_open(oid, NoLock);
    if (rel == nullptr) {
        UnlockRelationOid(oid, AccessShareLock);
        return false;
    }
    body(rel);
    relation_close(rel, AccessShareLock);
    return true;
}

} // namespace zdm::inspect
