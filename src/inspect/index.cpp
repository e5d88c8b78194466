// CREATE INDEX, DROP INDEX, REINDEX.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/tokens.hpp"
#include "pg/compat.hpp"
#include "pg/limits.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

// GROUP BY compares by the type's default operator class; another class may have another equality.
bool has_usual_equality(Relation rel, const IndexStmt *stmt, const IndexElem *key)
{
    const Oid method = get_index_am_oid(stmt->accessMethod, true);
    const Oid type = key->name == nullptr
                         ? exprType(key->expr)
                         : get_atttype(RelationGetRelid(rel), get_attnum(RelationGetRelid(rel), key->name));
    const auto equality = [](Oid opclass) {
        Oid family = InvalidOid;
        Oid input = InvalidOid;
        return OidIsValid(opclass) && get_opclass_opfamily_and_input_type(opclass, &family, &input)
                   ? get_opfamily_member(family, input, input, BTEqualStrategyNumber)
                   : InvalidOid;
    };

    if (!OidIsValid(type) || !OidIsValid(method)) {
        return false; // PostgreSQL will say why
    }
    if (key->opclass == NIL) {
        return OidIsValid(GetDefaultOpClass(type, method));
    }
    const Oid mine = equality(get_opclass_oid(method, key->opclass, true));
    return OidIsValid(mine) && mine == equality(GetDefaultOpClass(type, method));
}

// Key expressions as SQL, for the search for duplicates.
void describe_keys(Case &c, Relation rel, const IndexStmt *analyzed, core::Part *part)
{
    List *context = deparse_context_for(RelationGetRelationName(rel), RelationGetRelid(rel));
    ListCell *cell = nullptr;

    foreach (cell, analyzed->indexParams) {
        const auto *key = lfirst_node(IndexElem, cell);
        std::string_view text = key->name != nullptr
                                    ? quoted(c, key->name)
                                    : pg::keep(c.arena, deparse_expression(key->expr, context, false, false));
        part->key_names.push(text);
        // Without statistics of what it computes the planner will not know what it is good for.
        part->analyze = key->name == nullptr && !analyzed->concurrent ? std::string_view("*") : part->analyze;
        if (key->collation != NIL) {
            const Oid collation = get_collation_oid(key->collation, false);
            text = c.concat({text, " COLLATE ", generate_collation_name(collation)});
        }
        // What PostgreSQL will refuse is not computed first.
        part->probe = part->probe && has_usual_equality(rel, analyzed, key) && !contain_mutable_functions(key->expr);
        part->columns.push(text);
    }
    if (analyzed->whereClause != nullptr) {
        part->probe = part->probe && !contain_mutable_functions(analyzed->whereClause);
        part->predicate = pg::keep(c.arena, deparse_expression(analyzed->whereClause, context, false, false));
    }
}

// "USING btree (a) WHERE b", as the user wrote it. Empty if the text does not lead there.
std::string_view definition(Case &c, const IndexStmt *stmt)
{
    const core::List<Token> tokens = tokenize(c.arena, c.text);
    const int relation = stmt->relation->location < 0 ? -1 : token_at(tokens, stmt->relation->location - c.location);

    if (relation < 0) {
        return "";
    }
    return slice(c.text, tokens, after_name(tokens, relation), static_cast<int>(tokens.count));
}

bool is_exclusion(Oid constraint)
{
    HeapTuple tuple = OidIsValid(constraint) ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint)) : nullptr;
    const bool yes = HeapTupleIsValid(tuple) &&
                     reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->contype == CONSTRAINT_EXCLUSION;
    if (HeapTupleIsValid(tuple)) {
        ReleaseSysCache(tuple);
    }
    return yes;
}

std::string_view index_label(Case &c, const IndexStmt *stmt, const Look &look)
{
    if (stmt->idxname != nullptr) {
        return pg::keep(c.arena, stmt->idxname);
    }
    List *columns = list_concat(list_copy(stmt->indexParams), stmt->indexIncludingParams);
    return pg::keep(c.arena, choose_index_name(pg::cstring(look.relation.bare), look.schema, columns, "idx", false));
}

} // namespace

namespace
{

bool is_among(List *names, const char *name)
{
    ListCell *cell = nullptr;

    foreach (cell, names) {
        if (strcmp(static_cast<char *>(lfirst(cell)), name) == 0) {
            return true;
        }
    }
    return false;
}

} // namespace

