#include "lookup/address_blocks.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace sluice {
namespace {

IpAddr random_address(std::mt19937_64& draw, Family family) {
  return family == Family::Ipv4 ? IpAddr::v4(static_cast<std::uint32_t>(draw()))
                                : IpAddr::v6(draw(), draw());
}

TEST(AddressBlocks, hold_nothing_at_first) {
  EXPECT_FALSE(AddressBlocks().may_hold(*IpAddr::parse("0.0.0.0")));
  EXPECT_FALSE(AddressBlocks().may_hold(*IpAddr::parse("::")));
  EXPECT_EQ(AddressBlocks().size(), 0u);
}

// The twin is a list. No address of a prefix that was added may ever be denied; one whose /16 has
// none must be.
TEST(AddressBlocks, deny_no_address_that_was_added_and_each_of_other_blocks) {
  std::mt19937_64 draw(3);
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    AddressBlocks blocks;
    std::vector<Cidr> added;
    for (int round = 0; round < 300; ++round) {
      const unsigned bits = address_bits(family);
      const auto length = static_cast<std::uint8_t>(round % 3 == 0 ? 9 + draw() % 16 : bits);
      added.push_back(Cidr(random_address(draw, family), length));
      blocks.add(added.back());
      for (int probe = 0; probe < 100; ++probe) {
        const IpAddr address =
            probe % 2 == 0 ? added[draw() % added.size()].address() : random_address(draw, family);
        const Cidr block = Cidr(address, 16);
        bool is_near = false;
        for (const Cidr& one : added) {
          is_near = is_near || one.contains(address) || block.contains(one.address()) ||
                    one.contains(block.address());
        }
        ASSERT_EQ(blocks.may_hold(address), is_near) << address.to_string();
      }
    }
  }
}

TEST(AddressBlocks, leave_copies_as_they_were) {
  AddressBlocks first;
  first.add(*Cidr::parse("10.0.0.1/32"));
  AddressBlocks second = first;
  second.add(*Cidr::parse("192.0.2.0/24"));
  EXPECT_FALSE(first.may_hold(*IpAddr::parse("192.0.2.1")));
  EXPECT_TRUE(second.may_hold(*IpAddr::parse("192.0.2.1")));
  EXPECT_TRUE(second.may_hold(*IpAddr::parse("10.0.200.1")));
}

}  // namespace
}  // namespace sluice
