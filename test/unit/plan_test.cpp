#include "arena.hpp"
#include "core/plan.hpp"
#include "core/words.hpp"

#include <gtest/gtest.h>
#include <string>

namespace zdm::core
{

namespace
{

class Plans : public testing::Test
{
protected:
    unit::Arena memory;
    Settings settings{};

    void SetUp() override
    {
        settings.mode = Mode::Rewrite;
        for (int i = 0; i < kRuleCount; i++) {
            settings.actions[i] = row(static_cast<Rule>(i)).default_action;
        }
    }

    Part part(Form form, Rule rule)
    {
        Part made;
        made.form = form;
        made.hazard = true;
        made.rule = rule;
        made.rewritable = true;
        made.lock = row(rule).lock;
        made.work = row(rule).work;
        made.relation = {1, "public.t", "public", "t", 8192};
        made.columns = List<std::string_view>(memory);
        made.partner_columns = List<std::string_view>(memory);
        made.equals = List<std::string_view>(memory);
        made.collations = List<std::string_view>(memory);
        made.undo_not_null = List<std::string_view>(memory);
        made.nullable = List<std::string_view>(memory);
        return made;
    }

    Part not_null(std::string_view column)
    {
        Part made = part(Form::SetNotNull, Rule::SetNotNullScan);
        made.name = column;
        made.nullable.push(column);
        made.proof_name = "proof";
        return made;
    }

    Statement statement(std::initializer_list<Part> parts)
    {
        Statement made;
        made.tag = "ALTER TABLE";
        made.head = "ALTER TABLE public.t ";
        made.relation = {1, "public.t", "public", "t", 8192};
        made.targets = List<Target>(memory);
        made.parts = List<Part>(memory);
        for (const Part &one : parts) {
            made.parts.push(one);
        }
        return made;
    }

