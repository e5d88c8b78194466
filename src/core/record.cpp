#include "core/record.hpp"

namespace zdm::core
{

namespace
{

constexpr std::string_view kKinds[] = {"probe", "instant", "long", "concurrent", "fill"};
constexpr int kKindCount = 5;

// Every field of a step but `sql`, which has a column of its own, and `also`.
template <class S, class F> void each_field(S &step, F &&field)
{
    field("undo", step.undo);
    field("undo_unless", step.undo_unless);
    field("by_hand", step.by_hand);
    field("lock", step.lock);
    field("work", step.work);
    field("relation", step.relation.oid);
    field("relation.name", step.relation.name);
    field("relation.schema", step.relation.schema);
    field("relation.bare", step.relation.bare);
    field("violation", step.violation.sqlstate);
    field("violation.message", step.violation.message);
    field("violation.prefix", step.violation.detail_prefix);
    field("violation.suffix", step.violation.detail_suffix);
    field("violation.null", step.violation.detail_if_null);
    field("violation.names_relation", step.violation.names_relation);
    field("violation.column", step.violation.column);
    field("violation.constraint", step.violation.constraint);
    field("eager", step.eager);
    field("as_owner", step.as_owner);
    field("only", step.only);
    field("partition", step.partition);
    field("partition_of", step.partition_of);
    field("own_name", step.own_name);
    field("leftover", step.leftover);
    field("detaches", step.detaches);
    field("finish", step.finish);
    field("builds", step.builds);
    field("drops", step.drops);
    field("completes", step.completes);
}

struct Writer {
    Arena arena;
    List<std::string_view> *texts;

    void put(std::string_view name, std::string_view value) const
    {
        if (!value.empty()) {
            texts->push(name);
            texts->push(value);
        }
    }
    void number(std::string_view name, std::int64_t value) const
    {
        Text text(arena);
        text << value;
        put(name, text.str());
    }
    void operator()(std::string_view name, std::string_view value) const { put(name, value); }
    void operator()(std::string_view name, const char *value) const { put(name, value == nullptr ? "" : value); }
    void operator()(std::string_view name, bool value) const { put(name, value ? "t" : ""); }
    void operator()(std::string_view name, std::uint32_t value) const { number(name, value); }
    void operator()(std::string_view name, Lock value) const { number(name, static_cast<int>(value)); }
    void operator()(std::string_view name, Work value) const { number(name, static_cast<int>(value)); }
};

std::int64_t number_of(std::string_view text)
{
    std::int64_t number = 0;
    for (const char digit : text) {
        number = (number * 10) + (digit - '0');
    }
    return number;
}

struct Reader {
    Arena arena;
    const List<std::string_view> *texts;

    [[nodiscard]] std::string_view find(std::string_view name) const
    {
        for (std::uint32_t i = 0; i + 1 < texts->count; i += 2) {
            if ((*texts)[i] == name) {
                return (*texts)[i + 1];
            }
        }
        return "";
    }
    void operator()(std::string_view name, std::string_view &value) const { value = find(name); }
    void operator()(std::string_view name, const char *&value) const
    {
        const std::string_view text = find(name);
        value = text.empty() ? nullptr : concat(arena, {text}).data();
    }
    void operator()(std::string_view name, bool &value) const { value = find(name) == "t"; }
    void operator()(std::string_view name, std::uint32_t &value) const
    {
        value = static_cast<std::uint32_t>(number_of(find(name)));
    }
    void operator()(std::string_view name, Lock &value) const { value = static_cast<Lock>(number_of(find(name))); }
    void operator()(std::string_view name, Work &value) const { value = static_cast<Work>(number_of(find(name))); }
};

bool is_word(std::string_view text, std::size_t end, std::string_view word)
{
    return end >= word.size() && part_of(text, end - word.size(), word.size()) == word;
}

} // namespace

std::string_view name(StepKind kind) { return kKinds[static_cast<int>(kind)]; }

List<std::string_view> record(Arena arena, const Step &step)
{
    List<std::string_view> texts(arena);
    const Writer write{arena, &texts};

    write("kind", name(step.kind));
    each_field(step, write);
    for (const Target &target : step.also) {
        write.number("also", target.relation.oid);
        write("also.lock", target.lock);
        write("also.name", target.relation.name);
        write("also.schema", target.relation.schema);
        write("also.bare", target.relation.bare);
    }
    return texts;
}

Step recorded(Arena arena, const List<std::string_view> &texts)
{
    Step step;
    const Reader read{arena, &texts};
    const std::string_view kind = read.find("kind");

    for (int i = 0; i < kKindCount; i++) {
        step.kind = kKinds[i] == kind ? static_cast<StepKind>(i) : step.kind;
    }
    each_field(step, read);
    step.also = List<Target>(arena);
    for (std::uint32_t i = 0; i + 1 < texts.count; i += 2) {
        const std::string_view value = texts[i + 1];
        if (texts[i] == "also") {
            step.also.push({}).relation.oid = static_cast<std::uint32_t>(number_of(value));
        }
        if (step.also.empty()) {
            continue;
        }
        Target &target = step.also[step.also.count - 1];
        if (texts[i] == "also.lock") {
            target.lock = static_cast<Lock>(number_of(value));
        } else if (texts[i] == "also.name") {
            target.relation.name = value;
        } else if (texts[i] == "also.schema") {
            target.relation.schema = value;
        } else if (texts[i] == "also.bare") {
            target.relation.bare = value;
        }
    }
    return step;
}

std::string_view retargeted(Arena arena, std::string_view sql, std::string_view name, std::string_view new_name)
{
    Text text(arena);
    std::size_t from = 0;

    if (name.empty() || name == new_name) {
        return sql;
    }
    for (std::size_t at = sql.find(name); at != std::string_view::npos; at = sql.find(name, at + name.size())) {
        const std::size_t end = at + name.size();
        const bool whole = end == sql.size() || sql[end] == ' ';
        if (whole && (is_word(sql, at, "TABLE ") || is_word(sql, at, "ONLY "))) {
            text << part_of(sql, from, at - from) << new_name;
            from = end;
        }
    }
    text << part_of(sql, from, sql.size() - from);
    return text.str();
}

} // namespace zdm::core
