#include "core/trouble.hpp"

#include <algorithm>

namespace zdm::core
{

namespace
{

// Classes that say something about the statement, the role, the connection or the server, never about one row. What is
// not here is: data and constraint violations, what functions and triggers raise, and codes of the user's own.
constexpr std::string_view kStopClasses[] = {
    "08", "0A", "25", "26", "28", "2B", "2D", "34", "3B", "3D",
    "3F", "42", "53", "55", "57", "58", "72", "F0", "HV", "XX",
};

// 54001: the stack; the next row would do the same.
constexpr std::string_view kStopCodes[] = {"54001"};

constexpr std::int64_t kLongestRamp = 4096;

} // namespace

Trouble trouble(std::string_view sqlstate)
{
    const std::string_view cls = sqlstate.size() < 2 ? sqlstate : std::string_view(sqlstate.data(), 2);

    if (cls == "40" || sqlstate == "55P03" || sqlstate == "57014" || sqlstate == "25P03" || sqlstate == "57P05") {
        return Trouble::Again;
    }
    for (const std::string_view stop : kStopClasses) {
        if (cls == stop) {
            return Trouble::Stop;
        }
    }
    for (const std::string_view stop : kStopCodes) {
        if (sqlstate == stop) {
            return Trouble::Stop;
        }
    }
    return Trouble::Row;
}

std::int64_t Bisect::limit() const { return suspects_ == 0 ? ramp_ : std::max<std::int64_t>(1, suspects_ / 2); }

void Bisect::failed(std::int64_t rows)
{
    suspects_ = rows > 1 ? rows : 0;
    ramp_ = rows > 1 ? 0 : 1;
}

void Bisect::passed(std::int64_t rows)
{
    if (suspects_ > 0) {
        suspects_ = rows < suspects_ ? suspects_ - rows : 0;
    } else if (ramp_ > 0) {
        ramp_ = ramp_ < kLongestRamp ? ramp_ * 4 : 0;
    }
}

} // namespace zdm::core
