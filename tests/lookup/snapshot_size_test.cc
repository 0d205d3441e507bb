// What a snapshot takes is counted as it changes, and may be limited.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lookup/snapshot_builder.h"
#include "lookup/snapshot_change.h"
#include "lookup/snapshot_tables.h"
#include "tests/lookup/small_policy.h"
#include "tests/reference/random_policy.h"

namespace sluice {
namespace {

using Snapshot = std::shared_ptr<const PolicySnapshot>;

// All that rows point to, read row by row.
std::size_t rows_size_of(const SnapshotTables& tables) {
  std::size_t total = 0;
  const auto add = [&](std::uint32_t, const auto& row) {
    if (row != nullptr) total += size_of(*row);
  };
  tables.groups.for_each(add);
  tables.conditions.for_each(add);
  tables.subnets.for_each(add);
  tables.vpcs.for_each(add);
  tables.acls.for_each(add);
  return total;
}

Snapshot changed(const Snapshot& former, const SnapshotInput& before, const SnapshotInput& after) {
  const Result<Snapshot> next = change_snapshot(*former, difference(before, after));
  CHECK(next.has_value());
  return *next;
}

// With one rule of a CIDR that nothing else names.
SnapshotInput one_rule_more(SnapshotInput input) {
  RuleInput rule;
  rule.index = RuleIndex(9'999);
  rule.id = "sgr-fffffffffffffffff";
  rule.peer = *Cidr::parse("198.18.7.0/24");
  input.groups[0].rules.push_back(rule);
  return input;
}

TEST(SnapshotSize, counts_every_row_through_all_changes) {
  SnapshotInput former;
  Snapshot snapshot = *build_snapshot(former);
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const SnapshotInput next = RandomPolicy(seed).input();
    snapshot = changed(snapshot, former, next);
    EXPECT_EQ(snapshot->tables().rows_size, rows_size_of(snapshot->tables())) << seed;
    EXPECT_GT(snapshot->size(), snapshot->tables().rows_size);
    former = next;
  }
  snapshot = changed(snapshot, former, SnapshotInput());
  EXPECT_EQ(snapshot->tables().rows_size, 0u);
}

TEST(SnapshotSize, is_what_it_was_after_a_change_and_back) {
  SmallPolicy policy;
  policy.add_own_group();  // a set of groups that goes
  policy.add_list(Family::Ipv4, {"10.0.0.0/8"});
  policy.add_list(Family::Ipv4, {"11.0.0.0/8"});
  const SnapshotInput input = policy.input();
  SnapshotInput other = one_rule_more(input);
  other.interfaces[0].groups.clear();
  for (PrefixListInput& list : other.prefix_lists) {  // prefixes of two lists
    for (std::uint8_t length = 9; length < 30; ++length) {
      list.entries.push_back(Cidr(IpAddr::v4(0x0c00'0000), length));
    }
  }
  Snapshot snapshot = *build_snapshot(input);
  std::size_t size_of_input = 0;
  std::size_t size_of_other = 0;
  for (int i = 0; i < 50; ++i) {
    snapshot = changed(snapshot, input, other);
    if (i == 1) size_of_other = snapshot->size();
    if (i > 1) {
      EXPECT_EQ(snapshot->size(), size_of_other);
    }
    snapshot = changed(snapshot, other, input);
    if (i == 1) size_of_input = snapshot->size();
    if (i > 1) {
      EXPECT_EQ(snapshot->size(), size_of_input);
    }
  }
  EXPECT_LT(size_of_input, size_of_other);
}

TEST(SnapshotSize, is_refused_above_its_limit_with_both_numbers) {
  const SnapshotInput input = RandomPolicy(5).input();
  const std::size_t size = (*build_snapshot(input))->size();
  EXPECT_TRUE(build_snapshot(input, size));
  const Result<Snapshot> refused = build_snapshot(input, size - 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::LimitExceeded);
  EXPECT_EQ(refused.error().code, kSnapshotTooLarge);
  EXPECT_EQ(refused.error().sentence, "memory of the compiled policy: " + std::to_string(size) +
                                          " bytes needed, " + std::to_string(size - 1) +
                                          " possible");
}

TEST(SnapshotSize, limits_what_a_change_makes_of_it) {
  const SnapshotInput input = RandomPolicy(5).input();
  const SnapshotInput more = one_rule_more(input);
  const Snapshot snapshot = *build_snapshot(input);
  const std::size_t size = changed(snapshot, input, more)->size();
  EXPECT_TRUE(change_snapshot(*snapshot, difference(input, more), size));
  const Result<Snapshot> refused = change_snapshot(*snapshot, difference(input, more), size - 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, kSnapshotTooLarge);
  // What takes something away helps, even where it is not enough.
  const Snapshot larger = *build_snapshot(more);
  EXPECT_TRUE(change_snapshot(*larger, difference(more, input), 1'000));
}

// The trie and its facts alone are too much: the row of the interface is not looked at, whose
// subnet does not exist.
TEST(SnapshotSize, does_not_build_the_rest_of_what_is_too_large_already) {
  SmallPolicy policy;
  PrefixListInput list;
  list.index = PrefixListIndex(0);
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    list.entries.push_back(Cidr(IpAddr::v4(0x0b00'0000u + (i << 8)), 24));
  }
  policy.input().prefix_lists.push_back(list);
  policy.input().interfaces[0].subnet = SubnetIndex(99);
  EXPECT_EQ(build_snapshot(policy.input()).error().kind, ErrorKind::Invalid);
  const Result<Snapshot> refused = build_snapshot(policy.input(), 100'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, kSnapshotTooLarge);
  EXPECT_NE(refused.error().sentence.find("at least "), std::string::npos);
  // But what a change has still to take away does not count.
  policy.input().interfaces[0].subnet = SubnetIndex(0);
  const Snapshot former = policy.seal();
  SnapshotInput next = policy.input();
  for (Cidr& entry : next.prefix_lists.back().entries) {
    entry = Cidr(IpAddr::v4(entry.address().v4_value() + 0x4000'0000u), 24);
  }
  EXPECT_TRUE(change_snapshot(*former, difference(policy.input(), next), former->size() + 9'000));
}

}  // namespace
}  // namespace sluice
