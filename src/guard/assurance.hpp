#pragma once
// zdm.safety_assured: who used it for what is logged, and what was given by SET is used up.
#include "core/settings.hpp"
#include "pg/postgres.hpp"

namespace zdm::guard
{

// Whether the statement was reviewed. Raises if that may not be said here.
bool is_assured(const core::Settings &settings);

void use_up_assurance(std::string_view text, bool in_block);

void assurance_at_transaction_event(XactEvent event);

} // namespace zdm::guard
