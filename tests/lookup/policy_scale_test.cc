// As large as AWS lets it become: rules of one interface, members of a group, addresses of a VPC.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/lookup/small_policy.h"

namespace sluice {
namespace {

constexpr int kTcp = 6;

// The number-th IPv4 address of 10.0.0.0/8 that no other interface of these tests has.
std::string v4(std::uint32_t number) { return IpAddr::v4(0x0a80'0000u + number).to_string(); }
std::string v6(std::uint32_t number) {
  return IpAddr::v6(0xfd00'0010'0000'0002u, 0x1'0000u + number).to_string();
}

bool allows(const PolicySnapshot& snapshot, Direction direction, std::uint16_t port,
            const std::string& remote) {
  const Question question = SmallPolicy::packet(direction, Proto::Tcp, port, remote.c_str());
  return decide(snapshot, question).verdict == Verdict::Accept;
}

// SG-46: an interface whose five groups hold 200 rules of each direction, each of which names one
// of fifty groups with two thousand members. A group counts in both families (SG-30), so that is
// 1,000 weighted rules for each family and direction.
TEST(PolicyScale, has_a_thousand_rules_of_groups_of_thousands_on_an_interface) {
  constexpr int kOwnGroups = 5, kRulesOfGroup = 200, kPeers = 50;
  constexpr std::uint32_t kMembers = 2'000;
  SmallPolicy policy;
  policy.input().vpcs[0].cidrs.push_back(*Cidr::parse("10.128.0.0/9"));
  policy.input().subnets[1].cidrs.push_back(*Cidr::parse("10.128.0.0/9"));
  std::vector<GroupIndex> own, peers;
  for (int i = 0; i < kOwnGroups; ++i) own.push_back(policy.add_own_group());
  for (int i = 0; i < kPeers; ++i) peers.push_back(policy.add_group());
  for (std::uint32_t i = 0; i < kMembers; ++i) {
    policy.add_interface(1, {v4(i), v6(i)}, peers);
  }
  policy.add_interface(1, {v4(kMembers), v6(kMembers)}, {});
  int port = 1;
  for (const GroupIndex group : own) {
    for (int i = 0; i < kRulesOfGroup; ++i, ++port) {
      const GroupIndex peer = peers[static_cast<std::size_t>(port % kPeers)];
      for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
        policy.add_rule(group, direction, kTcp, {port, port}, peer);
      }
    }
  }
  const auto snapshot = policy.seal();
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    for (std::uint16_t asked = 1; asked <= kOwnGroups * kRulesOfGroup; ++asked) {
      const std::uint32_t member = asked * 7u % kMembers;
      ASSERT_TRUE(allows(*snapshot, direction, asked, v4(member))) << asked;
      ASSERT_TRUE(allows(*snapshot, direction, asked, v6(member))) << asked;
      ASSERT_FALSE(allows(*snapshot, direction, asked, v4(kMembers))) << asked;
      ASSERT_FALSE(allows(*snapshot, direction, asked, v6(kMembers))) << asked;
    }
    EXPECT_FALSE(allows(*snapshot, direction, kOwnGroups * kRulesOfGroup + 1, v4(0)));
    EXPECT_FALSE(allows(*snapshot, direction, 0, v4(0)));
  }
}

// SG-47: 5,000 interfaces with 256,000 addresses, all of one group that one rule names.
TEST(PolicyScale, has_every_address_of_the_largest_vpc_in_one_group) {
  constexpr std::uint32_t kInterfaces = 5'000, kAddresses = 256'000;
  SmallPolicy policy;
  policy.input().vpcs[0].cidrs.push_back(*Cidr::parse("10.128.0.0/9"));
  policy.input().subnets[1].cidrs.push_back(*Cidr::parse("10.128.0.0/9"));
  const GroupIndex own = policy.add_own_group();
  const GroupIndex peer = policy.add_group();
  std::vector<EniIndex> owners;
  for (std::uint32_t i = 0; i < kInterfaces; ++i) {
    owners.push_back(policy.add_interface(1, {}, {peer}));
  }
  for (std::uint32_t i = 0; i < kAddresses; ++i) {
    policy.input().interfaces[owners[i % kInterfaces].value()].addresses.push_back(
        *IpAddr::parse(v4(i)));
  }
  policy.add_rule(own, Direction::Ingress, kTcp, {80, 80}, peer);
  const auto snapshot = policy.seal();
  for (std::uint32_t i = 0; i < kAddresses; i += 97) {
    ASSERT_EQ(snapshot->owner_of(*IpAddr::parse(v4(i))), owners[i % kInterfaces]) << i;
    ASSERT_TRUE(allows(*snapshot, Direction::Ingress, 80, v4(i))) << i;
  }
  EXPECT_TRUE(allows(*snapshot, Direction::Ingress, 80, v4(kAddresses - 1)));
  EXPECT_FALSE(allows(*snapshot, Direction::Ingress, 80, v4(kAddresses)));
}

}  // namespace
}  // namespace sluice
