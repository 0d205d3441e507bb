#include "lookup/nacl_ladder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/lookup/small_policy.h"

namespace sluice {
namespace {

constexpr PortMatch kNoPorts{0, 0};

// One row: entries of one direction, a packet, and what answers. The groups allow everything, so
// the ACL alone decides.
struct LadderCase {
  std::string name;
  std::vector<AclEntryInput> entries;
  Question question;
  bool allow;
  std::uint32_t rule;
};

AclEntryInput entry(std::uint32_t rule, bool allow, int proto, PortMatch ports, const char* cidr) {
  return {rule, allow, {proto}, ports, *Cidr::parse(cidr)};
}
Question in(Proto proto, std::uint16_t port, const char* remote) {
  return SmallPolicy::packet_in(proto, port, remote);
}
Question out(Proto proto, std::uint16_t port, const char* remote) {
  return SmallPolicy::packet_out(proto, port, remote);
}
constexpr Proto kGre{47};

std::vector<LadderCase> ladder_cases() {
  const auto allow_all = entry(100, true, -1, kNoPorts, "0.0.0.0/0");
  const auto https = entry(100, true, 6, {443, 443}, "0.0.0.0/0");
  const auto ping = entry(100, true, 1, {8, -1}, "0.0.0.0/0");
  const auto gre = entry(100, true, 47, {80, 80}, "0.0.0.0/0");
  return {
      // The vectors of the semantics.
      {"vector_1_lower_number_first",
       {https, entry(110, false, -1, kNoPorts, "10.0.0.0/8")},
       in(Proto::Tcp, 443, "10.1.1.1"),
       true,
       100},
      {"vector_2_lower_deny_first",
       {https, entry(90, false, -1, kNoPorts, "10.0.0.0/8")},
       in(Proto::Tcp, 443, "10.1.1.1"),
       false,
       90},
      // NA-3: the last denies of each family.
      {"vector_3_other_protocol",
       {entry(100, true, 6, {0, 65535}, "0.0.0.0/0")},
       in(Proto::Udp, 53, "192.0.2.1"),
       false,
       32767},
      // NA-10: no ports, no types.
      {"vector_4_range_of_gre_is_ignored", {gre}, in(kGre, 0, "192.0.2.1"), true, 100},
      {"vector_5_echo_request", {ping}, in(Proto::Icmp, 8 << 8, "192.0.2.1"), true, 100},
      {"vector_5_echo_reply", {ping}, in(Proto::Icmp, 0, "192.0.2.1"), false, 32767},
      // NA-4: each family has its own entries.
      {"vector_6_ipv6_final_deny", {allow_all}, in(Proto::Tcp, 443, "2001:db8::1"), false, 32768},
      {"vector_7_reply_needs_ephemeral_ports",
       {https},
       out(Proto::Tcp, 40'000, "192.0.2.1"),
       false,
       32767},
      // Further edges.
      // NA-8: without entries all is denied.
      {"empty_denies_ipv4", {}, in(Proto::Tcp, 443, "192.0.2.1"), false, 32767},
      {"empty_denies_ipv6", {}, in(Proto::Tcp, 443, "2001:db8::1"), false, 32768},
      // NA-1: the lowest number.
      {"order_is_by_number_not_by_place",
       {entry(200, true, -1, kNoPorts, "0.0.0.0/0"), entry(50, false, -1, kNoPorts, "0.0.0.0/0")},
       in(Proto::Tcp, 443, "192.0.2.1"),
       false,
       50},
      // NA-11: the peer on the way out.
      {"egress_peer_is_the_destination",
       {entry(10, true, 6, {443, 443}, "192.0.2.0/24")},
       out(Proto::Tcp, 443, "192.0.2.200"),
       true,
       10},
      {"outside_the_block",
       {entry(10, true, 6, {443, 443}, "192.0.2.0/24")},
       in(Proto::Tcp, 443, "192.0.3.0"),
       false,
       32767},
      {"port_below_the_range",
       {entry(10, true, 17, {100, 200}, "0.0.0.0/0")},
       in(Proto::Udp, 99, "192.0.2.1"),
       false,
       32767},
      {"last_port_of_the_range",
       {entry(10, true, 17, {100, 200}, "0.0.0.0/0")},
       in(Proto::Udp, 200, "192.0.2.1"),
       true,
       10},
      {"icmp_type_and_code",
       {entry(10, true, 1, {3, 4}, "0.0.0.0/0")},
       in(Proto::Icmp, 3 << 8 | 4, "192.0.2.1"),
       true,
       10},
      {"icmp_other_code",
       {entry(10, true, 1, {3, 4}, "0.0.0.0/0")},
       in(Proto::Icmp, 3 << 8 | 3, "192.0.2.1"),
       false,
       32767},
      {"icmpv6_with_an_ipv4_block_ignores_types",
       {entry(10, true, 58, {128, 0}, "0.0.0.0/0")},
       in(Proto::Icmpv6, 1 << 8, "192.0.2.1"),
       true,
       10},
      {"icmpv6_with_an_ipv6_block_reads_types",
       {entry(10, true, 58, {128, 0}, "::/0")},
       in(Proto::Icmpv6, 1 << 8, "2001:db8::1"),
       false,
       32768},
      {"ipv6_entry_and_ipv4_packet",
       {entry(7, true, -1, kNoPorts, "::/0")},
       in(Proto::Tcp, 22, "192.0.2.1"),
       false,
       32767},
      {"ipv6_block",
       {entry(7, true, 6, {22, 22}, "2001:db8::/32")},
       in(Proto::Tcp, 22, "2001:db8:ffff::1"),
       true,
       7},
  };
}

class LadderVectors : public testing::TestWithParam<LadderCase> {};

TEST_P(LadderVectors, answers_by_the_first_entry_that_matches) {
  SmallPolicy policy;
  const GroupIndex group = policy.add_own_group();
  for (const char* everyone : {"0.0.0.0/0", "::/0"}) {
    policy.allow_in(group, -1, kNoPorts, everyone);
    policy.allow_out(group, -1, kNoPorts, everyone);
  }
  const AclIndex acl = policy.add_acl(0);
  const Question& question = GetParam().question;
  const bool is_ingress = question.direction == Direction::Ingress;
  AclInput& input = policy.input().acls[acl.value()];
  (is_ingress ? input.ingress : input.egress) = GetParam().entries;
  const Decision decision = decide(*policy.seal(), question);
  EXPECT_EQ(decision.verdict, GetParam().allow ? Verdict::Accept : Verdict::Drop);
  EXPECT_TRUE(decision.acl.asked);
  EXPECT_EQ(decision.acl.allow, GetParam().allow);
  EXPECT_EQ(decision.acl.acl, acl);
  EXPECT_EQ(decision.acl.rule, GetParam().rule);
  EXPECT_EQ(decision.reason, GetParam().allow ? DropReason::None : DropReason::AclDeny);
  EXPECT_EQ(decision.by, GetParam().allow ? By::Rule : By::Acl);
  // Tracking does not excuse a packet from the ACL (CT-31, NA-19).
  const Decision established = decide_established(*policy.seal(), question);
  EXPECT_EQ(established.verdict, decision.verdict);
  EXPECT_EQ(established.acl.rule, GetParam().rule);
}
INSTANTIATE_TEST_SUITE_P(NetworkAcl, LadderVectors, testing::ValuesIn(ladder_cases()),
                         [](const auto& row) { return row.param.name; });

TEST(NetworkAcl, is_not_asked_about_a_peer_inside_the_subnet) {  // NA-5
  SmallPolicy policy;
  const GroupIndex group = policy.add_own_group();
  policy.allow_in(group, -1, kNoPorts, "0.0.0.0/0");
  policy.add_acl(0);  // empty: denies all
  const Decision inside = decide(*policy.seal(), in(Proto::Tcp, 80, "10.0.1.20"));
  EXPECT_EQ(inside.verdict, Verdict::Accept);
  EXPECT_FALSE(inside.acl.asked);
  const Decision outside = decide(*policy.seal(), in(Proto::Tcp, 80, "10.0.2.20"));
  EXPECT_EQ(outside.verdict, Verdict::Drop);
  EXPECT_EQ(outside.by, By::Acl);
}

TEST(NetworkAcl, serves_many_subnets_and_each_subnet_has_one) {  // NA-6
  SmallPolicy policy;
  const GroupIndex group = policy.add_own_group();
  policy.allow_in(group, -1, kNoPorts, "0.0.0.0/0");
  const EniIndex other = policy.add_interface(1, {"10.0.2.20"}, {group});
  const AclIndex shared = policy.add_acl(0);
  policy.input().subnets[1].acl = shared;
  policy.input().acls[0].ingress = {entry(100, true, 6, {443, 443}, "0.0.0.0/0")};
  Question to_other = in(Proto::Tcp, 443, "192.0.2.1");
  to_other.eni = other;
  to_other.local = *IpAddr::parse("10.0.2.20");
  for (const Question& question : {in(Proto::Tcp, 443, "192.0.2.1"), to_other}) {
    const Decision decision = decide(*policy.seal(), question);
    EXPECT_EQ(decision.verdict, Verdict::Accept);
    EXPECT_EQ(decision.acl.acl, shared);
  }
  // One of its own in the place of the shared one: the other subnet keeps that.
  const AclIndex own = policy.add_acl(1);
  EXPECT_EQ(decide(*policy.seal(), to_other).acl.acl, own);
  EXPECT_EQ(decide(*policy.seal(), to_other).reason, DropReason::AclDeny);
  EXPECT_EQ(decide(*policy.seal(), in(Proto::Tcp, 443, "192.0.2.1")).acl.acl, shared);
}

TEST(NetworkAcl, of_a_subnet_without_one_is_the_default_that_allows_all) {  // NA-7
  SmallPolicy policy;
  const GroupIndex group = policy.add_own_group();
  policy.allow_in(group, -1, kNoPorts, "0.0.0.0/0");
  policy.allow_in(group, -1, kNoPorts, "::/0");
  const Decision v4 = decide(*policy.seal(), in(Proto::Tcp, 80, "192.0.2.1"));
  EXPECT_TRUE(v4.acl.asked && v4.acl.allow);
  EXPECT_TRUE(v4.acl.acl.is_none());
  EXPECT_EQ(v4.acl.rule, 100u);
  const Decision v6 = decide(*policy.seal(), in(Proto::Tcp, 80, "2001:db8::1"));
  EXPECT_EQ(v6.acl.rule, 101u);
}

TEST(NetworkAcl, is_asked_after_the_groups_on_egress_and_before_them_on_ingress) {  // NA-19
  SmallPolicy policy;
  policy.add_own_group();  // allows nothing
  policy.add_acl(0);       // denies all
  const Decision egress = decide(*policy.seal(), out(Proto::Tcp, 80, "192.0.2.1"));
  EXPECT_EQ(egress.reason, DropReason::NoRule);
  EXPECT_FALSE(egress.acl.asked);
  const Decision ingress = decide(*policy.seal(), in(Proto::Tcp, 80, "192.0.2.1"));
  EXPECT_EQ(ingress.reason, DropReason::AclDeny);
  EXPECT_TRUE(ingress.acl.asked);
}

}  // namespace
}  // namespace sluice
