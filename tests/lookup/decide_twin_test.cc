// decide() against its slow twin, over random policies and packets.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "lookup/decide.h"
#include "lookup/snapshot_builder.h"
#include "lookup/verdict_cache.h"
#include "tests/reference/random_policy.h"
#include "tests/reference/slow_policy.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

std::string describe(const Question& question) {
  return "eni " + std::to_string(question.eni.value()) + " " +
         std::string(name_of(question.direction)) + " proto " +
         std::to_string(static_cast<int>(question.proto)) + " port " +
         std::to_string(question.port) + " source port " + std::to_string(question.source_port) +
         " remote " + question.remote.to_string();
}

void expect_same(const Decision& fast, const Decision& slow, const Question& question) {
  SCOPED_TRACE(describe(question));
  EXPECT_EQ(fast.verdict, slow.verdict);
  EXPECT_EQ(name_of(fast.by), name_of(slow.by));
  EXPECT_EQ(name_of(fast.reason), name_of(slow.reason));
  EXPECT_EQ(fast.rule, slow.rule);
  EXPECT_EQ(fast.group, slow.group);
  EXPECT_EQ(fast.tracked, slow.tracked);
  EXPECT_EQ(fast.conditional, slow.conditional);
  EXPECT_EQ(fast.acl.asked, slow.acl.asked);
  EXPECT_EQ(fast.acl.allow, slow.acl.allow);
  EXPECT_EQ(fast.acl.acl, slow.acl.acl);
  EXPECT_EQ(fast.acl.rule, slow.acl.rule);
}

std::shared_ptr<const PolicySnapshot> seal(const SnapshotInput& input) {
  Result<std::shared_ptr<const PolicySnapshot>> sealed = build_snapshot(input);
  EXPECT_TRUE(sealed.has_value()) << sealed.error().sentence;
  return sealed.has_value() ? *sealed : nullptr;
}

struct TwinCase {
  std::string name;
  PolicyShape shape;
  std::size_t policies;
  bool expects_untracked = true;  // big enough that some flow must be untracked
};

PolicyShape make_shape(std::size_t groups, std::size_t rules, std::size_t interfaces) {
  PolicyShape shape;
  shape.groups = groups;
  shape.rules_per_group = rules;
  shape.interfaces = interfaces;
  return shape;
}

std::vector<TwinCase> twin_cases() {
  std::vector<TwinCase> cases{
      {"ordinary", PolicyShape(), 80},
      {"one_of_each", make_shape(1, 3, 2), 40, false},
      {"few_rules", make_shape(4, 1, 10), 40, false},
      {"many_rules", make_shape(5, 60, 12), 20},
      {"many_groups", make_shape(60, 3, 40), 10},
  };
  PolicyShape lists;
  lists.prefix_lists = 20;
  lists.entries_per_list = 40;
  cases.push_back({"many_lists", lists, 10});
  PolicyShape vpcs;
  vpcs.vpcs = 12;
  vpcs.interfaces = 60;
  cases.push_back({"many_vpcs", vpcs, 10});
  PolicyShape acls;
  acls.acls = 8;
  acls.entries_per_acl = 40;
  cases.push_back({"long_acls", acls, 10});
  return cases;
}

// In a test run 220,000 questions of all cases, in the nightly one ten million.
constexpr std::size_t kQuestions = 1'000;
constexpr std::size_t kNightlyFactor = 46;

