// Prefixes that are delegated to an interface: every address inside is one of its own (SG-28).

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "lookup/verdict_cache.h"
#include "tests/lookup/small_policy.h"

namespace sluice {
namespace {

constexpr int kTcp = 6;

// A rule of the interface under test names a group, whose one member has 10.0.2.10, the prefix
// 10.0.2.16/28 and one of IPv6.
class Delegation : public testing::Test {
 protected:
  Delegation() {
    own_ = policy_.add_own_group();
    members_ = policy_.add_group();
    member_ = policy_.add_interface(1, {"10.0.2.10"}, {members_});
    policy_.delegate(member_, "10.0.2.16/28");
    policy_.delegate(member_, "fd00:10:0:2:7::/80");
    rule_ = policy_.add_rule(own_, Direction::Ingress, kTcp, {80, 80}, members_);
    policy_.add_rule(own_, Direction::Egress, kTcp, {81, 81}, members_);
  }

  static bool allows(const PolicySnapshot& snapshot, Direction direction, std::uint16_t port,
                     const char* remote) {
    const Question question = SmallPolicy::packet(direction, Proto::Tcp, port, remote);
    VerdictCache cache;
    const bool is_allowed = decide(snapshot, question).verdict == Verdict::Accept;
    EXPECT_EQ(cache.decide(snapshot, question).verdict == Verdict::Accept, is_allowed) << remote;
    return is_allowed;
  }
  static bool allows_in(const PolicySnapshot& snapshot, const char* remote) {
    return allows(snapshot, Direction::Ingress, 80, remote);
  }

