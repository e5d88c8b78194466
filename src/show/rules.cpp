#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "pg/memory.hpp"
#include "show/show.hpp"

namespace zdm::show
{

void rules(FunctionCallInfo fcinfo)
{
    const core::Settings settings = conf::current();

    InitMaterializedSRF(fcinfo, 0);
    auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    for (int i = 0; i < core::kRuleCount; i++) {
        const core::RuleRow &rule = core::row(static_cast<core::Rule>(i));
        const core::Action action = conf::off() ? core::Action::Allow : core::action_of(settings, rule.id);
        const std::string_view cells[] = {
            rule.name,          core::name(rule.cls),  core::name(rule.default_action),
            core::name(action), core::name(rule.lock), core::blocks(rule.lock),
            rule.summary,       rule.safe_form,
        };
        Datum values[8];
        bool nulls[8] = {};
        for (int column = 0; column < 8; column++) {
            values[column] = CStringGetTextDatum(pg::cstring(cells[column]));
        }
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
}

} // namespace zdm::show
