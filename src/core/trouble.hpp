#pragma once
// What an error in a batch of rows means for the job.
#include <cstdint>
#include <string_view>

namespace zdm::core
{

enum class Trouble : std::uint8_t {
    Again, // somebody else's doing, or a matter of time: the same batch may succeed
    Row,   // some row of the batch cannot be done: find it
    Stop,  // neither: the job ends, and what it knows stays
};

Trouble trouble(std::string_view sqlstate);

// Finds the row that fails, by halves: every half that succeeds is committed, so nothing is done twice, and a batch of
// n rows costs log2(n) attempts for each row that fails in it. Where one has failed the next may, so batches grow again
// from one row.
class Bisect
{
public:
    // At most so many rows in the next batch; 0: as many as you like.
    [[nodiscard]] std::int64_t limit() const;
    // A batch of so many rows failed (one row: it is found, and left out), or was done.
    void failed(std::int64_t rows);
    void passed(std::int64_t rows);

private:
    std::int64_t suspects_ = 0; // rows from here on, one of which fails
    std::int64_t ramp_ = 0;     // largest batch after a row that failed; 0: any
};

} // namespace zdm::core
