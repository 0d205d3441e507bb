#include "lookup/group_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

KeyedRule keyed(std::uint32_t number, PeerKey key, int proto, PortRange range) {
  KeyedRule rule;
  rule.key = key;
  rule.rule = RuleIndex(number);
  rule.order = {number, 0};
  rule.proto = static_cast<std::int16_t>(proto);
  rule.range = range;
  return rule;
}

PeerKey group(std::uint32_t number) { return PeerKey::group(GroupIndex(number)); }

TEST(GroupTable, knows_nothing_without_rules) {
  const GroupTable table{std::span<KeyedRule>()};
  EXPECT_EQ(table.find(Direction::Ingress, group(1)).count, 0u);
  EXPECT_EQ(table.find(Direction::Egress, group(1)).count, 0u);
  EXPECT_TRUE(table.reply_rule(Direction::Egress, Family::Ipv4, Proto::Tcp).is_none());
}

TEST(GroupTable, holds_lists_apart_from_other_peers) {
  std::vector<KeyedRule> rules{
      keyed(1, PeerKey::prefix(Family::Ipv4, 5), 6, {80, 80}),
      keyed(2, PeerKey::prefix(Family::Ipv6, 5), 6, {80, 80}),
      keyed(3, PeerKey::list(PrefixListIndex(5)), 6, {80, 80}),
      keyed(4, PeerKey::list(PrefixListIndex(2)), 6, {80, 80}),
      keyed(5, group(5), 6, {80, 80}),
  };
  const GroupTable table(rules);
  std::vector<std::uint32_t> lists;
  table.for_each_list(Direction::Ingress,
                      [&](PrefixListIndex list) { lists.push_back(list.value()); });
  EXPECT_EQ(lists, (std::vector<std::uint32_t>{2, 5}));
  for (const auto& [key, rule] : {std::pair{PeerKey::prefix(Family::Ipv4, 5), 1u},
                                  {PeerKey::prefix(Family::Ipv6, 5), 2u},
                                  {PeerKey::list(PrefixListIndex(5)), 3u},
                                  {group(5), 5u}}) {
    const RuleLanes lanes = table.find(Direction::Ingress, key);
    ASSERT_EQ(lanes.count, 1u);
    EXPECT_EQ(lanes.rules[0], RuleIndex(rule));
  }
}

TEST(GroupTable, keeps_icmp_to_its_family) {
  EXPECT_EQ(RuleLanes::proto_of({Family::Ipv4, Proto::Icmp, 0}), 1);
  EXPECT_EQ(RuleLanes::proto_of({Family::Ipv6, Proto::Icmp, 0}), RuleLanes::kNoProto) << "SG-22";
  EXPECT_EQ(RuleLanes::proto_of({Family::Ipv4, Proto::Icmpv6, 0}), RuleLanes::kNoProto);
  EXPECT_EQ(RuleLanes::proto_of({Family::Ipv6, Proto::Icmpv6, 0}), 58);
}

// A rule allows what its lane says: the slow way.
bool allows(const KeyedRule& rule, Direction direction, PeerKey key, int proto, unsigned port) {
  return rule.direction == direction && rule.key == key &&
         (rule.proto == -1 || rule.proto == proto) && rule.range.low <= port &&
         port <= rule.range.high;
}

TEST(GroupTable, finds_what_a_scan_of_the_rules_finds) {
  std::mt19937_64 random(4);
  for (std::size_t round = 0; round < scaled_count(200); ++round) {
    std::vector<KeyedRule> rules;
    const std::size_t count = random() % 200;
    for (std::size_t i = 0; i < count; ++i) {
      const int proto = std::array{-1, 6, 6, 17, 47}[random() % 5];
      const auto low = static_cast<std::uint16_t>(random() % 100);
      const auto high = static_cast<std::uint16_t>(low + random() % 20);
      const bool has_ports = proto == 6 || proto == 17;
      rules.push_back(keyed(static_cast<std::uint32_t>(i), group(random() % 12), proto,
                            has_ports ? PortRange{low, high} : PortRange()));
      rules.back().order.high = random();
      if (random() % 2 == 0) rules.back().direction = Direction::Egress;
    }
    const std::vector<KeyedRule> twin = rules;
    const GroupTable table(rules);
    for (int question = 0; question < 200; ++question) {
      const Direction direction = random() % 2 == 0 ? Direction::Ingress : Direction::Egress;
      const PeerKey key = group(random() % 14);
      const int proto = std::array{6, 17, 47, 50}[random() % 4];
      const auto port = static_cast<std::uint16_t>(random() % 130);
      std::vector<KeyedRule> expected;
      std::copy_if(
          twin.begin(), twin.end(), std::back_inserter(expected),
          [&](const KeyedRule& rule) { return allows(rule, direction, key, proto, port); });
      std::sort(expected.begin(), expected.end(),
                [](const KeyedRule& a, const KeyedRule& b) { return a.order < b.order; });
      const RuleLanes lanes = table.find(direction, key);
      std::vector<RuleIndex> found;
      lanes.for_each_match(static_cast<std::uint16_t>(proto), port,
                           [&](std::uint32_t lane) { found.push_back(lanes.rules[lane]); });
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], expected[i].rule);
      const std::uint32_t first = lanes.first_match(static_cast<std::uint16_t>(proto), port);
      ASSERT_EQ(first == lanes.count, expected.empty());
      if (!expected.empty()) {
        ASSERT_EQ(lanes.rules[first], expected[0].rule);
      }
    }
  }
}

}  // namespace
}  // namespace sluice
