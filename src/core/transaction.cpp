#include "core/transaction.hpp"

namespace zdm::core
{

namespace
{

// About a tenth of a second, as long as zdm.lock_timeout lets others queue: 10,000 rows written with their indexes and
// WAL, or what the planner puts at 10,000 pages read in order. What migration tools write about themselves (a row or
// two in schema_migrations, alembic_version, django_migrations) is far below.
constexpr double kBulkRows = 10000;
constexpr double kBulkCost = 10000;
// What the planner adds where a plan was switched off but is the only one.
constexpr double kDisabledCost = 1e10;

// Words, not SQL to paste.
std::string_view own_transaction(Arena arena, const Statement &statement)
{
    return concat(arena, {"-- in a transaction of its own:\n", statement.text, ";"});
}

Part &note(Statement *statement, Rule rule, const Relation &relation, Lock lock)
{
    Part part;

    part.hazard = true;
    part.rule = rule;
    part.relation = relation;
    part.lock = lock;
    part.work = row(rule).work;
    return statement->notes.push(part);
}

const Held *held_against_all(const Footprint &past)
{
    for (const Held &held : past.holds) {
        if (held.table && held.lock == Lock::AccessExclusive) {
            return &held;
        }
    }
    return nullptr;
}

bool holds_family(const Footprint &footprint, std::uint32_t family, Lock lock)
{
    for (const Held &held : footprint.holds) {
        if (held.family == family && held.lock >= lock) {
            return true;
        }
    }
    return false;
}

// A second table locked against everybody. Who swaps two tables by their names cannot do without, and who locks by
// hand chooses the order himself.
void second_table(Arena arena, const Footprint &past, const Footprint &now, Statement *statement)
{
    const Held *before = held_against_all(past);

    if (before == nullptr || now.renames || now.locks_by_hand) {
        return;
    }
    for (const Held &held : now.holds) {
        if (held.table && held.lock == Lock::AccessExclusive && !holds_family(past, held.family, held.lock)) {
            Part &part = note(statement, Rule::MultiTableAccessExclusive, held.relation, held.lock);
            part.reason = concat(arena, {"It already holds ", sql_name(before->lock), " on ", before->relation.name,
                                         "; now it wants ", held.relation.name, " too."});
            part.hint = own_transaction(arena, *statement);
            return;
        }
    }
}

bool references(const Footprint &footprint, std::uint32_t oid)
{
    for (const Done &done : footprint.deeds) {
        if (done.deed == Deed::References && done.relation.oid == oid) {
            return true;
        }
    }
    return false;
}

const Done *first(const Footprint &footprint, Deed deed)
{
    for (const Done &done : footprint.deeds) {
        if (done.deed == deed) {
            return &done;
        }
    }
    return nullptr;
}

void second_reference(Arena arena, const Footprint &past, const Footprint &now, Statement *statement)
{
    const bool by_this_alone = first(past, Deed::References) == nullptr;
    const Done *before = first(by_this_alone ? now : past, Deed::References);

    for (const Done &done : now.deeds) {
        if (done.deed != Deed::References || done.relation.oid == before->relation.oid ||
            references(past, done.relation.oid)) {
            continue;
        }
        Part &part = note(statement, Rule::MultipleFksOneTxn, done.relation, Lock::ShareRowExclusive);
        part.reason = concat(arena, {"First ", before->relation.name, ", then ", done.relation.name, "."});
        part.hint = by_this_alone
                        ? "-- each foreign key by an ALTER TABLE ... ADD CONSTRAINT in a transaction of its own"
                        : own_transaction(arena, *statement);
        return;
    }
}

bool has(const Footprint &footprint, Deed deed, std::uint32_t oid, std::string_view what)
{
    for (const Done &done : footprint.deeds) {
        if (done.deed == deed && done.relation.oid == oid && done.what == what) {
            return true;
        }
    }
    return false;
}

void style(Arena arena, const Footprint &past, const Footprint &now, Statement *statement)
{
    const Held *before = held_against_all(past);

    if (before != nullptr && before->by_ddl) {
        note(statement, Rule::StatementAfterAccessExclusive, before->relation, before->lock).reason =
            concat(arena, {"ACCESS EXCLUSIVE on ", before->relation.name, "."});
    }
    for (const Done &done : now.deeds) {
        if (done.deed == Deed::Alters && !now.holds.empty() && has(past, Deed::Alters, done.relation.oid, done.what)) {
            note(statement, Rule::CombinableAlters, done.relation, now.holds[0].lock).hint =
                concat(arena, {"-- ", statement->head, "... with the commands of both"});
        } else if (done.deed == Deed::CreatesTable && has(past, Deed::DropsTable, 0, done.what)) {
            note(statement, Rule::CreateTableForce, {}, Lock::None).reason = concat(arena, {done.what, "."});
        } else if (done.deed == Deed::CreatesIndex && has(past, Deed::DropsIndex, done.relation.oid, done.what)) {
            note(statement, Rule::ReplaceIndexDropFirst, done.relation, Lock::Share).reason =
                concat(arena, {"Both begin with ", done.what, "."});
        }
    }
}

// Its scan runs under what is held already, on the same table or on another.
void validation(Arena arena, const Footprint &past, Statement *statement)
{
    const Held *worst = nullptr;

    for (const Held &held : past.holds) {
        const bool same = held.relation.oid == statement->relation.oid;
        if (held.table && (worst == nullptr || held.lock > worst->lock || (held.lock == worst->lock && same))) {
            worst = &held;
        }
    }
    if (worst == nullptr) {
        return;
    }
    for (Part &part : statement->parts) {
        if (part.form != Form::Validate || part.hazard) {
            continue;
        }
        const bool same = worst->relation.oid == part.relation.oid;
        part.hazard = true;
        part.rule = Rule::ValidateInSameTxn;
        part.rewritable = !part.source.empty();
        part.lock = same ? worst->lock : Lock::None;
        part.work = Work::Scan;
        part.reason = same ? "An earlier statement of this transaction took it."
                           : concat(arena, {sql_name(worst->lock), " on ", worst->relation.name, "."});
    }
}

std::string_view number(Arena arena, double value)
{
    Text text(arena);

    text << static_cast<std::int64_t>(value < 9e15 ? value : 9e15);
    return text.str();
}

} // namespace

void add(Footprint *past, const Footprint &now)
{
    for (const Held &held : now.holds) {
        past->holds.push(held);
    }
    for (const Done &done : now.deeds) {
        past->deeds.push(done);
    }
}

void judge_shape(Arena arena, const Footprint &past, const Footprint &now, Statement *statement)
{
    second_table(arena, past, now, statement);
    second_reference(arena, past, now, statement);
    style(arena, past, now, statement);
    validation(arena, past, statement);
}

const Held *first_change(const Footprint &past)
{
    for (const Held &held : past.holds) {
        if (held.table && held.by_ddl) {
            return &held;
        }
    }
    return nullptr;
}

bool is_bulk(double rows_written, double cost, int max_dml_rows)
{
    return rows_written > (max_dml_rows > 0 ? max_dml_rows : kBulkRows) || (cost > kBulkCost && cost < kDisabledCost);
}

Statement judge_query(Arena arena, const Settings &settings, const Footprint &past, const Query &query)
{
    const Held *changed = first_change(past);
    const Held *against_all = held_against_all(past);
    Statement statement;

    statement.text = query.text;
    statement.tag = query.tag;
    statement.relation = query.relation;
    statement.targets = List<Target>(arena);
    statement.parts = List<Part>(arena);
    statement.notes = List<Part>(arena);
    if (query.changes_rows && settings.max_dml_rows > 0 && query.rows_written > settings.max_dml_rows) {
        Part &part = note(&statement, Rule::UnbatchedDml, query.relation, Lock::RowExclusive);
        part.reason = concat(arena, {"About ", number(arena, query.rows_written), " rows by the planner's estimate; ",
                                     "zdm.max_dml_rows is ", number(arena, settings.max_dml_rows), "."});
        part.hint = query.batched;
    }
    if (changed != nullptr && is_bulk(query.rows_written, query.cost, settings.max_dml_rows)) {
        Part &part = note(&statement, Rule::DdlDmlMixed, query.relation, changed->lock);
        part.reason = concat(arena, {sql_name(changed->lock), " on ", changed->relation.name, "; about ",
                                     number(arena, query.rows_written), " rows to write, planner cost ",
                                     number(arena, query.cost), "."});
        part.hint = "COMMIT; -- before it: the change of the schema and the data each in a transaction of its own";
    }
    if (against_all != nullptr && against_all->by_ddl) {
        note(&statement, Rule::StatementAfterAccessExclusive, against_all->relation, against_all->lock).reason =
            concat(arena, {"ACCESS EXCLUSIVE on ", against_all->relation.name, "."});
    }
    return statement;
}

Report held_too_long(Arena arena, Rule rule, const Held &held, std::int64_t held_ms, std::int64_t limit_ms)
{
    Report report;

    report.message = rule == Rule::LockHeldTooLong ? "the transaction has kept others from a table for too long"
                                                   : "session ended: it idled and kept others from a table";
    report.detail =
        concat(arena, {"Rule ", row(rule).name, ": ", sql_name(held.lock), " on ", held.relation.name, " for ",
                       duration(arena, held_ms), "; zdm.max_lock_hold is ", duration(arena, limit_ms), "."});
    report.hint = "COMMIT right after the change of the schema.";
    return report;
}

Report prepared_with_lock(Arena arena, const Held &held)
{
    Report report;

    report.message = "the prepared transaction keeps a lock that blocks others until it is committed or rolled back";
    report.detail = concat(arena, {"Rule ", row(Rule::IdleInTxnAfterDdl).name, ": ", sql_name(held.lock), " on ",
                                   held.relation.name, "; no zdm.max_lock_hold will end it."});
    report.hint = "COMMIT PREPARED soon.";
    return report;
}

} // namespace zdm::core
