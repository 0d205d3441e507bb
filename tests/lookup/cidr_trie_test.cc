#include "lookup/cidr_trie.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/reference/linear_cidrs.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

Cidr cidr(const char* text) { return *Cidr::parse(text); }
IpAddr ip(const char* text) { return *IpAddr::parse(text); }

CidrTrie make_trie(std::vector<Cidr> cidrs) {
  std::sort(cidrs.begin(), cidrs.end());
  cidrs.erase(std::unique(cidrs.begin(), cidrs.end()), cidrs.end());
  return CidrTrie(cidrs.empty() ? Family::Ipv4 : cidrs.front().family(), cidrs);
}

std::string find_text(const CidrTrie& trie, const char* address) {
  const PrefixId id = trie.find(ip(address));
  return id == kNoPrefix ? "none" : trie.cidr(id).to_string();
}

TEST(CidrTrie, finds_nothing_when_empty) {
  EXPECT_EQ(find_text(CidrTrie(), "10.0.0.1"), "none");
  EXPECT_EQ(make_trie({}).prefix_count(), 0u);
}

TEST(CidrTrie, finds_the_longest_match) {
  const CidrTrie trie = make_trie({cidr("0.0.0.0/0"), cidr("10.0.0.0/8"), cidr("10.1.0.0/16"),
                                   cidr("10.1.2.0/24"), cidr("10.1.2.3/32"), cidr("10.1.2.0/31")});
  EXPECT_EQ(find_text(trie, "11.0.0.1"), "0.0.0.0/0");
  EXPECT_EQ(find_text(trie, "10.2.0.1"), "10.0.0.0/8");
  EXPECT_EQ(find_text(trie, "10.1.3.1"), "10.1.0.0/16");
  EXPECT_EQ(find_text(trie, "10.1.2.4"), "10.1.2.0/24");
  EXPECT_EQ(find_text(trie, "10.1.2.3"), "10.1.2.3/32");
  EXPECT_EQ(find_text(trie, "10.1.2.1"), "10.1.2.0/31");
}

TEST(CidrTrie, visits_every_cover_once) {
  const CidrTrie trie =
      make_trie({cidr("fd00::/8"), cidr("fd00:10::/32"), cidr("fd00:10::/33"), cidr("fd00:10::/34"),
                 cidr("fd00:10::1/128"), cidr("fd00:11::/32"), cidr("::/0")});
  std::vector<std::string> covers;
  trie.for_each_cover(ip("fd00:10::1"),
                      [&](PrefixId id) { covers.push_back(trie.cidr(id).to_string()); });
  std::sort(covers.begin(), covers.end());
  EXPECT_EQ(covers, (std::vector<std::string>{"::/0", "fd00:10::/32", "fd00:10::/33",
                                              "fd00:10::/34", "fd00:10::1/128", "fd00::/8"}));
}

TEST(CidrTrie, tells_the_edges_of_a_block_from_its_neighbours) {
  const CidrTrie trie = make_trie({cidr("10.0.1.0/25"), cidr("10.0.1.192/26")});
  EXPECT_EQ(find_text(trie, "10.0.0.255"), "none");
  EXPECT_EQ(find_text(trie, "10.0.1.0"), "10.0.1.0/25");
  EXPECT_EQ(find_text(trie, "10.0.1.127"), "10.0.1.0/25");
  EXPECT_EQ(find_text(trie, "10.0.1.128"), "none");
  EXPECT_EQ(find_text(trie, "10.0.1.191"), "none");
  EXPECT_EQ(find_text(trie, "10.0.1.255"), "10.0.1.192/26");
  EXPECT_EQ(find_text(trie, "10.0.2.0"), "none");
}

TEST(CidrTrie, does_not_follow_a_skipped_path_that_differs) {
  // Both prefixes share 112 bits, which the trie skips; an address that leaves that path early
  // must not end at them.
  const CidrTrie trie = make_trie({cidr("2001:db8::1:0/120"), cidr("2001:db8::1:100/120")});
  EXPECT_EQ(find_text(trie, "2001:db8::1:1"), "2001:db8::1:0/120");
  EXPECT_EQ(find_text(trie, "2001:db8:1::1:1"), "none");
  EXPECT_EQ(find_text(trie, "2001:db8::2:1"), "none");
  EXPECT_EQ(find_text(trie, "2001:db8:0:0:1::1:1"), "none");
}

