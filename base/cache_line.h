#pragma once

// The unit in which memory moves, and the one place that asks for it ahead of time.

#include <cstddef>

namespace sluice {

inline constexpr std::size_t kCacheLine = 64;

// Hints that the line of `address` is read (or written) soon. Never faults. Free to call on null.
// The empty asm has an effect as far as the compiler knows: GCC takes a function that does nothing
// but prefetch for one without effect, and drops calls of it (seen with GCC 12).
inline void prefetch_read(const void* address) {
  __builtin_prefetch(address, 0, 3);
  asm volatile("");
}
inline void prefetch_write(const void* address) {
  __builtin_prefetch(address, 1, 3);
  asm volatile("");
}

}  // namespace sluice