  SmallPolicy policy_;
  GroupIndex own_;
  GroupIndex members_;
  EniIndex member_;
  RuleIndex rule_;
};

TEST_F(Delegation, makes_every_address_inside_a_member_of_the_groups) {  // SG-28
  const auto snapshot = policy_.seal();
  for (const char* inside : {"10.0.2.10", "10.0.2.16", "10.0.2.23", "10.0.2.31",
                             "fd00:10:0:2:7::", "fd00:10:0:2:7:ffff:ffff:ffff"}) {
    EXPECT_TRUE(allows_in(*snapshot, inside)) << inside;
    EXPECT_TRUE(allows(*snapshot, Direction::Egress, 81, inside)) << inside;
    EXPECT_EQ(snapshot->owner_of(VpcIndex(0), *IpAddr::parse(inside)), member_) << inside;
    EXPECT_EQ(snapshot->owner_of(*IpAddr::parse(inside)), member_) << inside;
  }
  for (const char* outside :
       {"10.0.2.15", "10.0.2.32", "fd00:10:0:2:6:ffff:ffff:ffff", "fd00:10:0:2:8::"}) {
    EXPECT_FALSE(allows_in(*snapshot, outside)) << outside;
    EXPECT_FALSE(allows(*snapshot, Direction::Egress, 81, outside)) << outside;
    EXPECT_TRUE(snapshot->owner_of(VpcIndex(0), *IpAddr::parse(outside)).is_none()) << outside;
  }
}

TEST_F(Delegation, holds_whatever_rules_and_lists_name_deeper_or_around_it) {
  policy_.allow_in(own_, kTcp, {90, 90}, "10.0.2.20/32");
  policy_.allow_in(own_, kTcp, {91, 91}, "10.0.2.16/28");
  policy_.allow_in(own_, kTcp, {92, 92}, "10.0.2.0/24");
  policy_.add_list(Family::Ipv4, {"10.0.2.16/30", "10.0.2.20/32"});
  const auto snapshot = policy_.seal();
  EXPECT_TRUE(allows_in(*snapshot, "10.0.2.20"));
  for (const std::uint16_t port : {90, 91, 92}) {
    EXPECT_TRUE(allows(*snapshot, Direction::Ingress, port, "10.0.2.20")) << port;
  }
  EXPECT_FALSE(allows(*snapshot, Direction::Ingress, 90, "10.0.2.21"));
  EXPECT_TRUE(allows_in(*snapshot, "10.0.2.21"));
  EXPECT_EQ(snapshot->owner_of(VpcIndex(0), *IpAddr::parse("10.0.2.20")), member_);
}

TEST_F(Delegation, comes_and_goes_with_a_change) {  // SG-27
  const auto former = policy_.seal();
  SnapshotInput next = policy_.input();
  next.interfaces[member_.value()].prefixes.pop_back();
  next.interfaces[0].prefixes.push_back(*Cidr::parse("10.0.1.64/26"));
  const auto changed = change_snapshot(*former, difference(policy_.input(), next));
  ASSERT_TRUE(changed);
  EXPECT_FALSE(allows_in(**changed, "fd00:10:0:2:7::1"));
  EXPECT_TRUE(allows_in(**changed, "10.0.2.17"));
  EXPECT_EQ((*changed)->owner_of(VpcIndex(0), *IpAddr::parse("10.0.1.127")), SmallPolicy::kEni);
  EXPECT_TRUE(allows_in(*former, "fd00:10:0:2:7::1")) << "the former one is as it was";
  const auto back = change_snapshot(**changed, difference(next, policy_.input()));
  ASSERT_TRUE(back);
  EXPECT_TRUE(allows_in(**back, "fd00:10:0:2:7::1"));
  EXPECT_TRUE((*back)->owner_of(VpcIndex(0), *IpAddr::parse("10.0.1.127")).is_none());
}

// SG-29: an address means the VPC's own interface; else, outside of the VPC, those of peers.
TEST_F(Delegation, belongs_to_the_own_vpc_first) {
  VpcInput peer;
  peer.index = VpcIndex(1);
  peer.cidrs = {*Cidr::parse("10.0.0.0/16"), *Cidr::parse("10.9.0.0/16")};
  peer.peers = {VpcIndex(0)};
  policy_.input().vpcs[0].peers = {VpcIndex(1)};
  policy_.input().vpcs.push_back(peer);
  SubnetInput subnet;
  subnet.index = SubnetIndex(2);
  subnet.vpc = VpcIndex(1);
  subnet.cidrs = peer.cidrs;
  policy_.input().subnets.push_back(subnet);
  const EniIndex far = policy_.add_interface(2, {"10.9.0.9"}, {});
  policy_.delegate(far, "10.0.2.16/28");
  policy_.delegate(far, "10.9.0.16/28");
  const GroupIndex far_group = policy_.add_group();
  policy_.input().groups[far_group.value()].vpc = VpcIndex(1);
  policy_.input().interfaces[far.value()].groups = {far_group};
  policy_.add_rule(own_, Direction::Ingress, kTcp, {70, 70}, far_group);
  const auto snapshot = policy_.seal();
  EXPECT_TRUE(allows_in(*snapshot, "10.0.2.20"));
  EXPECT_FALSE(allows(*snapshot, Direction::Ingress, 70, "10.0.2.20"));
  EXPECT_TRUE(allows(*snapshot, Direction::Ingress, 70, "10.9.0.20"));
  EXPECT_EQ(snapshot->owner_of(VpcIndex(1), *IpAddr::parse("10.0.2.20")), far);
  EXPECT_TRUE(snapshot->owner_of(*IpAddr::parse("10.0.2.20")).is_none()) << "two have it";
  EXPECT_EQ(snapshot->owner_of(*IpAddr::parse("10.9.0.20")), far);
  EXPECT_TRUE(snapshot->may_share_addresses());
}

TEST_F(Delegation, is_told_by_the_witness) {
  policy_.allow_in(own_, kTcp, {90, 90}, "10.0.2.20/32");
  WitnessSteps steps;
  decide(*policy_.seal(), SmallPolicy::packet_in(Proto::Tcp, 80, "10.0.2.20"), steps);
  const auto step = std::find_if(steps.begin(), steps.end(), [](const WitnessStep& one) {
    return one.kind == WitnessStep::Kind::RemoteClass;
  });
  ASSERT_NE(step, steps.end());
  EXPECT_EQ(step->eni, member_);
  EXPECT_TRUE(step->has_delegated);
  EXPECT_EQ(step->delegated, *Cidr::parse("10.0.2.16/28"));
  EXPECT_EQ(step->cidr, *Cidr::parse("10.0.2.20/32"));
}

TEST_F(Delegation, of_one_vpc_is_of_one_interface) {
  const EniIndex other = policy_.add_interface(1, {"10.0.2.77"}, {});
  for (const char* prefix : {"10.0.2.16/28", "10.0.2.24/29"}) {
    SmallPolicy broken = policy_;
    broken.delegate(other, prefix);
    const auto result = broken.try_seal();
    ASSERT_FALSE(result.has_value()) << prefix;
    EXPECT_NE(result.error().sentence.find(prefix), std::string::npos) << result.error().sentence;
  }
  SmallPolicy broken = policy_;
  broken.input().interfaces[other.value()].addresses.push_back(*IpAddr::parse("10.0.2.30"));
  ASSERT_FALSE(broken.try_seal().has_value());
  EXPECT_NE(broken.try_seal().error().sentence.find("10.0.2.30"), std::string::npos);
}

}  // namespace
}  // namespace sluice
