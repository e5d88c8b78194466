#pragma once
// How long to stay away from a lock queue.

namespace zdm::core
{

// As long as an attempt may stand in the queue, so that those who stood behind it have all gone on before the next one
// (without that floor, attempts in a row made others wait 160 to 260 ms at lock_timeout = 100 ms), and full jitter
// over a doubling ceiling (the AWS architecture blog's "Exponential Backoff And Jitter"): a random part of
// min(1 s, 20 ms * 2^attempt). `random` in [0, 1). Milliseconds.
int backoff_ms(int attempt, int lock_timeout_ms, double random);

// Share of lock_timeout after which the deadlock check runs and sends autovacuum away: a third, but not so often
// that it costs (50 ms), and always before lock_timeout ends.
int deadlock_check_ms(int lock_timeout_ms);

} // namespace zdm::core
