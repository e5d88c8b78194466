#pragma once
// What DETAIL and HINT say of single hazards that no plan takes away.
#include "core/statement.hpp"

namespace zdm::core
{

// The statement again, to run it as written. `when`: what makes it all right, for people.
std::string_view reviewed(Arena arena, std::string_view statement, std::string_view when);

// When a statement under review is all right.
inline constexpr std::string_view kUnused = "when nothing uses it any more";
inline constexpr std::string_view kAllUnused = "when nothing uses any of this any more";
inline constexpr std::string_view kUnneeded = "when nothing relies on it any more";
inline constexpr std::string_view kReadersKnowNull = "when all readers cope with NULL";
inline constexpr std::string_view kWritersSetIt = "when all code sets the column";
inline constexpr std::string_view kRowsUnneeded = "when nobody needs these rows";
inline constexpr std::string_view kLossIsFine = "when its rows may be lost";
inline constexpr std::string_view kOtherIdentity = "after ALTER TABLE ... REPLICA IDENTITY USING another index";
inline constexpr std::string_view kKeysStay = "when referenced rows are never deleted, nor their keys updated";
inline constexpr std::string_view kReassigned = "after REASSIGN OWNED, when nothing uses the rest any more";
inline constexpr std::string_view kBackedUp = "after a backup, from which somebody has restored";
inline constexpr std::string_view kCodeKnowsBoth = "when all code knows the new name, or none is running";
inline constexpr std::string_view kSubscribersHaveIt = "after the same on every subscriber";
inline constexpr std::string_view kWalIsFine = "when the WAL of whole rows is affordable, and no unique index serves";
inline constexpr std::string_view kSubscribersIgnore = "when no subscriber applies UPDATEs and DELETEs of it";
inline constexpr std::string_view kNumbersChecked = "when the numbers that it will give are free";
inline constexpr std::string_view kRulesReviewed = "when every statement on it has been thought of";

inline constexpr std::string_view kPublishedWithoutKey =
    " The table is published: its UPDATEs and DELETEs fail from now on.";

// `statement` adds the column without NOT NULL; then what is left to do.
std::string_view nullable_first(Arena arena, std::string_view statement, const Relation &relation,
                                std::string_view column);

// public.users (48 kB).
std::string_view with_size(Arena arena, const Relation &relation);

// "<opening>a, b and 5 others." ; `all`: how many there are, of which `names` are the first.
std::string_view listed(Arena arena, std::string_view opening, const List<std::string_view> &names, std::uint32_t all);

// Looks for duplicates of a unique index; `columns` are its key expressions.
std::string_view duplicates(Arena arena, const Relation &relation, const List<std::string_view> &columns,
                            std::string_view predicate);

// How many names a DETAIL shows.
inline constexpr std::uint32_t kNamesShown = 10;

} // namespace zdm::core
