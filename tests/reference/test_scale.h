#pragma once

// How many random cases a test draws: its default, or that times SLUICE_TEST_SCALE (a number such
// as 10 or 0.1), so that long runs and sanitizer builds use the same tests. The nightly run is
// `./sluice test --all`, which asks for 10; a test that owes it a size of its own says so.

#include <cstddef>
#include <cstdlib>

namespace sluice {

inline constexpr double kNightlyScale = 10;

// 1 where nothing, or nonsense, is said.
inline double test_scale() {
  const char* scale = std::getenv("SLUICE_TEST_SCALE");
  if (scale == nullptr) return 1;
  const double factor = std::strtod(scale, nullptr);
  return factor > 0 ? factor : 1;
}

inline std::size_t scaled_count(std::size_t count) {
  const auto scaled = static_cast<std::size_t>(static_cast<double>(count) * test_scale());
  return scaled == 0 ? 1 : scaled;
}

// `count` in a test run, `nightly` in the nightly one.
inline std::size_t scaled_count(std::size_t count, std::size_t nightly) {
  return test_scale() >= kNightlyScale ? nightly : scaled_count(count);
}

}  // namespace sluice
