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

void warn(const Judged &judged);
[[noreturn]] void reject(const Judged &judged);

} // namespace zdm::guard
