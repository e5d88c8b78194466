#include "core/memory.hpp"

namespace zdm::core
{

Text &Text::operator<<(std::string_view piece)
{
    if (data_ == nullptr || size_ + piece.size() + 1 > room_) {
        room_ = (size_ + piece.size() + 1) * 2;
        auto *fresh = static_cast<char *>(arena_.grab(arena_.owner, room_));
        if (data_ != nullptr) {
            std::memcpy(fresh, data_, size_);
        }
        data_ = fresh;
    }
    if (!piece.empty()) {
        std::memcpy(data_ + size_, piece.data(), piece.size());
    }
    size_ += piece.size();
    data_[size_] = '\0';
    return *this;
}

Text &Text::operator<<(std::int64_t number)
{
    char digits[24];
    char *first = digits + sizeof(digits);
    auto rest = number < 0 ? ~static_cast<std::uint64_t>(number) + 1 : static_cast<std::uint64_t>(number);

    do {
        *--first = static_cast<char>('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        *--first = '-';
    }
    return *this << std::string_view(first, static_cast<std::size_t>(digits + sizeof(digits) - first));
}

std::string_view concat(Arena arena, std::initializer_list<std::string_view> pieces)
{
    Text text(arena);
    text << "";
    for (const std::string_view piece : pieces) {
        text << piece;
    }
    return text.str();
}

std::string_view unquoted(Arena arena, std::string_view identifier)
{
    if (identifier.empty() || identifier.front() != '"') {
        return identifier;
    }
    auto *name = static_cast<char *>(arena.grab(arena.owner, identifier.size()));
    std::size_t size = 0;
    for (std::size_t i = 1; i + 1 < identifier.size(); i++) {
        name[size++] = identifier[i];
        i += identifier[i] == '"' ? 1 : 0; // a doubled quote
    }
    name[size] = '\0';
    return {name, size};
}

std::string_view unquoted_list(Arena arena, const List<std::string_view> &identifiers)
{
    Text text(arena);
    for (const std::string_view identifier : identifiers) {
        text << (text.empty() ? "" : ", ") << unquoted(arena, identifier);
    }
    return text.str();
}

} // namespace zdm::core
