#include "core/backoff.hpp"

#include <algorithm>

namespace zdm::core
{

int backoff_ms(int attempt, int lock_timeout_ms, double random)
{
    const int ceiling = std::min(1000, 20 << std::clamp(attempt, 0, 6));

    return std::max(1, lock_timeout_ms) + static_cast<int>(ceiling * random);
}

int deadlock_check_ms(int lock_timeout_ms)
{
    return std::max(1, std::min(std::max(50, lock_timeout_ms / 3), lock_timeout_ms / 2));
}

} // namespace zdm::core
