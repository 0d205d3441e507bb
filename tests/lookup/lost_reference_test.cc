// Fail closed (SG-33): taking a reference of a policy away, or what it refers to, never allows a
// packet that was refused before. Each reference of a random policy in turn.
//
// The one reference whose loss would widen is that of a subnet to its ACL, since the default one
// allows all (NA-7): there the loss of the ACL is an error.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lookup/decide.h"
#include "lookup/snapshot_builder.h"
#include "tests/reference/random_policy.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

std::string describe(const Question& question) {
  return "eni " + std::to_string(question.eni.value()) + " " +
         std::string(name_of(question.direction)) + " proto " +
         std::to_string(static_cast<int>(question.proto)) + " port " +
         std::to_string(question.port) + " remote " + question.remote.to_string();
}

std::shared_ptr<const PolicySnapshot> seal(const SnapshotInput& input) {
  Result<std::shared_ptr<const PolicySnapshot>> sealed = build_snapshot(input);
  EXPECT_TRUE(sealed.has_value()) << sealed.error().sentence;
  return sealed.has_value() ? *sealed : nullptr;
}

class LostReference : public testing::TestWithParam<std::uint64_t> {
 protected:
  LostReference() : policy_(GetParam()), snapshot_(seal(policy_.input())) {
    for (std::size_t i = 0; i < 400; ++i) {
      const Question question = policy_.question();
      if (decide(*snapshot_, question).verdict == Verdict::Drop) refused_.push_back(question);
    }
  }
  ~LostReference() override { EXPECT_GT(refused_.size(), 50u) << "or it would prove little"; }

  const SnapshotInput& input() const { return policy_.input(); }
  SnapshotInput copy() const { return policy_.input(); }

  // Both ways to the successor: compiled afresh, and changed from what was.
  void expect_still_refused(const SnapshotInput& next) {
    const std::shared_ptr<const PolicySnapshot> fresh = seal(next);
    const auto changed = change_snapshot(*snapshot_, difference(input(), next));
    ASSERT_TRUE(fresh != nullptr && changed);
    for (const Question& question : refused_) {
      const bool is_there = fresh->find_interface(question.eni) != nullptr;
      if (!is_there) continue;
      ASSERT_EQ(decide(*fresh, question).verdict, Verdict::Drop) << describe(question);
      ASSERT_EQ(decide(**changed, question).verdict, Verdict::Drop) << describe(question);
    }
  }

  // Points the peer of each rule that is of the kind at nothing, one rule at a time.
  template <class Index>
  void lose_peers(const std::function<bool(const GroupInput&, const RuleInput&)>& is_meant) {
    for (std::size_t group = 0; group < input().groups.size(); ++group) {
      for (std::size_t rule = 0; rule < input().groups[group].rules.size(); ++rule) {
        if (!is_meant(input().groups[group], input().groups[group].rules[rule])) continue;
        SnapshotInput next = copy();
        next.groups[group].rules[rule].peer = Index();
        expect_still_refused(next);
        if (HasFailure()) return;
      }
    }
  }

  RandomPolicy policy_;
  std::shared_ptr<const PolicySnapshot> snapshot_;
  std::vector<Question> refused_;
};

TEST_P(LostReference, of_a_rule_to_a_group_allows_nothing_new) {  // SG-33
  lose_peers<GroupIndex>([](const GroupInput&, const RuleInput& rule) {
    return std::holds_alternative<GroupIndex>(rule.peer);
  });
}

TEST_P(LostReference, of_a_rule_to_a_list_allows_nothing_new) {
  lose_peers<PrefixListIndex>([](const GroupInput&, const RuleInput& rule) {
    return std::holds_alternative<PrefixListIndex>(rule.peer);
  });
}

TEST_P(LostReference, of_a_group_to_itself_allows_nothing_new) {  // SG-26
  // Give each group such a rule, or few would have one.
  SnapshotInput all = copy();
  std::uint32_t number = 1'000'000;
  for (GroupInput& group : all.groups) {
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      RuleInput rule;
      rule.index = RuleIndex(number);
      rule.id = "sgr-0000000000" + std::to_string(number++);
      rule.direction = direction;
      rule.peer = group.index;
      group.rules.push_back(rule);
    }
  }
  const std::shared_ptr<const PolicySnapshot> before = seal(all);
  std::erase_if(refused_, [&](const Question& question) {
    return decide(*before, question).verdict != Verdict::Drop;
  });
  for (std::size_t group = 0; group < all.groups.size(); ++group) {
    SnapshotInput next = all;
    next.groups[group].rules.pop_back();
    expect_still_refused(next);
    next.groups[group].rules.back().peer = GroupIndex();
    expect_still_refused(next);
    if (HasFailure()) return;
  }
}

