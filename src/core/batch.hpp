#pragma once
// How many rows the next batch takes, and how long to stay away after a lock was not to be had.
#include <cstdint>

namespace zdm::core
{

constexpr std::int64_t kFirstBatch = 1000;
constexpr std::int64_t kLargestBatch = 100000;

// Time is the target, rows are what follows. Every batch is a sample of the cost of a row; the samples are
// smoothed, so that one slow commit does not halve the next batch, but a batch of more than five times the
// target is believed at once, because somebody waits for its row locks.
class BatchSize
{
public:
    BatchSize() = default;
    // fixed_rows > 0: always that many. first_rows: where to begin, 0 if nothing is known.
    BatchSize(double target_ms, std::int64_t fixed_rows, std::int64_t first_rows);

    // Rows of the next batch.
    [[nodiscard]] std::int64_t rows() const;
    // A batch of so many rows took so long, commit included.
    void took(std::int64_t rows, double ms);
    // A batch met a locked row for the n-th time in a row: keep what would be thrown away again small.
    void blocked(int times);
    // Another target. A smaller one counts from the next batch on.
    void aim_at(double target_ms);
    // Batches should write no more WAL than this; 0: any. And what the last one wrote.
    void limit_wal(double bytes) { wal_limit_ = bytes; }
    void wrote(std::int64_t rows, double wal_bytes);

private:
    double target_ms_ = 25;
    std::int64_t fixed_ = 0;
    std::int64_t rows_ = kFirstBatch;
    std::int64_t ceiling_ = 0; // while locked rows are near; 0: none
    double row_ms_ = 0;
    double row_wal_ = 0;
    double wal_limit_ = 0;
    int samples_ = 0;
};

// Full jitter: anything from 0 to the cap, which doubles from 50 ms to 2 s. chance is from [0, 1).
double stay_away_ms(int times, double chance);

} // namespace zdm::core
