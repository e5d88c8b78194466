#pragma once
// What the user is told of a verdict.
#include "core/words.hpp"
#include "pg/postgres.hpp"

namespace zdm::guard
{

// A statement that was judged.
struct Judged {
    core::Arena arena;
    const core::Settings *settings;
    const core::Statement *statement;
    const core::Verdict *verdict;
    std::string_view text;
    bool in_block;
    bool assured;
};

// What mode rewrite would have done.
core::Verdict would_be(const Judged &judged);

// `later`: what the verdict is about will be said at another time.
void warn(const Judged &judged, bool later = false);
[[noreturn]] void reject(const Judged &judged);

} // namespace zdm::guard
