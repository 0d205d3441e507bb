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
  if (widest_trie_vectors() == TrieVectors::Bytes32) widths.push_back(TrieVectors::Bytes32);
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

// So many that the first two bytes are taken by wide nodes nearly everywhere, and below them is
// what there may be: nothing, one prefix, lists of few, of more than 32 and with children, and wide
// nodes; and first bytes with a list, one prefix or nothing below them.
std::vector<Cidr> many_prefixes(std::mt19937_64& random) {
  std::vector<Cidr> cidrs{*Cidr::parse("0.0.0.0/1"), *Cidr::parse("250.0.0.0/8"),
                          *Cidr::parse("251.1.0.0/16"), *Cidr::parse("252.1.2.0/24")};
  for (std::uint32_t i = 0; i < 40'000; ++i) {
    const auto drawn = static_cast<std::uint32_t>(random() >> 8);
    const auto rest = static_cast<std::uint32_t>(random() & 0xffff);
    std::uint32_t first = drawn % 80;  // everywhere: few below each
    std::uint32_t second = (drawn >> 8) % 256;
    if (i % 4 == 1) first %= 8, second %= 16;              // some 80 below each
    if (i % 4 == 2) first = 8 + first % 16, second %= 16;  // some 40
    const unsigned length = i % 64 == 0  ? 8 + rest % 9
                            : i % 8 == 3 ? 17 + rest % 16
                                         : 17 + rest % 8;
    cidrs.emplace_back(IpAddr::v4(first << 24 | second << 16 | rest),
                       static_cast<std::uint8_t>(length));
  }
  for (std::uint32_t i = 0; i < 3; ++i) cidrs.emplace_back(IpAddr::v4(253u << 24 | i << 16), 15);
  std::sort(cidrs.begin(), cidrs.end());
  cidrs.erase(std::unique(cidrs.begin(), cidrs.end()), cidrs.end());
  return cidrs;
}

// The loops for tables of many prefixes, against walks one by one; ids may be marked.
TEST(TrieBurstOfMany, answers_like_walks_one_by_one) {
  std::mt19937_64 random(5);
  const std::vector<Cidr> cidrs = many_prefixes(random);
  std::vector<CidrTrie::Entry> entries;
  for (const Cidr& cidr : cidrs) {
    const auto id = static_cast<PrefixId>(entries.size());
    const bool is_marked = cidr.length() % 8 == 0 && id % 2 == 0;
    entries.push_back({cidr, is_marked ? id | kMarkedPrefix : id});
  }
  CidrTrie trie(Family::Ipv4, entries);
  ASSERT_GT(trie.prefix_count(), 1u << 14);
  for (std::size_t round = 0; round < 2'000; ++round) {
    const std::size_t length = round % (kBurstMax + 9);
    std::vector<std::uint32_t> numbers;
    std::vector<IpAddr> addresses;
    while (numbers.size() < length) {
      const IpAddr near = address_near(cidrs[random() % cidrs.size()], random);
      const auto anywhere = static_cast<std::uint32_t>(random());
      numbers.push_back(random() % 4 == 0 ? anywhere : near.v4_value());
      addresses.push_back(IpAddr::v4(numbers.back()));
    }
    std::vector<PrefixId> found(length);
    std::vector<CidrMatch> matches(length);
    std::vector<CidrMatch> narrow(length);
    trie.find_burst(std::span<const std::uint32_t>(numbers), found);
    trie.match_burst(std::span<const std::uint32_t>(numbers), matches);
    trie.match_burst(addresses, narrow, TrieVectors::Bytes16);
    for (std::size_t i = 0; i < length; ++i) {
      const CidrMatch expected = trie.match(addresses[i]);
      ASSERT_EQ(found[i], expected.longest) << addresses[i].to_string();
      ASSERT_EQ(matches[i].longest, expected.longest) << addresses[i].to_string();
      ASSERT_EQ(matches[i].plain, expected.plain) << addresses[i].to_string();
      ASSERT_EQ(narrow[i].longest, expected.longest) << addresses[i].to_string();
      ASSERT_EQ(narrow[i].plain, expected.plain) << addresses[i].to_string();
    }
    // Nodes change their kind now and then.
    const CidrTrie::Entry& one = entries[random() % entries.size()];
    if (trie.erase(one.cidr) == kNoPrefix) trie.insert(one.cidr, one.id);
  }
}

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
