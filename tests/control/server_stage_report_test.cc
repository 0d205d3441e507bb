// stage_report: what is told of the stages is what was measured between two looks.

#include "control/server/stage_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr std::uint64_t kCyclesPerSecond = 2'000'000'000;

std::uint64_t& cycles_of(StageTimes& times, StageName stage) {
  return times.cycles[static_cast<std::size_t>(stage)];
}

TEST(StageReport, tells_the_difference_of_two_looks) {
  StageTimes former;
  former.packets = 100;
  former.bursts = 10;
  cycles_of(former, StageName::Parse) = 5'000;
  cycles_of(former, StageName::Idle) = 1'000;
  former.burst_cycles[CycleBuckets::of(40)] = 10;
  StageTimes now = former;
  now.packets += 1'000;
  now.bursts += 20;
  now.idle_polls += 3;
  cycles_of(now, StageName::Parse) += 40'000;
  cycles_of(now, StageName::Emit) += 20'000;
  cycles_of(now, StageName::Idle) += 90'000;
  now.burst_cycles[CycleBuckets::of(2'000)] += 20;

  const auto report = stages_to_json(std::vector{former}, std::vector{now}, kCyclesPerSecond);
  const auto& worker = report["workers"][0];
  EXPECT_EQ(report["cycles_per_second"], kCyclesPerSecond);
  EXPECT_EQ(worker["packets"], 1'000);
  EXPECT_EQ(worker["bursts"], 20);
  EXPECT_EQ(worker["idle_polls"], 3);
  EXPECT_EQ(worker["packets_per_burst"], 50.0);
  EXPECT_EQ(worker["cycles_per_packet"], 60.0) << "without what was idle";
  ASSERT_EQ(worker["stages"].size(), kStageCount);
  const auto& parse = worker["stages"][static_cast<std::size_t>(StageName::Parse)];
  EXPECT_EQ(parse["stage"], "parse");
  EXPECT_EQ(parse["cycles_per_packet"], 40.0);
  EXPECT_EQ(worker["stages"].back()["stage"], "idle");
  EXPECT_EQ(worker["stages"].back()["cycles"], 90'000);
  EXPECT_TRUE(worker["stages"].back()["cycles_per_packet"].is_null());
  // 2,000 cycles are 1,000 ns, to the width of a bucket; the burst of the former look is not told.
  EXPECT_GE(worker["burst_ns"]["p50"], 1'000);
  EXPECT_LE(worker["burst_ns"]["p50"], 1'063);
  EXPECT_EQ(worker["burst_ns"]["p50"], worker["burst_ns"]["max"]);
}

TEST(StageReport, tells_a_worker_that_is_new_from_its_begin) {
  StageTimes now;
  now.packets = 7;
  const auto report = stages_to_json({}, std::vector{now}, kCyclesPerSecond);
  EXPECT_EQ(report["workers"][0]["packets"], 7);
}

TEST(StageReport, finds_percentiles_as_a_sorted_list_does) {
  std::mt19937_64 random(20'261'126);
  for (int round = 0; round < 200; ++round) {
    const std::size_t count = 1 + random() % 2'000;
    std::vector<std::uint64_t> values;
    std::array<std::uint64_t, CycleBuckets::kCount> counts{};
    for (std::size_t i = 0; i < count; ++i) {
      values.push_back(random() >> (random() % 64));
      ++counts[CycleBuckets::of(values.back())];
    }
    std::sort(values.begin(), values.end());
    for (const double part : {0.0, 0.5, 0.99, 0.999, 1.0}) {
      const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(count)));
      const std::uint64_t exact = values[std::max<std::size_t>(rank, 1) - 1];
      EXPECT_EQ(percentile(counts, part), CycleBuckets::last_of(CycleBuckets::of(exact)))
          << part << " of " << count;
    }
  }
  EXPECT_EQ(percentile(std::array<std::uint64_t, CycleBuckets::kCount>{}, 0.5), 0u);
}

}  // namespace
}  // namespace sluice
