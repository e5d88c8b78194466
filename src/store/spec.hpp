#pragma once
#include "store/store.hpp"

namespace zdm::store
{

// JSON in the current memory context.
char *spec_text(const Job &job);

// What a job is, from the first row of the last result, which begins with relation, relation_name, description, owner,
// settings, kind. Texts are made in `to`.
void read_job(int64 id, MemoryContext to, Job *job);

// Tells listeners on channel zdm, at commit, what state the job is in now.
void tell_listeners(int64 id);

} // namespace zdm::store