TEST(CidrTrie, finds_a_prefix_by_itself) {
  const CidrTrie trie = make_trie({cidr("10.0.0.0/8"), cidr("10.0.0.0/9")});
  EXPECT_NE(trie.find_exact(cidr("10.0.0.0/9")), kNoPrefix);
  EXPECT_EQ(trie.find_exact(cidr("10.0.0.0/10")), kNoPrefix);
  EXPECT_EQ(trie.find_exact(cidr("192.0.2.0/24")), kNoPrefix);
  EXPECT_EQ(trie.find_exact(cidr("::/0")), kNoPrefix);
}

// -- against the linear twin ----------------------------------------------------------------------

enum class Pattern { Uniform, Nested, Dense, LonelyHosts, Pairs, Internet };

struct RandomCase {
  Family family;
  Pattern pattern;
  std::size_t count;
};

std::string name_of_case(const testing::TestParamInfo<RandomCase>& info) {
  static const char* const kPatterns[] = {"uniform",      "nested", "dense",
                                          "lonely_hosts", "pairs",  "internet"};
  return std::string(info.param.family == Family::Ipv4 ? "v4_" : "v6_") +
         kPatterns[static_cast<int>(info.param.pattern)] + "_" + std::to_string(info.param.count);
}

IpAddr random_address(std::mt19937_64& random, Family family) {
  const std::uint64_t high = random();
  return family == Family::Ipv4 ? IpAddr::v4(static_cast<std::uint32_t>(high))
                                : IpAddr::v6(high, random());
}

// The address with one of its bits turned over.
IpAddr with_flipped_bit(const IpAddr& address, unsigned bit) {
  if (address.is_v4()) return IpAddr::v4(address.v4_value() ^ 1u << (31 - bit % 32));
  bit %= 128;
  const std::uint64_t mask = std::uint64_t{1} << (63 - bit % 64);
  return IpAddr::v6(address.high() ^ (bit < 64 ? mask : 0), address.low() ^ (bit < 64 ? 0 : mask));
}

std::vector<Cidr> random_cidrs(std::mt19937_64& random, const RandomCase& param) {
  const std::uint8_t bits = address_bits(param.family);
  const IpAddr anchor = random_address(random, param.family);
  std::vector<Cidr> cidrs;
  for (std::size_t i = 0; i < param.count; ++i) {
    const IpAddr address = random_address(random, param.family);
    switch (param.pattern) {
      case Pattern::Uniform:
        cidrs.emplace_back(address, static_cast<std::uint8_t>(random() % (bits + 1u)));
        break;
      case Pattern::Nested:  // all lengths of one address, and near misses of each
        cidrs.emplace_back(
            i % 3 == 0 ? with_flipped_bit(anchor, static_cast<unsigned>(random())) : anchor,
            static_cast<std::uint8_t>(i % (bits + 1u)));
        break;
      case Pattern::Dense:  // everything inside one block of 10 bits
        cidrs.emplace_back(with_flipped_bit(with_flipped_bit(anchor, bits - 1u - random() % 10),
                                            bits - 1u - static_cast<unsigned>(random() % 10)),
                           static_cast<std::uint8_t>(bits - random() % 12));
        break;
      case Pattern::LonelyHosts:
        cidrs.push_back(Cidr::host(address));
        break;
      case Pattern::Pairs:  // two hosts that share all but the last bits, far from all others
        cidrs.push_back(Cidr::host(address));
        cidrs.push_back(Cidr::host(with_flipped_bit(address, bits - 1u)));
        break;
      case Pattern::Internet:  // lengths 16 to 24 (32 to 48) and few others, as in a real table
        cidrs.emplace_back(address, static_cast<std::uint8_t>(
                                        random() % 10 == 0 ? random() % (bits + 1u)
                                                           : bits / 2 + random() % (bits / 8 + 5)));
        break;
    }
  }
  std::sort(cidrs.begin(), cidrs.end());
  cidrs.erase(std::unique(cidrs.begin(), cidrs.end()), cidrs.end());
  return cidrs;
}

class CidrTrieTwin : public testing::TestWithParam<RandomCase> {};

