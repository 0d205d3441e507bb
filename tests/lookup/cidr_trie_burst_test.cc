// A burst answers like one walk after the other, whatever its length and whatever the vectors.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/limits.h"
#include "lookup/cidr_trie.h"

namespace sluice {
namespace {

// Prefixes of every length, crowded under a few bytes, so that there are lists, wide nodes and
// skipped paths.
std::vector<Cidr> crowded_prefixes(Family family, std::mt19937_64& random) {
  std::vector<Cidr> cidrs;
  for (int i = 0; i < 4000; ++i) {
    const std::uint64_t crowded = random() & 0x0303'0307'ff00'ff01u;
    const IpAddr address = family == Family::Ipv4
                               ? IpAddr::v4(static_cast<std::uint32_t>(crowded >> 16))
                               : IpAddr::v6(crowded, random() & 0x0100'0000'0000'00ffu);
    const unsigned longest = family == Family::Ipv4 ? 32 : 128;
    cidrs.emplace_back(address, static_cast<std::uint8_t>(random() % (longest + 1)));
  }
  std::sort(cidrs.begin(), cidrs.end());
  cidrs.erase(std::unique(cidrs.begin(), cidrs.end()), cidrs.end());
  return cidrs;
}

IpAddr address_near(const Cidr& cidr, std::mt19937_64& random) {
  const IpAddr& base = cidr.address();
  const std::uint64_t noise = random() & random() & random() & random();
  if (base.is_v4()) return IpAddr::v4(base.v4_value() ^ static_cast<std::uint32_t>(noise));
  return IpAddr::v6(base.high() ^ (random() % 4 == 0 ? noise : 0), base.low() ^ noise);
}

class TrieBurst : public testing::TestWithParam<Family> {
 protected:
  std::mt19937_64 random_{17};
  const std::vector<Cidr> cidrs_ = crowded_prefixes(GetParam(), random_);
  const CidrTrie trie_{GetParam(), cidrs_};
};

TEST_P(TrieBurst, of_any_length_answers_like_walks_one_by_one) {
  std::vector<TrieVectors> widths{TrieVectors::Bytes16};
  if (widest_trie_vectors() == TrieVectors::Bytes64) widths.push_back(TrieVectors::Bytes64);
  for (std::size_t length = 0; length <= 3 * kBurstMax; ++length) {
    std::vector<IpAddr> addresses;
    while (addresses.size() < length) {
      addresses.push_back(address_near(cidrs_[random_() % cidrs_.size()], random_));
    }
    std::vector<PrefixId> found(length);
    trie_.find_burst(std::span<const IpAddr>(addresses), found);
    for (const TrieVectors width : widths) {
      std::vector<CidrMatch> matches(length);
      trie_.match_burst(addresses, matches, width);
      for (std::size_t i = 0; i < length; ++i) {
        ASSERT_EQ(matches[i].longest, trie_.find(addresses[i])) << addresses[i].to_string();
        ASSERT_EQ(matches[i].plain, trie_.match(addresses[i]).plain) << addresses[i].to_string();
        ASSERT_EQ(found[i], matches[i].longest) << addresses[i].to_string();
      }
    }
  }
}

TEST_P(TrieBurst, finds_nothing_in_a_trie_without_prefixes) {
  const CidrTrie empty(GetParam());
  const std::vector<IpAddr> addresses(kBurstMax + 1, cidrs_.back().address());
  std::vector<CidrMatch> matches(addresses.size(), CidrMatch{1, 2});
  empty.match_burst(addresses, matches);
  for (const CidrMatch& match : matches) {
    EXPECT_EQ(match.longest, kNoPrefix);
    EXPECT_EQ(match.plain, kNoPrefix);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, TrieBurst, testing::Values(Family::Ipv4, Family::Ipv6));

TEST(TrieBurstOfNumbers, finds_what_addresses_find) {
  const std::vector<Cidr> cidrs{*Cidr::parse("10.0.0.0/8"), *Cidr::parse("10.1.0.0/16")};
  const CidrTrie trie(Family::Ipv4, std::span<const Cidr>(cidrs));
  const std::vector<std::uint32_t> numbers{0x0a010203, 0x0a020304, 0x0b000000};
  std::vector<PrefixId> found(numbers.size());
  trie.find_burst(std::span<const std::uint32_t>(numbers), found);
  EXPECT_EQ(found, (std::vector<PrefixId>{1, 0, kNoPrefix}));
}

}  // namespace
}  // namespace sluice
