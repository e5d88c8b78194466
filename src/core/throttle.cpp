#include "core/throttle.hpp"

#include "core/words.hpp"

#include <algorithm>

namespace zdm::core
{

namespace
{

constexpr double kSavedMs = 100;

std::uint64_t hash(std::string_view name)
{
    std::uint64_t value = 1469598103934665603ULL; // FNV-1a

    for (const char letter : name) {
        value = (value ^ static_cast<unsigned char>(letter)) * 1099511628211ULL;
    }
    return value;
}

bool must_be_known(Signal signal)
{
    return signal == Signal::ReplicationLag || signal == Signal::ReplicationDelay || signal == Signal::SlotLag ||
           signal == Signal::SlotDelay || signal == Signal::Condition || signal == Signal::Window;
}

} // namespace

const Fact *Throttle::decide(const List<Fact> &facts)
{
    Held still[kRoom];
    int count = 0;
    const Fact *first = nullptr;

    for (const Fact &fact : facts) {
        // What a condition says about itself changes from look to look.
        const std::uint64_t name = fact.signal == Signal::Condition ? 0 : hash(fact.name);
        const bool stops = !fact.known ? must_be_known(fact.signal)
                                       : fact.value > (held(fact.signal, name) ? fact.go_below : fact.stop_above);
        if (!stops) {
            continue;
        }
        if (count < kRoom) {
            still[count++] = {fact.signal, name};
        }
        if (first == nullptr || fact.signal < first->signal) {
            first = &fact;
        }
    }
    std::copy(still, still + count, held_);
    count_ = count;
    return first;
}

bool Throttle::held(Signal signal, std::uint64_t name) const
{
    return std::any_of(held_, held_ + count_,
                       [&](const Held &one) { return one.signal == signal && one.name == name; });
}

double Delay::look(double now_ms, std::uint64_t end, std::uint64_t reached)
{
    int passed = 0;

    while (passed < count_ && marks_[passed].position <= reached) {
        passed++;
    }
    std::copy(marks_ + passed, marks_ + count_, marks_);
    count_ -= passed;
    if (count_ == kRoom) {
        // Every second one will do; never without the oldest.
        for (int i = 1; i < kRoom / 2; i++) {
            marks_[i] = marks_[2 * i];
        }
        count_ = kRoom / 2;
    }
    if (end > reached && (count_ == 0 || end > marks_[count_ - 1].position)) {
        marks_[count_++] = {end, now_ms};
    }
    return count_ == 0 ? 0 : now_ms - marks_[0].ms;
}

void WalBudget::limit(double bytes_per_second)
{
    if (bytes_per_second != rate_) {
        // Debts at the old rate would be out of proportion.
        due_ms_ = 0;
    }
    rate_ = bytes_per_second;
}

void WalBudget::charge(double now_ms, double bytes)
{
    if (rate_ > 0) {
        due_ms_ = std::max(due_ms_, now_ms - kSavedMs) + bytes / rate_ * 1000;
    }
}

double WalBudget::wait_ms(double now_ms) const { return rate_ > 0 ? std::max(0.0, due_ms_ - now_ms) : 0; }

std::string_view describe(Arena arena, const Fact &fact)
{
    Text text(arena);
    const auto value = [&]() -> std::string_view {
        if (!fact.known) {
            return "unknown";
        }
        switch (fact.signal) {
        case Signal::ReplicationLag:
        case Signal::SlotLag:
        case Signal::ArchiverBacklog:
            return pretty_size(arena, static_cast<std::uint64_t>(fact.value));
        case Signal::ReplicationDelay:
        case Signal::SlotDelay:
        case Signal::SynchronousWait:
            return duration(arena, static_cast<std::int64_t>(fact.value));
        default: {
            Text percent(arena);
            percent << static_cast<std::int64_t>(fact.value * 100) << " %";
            return percent.str();
        }
        }
    };

    switch (fact.signal) {
    case Signal::Window:
        text << "its window, " << fact.name;
        break;
    case Signal::Condition:
        text << "only_when" << (fact.name.empty() ? ", which does not hold" : ": ") << fact.name;
        break;
    case Signal::ReplicationLag:
    case Signal::ReplicationDelay:
        text << (fact.signal == Signal::ReplicationLag ? "replication lag of \"" : "replication delay of \"")
             << fact.name << "\": " << value();
        break;
    case Signal::SlotLag:
    case Signal::SlotDelay:
        text << (fact.signal == Signal::SlotLag ? "lag of logical slot \"" : "delay of logical slot \"") << fact.name
             << "\": " << value();
        break;
    case Signal::SlotSize:
        text << "inactive slot \"" << fact.name << "\", which has used " << value() << " of max_slot_wal_keep_size";
        break;
    case Signal::SynchronousWait:
        text << "a synchronous standby, for which commits have waited " << value();
        break;
    case Signal::ArchiverBacklog:
        text << "the archiver, which is behind by " << value();
        break;
    case Signal::TransactionIds:
        text << "vacuum, since " << value() << " of the transaction ids are used up";
        break;
    }
    return text.str();
}

const char *wait_name(Signal signal)
{
    constexpr const char *kNames[kSignalCount] = {
        "ZdmWindow",    "ZdmOnlyWhen", "ZdmReplicationLag",  "ZdmReplicationDelay", "ZdmSlotLag",
        "ZdmSlotDelay", "ZdmSlotSize", "ZdmSynchronousWait", "ZdmArchiverBacklog",  "ZdmTransactionIds",
    };
    return kNames[static_cast<int>(signal)];
}

namespace
{

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

bool take(std::string_view *text, char letter)
{
    if (text->empty() || text->front() != letter) {
        return false;
    }
    text->remove_prefix(1);
    return true;
}

void skip_blanks(std::string_view *text)
{
    while (take(text, ' ')) {
    }
}

// HH:MM, up to 24:00.
bool take_time(std::string_view *text, int *minutes)
{
    int parts[2] = {};

    for (int part = 0; part < 2; part++) {
        int digits = 0;
        while (!text->empty() && is_digit(text->front()) && digits < 2) {
            parts[part] = parts[part] * 10 + (text->front() - '0');
            text->remove_prefix(1);
            digits++;
        }
        if (digits == 0 || (part == 1 && digits != 2) || (part == 0 && !take(text, ':'))) {
            return false;
        }
    }
    *minutes = parts[0] * 60 + parts[1];
    return parts[1] < 60 && *minutes <= 24 * 60;
}

} // namespace

bool parse_window(std::string_view text, Window *window)
{
    skip_blanks(&text);
    if (!take_time(&text, &window->from)) {
        return false;
    }
    skip_blanks(&text);
    if (!take(&text, '-')) {
        return false;
    }
    skip_blanks(&text);
    if (!take_time(&text, &window->to)) {
        return false;
    }
    if (!text.empty() && text.front() != ' ') {
        return false;
    }
    skip_blanks(&text);
    while (!text.empty() && text.back() == ' ') {
        text.remove_suffix(1);
    }
    window->zone = text;
    return window->from != window->to;
}

bool is_inside(const Window &window, int minute_of_day)
{
    return window.from < window.to ? minute_of_day >= window.from && minute_of_day < window.to
                                   : minute_of_day >= window.from || minute_of_day < window.to;
}

} // namespace zdm::core
