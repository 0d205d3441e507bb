#pragma once

// How many random cases a test draws: its default, or that times SLUICE_TEST_SCALE (a number such
// as 10 or 0.1), so that long runs and sanitizer builds use the same tests.

#include <cstddef>
#include <cstdlib>

namespace sluice {

inline std::size_t scaled_count(std::size_t count) {
  const char* scale = std::getenv("SLUICE_TEST_SCALE");
  if (scale == nullptr) return count;
  const double factor = std::strtod(scale, nullptr);
  if (!(factor > 0)) return count;
  const auto scaled = static_cast<std::size_t>(static_cast<double>(count) * factor);
  return scaled == 0 ? 1 : scaled;
}

}  // namespace sluice
