// So many looks a second, and not all of them for one interface.

#include "dataplane/layer7_budget.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::size_t spent(Layer7Budget& budget, const Layer7Settings& settings, std::uint32_t eni,
                  TickMs now) {
  std::size_t count = 0;
  while (count < 1'000'000 && budget.spend(settings, EniIndex(eni), now)) ++count;
  return count;
}

Layer7Settings settings_of(std::uint32_t worker, std::uint32_t interface) {
  Layer7Settings settings;
  settings.worker_budget = worker;
  settings.interface_budget = interface;
  return settings;
}

TEST(Layer7Budget, earns_so_many_a_second_and_keeps_a_tenth) {
  Layer7Budget budget(4);
  const Layer7Settings settings = settings_of(100'000, 1'000);
  EXPECT_EQ(spent(budget, settings, 0, 50), 100u);
  EXPECT_EQ(spent(budget, settings, 0, 50), 0u);
  EXPECT_EQ(spent(budget, settings, 0, 60), 10u);
  EXPECT_EQ(spent(budget, settings, 0, 60'000), 100u);
  EXPECT_EQ(spent(budget, settings, 1, 60'000), 100u) << "each interface has its own";
}

TEST(Layer7Budget, of_the_worker_bounds_all_interfaces_together) {
  Layer7Budget budget(4);
  const Layer7Settings settings = settings_of(1'000, 600);
  EXPECT_EQ(spent(budget, settings, 0, 0), 60u);
  EXPECT_EQ(spent(budget, settings, 1, 0), 40u);
  EXPECT_EQ(spent(budget, settings, 2, 0), 0u);
}

TEST(Layer7Budget, is_charged_for_looks_that_take_long) {
  Layer7Budget budget(4);
  const Layer7Settings settings = settings_of(1'000, 600);
  ASSERT_TRUE(budget.spend(settings, EniIndex(0), 0));
  budget.charge(EniIndex(0), 50);
  EXPECT_EQ(spent(budget, settings, 0, 0), 9u);
  EXPECT_EQ(spent(budget, settings, 1, 0), 40u) << "what the worker has left";
  budget.charge(EniIndex(0), 1'000'000);
  EXPECT_EQ(spent(budget, settings, 0, 10), 6u) << "no debt is made";
}

TEST(Layer7Budget, of_few_a_second_is_not_lost_in_rounding) {
  Layer7Budget budget(1);
  const Layer7Settings settings = settings_of(3, 3);
  std::size_t count = 0;
  for (TickMs now = 0; now < 10'000; ++now) count += spent(budget, settings, 0, now);
  EXPECT_GE(count, 30u);
  EXPECT_LE(count, 31u);
}

TEST(Layer7Budget, of_none_lets_nobody_look) {
  Layer7Budget budget(1);
  EXPECT_EQ(spent(budget, settings_of(0, 5), 0, 0), 0u);
  EXPECT_EQ(spent(budget, settings_of(5, 0), 0, 9'000), 0u);
}

TEST(Layer7Budget, of_interfaces_beyond_the_capacity_is_one) {
  Layer7Budget budget(2);
  const Layer7Settings settings = settings_of(100'000, 1'000);
  EXPECT_EQ(spent(budget, settings, 7, 0), 100u);
  EXPECT_EQ(spent(budget, settings, 9, 0), 0u);
  EXPECT_EQ(spent(budget, settings, 1, 0), 100u);
}

TEST(Layer7Budget, opens_half_of_a_turns_for_an_interface_and_all_for_two) {
  Layer7Budget budget(4);
  budget.begin_turn();
  EXPECT_EQ(budget.openings_left(EniIndex(0)), kOpenedPerTurn / 2);
  budget.note_opened(EniIndex(0), 3);
  EXPECT_EQ(budget.openings_left(EniIndex(0)), kOpenedPerTurn / 2 - 3);
  budget.note_opened(EniIndex(0), kOpenedPerTurn / 2 - 3);
  EXPECT_EQ(budget.openings_left(EniIndex(0)), 0u);
  budget.note_opened(EniIndex(1), 1);
  EXPECT_EQ(budget.openings_left(EniIndex(1)), kOpenedPerTurn / 2 - 1);
  EXPECT_EQ(budget.openings_left(EniIndex(2)), kOpenedPerTurn / 2 - 1) << "the turn's rest";
  budget.begin_turn();
  EXPECT_EQ(budget.openings_left(EniIndex(0)), kOpenedPerTurn / 2);
}

TEST(Layer7Budget, goes_on_across_the_wrap_of_the_clock) {
  Layer7Budget budget(1);
  const Layer7Settings settings = settings_of(1'000, 1'000);
  EXPECT_EQ(spent(budget, settings, 0, 0xfffffff0), 100u);
  EXPECT_EQ(spent(budget, settings, 0, 4), 20u);
}

}  // namespace
}  // namespace sluice
