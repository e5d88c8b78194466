#include "arena.hpp"
#include "core/memory.hpp"

#include <cstdint>
#include <gtest/gtest.h>
#include <limits>
#include <string>

namespace zdm::core
{

TEST(Text, BeginsEmpty)
{
    unit::Arena arena;
    const Text text{arena};

    EXPECT_TRUE(text.empty());
    EXPECT_EQ(text.str(), "");
    EXPECT_EQ(*text.str().data(), '\0');
    EXPECT_EQ(arena.pieces(), 0U);
}

TEST(Text, GrowsAndKeepsWhatItHad)
{
    unit::Arena arena;
    Text text{arena};
    std::string expected;

    for (int i = 0; i < 1000; i++) {
        text << "piece " << std::int64_t{i} << ", ";
        expected += "piece " + std::to_string(i) + ", ";
    }
    EXPECT_EQ(text.str(), expected);
    EXPECT_LT(arena.pieces(), 30U) << "should double, not creep";
}

TEST(Text, IsZeroTerminatedBehindItsEnd)
{
    unit::Arena arena;

    for (std::size_t size = 0; size < 70; size++) {
        Text text{arena};
        const std::string piece(size, 'x');
        text << piece << "";
        EXPECT_EQ(std::strlen(text.str().data()), size);
    }
}

TEST(Text, TakesPartsOfTextsThatAreNotTerminated)
{
    unit::Arena arena;
    Text text{arena};

    text << std::string_view("lock_timeout").substr(0, 4) << std::string_view();
    EXPECT_EQ(text.str(), "lock");
}

TEST(Text, WritesNumbersToTheirLimits)
{
    const auto written = [](std::int64_t number) {
        unit::Arena arena;
        Text text{arena};
        text << number;
        return std::string(text.str());
    };

    EXPECT_EQ(written(0), "0");
    EXPECT_EQ(written(-1), "-1");
    EXPECT_EQ(written(5120), "5120");
    EXPECT_EQ(written(std::numeric_limits<std::int64_t>::max()), "9223372036854775807");
    EXPECT_EQ(written(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
}

TEST(Concat, JoinsPieces)
{
    unit::Arena arena;

    EXPECT_EQ(concat(arena, {"ALTER TABLE ", "public.users", "", " ADD"}), "ALTER TABLE public.users ADD");
}

TEST(Concat, OfNothingIsATerminatedText)
{
    unit::Arena arena;
    const std::string_view nothing = concat(arena, {});

    EXPECT_EQ(nothing, "");
    ASSERT_NE(nothing.data(), nullptr);
    EXPECT_EQ(*nothing.data(), '\0');
}

TEST(Concat, IsACopy)
{
    unit::Arena arena;
    std::string piece = "users";
    const std::string_view joined = concat(arena, {piece});

    piece[0] = 'X';
    EXPECT_EQ(joined, "users");
}

TEST(List, BeginsEmpty)
{
    unit::Arena arena;
    const List<int> list{arena};

    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.begin(), list.end());
    EXPECT_EQ(arena.pieces(), 0U);
}

TEST(List, GrowsAndKeepsOrder)
{
    unit::Arena arena;
    List<int> list{arena};

    for (int i = 0; i < 1000; i++) {
        EXPECT_EQ(list.push(i), i);
    }
    EXPECT_EQ(list.count, 1000U);
    int expected = 0;
    for (const int item : list) {
        EXPECT_EQ(item, expected++);
    }
    EXPECT_EQ(list[999], 999);
    EXPECT_LT(arena.pieces(), 10U) << "should double, not creep";
}

TEST(List, PushReturnsTheItemInPlace)
{
    unit::Arena arena;
    List<int> list{arena};

    list.push(1) = 7;
    EXPECT_EQ(list[0], 7);
}

TEST(List, HoldsWhatALongjmpMaySkip)
{
    static_assert(std::is_trivially_destructible_v<List<int>>);
    static_assert(std::is_trivially_destructible_v<Text>);
    static_assert(std::is_trivially_destructible_v<Arena>);
}

} // namespace zdm::core
