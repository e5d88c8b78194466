#pragma once
#include "pg/attempt.hpp"
#include "run/run.hpp"

namespace zdm::run
{

void start_watching(std::string_view sql);
void stop_watching();

// Runs a step that may wait long and blocks nobody meanwhile: says whom it waits for after 5 s, then each minute.
template <class F> void watched(std::string_view sql, F &&body)
{
    start_watching(sql);
    ErrorData *failure = pg::attempt(CurrentMemoryContext, body);
    stop_watching();
    if (failure != nullptr) {
        ReThrowError(failure);
    }
}

} // namespace zdm::run
