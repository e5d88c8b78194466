#include "core/trouble.hpp"

#include <gtest/gtest.h>

using zdm::core::Bisect;
using zdm::core::Trouble;
using zdm::core::trouble;

TEST(Trouble, WhatOthersDoPasses)
{
    for (const char *code : {"40001", "40P01", "40003", "55P03", "57014"}) {
        EXPECT_EQ(trouble(code), Trouble::Again) << code;
    }
}

TEST(Trouble, DataAndConstraintsAreARowsMatter)
{
    for (const char *code : {"22012", "22P02", "22001", "23502", "23505", "23514", "23503", "23P01", "P0001", "P0004",
                             "21000", "44000", "38000", "39P01", "54000", "U0001"}) {
        EXPECT_EQ(trouble(code), Trouble::Row) << code;
    }
}

TEST(Trouble, ResourcesMistakesAndOursStopTheJob)
{
    for (const char *code : {"53100", "53200", "58030", "XX000", "XX001", "XX002", "42501", "42703", "42P01", "0A000",
                             "57P03", "54001", "25006"}) {
        EXPECT_EQ(trouble(code), Trouble::Stop) << code;
    }
}

namespace
{

// Does rows 0 .. count-1 in batches of `size`; bad() says which fail. Returns how many batches that took; `left_out`
// counts the rows given up.
template <class F> int walk(std::int64_t count, std::int64_t size, F &&bad, std::int64_t *left_out)
{
    Bisect bisect;
    int batches = 0;

    *left_out = 0;
    for (std::int64_t at = 0; at < count;) {
        std::int64_t rows = bisect.limit() == 0 ? size : std::min(size, bisect.limit());
        rows = std::min(rows, count - at);
        bool fails = false;
        for (std::int64_t i = at; i < at + rows; i++) {
            fails = fails || bad(i);
        }
        batches++;
        if (fails && rows == 1) {
            EXPECT_TRUE(bad(at));
            ++*left_out;
            at++;
            bisect.failed(1);
        } else if (fails) {
            bisect.failed(rows);
        } else {
            at += rows;
            bisect.passed(rows);
        }
    }
    return batches;
}

} // namespace

TEST(Bisect, FindsEachBadRowAndNoOther)
{
    std::int64_t left_out = 0;
    walk(
        10000, 1000, [](std::int64_t i) { return i % 997 == 5; }, &left_out);
    EXPECT_EQ(left_out, 11);
}

TEST(Bisect, TakesTwiceTheLogarithmForARow)
{
    for (const std::int64_t where : {0, 1, 511, 512, 1022, 1023}) {
        std::int64_t left_out = 0;
        const int batches = walk(
            1024, 1024, [&](std::int64_t i) { return i == where; }, &left_out);
        EXPECT_EQ(left_out, 1);
        EXPECT_LE(batches, 2 + 2 * 10) << where;
    }
}

TEST(Bisect, EveryRowBadTakesLittleMoreThanABatchForEach)
{
    std::int64_t left_out = 0;
    EXPECT_LE(walk(
                  1000, 1000, [](std::int64_t) { return true; }, &left_out),
              1010);
    EXPECT_EQ(left_out, 1000);
}

TEST(Bisect, GoesBackToFullSizeAfterwards)
{
    Bisect bisect;
    bisect.failed(8);
    EXPECT_EQ(bisect.limit(), 4);
    bisect.passed(4);
    EXPECT_EQ(bisect.limit(), 2);
    bisect.passed(4);
    EXPECT_EQ(bisect.limit(), 0);
}
