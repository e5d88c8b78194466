// zdm.plan_backfill: what a backfill would do, as far as it can be told without doing it.
#include "core/words.hpp"
#include "fill/work.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "pg/replication.hpp"

#include <cmath>

namespace zdm::fill
{

namespace
{

// What the measured machine (two cores) does with narrow rows; a guess for others.
constexpr double kRowsPerSecond = 100000;
// A version of a row and its entry in an index, in WAL, beside the row itself.
constexpr double kRowWal = 90;
constexpr double kEntryWal = 85;

struct Sums {
    double rows;     // that will be changed
    double all_rows; // of the parts
    double heap;     // bytes
    double indexes;
    double wal;
    double growth;
    bool writes_index;
    bool repeatable;
    bool ends_itself;
    StringInfoData triggers;
    StringInfoData keys;
};

// Rows of the part that the planner expects.
double expected_rows(const Clauses &clauses, double all)
{
    if (clauses.where_clause == nullptr) {
        return all;
    }
    double rows = all;
    SPI_connect();
    const char *probe = any_statement(clauses);
    // Without its LIMIT.
    const char *sql = pnstrdup(probe, strlen(probe) - strlen(" LIMIT 1"));
    SPI_execute(psprintf("EXPLAIN %s", sql), false, 1);
    if (SPI_processed > 0) {
        const char *line = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
        const char *found = line == nullptr ? nullptr : strstr(line, " rows=");
        rows = found == nullptr ? all : strtod(found + strlen(" rows="), nullptr);
    }
    SPI_finish();
    return Min(rows, all);
}

bool names_column(Relation part, const int16 *columns, int count, List *names)
{
    for (int i = 0; i < count; i++) {
        ListCell *cell = nullptr;
        const char *name = NameStr(TupleDescAttr(RelationGetDescr(part), columns[i] - 1)->attname);
        foreach (cell, names) {
            if (strcmp(static_cast<char *>(lfirst(cell)), name) == 0) {
                return true;
            }
        }
    }
    return false;
}

void add_name(StringInfo names, const char *name)
{
    if (strstr(names->data, name) == nullptr) {
        appendStringInfo(names, "%s%s", names->len > 0 ? ", " : "", name);
    }
}

void add_triggers(Relation part, List *columns, Sums *sums)
{
    const TriggerDesc *triggers = part->trigdesc;

    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger &trigger = triggers->triggers[i];
        if (TRIGGER_FOR_UPDATE(trigger.tgtype) && !trigger.tgisinternal && trigger.tgenabled != TRIGGER_DISABLED &&
            trigger.tgenabled != TRIGGER_FIRES_ON_REPLICA &&
            (trigger.tgnattr == 0 || names_column(part, trigger.tgattr, trigger.tgnattr, columns))) {
            add_name(&sums->triggers, trigger.tgname);
        }
    }
}

void add_foreign_keys(Relation part, List *columns, Sums *sums)
{
    ListCell *cell = nullptr;

    foreach (cell, RelationGetFKeyList(part)) {
        const auto *key = static_cast<ForeignKeyCacheInfo *>(lfirst(cell));
        if (names_column(part, key->conkey, key->nkeys, columns)) {
            add_name(&sums->keys, get_constraint_name(key->conoid));
        }
    }
}

void add_part(Oid root, Relation part, const char *set_clause, const char *where_clause, bool striped, Sums *sums)
{
    const Clauses clauses = clauses_for(root, RelationGetRelid(part), set_clause, where_clause);
    const Meaning meaning = read_meaning(clauses, part);
    BlockNumber pages = 0;
    double all = 0;
    double visible = 0;

    estimate_rel_size(part, nullptr, &pages, &all, &visible);
    const double rows = expected_rows(clauses, all);
    const double heap = static_cast<double>(pages) * BLCKSZ;
    const double width = all > 0 ? heap / all : 0;
    const int indexes = list_length(RelationGetIndexList(part));
    double index_bytes = 0;
    ListCell *cell = nullptr;
    foreach (cell, RelationGetIndexList(part)) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        index_bytes += static_cast<double>(RelationGetNumberOfBlocks(index)) * BLCKSZ;
        index_close(index, AccessShareLock);
    }
    // Striped, most versions stay on their page and need no entries.
    const double moved = striped && !meaning.writes_index ? 0.45 : 1;
    const double touched = all > 0 ? Min(static_cast<double>(pages), rows) : 0;
    sums->wal += rows * (width + kRowWal + moved * indexes * kEntryWal) + touched * BLCKSZ;
    sums->growth += all > 0 ? moved * rows / all * (heap + index_bytes) : 0;
    sums->rows += rows;
    sums->all_rows += all;
    sums->heap += heap;
    sums->indexes += index_bytes;
    sums->writes_index = sums->writes_index || meaning.writes_index;
    sums->repeatable = sums->repeatable && meaning.repeatable;
    sums->ends_itself = sums->ends_itself && meaning.ends_itself;
    List *columns = columns_set(set_clause);
    add_triggers(part, columns, sums);
    add_foreign_keys(part, columns, sums);
}

