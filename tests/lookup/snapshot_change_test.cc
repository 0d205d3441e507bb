// A policy that changes step by step answers like one that was compiled afresh, and those that came
// before answer as they did.

#include "lookup/snapshot_change.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "lookup/decide.h"
#include "lookup/snapshot_builder.h"
#include "tests/lookup/small_policy.h"
#include "tests/reference/random_policy.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

using Snapshot = std::shared_ptr<const PolicySnapshot>;

// All that a decision says; the rule by its id, which survives renumbering.
void expect_same(const Decision& a, const Decision& b) {
  EXPECT_EQ(a.verdict, b.verdict);
  EXPECT_EQ(a.by, b.by);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_EQ(a.rule, b.rule);
  EXPECT_EQ(a.group, b.group);
  EXPECT_EQ(a.tracked, b.tracked);
  EXPECT_EQ(a.acl.asked, b.acl.asked);
  EXPECT_EQ(a.acl.allow, b.acl.allow);
  EXPECT_EQ(a.acl.acl, b.acl.acl);
  EXPECT_EQ(a.acl.rule, b.acl.rule);
}

bool can_ask(const SnapshotInput& input, const Question& question) {
  return std::ranges::any_of(input.interfaces, [&](const InterfaceInput& interface) {
    return interface.index == question.eni;
  });
}

// Two snapshots of one policy say the same about everything that can be asked.
void expect_equal(const PolicySnapshot& a, const PolicySnapshot& b, const SnapshotInput& input,
                  std::vector<Question> questions) {
  ASSERT_EQ(a.interface_count(), input.interfaces.size());
  ASSERT_EQ(b.interface_count(), input.interfaces.size());
  EXPECT_EQ(a.may_share_addresses(), b.may_share_addresses());
  for (const InterfaceInput& interface : input.interfaces) {
    const InterfaceRow* row = a.find_interface(interface.index);
    const InterfaceRow* twin = b.find_interface(interface.index);
    ASSERT_TRUE(row != nullptr && twin != nullptr);
    EXPECT_EQ(row->acl, twin->acl);
    EXPECT_EQ(row->subnet, twin->subnet);
    EXPECT_EQ(row->logged, twin->logged);
    std::vector<IpAddr> addresses = interface.addresses;
    for (const Cidr& prefix : interface.prefixes) addresses.push_back(prefix.address());
    for (const IpAddr& address : addresses) {
      EXPECT_EQ(a.owner_of(interface.vpc, address), interface.index);
      EXPECT_EQ(b.owner_of(interface.vpc, address), interface.index);
      EXPECT_EQ(a.owner_of(address), b.owner_of(address));
    }
  }
  for (const Question& question : questions) {
    if (!can_ask(input, question)) continue;
    expect_same(decide(a, question), decide(b, question));
    WitnessSteps steps;
    WitnessSteps twin_steps;
    expect_same(decide(a, question, steps), decide(b, question, twin_steps));
    EXPECT_EQ(steps.size(), twin_steps.size());
  }
}

Snapshot fresh(const SnapshotInput& input) {
  const Result<Snapshot> built = build_snapshot(input);
  CHECK(built.has_value());
  return *built;
}

Snapshot changed(const PolicySnapshot& former, const SnapshotInput& before,
                 const SnapshotInput& after) {
  const Result<Snapshot> next = change_snapshot(former, difference(before, after));
  if (!next) ADD_FAILURE() << next.error().sentence;
  CHECK(next.has_value());
  return *next;
}

// Random edits of a policy, each valid by itself. Parts come from another random policy, so that
// new prefixes, rules and lists are of the same nasty kind.
class Editor {
 public:
  explicit Editor(std::uint64_t seed)
      : policy_(seed), donor_(seed + 1'000'000), input_(policy_.input()) {
    for (const GroupInput& group : input_.groups) {
      for (const RuleInput& rule : group.rules) {
        next_rule_ = std::max(next_rule_, rule.index.value() + 1);
      }
    }
  }

  const SnapshotInput& input() const { return input_; }
  Question question() { return one_in(2) ? policy_.question() : aimed_question(); }