    std::string steps(const Statement &of) { return std::string(script(memory, plan(memory, settings, of))); }
    Ruling ruling(const Statement &of, bool in_block) { return judge(memory, settings, of, in_block, false).ruling; }
};

} // namespace

TEST_F(Plans, LookForBadRowsBeforeTheFirstChange)
{
    const Plan made = plan(memory, settings, statement({not_null("a")}));

    ASSERT_EQ(made.steps.count, 4U);
    EXPECT_EQ(made.steps[0].kind, StepKind::Probe);
    EXPECT_STREQ(made.steps[0].violation.sqlstate, "23502");
    EXPECT_EQ(made.steps[0].violation.message, "column \"a\" of relation \"t\" contains null values");
    for (std::uint32_t i = 1; i < made.steps.count; i++) {
        EXPECT_NE(made.steps[i].kind, StepKind::Probe);
    }
}

TEST_F(Plans, ScanNoTableUnderALockThatBlocksOthers)
{
    const Plan made = plan(memory, settings, statement({not_null("a")}));

    for (const Step &step : made.steps) {
        EXPECT_FALSE(step.work != Work::Instant && blocks_others(step.lock)) << step.sql;
    }
}

TEST_F(Plans, ProveSeveralColumnsInOneScan)
{
    EXPECT_EQ(steps(statement({not_null("a"), not_null("\"B\"")})),
              "SELECT 1 FROM public.t WHERE a IS NULL LIMIT 1;\n"
              "SELECT 1 FROM public.t WHERE \"B\" IS NULL LIMIT 1;\n"
              "ALTER TABLE public.t ADD CONSTRAINT proof CHECK (a IS NOT NULL AND \"B\" IS NOT NULL) NOT VALID;\n"
              "ALTER TABLE public.t VALIDATE CONSTRAINT proof;\n"
              "ALTER TABLE public.t ALTER COLUMN a SET NOT NULL, ALTER COLUMN \"B\" SET NOT NULL; "
              "ALTER TABLE public.t DROP CONSTRAINT proof;");
}

TEST_F(Plans, RunWhatCannotBeUndoneLast)
{
    Part drop;
    drop.source = "DROP COLUMN c";
    drop.lock = Lock::AccessExclusive;
    const Plan made = plan(memory, settings, statement({drop, not_null("a")}));

    EXPECT_EQ(made.steps[made.steps.count - 1].sql, "ALTER TABLE public.t DROP COLUMN c");
}

TEST_F(Plans, UndoEveryStepThatOutlivesAFailure)
{
    Part unique = part(Form::AddUnique, Rule::AddUniqueBlocking);
    unique.name = "t_a_key";
    unique.label = "t_a_key";
    unique.qualified = "public.t_a_key";
    unique.definition = "(a)";
    unique.columns.push("a");
    const Plan made = plan(memory, settings, statement({unique}));

    for (std::uint32_t i = 0; i + 1 < made.steps.count; i++) {
        if (made.steps[i].kind != StepKind::Probe && made.steps[i].kind != StepKind::Long) {
            EXPECT_FALSE(made.steps[i].undo.empty()) << made.steps[i].sql;
        }
    }
}

TEST_F(Plans, DropALeftoverBeforeBuilding)
{
    Part index = part(Form::CreateIndex, Rule::CicIfNotExistsInvalid);
    index.name = "i";
    index.label = "i";
    index.qualified = "public.i";
    index.leftover = "public.i";
    index.definition = "(a)";
    index.if_not_exists = true;
    Statement made = statement({index});
    made.head = "";

    EXPECT_EQ(steps(made), "DROP INDEX CONCURRENTLY IF EXISTS public.i;\n"
                           "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON public.t (a);");
}

TEST_F(Plans, ForeignKeysAreProbedAsPostgresChecksThem)
{
    Part key = part(Form::AddForeignKey, Rule::AddFkValidating);
    key.name = "fk";
    key.label = "fk";
    key.source = "ADD CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES p";
    key.partner = {2, "public.p", "public", "p", 0};
    key.only = true;
    for (const std::string_view column : {"a", "b"}) {
        key.columns.push(column);
        key.partner_columns.push(column == "a" ? "x" : "y");
        key.equals.push("OPERATOR(pg_catalog.=)");
        key.collations.push("");
    }
    EXPECT_NE(steps(statement({key})).find("WHERE pk.x IS NULL AND (fk.a IS NOT NULL AND fk.b IS NOT NULL)"),
              std::string::npos);
    key.match_full = true;
    EXPECT_NE(steps(statement({key})).find("(fk.a IS NOT NULL OR fk.b IS NOT NULL)"), std::string::npos);
    EXPECT_NE(steps(statement({key})).find("ADD CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES p NOT VALID;"),
              std::string::npos);
}

TEST_F(Plans, InsideABlockARewriteIsRefusedForThatReason)
{
    const Statement made = statement({not_null("a")});

    EXPECT_EQ(ruling(made, false), Ruling::Rewrite);
    EXPECT_EQ(ruling(made, true), Ruling::Reject);
    EXPECT_TRUE(judge(memory, settings, made, true, false).needs_own_transactions);
    settings.mode = Mode::Reject;
    EXPECT_EQ(ruling(made, true), Ruling::Reject);
    EXPECT_FALSE(judge(memory, settings, made, true, false).needs_own_transactions);
    settings.mode = Mode::Warn;
    EXPECT_EQ(ruling(made, true), Ruling::Warn);
}

TEST_F(Plans, TheStrictestRuleWins)
{
    Part rename = part(Form::Other, Rule::RenameColumn);
    rename.rewritable = false;
    EXPECT_EQ(ruling(statement({not_null("a"), rename}), false), Ruling::Reject);

    settings.actions[static_cast<int>(Rule::RenameColumn)] = Action::Warn;
    const Verdict verdict = judge(memory, settings, statement({not_null("a"), rename}), false, false);
    EXPECT_EQ(verdict.ruling, Ruling::Rewrite);
    ASSERT_EQ(verdict.weaker.count, 1U);
    EXPECT_EQ(verdict.weaker[0].rule, Rule::RenameColumn);
}

TEST_F(Plans, NothingIsSaidOfWhatAPersonHasReviewed)
{
    const Verdict verdict = judge(memory, settings, statement({not_null("a")}), false, true);

    EXPECT_EQ(verdict.ruling, Ruling::Pass);
    EXPECT_TRUE(verdict.findings.empty());
}

TEST_F(Plans, AnInstanceWithoutAPlanIsRefused)
{
    Part deferrable = part(Form::AddUnique, Rule::AddUniqueBlocking);
    deferrable.rewritable = false;
    EXPECT_EQ(ruling(statement({deferrable}), false), Ruling::Reject);
}

TEST_F(Plans, TheDetailNamesRuleLockSizeAndWhoIsBlocked)
{
    Part made = not_null("a");
    made.relation.bytes = 5120ULL * 1024 * 1024;
    EXPECT_EQ(describe(memory, made), "Rule set-not-null-scan: ACCESS EXCLUSIVE on public.t (5120 MB) for a full scan; "
                                      "blocks reads and writes.");
}

TEST(Words, DurationsAreShort)
{
    unit::Arena memory;

    EXPECT_EQ(duration(memory, 85), "85 ms");
    EXPECT_EQ(duration(memory, 1000), "1 s");
    EXPECT_EQ(duration(memory, 1230), "1.2 s");
    EXPECT_EQ(duration(memory, 125 * 1000), "2 min");
    EXPECT_EQ(duration(memory, 3LL * 3600 * 1000), "3 h");
}

TEST(Words, ABlockerIsNamedWithItsLock)
{
    unit::Arena memory;

    EXPECT_EQ(
        describe(memory, {42, "report", "idle in transaction", 12300, Lock::AccessShare, "public.t", "SELECT 1"}),
        "Process 42 (application \"report\", idle in transaction, transaction age 12.3 s) holds AccessShareLock on "
        "public.t; its query: SELECT 1.");
}

TEST_F(Plans, AddAColumnBeforeWhatStandsOnIt)
{
    Part column = part(Form::AddColumn, Rule::AddColumnInlineCheck);
    column.hazard = false;
    column.name = "c";
    column.keeps = "c IS DISTINCT FROM NULL";
    column.source = "ADD COLUMN c int";
    Part check = part(Form::AddCheck, Rule::AddColumnInlineCheck);
    check.after_add = true;
    check.name = "c_check";
    check.label = "c_check";
    check.definition = "(c > 0)";
    check.source = "ADD CONSTRAINT c_check CHECK (c > 0)";
    Part drop = part(Form::Other, Rule::DropColumn);
    drop.hazard = false;
    drop.source = "DROP COLUMN old";

    const Plan made = plan(memory, settings, statement({drop, column, check}));
    ASSERT_EQ(made.steps.count, 5U);
    EXPECT_EQ(made.steps[0].sql, "ALTER TABLE public.t ADD COLUMN c int");
    EXPECT_EQ(made.steps[0].undo, "ALTER TABLE public.t DROP COLUMN IF EXISTS c");
    EXPECT_EQ(made.steps[0].undo_unless, "SELECT 1 FROM public.t WHERE (c IS DISTINCT FROM NULL) LIMIT 1");
    EXPECT_EQ(made.steps[1].kind, StepKind::Probe);
    EXPECT_EQ(made.steps[4].sql, "ALTER TABLE public.t DROP COLUMN old");
}

TEST_F(Plans, FillAColumnAndProveItBeforeItsEnd)
{
    Part column = part(Form::AddColumn, Rule::AddColumnIdentity);
    column.name = "c";
    column.after_add = true;
    column.first = "ADD IT";
    column.fill = "SELECT fill()";
    column.stop_fill = "SELECT stop()";
    column.finish = "END IT";
    column.nullable.push("c");
    column.proof_name = "proof";

    const Plan made = plan(memory, settings, statement({column}));
    ASSERT_EQ(made.steps.count, 7U);
    EXPECT_EQ(made.steps[0].sql, "ADD IT");
    EXPECT_TRUE(made.steps[0].undo_unless.empty());
    EXPECT_EQ(made.steps[1].kind, StepKind::Fill);
    EXPECT_EQ(made.steps[1].undo, "SELECT stop()");
    EXPECT_EQ(made.steps[2].kind, StepKind::Probe);
    EXPECT_EQ(made.steps[6].sql, "END IT");
    EXPECT_NE(steps(statement({column})).find("SELECT fill();\nCALL zdm.wait();"), std::string::npos);
}

TEST_F(Plans, ChangeTypesLastAndSayWhatStays)
{
    Part type = part(Form::AlterType, Rule::AlterColumnTypeCheckRecheck);
    type.source = "ALTER v TYPE text";
    type.makes_room = "DROP IT; ";
    type.puts_back = "; ADD IT";
    type.validate = List<std::string_view>(memory);
    type.validate.push("it");
    type.analyze = "v";
    Part check = part(Form::AddCheck, Rule::AddCheckValidating);
    check.probe = false;
    check.name = "c";
    check.source = "ADD CONSTRAINT c CHECK (a > 0)";

    const Plan made = plan(memory, settings, statement({type, check}));
    ASSERT_EQ(made.steps.count, 5U);
    EXPECT_EQ(made.steps[2].sql, "DROP IT; ALTER TABLE public.t ALTER v TYPE text; ADD IT");
    EXPECT_TRUE(made.steps[2].by_hand);
    EXPECT_EQ(made.steps[2].undo, "ALTER TABLE public.t VALIDATE CONSTRAINT it; ANALYZE public.t (v)");
    EXPECT_EQ(made.steps[4].sql, "ANALYZE public.t (v)");
}

TEST_F(Plans, ReplaceAKeyInOneCommandAfterItsIndex)
{
    Part drop = part(Form::Other, Rule::DropColumn);
    drop.hazard = false;
    drop.source = "DROP CONSTRAINT t_pkey";
    Part key = part(Form::RedefineKey, Rule::RedefinePrimaryKey);
    key.probe = false;
    key.name = "t_pkey1";
    key.label = "t_pkey1";
    key.qualified = "public.t_pkey1";
    key.definition = "(a)";
    key.finish = "ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX t_pkey1";

    const Plan made = plan(memory, settings, statement({drop, key}));
    ASSERT_EQ(made.steps.count, 2U);
    EXPECT_EQ(made.steps[0].undo, "DROP INDEX CONCURRENTLY IF EXISTS public.t_pkey1");
    EXPECT_EQ(made.steps[1].sql,
              "ALTER TABLE public.t DROP CONSTRAINT t_pkey, ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX t_pkey1");
}

} // namespace zdm::core
