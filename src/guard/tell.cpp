#include "pg/postgres.hpp"

#include "guard/tell.hpp"
#include "pg/report.hpp"

namespace zdm::guard
{

core::Verdict would_be(const Judged &judged)
{
    core::Settings rewriting = *judged.settings;

    rewriting.mode = core::Mode::Rewrite;
    return core::judge(judged.arena, rewriting, *judged.statement, judged.in_block, judged.assured);
}

void warn(const Judged &judged, bool later)
{
    const core::Statement &statement = *judged.statement;
    const core::Verdict &verdict = *judged.verdict;
    const core::Settings &settings = *judged.settings;
    const bool watching = settings.mode == core::Mode::Warn;

    if (!statement.warning.empty()) {
        pg::report(WARNING, pg::kWarned, {statement.warning, "", ""});
    }
    if (!verdict.weaker.empty() && verdict.ruling != core::Ruling::Reject) {
        core::Verdict weaker;
        weaker.findings = verdict.weaker;
        weaker.weaker = core::List<core::Part>(judged.arena);
        pg::report(WARNING, pg::kWarned, core::warned(judged.arena, settings, statement, weaker, nullptr), judged.text);
    }
    if (verdict.ruling == core::Ruling::Warn && !later) {
        const core::Verdict would = would_be(judged);
        pg::report(WARNING, pg::kWarned,
                   core::warned(judged.arena, settings, statement, verdict, watching ? &would : nullptr), judged.text);
    }
}

[[noreturn]] void reject(const Judged &judged)
{
    if (judged.verdict->needs_own_transactions) {
        pg::report(ERROR, "25001",
                   core::needs_own_transactions(judged.arena, *judged.settings, *judged.statement, *judged.verdict));
    }
    pg::report(ERROR, pg::kRejected,
               core::rejected(judged.arena, *judged.settings, *judged.statement, *judged.verdict));
    pg_unreachable();
}

} // namespace zdm::guard
