// How to write an UPDATE or DELETE of many rows in small transactions.
#include "pg/postgres.hpp"

#include "inspect/inspect.hpp"
#include "inspect/tokens.hpp"
#include "pg/memory.hpp"
#include "pg/syntax.hpp"

namespace zdm::inspect
{

namespace
{

bool is_word(std::string_view text, const Token &token, std::string_view word)
{
    return token.end - token.start == static_cast<int>(word.size()) &&
           pg_strncasecmp(text.data() + token.start, word.data(), word.size()) == 0;
}

// Index of the word outside of brackets, or the number of tokens.
int find_word(std::string_view text, const core::List<Token> &tokens, std::string_view word, int from)
{
    int depth = 0;

    for (int i = from; i < static_cast<int>(tokens.count); i++) {
        const int code = tokens[static_cast<std::uint32_t>(i)].code;
        depth += code == '(' || code == '[' ? 1 : code == ')' || code == ']' ? -1 : 0;
        if (depth == 0 && is_word(text, tokens[static_cast<std::uint32_t>(i)], word)) {
            return i;
        }
    }
    return static_cast<int>(tokens.count);
}

std::string_view literal(core::Arena arena, std::string_view text)
{
    return pg::keep(arena, quote_literal_cstr(pg::cstring(text)));
}

} // namespace

std::string_view batched(core::Arena arena, std::string_view text, const core::Relation &relation, int rows)
{
    List *parsed = pg_parse_query(pg::cstring(text));
    const Node *raw = list_length(parsed) == 1 ? linitial_node(RawStmt, parsed)->stmt : nullptr;
    const core::List<Token> tokens = tokenize(arena, text);
    const int count = static_cast<int>(tokens.count);
    const int where = find_word(text, tokens, "where", 0);
    const std::string_view condition = where < count ? slice(text, tokens, where + 1, count) : "";

    if (raw != nullptr && IsA(raw, UpdateStmt)) {
        const auto *update = castNode(UpdateStmt, raw);
        const int set = find_word(text, tokens, "set", 0);
        if (update->fromClause == NIL && update->withClause == nullptr && update->relation->alias == nullptr &&
            update->relation->inh && !pg::has_returning(update) && set < where &&
            (update->whereClause == nullptr || !IsA(update->whereClause, CurrentOfExpr))) {
            return core::concat(arena,
                                {"SELECT zdm.backfill(", literal(arena, relation.name), ", ",
                                 literal(arena, slice(text, tokens, set + 1, where)), condition.empty() ? "" : ", ",
                                 condition.empty() ? "" : literal(arena, condition), ");"});
        }
    }
    if (raw != nullptr && IsA(raw, DeleteStmt)) {
        const auto *gone = castNode(DeleteStmt, raw);
        if (gone->usingClause == NIL && gone->withClause == nullptr && gone->relation->alias == nullptr &&
            gone->relation->inh && !pg::has_returning(gone) &&
            (gone->whereClause == nullptr || !IsA(gone->whereClause, CurrentOfExpr))) {
            const std::string_view place = has_subclass(relation.oid) ? "tableoid, ctid" : "ctid";
            return core::concat(arena,
                                {"-- again and again, each time in a transaction of its own, until it deletes "
                                 "nothing:\nDELETE FROM ",
                                 relation.name, " WHERE (", place, ") IN (SELECT ", place, " FROM ", relation.name,
                                 condition.empty() ? "" : " WHERE ", condition, " LIMIT ", psprintf("%d", rows), ");"});
        }
    }
    return "-- the same in batches by key, each in a transaction of its own";
}

} // namespace zdm::inspect
