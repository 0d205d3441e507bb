#include "dataplane/address_book.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <random>

#include "lookup/snapshot_builder.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

// Two VPCs with the same blocks; a third of the interfaces share an address with the other VPC's.
SnapshotInput random_policy(std::mt19937_64& draw, Generation generation) {
  SnapshotInput policy;
  policy.generation = generation;
  for (std::uint32_t vpc = 0; vpc < 2; ++vpc) {
    policy.vpcs.push_back({VpcIndex(vpc), {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("::/0")}, {}});
    SubnetInput subnet;
    subnet.index = SubnetIndex(vpc);
    subnet.vpc = VpcIndex(vpc);
    subnet.cidrs = policy.vpcs[vpc].cidrs;
    policy.subnets.push_back(subnet);
  }
  for (std::uint32_t i = 0; i < 300; ++i) {
    InterfaceInput interface;
    interface.index = EniIndex(i);
    interface.vpc = VpcIndex(i % 2);
    interface.subnet = SubnetIndex(i % 2);
    // Each number once in each VPC, so that no two of one VPC share.
    const auto low = static_cast<std::uint32_t>(i / 2 * 7 + draw() % 7);
    // Some have an IPv6 address of the bits of another one's IPv4 address.
    const std::uint32_t ipv4 = 0x0a000000u + low * 0x3001u;
    interface.addresses = {IpAddr::v4(ipv4), i % 3 == 0 ? IpAddr::v6(0, ipv4 + 0x3001u)
                                                        : IpAddr::v6(0xfd00'0000'0000'0000u, low)};
    policy.interfaces.push_back(interface);
  }
  return policy;
}

IpAddr random_address(std::mt19937_64& draw, const SnapshotInput& policy) {
  const auto& interface = policy.interfaces[draw() % policy.interfaces.size()];
  const IpAddr known = interface.addresses[draw() % 2];
  switch (draw() % 4) {
    case 0:  // near it
      return known.is_v4()
                 ? IpAddr::v4(known.v4_value() ^ 1u << draw() % 32)
                 : IpAddr::v6(known.high() ^ std::uint64_t{1} << draw() % 64, known.low());
    case 1:  // the same bits in the other family
      return known.is_v4() ? IpAddr::v6(0, known.low())
                           : IpAddr::v4(static_cast<std::uint32_t>(known.low()));
    default:
      return known;
  }
}

// The twin is the policy itself. Policies come and go at the same places of memory.
TEST(AddressBook, remembers_what_the_policy_says_and_forgets_it_with_the_policy) {
  std::mt19937_64 draw(11);
  const auto book = std::make_unique<AddressBook>();
  for (std::uint32_t generation = 1; generation <= 20; ++generation) {
    const SnapshotInput input = random_policy(draw, Generation(generation));
    const auto snapshot = build_snapshot(input);
    ASSERT_TRUE(snapshot.has_value());
    const PolicySnapshot& policy = **snapshot;
    book->open(&policy);
    for (std::size_t i = 0; i < scaled_count(5'000); ++i) {
      const IpAddr address = random_address(draw, input);
      // Most are of no VPC that there is, so that questions fall on each other's places.
      const VpcIndex vpc(static_cast<std::uint32_t>(draw() % (i % 2 == 0 ? 2 : 5'000)));
      ASSERT_EQ(book->owner_of(vpc, address), policy.find_interface(policy.owner_of(vpc, address)))
          << address.to_string();
      ASSERT_EQ(book->owner_of(address), policy.find_interface(policy.owner_of(address)))
          << address.to_string();
      const bool is_inside =
          policy.vpc_contains(VpcIndex(0), address) || policy.vpc_contains(VpcIndex(1), address);
      ASSERT_TRUE(book->may_be_inside(address) || !is_inside) << address.to_string();
    }
    book->open(nullptr);
  }
}

}  // namespace
}  // namespace sluice
