#pragma once
// A step as a list of texts, so that a table can keep it: name, value, name, value. Whoever adds a field to Step adds
// it to the one list in record.cpp, and old records simply lack it.
#include "core/plan.hpp"

namespace zdm::core
{

std::string_view name(StepKind kind);

List<std::string_view> record(Arena arena, const Step &step);
// Texts stay where they are.
Step recorded(Arena arena, const List<std::string_view> &texts);

// The same statement for a relation that has been renamed since: behind TABLE or ONLY its new name stands.
std::string_view retargeted(Arena arena, std::string_view sql, std::string_view name, std::string_view new_name);

} // namespace zdm::core
