#include "dataplane/tick_clock.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr UnixNanos kStart = 1'718'000'010 * kNanosPerSecond;  // 30 s into its window

TEST(TickClock, counts_from_the_window_that_holds_the_first_moment) {
  TickClock clock(kStart);
  EXPECT_EQ(clock.moment().tick_ms, 30'000u);
  EXPECT_EQ(clock.window_begin_s(), 1'717'999'980u);
  clock.advance(kStart + 29'999 * kNanosPerMilli);
  EXPECT_EQ(clock.window_begin_s(), 1'717'999'980u);
  clock.advance(kStart + 30'000 * kNanosPerMilli);
  EXPECT_EQ(clock.window_begin_s(), 1'718'000'040u);
}

TEST(TickClock, never_goes_back) {
  TickClock clock(kStart);
  clock.advance(kStart + kNanosPerSecond);
  clock.advance(kStart);
  EXPECT_EQ(clock.moment().unix_ns, kStart + kNanosPerSecond);
}

TEST(TickClock, tells_ticks_before_the_window_from_those_within) {
  TickClock clock(kStart);
  clock.advance(kStart + 31 * kNanosPerSecond);  // tick 61,000
  EXPECT_TRUE(clock.is_before_window(59'999));
  EXPECT_FALSE(clock.is_before_window(60'000));
  EXPECT_FALSE(clock.is_before_window(61'000));
  EXPECT_EQ(clock.window_of(59'999), 1'717'999'980u);
  EXPECT_EQ(clock.window_of(60'000), 1'718'000'040u);
}

TEST(TickClock, stays_right_when_ticks_wrap_after_49_days) {
  TickClock clock(kStart);
  const std::uint64_t wrap_ms = std::uint64_t{1} << 32;
  clock.advance(kStart + (wrap_ms - 30'000 + 10) * kNanosPerMilli);
  EXPECT_EQ(clock.moment().tick_ms, 10u);
  // 2^32 ms lie 47.296 s into a window, so ticks on both sides of the wrap share it.
  EXPECT_FALSE(clock.is_before_window(0xffffffffu));
  EXPECT_FALSE(clock.is_before_window(0xffffffffu - 47'000));
  EXPECT_TRUE(clock.is_before_window(0xffffffffu - 47'400));
  EXPECT_EQ(clock.window_of(0xffffffffu), clock.window_begin_s());
  EXPECT_EQ(clock.window_of(0xffffffffu - 47'400), clock.window_begin_s() - 60);
}

TEST(TickClock, counts_evenly_while_somebody_sets_the_clock_forward) {
  TickClock clock(kStart);
  clock.advance(kStart + 10 * kNanosPerSecond);
  const std::uint64_t step_ns = 600 * kNanosPerSecond;
  clock.advance(kStart + 11 * kNanosPerSecond, step_ns);
  EXPECT_EQ(clock.moment().tick_ms, 41'000u) << "no timer sees it";
  EXPECT_EQ(clock.moment().unix_ns, kStart + 11 * kNanosPerSecond + step_ns);
  EXPECT_EQ(clock.window_begin_s(), 1'718'000'580u) << "the log's windows follow";
  EXPECT_TRUE(clock.is_before_window(40'999));
  EXPECT_FALSE(clock.is_before_window(41'000));
  EXPECT_EQ(clock.window_of(40'999), 1'717'999'980u) << "as it was told then";
  EXPECT_EQ(clock.window_of(41'000), 1'718'000'580u);
  clock.advance(kStart + 31 * kNanosPerSecond, step_ns);
  EXPECT_EQ(clock.window_begin_s(), 1'718'000'640u);
  EXPECT_TRUE(clock.is_before_window(59'999));
  EXPECT_FALSE(clock.is_before_window(60'000));
}

}  // namespace
}  // namespace sluice
