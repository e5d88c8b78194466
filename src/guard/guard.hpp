#pragma once
// Judges a statement at the hook: pass, warn, reject, rewrite.
#include "pg/utility.hpp"

namespace zdm::guard
{

// Installs what outlives a statement (transaction callbacks). Once, from _PG_init.
void install();

// Looks at a query before it runs.
void look_at_query(const QueryDesc *query, int flags);
// Deals with a utility statement. False: nothing of ours, the caller passes it on as it is.
bool process(const pg::UtilityCall &call);

// Adds what was held, and for how long, to the error of a statement that the clock has cancelled.
void explain_cut_off(void *);

// Runs body; a statement of it that is cancelled by the clock says why.
template <class F> void with_words_of_hold(F &&body)
{
    ErrorContextCallback words{error_context_stack, explain_cut_off, nullptr};

    error_context_stack = &words;
    body();
    error_context_stack = words.previous;
}

// Whether DDL in this session is guarded now: extension in this database, and a mode other than off.
bool guarded();

} // namespace zdm::guard
