#include "pg/postgres.hpp"

#include "pg/memory.hpp"
#include "pg/report.hpp"

namespace zdm::pg
{

int sqlstate_number(const char *code) { return MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]); }

void report(int level, const char *sqlstate, const core::Report &words, std::string_view statement)
{
    char *detail = cstring(words.detail);
    char *text = cstring(statement);

    ereport(level, (errcode(sqlstate_number(sqlstate)), errmsg("%s", cstring(words.message)),
                    words.detail.empty() ? 0 : errdetail("%s", detail),
                    statement.empty() ? 0 : errdetail_log("%s\nStatement: %s", detail, text),
                    words.hint.empty() ? 0 : errhint("%s", cstring(words.hint))));
}

void raise_violation(const core::Violation &violation, const core::Relation &relation, const char *key)
{
    const auto field = [](int which, std::string_view text) {
        if (!text.empty()) {
            err_generic_string(which, cstring(text));
        }
        return 0;
    };
    const char *message = cstring(violation.message);
    const char *table = cstring(relation.bare);
    const char *detail = nullptr;

    if (violation.names_relation && key != nullptr) {
        const char *gap = strstr(message, "%s");
        message =
            gap == nullptr ? message : psprintf("%.*s%s%s", static_cast<int>(gap - message), message, key, gap + 2);
        table = key;
    } else if (key == nullptr && !violation.detail_if_null.empty()) {
        detail = cstring(violation.detail_if_null);
    } else if (!violation.detail_prefix.empty()) {
        detail = psprintf("%s%s%s", cstring(violation.detail_prefix), key == nullptr ? "" : key,
                          cstring(violation.detail_suffix));
    }
    ereport(ERROR, (errcode(sqlstate_number(violation.sqlstate)), errmsg("%s", message),
                    detail == nullptr ? 0 : errdetail("%s", detail), field(PG_DIAG_SCHEMA_NAME, relation.schema),
                    field(PG_DIAG_TABLE_NAME, table), field(PG_DIAG_COLUMN_NAME, violation.column),
                    field(PG_DIAG_CONSTRAINT_NAME, violation.constraint)));
    pg_unreachable();
}

} // namespace zdm::pg
