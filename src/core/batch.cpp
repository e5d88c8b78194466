#include "core/batch.hpp"

#include <algorithm>

namespace zdm::core
{

namespace
{

constexpr int kEagerSamples = 5;
constexpr double kEagerGrowth = 4;
constexpr double kGrowth = 1.5;
constexpr double kSmoothing = 0.3;
constexpr double kPanic = 5;
constexpr int kPatientlyBlocked = 2;

} // namespace

BatchSize::BatchSize(double target_ms, std::int64_t fixed_rows, std::int64_t first_rows)
    : target_ms_(target_ms), fixed_(fixed_rows)
{
    if (first_rows > 0) {
        rows_ = std::clamp<std::int64_t>(first_rows, 1, kLargestBatch);
    }
}

std::int64_t BatchSize::rows() const
{
    std::int64_t wanted = fixed_ > 0 ? fixed_ : rows_;

    if (wal_limit_ > 0 && row_wal_ > 0) {
        const double affordable = wal_limit_ / row_wal_;
        wanted = affordable < static_cast<double>(wanted)
                     ? std::max<std::int64_t>(1, static_cast<std::int64_t>(affordable))
                     : wanted;
    }
    return ceiling_ > 0 ? std::min(wanted, ceiling_) : wanted;
}

void BatchSize::took(std::int64_t rows, double ms)
{
    if (ceiling_ > 0) {
        ceiling_ = ceiling_ * 4 < (fixed_ > 0 ? fixed_ : rows_) ? ceiling_ * 4 : 0;
    }
    if (rows <= 0) {
        return;
    }
    ms = std::max(ms, 0.001);

    const double sample = ms / static_cast<double>(rows);
    const bool panic = ms > kPanic * target_ms_;
    const bool eager = samples_ < kEagerSamples;

    // A batch much smaller than asked for (the end of a table, the neighbourhood of a locked row) is mostly
    // overhead.
    if (rows * 4 < rows_ && !panic) {
        return;
    }
    row_ms_ = samples_ == 0 || panic || eager ? sample : row_ms_ + kSmoothing * (sample - row_ms_);
    samples_++;

    const double wanted = target_ms_ / row_ms_;
    const double most = static_cast<double>(rows_) * (eager ? kEagerGrowth : kGrowth) + 1;
    rows_ = std::clamp(static_cast<std::int64_t>(std::min(wanted, most)), std::int64_t{1}, kLargestBatch);
}

void BatchSize::aim_at(double target_ms)
{
    target_ms_ = target_ms;
    if (row_ms_ > 0) {
        rows_ = std::clamp(static_cast<std::int64_t>(std::min(target_ms_ / row_ms_, static_cast<double>(rows_))),
                           std::int64_t{1}, kLargestBatch);
    }
}

void BatchSize::wrote(std::int64_t rows, double wal_bytes)
{
    if (rows > 0) {
        const double sample = wal_bytes / static_cast<double>(rows);
        row_wal_ = row_wal_ > 0 ? row_wal_ + kSmoothing * (sample - row_wal_) : sample;
    }
}

void BatchSize::blocked(int times)
{
    if (times < kPatientlyBlocked) {
        return;
    }
    ceiling_ = std::max<std::int64_t>(1, rows() / 8);
}

double stay_away_ms(int times, double chance)
{
    const double cap = std::min(2000.0, 50.0 * static_cast<double>(1 << std::clamp(times, 0, 6)));

    return cap * chance;
}

} // namespace zdm::core
