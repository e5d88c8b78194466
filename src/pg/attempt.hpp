#pragma once
#include "pg/postgres.hpp"

#include <type_traits>

namespace zdm::pg
{

// The only PG_TRY. Runs body; returns null, or the error it raised, copied into `keep`, with the error state
// flushed and CurrentMemoryContext back to what it was. The transaction is NOT cleaned up: the caller must abort
// the (sub)transaction in which body ran. Locals that body changes and the caller reads afterwards live behind a
// pointer or reference, never in registers: body gets them through `arg`.
ErrorData *attempt_call(MemoryContext keep, void (*body)(void *arg), void *arg);

template <class F> ErrorData *attempt(MemoryContext keep, F &&body)
{
    return attempt_call(
        keep, [](void *arg) { (*static_cast<std::remove_reference_t<F> *>(arg))(); }, &body);
}

} // namespace zdm::pg