  void edit() {
    switch (policy_.below(11)) {
      case 0:
      case 1:
        return add_rule();
      case 2:
        return remove_rule();
      case 3:
        return attach_or_detach();
      case 4:
        return change_list();
      case 5:
        return change_addresses();
      case 6:
        return change_acl();
      case 7:
        return change_subnet();
      case 8:
        return come_or_go();
      case 9:
        return change_prefixes();
      default:
        return change_settings();
    }
  }

 private:
  bool one_in(std::size_t count) { return policy_.one_in(count); }
  template <class T>
  T& any_of(std::vector<T>& things) {
    return things[policy_.below(things.size())];
  }
  template <class T>
  const T& any_of(const std::vector<T>& things) {
    return things[policy_.below(things.size())];
  }

  // Of the policy as it is now.
  Question aimed_question() {
    Question question = policy_.question();
    if (!input_.interfaces.empty()) {
      const InterfaceInput& interface = any_of(input_.interfaces);
      question.eni = interface.index;
      const GroupInput& group = any_of(input_.groups);
      if (!group.rules.empty()) {
        const RuleInput& rule = any_of(group.rules);
        if (rule.ports.low >= 0) question.port = static_cast<std::uint16_t>(rule.ports.low);
        const Cidr* cidr = std::get_if<Cidr>(&rule.peer);
        if (cidr != nullptr) question.remote = cidr->address();
      }
      const InterfaceInput& other = any_of(input_.interfaces);
      if (one_in(3) && !other.prefixes.empty()) {
        question.remote = policy_.any_address_in(any_of(other.prefixes));
      }
    }
    return question;
  }

