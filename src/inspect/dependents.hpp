#pragma once
// What a DROP takes along: PostgreSQL's search for dependent objects, without its locks and without the drop.
#include "inspect/look.hpp"

namespace zdm::inspect
{

struct Dependents {
    core::List<std::string_view> cascaded; // what needs CASCADE, in the words of PostgreSQL's NOTICE; the first ones
    std::uint32_t cascaded_count = 0;
    core::List<std::string_view> along; // what goes unasked: indexes, constraints, owned sequences; the first ones
    std::uint32_t along_count = 0;
};

Dependents dependents_of(Case &c, const core::List<ObjectAddress> &originals);

// Wants every lock that the drop takes: on relations that go, or that lose something. Nothing if PostgreSQL will refuse
// it for want of CASCADE.
void want_dropped(Case &c, const core::List<ObjectAddress> &originals, bool cascade);

} // namespace zdm::inspect
