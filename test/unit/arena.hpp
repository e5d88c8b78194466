#pragma once
// Memory for core in unit tests: freed all at once. Every piece is an allocation of its own, so that the
// address sanitizer sees the first step past its end.
#include "core/memory.hpp"

#include <memory>
#include <vector>

namespace zdm::unit
{

class Arena
{
public:
    operator core::Arena() { return {grab, this}; }
    [[nodiscard]] std::size_t pieces() const { return pieces_.size(); }

private:
    static void *grab(void *owner, std::size_t bytes)
    {
        auto &pieces = static_cast<Arena *>(owner)->pieces_;
        pieces.push_back(std::make_unique_for_overwrite<char[]>(bytes));
        return pieces.back().get();
    }

    std::vector<std::unique_ptr<char[]>> pieces_;
};

} // namespace zdm::unit