TEST(DecideTwinSize, is_what_it_is_said_to_be) {
  std::size_t policies = 0;
  for (const TwinCase& twin : twin_cases()) policies += twin.policies;
  EXPECT_GE(policies * kQuestions, 200'000u);
  EXPECT_GE(policies * kQuestions * kNightlyFactor, 10'000'000u);
}

class DecideTwin : public testing::TestWithParam<TwinCase> {};

TEST_P(DecideTwin, agrees_with_the_slow_twin_on_random_questions) {  // SG-3
  std::size_t accepted = 0;
  std::size_t untracked = 0;
  std::size_t asked = 0;
  const std::size_t policies =
      scaled_count(GetParam().policies, GetParam().policies * kNightlyFactor);
  for (std::size_t seed = 0; seed < policies; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomPolicy policy(seed, GetParam().shape);
    const std::shared_ptr<const PolicySnapshot> snapshot = seal(policy.input());
    ASSERT_NE(snapshot, nullptr);
    const SlowPolicy slow(policy.input());
    VerdictCache cache;
    for (std::size_t i = 0; i < kQuestions; ++i) {
      const Question question = policy.question();
      const Decision decision = decide(*snapshot, question);
      expect_same(cache.decide(*snapshot, question), decision, question);
      expect_same(decision, slow.decide(question), question);
      expect_same(decide_established(*snapshot, question), slow.decide_established(question),
                  question);
      if (HasFailure()) return;
      const bool is_accepted = decision.verdict == Verdict::Accept;
      ++asked;
      accepted += is_accepted ? 1 : 0;
      untracked += is_accepted && decision.by == By::Rule && !decision.tracked ? 1 : 0;
    }
  }
  if (policies < 10) return;  // too few to tell
  // Random questions that are all refused would prove little.
  EXPECT_GT(accepted, asked / 20);
  if (GetParam().expects_untracked) {
    EXPECT_GT(untracked, 0u);
  }
}
INSTANTIATE_TEST_SUITE_P(random, DecideTwin, testing::ValuesIn(twin_cases()),
                         [](const auto& twin) { return twin.param.name; });

TEST(DecideTwin, tells_the_witness_what_it_tells_the_packet_path) {
  const std::size_t policies = scaled_count(40);
  for (std::size_t seed = 1000; seed < 1000 + policies; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomPolicy policy(seed);
    const std::shared_ptr<const PolicySnapshot> snapshot = seal(policy.input());
    ASSERT_NE(snapshot, nullptr);
    const SlowPolicy slow(policy.input());
    for (std::size_t i = 0; i < 250; ++i) {
      const Question question = policy.question();
      WitnessSteps steps;
      const Decision decision = decide(*snapshot, question, steps);
      expect_same(decision, decide(*snapshot, question), question);
      for (const WitnessStep& step : steps) {
        if (step.kind == WitnessStep::Kind::RuleMatched && decision.verdict == Verdict::Accept) {
          EXPECT_EQ(step.rule, decision.rule);
        }
        if (step.kind != WitnessStep::Kind::Group) continue;
        const std::vector<const RuleInput*> rules = slow.matching_rules(question);
        const auto is_of_group = [&](const RuleInput* rule) {
          const std::vector<RuleInput>& own = slow.input().groups[step.group.value()].rules;
          return !own.empty() && rule >= &own.front() && rule <= &own.back();
        };
        EXPECT_EQ(step.matched, std::ranges::any_of(rules, is_of_group)) << describe(question);
      }
      if (HasFailure()) return;
    }
  }
}

// Rules that demand an application or names: what the connection turns out to be decides.
TEST(DecideTwin, judges_what_was_identified_as_the_slow_twin_does) {
  std::array<std::size_t, kDropReasonCount> seen{};
  std::size_t accepted = 0;
  const std::size_t policies = scaled_count(60);
  for (std::size_t seed = 2000; seed < 2000 + policies; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomPolicy policy(seed);
    const std::shared_ptr<const PolicySnapshot> snapshot = seal(policy.input());
    ASSERT_NE(snapshot, nullptr);
    const SlowPolicy slow(policy.input());
    for (std::size_t i = 0; i < 1'000; ++i) {
      const Question question = policy.question();
      if (!decide(*snapshot, question).conditional) continue;
      const Identified identified = policy.identified();
      SCOPED_TRACE("app " + std::to_string(static_cast<int>(identified.app)) + " name " +
                   std::string(identified.name));
      const Decision decision = decide_identified(*snapshot, question, identified);
      expect_same(decision, slow.decide_identified(question, identified), question);
      WitnessSteps steps;
      expect_same(decide_identified(*snapshot, question, identified, steps), decision, question);
      EXPECT_FALSE(steps.empty());
      if (HasFailure()) return;
      accepted += decision.verdict == Verdict::Accept ? 1 : 0;
      ++seen[static_cast<std::size_t>(decision.reason)];
    }
  }
  if (policies < 10) return;
  EXPECT_GT(accepted, 0u);
  for (const DropReason reason : {DropReason::AppMismatch, DropReason::DomainMismatch,
                                  DropReason::AppUnknown, DropReason::AppUninspected}) {
    EXPECT_GT(seen[static_cast<std::size_t>(reason)], 0u) << name_of(reason);
  }
}

}  // namespace
}  // namespace sluice