// Membership: the interface has fewer rules, and others see one member less.
TEST_P(LostReference, of_an_interface_to_a_group_allows_nothing_new) {  // SG-27, SG-33
  for (std::size_t eni = 0; eni < input().interfaces.size(); ++eni) {
    for (std::size_t held = 0; held < input().interfaces[eni].groups.size(); ++held) {
      SnapshotInput next = copy();
      std::vector<GroupIndex>& groups = next.interfaces[eni].groups;
      groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(held));
      expect_still_refused(next);
      if (HasFailure()) return;
    }
  }
}

// The group itself, any of them, the default one of a VPC not excepted: from all who hold it, and
// the rules that name it stay.
TEST_P(LostReference, of_all_to_a_group_that_is_gone_allows_nothing_new) {  // SG-8, SG-33
  for (const GroupInput& lost : input().groups) {
    SnapshotInput next = copy();
    std::erase_if(next.groups, [&](const GroupInput& group) { return group.index == lost.index; });
    for (InterfaceInput& interface : next.interfaces) std::erase(interface.groups, lost.index);
    expect_still_refused(next);
    if (HasFailure()) return;
  }
}

TEST_P(LostReference, of_a_list_to_an_entry_or_of_the_list_allows_nothing_new) {
  for (std::size_t list = 0; list < input().prefix_lists.size(); ++list) {
    for (std::size_t entry = 0; entry < input().prefix_lists[list].entries.size(); ++entry) {
      SnapshotInput next = copy();
      std::vector<Cidr>& entries = next.prefix_lists[list].entries;
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(entry));
      expect_still_refused(next);
      if (HasFailure()) return;
    }
    SnapshotInput next = copy();
    next.prefix_lists.erase(next.prefix_lists.begin() + static_cast<std::ptrdiff_t>(list));
    expect_still_refused(next);
    if (HasFailure()) return;
  }
}

TEST_P(LostReference, of_two_vpcs_to_each_other_allows_nothing_new) {  // SG-29, SG-33
  for (const VpcInput& vpc : input().vpcs) {
    for (const VpcIndex peer : vpc.peers) {
      SnapshotInput next = copy();
      std::erase(next.vpcs[vpc.index.value()].peers, peer);
      std::erase(next.vpcs[peer.value()].peers, vpc.index);
      expect_still_refused(next);
      if (HasFailure()) return;
    }
  }
}

TEST_P(LostReference, of_a_subnet_to_its_acl_is_an_error) {  // NA-6
  for (const AclInput& lost : input().acls) {
    const auto has_it = [&](const SubnetInput& subnet) { return subnet.acl == lost.index; };
    if (std::ranges::none_of(input().subnets, has_it)) continue;
    SnapshotInput next = copy();
    std::erase_if(next.acls, [&](const AclInput& acl) { return acl.index == lost.index; });
    const auto fresh = build_snapshot(next);
    const auto changed = change_snapshot(*snapshot_, difference(input(), next));
    ASSERT_FALSE(fresh.has_value());
    ASSERT_FALSE(changed.has_value());
    EXPECT_NE(fresh.error().sentence.find("network ACL number"), std::string::npos);
  }
}
INSTANTIATE_TEST_SUITE_P(seed, LostReference, testing::Range<std::uint64_t>(0, scaled_count(10)));

// The seeds have every kind of reference, and losing one refuses packets that were allowed: what
// is asked above is not asked of nothing.
TEST(LostReferences, of_every_kind_narrow_something) {
  std::size_t group_peers = 0, list_peers = 0, peerings = 0, members = 0, acls = 0;
  std::size_t narrowed = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    RandomPolicy policy(seed);
    SnapshotInput next = policy.input();
    for (GroupInput& group : next.groups) {
      for (RuleInput& rule : group.rules) {
        group_peers += std::holds_alternative<GroupIndex>(rule.peer) ? 1 : 0;
        list_peers += std::holds_alternative<PrefixListIndex>(rule.peer) ? 1 : 0;
        if (!std::holds_alternative<Cidr>(rule.peer)) rule.peer = GroupIndex();
      }
    }
    for (const VpcInput& vpc : next.vpcs) peerings += vpc.peers.size();
    for (const InterfaceInput& interface : next.interfaces) members += interface.groups.size();
    for (const SubnetInput& subnet : next.subnets) acls += subnet.acl.is_none() ? 0 : 1;
    const auto before = seal(policy.input());
    const auto after = seal(next);
    for (int i = 0; i < 1'000; ++i) {
      const Question question = policy.question();
      narrowed += decide(*before, question).verdict != decide(*after, question).verdict ? 1 : 0;
    }
  }
  EXPECT_GT(group_peers, 100u);
  EXPECT_GT(list_peers, 50u);
  EXPECT_GT(peerings, 5u);
  EXPECT_GT(members, 100u);
  EXPECT_GT(acls, 20u);
  EXPECT_GT(narrowed, 50u);
}

}  // namespace
}  // namespace sluice
