#include "core/transaction.hpp"

#include "arena.hpp"

#include <gtest/gtest.h>
#include <string>

namespace zdm::core
{

namespace
{

class Shape : public ::testing::Test
{
protected:
    Relation table(std::uint32_t oid, std::string_view name)
    {
        Relation relation;
        relation.oid = oid;
        relation.name = name;
        return relation;
    }

    Held held(std::uint32_t oid, std::string_view name, Lock lock, std::uint32_t family = 0)
    {
        return {table(oid, name), family == 0 ? oid : family, lock, true, true};
    }

    // Names of the rules that the statement is an instance of after `past`.
    std::string judge(const Footprint &now, Form form = Form::Other)
    {
        Part part;
        part.form = form;
        part.source = "VALIDATE CONSTRAINT k";
        part.relation = now.holds.empty() ? table(1, "public.a") : now.holds[0].relation;
        statement = Statement();
        statement.targets = List<Target>(arena);
        statement.parts = List<Part>(arena);
        statement.notes = List<Part>(arena);
        statement.relation = part.relation;
        statement.text = "ALTER TABLE ...";
        statement.parts.push(part);
        judge_shape(arena, past, now, &statement);

        std::string names;
        for (const List<Part> *parts : {&statement.parts, &statement.notes}) {
            for (const Part &found : *parts) {
                if (found.hazard && row(found.rule).cls != Class::Style) {
                    names += (names.empty() ? "" : " ") + std::string(row(found.rule).name);
                }
            }
        }
        return names;
    }

    std::string query(bool changes, double rows, double cost, int limit)
    {
        Settings settings{};
        settings.max_dml_rows = limit;
        Query asked;
        asked.tag = "UPDATE";
        asked.relation = table(1, "public.a");
        asked.changes_rows = changes;
        asked.rows_written = rows;
        asked.cost = cost;
        std::string names;
        for (const Part &found : judge_query(arena, settings, past, asked).notes) {
            if (row(found.rule).cls != Class::Style) {
                names += (names.empty() ? "" : " ") + std::string(row(found.rule).name);
            }
        }
        return names;
    }

    unit::Arena memory;
    Arena arena = memory;
    Footprint past{arena};
    Statement statement;
};

} // namespace

TEST_F(Shape, SecondTableAgainstEverybody)
{
    Footprint now(arena);
    now.holds.push(held(2, "public.b", Lock::AccessExclusive));
    EXPECT_EQ(judge(now), "");
    past.holds.push(held(1, "public.a", Lock::ShareRowExclusive));
    EXPECT_EQ(judge(now), "") << "writes only";
    past.holds.push(held(1, "public.a", Lock::AccessExclusive));
    EXPECT_EQ(judge(now), "multi-table-access-exclusive");
    EXPECT_EQ(statement.notes[0].relation.name, "public.b");
    now.renames = true;
    EXPECT_EQ(judge(now), "") << "a swap";
    now.renames = false;
    now.locks_by_hand = true;
    EXPECT_EQ(judge(now), "");
}

TEST_F(Shape, OneFamilyIsOneTable)
{
    Footprint now(arena);
    past.holds.push(held(11, "public.part_1", Lock::AccessExclusive, 10));
    now.holds.push(held(12, "public.part_2", Lock::AccessExclusive, 10));
    EXPECT_EQ(judge(now), "");
}

TEST_F(Shape, SeveralInOneStatementAreOne)
{
    Footprint now(arena);
    now.holds.push(held(1, "public.a", Lock::AccessExclusive));
    now.holds.push(held(2, "public.b", Lock::AccessExclusive));
    EXPECT_EQ(judge(now), "");
    add(&past, now);
    EXPECT_EQ(judge(now), "") << "both are held already";
}

TEST_F(Shape, ForeignKeysToSeveralTables)
{
    Footprint now(arena);
    now.deeds.push({Deed::References, table(1, "public.a"), ""});
    now.deeds.push({Deed::References, table(1, "public.a"), ""});
    EXPECT_EQ(judge(now), "");
    now.deeds.push({Deed::References, table(2, "public.b"), ""});
    EXPECT_EQ(judge(now), "multiple-fks-one-txn");
    add(&past, now);
    EXPECT_EQ(judge(now), "") << "both tables are locked already";
}

TEST_F(Shape, ValidationUnderALock)
{
    const Footprint now(arena);
    EXPECT_EQ(judge(now, Form::Validate), "");
    past.holds.push(held(2, "public.b", Lock::Share));
    EXPECT_EQ(judge(now, Form::Validate), "validate-in-same-txn");
    EXPECT_EQ(statement.parts[0].lock, Lock::None) << "the lock is on another table";
    past.holds.push(held(1, "public.a", Lock::AccessExclusive));
    EXPECT_EQ(judge(now, Form::Validate), "validate-in-same-txn");
    EXPECT_EQ(statement.parts[0].lock, Lock::AccessExclusive);
    EXPECT_TRUE(statement.parts[0].rewritable);
    EXPECT_EQ(judge(now), "") << "nothing is scanned";
}

TEST_F(Shape, QueriesAreBulkByRowsOrCost)
{
    EXPECT_EQ(query(true, 1e6, 1e6, 0), "") << "nothing is held, nothing limited";
    EXPECT_EQ(query(true, 1001, 10, 1000), "unbatched-dml");
    EXPECT_EQ(query(true, 1000, 10, 1000), "");
    EXPECT_EQ(query(false, 1001, 10, 1000), "") << "INSERT";
    past.holds.push(held(1, "public.a", Lock::AccessExclusive));
    EXPECT_EQ(query(true, 1, 10, 0), "");
    EXPECT_EQ(query(false, 10001, 10, 0), "ddl-dml-mixed");
    EXPECT_EQ(query(false, 0, 10001, 0), "ddl-dml-mixed");
    EXPECT_EQ(query(false, 0, 1e10 + 5, 0), "") << "a plan that was switched off";
    EXPECT_EQ(query(true, 1001, 10, 1000), "unbatched-dml ddl-dml-mixed");
}

TEST_F(Shape, LocksByHandAreNoChangeOfTheSchema)
{
    Held by_hand = held(1, "public.a", Lock::AccessExclusive);
    by_hand.by_ddl = false;
    past.holds.push(by_hand);
    EXPECT_EQ(first_change(past), nullptr);
    EXPECT_EQ(query(true, 1e6, 1e6, 0), "");
}

} // namespace zdm::core
