// What a job must know of others before each batch. All but the user's own condition is read from shared memory, so
// that a look costs microseconds and holds nothing.
#include "fill/work.hpp"
#include "pg/memory.hpp"
#include "pg/replication.hpp"

namespace zdm::fill
{

namespace
{

using core::Fact;
using core::Signal;

constexpr int kMostFollowers = 32;
constexpr double kGoOn = 0.5;
constexpr double kSlotStop = 0.8;
constexpr double kSlotGoOn = 0.7;
constexpr double kSynchronousStopMs = 1000;
constexpr double kArchiverStop = 42; // segments
constexpr double kArchiverEveryMs = 1000;
constexpr double kIdsStop = 0.8;
constexpr double kIdsGoOn = 0.75;
constexpr int kConditionMs = 5000;

struct Tracked {
    char name[NAMEDATALEN];
    core::Delay delay;
};

} // namespace

struct Watch {
    Tracked tracked[kMostFollowers];
    int tracked_count;
    XLogRecPtr synchronous;
    double synchronous_since;
    double archiver_at;
    double archiver_backlog;
};

namespace
{

bool is_ignored(const char *ignored, const char *name)
{
    List *names = NIL;
    ListCell *cell = nullptr;

    if (ignored == nullptr || ignored[0] == '\0' || name[0] == '\0' || !SplitGUCList(pstrdup(ignored), ',', &names)) {
        return false;
    }
    foreach (cell, names) {
        if (pg_strcasecmp(static_cast<char *>(lfirst(cell)), name) == 0) {
            return true;
        }
    }
    return false;
}

double delay_of(Watch *watch, const char *name, double now_ms, XLogRecPtr end, XLogRecPtr reached)
{
    for (int i = 0; i < watch->tracked_count; i++) {
        if (strcmp(watch->tracked[i].name, name) == 0) {
            return watch->tracked[i].delay.look(now_ms, end, reached);
        }
    }
    // Names that come and go: forget them all rather than one that matters.
    if (watch->tracked_count == kMostFollowers) {
        watch->tracked_count = 0;
    }
    Tracked *fresh = &watch->tracked[watch->tracked_count++];
    *fresh = {};
    strlcpy(fresh->name, name, NAMEDATALEN);
    return fresh->delay.look(now_ms, end, reached);
}

struct Look {
    Work *work;
    core::List<Fact> *facts;
    double now_ms;
    XLogRecPtr end;
};

void add_lag(const Look &look, bool slot, const char *name, XLogRecPtr reached)
{
    const store::Limits &limits = look.work->job.limits;
    const std::string_view copy = pg::keep(look.facts->arena, name);
    const double late =
        delay_of(look.work->watch, psprintf("%c%s", slot ? 's' : 'f', name), look.now_ms, look.end, reached);

    if (limits.lag_bytes >= 0) {
        const double behind = look.end > reached ? static_cast<double>(look.end - reached) : 0;
        look.facts->push({slot ? Signal::SlotLag : Signal::ReplicationLag, copy, behind, limits.lag_bytes,
                          limits.lag_bytes * kGoOn, !XLogRecPtrIsInvalid(reached)});
    }
    if (limits.delay_ms >= 0) {
        look.facts->push({slot ? Signal::SlotDelay : Signal::ReplicationDelay, copy, late, limits.delay_ms,
                          limits.delay_ms * kGoOn, !XLogRecPtrIsInvalid(reached)});
    }
}

void add_followers(const Look &look)
{
    pg::Follower followers[kMostFollowers];
    const int count = pg::followers(followers, kMostFollowers);

    for (int i = 0; i < count; i++) {
        if (!is_ignored(look.work->job.limits.ignored_standbys, followers[i].name)) {
            add_lag(look, false, followers[i].name, followers[i].applied);
        }
    }
}

void add_slots(const Look &look)
{
    pg::Slot slots[kMostFollowers];
    const int count = pg::slots(slots, kMostFollowers);

    for (int i = 0; i < count; i++) {
        const pg::Slot &slot = slots[i];
        const char *ignored = look.work->job.limits.ignored_standbys;
        if (is_ignored(ignored, slot.name) || is_ignored(ignored, slot.user)) {
            continue;
        }
        if (slot.active && slot.logical) {
            add_lag(look, true, slot.name, slot.confirmed);
        }
        if (!slot.active && max_slot_wal_keep_size_mb > 0 && !XLogRecPtrIsInvalid(slot.restart)) {
            const double kept = look.end > slot.restart ? static_cast<double>(look.end - slot.restart) : 0;
            look.facts->push({Signal::SlotSize, pg::keep(look.facts->arena, slot.name),
                              kept / (max_slot_wal_keep_size_mb * 1048576.0), kSlotStop, kSlotGoOn});
        }
    }
}

void add_server(const Look &look)
{
    Watch *watch = look.work->watch;
    const XLogRecPtr waiting = pg::synchronous_wait();

    if (XLogRecPtrIsInvalid(waiting) || waiting != watch->synchronous) {
        watch->synchronous = waiting;
        watch->synchronous_since = look.now_ms;
    }
    look.facts->push({Signal::SynchronousWait, "", look.now_ms - watch->synchronous_since, kSynchronousStopMs, 1});

    if (look.now_ms - watch->archiver_at >= kArchiverEveryMs) {
        watch->archiver_at = look.now_ms;
        watch->archiver_backlog = pg::archiver_backlog();
    }
    const double stop = kArchiverStop * wal_segment_size;
    look.facts->push(
        {Signal::ArchiverBacklog, "", watch->archiver_backlog, stop, stop * kGoOn, watch->archiver_backlog >= 0});
    look.facts->push({Signal::TransactionIds, "", pg::transaction_ids_used(), kIdsStop, kIdsGoOn});
}

void add_window(const Look &look)
{
    const char *text = look.work->job.window;
    core::Window window{};

    if (text == nullptr) {
        return;
    }
    pg_tz *zone = core::parse_window(text, &window) ? pg_tzset(pg::cstring(window.zone)) : nullptr;
    pg_tm broken{};
    fsec_t fraction = 0;
    int offset = 0;
    const bool known =
        zone != nullptr && timestamp2tm(GetCurrentTimestamp(), &offset, &broken, &fraction, nullptr, zone) == 0;
    const bool inside = known && core::is_inside(window, broken.tm_hour * 60 + broken.tm_min);
    look.facts->push({Signal::Window, text, inside ? 0.0 : 1.0, 0.5, 0.5, known});
}

} // namespace

void look_around(Work *work, double now_ms, core::List<Fact> *facts)
{
    if (work->watch == nullptr) {
        work->watch = static_cast<Watch *>(MemoryContextAllocZero(work->memory, sizeof(Watch)));
        work->watch->archiver_at = -kArchiverEveryMs;
    }
    const Look look{work, facts, now_ms, pg::flushed()};

    add_window(look);
    add_followers(look);
    add_slots(look);
    add_server(look);
}

void ask_condition(Work *work, bool *holds)
{
    *holds = false;
    as_owner(work, [&] {
        enable_timeout_after(STATEMENT_TIMEOUT, kConditionMs);
        pg::spi_check(SPI_execute(condition_statement(work->job.only_when), true, 1));
        disable_timeout(STATEMENT_TIMEOUT, false);
        bool null = true;
        const Datum value =
            SPI_processed == 1 ? SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null) : Datum{0};
        *holds = !null && DatumGetBool(value);
    });
}

void check_only_when(const char *only_when)
{
    check_condition(only_when);
    pg::with_settings([&] {
        pg::set_local("row_security", "off");
        SPI_connect();
        SPI_execute(psprintf("EXPLAIN %s", condition_statement(only_when)), false, 0);
        SPI_finish();
    });
}

char *check_window(const char *text)
{
    core::Window window{};

    if (!core::parse_window(text, &window)) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                errmsg("invalid value for option \"window\": \"%s\"", text),
                errhint("Write two times of day and a time zone: \"22:00-06:00 Europe/Berlin\"."));
    }
    const char *zone = window.zone.empty() ? GetConfigOption("TimeZone", false, false) : pg::cstring(window.zone);
    if (pg_tzset(zone) == nullptr) {
        ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("time zone \"%s\" not recognized", zone));
    }
    return psprintf("%02d:%02d-%02d:%02d %s", window.from / 60, window.from % 60, window.to / 60, window.to % 60, zone);
}

} // namespace zdm::fill
