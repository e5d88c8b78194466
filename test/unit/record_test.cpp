#include "arena.hpp"
#include "core/record.hpp"

#include <gtest/gtest.h>

namespace zdm::core
{

namespace
{

class Records : public testing::Test
{
protected:
    unit::Arena memory;
};

TEST_F(Records, StepComesBackAsItWas)
{
    Step step;
    step.kind = StepKind::Concurrent;
    step.undo = "DROP INDEX public.i";
    step.lock = Lock::ShareUpdateExclusive;
    step.work = Work::IndexBuild;
    step.relation = {4000000000U, "public.\"T\"", "public", "T", 1};
    step.also = List<Target>(memory);
    step.also.push({{7, "public.other", "", "", 0}, Lock::ShareRowExclusive});
    step.also.push({{8, "public.more", "", "", 0}, Lock::Share});
    step.violation.sqlstate = "23505";
    step.violation.message = "could not";
    step.violation.names_relation = true;
    step.own_name = true;
    step.builds = "i";

    const Step back = recorded(memory, record(memory, step));
    EXPECT_EQ(back.kind, StepKind::Concurrent);
    EXPECT_EQ(back.undo, step.undo);
    EXPECT_EQ(back.lock, step.lock);
    EXPECT_EQ(back.work, step.work);
    EXPECT_EQ(back.relation.oid, step.relation.oid);
    EXPECT_EQ(back.relation.name, step.relation.name);
    EXPECT_EQ(back.relation.bare, "T");
    ASSERT_EQ(back.also.count, 2U);
    EXPECT_EQ(back.also[0].relation.oid, 7U);
    EXPECT_EQ(back.also[0].lock, Lock::ShareRowExclusive);
    EXPECT_EQ(back.also[1].relation.name, "public.more");
    EXPECT_STREQ(back.violation.sqlstate, "23505");
    EXPECT_EQ(back.violation.message, "could not");
    EXPECT_TRUE(back.violation.names_relation);
    EXPECT_TRUE(back.own_name);
    EXPECT_FALSE(back.as_owner);
    EXPECT_EQ(back.builds, "i");
    EXPECT_EQ(back.drops, "");
}

TEST_F(Records, FieldsThatAnOldRecordLacksAreEmpty)
{
    List<std::string_view> texts(memory);
    texts.push("kind");
    texts.push("long");
    const Step back = recorded(memory, texts);
    EXPECT_EQ(back.kind, StepKind::Long);
    EXPECT_EQ(back.violation.sqlstate, nullptr);
    EXPECT_EQ(back.relation.oid, 0U);
}

TEST_F(Records, RetargetedStatementNamesTheRelationAsItIsCalledNow)
{
    EXPECT_EQ(retargeted(memory,
                         "ALTER TABLE ONLY public.t DROP CONSTRAINT \"public.t\"; ALTER TABLE public.t ADD x int",
                         "public.t", "app.u"),
              "ALTER TABLE ONLY app.u DROP CONSTRAINT \"public.t\"; ALTER TABLE app.u ADD x int");
    EXPECT_EQ(retargeted(memory, "ALTER TABLE public.t2 DROP CONSTRAINT c", "public.t", "app.u"),
              "ALTER TABLE public.t2 DROP CONSTRAINT c");
    EXPECT_EQ(retargeted(memory, "ALTER TABLE public.t DROP x", "public.t", "public.t"), "ALTER TABLE public.t DROP x");
}

} // namespace

} // namespace zdm::core
