#pragma once
#include "store/store.hpp"

namespace zdm::store
{

// JSON in the current memory context.
char *spec_text(const Job &job);

// Tells listeners on channel zdm, at commit, what state the job is in now.
void tell_listeners(int64 id);

} // namespace zdm::store
