#include "core/rules.hpp"
#include "core/settings.hpp"

#include <gtest/gtest.h>
#include <set>
#include <string>

namespace zdm::core
{

namespace
{

// Every row of the table, with the rule's name in each failure.
template <class F> void for_each_rule(F &&body)
{
    for (int i = 0; i < kRuleCount; i++) {
        const RuleRow &rule = row(static_cast<Rule>(i));
        SCOPED_TRACE(std::string(rule.name));
        body(rule);
    }
}

Settings defaults(Mode mode)
{
    Settings settings{};

    settings.mode = mode;
    for_each_rule([&](const RuleRow &rule) { settings.actions[static_cast<int>(rule.id)] = rule.default_action; });
    return settings;
}

} // namespace

TEST(Rules, NamesAreUniqueLowerCaseWords)
{
    std::set<std::string_view> seen;

    for_each_rule([&](const RuleRow &rule) {
        EXPECT_TRUE(seen.insert(rule.name).second) << "twice";
        EXPECT_FALSE(rule.name.empty());
        EXPECT_EQ(rule.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), std::string_view::npos);
    });
}

TEST(Rules, AreFoundByTheirName)
{
    for_each_rule([](const RuleRow &rule) { EXPECT_EQ(find_rule(rule.name), &rule); });
    EXPECT_EQ(find_rule(""), nullptr);
    EXPECT_EQ(find_rule("no-such-rule"), nullptr);
    EXPECT_EQ(find_rule("SET-NOT-NULL-SCAN"), nullptr);
    EXPECT_EQ(find_rule("set-not-null"), nullptr);
}

TEST(Rules, SayWhatTheyAreAndWhatToDoInstead)
{
    for_each_rule([](const RuleRow &rule) {
        EXPECT_FALSE(rule.summary.empty());
        EXPECT_FALSE(rule.safe_form.empty());
        EXPECT_NE(rule.summary.back(), '.') << "a fact has no period";
        EXPECT_NE(rule.safe_form.back(), '.');
    });
}

TEST(Rules, RewriteOnlyWhatHasASafePlan)
{
    for_each_rule([](const RuleRow &rule) { EXPECT_TRUE(rule.default_action != Action::Rewrite || rule.rewritable); });
}

TEST(Rules, DefaultsFollowTheirClass)
{
    for_each_rule([](const RuleRow &rule) {
        switch (rule.cls) {
        case Class::Availability:
            EXPECT_TRUE(rule.default_action == Action::Rewrite || rule.default_action == Action::Reject);
            EXPECT_EQ(rule.default_action == Action::Rewrite, rule.rewritable);
            break;
        case Class::Compatibility:
            EXPECT_EQ(rule.default_action, Action::Reject);
            break;
        case Class::Data:
        case Class::Replication:
        case Class::Transaction:
            EXPECT_EQ(rule.default_action, Action::Warn);
            break;
        case Class::Style:
            EXPECT_EQ(rule.default_action, Action::Allow);
            break;
        }
    });
}

TEST(Rules, OfAvailabilityTakeALockThatIsNamed)
{
    for_each_rule([](const RuleRow &rule) {
        if (rule.cls == Class::Availability) {
            EXPECT_NE(name(rule.lock), "");
            EXPECT_NE(sql_name(rule.lock), "");
        }
        EXPECT_NE(name(rule.cls), "");
        EXPECT_NE(name(rule.work), "");
    });
}

TEST(Locks, AreNamedAsPostgresqlNamesThem)
{
    EXPECT_EQ(name(Lock::None), "");
    EXPECT_EQ(name(Lock::AccessShare), "AccessShareLock");
    EXPECT_EQ(name(Lock::ShareUpdateExclusive), "ShareUpdateExclusiveLock");
    EXPECT_EQ(name(Lock::ShareRowExclusive), "ShareRowExclusiveLock");
    EXPECT_EQ(name(Lock::AccessExclusive), "AccessExclusiveLock");
    EXPECT_EQ(sql_name(Lock::ShareRowExclusive), "SHARE ROW EXCLUSIVE");
    EXPECT_EQ(sql_name(Lock::AccessExclusive), "ACCESS EXCLUSIVE");
}

TEST(Locks, SayWhatTheyBlock)
{
    EXPECT_EQ(blocks(Lock::None), "nothing");
    EXPECT_EQ(blocks(Lock::RowExclusive), "nothing");
    EXPECT_EQ(blocks(Lock::ShareUpdateExclusive), "nothing");
    EXPECT_EQ(blocks(Lock::Share), "writes");
    EXPECT_EQ(blocks(Lock::ShareRowExclusive), "writes");
    EXPECT_EQ(blocks(Lock::Exclusive), "writes");
    EXPECT_EQ(blocks(Lock::AccessExclusive), "reads and writes");
}

TEST(Actions, AreReadAsTheyAreWritten)
{
    for (const Action action : {Action::Allow, Action::Warn, Action::Rewrite, Action::Reject}) {
        Action parsed{};
        ASSERT_TRUE(parse_action(name(action), &parsed));
        EXPECT_EQ(parsed, action);
    }
    Action untouched = Action::Warn;
    EXPECT_FALSE(parse_action("", &untouched));
    EXPECT_FALSE(parse_action("Allow", &untouched));
    EXPECT_FALSE(parse_action("forbid", &untouched));
    EXPECT_EQ(untouched, Action::Warn);
}

TEST(Actions, AreInOrderOfStrictness)
{
    EXPECT_LT(Action::Allow, Action::Warn);
    EXPECT_LT(Action::Warn, Action::Rewrite);
    EXPECT_LT(Action::Rewrite, Action::Reject);
}

TEST(Modes, RewriteIsNoCeiling)
{
    const Settings settings = defaults(Mode::Rewrite);

    for_each_rule([&](const RuleRow &rule) { EXPECT_EQ(action_of(settings, rule.id), rule.default_action); });
}

TEST(Modes, RejectTurnsRewriteIntoReject)
{
    Settings settings = defaults(Mode::Reject);

    for_each_rule([&](const RuleRow &rule) {
        const Action expected = rule.default_action == Action::Rewrite ? Action::Reject : rule.default_action;
        EXPECT_EQ(action_of(settings, rule.id), expected);
    });
    settings.actions[0] = Action::Warn;
    EXPECT_EQ(action_of(settings, static_cast<Rule>(0)), Action::Warn);
    settings.actions[0] = Action::Allow;
    EXPECT_EQ(action_of(settings, static_cast<Rule>(0)), Action::Allow);
}

TEST(Modes, WarnTurnsEverythingButAllowIntoWarn)
{
    Settings settings = defaults(Mode::Warn);

    for (const Action action : {Action::Warn, Action::Rewrite, Action::Reject}) {
        settings.actions[0] = action;
        EXPECT_EQ(action_of(settings, static_cast<Rule>(0)), Action::Warn);
    }
    settings.actions[0] = Action::Allow;
    EXPECT_EQ(action_of(settings, static_cast<Rule>(0)), Action::Allow);
}

} // namespace zdm::core
