#pragma once
// When a job waits for others. Facts come in, each with its limits; what stops goes on only when it is well below its
// limit again, so that a job does not stutter around it.
#include "core/memory.hpp"

namespace zdm::core
{

// In the order in which they are told.
enum class Signal : std::uint8_t {
    Window,         // value: 1 outside
    Condition,      // value: 1 does not hold; its name: why
    ReplicationLag, // bytes
    ReplicationDelay,
    SlotLag,
    SlotDelay,
    SlotSize, // share of max_slot_wal_keep_size that an inactive slot holds back
    SynchronousWait,
    ArchiverBacklog,
    TransactionIds, // share used up
};
constexpr int kSignalCount = 10;

struct Fact {
    Signal signal;
    std::string_view name; // of the standby, the slot, ...
    double value;
    double stop_above;
    double go_below;
    bool known = true;
};

class Throttle
{
public:
    // The first fact to wait for, or null. A lag that is not known stops, any other unknown fact does not.
    const Fact *decide(const List<Fact> &facts);

private:
    static constexpr int kRoom = 64;
    struct Held {
        Signal signal;
        std::uint64_t name;
    };
    [[nodiscard]] bool held(Signal signal, std::uint64_t name) const;
    Held held_[kRoom];
    int count_ = 0;
};

// How long somebody is behind, for those who cannot tell: positions that were the end once, and when. What is not
// reached of them gives a lower bound, right to within a look or two.
class Delay
{
public:
    // At this time the end is at `end`, and somebody has got to `reached`. Returns milliseconds.
    double look(double now_ms, std::uint64_t end, std::uint64_t reached);

private:
    static constexpr int kRoom = 64;
    struct Mark {
        std::uint64_t position;
        double ms;
    };
    Mark marks_[kRoom];
    int count_ = 0;
};

// WAL per second. What a batch has written is paid for by waiting; nothing can be saved up but a tenth of a second.
class WalBudget
{
public:
    void limit(double bytes_per_second);
    void charge(double now_ms, double bytes);
    // Milliseconds until the next batch may begin.
    [[nodiscard]] double wait_ms(double now_ms) const;
    [[nodiscard]] bool limited() const { return rate_ > 0; }
    // What one batch may write, so that no pause gets longer than a quarter of a second; 0: any.
    [[nodiscard]] double batch_bytes() const { return rate_ / 4; }

private:
    double rate_ = 0;
    double due_ms_ = 0; // when all that was written is paid for
};

// replication lag of "standby1": 48 MB
std::string_view describe(Arena arena, const Fact &fact);
// The name of that wait in pg_stat_activity; zero-terminated.
const char *wait_name(Signal signal);

// A daily window of wall-clock time, "22:00-06:00 Europe/Berlin"; without a zone `zone` is empty.
struct Window {
    int from; // minutes of the day
    int to;
    std::string_view zone;
};
bool parse_window(std::string_view text, Window *window);
bool is_inside(const Window &window, int minute_of_day);

} // namespace zdm::core