char *choose_index_name(const char *table, Oid schema, List *columns, const char *label, bool constraint)
{
    // As ChooseIndexColumnNames and ChooseIndexNameAddition in indexcmds.c do.
    StringInfoData addition;
    List *names = NIL;
    ListCell *cell = nullptr;

    if (columns == NIL) {
        return ChooseRelationName(table, nullptr, label, schema, constraint);
    }
    initStringInfo(&addition);
    foreach (cell, columns) {
        const auto *key = lfirst_node(IndexElem, cell);
        const char *named = key->indexcolname != nullptr ? key->indexcolname
                            : key->name != nullptr       ? key->name
                            : key->expr != nullptr       ? FigureIndexColname(key->expr)
                                                         : nullptr;
        const char *origin = named == nullptr ? "expr" : named;
        char current[NAMEDATALEN];
        strlcpy(current, origin, NAMEDATALEN);
        for (int i = 1; is_among(names, current); i++) {
            char number[16];
            snprintf(number, sizeof(number), "%d", i);
            const int room = NAMEDATALEN - 1 - static_cast<int>(strlen(number));
            const int kept = pg_mbcliplen(origin, static_cast<int>(strlen(origin)), room);
            snprintf(current, sizeof(current), "%.*s%s", kept, origin, number);
        }
        names = lappend(names, pstrdup(current));
        if (addition.len > 0) {
            appendStringInfoChar(&addition, '_');
        }
        appendStringInfoString(&addition, current);
        if (addition.len >= NAMEDATALEN) {
            break;
        }
    }
    return ChooseRelationName(table, addition.data, label, schema, constraint);
}

namespace
{

bool may_select_as(Oid relation, Oid role)
{
    return pg_class_aclcheck(relation, role, ACL_SELECT) == ACLCHECK_OK &&
           pg::may_use_schema(get_rel_namespace(relation), role) &&
           check_enable_rls(relation, role, true) != RLS_ENABLED;
}

} // namespace

bool may_select(Oid relation) { return may_select_as(relation, GetUserId()); }

bool owner_may_select(Oid relation) { return may_select_as(relation, pg::owner_of(relation)); }

namespace
{

bool can_be_indexed(const Look &look)
{
    return look.relkind == RELKIND_RELATION || look.relkind == RELKIND_MATVIEW ||
           look.relkind == RELKIND_PARTITIONED_TABLE;
}

core::Part describe_index(Case &c, const IndexStmt *stmt, const Look &look)
{
    core::Part part;

    part.columns = core::List<std::string_view>(c.arena);
    part.key_names = core::List<std::string_view>(c.arena);
    part.form = core::Form::CreateIndex;
    part.relation = look.relation;
    part.lock = stmt->concurrent ? core::Lock::ShareUpdateExclusive : core::Lock::Share;
    part.work = look.empty ? core::Work::Instant : core::Work::IndexBuild;
    part.source = c.text;
    part.unique = stmt->unique;
    part.if_not_exists = stmt->if_not_exists;
    part.only = !stmt->relation->inh && look.relkind == RELKIND_PARTITIONED_TABLE;
    part.nulls_equal = stmt->nulls_not_distinct;
    part.label = index_label(c, stmt, look);
    part.name = quoted(c, pg::cstring(part.label));
    part.qualified =
        pg::keep(c.arena, quote_qualified_identifier(get_namespace_name(look.schema), pg::cstring(part.label)));
    return part;
}

// Which hazard building it would be.
void classify_index(Case &c, const IndexStmt *stmt, const Look &look, core::Part *part)
{
    if (look.relkind == RELKIND_PARTITIONED_TABLE) {
        part->hazard = !part->only && !look.empty && !stmt->concurrent;
        part->work = part->only ? core::Work::Instant : part->work;
        part->rule = core::Rule::CreateIndexPartitioned;
        return;
    }
    part->rewritable = !part->definition.empty();
    if (!part->leftover.empty()) {
        part->hazard = true;
        part->rule = core::Rule::CicIfNotExistsInvalid;
        // As written it would let the INVALID one be.
        part->work = part->if_not_exists ? core::Work::Instant : part->work;
        part->reason = c.concat({"Index ", part->qualified, " is left over from a failed build."});
    } else {
        part->hazard = (!stmt->concurrent || pg::may_time_out()) && !look.empty;
        part->rule = stmt->concurrent ? core::Rule::CicShortTimeout : core::Rule::CreateIndexBlocking;
        part->outside_only = stmt->concurrent;
    }
}

} // namespace

