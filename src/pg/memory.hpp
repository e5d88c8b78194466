#pragma once
#include "core/memory.hpp"
#include "pg/postgres.hpp"

namespace zdm::pg
{

// core's view of a memory context.
inline core::Arena arena(MemoryContext context)
{
    return {[](void *owner, std::size_t bytes) { return MemoryContextAlloc(static_cast<MemoryContext>(owner), bytes); },
            context};
}

// Zero-terminated copy in the current memory context.
inline char *cstring(std::string_view text) { return pnstrdup(text.data(), text.size()); }

// Copy in an arena.
inline std::string_view keep(core::Arena arena, std::string_view text) { return core::concat(arena, {text}); }

} // namespace zdm::pg
