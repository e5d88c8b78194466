#include "core/phrases.hpp"

#include "core/words.hpp"

namespace zdm::core
{

std::string_view reviewed(Arena arena, std::string_view statement, std::string_view when)
{
    return concat(arena, {"-- ", when, ":\nSET zdm.safety_assured = on; ", statement, ";"});
}

std::string_view nullable_first(Arena arena, std::string_view statement, const Relation &relation,
                                std::string_view column)
{
    return concat(arena, {statement, ";\n-- then a value for each row:\n-- SELECT zdm.backfill('", relation.name,
                          "', '", column, " = ...', '", column, " IS NULL');\n-- CALL zdm.wait();\n-- ALTER TABLE ",
                          relation.name, " ALTER COLUMN ", column, " SET NOT NULL;"});
}

std::string_view with_size(Arena arena, const Relation &relation)
{
    return relation.bytes == 0 ? concat(arena, {relation.name, "."})
                               : concat(arena, {relation.name, " (", pretty_size(arena, relation.bytes), ")."});
}

std::string_view duplicates(Arena arena, const Relation &relation, const List<std::string_view> &columns,
                            std::string_view predicate)
{
    Text keys(arena);

    for (const std::string_view column : columns) {
        keys << (keys.empty() ? "" : ", ") << column;
    }
    return concat(arena, {"SELECT ", keys.str(), ", count(*) FROM ", relation.name, predicate.empty() ? "" : " WHERE ",
                          predicate, " GROUP BY ", keys.str(), " HAVING count(*) > 1;"});
}

std::string_view listed(Arena arena, std::string_view opening, const List<std::string_view> &names, std::uint32_t all)
{
    Text text(arena);
    const std::uint32_t shown = names.count < kNamesShown ? names.count : kNamesShown;

    text << opening;
    for (std::uint32_t i = 0; i < shown; i++) {
        text << (i == 0 ? "" : ", ") << names[i];
    }
    if (all > shown) {
        text << " and " << static_cast<std::int64_t>(all - shown) << (all - shown == 1 ? " other" : " others");
    }
    text << ".";
    return text.str();
}

} // namespace zdm::core