void create_index(Case &c, const IndexStmt *stmt)
{
    core::Statement &statement = c.out->statement;
    Look look;

    if (stmt->relation == nullptr || !look_at(c, stmt->relation, &look) || look.hidden || look.catalog || !look.owned ||
        !can_be_indexed(look)) {
        c.out->aside = true;
        return;
    }
    core::Part part = describe_index(c, stmt, look);
    statement.relation = look.relation;
    statement.waits_long = stmt->concurrent;
    statement.commits = stmt->concurrent;
    want(c, look, part.lock, !part.only && look.relkind == RELKIND_PARTITIONED_TABLE);

    const Oid existing = get_relname_relid(pg::cstring(part.label), look.schema);
    if (OidIsValid(existing) && !is_leftover(c, existing, look, stmt)) {
        // PostgreSQL's own answer, without a build that could only fail.
        if (get_rel_relkind(existing) == RELKIND_INDEX && !get_index_isvalid(existing)) {
            statement.warning =
                c.concat({"index ", part.qualified, " exists, is invalid, and is not what this statement builds"});
        }
        part.work = core::Work::Instant;
        statement.parts.push(part);
        return;
    }
    part.leftover = OidIsValid(existing) ? part.qualified : "";
    part.definition = definition(c, stmt);
    part.probe = owner_may_select(look.oid);
    with_relation(c, look.oid, [&](Relation rel) {
        IndexStmt *analyzed = transformIndexStmt(look.oid, copy_node(stmt), c.query);
        describe_keys(c, rel, analyzed, &part);
        classify_index(c, stmt, look, &part);
        if (part.hazard && part.rule == core::Rule::CreateIndexPartitioned) {
            part.below = true;
            part.rewritable = !part.definition.empty();
            part.hazard = partitions_to_index(c, rel, analyzed, false, &part);
        }
    });
    statement.parts.push(part);
}

namespace
{

// One index of DROP INDEX. False: the statement is PostgreSQL's business alone.
bool drop_one(Case &c, const DropStmt *stmt, const RangeVar *name, bool *hidden)
{
    core::Statement &statement = c.out->statement;
    Look look;
    Look table;
    core::Part part;

    part.form = core::Form::DropIndex;
    part.source = c.text;
    part.rule = core::Rule::DropIndexBlocking;
    if (!look_at(c, name, &look)) {
        // Nothing to drop: the same words in a plan give PostgreSQL's own NOTICE.
        part.qualified = c.concat({"IF EXISTS ", quote_qualified_identifier(name->schemaname, name->relname)});
        part.rewritable = true;
        statement.parts.push(part);
        return !c.busy() && stmt->missing_ok;
    }
    if (look.catalog || !look.owned || (look.relkind != RELKIND_INDEX && look.relkind != RELKIND_PARTITIONED_INDEX) ||
        OidIsValid(get_index_constraint(look.oid)) || !look_at(c, IndexGetRelation(look.oid, false), &table)) {
        return false;
    }
    *hidden = *hidden && table.hidden;
    part.lock = core::Lock::AccessExclusive;
    part.relation = table.relation;
    part.qualified = c.concat({stmt->missing_ok ? "IF EXISTS " : "", look.relation.name});
    part.label = look.relation.bare;
    part.rewritable = stmt->behavior != DROP_CASCADE && !stmt->concurrent && look.relkind == RELKIND_INDEX &&
                      !look.partition && !table.hidden;
    if (!table.hidden && !stmt->concurrent) {
        // Of a partitioned index there is no CONCURRENTLY: it locks all partitions, and follows the lock rules.
        want(c, table, part.lock, look.relkind == RELKIND_PARTITIONED_INDEX);
        want(c, look, part.lock, false);
    }
    statement.relation = table.relation;
    statement.parts.push(part);
    return true;
}

} // namespace

void drop_index(Case &c, const DropStmt *stmt)
{
    core::Statement &statement = c.out->statement;
    bool hidden = true;
    bool all = true;
    ListCell *cell = nullptr;

    statement.waits_long = stmt->concurrent;
    statement.commits = stmt->concurrent;
    foreach (cell, stmt->objects) {
        if (!drop_one(c, stmt, makeRangeVarFromNameList(static_cast<List *>(lfirst(cell))), &hidden)) {
            c.out->aside = true;
            return;
        }
    }
    // A statement that names only what does not exist needs no plan.
    c.out->aside = hidden || statement.relation.oid == InvalidOid;
    // All or nothing: PostgreSQL drops several indexes in one transaction or each in its own.
    for (const core::Part &part : statement.parts) {
        all = all && part.rewritable;
    }
    for (core::Part &part : statement.parts) {
        part.hazard = all;
        part.relation = part.relation.oid == InvalidOid ? statement.relation : part.relation;
    }
}

