#include "pg/postgres.hpp"

#include "conf/conf.hpp"
#include "core/words.hpp"
#include "inspect/inspect.hpp"
#include "pg/compat.hpp"
#include "pg/memory.hpp"
#include "show/show.hpp"

namespace zdm::show
{

namespace
{

// A relation that an earlier statement of the text would have made.
struct Made {
    std::string_view name;
    int transaction;
};

struct Session {
    core::Arena arena;
    core::Settings settings;
    ReturnSetInfo *result;
    core::List<Made> made;
    core::Footprint past; // of the transaction block that the text has opened
    bool in_transaction;
    int transaction; // counts BEGINs and single statements
};

struct Row {
    int statement = 0;
    int step = 1;
    std::string_view verdict = "pass";
    core::List<std::string_view> rules;
    std::string_view relation;
    core::Lock lock = core::Lock::None;
    core::Work work = core::Work::Instant;
    std::string_view sql;
    std::string_view detail;
    std::string_view hint;
};

void put(const Session &session, const Row &row)
{
    Datum values[11];
    bool nulls[11] = {};
    const auto text = [&](int column, std::string_view cell) {
        nulls[column] = cell.empty();
        values[column] = cell.empty() ? 0 : CStringGetTextDatum(pg::cstring(cell));
    };
    auto *names = static_cast<Datum *>(palloc(sizeof(Datum) * (row.rules.count + 1)));

    for (std::uint32_t i = 0; i < row.rules.count; i++) {
        names[i] = CStringGetTextDatum(pg::cstring(row.rules[i]));
    }
    values[0] = Int32GetDatum(row.statement);
    values[1] = Int32GetDatum(row.step);
    text(2, row.verdict);
    values[3] =
        PointerGetDatum(construct_array(names, static_cast<int>(row.rules.count), TEXTOID, -1, false, TYPALIGN_INT));
    text(4, row.relation);
    text(5, core::name(row.lock));
    text(6, core::blocks(row.lock));
    text(7, core::name(row.work));
    text(8, row.sql);
    text(9, row.detail);
    text(10, row.hint);
    tuplestore_putvalues(session.result->setResult, session.result->setDesc, values, nulls);
}

std::string_view key_of(const Session &session, const RangeVar *name)
{
    return core::concat(session.arena, {name->schemaname == nullptr ? "" : name->schemaname,
                                        name->schemaname == nullptr ? "" : ".", name->relname});
}

void remember(Session &session, const Node *utility)
{
    const RangeVar *name = nullptr;

    if (IsA(utility, CreateStmt)) {
        name = castNode(CreateStmt, utility)->relation;
    } else if (IsA(utility, CreateTableAsStmt)) {
        name = castNode(CreateTableAsStmt, utility)->into->rel;
    } else if (IsA(utility, ViewStmt)) {
        name = castNode(ViewStmt, utility)->view;
    } else if (IsA(utility, CreateSeqStmt)) {
        name = castNode(CreateSeqStmt, utility)->sequence;
    } else if (IsA(utility, IndexStmt) && castNode(IndexStmt, utility)->idxname != nullptr) {
        const auto *index = castNode(IndexStmt, utility);
        name = makeRangeVar(index->relation->schemaname, index->idxname, -1);
    }
    if (name != nullptr) {
        session.made.push({key_of(session, name), session.transaction});
    }
}

const Made *made_before(const Session &session, const RangeVar *name)
{
    for (const Made &made : session.made) {
        // With or without its schema: the text does not say which one the search path would give.
        const std::string_view bare = name->relname;
        const bool same_bare = made.name == bare || made.name.ends_with(core::concat(session.arena, {".", bare}));
        if (made.name == key_of(session, name) || (same_bare && (name->schemaname == nullptr || made.name == bare))) {
            return &made;
        }
    }
    return nullptr;
}

void switch_transaction(Session &session, const TransactionStmt *stmt)
{
    if (stmt->kind == TRANS_STMT_BEGIN || stmt->kind == TRANS_STMT_START) {
        session.in_transaction = true;
    } else if (stmt->kind == TRANS_STMT_COMMIT || stmt->kind == TRANS_STMT_ROLLBACK ||
               stmt->kind == TRANS_STMT_PREPARE) {
        session.in_transaction = stmt->chain;
    } else {
        return;
    }
    session.transaction++;
    session.past = core::Footprint(session.arena);
}

// By what earlier statements of its block would have done.
void judge_in_block(Session &session, const Node *utility, inspect::Finding *finding)
{
    if (!session.in_transaction && !IsA(utility, CreateStmt)) {
        return;
    }
    const core::Footprint now = inspect::footprint(session.arena, session.settings, utility, finding->statement);
    core::judge_shape(session.arena, session.past, now, &finding->statement);
    for (const core::Part &note : finding->statement.notes) {
        finding->aside = finding->aside && core::action_of(session.settings, note.rule) == core::Action::Allow;
    }
    if (session.in_transaction) {
        core::add(&session.past, now);
    }
}

// The strongest lock as written, and a line for each further relation.
void describe_locks(const Session &session, const core::Statement &statement, Row *row)
{
    core::Text further(session.arena);

    row->relation = statement.relation.name;
    for (const core::Target &target : statement.targets) {
        row->lock = target.lock > row->lock ? target.lock : row->lock;
        if (target.relation.oid != statement.relation.oid) {
            further << (further.empty() ? "" : "\n") << core::name(target.lock) << " on " << target.relation.name;
        }
    }
    for (const core::Part &part : statement.parts) {
        row->lock = part.lock > row->lock && statement.targets.empty() ? part.lock : row->lock;
        row->work = part.work > row->work ? part.work : row->work;
    }
    row->detail = further.str();
}

std::string_view both(const Session &session, std::string_view one, std::string_view other)
{
    return one.empty() || other.empty() ? core::concat(session.arena, {one, other})
                                        : core::concat(session.arena, {one, "\n", other});
}

void put_steps(const Session &session, Row row, const core::Plan &plan, std::string_view detail)
{
    for (const core::Step &step : plan.steps) {
        row.relation = step.relation.name;
        row.lock = step.lock;
        row.work = step.work;
        row.sql = step.sql;
        row.detail = detail;
        for (std::uint32_t i = step.also.count; i-- > 0;) {
            const core::Target &other = step.also[i];
            row.detail =
                both(session, core::concat(session.arena, {core::name(other.lock), " on ", other.relation.name}),
                     row.detail);
        }
        put(session, row);
        row.step++;
    }
}

void put_judged(const Session &session, Row row, const inspect::Finding &finding)
{
    const core::Statement &statement = finding.statement;
    const core::Verdict verdict = core::judge(session.arena, session.settings, statement, session.in_transaction,
                                              session.settings.safety_assured);
    const std::string_view detail = both(session, core::describe(session.arena, verdict), statement.warning);

    for (const core::List<core::Part> *parts : {&verdict.findings, &verdict.weaker}) {
        for (const core::Part &part : *parts) {
            bool known = false;
            for (const std::string_view name : row.rules) {
                known = known || name == core::row(part.rule).name;
            }
            if (!known) {
                row.rules.push(core::row(part.rule).name);
            }
        }
    }
    row.verdict = core::name(verdict.ruling);
    if (verdict.ruling == core::Ruling::Defer) {
        const core::Deferral split = core::deferred(session.arena, session.settings, statement);
        core::Plan whole = split.now;
        for (const core::Step &step : split.later.steps) {
            whole.steps.push(step);
        }
        put_steps(session, row, whole, detail);
        return;
    }
    if (verdict.ruling == core::Ruling::Rewrite) {
        put_steps(session, row, core::plan(session.arena, session.settings, statement), detail);
        return;
    }
    describe_locks(session, statement, &row);
    row.detail = both(session, row.detail, detail);
    if (verdict.needs_own_transactions) {
        row.hint = core::needs_own_transactions(session.arena, session.settings, statement, verdict).hint;
    } else if (verdict.ruling != core::Ruling::Pass) {
        row.hint = core::safe_sql(session.arena, session.settings, statement, verdict);
    }
    put(session, row);
}

// A relation of an earlier transaction is empty, but others may know its name.
void judge_rename(const Session &session, const Node *utility, Row *row)
{
    core::Rule rule = core::Rule::SetSchema;
    if (IsA(utility, RenameStmt)) {
        const ObjectType what = castNode(RenameStmt, utility)->renameType;
        if (what != OBJECT_COLUMN && what != OBJECT_TABLE && what != OBJECT_VIEW && what != OBJECT_MATVIEW &&
            what != OBJECT_SEQUENCE) {
            return;
        }
        rule = what == OBJECT_COLUMN     ? core::Rule::RenameColumn
               : what == OBJECT_SEQUENCE ? core::Rule::RenameOther
                                         : core::Rule::RenameTable;
    } else if (!IsA(utility, AlterObjectSchemaStmt)) {
        return;
    }
    const core::Action action = core::action_of(session.settings, rule);
    if (action == core::Action::Allow || session.settings.safety_assured) {
        return;
    }
    row->verdict = core::name(action == core::Action::Warn ? core::Ruling::Warn : core::Ruling::Reject);
    row->rules.push(core::row(rule).name);
    row->lock = core::Lock::AccessExclusive;
    row->hint = core::row(rule).safe_form;
}

void explain_one(Session &session, const RawStmt *raw, const char *query, int number)
{
    int location = 0;
    PlannedStmt *planned = pg::wrap_utility(raw->stmt, raw->stmt_location, raw->stmt_len);
    Row row;

    row.rules = core::List<std::string_view>(session.arena);
    row.statement = number;
    row.sql = inspect::source_of(session.arena, planned, query, &location);
    if (!session.in_transaction) {
        session.transaction++;
    }
    if (IsA(raw->stmt, TransactionStmt)) {
        switch_transaction(session, castNode(TransactionStmt, raw->stmt));
        put(session, row);
        return;
    }
    if (IsA(raw->stmt, DoStmt) || IsA(raw->stmt, CallStmt)) {
        row.detail = "judged when it runs";
    }
    bool may_be_missing = false;
    const RangeVar *subject = inspect::may_concern(raw->stmt) ? inspect::subject(raw->stmt, &may_be_missing) : nullptr;
    if (subject != nullptr && !OidIsValid(RangeVarGetRelid(subject, NoLock, true)) && !may_be_missing) {
        if (made_before(session, subject) == nullptr) {
            (void)RangeVarGetRelid(subject, NoLock, false); // raises 42P01
        }
        row.detail = "made by an earlier statement of this text";
        row.relation = key_of(session, subject);
        if (made_before(session, subject)->transaction != session.transaction) {
            judge_rename(session, raw->stmt, &row);
        }
    } else if (inspect::may_concern(raw->stmt)) {
        inspect::Finding finding = inspect::facts(session.arena, session.settings, raw->stmt, row.sql, location, query,
                                                  inspect::Purpose::Explain);
        judge_in_block(session, raw->stmt, &finding);
        if (!finding.aside) {
            put_judged(session, row, finding);
            remember(session, raw->stmt);
            return;
        }
    }
    put(session, row);
    remember(session, raw->stmt);
}

} // namespace

void explain(FunctionCallInfo fcinfo)
{
    const char *query = text_to_cstring(PG_GETARG_TEXT_PP(0));
    const core::Arena arena = pg::arena(CurrentMemoryContext);
    ListCell *cell = nullptr;
    int number = 0;

    InitMaterializedSRF(fcinfo, 0);
    Session session{arena,
                    conf::current(),
                    reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo),
                    core::List<Made>(arena),
                    core::Footprint(arena),
                    PG_GETARG_BOOL(1),
                    0};
    foreach (cell, pg_parse_query(query)) {
        explain_one(session, lfirst_node(RawStmt, cell), query, ++number);
    }
}

} // namespace zdm::show