  void add_rule() {
    const GroupInput& from = any_of(donor_.input().groups);
    if (from.rules.empty()) return;
    RuleInput rule = any_of(from.rules);
    rule.index = RuleIndex(next_rule_++);
    char text[32];
    std::snprintf(text, sizeof text, "sgr-%017llx",
                  static_cast<unsigned long long>(policy_.below(~std::size_t{0}) & ~0xffffffu) |
                      rule.index.value());
    rule.id = text;
    any_of(input_.groups).rules.push_back(rule);
  }
  void remove_rule() {
    GroupInput& group = any_of(input_.groups);
    if (group.rules.empty()) return;
    group.rules.erase(group.rules.begin() +
                      static_cast<std::ptrdiff_t>(policy_.below(group.rules.size())));
  }
  void attach_or_detach() {
    if (input_.interfaces.empty()) return;
    std::vector<GroupIndex>& groups = any_of(input_.interfaces).groups;
    const GroupIndex group = any_of(input_.groups).index;
    const auto place = std::ranges::find(groups, group);
    if (place != groups.end()) {
      groups.erase(place);
    } else {
      groups.push_back(group);
    }
  }
  void change_list() {
    if (input_.prefix_lists.empty() || donor_.input().prefix_lists.empty()) return;
    const std::size_t at = policy_.below(input_.prefix_lists.size());
    std::vector<Cidr>& entries = input_.prefix_lists[at].entries;
    if (one_in(8)) {  // the other family, or gone
      PrefixListInput other = any_of(donor_.input().prefix_lists);
      other.index = input_.prefix_lists[at].index;
      input_.prefix_lists[at] = std::move(other);
    } else if (one_in(2) && !entries.empty()) {
      entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(policy_.below(entries.size())));
    } else {
      for (const Cidr& cidr : any_of(donor_.input().prefix_lists).entries) {
        const bool fits = cidr.family() == input_.prefix_lists[at].family;
        if (fits && std::ranges::find(entries, cidr) == entries.end()) entries.push_back(cidr);
      }
    }
  }
  void change_addresses() {
    if (input_.interfaces.empty()) return;
    InterfaceInput& interface = any_of(input_.interfaces);
    const IpAddr base = input_.subnets[interface.subnet.value()].cidrs[0].address();
    const IpAddr address = IpAddr::v4(
        base.v4_value() + 4 + static_cast<std::uint32_t>(policy_.below(RandomPolicy::kHosts)));
    for (InterfaceInput& other : input_.interfaces) {
      if (other.vpc != interface.vpc) continue;
      // Moves from whoever has it.
      std::erase(other.addresses, address);
      if (other.addresses.empty()) other.addresses.push_back(spare_address(other));
    }
    interface.addresses.push_back(address);
    interface.logged = one_in(2);
  }
  // Moves from whoever has it, too, or goes.
  void change_prefixes() {
    if (input_.interfaces.empty()) return;
    InterfaceInput& interface = any_of(input_.interfaces);
    const Cidr prefix = policy_.any_delegation(input_.subnets[interface.subnet.value()]);
    for (InterfaceInput& other : input_.interfaces) {
      if (other.vpc == interface.vpc) std::erase(other.prefixes, prefix);
    }
    if (!one_in(3)) interface.prefixes.push_back(prefix);
  }
  IpAddr spare_address(const InterfaceInput& interface) {
    const IpAddr base = input_.subnets[interface.subnet.value()].cidrs[1].address();
    return IpAddr::v6(base.high(), 0x10000 + ++spare_);
  }
  void change_acl() {
    if (input_.acls.empty() || donor_.input().acls.empty()) return;
    AclInput& acl = any_of(input_.acls);
    const AclIndex index = acl.index;
    acl = any_of(donor_.input().acls);
    acl.index = index;
  }
  void change_subnet() {
    SubnetInput& subnet = any_of(input_.subnets);
    subnet.acl = one_in(3) || input_.acls.empty() ? AclIndex() : any_of(input_.acls).index;
  }
  void come_or_go() {
    if (!gone_.empty() && one_in(2)) {
      const InterfaceInput back = gone_.back();
      for (const InterfaceInput& other : input_.interfaces) {
        for (const IpAddr& address : back.addresses) {
          const bool is_taken =
              std::ranges::find(other.addresses, address) != other.addresses.end();
          if (other.vpc == back.vpc && is_taken) return;
        }
        for (const Cidr& prefix : back.prefixes) {
          const bool is_taken = std::ranges::find(other.prefixes, prefix) != other.prefixes.end();
          if (other.vpc == back.vpc && is_taken) return;
        }
      }
      gone_.pop_back();
      input_.interfaces.push_back(back);
    } else if (input_.interfaces.size() > 3) {
      const std::size_t at = policy_.below(input_.interfaces.size());
      gone_.push_back(input_.interfaces[at]);
      input_.interfaces.erase(input_.interfaces.begin() + static_cast<std::ptrdiff_t>(at));
    }
  }
  void change_settings() {
    if (one_in(4)) {
      input_.exempt = one_in(2) ? ExemptProfile::Aws : ExemptProfile::None;
    } else if (input_.vpcs.size() > 1) {
      std::vector<VpcIndex>& a = input_.vpcs[0].peers;
      std::vector<VpcIndex>& b = input_.vpcs[1].peers;
      if (std::erase(a, VpcIndex(1)) + std::erase(b, VpcIndex(0)) == 0) {
        a.push_back(VpcIndex(1));
        b.push_back(VpcIndex(0));
      }
    }
  }

  RandomPolicy policy_;
  RandomPolicy donor_;
  SnapshotInput input_;
  std::vector<InterfaceInput> gone_;
  std::uint32_t next_rule_ = 0;
  std::uint64_t spare_ = 0;
};

TEST(SnapshotChange, answers_like_a_fresh_compile_after_each_of_many_edits) {
  const std::size_t seeds = 20;
  const std::size_t edits = scaled_count(4'000, 10'000) / seeds;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    Editor editor(seed);
    SnapshotInput former = editor.input();
    Snapshot snapshot = fresh(former);
    for (std::size_t i = 0; i < edits; ++i) {
      editor.edit();
      if (i % 7 == 0) editor.edit();  // several at once, too
      SnapshotInput next = editor.input();
      next.generation = former.generation.next();
      snapshot = changed(*snapshot, former, next);
      EXPECT_EQ(snapshot->generation(), next.generation);
      std::vector<Question> questions;
      for (int k = 0; k < 12; ++k) questions.push_back(editor.question());
      expect_equal(*snapshot, *fresh(next), next, std::move(questions));
      if (HasFailure()) return;
      former = std::move(next);
    }
  }
}

