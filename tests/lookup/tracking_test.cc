// Tracked or untracked: the worked example of CT-10 and the vectors after it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/lookup/small_policy.h"

namespace sluice {
namespace {

constexpr PortMatch kAllPorts{0, 65535};
constexpr PortMatch kAnyType{-1, -1};
constexpr int kAll = -1;
constexpr int kTcp = 6;
constexpr int kUdp = 17;

struct RuleText {
  bool is_egress;
  int proto;
  PortMatch ports;
  std::string peer;  // a CIDR, or "list" for a list that holds 0.0.0.0/0
  int group = 0;     // 0 or 1: which of the interface's two groups holds it
};

struct TrackingCase {
  std::string name;
  std::vector<RuleText> rules;
  Question question;
  bool tracked;
};

std::vector<RuleText> worked_example(bool has_ipv4_egress) {
  std::vector<RuleText> rules{
      {false, kTcp, {22, 22}, "203.0.113.1/32"},
      {false, kTcp, {80, 80}, "0.0.0.0/0"},
      {false, kTcp, {80, 80}, "::/0"},
      {false, 1, kAnyType, "0.0.0.0/0"},
      {true, kAll, {}, "::/0"},
  };
  if (has_ipv4_egress) rules.push_back({true, kAll, {}, "0.0.0.0/0"});
  return rules;
}

Question in(Proto proto, std::uint16_t port, const char* remote) {
  return SmallPolicy::packet_in(proto, port, remote);
}

std::vector<TrackingCase> tracking_cases() {
  const RuleText all_out{true, kAll, {}, "0.0.0.0/0"};
  const Question ssh = in(Proto::Tcp, 22, "198.51.100.7");
  const Question https = in(Proto::Tcp, 443, "198.51.100.7");
  const Question dns = in(Proto::Udp, 53, "198.51.100.7");
  return {
      {"ct_10_ssh_from_one_host", worked_example(true), in(Proto::Tcp, 22, "203.0.113.1"), true},
      {"ct_10_http_ipv4", worked_example(true), in(Proto::Tcp, 80, "203.0.113.1"), false},
      {"ct_10_http_ipv6", worked_example(true), in(Proto::Tcp, 80, "2001:db8::1"), false},
      // CT-3: ICMP is always tracked.
      {"ct_10_icmp", worked_example(true), in(Proto::Icmp, 8 << 8, "203.0.113.1"), true},
      // CT-5: by family.
      {"ct_10_http_ipv4_without_ipv4_egress", worked_example(false),
       in(Proto::Tcp, 80, "203.0.113.1"), true},
      {"ct_10_http_ipv6_without_ipv4_egress", worked_example(false),
       in(Proto::Tcp, 80, "2001:db8::1"), false},
      {"vector_1_open_ssh", {{false, kTcp, {22, 22}, "0.0.0.0/0"}, all_out}, ssh, false},
      {"vector_2_ssh_from_one_host",
       {{false, kTcp, {22, 22}, "198.51.100.7/32"}, all_out},
       ssh,
       true},
      {"vector_3_no_egress", {{false, kTcp, {22, 22}, "198.51.100.7/32"}}, ssh, true},
      {"vector_4_egress_of_high_ports_only",
       {{false, kTcp, {22, 22}, "0.0.0.0/0"}, {true, kTcp, {1024, 65535}, "0.0.0.0/0"}},
       ssh,
       true},
      {"vector_5_egress_of_every_tcp_port",
       {{false, kTcp, {443, 443}, "0.0.0.0/0"}, {true, kTcp, kAllPorts, "0.0.0.0/0"}},
       https,
       false},
      {"vector_6_two_halves_are_no_whole",
       {{false, kTcp, {443, 443}, "0.0.0.0/1"}, {false, kTcp, {443, 443}, "128.0.0.0/1"}, all_out},
       https,
       true},
      {"vector_7_a_prefix_list_never_counts",
       {{false, kTcp, {443, 443}, "list"}, all_out},
       https,
       true},
      {"vector_7_a_prefix_list_does_not_cover_replies",
       {{false, kTcp, {443, 443}, "0.0.0.0/0"}, {true, kAll, {}, "list"}},
       https,
       true},
      {"vector_8_narrow_and_open_rule",
       {{false, kTcp, {443, 443}, "198.51.100.7/32"},
        {false, kTcp, {443, 443}, "0.0.0.0/0"},
        all_out},
       https,
       false},
      {"vector_8_open_rule_first",
       {{false, kTcp, {443, 443}, "0.0.0.0/0"},
        {false, kTcp, {443, 443}, "198.51.100.7/32"},
        all_out},
       https,
       false},
      {"vector_9_the_union_of_groups_counts",
       {{false, kTcp, {80, 80}, "0.0.0.0/0", 0}, {true, kAll, {}, "0.0.0.0/0", 1}},
       in(Proto::Tcp, 80, "198.51.100.7"),
       false},
      // CT-4: both rules must be open.
      {"the_open_rule_must_admit_this_port",
       {{false, kTcp, {443, 443}, "198.51.100.7/32"},
        {false, kTcp, {80, 80}, "0.0.0.0/0"},
        all_out},
       https,
       true},
      {"an_open_rule_of_every_protocol_counts",
       {{false, kAll, {}, "0.0.0.0/0"}, all_out},
       https,
       false},
      {"udp_like_tcp", {{false, kUdp, {53, 53}, "0.0.0.0/0"}, all_out}, dns, false},
      {"egress_of_the_other_protocol",
       {{false, kUdp, {53, 53}, "0.0.0.0/0"}, {true, kTcp, kAllPorts, "0.0.0.0/0"}},
       dns,
       true},
      {"egress_of_the_other_family",
       {{false, kUdp, {53, 53}, "0.0.0.0/0"}, {true, kAll, {}, "::/0"}},
       dns,
       true},
      {"open_rule_of_the_same_direction_does_not_cover_replies",
       {{false, kTcp, {443, 443}, "0.0.0.0/0"}, {false, kAll, {}, "0.0.0.0/0"}},
       https,
       true},
      {"other_protocols_are_always_tracked",
       {{false, kAll, {}, "0.0.0.0/0"}, all_out},
       in(Proto::Esp, 0, "198.51.100.7"),
       true},
      {"icmpv6_is_always_tracked",
       {{false, kAll, {}, "::/0"}, {true, kAll, {}, "::/0"}},
       in(Proto::Icmpv6, 128 << 8, "2001:db8::1"),
       true},
      {"egress_flows_the_other_way_about",
       {{false, kTcp, kAllPorts, "0.0.0.0/0"}, {true, kTcp, {443, 443}, "0.0.0.0/0"}},
       SmallPolicy::packet_out(Proto::Tcp, 443, "198.51.100.7"),
       false},
      {"egress_flow_without_open_ingress",
       {{false, kTcp, {0, 65534}, "0.0.0.0/0"}, all_out},
       SmallPolicy::packet_out(Proto::Tcp, 443, "198.51.100.7"),
       true},
  };
}

class TrackingVectors : public testing::TestWithParam<TrackingCase> {};

TEST_P(TrackingVectors, follow_the_semantics) {
  SmallPolicy policy;
  const GroupIndex groups[2] = {policy.add_own_group(), policy.add_own_group()};
  const PrefixListIndex list = policy.add_list(Family::Ipv4, {"0.0.0.0/0"});
  for (const RuleText& rule : GetParam().rules) {
    PeerInput peer = list;
    if (rule.peer != "list") peer = *Cidr::parse(rule.peer);
    policy.add_rule(groups[rule.group], rule.is_egress ? Direction::Egress : Direction::Ingress,
                    rule.proto, rule.ports, peer);
  }
  const Decision decision = decide(*policy.seal(), GetParam().question);
  ASSERT_EQ(decision.verdict, Verdict::Accept);
  EXPECT_EQ(decision.tracked, GetParam().tracked);
}
INSTANTIATE_TEST_SUITE_P(Tracking, TrackingVectors, testing::ValuesIn(tracking_cases()),
                         [](const auto& row) { return row.param.name; });

TEST(Tracking, names_the_two_rules_that_make_a_flow_untracked) {  // CT-4
  SmallPolicy policy;
  const GroupIndex group = policy.add_own_group();
  policy.allow_in(group, kTcp, {443, 443}, "198.51.100.0/24");
  const RuleIndex open = policy.allow_in(group, kTcp, {443, 443}, "0.0.0.0/0");
  const RuleIndex reply = policy.allow_out(group, kAll, {}, "0.0.0.0/0");
  WitnessSteps steps;
  decide(*policy.seal(), in(Proto::Tcp, 443, "198.51.100.7"), steps);
  ASSERT_FALSE(steps.empty());
  bool is_seen = false;
  for (const WitnessStep& step : steps) {
    if (step.kind != WitnessStep::Kind::Untracked) continue;
    is_seen = true;
    EXPECT_EQ(step.rule, open);
    EXPECT_EQ(step.other, reply);
  }
  EXPECT_TRUE(is_seen);
}

}  // namespace
}  // namespace sluice
