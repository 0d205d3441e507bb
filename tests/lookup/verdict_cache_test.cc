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

// More classes than there is room for, each asked for again and again, of one generation and then
// of the next: sets overflow, and tags of 16 bits mean more than one of them.
TEST(VerdictCache, answers_right_where_sets_overflow) {
  constexpr std::uint32_t kClasses = VerdictCache::kEntries * 3 / 2;
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  const PrefixListIndex list = policy.add_list(Family::Ipv4, {});
  for (std::uint32_t i = 0; i < kClasses; ++i) {
    const Cidr net(IpAddr::v4((i + 0x0b'0000u) << 8), 24);
    policy.input().prefix_lists[list.value()].entries.push_back(net);
  }
  policy.add_rule(own, kIn, 6, {80, 80}, list);
  const auto first = policy.seal();
  policy.input().generation = Generation(policy.input().generation.value() + 1);
  const RuleIndex other = policy.add_rule(own, kIn, 6, {81, 81}, list);
  const auto second = policy.seal();
  VerdictCache cache;
  std::uint64_t random = 1;
  for (std::size_t round = 0; round < 4'000; ++round) {
    std::array<Question, 32> questions;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const auto drawn = static_cast<std::uint32_t>(random >> 33);
      // Now and then the same one twice in a burst.
      const std::uint32_t net = i % 8 == 7 ? 5 : drawn % (kClasses + 1000);
      questions[i] = SmallPolicy::packet_in(Proto::Tcp, drawn % 2 == 0 ? 80 : 81, "1.1.1.1");
      questions[i].remote = IpAddr::v4((net + 0x0b'0000u) << 8 | 9);
    }
    const PolicySnapshot& snapshot = round % 1000 < 500 ? *first : *second;
    std::array<Decision, 32> decisions;
    cache.decide_burst(snapshot, questions, decisions);
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const std::uint32_t net = (questions[i].remote.v4_value() >> 8) - 0x0b'0000u;
      const bool is_allowed =
          net < kClasses && (questions[i].port == 80 || &snapshot == second.get());
      ASSERT_EQ(decisions[i].verdict == Verdict::Accept, is_allowed) << net;
      ASSERT_EQ(decisions[i].rule == other, is_allowed && questions[i].port == 81) << net;
      ASSERT_TRUE(!is_allowed || decisions[i].group == own) << net;
      ASSERT_TRUE(same(cache.decide(snapshot, questions[i]), decisions[i])) << net;
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
  EXPECT_EQ(cache.asked(), 3u * 80u);
  EXPECT_EQ(cache.filled(), 1u + 80u) << "of the class, and of each port once";
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
