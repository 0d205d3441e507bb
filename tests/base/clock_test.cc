#include "base/clock.h"

#include <gtest/gtest.h>

#include "base/tally.h"

namespace sluice {
namespace {

TEST(Clock, orders_ticks_across_their_wrap) {
  EXPECT_TRUE(tick_before(1, 2));
  EXPECT_FALSE(tick_before(2, 1));
  EXPECT_FALSE(tick_before(5, 5));
  EXPECT_TRUE(tick_before(0xfffffff0u, 0x10u));
  EXPECT_FALSE(tick_before(0x10u, 0xfffffff0u));
}

TEST(Clock, cuts_seconds_not_rounds_them) {
  const Moment moment{1'718'000'000'999'999'999, 0};
  EXPECT_EQ(moment.unix_s(), 1'718'000'000u);
}

TEST(Tally, adds_up) {
  Tally tally;
  EXPECT_EQ(tally.read(), 0u);
  tally.add(3);
  tally.add(std::uint64_t{1} << 40);
  EXPECT_EQ(tally.read(), (std::uint64_t{1} << 40) + 3);
}

}  // namespace
}  // namespace sluice
