#include "lookup/decide.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/lookup/small_policy.h"

namespace sluice {
namespace {

constexpr PortMatch kNone{0, 0};
constexpr PortMatch kAnyType{-1, -1};
constexpr int kAll = -1;
constexpr int kTcp = 6;
constexpr int kUdp = 17;
constexpr int kIcmp = 1;
constexpr int kIcmpv6 = 58;
constexpr Proto kGre{47};

std::string rule_id(int number) {
  char text[32];
  std::snprintf(text, sizeof text, "sgr-%017d", number);
  return text;
}

Question in(Proto proto, std::uint16_t port, const char* remote) {
  return SmallPolicy::packet_in(proto, port, remote);
}
Question out(Proto proto, std::uint16_t port, const char* remote) {
  return SmallPolicy::packet_out(proto, port, remote);
}
bool allows(const SmallPolicy& policy, const Question& question) {
  return decide(*policy.seal(), question).verdict == Verdict::Accept;
}

// -- one rule, one packet (semantics 1.3) ---------------------------------------------------------

struct MatchCase {
  std::string name;
  int proto;
  PortMatch ports;
  const char* peer;
  Question question;
  bool allowed;
};

std::vector<MatchCase> match_cases() {
  const char* const any4 = "0.0.0.0/0";
  const char* const any6 = "::/0";
  return {
      {"tcp_port", kTcp, {443, 443}, any4, in(Proto::Tcp, 443, "192.0.2.1"), true},
      // SG-1: what no rule allows is dropped.
      {"tcp_port_below", kTcp, {443, 443}, any4, in(Proto::Tcp, 442, "192.0.2.1"), false},
      {"tcp_port_above", kTcp, {443, 443}, any4, in(Proto::Tcp, 444, "192.0.2.1"), false},
      // SG-12: both ends of the range count.
      {"tcp_range_first", kTcp, {80, 90}, any4, in(Proto::Tcp, 80, "192.0.2.1"), true},
      {"tcp_range_last", kTcp, {80, 90}, any4, in(Proto::Tcp, 90, "192.0.2.1"), true},
      {"tcp_port_0", kTcp, {0, 0}, any4, in(Proto::Tcp, 0, "192.0.2.1"), true},
      {"tcp_port_65535", kTcp, {65535, 65535}, any4, in(Proto::Tcp, 65535, "192.0.2.1"), true},
      {"udp_is_not_tcp", kTcp, {53, 53}, any4, in(Proto::Udp, 53, "192.0.2.1"), false},
      {"udp", kUdp, {53, 53}, any4, in(Proto::Udp, 53, "192.0.2.1"), true},
      // SG-22: rules of the other family.
      {"ipv4_rule_and_ipv6_packet",
       kTcp,
       {443, 443},
       any4,
       in(Proto::Tcp, 443, "2001:db8::1"),
       false},
      {"ipv6_rule_and_ipv4_packet",
       kTcp,
       {443, 443},
       any6,
       in(Proto::Tcp, 443, "192.0.2.1"),
       false},
      {"ipv6", kTcp, {443, 443}, any6, in(Proto::Tcp, 443, "2001:db8::1"), true},
      {"all_protocols", kAll, kNone, any4, in(Proto::Esp, 0, "192.0.2.1"), true},
      {"all_protocols_tcp", kAll, kNone, any4, in(Proto::Tcp, 9, "192.0.2.1"), true},
      {"all_protocols_of_the_other_family", kAll, kNone, any4, in(Proto::Tcp, 9, "2001:db8::1"),
       false},
      // SG-13: ports of other protocols are not looked at.
      {"number_ignores_ports", 47, {80, 80}, any4, in(kGre, 0, "192.0.2.1"), true},
      {"number_of_another_protocol", 47, kNone, any4, in(Proto::Esp, 0, "192.0.2.1"), false},
      {"number_0_is_a_protocol", 0, kNone, any6, in(Proto::HopByHop, 0, "2001:db8::1"), true},
      {"number_255", 255, kNone, any4, in(Proto{255}, 0, "192.0.2.1"), true},
      // SG-14: types and codes.
      {"ping", kIcmp, {8, -1}, any4, in(Proto::Icmp, 8 << 8, "192.0.2.1"), true},
      {"ping_any_code", kIcmp, {8, -1}, any4, in(Proto::Icmp, 8 << 8 | 7, "192.0.2.1"), true},
      {"ping_reply", kIcmp, {8, -1}, any4, in(Proto::Icmp, 0, "192.0.2.1"), false},
      {"icmp_any", kIcmp, kAnyType, any4, in(Proto::Icmp, 255 << 8 | 255, "192.0.2.1"), true},
      {"icmp_3_4", kIcmp, {3, 4}, any4, in(Proto::Icmp, 3 << 8 | 4, "192.0.2.1"), true},
      {"icmp_3_4_other_code", kIcmp, {3, 4}, any4, in(Proto::Icmp, 3 << 8 | 1, "192.0.2.1"), false},
      {"icmp_over_ipv6", kIcmp, kAnyType, any6, in(Proto::Icmp, 8 << 8, "2001:db8::1"), false},
      {"icmpv6_over_ipv4", kIcmpv6, kAnyType, any4, in(Proto::Icmpv6, 128 << 8, "192.0.2.1"),
       false},
      // SG-15: icmpv6.
      {"icmpv6_echo", kIcmpv6, {128, -1}, any6, in(Proto::Icmpv6, 128 << 8, "2001:db8::1"), true},
      {"icmpv6_any", kIcmpv6, kAnyType, any6, in(Proto::Icmpv6, 2 << 8 | 9, "2001:db8::1"), true},
      {"icmpv6_other_type",
       kIcmpv6,
       {128, -1},
       any6,
       in(Proto::Icmpv6, 129 << 8, "2001:db8::1"),
       false},
      {"block_first_address",
       kTcp,
       {22, 22},
       "192.0.2.64/26",
       in(Proto::Tcp, 22, "192.0.2.64"),
       true},
      {"block_last_address",
       kTcp,
       {22, 22},
       "192.0.2.64/26",
       in(Proto::Tcp, 22, "192.0.2.127"),
       true},
      {"before_the_block",
       kTcp,
       {22, 22},
       "192.0.2.64/26",
       in(Proto::Tcp, 22, "192.0.2.63"),
       false},
      {"after_the_block",
       kTcp,
       {22, 22},
       "192.0.2.64/26",
       in(Proto::Tcp, 22, "192.0.2.128"),
       false},
      {"one_host", kTcp, {22, 22}, "192.0.2.1/32", in(Proto::Tcp, 22, "192.0.2.1"), true},
      {"one_ipv6_host", kTcp, {22, 22}, "2001:db8::1/128", in(Proto::Tcp, 22, "2001:db8::1"), true},
      {"next_ipv6_host",
       kTcp,
       {22, 22},
       "2001:db8::1/128",
       in(Proto::Tcp, 22, "2001:db8::2"),
       false},
      // SG-10: rules of the other direction.
      {"ingress_rule_and_egress_packet",
       kTcp,
       {22, 22},
       any4,
       out(Proto::Tcp, 22, "192.0.2.1"),
       false},
  };
}

class RuleMatch : public testing::TestWithParam<MatchCase> {};

TEST_P(RuleMatch, follows_the_semantics) {
  SmallPolicy policy;
  const GroupIndex group = policy.add_own_group();
  const MatchCase& row = GetParam();
  const RuleIndex rule = policy.allow_in(group, row.proto, row.ports, row.peer);
  const Decision decision = decide(*policy.seal(), row.question);
  EXPECT_EQ(decision.verdict, row.allowed ? Verdict::Accept : Verdict::Drop);
  EXPECT_EQ(decision.reason, row.allowed ? DropReason::None : DropReason::NoRule);
  EXPECT_EQ(decision.rule, row.allowed ? rule : RuleIndex());
  EXPECT_EQ(decision.group, row.allowed ? group : GroupIndex());
  EXPECT_EQ(decision.by, row.allowed ? By::Rule : By::None);
}
INSTANTIATE_TEST_SUITE_P(Decide, RuleMatch, testing::ValuesIn(match_cases()),
                         [](const auto& row) { return row.param.name; });

TEST(Decide, never_looks_at_the_source_port) {  // SG-12
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  policy.allow_in(own, kTcp, {443, 443}, "0.0.0.0/0");
  Question question = in(Proto::Tcp, 443, "192.0.2.1");
  for (const std::uint16_t source_port : {0, 1, 442, 443, 65'535}) {
    question.source_port = source_port;
    EXPECT_TRUE(allows(policy, question)) << source_port;
  }
  question.source_port = 443;
  question.port = 40'000;
  EXPECT_FALSE(allows(policy, question));
}

// -- peers ----------------------------------------------------------------------------------------

TEST(Decide, matches_every_address_of_a_member) {  // SG-24, SG-28, SG-30
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  const GroupIndex peer = policy.add_group();
  policy.add_interface(1, {"10.0.2.20", "10.0.2.21", "fd00:10:0:2::20"}, {peer});
  policy.add_interface(1, {"10.0.2.30"}, {});
  policy.add_rule(own, Direction::Ingress, kTcp, {80, 80}, peer);
  EXPECT_TRUE(allows(policy, in(Proto::Tcp, 80, "10.0.2.20")));
  EXPECT_TRUE(allows(policy, in(Proto::Tcp, 80, "10.0.2.21")));
  EXPECT_TRUE(allows(policy, in(Proto::Tcp, 80, "fd00:10:0:2::20")));
  EXPECT_FALSE(allows(policy, in(Proto::Tcp, 80, "10.0.2.30")));
  EXPECT_FALSE(allows(policy, in(Proto::Tcp, 80, "10.0.2.22")));
}

// SG-25
TEST(Decide, does_not_inherit_the_rules_of_a_group_that_is_named) {  //
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  const GroupIndex peer = policy.add_group();
  policy.allow_in(peer, kTcp, {22, 22}, "0.0.0.0/0");
  policy.add_rule(own, Direction::Ingress, kTcp, {80, 80}, peer);
  EXPECT_FALSE(allows(policy, in(Proto::Tcp, 22, "192.0.2.1")));
}

TEST(Decide, lets_members_of_a_group_talk_only_by_a_rule) {  // SG-26
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  policy.add_interface(0, {"10.0.1.20"}, {own});
  EXPECT_FALSE(allows(policy, in(Proto::Tcp, 80, "10.0.1.20")));
  policy.add_rule(own, Direction::Ingress, kAll, kNone, own);
  EXPECT_TRUE(allows(policy, in(Proto::Tcp, 80, "10.0.1.20")));
}

TEST(Decide, matches_nothing_for_lists_and_groups_that_are_missing) {  // SG-33
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  policy.add_rule(own, Direction::Ingress, kAll, kNone, GroupIndex());
  policy.add_rule(own, Direction::Ingress, kAll, kNone, GroupIndex(1234));
  policy.add_rule(own, Direction::Ingress, kAll, kNone, PrefixListIndex());
  policy.add_rule(own, Direction::Ingress, kAll, kNone, PrefixListIndex(1234));
  policy.add_rule(own, Direction::Ingress, kAll, kNone, policy.add_list(Family::Ipv4, {}));
  for (const char* remote : {"192.0.2.1", "10.0.1.20", "2001:db8::1", "0.0.0.0"}) {
    EXPECT_FALSE(allows(policy, in(Proto::Tcp, 80, remote))) << remote;
  }
}

TEST(Decide, matches_any_entry_of_a_prefix_list) {  // PL-1
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  const PrefixListIndex list =
      policy.add_list(Family::Ipv4, {"203.0.113.0/24", "198.51.100.7/32", "203.0.113.128/25"});
  policy.add_rule(own, Direction::Ingress, kTcp, {80, 80}, list);
  EXPECT_TRUE(allows(policy, in(Proto::Tcp, 80, "203.0.113.1")));
  EXPECT_TRUE(allows(policy, in(Proto::Tcp, 80, "203.0.113.200")));
  EXPECT_TRUE(allows(policy, in(Proto::Tcp, 80, "198.51.100.7")));
  EXPECT_FALSE(allows(policy, in(Proto::Tcp, 80, "198.51.100.8")));
}

TEST(Decide, looks_at_every_prefix_that_covers_not_only_the_longest) {
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  policy.allow_in(own, kTcp, {22, 22}, "192.0.2.1/32");
  policy.allow_in(own, kTcp, {23, 23}, "192.0.2.0/24");
  policy.allow_in(own, kTcp, {24, 24}, "192.0.0.0/12");
  policy.allow_in(own, kTcp, {25, 25}, "0.0.0.0/0");
  for (const std::uint16_t port : {22, 23, 24, 25}) {
    EXPECT_TRUE(allows(policy, in(Proto::Tcp, port, "192.0.2.1"))) << port;
  }
  EXPECT_FALSE(allows(policy, in(Proto::Tcp, 26, "192.0.2.1")));
  EXPECT_FALSE(allows(policy, in(Proto::Tcp, 22, "192.0.2.2")));
}

TEST(Decide, unites_the_rules_of_all_groups_of_the_interface) {  // SG-3
  SmallPolicy policy;
  const GroupIndex first = policy.add_own_group();
  const GroupIndex second = policy.add_own_group();
  policy.allow_in(first, kTcp, {80, 80}, "0.0.0.0/0");
  policy.allow_in(second, kTcp, {22, 22}, "0.0.0.0/0");
  EXPECT_TRUE(allows(policy, in(Proto::Tcp, 80, "192.0.2.1")));
  EXPECT_TRUE(allows(policy, in(Proto::Tcp, 22, "192.0.2.1")));
}

// -- the answer names the rule with the smallest id -----------------------------------------------

TEST(Decide, names_the_smallest_id_whatever_the_kind_of_peer) {  // SG-1
  // Each round gives the smallest id to another of the rules that allow.
  for (int smallest = 0; smallest < 6; ++smallest) {
    SmallPolicy policy;
    const GroupIndex first = policy.add_own_group();
    const GroupIndex second = policy.add_own_group();
    const GroupIndex peer = policy.add_group();
    policy.add_interface(1, {"10.0.2.20"}, {peer});
    const PrefixListIndex list = policy.add_list(Family::Ipv4, {"10.0.2.0/25"});
    int number = 0;
    const auto add = [&](GroupIndex group, int proto, PortMatch ports, PeerInput where) {
      const std::string id = rule_id(number == smallest ? 0 : 9 - number);
      ++number;
      return policy.add_rule(group, Direction::Ingress, proto, ports, std::move(where), id);
    };
    const std::vector<RuleIndex> rules{
        add(first, kTcp, {80, 80}, *Cidr::parse("0.0.0.0/0")),
        add(first, kTcp, {1, 100}, *Cidr::parse("0.0.0.0/0")),
        add(second, kAll, kNone, *Cidr::parse("10.0.0.0/16")),
        add(second, kTcp, {80, 80}, peer),
        add(first, kAll, kNone, list),
        add(second, kTcp, {80, 90}, *Cidr::parse("10.0.2.20/32")),
    };
    EXPECT_EQ(decide(*policy.seal(), in(Proto::Tcp, 80, "10.0.2.20")).rule,
              rules[static_cast<std::size_t>(smallest)]);
  }
}

TEST(Decide, compares_every_digit_of_an_id) {
  for (const char* smaller : {"sgr-0ffffffffffffffff", "sgr-1000000000000000e"}) {
    SmallPolicy policy;
    const GroupIndex own = policy.add_own_group();
    const Cidr anywhere = *Cidr::parse("0.0.0.0/0");
    const char* larger = "sgr-1000000000000000f";
    policy.add_rule(own, Direction::Ingress, kTcp, {80, 80}, anywhere, larger);
    const RuleIndex other =
        policy.add_rule(own, Direction::Ingress, kTcp, {80, 81}, anywhere, smaller);
    EXPECT_EQ(decide(*policy.seal(), in(Proto::Tcp, 80, "192.0.2.1")).rule, other);
  }
}

TEST(Decide, names_the_smallest_id_beyond_one_line_of_ports) {
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  std::vector<RuleIndex> rules;
  for (int i = 0; i < 50; ++i) {
    rules.push_back(policy.allow_in(own, kTcp, {i, 1000}, "0.0.0.0/0"));
  }
  EXPECT_EQ(decide(*policy.seal(), in(Proto::Tcp, 0, "192.0.2.1")).rule, rules[0]);
  SmallPolicy narrow;
  const GroupIndex group = narrow.add_own_group();
  rules.clear();
  for (int i = 0; i < 50; ++i) {
    rules.push_back(narrow.allow_in(group, kTcp, {i, i}, "0.0.0.0/0"));
  }
  EXPECT_EQ(decide(*narrow.seal(), in(Proto::Tcp, 40, "192.0.2.1")).rule, rules[40]);
}

// -- several VPCs ---------------------------------------------------------------------------------

// A second VPC with its own interface at 10.1.0.20, whose group the first one names.
SmallPolicy two_vpcs(bool is_peered, const char* second_block) {
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  SnapshotInput& input = policy.input();
  VpcInput vpc;
  vpc.index = VpcIndex(1);
  vpc.cidrs = {*Cidr::parse(second_block)};
  if (is_peered) {
    vpc.peers = {VpcIndex(0)};
    input.vpcs[0].peers = {VpcIndex(1)};
  }
  input.vpcs.push_back(vpc);
  SubnetInput subnet;
  subnet.index = SubnetIndex(static_cast<std::uint32_t>(input.subnets.size()));
  subnet.vpc = VpcIndex(1);
  subnet.cidrs = vpc.cidrs;
  input.subnets.push_back(subnet);
  const GroupIndex other = policy.add_group();
  input.groups[other.value()].vpc = VpcIndex(1);
  const std::string address = IpAddr::v4(vpc.cidrs[0].address().v4_value() + 20).to_string();
  policy.add_interface(subnet.index.value(), {address}, {other});
  policy.add_rule(own, Direction::Ingress, kTcp, {80, 80}, other);
  return policy;
}

TEST(Decide, sees_members_in_a_peered_vpc) {  // SG-29
  EXPECT_TRUE(allows(two_vpcs(true, "10.1.0.0/24"), in(Proto::Tcp, 80, "10.1.0.20")));
}

TEST(Decide, sees_members_in_a_peered_vpc_on_egress_too) {  // SG-29
  for (const bool is_peered : {true, false}) {
    SmallPolicy policy = two_vpcs(is_peered, "10.1.0.0/24");
    policy.add_rule(GroupIndex(0), Direction::Egress, kTcp, {80, 80}, GroupIndex(1));
    EXPECT_EQ(allows(policy, out(Proto::Tcp, 80, "10.1.0.20")), is_peered);
    EXPECT_FALSE(allows(policy, out(Proto::Tcp, 80, "10.1.0.21")));
  }
}

TEST(Decide, does_not_see_members_in_a_vpc_that_is_not_peered) {  // SG-29
  EXPECT_FALSE(allows(two_vpcs(false, "10.1.0.0/24"), in(Proto::Tcp, 80, "10.1.0.20")));
}

TEST(Decide, takes_an_address_of_its_own_vpc_for_its_own) {  // SG-29
  // The peered VPC uses a block of this one: the address is routed inside this VPC.
  EXPECT_FALSE(allows(two_vpcs(true, "10.0.5.0/24"), in(Proto::Tcp, 80, "10.0.5.20")));
}

// -- no groups, established, witness --------------------------------------------------------------

TEST(Decide, lets_nothing_pass_without_groups) {
  const SmallPolicy policy;
  EXPECT_EQ(decide(*policy.seal(), in(Proto::Tcp, 80, "192.0.2.1")).reason, DropReason::NoRule);
  EXPECT_EQ(decide(*policy.seal(), out(Proto::Tcp, 80, "192.0.2.1")).reason, DropReason::NoRule);
  WitnessSteps steps;
  decide(*policy.seal(), out(Proto::Tcp, 80, "192.0.2.1"), steps);
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_EQ(steps[0].kind, WitnessStep::Kind::NoGroups);
}

TEST(Decide, does_not_ask_the_groups_about_a_packet_of_a_tracked_flow) {
  SmallPolicy policy;
  policy.add_own_group();
  const Decision decision = decide_established(*policy.seal(), in(Proto::Tcp, 40'000, "192.0.2.1"));
  EXPECT_EQ(decision.verdict, Verdict::Accept);
  EXPECT_EQ(decision.by, By::Flow);
  EXPECT_TRUE(decision.tracked);
  EXPECT_TRUE(decision.rule.is_none());
}

TEST(Decide, shows_the_witness_every_step_in_order) {
  SmallPolicy policy;
  const GroupIndex first = policy.add_own_group();
  const GroupIndex second = policy.add_own_group();
  const GroupIndex peer = policy.add_group();
  const EniIndex member = policy.add_interface(1, {"10.0.2.20"}, {peer});
  policy.add_rule(first, Direction::Ingress, kTcp, {22, 22}, peer);
  const RuleIndex rule = policy.add_rule(second, Direction::Ingress, kTcp, {80, 80}, peer);
  policy.allow_in(second, kUdp, {1, 1}, "10.0.2.0/24");
  WitnessSteps steps;
  decide(*policy.seal(), in(Proto::Tcp, 80, "10.0.2.20"), steps);
  ASSERT_EQ(steps.size(), 6u);
  EXPECT_EQ(steps[0].kind, WitnessStep::Kind::AclEntry);
  EXPECT_EQ(steps[0].acl_rule, 100u);
  EXPECT_EQ(steps[1].kind, WitnessStep::Kind::RemoteClass);
  EXPECT_TRUE(steps[1].matched);
  EXPECT_EQ(steps[1].eni, member);
  EXPECT_TRUE(steps[1].has_cidr);
  EXPECT_EQ(steps[1].cidr.to_string(), "10.0.2.0/24");
  EXPECT_EQ(steps[2].kind, WitnessStep::Kind::Group);
  EXPECT_EQ(steps[2].group, first);
  EXPECT_FALSE(steps[2].matched);
  EXPECT_EQ(steps[3].group, second);
  EXPECT_TRUE(steps[3].matched);
  EXPECT_EQ(steps[3].rule, rule);
  EXPECT_EQ(steps[4].kind, WitnessStep::Kind::RuleMatched);
  EXPECT_EQ(steps[4].rule, rule);
  EXPECT_EQ(steps[5].kind, WitnessStep::Kind::Tracked);
}

}  // namespace
}  // namespace sluice
