#pragma once
// Pieces of the user's own words, cut with PostgreSQL's own scanner.
#include "core/memory.hpp"

namespace zdm::inspect
{

struct Token {
    int start;
    int end;
    int code; // a character, or the scanner's number
};

core::List<Token> tokenize(core::Arena arena, std::string_view text);

// Index of the token that starts at `offset`, or -1.
int token_at(const core::List<Token> &tokens, int offset);

// Index of the first token behind a qualified name that starts at token `first`, and behind a trailing `*`.
int after_name(const core::List<Token> &tokens, int first);

// text between the start of token `from` and the end of token `to - 1`
std::string_view slice(std::string_view text, const core::List<Token> &tokens, int from, int to);

// Splits tokens [from, end) at commas outside brackets.
core::List<std::string_view> split(core::Arena arena, std::string_view text, const core::List<Token> &tokens, int from);

} // namespace zdm::inspect
