#include "core/words.hpp"

namespace zdm::core
{

namespace
{

std::string_view purpose(Work work)
{
    switch (work) {
    case Work::Scan:
        return " for a full scan";
    case Work::Rewrite:
        return " for a rewrite of the table";
    case Work::IndexBuild:
        return " for an index build";
    case Work::Backfill:
        return " for a backfill";
    case Work::Instant:
        break;
    }
    return "";
}

std::string_view subject(Arena arena, const Statement &statement)
{
    return statement.relation.oid == 0 ? statement.tag
                                       : concat(arena, {statement.tag, " on ", statement.relation.name});
}

std::string_view number_text(Arena arena, std::int64_t number)
{
    Text text(arena);
    text << number;
    return text.str();
}

std::string_view rule_names(Arena arena, const Verdict &verdict)
{
    Text text(arena);
    for (std::uint32_t i = 0; i < verdict.findings.count; i++) {
        bool said = false;
        for (std::uint32_t j = 0; j < i; j++) {
            said = said || verdict.findings[j].rule == verdict.findings[i].rule;
        }
        if (!said) {
            text << (text.empty() ? "" : ", ") << row(verdict.findings[i].rule).name;
        }
    }
    return text.str();
}

constexpr std::string_view kOutside =
    "Run it outside a transaction block, where it becomes the safe form by itself (Rails: disable_ddl_transaction!; "
    "Django: atomic = False; Flyway: executeInTransaction=false; Alembic: autocommit_block(); goose: "
    "-- +goose NO TRANSACTION; node-pg-migrate: pgm.noTransaction(); psql: without -1).";
constexpr std::string_view kOrDefer =
    " Or SET zdm.in_transaction = 'defer': what is instant is done now, the rest by a "
    "background job after COMMIT.";
constexpr std::string_view kNoWorkers = " zdm.in_transaction = 'defer' needs background workers: add zdm to "
                                        "shared_preload_libraries and restart the server.";

} // namespace

std::string_view describe(Arena arena, const Part &part)
{
    const RuleRow &rule = row(part.rule);
    Text text(arena);

    text << "Rule " << rule.name << ": ";
    if (part.relation.oid == 0 || part.lock == Lock::None ||
        (rule.cls != Class::Availability && rule.cls != Class::Compatibility)) {
        text << rule.summary << "." << (part.reason.empty() ? "" : " ") << part.reason;
        return text.str();
    }
    text << sql_name(part.lock) << " on " << part.relation.name << " (" << pretty_size(arena, part.relation.bytes)
         << ")" << purpose(part.work) << "; blocks " << blocks(part.lock) << ".";
    if (!part.reason.empty()) {
        text << " " << part.reason;
    }
    return text.str();
}

std::string_view describe(Arena arena, const Verdict &verdict)
{
    Text text(arena);
    for (const Part &part : verdict.findings) {
        text << (text.empty() ? "" : "\n") << describe(arena, part);
    }
    for (const Part &part : verdict.weaker) {
        text << (text.empty() ? "" : "\n") << describe(arena, part);
    }
    return text.str();
}

Report rejected(Arena arena, const Settings &settings, const Statement &statement, const Verdict &verdict)
{
    Report report;
    report.message =
        concat(arena, {subject(arena, statement),
                       " is refused: ", verdict.findings.empty() ? "" : row(verdict.findings[0].rule).summary});
    report.detail = describe(arena, verdict);
    report.hint = safe_sql(arena, settings, statement, verdict);
    return report;
}

Report needs_own_transactions(Arena arena, const Settings &settings, const Statement &statement, const Verdict &verdict)
{
    Report report;
    report.message =
        concat(arena, {subject(arena, statement), " needs its own transactions and cannot run in a transaction block"});
    report.detail = describe(arena, verdict);
    const bool possible = deferred(arena, settings, statement).possible;
    report.hint = concat(arena, {kOutside, !possible                                         ? ""
                                           : settings.in_transaction != InTransaction::Defer ? kOrDefer
                                           : settings.max_workers == 0                       ? kNoWorkers
                                                                                             : ""});
    return report;
}

Report put_off(Arena arena, const Statement &statement, const Verdict &verdict, const Deferral &split, std::int64_t job)
{
    Report report;
    Text message(arena);
    Text detail(arena);
    int number = 0;
    bool stays = false;

    message << subject(arena, statement) << " is deferred by rule " << rule_names(arena, verdict) << ": job " << job
            << " does the rest after COMMIT";
    report.message = message.str();
    for (const Step &step : split.now.steps) {
        number++;
        stays = stays || !step.own_name;
        detail << "Now: " << number << ". " << step.sql << ";\n";
    }
    for (const Step &step : split.later.steps) {
        number++;
        detail << "Job " << job << ": " << number << ". " << step.sql << ";\n";
    }
    detail << (stays ? "If the job fails, what is done now stays, a constraint as NOT VALID; nothing else of it does."
                     : "If the job fails, nothing of it stays.")
           << " The view zdm.jobs says why.";
    report.detail = detail.str();
    report.hint = concat(arena, {"CALL zdm.wait(", number_text(arena, job), ");"});
    return report;
}

Report warned(Arena arena, const Settings &settings, const Statement &statement, const Verdict &verdict,
              const Verdict *would)
{
    Report report;
    std::string_view opening = "";

    if (would != nullptr && would->ruling == Ruling::Rewrite) {
        opening = "would be rewritten: ";
    } else if (would != nullptr && would->ruling == Ruling::Defer) {
        opening = "would be deferred: ";
    } else if (would != nullptr && would->needs_own_transactions) {
        opening = "would be refused inside a transaction block (25001): ";
    } else if (would != nullptr && would->ruling == Ruling::Reject) {
        opening = "would be refused (ZD001): ";
    }
    report.message = concat(arena, {opening, subject(arena, statement), ": ",
                                    verdict.findings.empty() ? "" : row(verdict.findings[0].rule).summary});
    report.detail = describe(arena, verdict);
    report.hint = safe_sql(arena, settings, statement, verdict);
    return report;
}

Report rewritten(Arena arena, const Statement &statement, const Verdict &verdict, const Plan &plan)
{
    Report report;
    report.message = concat(arena, {subject(arena, statement), " is rewritten by rule ", rule_names(arena, verdict)});
    Text detail(arena);
    int number = 0;
    for (const Step &step : plan.steps) {
        number++;
        detail << (detail.empty() ? "" : "\n") << number << ". " << step.sql << ";";
    }
    report.detail = detail.str();
    return report;
}

std::string_view describe(Arena arena, const Blocker &blocker)
{
    Text text(arena);

    if (blocker.pid == 0) {
        text << "A prepared transaction";
    } else {
        text << "Process " << blocker.pid << " (application \"" << blocker.application << "\", " << blocker.state;
        if (blocker.age_ms >= 0) {
            text << ", transaction age " << duration(arena, blocker.age_ms);
        }
        text << ")";
    }
    if (blocker.held != Lock::None) {
        text << " holds " << name(blocker.held) << " on " << blocker.relation;
    }
    if (!blocker.query.empty()) {
        text << "; its query: " << blocker.query;
    }
    text << (blocker.query.ends_with(';') || blocker.query.ends_with('.') ? "" : ".");
    return text.str();
}

Report lock_not_available(Arena arena, const Target &wanted, std::int64_t waited_ms, const List<Blocker> &blockers)
{
    Report report;
    report.message = concat(arena, {"could not get ", sql_name(wanted.lock), " on ", wanted.relation.name, " within ",
                                    duration(arena, waited_ms)});
    Text detail(arena);
    for (const Blocker &blocker : blockers) {
        detail << (detail.empty() ? "" : "\n") << describe(arena, blocker);
    }
    report.detail = detail.str();
    report.hint = "Run it again when these sessions have ended, end them with pg_terminate_backend(pid), or raise "
                  "zdm.lock_patience.";
    return report;
}

Report still_waiting(Arena arena, std::string_view sql, const List<Blocker> &blockers)
{
    Report report;
    report.message = concat(arena, {"waiting for older transactions, which blocks nobody: ", sql});
    Text detail(arena);
    for (const Blocker &blocker : blockers) {
        detail << (detail.empty() ? "" : "\n") << describe(arena, blocker);
    }
    report.detail = detail.str();
    return report;
}

Report left_behind(Arena arena, std::string_view undo_sql, std::string_view why, std::int64_t job)
{
    Report report;
    Text detail(arena);

    report.message = concat(arena, {"a step could not be undone: ", why});
    if (job != 0) {
        detail << "Job " << job << " goes on with it in the background, if zdm was preloaded; see zdm.steps.";
    }
    report.detail = detail.str();
    report.hint = concat(arena, {undo_sql, ";"});
    return report;
}

Report stays(Arena arena, const Step &step)
{
    Report report;

    report.message =
        step.by_hand
            ? concat(arena, {"the change of ", step.relation.name, " cannot be undone and stays"})
            : concat(arena, {"rows of ", step.relation.name, " hold values in its new column, which therefore stays"});
    report.hint = concat(arena, {step.undo, ";"});
    return report;
}

Report plan_in_the_way(Arena arena, const Relation &relation, std::int64_t job, std::int64_t waited_ms, bool here)
{
    Report report;
    Text message(arena);
    Text detail(arena);

    message << "job " << job << " on " << relation.name << " is not resolved yet";
    if (waited_ms > 0) {
        message << " after " << duration(arena, waited_ms);
    }
    report.message = message.str();
    detail << "The session that ran this plan has ended in the middle of it; it is to be undone or finished first.";
    report.detail = detail.str();
    report.hint = here ? "Nobody does that in the background here: preload zdm, or send the statement outside a "
                         "transaction block as a member of the job's owner."
                       : "The views zdm.jobs and zdm.steps show what it waits for. Send the statement again later.";
    return report;
}

Report plan_is_open(Arena arena, std::int64_t job)
{
    Report report;
    Text message(arena);

    message << "extension zdm cannot be dropped while job " << job << " is open";
    report.message = message.str();
    report.hint = "SELECT * FROM zdm.uninstall_blockers() lists open plans and changes, with the call that ends each.";
    return report;
}

std::string_view pretty_size(Arena arena, std::uint64_t bytes)
{
    constexpr std::string_view kUnits[] = {" bytes", " kB", " MB", " GB", " TB"};
    int unit = 0;

    // As pg_size_pretty does: a unit lasts until 10240.
    while (bytes >= 10240 && unit < 4) {
        bytes = (bytes + 512) / 1024;
        unit++;
    }
    Text text(arena);
    text << static_cast<std::int64_t>(bytes) << kUnits[unit];
    return text.str();
}

std::string_view duration(Arena arena, std::int64_t ms)
{
    Text text(arena);

    if (ms < 1000) {
        text << ms << " ms";
    } else if (ms < 120LL * 1000) {
        text << ms / 1000;
        if (ms % 1000 >= 100) {
            text << "." << ms % 1000 / 100;
        }
        text << " s";
    } else if (ms < 120LL * 60 * 1000) {
        text << ms / (60LL * 1000) << " min";
    } else {
        text << ms / (60LL * 60 * 1000) << " h";
    }
    return text.str();
}

} // namespace zdm::core
