#include "arena.hpp"
#include "core/defer.hpp"

#include <gtest/gtest.h>
#include <string>

namespace zdm::core
{

namespace
{

class Deferrals : public testing::Test
{
protected:
    unit::Arena memory;
    Plan plan;

    void SetUp() override { plan.steps = List<Step>(memory); }

    Step &step(StepKind kind, std::string_view sql)
    {
        Step made;
        made.kind = kind;
        made.sql = sql;
        return plan.steps.push(made);
    }

    static std::string list(const Plan &of)
    {
        std::string all;
        for (const Step &one : of.steps) {
            all += std::string(one.sql) + ";";
        }
        return all;
    }
};

TEST_F(Deferrals, EagerStepsComeFirst)
{
    step(StepKind::Long, "validate");
    step(StepKind::Instant, "set");
    Step &rest = step(StepKind::Instant, "rest");
    rest.eager = true;
    const Deferral made = split(memory, plan);
    EXPECT_TRUE(made.possible);
    EXPECT_EQ(list(made.now), "rest;");
    EXPECT_EQ(list(made.later), "validate;set;");
}

TEST_F(Deferrals, WhatValidateWillLookForIsNotLookedForTwice)
{
    step(StepKind::Probe, "nulls");
    step(StepKind::Probe, "check").eager = true;
    step(StepKind::Concurrent, "build");
    EXPECT_EQ(list(split(memory, plan).later), "nulls;build;");
    EXPECT_TRUE(split(memory, plan).now.steps.empty());
}

TEST_F(Deferrals, TheUsersConstraintStaysAndOursGoes)
{
    Step &users = step(StepKind::Instant, "user's");
    users.eager = true;
    users.undo = "drop user's";
    Step &ours = step(StepKind::Instant, "ours");
    ours.eager = true;
    ours.own_name = true;
    ours.undo = "drop ours";
    step(StepKind::Long, "validate");
    const Deferral made = split(memory, plan);
    EXPECT_EQ(made.now.steps[0].undo, "");
    EXPECT_EQ(made.now.steps[1].undo, "drop ours");
}

TEST_F(Deferrals, AFillCannotBePutOff)
{
    step(StepKind::Instant, "add").eager = true;
    step(StepKind::Fill, "fill");
    EXPECT_FALSE(split(memory, plan).possible);
}

} // namespace

} // namespace zdm::core
