#pragma once
// Memory and text for code that knows no PostgreSQL.
// An Arena never returns null and never frees one piece: in the server it is a memory context, in unit tests
// a bump allocator. Everything made here is trivially destructible, so that a longjmp past it loses nothing.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string_view>
#include <type_traits>

namespace zdm::core
{

struct Arena {
    void *(*grab)(void *owner, std::size_t bytes);
    void *owner;
};

// A growable array in an arena. Copies share the items they had when copied.
template <class T> struct List {
    static_assert(std::is_trivially_destructible_v<T> && std::is_trivially_copyable_v<T>);
    Arena arena{};
    T *items = nullptr;
    std::uint32_t count = 0;
    std::uint32_t room = 0;

    List() = default;
    explicit List(Arena a) : arena(a) {}

    T &push(const T &item)
    {
        if (count == room) {
            const std::uint32_t bigger = room == 0 ? 8 : room * 2;
            auto *fresh = static_cast<T *>(arena.grab(arena.owner, sizeof(T) * bigger));
            for (std::uint32_t i = 0; i < count; i++) {
                fresh[i] = items[i];
            }
            items = fresh;
            room = bigger;
        }
        items[count] = item;
        return items[count++];
    }
    [[nodiscard]] bool empty() const { return count == 0; }
    T &operator[](std::uint32_t i) { return items[i]; }
    const T &operator[](std::uint32_t i) const { return items[i]; }
    T *begin() { return items; }
    T *end() { return items + count; }
    [[nodiscard]] const T *begin() const { return items; }
    [[nodiscard]] const T *end() const { return items + count; }
};

// Text that grows. str() is zero-terminated behind its end.
class Text
{
public:
    explicit Text(Arena a) : arena_(a) {}
    Text &operator<<(std::string_view piece);
    Text &operator<<(std::int64_t number);
    [[nodiscard]] std::string_view str() const { return {data_ == nullptr ? "" : data_, size_}; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

private:
    Arena arena_;
    char *data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t room_ = 0;
};

// text from `from` on, `size` characters. substr() would throw, which this house cannot.
inline std::string_view part_of(std::string_view text, std::size_t from, std::size_t size)
{
    return {text.data() + from, size};
}

// All pieces one after the other, zero-terminated.
std::string_view concat(Arena arena, std::initializer_list<std::string_view> pieces);

// "a b" becomes a b: the bare name behind an SQL identifier.
std::string_view unquoted(Arena arena, std::string_view identifier);
// All of them, with commas.
std::string_view unquoted_list(Arena arena, const List<std::string_view> &identifiers);

} // namespace zdm::core
