#pragma once
#include "core/words.hpp"
#include "pg/postgres.hpp"

namespace zdm::pg
{

inline constexpr const char *kRejected = "ZD001";
inline constexpr const char *kWarned = "01ZDM";
inline constexpr const char *kRewritten = "00ZDM";

// Reports core's words. `statement` goes to the server's log only, or is empty.
void report(int level, const char *sqlstate, const core::Report &words, std::string_view statement = "");

// PostgreSQL's own error for a row that breaks a constraint; `key` is the row's text, null if it has none.
[[noreturn]] void raise_violation(const core::Violation &violation, const core::Relation &relation, const char *key);

int sqlstate_number(const char *code);

} // namespace zdm::pg
