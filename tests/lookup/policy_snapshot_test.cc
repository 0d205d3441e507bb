#include "lookup/policy_snapshot.h"

#include <gtest/gtest.h>

#include "tests/lookup/small_policy.h"
#include "tests/reference/random_policy.h"

namespace sluice {
namespace {

IpAddr ip(const char* text) { return *IpAddr::parse(text); }

TEST(PolicySnapshot, finds_interfaces_by_their_stable_number) {
  SmallPolicy policy;
  policy.input().interfaces[0].index = EniIndex(7);
  const auto snapshot = policy.seal();
  ASSERT_NE(snapshot->find_interface(EniIndex(7)), nullptr);
  EXPECT_EQ(snapshot->find_interface(EniIndex(7))->eni, EniIndex(7));
  EXPECT_EQ(snapshot->find_interface(EniIndex(6)), nullptr);
  EXPECT_EQ(snapshot->find_interface(EniIndex(8)), nullptr);
  EXPECT_EQ(snapshot->find_interface(EniIndex::none()), nullptr);
}

TEST(PolicySnapshot, carries_what_the_input_says_about_an_interface) {
  SmallPolicy policy;
  InterfaceInput& input = policy.input().interfaces[0];
  input.mac = *MacAddr::parse("02:00:00:00:01:10");
  input.addresses = {ip("fd00:10:0:1::5"), ip("10.0.1.5"), ip("10.0.1.6"), ip("fd00:10:0:1::6")};
  input.tracking.udp_s = 45;
  input.logged = true;
  input.rejudge_before = Generation(3);
  input.flush_before = Generation(4);
  const AclIndex acl = policy.add_acl(0);
  const auto snapshot = policy.seal();
  const InterfaceRow& row = *snapshot->find_interface(SmallPolicy::kEni);
  EXPECT_EQ(row.mac, input.mac);
  EXPECT_TRUE(row.has_primary_v4 && row.has_primary_v6);
  EXPECT_EQ(row.primary_v4, ip("10.0.1.5"));
  EXPECT_EQ(row.primary_v6, ip("fd00:10:0:1::5"));
  EXPECT_EQ(row.tracking.udp_s, 45u);
  EXPECT_TRUE(row.logged);
  EXPECT_EQ(row.rejudge_before, Generation(3));
  EXPECT_EQ(row.flush_before, Generation(4));
  EXPECT_EQ(row.acl, acl);
  EXPECT_EQ(row.subnet, SubnetIndex(0));
  EXPECT_EQ(row.vpc, VpcIndex(0));
}

TEST(PolicySnapshot, tells_who_owns_an_address) {
  SmallPolicy policy;
  const EniIndex other = policy.add_interface(1, {"10.0.2.20", "fd00:10:0:2::20"}, {});
  const auto snapshot = policy.seal();
  EXPECT_EQ(snapshot->owner_of(ip("10.0.1.10")), SmallPolicy::kEni);
  EXPECT_EQ(snapshot->owner_of(ip("10.0.2.20")), other);
  EXPECT_EQ(snapshot->owner_of(ip("fd00:10:0:2::20")), other);
  EXPECT_EQ(snapshot->owner_of(VpcIndex(0), ip("10.0.2.20")), other);
  EXPECT_TRUE(snapshot->owner_of(VpcIndex(1), ip("10.0.2.20")).is_none());
  EXPECT_TRUE(snapshot->owner_of(ip("10.0.2.21")).is_none());
  EXPECT_FALSE(snapshot->may_share_addresses());
}

TEST(PolicySnapshot, owns_no_address_by_a_prefix_that_covers_it) {
  SmallPolicy policy;
  const GroupIndex group = policy.add_own_group();
  policy.allow_in(group, 6, {80, 80}, "10.0.0.0/16");
  policy.allow_in(group, 6, {80, 80}, "10.0.1.11/32");
  const auto snapshot = policy.seal();
  EXPECT_TRUE(snapshot->owner_of(ip("10.0.1.11")).is_none());
  EXPECT_TRUE(snapshot->owner_of(ip("10.0.1.12")).is_none());
  EXPECT_EQ(snapshot->owner_of(ip("10.0.1.10")), SmallPolicy::kEni);
}

TEST(PolicySnapshot, tells_addresses_apart_by_vpc_when_they_are_shared) {
  SmallPolicy policy;
  VpcInput vpc = policy.input().vpcs[0];
  vpc.index = VpcIndex(1);
  policy.input().vpcs.push_back(vpc);
  SubnetInput subnet = policy.input().subnets[0];
  subnet.index = SubnetIndex(2);
  subnet.vpc = VpcIndex(1);
  policy.input().subnets.push_back(subnet);
  const EniIndex twin = policy.add_interface(2, {"10.0.1.10"}, {});
  const auto snapshot = policy.seal();
  EXPECT_TRUE(snapshot->may_share_addresses());
  EXPECT_EQ(snapshot->owner_of(VpcIndex(0), ip("10.0.1.10")), SmallPolicy::kEni);
  EXPECT_EQ(snapshot->owner_of(VpcIndex(1), ip("10.0.1.10")), twin);
  EXPECT_TRUE(snapshot->owner_of(ip("10.0.1.10")).is_none());
}

TEST(PolicySnapshot, knows_the_blocks_and_peers_of_a_vpc) {
  SmallPolicy policy;
  VpcInput vpc;
  vpc.index = VpcIndex(1);
  vpc.peers = {VpcIndex(0)};
  policy.input().vpcs.push_back(vpc);
  const auto snapshot = policy.seal();
  EXPECT_TRUE(snapshot->vpc_contains(VpcIndex(0), ip("10.0.255.255")));
  EXPECT_TRUE(snapshot->vpc_contains(VpcIndex(0), ip("fd00:10::1")));
  EXPECT_FALSE(snapshot->vpc_contains(VpcIndex(0), ip("10.1.0.0")));
  EXPECT_FALSE(snapshot->vpc_contains(VpcIndex(9), ip("10.0.0.1")));
  ASSERT_EQ(snapshot->peers_of(VpcIndex(1)).size(), 1u);
  EXPECT_EQ(snapshot->peers_of(VpcIndex(1))[0], VpcIndex(0));
  EXPECT_TRUE(snapshot->peers_of(VpcIndex(9)).empty());
}

TEST(PolicySnapshot, shares_one_policy_between_interfaces_with_the_same_groups) {  // SG-2
  SmallPolicy policy;
  const GroupIndex a = policy.add_own_group();
  const GroupIndex b = policy.add_own_group();
  policy.add_interface(0, {"10.0.1.20"}, {b, a, b});
  policy.add_interface(0, {"10.0.1.21"}, {a});
  const auto snapshot = policy.seal();
  const auto policy_of = [&](std::uint32_t eni) {
    return snapshot->find_interface(EniIndex(eni))->policy;
  };
  EXPECT_EQ(policy_of(0), policy_of(1));
  EXPECT_NE(policy_of(0), policy_of(2));
}

TEST(PolicySnapshot, agrees_with_the_input_about_every_owner) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    RandomPolicy policy(seed);
    const auto snapshot = build_snapshot(policy.input());
    ASSERT_TRUE(snapshot.has_value());
    for (const InterfaceInput& interface : policy.input().interfaces) {
      for (const IpAddr& address : interface.addresses) {
        EXPECT_EQ((*snapshot)->owner_of(interface.vpc, address), interface.index);
      }
    }
    EXPECT_GT((*snapshot)->size(), policy.input().interfaces.size() * sizeof(InterfaceRow));
  }
}

}  // namespace
}  // namespace sluice
