#pragma once

// Time. The engine reads no clock of its own: time is an argument, so replay and tests bring
// theirs. Everything is Unix time in nanoseconds that never goes back; the data plane works with
// 32-bit milliseconds since the engine's epoch ("ticks"), compared by differences so that they
// may wrap (after 49 days; the longest timer is 5 days).

#include <cstdint>

namespace sluice {

using UnixNanos = std::uint64_t;
using TickMs = std::uint32_t;

inline constexpr std::uint64_t kNanosPerMilli = 1'000'000;
inline constexpr std::uint64_t kNanosPerSecond = 1'000'000'000;

// True if a is earlier than b. Requires that they lie less than 24 days apart.
constexpr bool tick_before(TickMs a, TickMs b) { return static_cast<std::int32_t>(a - b) < 0; }

// The moment that a burst is judged at: Unix time and the same as a tick.
struct Moment {
  UnixNanos unix_ns = 0;
  TickMs tick_ms = 0;
  std::uint32_t unix_s() const { return static_cast<std::uint32_t>(unix_ns / kNanosPerSecond); }
};

}  // namespace sluice