TEST_P(CidrTrieTwin, answers_like_a_linear_scan) {
  std::mt19937_64 random(GetParam().count * 7 + static_cast<std::uint64_t>(GetParam().pattern));
  const std::size_t rounds = scaled_count(4);
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::vector<Cidr> cidrs = random_cidrs(random, GetParam());
    const CidrTrie trie(GetParam().family, cidrs);
    const LinearCidrs twin(cidrs);
    ASSERT_EQ(trie.prefix_count(), cidrs.size());
    ASSERT_LT(trie.node_count(), cidrs.size());
    std::vector<IpAddr> addresses;
    for (std::size_t i = 0; i < 500; ++i) {
      IpAddr address = cidrs[random() % cidrs.size()].address();
      if (i % 4 == 0) address = random_address(random, GetParam().family);
      if (i % 2 == 0) address = with_flipped_bit(address, static_cast<unsigned>(random()));
      addresses.push_back(address);
      const std::size_t expected = twin.find(address);
      const PrefixId found = trie.find(address);
      ASSERT_EQ(found, expected == LinearCidrs::kNone ? kNoPrefix : expected)
          << address.to_string();
      std::vector<std::size_t> covers;
      trie.for_each_cover(address, [&covers](PrefixId id) { covers.push_back(id); });
      std::sort(covers.begin(), covers.end());
      ASSERT_EQ(covers, twin.covers(address)) << address.to_string();
    }
    std::vector<PrefixId> burst(addresses.size());
    trie.find_burst(addresses, burst);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      ASSERT_EQ(burst[i], trie.find(addresses[i]));
    }
    for (std::size_t i = 0; i < cidrs.size(); ++i) {
      ASSERT_EQ(trie.cidr(static_cast<PrefixId>(i)), cidrs[i]);
      ASSERT_EQ(trie.find_exact(cidrs[i]), i);
    }
  }
}

std::vector<RandomCase> random_cases() {
  std::vector<RandomCase> cases;
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    for (const Pattern pattern : {Pattern::Uniform, Pattern::Nested, Pattern::Dense,
                                  Pattern::LonelyHosts, Pattern::Pairs, Pattern::Internet}) {
      for (const std::size_t count : {2u, 40u, 700u}) cases.push_back({family, pattern, count});
    }
    // Enough for the wide root.
    cases.push_back({family, Pattern::Uniform, 6000});
    cases.push_back({family, Pattern::Internet, 6000});
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(random, CidrTrieTwin, testing::ValuesIn(random_cases()), name_of_case);

// -- hostile input --------------------------------------------------------------------------------

TEST(CidrTrie, keeps_a_short_prefix_over_many_hosts_as_one_entry) {
  std::vector<Cidr> hosts;
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    hosts.push_back(Cidr::host(IpAddr::v4((10u << 24) + i * 64)));
  }
  const CidrTrie without = make_trie(hosts);
  hosts.push_back(cidr("10.0.0.0/8"));
  const CidrTrie with = make_trie(hosts);
  EXPECT_LT(with.size(), without.size() + 200);
  EXPECT_EQ(find_text(with, "10.0.0.1"), "10.0.0.0/8");
}

TEST(CidrTrie, bounds_its_memory_for_a_million_lonely_hosts) {
  std::vector<Cidr> hosts;
  hosts.reserve(1'000'000);
  for (std::uint32_t i = 0; i < 1'000'000; ++i) {
    hosts.push_back(Cidr::host(IpAddr::v4((i << 8) + 77)));
  }
  const CidrTrie trie = make_trie(std::move(hosts));
  EXPECT_LT(trie.size(), 64u << 20);
  EXPECT_EQ(find_text(trie, "0.1.2.77"), "0.1.2.77/32");
  EXPECT_EQ(find_text(trie, "0.1.2.78"), "none");
}

TEST(CidrTrie, bounds_its_memory_for_scattered_ipv6_pairs) {
  std::mt19937_64 random(6);
  const std::vector<Cidr> pairs = random_cidrs(random, {Family::Ipv6, Pattern::Pairs, 100'000});
  const CidrTrie trie(Family::Ipv6, pairs);
  EXPECT_LT(trie.size(), pairs.size() * 176 + (1u << 20));
}

}  // namespace
}  // namespace sluice
