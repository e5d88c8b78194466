// CREATE INDEX, DROP INDEX, REINDEX.
#include "pg/postgres.hpp"

#include "inspect/forms.hpp"
#include "inspect/tokens.hpp"
#include "pg/memory.hpp"

namespace zdm::inspect
{

namespace
{

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
        if (key->collation != NIL) {
            const Oid collation = get_collation_oid(key->collation, false);
            text = c.concat({text, " COLLATE ", generate_collation_name(collation)});
        }
        // Another operator class may have another equality.
        part->probe = part->probe && key->opclass == NIL;
        part->columns.push(text);
    }
    if (analyzed->whereClause != nullptr) {
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
    HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
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
        const char *origin = key->indexcolname != nullptr ? key->indexcolname
                             : key->name != nullptr       ? key->name
                             : key->expr != nullptr       ? FigureIndexColname(key->expr)
                                                          : nullptr;
        char current[NAMEDATALEN];
        strlcpy(current, origin == nullptr ? "expr" : origin, NAMEDATALEN);
        for (int i = 1;; i++) {
            ListCell *other = nullptr;
            bool taken = false;
            foreach (other, names) {
                taken = taken || strcmp(static_cast<char *>(lfirst(other)), current) == 0;
            }
            if (!taken) {
                break;
            }
            char number[16];
            snprintf(number, sizeof(number), "%d", i);
            const int room = NAMEDATALEN - 1 - static_cast<int>(strlen(number));
            const int kept = pg_mbcliplen(origin == nullptr ? "expr" : origin,
                                          static_cast<int>(strlen(origin == nullptr ? "expr" : origin)), room);
            memcpy(current, origin == nullptr ? "expr" : origin, kept);
            strcpy(current + kept, number);
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

bool may_select(Oid relation)
{
    return pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
           check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED;
}

void create_index(Case &c, const IndexStmt *stmt)
{
    core::Statement &statement = c.out->statement;
    Look look;

    if (stmt->relation == nullptr || !look_at(c, stmt->relation, &look) || look.hidden || look.catalog || !look.owned ||
        (look.relkind != RELKIND_RELATION && look.relkind != RELKIND_MATVIEW &&
         look.relkind != RELKIND_PARTITIONED_TABLE)) {
        c.out->aside = true;
        return;
    }
    statement.relation = look.relation;
    statement.waits_long = stmt->concurrent;

    core::Part part;
    part.columns = core::List<std::string_view>(c.arena);
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
    want(c, look, part.lock, !part.only);

    const Oid existing = get_relname_relid(pg::cstring(part.label), look.schema);
    if (OidIsValid(existing)) {
        if (is_leftover(c, existing, look, stmt)) {
            part.leftover = part.qualified;
        } else {
            // PostgreSQL's own answer, without a build that could only fail.
            const bool invalid = get_rel_relkind(existing) == RELKIND_INDEX && !get_index_isvalid(existing);
            statement.warning =
                invalid
                    ? c.concat({"index ", part.qualified, " exists, is invalid, and is not what this statement builds"})
                    : "";
            statement.parts.push(part);
            return;
        }
    }

    part.definition = definition(c, stmt);
    part.probe = may_select(look.oid);
    with_relation(c, look.oid, [&](Relation rel) {
        const IndexStmt *analyzed = transformIndexStmt(look.oid, copy_node(stmt), pg::cstring(c.text));
        describe_keys(c, rel, analyzed, &part);
    });

    if (look.relkind == RELKIND_PARTITIONED_TABLE) {
        part.hazard = !part.only && !look.empty && !stmt->concurrent;
        part.rule = core::Rule::CreateIndexPartitioned;
        part.hint =
            c.concat({"CREATE ", stmt->unique ? "UNIQUE " : "", "INDEX ", part.name, " ON ONLY ", look.relation.name,
                      " ", part.definition, "; then, for each partition, CREATE INDEX CONCURRENTLY and ALTER INDEX ",
                      part.qualified, " ATTACH PARTITION"});
    } else if (!part.leftover.empty()) {
        part.hazard = true;
        part.rewritable = !part.definition.empty();
        part.rule = core::Rule::CicIfNotExistsInvalid;
        part.reason = c.concat({"Index ", part.qualified, " is left over from a failed build."});
    } else {
        part.hazard = !stmt->concurrent && !look.empty;
        part.rewritable = !part.definition.empty();
        part.rule = core::Rule::CreateIndexBlocking;
    }
    statement.parts.push(part);
}

void drop_index(Case &c, const DropStmt *stmt)
{
    core::Statement &statement = c.out->statement;
    const bool can_be_concurrent = stmt->behavior != DROP_CASCADE && !stmt->concurrent;
    bool aside = true;
    ListCell *cell = nullptr;

    statement.waits_long = stmt->concurrent;
    foreach (cell, stmt->objects) {
        RangeVar *name = makeRangeVarFromNameList(static_cast<List *>(lfirst(cell)));
        Look look;
        core::Part part;
        part.form = core::Form::DropIndex;
        part.source = c.text;
        part.rule = core::Rule::DropIndexBlocking;
        part.lock = core::Lock::AccessExclusive;

        if (!look_at(c, name, &look)) {
            if (c.busy() || !stmt->missing_ok) {
                c.out->aside = !c.busy();
                return;
            }
            // Nothing to drop: the same words in a plan give PostgreSQL's own NOTICE.
            part.qualified = c.concat({"IF EXISTS ", quote_qualified_identifier(name->schemaname, name->relname)});
            part.lock = core::Lock::None;
            part.rewritable = true;
            statement.parts.push(part);
            continue;
        }
        if (look.catalog || !look.owned ||
            (look.relkind != RELKIND_INDEX && look.relkind != RELKIND_PARTITIONED_INDEX) ||
            OidIsValid(get_index_constraint(look.oid))) {
            c.out->aside = true;
            return;
        }
        Look table;
        if (!look_at(c, IndexGetRelation(look.oid, false), &table)) {
            return;
        }
        aside = aside && table.hidden;
        part.relation = table.relation;
        part.qualified = c.concat({stmt->missing_ok ? "IF EXISTS " : "", look.relation.name});
        part.label = look.relation.bare;
        part.rewritable = can_be_concurrent && look.relkind == RELKIND_INDEX && !look.partition && !table.hidden;
        if (!table.hidden && !stmt->concurrent) {
            want(c, table, part.lock, false);
            want(c, look, part.lock, false);
        }
        statement.relation = table.relation;
        statement.parts.push(part);
    }
    // A statement that names only what does not exist needs no plan.
    if (aside || statement.relation.oid == 0) {
        c.out->aside = true;
        return;
    }
    // All or nothing: PostgreSQL drops several indexes in one transaction or each in its own.
    bool all = true;
    for (const core::Part &part : statement.parts) {
        all = all && part.rewritable;
    }
    for (core::Part &part : statement.parts) {
        part.hazard = all;
        part.relation = part.relation.oid == 0 ? statement.relation : part.relation;
    }
}

void reindex(Case &c, const ReindexStmt *stmt)
{
    core::Statement &statement = c.out->statement;
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
    statement.waits_long = concurrent;
    if (concurrent || stmt->kind == REINDEX_OBJECT_SYSTEM) {
        c.out->aside = true;
        return;
    }

    core::Part part;
    part.form = core::Form::Reindex;
    part.rule = core::Rule::ReindexBlocking;
    part.lock = core::Lock::AccessExclusive;
    part.work = core::Work::IndexBuild;
    part.source = c.text;
    part.hazard = true;
    part.rewritable = true;

    const char *kind = nullptr;
    std::string_view target;
    if (stmt->relation != nullptr) {
        Look look;
        Look table;
        if (!look_at(c, stmt->relation, &look) || look.hidden || look.catalog || !look.owned) {
            c.out->aside = true;
            return;
        }
        table = look;
        if (stmt->kind == REINDEX_OBJECT_INDEX) {
            kind = "INDEX";
            if ((look.relkind != RELKIND_INDEX && look.relkind != RELKIND_PARTITIONED_INDEX) ||
                !look_at(c, IndexGetRelation(look.oid, false), &table)) {
                c.out->aside = true;
                return;
            }
            want(c, table, core::Lock::Share, false);
            want(c, look, core::Lock::AccessExclusive, false);
            const Oid constraint = get_index_constraint(look.oid);
            if (OidIsValid(constraint) && is_exclusion(constraint)) {
                part.rewritable = false;
                part.reason = "An exclusion constraint's index cannot be rebuilt concurrently.";
                part.hint = c.concat({"SET zdm.safety_assured = on; ", c.text, "; in a maintenance window"});
            }
        } else {
            kind = "TABLE";
            want(c, look, core::Lock::Share, true);
        }
        part.relation = table.relation;
        statement.relation = table.relation;
        part.hazard = !table.empty && !table.hidden;
        part.work = part.hazard ? core::Work::IndexBuild : core::Work::Instant;
        target = look.relation.name;
    } else {
        kind = stmt->kind == REINDEX_OBJECT_SCHEMA ? "SCHEMA" : "DATABASE";
        target = stmt->name == nullptr ? "" : quoted(c, stmt->name);
        statement.opaque = true;
    }
    part.definition = c.concat({"REINDEX (", options.str(), "CONCURRENTLY) ", kind, " ", target});
    statement.parts.push(part);
}

} // namespace zdm::inspect
