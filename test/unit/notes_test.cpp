#include "arena.hpp"
#include "core/phrases.hpp"
#include "core/words.hpp"

#include <gtest/gtest.h>
#include <string>

namespace zdm::core
{

namespace
{

class Notes : public testing::Test
{
protected:
    unit::Arena memory;
    Settings settings{};
    Statement statement;

    void SetUp() override
    {
        settings.mode = Mode::Rewrite;
        for (int i = 0; i < kRuleCount; i++) {
            settings.actions[i] = row(static_cast<Rule>(i)).default_action;
        }
        statement.tag = "DROP TABLE";
        statement.text = "DROP TABLE a, b";
        statement.parts = List<Part>(memory);
        statement.notes = List<Part>(memory);
    }

    Part &note(Rule rule, std::string_view hint)
    {
        Part made;
        made.hazard = true;
        made.rule = rule;
        made.hint = hint;
        return statement.notes.push(made);
    }

    Verdict judged(bool in_block = false) { return judge(memory, settings, statement, in_block, false); }
};

} // namespace

TEST_F(Notes, AreReportedAndChangeNothingElse)
{
    note(Rule::DropTable, "");
    const Verdict verdict = judged();
    EXPECT_EQ(verdict.ruling, Ruling::Warn);
    EXPECT_EQ(verdict.findings.count, 1U);
    EXPECT_EQ(plan(memory, settings, statement).steps.count, 0U);
}

TEST_F(Notes, OfATransactionBlockAreNoneOutside)
{
    note(Rule::ConcurrentlyInTxn, "").only_in_block = true;
    EXPECT_EQ(judged(false).ruling, Ruling::Pass);
    EXPECT_EQ(judged(true).ruling, Ruling::Warn);
}

TEST_F(Notes, OfOneStatementShareItsSql)
{
    note(Rule::DropTable, reviewed(memory, statement.text, kUnused));
    note(Rule::DropTable, reviewed(memory, statement.text, kUnused));
    note(Rule::DropTableCascade, reviewed(memory, statement.text, kAllUnused));
    EXPECT_EQ(safe_sql(memory, settings, statement, judged()),
              "-- when nothing uses it any more:\nSET zdm.safety_assured = on; DROP TABLE a, b;");
}

TEST_F(Notes, AHintForTheWholeStatementStandsAlone)
{
    note(Rule::DropColumn, "first;");
    note(Rule::AddColumnNotNullNoDefault, "whole;").hint_is_whole = true;
    EXPECT_EQ(judged().ruling, Ruling::Reject);
    EXPECT_EQ(safe_sql(memory, settings, statement, judged()), "whole;");
}

TEST_F(Notes, ListsAreCutOff)
{
    List<std::string_view> names(memory);
    names.push("a");
    EXPECT_EQ(listed(memory, "Gone: ", names, 1), "Gone: a.");
    names.push("b");
    EXPECT_EQ(listed(memory, "Gone: ", names, 2), "Gone: a, b.");
    EXPECT_EQ(listed(memory, "Gone: ", names, 3), "Gone: a, b and 1 other.");
    EXPECT_EQ(listed(memory, "Gone: ", names, 99), "Gone: a, b and 97 others.");
    for (int i = 0; i < 20; i++) {
        names.push("c");
    }
    EXPECT_EQ(listed(memory, "", names, 22), "a, b, c, c, c, c, c, c, c, c and 12 others.");
}

TEST_F(Notes, SayWhatToDoFirst)
{
    const Relation relation{1, "s.t", "s", "t", 0};
    List<std::string_view> columns(memory);
    columns.push("a");
    columns.push("lower(b)");
    EXPECT_EQ(with_size(memory, relation), "s.t.");
    EXPECT_EQ(duplicates(memory, relation, columns, "a > 0"),
              "SELECT a, lower(b), count(*) FROM s.t WHERE a > 0 GROUP BY a, lower(b) HAVING count(*) > 1;");
    EXPECT_TRUE(nullable_first(memory, "ALTER TABLE s.t ADD c int", relation, "c")
                    .starts_with("ALTER TABLE s.t ADD c int;\n-- "));
}

} // namespace zdm::core
