#include "lookup/port_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

TEST(PortSet, knows_the_edges_of_a_range) {
  PortSets sets;
  const std::vector<PortRule> rules{{5, {443, 443}}, {9, {8000, 8080}}};
  const PortSetIndex set = sets.add(rules);
  EXPECT_EQ(sets.first_match(set, 442), kNoRule);
  EXPECT_EQ(sets.first_match(set, 443), 5u);
  EXPECT_EQ(sets.first_match(set, 444), kNoRule);
  EXPECT_EQ(sets.first_match(set, 7999), kNoRule);
  EXPECT_EQ(sets.first_match(set, 8000), 9u);
  EXPECT_EQ(sets.first_match(set, 8080), 9u);
  EXPECT_EQ(sets.first_match(set, 8081), kNoRule);
}

TEST(PortSet, holds_nothing_in_unused_lanes) {
  PortSets sets;
  const std::vector<PortRule> rules{{1, {7, 7}}};
  const PortSetIndex set = sets.add(rules);
  for (std::uint32_t port = 0; port <= 65535; ++port) {
    ASSERT_EQ(sets.first_match(set, static_cast<std::uint16_t>(port)), port == 7 ? 1u : kNoRule);
  }
}

TEST(PortSet, names_the_smallest_of_several_rules) {
  PortSets sets;
  const std::vector<PortRule> rules{{2, {100, 200}}, {3, {0, 65535}}, {7, {150, 150}}};
  const PortSetIndex set = sets.add(rules);
  EXPECT_EQ(sets.first_match(set, 150), 2u);
  EXPECT_EQ(sets.first_match(set, 99), 3u);
}

TEST(PortSet, answers_no_rule_for_no_set) {
  EXPECT_EQ(PortSets().first_match(kNoPortSet, 80), kNoRule);
}

TEST(PortSet, stores_equal_ranges_once_whoever_names_them) {
  PortSets sets;
  const std::vector<PortRule> one{{1, {22, 22}}, {2, {80, 80}}};
  const std::vector<PortRule> other{{5, {22, 22}}, {6, {80, 80}}};
  const PortSetIndex first = sets.add(one);
  const PortSetIndex second = sets.add(other);
  EXPECT_EQ(sets.line_count(), 1u);
  EXPECT_EQ(sets.first_match(first, 80), 2u);
  EXPECT_EQ(sets.first_match(second, 80), 6u);
}

TEST(PortSet, answers_like_a_loop_over_any_number_of_ranges) {
  std::mt19937_64 random(1);
  const std::size_t rounds = scaled_count(300);
  for (std::size_t round = 0; round < rounds; ++round) {
    PortSets sets;
    std::vector<PortRule> rules;
    const std::size_t count = 1 + random() % 100;
    for (std::size_t i = 0; i < count; ++i) {
      const auto a = static_cast<std::uint16_t>(random());
      const auto b = static_cast<std::uint16_t>(a + random() % 300);
      rules.push_back({static_cast<RuleSlot>(3 * i), {std::min(a, b), std::max(a, b)}});
    }
    const PortSetIndex set = sets.add(rules);
    sets.seal();
    for (int i = 0; i < 200; ++i) {
      const auto port = static_cast<std::uint16_t>(
          i % 2 == 0 ? random() : rules[random() % count].range.low + random() % 3 - 1);
      std::vector<RuleSlot> expected;
      for (const PortRule& rule : rules) {
        if (rule.range.contains(port)) expected.push_back(rule.rule);
      }
      std::vector<RuleSlot> found;
      sets.for_each_match(set, port, [&found](RuleSlot rule) { found.push_back(rule); });
      ASSERT_EQ(found, expected);
      ASSERT_EQ(sets.first_match(set, port), expected.empty() ? kNoRule : expected.front());
    }
  }
}

}  // namespace
}  // namespace sluice
