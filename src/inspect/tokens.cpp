#include "pg/postgres.hpp"

#include "inspect/tokens.hpp"
#include "pg/memory.hpp"
#include "pg/syntax.hpp"

namespace zdm::inspect
{

core::List<Token> tokenize(core::Arena arena, std::string_view text)
{
    core::List<Token> tokens(arena);
    core_yy_extra_type extra;
    core_YYSTYPE value;
    YYLTYPE where = 0;
    core_yyscan_t scanner = scanner_init(pg::cstring(text), &extra, &ScanKeywords, ScanKeywordTokens);

    // The user has been warned when his statement was parsed.
    pg::scan_quietly(&extra);
    for (;;) {
        const int code = core_yylex(&value, &where, scanner);
        if (code == 0) {
            break;
        }
        // flex has put a zero behind the token it returned.
        const int length = static_cast<int>(strlen(extra.scanbuf + where));
        const bool uescape = length == 7 && pg_strncasecmp(extra.scanbuf + where, "uescape", 7) == 0;
        tokens.push({where, where + length, code, uescape});
    }
    scanner_finish(scanner);
    return tokens;
}

int token_at(const core::List<Token> &tokens, int offset)
{
    for (std::uint32_t i = 0; i < tokens.count; i++) {
        if (tokens[i].start == offset) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

int after_name(const core::List<Token> &tokens, int first)
{
    const int count = static_cast<int>(tokens.count);
    int next = first + 1;
    const auto skip_uescape = [&] {
        if (next + 1 < count && tokens[next].is_uescape) {
            next += 2;
        }
    };

    skip_uescape();
    while (next + 1 < count && tokens[next].code == '.') {
        next += 2;
        skip_uescape();
    }
    if (next < count && tokens[next].code == '*') {
        next++;
    }
    return next;
}

std::string_view slice(std::string_view text, const core::List<Token> &tokens, int from, int to)
{
    if (from >= to || from < 0 || to > static_cast<int>(tokens.count)) {
        return "";
    }
    return core::part_of(text, tokens[from].start, tokens[to - 1].end - tokens[from].start);
}

core::List<std::string_view> split(core::Arena arena, std::string_view text, const core::List<Token> &tokens, int from)
{
    core::List<std::string_view> pieces(arena);
    const int count = static_cast<int>(tokens.count);
    int depth = 0;
    int start = from;

    for (int i = from; i < count; i++) {
        const int code = tokens[i].code;
        if (code == '(' || code == '[') {
            depth++;
        } else if (code == ')' || code == ']') {
            depth--;
        } else if (code == ',' && depth == 0) {
            pieces.push(slice(text, tokens, start, i));
            start = i + 1;
        }
    }
    pieces.push(slice(text, tokens, start, count));
    return pieces;
}

} // namespace zdm::inspect
