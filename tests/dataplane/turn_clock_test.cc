#include "dataplane/turn_clock.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr std::uint64_t kHz = 2'600'000'000;
constexpr UnixNanos kStart = 1'700'000'000 * kNanosPerSecond;

// Runs for `seconds` with a real clock that is off by `offset_ns` and runs `drift_ppm` faster than
// the counter's nominal rate; returns the last difference between it and Unix time as told. Checks
// that neither time goes back, and that the even one runs evenly.
std::int64_t run(int seconds, std::int64_t offset_ns, std::int64_t drift_ppm) {
  TurnClock clock(kHz, 1'000, kStart);
  UnixNanos last = 0;
  std::int64_t difference = 0;
  for (int tenth = 1; tenth <= seconds * 10; ++tenth) {
    const std::uint64_t ticks = 1'000 + static_cast<std::uint64_t>(tenth) * kHz / 10;
    const auto passed_ns = static_cast<std::int64_t>(tenth) * 100'000'000;
    const UnixNanos real = kStart + static_cast<std::uint64_t>(offset_ns + passed_ns +
                                                               passed_ns / 1'000'000 * drift_ppm);
    if (clock.is_due(ticks)) clock.align(ticks, real);
    const UnixNanos now = clock.at(ticks);
    EXPECT_GE(now, last);
    if (last != 0) {
      EXPECT_LT(now - last, 130'000'000u) << "no jump";
    }
    last = now;
    difference = static_cast<std::int64_t>(real - now - clock.offset_ns());
  }
  return difference;
}

TEST(TurnClock, follows_the_counter) {
  const TurnClock clock(kHz, 1'000, kStart);
  EXPECT_EQ(clock.at(1'000), kStart);
  EXPECT_NEAR(clock.at(1'000 + kHz / 2) - kStart, kNanosPerSecond / 2, 2);
  EXPECT_NEAR(clock.at(1'000 + 86'400 * kHz) - kStart, 86'400 * kNanosPerSecond, 1'000);
}

TEST(TurnClock, wears_a_small_difference_off) {
  EXPECT_LT(std::abs(run(30, 50'000'000, 0)), 100'000);
  EXPECT_LT(std::abs(run(30, -50'000'000, 0)), 100'000);
}

TEST(TurnClock, stays_close_to_a_clock_that_drifts) {
  EXPECT_LT(std::abs(run(60, 0, 100)), 1'000'000);
  EXPECT_LT(std::abs(run(60, 0, -100)), 1'000'000);
}

TEST(TurnClock, tells_apart_how_far_the_clock_was_set_forward) {
  EXPECT_LT(std::abs(run(3, 3'600'000'000'000, 0)), 1'000);
}

TEST(TurnClock, runs_slower_and_never_back_when_the_clock_was_set_back) {
  const std::int64_t after_10_s = run(10, -60'000'000'000, 0);
  EXPECT_LT(after_10_s, -50'000'000'000);
  EXPECT_GT(after_10_s, -60'000'000'000);
  EXPECT_LT(std::abs(run(700, -60'000'000'000, 0)), 1'000'000);
}

}  // namespace
}  // namespace sluice
