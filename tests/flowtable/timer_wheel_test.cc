#include "flowtable/timer_wheel.h"

#include <gtest/gtest.h>

#include <random>
#include <span>
#include <vector>

#include "tests/reference/slow_timer_list.h"

namespace sluice {
namespace {

constexpr std::uint32_t kEntries = 1'000;

// What advance() calls with a group, from what is to be done with one of it.
template <class Visit>
auto each(Visit visit) {
  return [visit](std::span<const std::uint32_t> group) {
    EXPECT_LE(group.size(), TimerWheel::kGroup);
    for (const std::uint32_t entry : group) visit(entry);
  };
}

// Visits what is due; every visited entry is disarmed.
std::vector<std::uint32_t> visits_at(TimerWheel& wheel, TickMs now, std::size_t budget = 100'000) {
  std::vector<std::uint32_t> result;
  wheel.advance(
      now, kEntries, budget, [](std::uint32_t) {}, each([&](std::uint32_t entry) {
        wheel.disarm(entry);
        result.push_back(entry);
      }));
  return result;
}

TEST(TimerWheel, visits_an_entry_when_its_time_has_come_and_not_before) {
  TimerWheel wheel(kEntries, false);
  wheel.arm(5, 1'000, 30'000);
  EXPECT_TRUE(visits_at(wheel, 30'999).empty());
  EXPECT_EQ(visits_at(wheel, 31'000 + TimerWheel::kTickMs), std::vector<std::uint32_t>{5});
  EXPECT_TRUE(visits_at(wheel, 500'000).empty());
}

TEST(TimerWheel, visits_nothing_that_was_disarmed) {
  TimerWheel wheel(kEntries, false);
  wheel.arm(5, 0, 1'000);
  wheel.disarm(5);
  EXPECT_FALSE(wheel.is_armed(5));
  EXPECT_TRUE(visits_at(wheel, 60'000).empty());
}

TEST(TimerWheel, lets_an_entry_be_armed_earlier) {
  TimerWheel wheel(kEntries, false);
  wheel.arm(999, 0, 120'000);
  wheel.arm(999, 10, 2'000);
  EXPECT_EQ(visits_at(wheel, 2'010 + TimerWheel::kTickMs).size(), 1u);
}

TEST(TimerWheel, cuts_a_wait_of_days_into_early_visits) {
  TimerWheel wheel(kEntries, false);
  wheel.arm(1, 0, 432'000'000);
  const TickMs horizon_ms = TimerWheel::kHorizonTicks * TimerWheel::kTickMs;
  EXPECT_TRUE(visits_at(wheel, horizon_ms / 3).empty());
  EXPECT_TRUE(visits_at(wheel, horizon_ms / 3 * 2).empty());
  EXPECT_TRUE(visits_at(wheel, horizon_ms - TimerWheel::kTickMs).empty());
  EXPECT_EQ(visits_at(wheel, horizon_ms + TimerWheel::kTickMs).size(), 1u);
}

TEST(TimerWheel, visits_everything_due_after_a_great_leap_of_time) {
  TimerWheel wheel(kEntries, false);
  for (std::uint32_t i = 0; i < kEntries; ++i) wheel.arm(i, 0, 1'000 + i * 120);
  EXPECT_EQ(visits_at(wheel, 4'000'000'000u).size(), kEntries);
}

TEST(TimerWheel, goes_on_when_the_clock_wraps) {
  TimerWheel wheel(kEntries, false);
  const TickMs before = 0xffffff00u;
  wheel.arm(3, before, 10'000);
  EXPECT_TRUE(visits_at(wheel, before + 9'000).empty());
  EXPECT_EQ(visits_at(wheel, before + 10'000 + TimerWheel::kTickMs).size(), 1u);
}

TEST(TimerWheel, keeps_its_budget_and_goes_on_where_it_stopped) {
  TimerWheel wheel(kEntries, false);
  for (std::uint32_t i = 0; i < kEntries; ++i) wheel.arm(i, 0, 1'000);
  std::vector<std::uint32_t> all;
  for (int call = 0; call < 200 && all.size() < kEntries; ++call) {
    const std::vector<std::uint32_t> some = visits_at(wheel, 2'000, 7);
    ASSERT_LE(some.size(), 7u);
    all.insert(all.end(), some.begin(), some.end());
  }
  ASSERT_EQ(all.size(), kEntries);
  for (std::uint32_t i = 0; i < kEntries; ++i) EXPECT_EQ(all[i], i);
}

TEST(TimerWheel, keeps_its_budget_in_a_leap_although_visited_entries_are_armed_anew) {
  TimerWheel wheel(kEntries, false);
  for (std::uint32_t i = 0; i < kEntries; ++i) wheel.arm(i, 0, 1'000);
  std::vector<unsigned> visits(kEntries);
  for (int call = 0; call < 500; ++call) {
    const std::size_t count = wheel.advance(
        1'000'000, kEntries, 5, [](std::uint32_t) {}, each([&](std::uint32_t entry) {
          ++visits[entry];
          wheel.arm(entry, 1'000'000, 50'000);
        }));
    ASSERT_LE(count, 5u);
  }
  for (const unsigned count : visits) EXPECT_EQ(count, 1u);
}

TEST(TimerWheel, forgets_no_entry_that_is_armed_for_now_behind_its_hand) {
  TimerWheel wheel(kEntries, false);
  for (std::uint32_t i = 0; i < kEntries; ++i) wheel.arm(i, 0, 1'000);
  const TickMs on_a_tick = 4 * TimerWheel::kTickMs;
  ASSERT_EQ(visits_at(wheel, on_a_tick, 10).size(), 10u);
  wheel.arm(3, on_a_tick, 0);
  ASSERT_EQ(visits_at(wheel, on_a_tick).size(), kEntries - 10);
  EXPECT_EQ(visits_at(wheel, on_a_tick + TimerWheel::kTickMs), std::vector<std::uint32_t>{3});
}

TEST(TimerWheel, reads_a_bounded_stretch_of_memory_a_call) {
  constexpr std::uint32_t kMany = 1u << 20;
  TimerWheel wheel(kMany, false);
  wheel.arm(kMany - 1, 0, 1'000);
  std::size_t visited = 0;
  int calls = 0;
  while (visited == 0 && ++calls < 10'000) {
    visited = wheel.advance(
        5'000, kMany, 1, [](std::uint32_t) {},
        each([&](std::uint32_t entry) { wheel.disarm(entry); }));
  }
  EXPECT_EQ(visited, 1u);
  EXPECT_GE(calls, static_cast<int>(kMany / TimerWheel::kScanMin));
}

TEST(TimerWheelDeathTest, is_not_left_by_a_visitor_that_forgets_one_of_its_group) {
  const auto visit_all_but = [](std::uint32_t forgotten) {
    TimerWheel wheel(kEntries, false);
    for (std::uint32_t entry = 0; entry < 40; ++entry) wheel.arm(entry, 0, 1'000);
    wheel.advance(
        30'000, kEntries, 100, [](std::uint32_t) {}, each([&](std::uint32_t entry) {
          if (entry == forgotten) return;
          if (entry % 2 == 0) wheel.disarm(entry);
          if (entry % 2 != 0) wheel.arm(entry, 30'000, 1'000);
        }));
  };
  visit_all_but(kEntries);
  for (const std::uint32_t entry : {0u, 15u, 16u, 39u}) {
    EXPECT_DEATH(visit_all_but(entry), "would_be_lost") << entry;
  }
}

struct WheelLoad {
  const char* name;
  unsigned step_ms_max;
  std::size_t budget;
};
class TimerWheelBesideItsTwin : public testing::TestWithParam<WheelLoad> {};

TEST_P(TimerWheelBesideItsTwin, visits_what_is_due_within_a_tick_and_never_early) {
  std::mt19937_64 draw(3);
  TimerWheel wheel(kEntries, false);
  SlowTimerList twin;
  std::uint64_t now = 0xfffe0000u;  // the clock wraps soon
  for (int step = 0; step < 8'000; ++step) {
    now += draw() % GetParam().step_ms_max;
    for (int i = 0; i < 4; ++i) {
      const auto entry = static_cast<std::uint32_t>(draw() % kEntries);
      const auto wait_ms = static_cast<std::uint32_t>(draw() % 120'000);
      if (draw() % 5 == 0) {
        wheel.disarm(entry);
        twin.disarm(entry);
      } else {
        wheel.arm(entry, static_cast<TickMs>(now), wait_ms);
        twin.arm(entry, now + wait_ms);
      }
    }
    wheel.advance(
        static_cast<TickMs>(now), kEntries, GetParam().budget, [](std::uint32_t) {},
        each([&](std::uint32_t entry) {
          ASSERT_TRUE(twin.is_armed(entry));
          if (twin.due_ms(entry) > now) {  // early, as after a leap: armed again
            wheel.arm(entry, static_cast<TickMs>(now),
                      static_cast<std::uint32_t>(twin.due_ms(entry) - now));
            return;
          }
          wheel.disarm(entry);
          twin.disarm(entry);
        }));
    if (GetParam().budget < kEntries) continue;
    ASSERT_TRUE(twin.due_at(now - TimerWheel::kTickMs).empty()) << step;
  }
  now += 600'000;
  for (int call = 0; call < 2'000; ++call) {
    wheel.advance(
        static_cast<TickMs>(now), kEntries, GetParam().budget, [](std::uint32_t) {},
        each([&](std::uint32_t entry) {
          wheel.disarm(entry);
          twin.disarm(entry);
        }));
  }
  EXPECT_EQ(twin.size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Loads, TimerWheelBesideItsTwin,
                         testing::Values(WheelLoad{"calm", 700, 100'000},
                                         WheelLoad{"bursty", 20'000, 100'000},
                                         WheelLoad{"leaping", 400'000, 100'000},
                                         WheelLoad{"starved", 3'000, 3}),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace sluice
