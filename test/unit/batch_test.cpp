#include "core/batch.hpp"

#include <gtest/gtest.h>

#include <cmath>

using zdm::core::BatchSize;

namespace
{

// A machine that needs so long for a row and for the rest of a batch.
struct Machine {
    double row_ms;
    double batch_ms;
    double time(std::int64_t rows) const { return batch_ms + row_ms * static_cast<double>(rows); }
};

double run(BatchSize &size, Machine machine, int batches)
{
    double last = 0;
    for (int i = 0; i < batches; i++) {
        const std::int64_t rows = size.rows();
        last = machine.time(rows);
        size.took(rows, last);
    }
    return machine.time(size.rows());
}

} // namespace

TEST(BatchSize, StartsWithAThousandRows) { EXPECT_EQ(BatchSize(25, 0, 0).rows(), 1000); }

TEST(BatchSize, IsRightWithinFiveBatchesFromAHundredTimesTooSmall)
{
    BatchSize size(25, 0, 0);
    EXPECT_NEAR(run(size, {0.00025, 0}, 5), 25, 5);
    EXPECT_EQ(size.rows(), 100000);
}

TEST(BatchSize, IsRightWithinFiveBatchesFromAHundredTimesTooLarge)
{
    BatchSize size(25, 0, 0);
    EXPECT_NEAR(run(size, {2.5, 0}, 5), 25, 5);
    EXPECT_EQ(size.rows(), 10);
}

TEST(BatchSize, FallsAtOnceWhenABatchTakesMuchTooLong)
{
    BatchSize size(25, 0, 0);
    run(size, {0.01, 0}, 20);
    const std::int64_t before = size.rows();
    size.took(before, 25 * 20);
    EXPECT_LE(size.rows(), before / 15);
}

TEST(BatchSize, OneSlowCommitDoesNotHalveTheNextBatch)
{
    BatchSize size(25, 0, 0);
    run(size, {0.01, 0}, 20);
    const std::int64_t before = size.rows();
    size.took(before, 25 * 2);
    EXPECT_GT(size.rows(), before / 2);
}

TEST(BatchSize, GrowsByHalfAtMostOnceItKnowsTheTable)
{
    BatchSize size(25, 0, 0);
    run(size, {0.1, 0}, 10);
    for (int i = 0; i < 10; i++) {
        const std::int64_t before = size.rows();
        size.took(before, 0.001 * static_cast<double>(before));
        EXPECT_LE(size.rows(), before * 3 / 2 + 1);
    }
}

TEST(BatchSize, NeverLeavesItsBounds)
{
    BatchSize slow(25, 0, 0);
    run(slow, {1000, 0}, 10);
    EXPECT_EQ(slow.rows(), 1);
    BatchSize quick(25, 0, 0);
    run(quick, {0, 0}, 50);
    EXPECT_EQ(quick.rows(), 100000);
}

TEST(BatchSize, FixedRowsStayFixed)
{
    BatchSize size(25, 777, 0);
    run(size, {1, 0}, 10);
    EXPECT_EQ(size.rows(), 777);
}

TEST(BatchSize, ASmallLastBatchTeachesNothing)
{
    BatchSize size(25, 0, 0);
    run(size, {0.01, 0}, 20);
    const std::int64_t before = size.rows();
    size.took(3, 2);
    EXPECT_EQ(size.rows(), before);
}

TEST(BatchSize, NearLockedRowsItShrinksToOneRowAndComesBack)
{
    BatchSize size(25, 0, 0);
    run(size, {0.01, 0}, 20);
    const std::int64_t before = size.rows();
    size.blocked(1);
    EXPECT_EQ(size.rows(), before);
    for (int times = 2; times < 8; times++) {
        size.blocked(times);
    }
    EXPECT_EQ(size.rows(), 1);
    for (int i = 0; i < 8; i++) {
        const std::int64_t rows = size.rows();
        size.took(rows, 1);
    }
    EXPECT_GE(size.rows(), before / 2);
}

TEST(BatchSize, ASmallerTargetCountsFromTheNextBatchOn)
{
    BatchSize size(100, 0, 0);
    run(size, {0.01, 0}, 20);
    EXPECT_NEAR(static_cast<double>(size.rows()), 10000, 500);
    size.aim_at(10);
    EXPECT_NEAR(static_cast<double>(size.rows()), 1000, 50);
    size.aim_at(100);
    EXPECT_NEAR(run(size, {0.01, 0}, 20), 100, 10);
}

TEST(BatchSize, WritesNoMoreWalThanItMay)
{
    BatchSize size(25, 5000, 0);
    size.limit_wal(100000);
    EXPECT_EQ(size.rows(), 5000);
    size.wrote(5000, 500 * 5000);
    EXPECT_EQ(size.rows(), 200);
    size.wrote(200, 200 * 1e9);
    EXPECT_EQ(size.rows(), 1);
    size.limit_wal(0);
    EXPECT_EQ(size.rows(), 5000);
}

TEST(StayAway, GrowsToTwoSecondsAndIsSpreadFromZero)
{
    EXPECT_EQ(zdm::core::stay_away_ms(5, 0), 0);
    EXPECT_NEAR(zdm::core::stay_away_ms(0, 0.999), 50, 1);
    EXPECT_NEAR(zdm::core::stay_away_ms(30, 0.999), 2000, 3);
}
