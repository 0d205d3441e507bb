#include "lookup/verdict_cache.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "base/limits.h"
#include "lookup/snapshot_builder.h"
#include "tests/lookup/small_policy.h"
#include "tests/reference/random_policy.h"

namespace sluice {
namespace {

constexpr auto kIn = Direction::Ingress;

bool same(const Decision& a, const Decision& b) {
  return a.verdict == b.verdict && a.by == b.by && a.reason == b.reason && a.rule == b.rule &&
         a.group == b.group && a.tracked == b.tracked && a.acl.asked == b.acl.asked &&
         a.acl.allow == b.acl.allow && a.acl.rule == b.acl.rule;
}

TEST(VerdictCache, answers_bursts_like_single_questions) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    RandomPolicy policy(seed);
    const auto snapshot = *build_snapshot(policy.input());
    VerdictCache cache;
    for (int round = 0; round < 10; ++round) {
      std::vector<Question> questions(1 + policy.below(kBurstMax));
      for (Question& question : questions) question = policy.question();
      std::vector<Decision> decisions(questions.size());
      cache.decide_burst(*snapshot, questions, decisions);
      for (std::size_t i = 0; i < questions.size(); ++i) {
        ASSERT_TRUE(same(decisions[i], decide(*snapshot, questions[i])));
      }
    }
  }
}

TEST(VerdictCache, asks_every_port_anew) {
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  policy.allow_in(own, 6, {443, 443}, "198.51.100.0/24");
  const RuleIndex range = policy.allow_in(own, 6, {8000, 8080}, "198.51.100.0/24");
  const auto snapshot = policy.seal();
  VerdictCache cache;
  for (std::uint32_t port = 0; port <= 65535; ++port) {
    const auto number = static_cast<std::uint16_t>(port);
    const Decision decision =
        cache.decide(*snapshot, SmallPolicy::packet_in(Proto::Tcp, number, "198.51.100.7"));
    const bool is_in = port >= 8000 && port <= 8080;
    ASSERT_EQ(decision.verdict == Verdict::Accept, is_in || port == 443) << port;
    if (is_in) {
      ASSERT_EQ(decision.rule, range);
    }
  }
}

TEST(VerdictCache, keeps_directions_protocols_and_families_apart) {
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  policy.allow_in(own, 6, {80, 80}, "0.0.0.0/0");
  policy.allow_in(own, 58, {-1, -1}, "::/0");
  const auto snapshot = policy.seal();
  VerdictCache cache;
  const auto passes = [&](const Question& question) {
    return cache.decide(*snapshot, question).verdict == Verdict::Accept;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(passes(SmallPolicy::packet_in(Proto::Tcp, 80, "192.0.2.1")));
    EXPECT_FALSE(passes(SmallPolicy::packet_in(Proto::Udp, 80, "192.0.2.1")));
    EXPECT_FALSE(passes(SmallPolicy::packet_out(Proto::Tcp, 80, "192.0.2.1")));
    EXPECT_FALSE(passes(SmallPolicy::packet_in(Proto::Tcp, 80, "2001:db8::1")));
    EXPECT_TRUE(passes(SmallPolicy::packet_in(Proto::Icmpv6, 128 << 8, "2001:db8::1")));
    EXPECT_FALSE(passes(SmallPolicy::packet_in(Proto::Icmpv6, 128 << 8, "192.0.2.1"))) << "SG-22";
  }
}

TEST(VerdictCache, is_empty_for_the_next_generation) {
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  policy.allow_in(own, 6, {80, 80}, "0.0.0.0/0");
  const Question question = SmallPolicy::packet_in(Proto::Tcp, 80, "192.0.2.1");
  VerdictCache cache;
  EXPECT_EQ(cache.decide(*policy.seal(), question).verdict, Verdict::Accept);
  policy.input().groups[0].rules.clear();
  policy.input().generation = policy.input().generation.next();
  EXPECT_EQ(cache.decide(*policy.seal(), question).verdict, Verdict::Drop);
}

TEST(VerdictCache, keeps_each_port_by_itself_where_rules_take_more_lanes_than_an_entry_has) {
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  std::vector<RuleIndex> rules;
  for (int i = 0; i < 40; ++i)
    rules.push_back(policy.allow_in(own, 6, {2 * i, 2 * i}, "0.0.0.0/0"));
  const auto snapshot = policy.seal();
  VerdictCache cache;
  for (int round = 0; round < 3; ++round) {
    for (std::uint16_t port = 0; port < 80; ++port) {
      const Decision decision =
          cache.decide(*snapshot, SmallPolicy::packet_in(Proto::Tcp, port, "192.0.2.1"));
      ASSERT_EQ(decision.rule, port % 2 == 0 ? rules[port / 2] : RuleIndex()) << port;
    }
  }
}

TEST(VerdictCache, keeps_what_is_untracked_by_ports_too) {
  // CT-4: untracked where the peer is every address and all replies are allowed.
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  policy.allow_out(own, -1, {}, "0.0.0.0/0");
  for (int i = 0; i < 20; ++i) {
    policy.allow_in(own, 6, {2 * i, 2 * i}, i % 2 == 0 ? "0.0.0.0/0" : "192.0.2.0/24");
  }
  const auto snapshot = policy.seal();
  VerdictCache cache;
  for (int round = 0; round < 2; ++round) {
    for (std::uint16_t i = 0; i < 20; ++i) {
      const Decision decision = cache.decide(
          *snapshot,
          SmallPolicy::packet_in(Proto::Tcp, static_cast<std::uint16_t>(2 * i), "192.0.2.1"));
      ASSERT_EQ(decision.verdict, Verdict::Accept);
      ASSERT_EQ(decision.tracked, i % 2 == 1) << i;
    }
  }
}

TEST(VerdictCache, is_not_widened_by_a_rule_that_hides_another) {
  // The narrow rule names every address, so it alone makes its port untracked (CT-4, vector 8).
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  policy.allow_out(own, -1, {}, "0.0.0.0/0");
  const RuleIndex wide = policy.add_rule(own, kIn, 6, {0, 65535}, *Cidr::parse("192.0.2.0/24"));
  policy.add_rule(own, kIn, 6, {80, 80}, *Cidr::parse("0.0.0.0/0"));
  const auto snapshot = policy.seal();
  VerdictCache cache;
  const auto ask = [&](std::uint16_t port) {
    return cache.decide(*snapshot, SmallPolicy::packet_in(Proto::Tcp, port, "192.0.2.1"));
  };
  EXPECT_EQ(ask(80).rule, wide);
  EXPECT_FALSE(ask(80).tracked);
  EXPECT_EQ(ask(81).rule, wide);
  EXPECT_TRUE(ask(81).tracked);
}

}  // namespace
}  // namespace sluice
