// stage_clock: every cycle of a measured turn counts for one stage; off, nothing is counted.

#include "dataplane/stage_clock.h"

#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::uint64_t sum_of(const StageTimes& times) {
  return std::accumulate(times.cycles.begin(), times.cycles.end(), std::uint64_t{0});
}

TEST(CycleBuckets, hold_values_to_a_sixteenth) {
  std::mt19937_64 random(26);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t value = random() >> (random() % 64);
    const std::size_t bucket = CycleBuckets::of(value);
    ASSERT_LT(bucket, CycleBuckets::kCount) << value;
    const std::uint64_t last = CycleBuckets::last_of(bucket);
    ASSERT_GE(last, value);
    ASSERT_LE(last - value, value / 16) << value;
    ASSERT_EQ(CycleBuckets::of(last), bucket) << value;
    if (last != ~std::uint64_t{0}) {
      ASSERT_EQ(CycleBuckets::of(last + 1), bucket + 1) << value;
    }
  }
}

TEST(StageClock, counts_nothing_while_it_is_off) {
  StageClock clock;
  clock.begin_turn(false);
  clock.passed(StageName::Parse);
  clock.polled_nothing();
  clock.finished_burst(32);
  const StageTimes times = clock.times();
  EXPECT_EQ(sum_of(times), 0u);
  EXPECT_EQ(times.packets + times.bursts + times.idle_polls, 0u);
}

TEST(StageClock, gives_every_cycle_of_a_turn_to_one_stage) {
  StageClock clock;
  const std::uint64_t begin = rte_rdtsc();
  clock.begin_turn(true);
  const std::uint64_t begun = rte_rdtsc();
  clock.polled_nothing();
  clock.passed(StageName::Receive);
  clock.passed(StageName::Parse);
  clock.passed(StageName::Emit);
  clock.finished_burst(32);
  const std::uint64_t ending = rte_rdtsc();
  clock.passed(StageName::Upkeep);
  const std::uint64_t end = rte_rdtsc();

  const StageTimes times = clock.times();
  EXPECT_GE(sum_of(times), ending - begun);
  EXPECT_LE(sum_of(times), end - begin);
  EXPECT_EQ(times.packets, 32u);
  EXPECT_EQ(times.bursts, 1u);
  EXPECT_EQ(times.idle_polls, 1u);
  EXPECT_EQ(times.cycles[static_cast<std::size_t>(StageName::Account)], 0u);
  // The burst took from its receiving to its sending: neither the poll before nor the upkeep.
  const auto in = [&](StageName stage) { return times.cycles[static_cast<std::size_t>(stage)]; };
  const std::uint64_t burst = in(StageName::Receive) + in(StageName::Parse) + in(StageName::Emit);
  EXPECT_EQ(times.burst_cycles[CycleBuckets::of(burst)], 1u);
}

}  // namespace
}  // namespace sluice
