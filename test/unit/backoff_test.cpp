#include "core/backoff.hpp"

#include <gtest/gtest.h>

namespace zdm::core
{

TEST(Backoff, StaysUnderACeilingThatDoubles)
{
    EXPECT_EQ(backoff_ms(0, 100, 0.999), 119);
    EXPECT_EQ(backoff_ms(1, 100, 0.999), 139);
    EXPECT_EQ(backoff_ms(50, 100, 0.999), 1099);
}

TEST(Backoff, LetsTheQueueDrainBeforeTheNextAttempt)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        EXPECT_GE(backoff_ms(attempt, 100, 0.0), 100);
        EXPECT_GE(backoff_ms(attempt, 0, 0.0), 1);
    }
}

TEST(Backoff, AutovacuumIsSentAwayBeforeTheAttemptEnds)
{
    for (const int timeout : {2, 10, 100, 300, 5000}) {
        EXPECT_LT(deadlock_check_ms(timeout), timeout);
        EXPECT_GE(deadlock_check_ms(timeout), 1);
    }
    EXPECT_EQ(deadlock_check_ms(300), 100);
    EXPECT_EQ(deadlock_check_ms(100), 50);
}

} // namespace zdm::core