const char *count_text(double number) { return psprintf("%.0f", std::ceil(number)); }

const char *bytes_text(double bytes)
{
    return pg::cstring(core::pretty_size(pg::arena(CurrentMemoryContext), static_cast<uint64>(bytes)));
}

const char *path_text(const char *path, const Sums &sums)
{
    if (strcmp(path, "keyset") == 0) {
        return sums.repeatable ? "keyset: along the key; rows that are right already are not written"
                               : "keyset: along the key, each row exactly once";
    }
    if (strcmp(path, "striped") == 0) {
        return sums.writes_index
                   ? "striped: along the heap; in whole ranges, since an index has a column that is written"
                   : "striped: along the heap, each region in several batches, so that space is used again";
    }
    return "ctid: along the heap";
}

void say_throttles(const store::Job &job, const Say &say)
{
    Work work{};
    core::List<core::Fact> facts(pg::arena(CurrentMemoryContext));
    core::Throttle throttle;

    work.memory = CurrentMemoryContext;
    work.job = job;
    look_around(&work, 0, &facts);
    const core::Fact *fact = throttle.decide(facts);
    say("throttles now",
        fact == nullptr ? "none" : pg::cstring(core::describe(pg::arena(CurrentMemoryContext), *fact)));
}

void say_blockers(const Parts &parts, const Say &say)
{
    StringInfoData pids;

    initStringInfo(&pids);
    for (int i = 0; i < parts.count; i++) {
        LOCKTAG tag;
        int count = 0;
        SET_LOCKTAG_RELATION(tag, MyDatabaseId, parts.oids[i]);
        const VirtualTransactionId *holders = GetLockConflicts(&tag, RowExclusiveLock, &count);
        for (int j = 0; j < count; j++) {
            const PGPROC *holder = pg::holder_of(holders[j]);
            if (holder != nullptr) {
                appendStringInfo(&pids, "%s%d", pids.len > 0 ? ", " : "process ", holder->pid);
            }
        }
    }
    say("blockers now", pids.len == 0 ? "none" : psprintf("%s: a lock on the table that stops every write", pids.data));
}

} // namespace

void plan(const store::Job &job, const Say &say)
{
    const bool along_heap = strcmp(job.path, "keyset") != 0;
    const bool striped = strcmp(job.path, "striped") == 0;
    const Parts parts = parts_of(job.relation);
    Sums sums{};

    sums.repeatable = true;
    sums.ends_itself = true;
    initStringInfo(&sums.triggers);
    initStringInfo(&sums.keys);
    for (int i = 0; i < parts.count; i++) {
        Relation part = table_open(parts.oids[i], AccessShareLock);
        add_part(job.relation, part, job.set_clause, job.where_clause, striped, &sums);
        table_close(part, NoLock);
    }

    const double batch =
        job.batch_rows > 0 ? static_cast<double>(job.batch_rows) : Max(1.0, kRowsPerSecond * job.batch_ms / 1000);
    const double walked = Max(sums.all_rows, sums.rows);
    double seconds = sums.rows / kRowsPerSecond + walked / batch * job.pause_ms / 1000;
    if (job.limits.wal_per_second > 0) {
        seconds = Max(seconds, sums.wal / job.limits.wal_per_second);
    }
    say("statement", job.description);
    say("rows", psprintf("%s of %s", count_text(sums.rows), count_text(sums.all_rows)));
    if (parts.count > 1) {
        say("tables", count_text(parts.count));
    }
    say("path", path_text(job.path, sums));
    say("batches",
        psprintf("%s of about %s rows, %.0f ms each", count_text(walked / batch), count_text(batch), job.batch_ms));
    say("WAL", psprintf("about %s", bytes_text(sums.wal)));
    say("time",
        psprintf("about %s, at %.0f rows per second",
                 pg::cstring(core::duration(pg::arena(CurrentMemoryContext), static_cast<int64>(seconds * 1000))),
                 seconds > 0 ? sums.rows / seconds : kRowsPerSecond));
    say("size now", psprintf("%s, and %s in indexes", bytes_text(sums.heap), bytes_text(sums.indexes)));
    say("growth", psprintf("up to %s, until VACUUM makes it reusable", bytes_text(sums.growth)));
    say("triggers", sums.triggers.len == 0 ? "none" : sums.triggers.data);
    say("foreign keys checked", sums.keys.len == 0 ? "none" : sums.keys.data);
    if (!along_heap) {
        say("keys", "a row whose key the application changes meanwhile may be met twice, or never");
    } else if (!sums.repeatable) {
        say("keys", "each row once, since where_clause is false for a row that is done");
    }
    say_throttles(job, say);
    say_blockers(parts, say);
}

} // namespace zdm::fill