namespace
{

// REINDEX TABLE takes its indexes one by one, each with the strongest lock.
void want_reindexed(Case &c, const Look &look, core::Lock lock)
{
    const bool plain = lock == core::Lock::AccessExclusive;

    want(c, look, plain ? core::Lock::Share : lock, look.relkind == RELKIND_PARTITIONED_TABLE);
    if (plain) {
        with_relation(c, look.oid, [&](Relation rel) {
            ListCell *cell = nullptr;
            foreach (cell, RelationGetIndexList(rel)) {
                want(c, lfirst_oid(cell), lock);
            }
        });
    }
}

// REINDEX INDEX or TABLE. False: PostgreSQL's business alone.
bool reindex_one(Case &c, const ReindexStmt *stmt, core::Part *part, std::string_view *target)
{
    Look look;
    Look table;

    if (!look_at(c, stmt->relation, &look) || look.hidden || look.catalog || !look.owned) {
        return false;
    }
    table = look;
    if (stmt->kind == REINDEX_OBJECT_INDEX) {
        if ((look.relkind != RELKIND_INDEX && look.relkind != RELKIND_PARTITIONED_INDEX) ||
            !look_at(c, IndexGetRelation(look.oid, false), &table)) {
            return false;
        }
        if (part->lock == core::Lock::AccessExclusive) {
            want(c, table, core::Lock::Share, false);
        }
        want(c, look, part->lock, false);
        if (is_exclusion(get_index_constraint(look.oid))) {
            part->reason = "An exclusion constraint's index cannot be rebuilt concurrently.";
            part->rewritable = false;
            part->hint = c.concat({"-- In a maintenance window:\n", reviewed(c, c.text)});
        }
    } else {
        want_reindexed(c, look, part->lock);
    }
    part->relation = table.relation;
    part->hazard = !table.empty && !table.hidden;
    part->work = part->hazard ? core::Work::IndexBuild : core::Work::Instant;
    c.out->statement.relation = table.relation;
    *target = look.relation.name;
    return true;
}

const char *reindex_kind(const ReindexStmt *stmt)
{
    switch (stmt->kind) {
    case REINDEX_OBJECT_INDEX:
        return "INDEX ";
    case REINDEX_OBJECT_TABLE:
        return "TABLE ";
    case REINDEX_OBJECT_SCHEMA:
        return "SCHEMA ";
    default:
        return "DATABASE ";
    }
}

} // namespace

void reindex(Case &c, const ReindexStmt *stmt)
{
    core::Text options(c.arena);
    bool concurrent = false;
    ListCell *cell = nullptr;

    foreach (cell, stmt->params) {
        auto *option = lfirst_node(DefElem, cell);
        if (strcmp(option->defname, "concurrently") == 0) {
            concurrent = defGetBoolean(option);
        } else if (strcmp(option->defname, "verbose") == 0 && defGetBoolean(option)) {
            options << "VERBOSE, ";
        } else if (strcmp(option->defname, "tablespace") == 0) {
            options << "TABLESPACE " << quote_identifier(defGetString(option)) << ", ";
        }
    }
    c.out->statement.waits_long = concurrent;
    c.out->statement.commits = true;

    core::Part part;
    part.form = core::Form::Reindex;
    part.rule = core::Rule::ReindexBlocking;
    part.lock = core::Lock::AccessExclusive;
    part.work = core::Work::IndexBuild;
    part.source = c.text;
    part.hazard = true;
    part.rewritable = true;
    if (concurrent) {
        part.lock = core::Lock::ShareUpdateExclusive;
    }

    std::string_view target = stmt->name == nullptr ? "" : quoted(c, stmt->name);
    if (stmt->kind == REINDEX_OBJECT_SYSTEM || (stmt->relation != nullptr && !reindex_one(c, stmt, &part, &target))) {
        c.out->aside = true;
        return;
    }
    c.out->statement.opaque = stmt->relation == nullptr;
    if (concurrent) {
        part.hazard = part.hazard && pg::may_time_out();
        part.rule = core::Rule::CicShortTimeout;
        part.outside_only = true;
    }
    part.definition = c.concat({"REINDEX (", options.str(), "CONCURRENTLY) ", reindex_kind(stmt), target});
    c.out->statement.parts.push(part);
}

} // namespace zdm::inspect
