#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "core/transaction.hpp"
#include "guard/guard.hpp"
#include "guard/hold.hpp"
#include "guard/record.hpp"
#include "pg/cutoff.hpp"
#include "pg/memory.hpp"
#include "pg/report.hpp"

namespace zdm::guard
{

namespace
{

// In the warning of this transaction everything was said.
bool warned = false;

bool is_limited(const core::Settings &settings)
{
    return settings.max_lock_hold_ms > 0 && settings.mode != core::Mode::Off &&
           core::action_of(settings, core::Rule::LockHeldTooLong) != core::Action::Allow;
}

void start_clock(const core::Settings &settings, TimestampTz end)
{
    pg::cut_off_at(Max(end, GetCurrentTimestamp() + 1000),
                   core::action_of(settings, core::Rule::IdleInTxnAfterDdl) != core::Action::Allow);
}

std::int64_t held_ms(TimestampTz since) { return (GetCurrentTimestamp() - since) / 1000; }

core::Report words(core::Rule rule, const core::Held &held, TimestampTz since)
{
    return core::held_too_long(pg::arena(CurrentMemoryContext), rule, held, held_ms(since),
                               conf::current().max_lock_hold_ms);
}

void log_end_of_session()
{
    core::Held held;
    const TimestampTz since = changed_since(&held);

    if (pg::is_cut_off() && proc_exit_inprogress && since != 0) {
        pg::report(LOG, "25P03", words(core::Rule::IdleInTxnAfterDdl, held, since));
    }
}

// A prepared transaction keeps its locks and knows no clock.
void warn_of_prepared()
{
    core::Held held;
    const core::Settings settings = conf::current();
    const TimestampTz since = changed_since(&held);

    if (since != 0 && settings.max_lock_hold_ms > 0 &&
        core::action_of(settings, core::Rule::IdleInTxnAfterDdl) != core::Action::Allow) {
        pg::report(WARNING, pg::kWarned, core::prepared_with_lock(pg::arena(CurrentMemoryContext), held));
    }
}

} // namespace

void limit_hold()
{
    core::Held held;
    const core::Settings settings = conf::current();
    const TimestampTz since = changed_since(&held);

    if (since != 0 && is_limited(settings) && settings.mode != core::Mode::Warn) {
        start_clock(settings, TimestampTzPlusMilliseconds(since, settings.max_lock_hold_ms));
    }
}

void warn_of_hold()
{
    core::Held held;

    if (!conf::limits_lock_hold() || !has_record()) {
        return;
    }
    const core::Settings settings = conf::current();
    const TimestampTz since = changed_since(&held);

    if (!warned && since != 0 && is_limited(settings) && settings.mode == core::Mode::Warn &&
        held_ms(since) > settings.max_lock_hold_ms) {
        warned = true;
        pg::report(WARNING, pg::kWarned, words(core::Rule::LockHeldTooLong, held, since));
    }
}

void explain_cut_off(void *)
{
    core::Held held;
    const TimestampTz since = changed_since(&held);

    if (pg::is_cut_off() && since != 0 && geterrcode() == ERRCODE_QUERY_CANCELED) {
        const core::Report report = words(core::Rule::LockHeldTooLong, held, since);
        errmsg("%s", pg::cstring(report.message));
        errdetail("%s", pg::cstring(report.detail));
        errhint("%s", pg::cstring(report.hint));
    }
}

void hold_at_transaction_event(XactEvent event)
{
    switch (event) {
    case XACT_EVENT_PRE_PREPARE:
        warn_of_prepared();
        [[fallthrough]];
    case XACT_EVENT_PRE_COMMIT:
        pg::spare();
        warn_of_hold();
        break;
    case XACT_EVENT_ABORT:
        log_end_of_session();
        pg::spare();
        [[fallthrough]];
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_PREPARE:
        warned = false;
        break;
    default:
        break;
    }
}

// The error has stopped all clocks. What is still held then has its time again: the client must be able to answer.
void hold_at_subtransaction_event(SubXactEvent event)
{
    core::Held held;

    if (event != SUBXACT_EVENT_ABORT_SUB) {
        return;
    }
    const bool late = pg::is_cut_off();
    pg::spare();
    if (late && changed_since(&held) != 0) {
        const core::Settings settings = conf::current();
        start_clock(settings, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), settings.max_lock_hold_ms));
    } else {
        limit_hold();
    }
}

} // namespace zdm::guard
