#include "core/throttle.hpp"

#include "arena.hpp"

#include <gtest/gtest.h>

using zdm::core::Delay;
using zdm::core::Fact;
using zdm::core::Signal;
using zdm::core::Throttle;
using zdm::core::WalBudget;
using zdm::core::Window;

namespace
{

zdm::core::List<Fact> list(zdm::core::Arena arena, std::initializer_list<Fact> facts)
{
    zdm::core::List<Fact> all(arena);
    for (const Fact &fact : facts) {
        all.push(fact);
    }
    return all;
}

Fact lag(const char *name, double bytes) { return {Signal::ReplicationLag, name, bytes, 100, 50}; }

} // namespace

TEST(Throttle, StopsAboveALimitAndGoesOnWellBelowIt)
{
    zdm::unit::Arena arena;
    Throttle throttle;
    const double values[] = {100, 101, 90, 60, 51, 50, 90, 100, 101};
    const bool stops[] = {false, true, true, true, true, false, false, false, true};
    for (int i = 0; i < 9; i++) {
        EXPECT_EQ(throttle.decide(list(arena, {lag("a", values[i])})) != nullptr, stops[i]) << i;
    }
}

TEST(Throttle, HoldsEachByItself)
{
    zdm::unit::Arena arena;
    Throttle throttle;
    EXPECT_EQ(throttle.decide(list(arena, {lag("a", 80), lag("b", 200)}))->name, "b");
    EXPECT_EQ(throttle.decide(list(arena, {lag("a", 80), lag("b", 20)})), nullptr);
    EXPECT_NE(throttle.decide(list(arena, {lag("a", 120), lag("b", 20)})), nullptr);
    // A standby that is gone is not waited for, and is judged anew when it comes back.
    EXPECT_EQ(throttle.decide(list(arena, {lag("b", 20)})), nullptr);
    EXPECT_EQ(throttle.decide(list(arena, {lag("a", 80)})), nullptr);
}

TEST(Throttle, AnUnknownLagStopsAndAnUnknownExtraDoesNot)
{
    zdm::unit::Arena arena;
    Throttle throttle;
    EXPECT_NE(throttle.decide(list(arena, {{Signal::ReplicationLag, "a", 0, 100, 50, false}})), nullptr);
    EXPECT_NE(throttle.decide(list(arena, {{Signal::Condition, "", 0, 0.5, 0.5, false}})), nullptr);
    EXPECT_EQ(throttle.decide(list(arena, {{Signal::ArchiverBacklog, "", 0, 100, 50, false}})), nullptr);
}

TEST(Throttle, SaysWhatItWaitsFor)
{
    zdm::unit::Arena arena;
    EXPECT_EQ(zdm::core::describe(arena, Fact{Signal::ReplicationLag, "standby1", 48.0 * 1024 * 1024, 0, 0}),
              "replication lag of \"standby1\": 48 MB");
    EXPECT_EQ(zdm::core::describe(arena, Fact{Signal::ReplicationDelay, "standby1", 6500, 0, 0}),
              "replication delay of \"standby1\": 6.5 s");
    EXPECT_EQ(zdm::core::describe(arena, Fact{Signal::ReplicationLag, "standby1", 0, 0, 0, false}),
              "replication lag of \"standby1\": unknown");
    EXPECT_EQ(zdm::core::describe(arena, Fact{Signal::SlotSize, "gone", 0.85, 0, 0}),
              "inactive slot \"gone\", which has used 85 % of max_slot_wal_keep_size");
    EXPECT_EQ(zdm::core::describe(arena, Fact{Signal::Condition, "", 1, 0, 0}), "only_when, which does not hold");
    EXPECT_STREQ(wait_name(Signal::ReplicationLag), "ZdmReplicationLag");
    EXPECT_STREQ(wait_name(Signal::TransactionIds), "ZdmTransactionIds");
}

TEST(Delay, OfSomebodyWhoStandsStillGrows)
{
    Delay delay;
    EXPECT_EQ(delay.look(0, 100, 100), 0);
    delay.look(100, 200, 100);
    for (int i = 2; i < 500; i++) {
        delay.look(100.0 * i, 100 + 100 * static_cast<std::uint64_t>(i), 100);
    }
    EXPECT_EQ(delay.look(50000, 60000, 100), 49900);
    EXPECT_EQ(delay.look(50100, 60000, 60000), 0);
}

TEST(Delay, OfSomebodyWhoFollowsIsSteady)
{
    Delay delay;
    for (std::uint64_t i = 0; i < 2000; i++) {
        const double late = delay.look(100.0 * static_cast<double>(i), 1000 * i, i < 100 ? 0 : 1000 * (i - 100));
        if (i > 200) {
            EXPECT_GT(late, 8000);
            EXPECT_LE(late, 10000);
        }
    }
}

TEST(Delay, NothingWrittenIsNoDelay)
{
    Delay delay;
    EXPECT_EQ(delay.look(0, 500, 500), 0);
    EXPECT_EQ(delay.look(1000000, 500, 500), 0);
    delay.look(1000100, 600, 500);
    EXPECT_EQ(delay.look(1000200, 600, 500), 100);
}

TEST(WalBudget, IsMetWithinATenth)
{
    WalBudget budget;
    budget.limit(1e6);
    double now = 0;
    double written = 0;
    while (now < 20000) {
        const double wait = budget.wait_ms(now);
        if (wait > 0) {
            now += wait;
            continue;
        }
        const double bytes = budget.batch_bytes() * 0.7;
        now += 5;
        written += bytes;
        budget.charge(now, bytes);
    }
    EXPECT_NEAR(written / now * 1000, 1e6, 1e5);
}

TEST(WalBudget, SavesNothingUp)
{
    WalBudget budget;
    budget.limit(1e6);
    budget.charge(1e6, 2e5);
    EXPECT_NEAR(budget.wait_ms(1e6), 100, 1);
    budget.limit(0);
    EXPECT_EQ(budget.wait_ms(1e6), 0);
    EXPECT_FALSE(budget.limited());
}

TEST(Window, IsReadAsPeopleWriteIt)
{
    Window window{};
    ASSERT_TRUE(parse_window("22:00-06:00 Europe/Berlin", &window));
    EXPECT_EQ(window.from, 22 * 60);
    EXPECT_EQ(window.to, 6 * 60);
    EXPECT_EQ(window.zone, "Europe/Berlin");
    ASSERT_TRUE(parse_window(" 9:30 - 24:00 ", &window));
    EXPECT_EQ(window.from, 9 * 60 + 30);
    EXPECT_EQ(window.to, 24 * 60);
    EXPECT_EQ(window.zone, "");
    for (const char *bad : {"", "22-06", "22:00", "22:00-", "25:00-06:00", "22:60-06:00", "22:0-06:00", "a",
                            "22:00-06:00UTC", "06:00-06:00", "-1:00-06:00"}) {
        EXPECT_FALSE(parse_window(bad, &window)) << bad;
    }
}

TEST(Window, MayPassMidnight)
{
    Window window{};
    ASSERT_TRUE(parse_window("22:00-06:00", &window));
    EXPECT_TRUE(is_inside(window, 22 * 60));
    EXPECT_TRUE(is_inside(window, 0));
    EXPECT_TRUE(is_inside(window, 5 * 60 + 59));
    EXPECT_FALSE(is_inside(window, 6 * 60));
    EXPECT_FALSE(is_inside(window, 12 * 60));
    ASSERT_TRUE(parse_window("09:00-17:00", &window));
    EXPECT_TRUE(is_inside(window, 9 * 60));
    EXPECT_FALSE(is_inside(window, 17 * 60));
}