TEST(SnapshotChange, never_disturbs_a_snapshot_that_is_alive) {
  struct Version {
    Snapshot snapshot;
    std::vector<std::pair<Question, Decision>> answers;
  };
  Editor editor(77);
  SnapshotInput former = editor.input();
  std::deque<Version> versions;
  versions.push_back({fresh(former), {}});
  for (std::size_t i = 0; i < scaled_count(400); ++i) {
    Version& newest = versions.back();
    while (newest.answers.size() < 20) {
      const Question question = editor.question();
      if (!can_ask(former, question)) continue;
      newest.answers.emplace_back(question, decide(*newest.snapshot, question));
    }
    editor.edit();
    const SnapshotInput next = editor.input();
    versions.push_back({changed(*newest.snapshot, former, next), {}});
    former = next;
    if (versions.size() > 8) versions.erase(versions.begin() + static_cast<long>(i % 7));
    for (const Version& version : versions) {
      for (const auto& [question, answer] : version.answers) {
        expect_same(decide(*version.snapshot, question), answer);
      }
    }
    ASSERT_FALSE(HasFailure());
  }
}

TEST(SnapshotChange, of_nothing_is_nothing) {
  const RandomPolicy policy(3);
  const SnapshotChange change = difference(policy.input(), policy.input());
  EXPECT_TRUE(change.vpcs.empty() && change.subnets.empty() && change.groups.empty());
  EXPECT_TRUE(change.acls.empty() && change.interfaces.empty() && change.prefix_lists.empty());
}

TEST(SnapshotChange, gives_back_what_goes_so_that_size_does_not_grow) {
  SmallPolicy policy;
  const GroupIndex group = policy.add_own_group();
  Snapshot snapshot = policy.seal();
  SnapshotInput former = policy.input();
  std::size_t size_after_one = 0;
  for (std::uint32_t i = 0; i < 2'000; ++i) {
    SnapshotInput next = former;
    RuleInput rule;
    rule.index = RuleIndex(0);
    char id[32];
    std::snprintf(id, sizeof id, "sgr-%017x", i);
    rule.id = id;
    rule.peer = Cidr(IpAddr::v4(0x0b000000u + i * 257), 32);
    next.groups[group.value()].rules = {rule};
    next.interfaces[0].addresses = {IpAddr::v4(0x0a00010bu + i % 200)};
    snapshot = changed(*snapshot, former, next);
    former = next;
    if (i == 0) size_after_one = snapshot->size();
  }
  EXPECT_LT(snapshot->size(), size_after_one + 4'096);
}

TEST(SnapshotChange, shares_what_it_leaves_alone) {
  PolicyShape shape;
  shape.groups = 200;
  shape.rules_per_group = 40;
  shape.interfaces = 400;
  shape.vpcs = 10;
  RandomPolicy policy(5, shape);
  const Snapshot former = fresh(policy.input());
  SnapshotInput next = policy.input();
  next.groups[7].rules.clear();
  const Snapshot snapshot = changed(*former, policy.input(), next);
  const auto rows = [](const Snapshot& one, std::uint32_t eni) {
    return one->find_interface(EniIndex(eni));
  };
  EXPECT_EQ(rows(former, 0), rows(snapshot, 0)) << "the very same row";
  EXPECT_EQ(rows(former, 300), rows(snapshot, 300));
}

struct LossCase {
  const char* name;
  void (*damage)(SnapshotInput&);
  const char* word;
};

// What the rest of the policy still refers to.
const LossCase kLosses[] = {
    {"group", [](SnapshotInput& input) { input.groups.clear(); }, "group number 0"},
    {"subnet", [](SnapshotInput& input) { input.subnets.erase(input.subnets.begin()); },
     "subnet number 0"},
    {"vpc", [](SnapshotInput& input) { input.vpcs.clear(); }, "VPC number 0"},
    {"acl", [](SnapshotInput& input) { input.acls.clear(); }, "network ACL number 0"},
};

class LostThing : public testing::TestWithParam<LossCase> {};

TEST_P(LostThing, is_refused_while_something_refers_to_it) {
  SmallPolicy policy;
  policy.allow_in(policy.add_own_group(), 6, {80, 80}, "0.0.0.0/0");
  policy.add_acl(0);
  const Snapshot former = policy.seal();
  SnapshotInput next = policy.input();
  GetParam().damage(next);
  const auto result = change_snapshot(*former, difference(policy.input(), next));
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(result.error().sentence.find(GetParam().word), std::string::npos)
      << result.error().sentence;
}
INSTANTIATE_TEST_SUITE_P(SnapshotChange, LostThing, testing::ValuesIn(kLosses),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace sluice
