#include "lookup/cidr_trie.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "tests/reference/linear_cidrs.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

Cidr cidr(const char* text) { return *Cidr::parse(text); }
IpAddr ip(const char* text) { return *IpAddr::parse(text); }

// A trie, and what its ids stand for.
struct Named {
  std::vector<Cidr> cidrs;
  CidrTrie trie;

  std::size_t size() const { return trie.size(); }
  std::string name(PrefixId id) const { return id == kNoPrefix ? "none" : cidrs[id].to_string(); }
};

Named make_trie(std::vector<Cidr> cidrs) {
  std::sort(cidrs.begin(), cidrs.end());
  cidrs.erase(std::unique(cidrs.begin(), cidrs.end()), cidrs.end());
  CidrTrie trie(cidrs.empty() ? Family::Ipv4 : cidrs.front().family(), cidrs);
  return {std::move(cidrs), std::move(trie)};
}

std::string find_text(const Named& named, const char* address) {
  return named.name(named.trie.find(ip(address)));
}

TEST(CidrTrie, finds_nothing_when_empty) {
  EXPECT_EQ(CidrTrie().find(ip("10.0.0.1")), kNoPrefix);
  EXPECT_EQ(make_trie({}).trie.prefix_count(), 0u);
  EXPECT_EQ(make_trie({}).trie.node_count(), 0u);
}

TEST(CidrTrie, finds_the_longest_match) {
  const Named named = make_trie({cidr("0.0.0.0/0"), cidr("10.0.0.0/8"), cidr("10.1.0.0/16"),
                                 cidr("10.1.2.0/24"), cidr("10.1.2.3/32"), cidr("10.1.2.0/31")});
  EXPECT_EQ(find_text(named, "11.0.0.1"), "0.0.0.0/0");
  EXPECT_EQ(find_text(named, "10.2.0.1"), "10.0.0.0/8");
  EXPECT_EQ(find_text(named, "10.1.3.1"), "10.1.0.0/16");
  EXPECT_EQ(find_text(named, "10.1.2.4"), "10.1.2.0/24");
  EXPECT_EQ(find_text(named, "10.1.2.3"), "10.1.2.3/32");
  EXPECT_EQ(find_text(named, "10.1.2.1"), "10.1.2.0/31");
}

TEST(CidrTrie, visits_every_cover_once) {
  const Named named =
      make_trie({cidr("fd00::/8"), cidr("fd00:10::/32"), cidr("fd00:10::/33"), cidr("fd00:10::/34"),
                 cidr("fd00:10::1/128"), cidr("fd00:11::/32"), cidr("::/0")});
  std::vector<std::string> covers;
  named.trie.for_each_cover(ip("fd00:10::1"), [&](PrefixId id, unsigned length) {
    covers.push_back(named.name(id));
    EXPECT_EQ(length, named.cidrs[id].length());
  });
  EXPECT_EQ(covers, (std::vector<std::string>{"::/0", "fd00::/8", "fd00:10::/32", "fd00:10::/33",
                                              "fd00:10::/34", "fd00:10::1/128"}));
}

TEST(CidrTrie, tells_the_edges_of_a_block_from_its_neighbours) {
  const Named named = make_trie({cidr("10.0.1.0/25"), cidr("10.0.1.192/26")});
  EXPECT_EQ(find_text(named, "10.0.0.255"), "none");
  EXPECT_EQ(find_text(named, "10.0.1.0"), "10.0.1.0/25");
  EXPECT_EQ(find_text(named, "10.0.1.127"), "10.0.1.0/25");
  EXPECT_EQ(find_text(named, "10.0.1.128"), "none");
  EXPECT_EQ(find_text(named, "10.0.1.191"), "none");
  EXPECT_EQ(find_text(named, "10.0.1.255"), "10.0.1.192/26");
  EXPECT_EQ(find_text(named, "10.0.2.0"), "none");
}

TEST(CidrTrie, does_not_follow_a_skipped_path_that_differs) {
  // Both prefixes share 112 bits, which the trie skips; an address that leaves that path early
  // must not end at them.
  const Named named = make_trie({cidr("2001:db8::1:0/120"), cidr("2001:db8::1:100/120")});
  EXPECT_EQ(find_text(named, "2001:db8::1:1"), "2001:db8::1:0/120");
  EXPECT_EQ(find_text(named, "2001:db8:1::1:1"), "none");
  EXPECT_EQ(find_text(named, "2001:db8::2:1"), "none");
  EXPECT_EQ(find_text(named, "2001:db8:0:0:1::1:1"), "none");
}

TEST(CidrTrie, finds_a_prefix_by_itself) {
  const Named named = make_trie({cidr("10.0.0.0/8"), cidr("10.0.0.0/9")});
  EXPECT_NE(named.trie.find_exact(cidr("10.0.0.0/9")), kNoPrefix);
  EXPECT_EQ(named.trie.find_exact(cidr("10.0.0.0/10")), kNoPrefix);
  EXPECT_EQ(named.trie.find_exact(cidr("192.0.2.0/24")), kNoPrefix);
  EXPECT_EQ(named.trie.find_exact(cidr("::/0")), kNoPrefix);
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

class CidrTrieTwin : public testing::TestWithParam<RandomCase> {
 protected:
  // Some inside of prefixes, some beside them, some anywhere.
  std::vector<IpAddr> some_addresses(const std::vector<Cidr>& cidrs, std::size_t count) {
    std::vector<IpAddr> addresses;
    for (std::size_t i = 0; i < count; ++i) {
      IpAddr address = random_address(random_, GetParam().family);
      if (i % 4 != 0 && !cidrs.empty()) address = cidrs[random_() % cidrs.size()].address();
      if (i % 2 == 0) address = with_flipped_bit(address, static_cast<unsigned>(random_()));
      addresses.push_back(address);
    }
    return addresses;
  }

  // The trie answers like a scan over `cidrs`, whose ids stand at the same positions of `ids`.
  void expect_twin(const CidrTrie& trie, const std::vector<Cidr>& cidrs,
                   const std::vector<PrefixId>& ids, std::size_t count) {
    const LinearCidrs twin(cidrs);
    ASSERT_EQ(trie.prefix_count(), cidrs.size());
    ASSERT_LE(trie.node_count(), 2 * cidrs.size());
    const std::vector<IpAddr> addresses = some_addresses(cidrs, count);
    std::vector<PrefixId> burst(addresses.size());
    trie.find_burst(addresses, burst);
    std::vector<CidrMatch> matches(addresses.size());
    trie.match_burst(addresses, matches);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      const std::size_t at = twin.find(addresses[i]);
      const PrefixId expected = at == LinearCidrs::kNone ? kNoPrefix : ids[at];
      ASSERT_EQ(trie.find(addresses[i]), expected) << addresses[i].to_string();
      ASSERT_EQ(burst[i], expected) << addresses[i].to_string();
      const PrefixId plain = longest_plain(twin, cidrs, ids, addresses[i]);
      for (const CidrMatch& match : {matches[i], trie.match(addresses[i])}) {
        ASSERT_EQ(match.longest, expected) << addresses[i].to_string();
        ASSERT_EQ(match.plain, plain) << addresses[i].to_string();
      }
      expect_covers(trie, twin, cidrs, ids, addresses[i]);
    }
    for (std::size_t i = 0; i < cidrs.size(); ++i) ASSERT_EQ(trie.find_exact(cidrs[i]), ids[i]);
  }

  // Any number that the prefix may have.
  PrefixId any_id(const Cidr& cidr) {
    const bool may_be_marked = cidr.length() != 0 && cidr.length() % 8 == 0;
    const auto id = static_cast<PrefixId>(random_() % (kNoPrefix & ~kMarkedPrefix));
    return may_be_marked && random_() % 2 == 0 ? id | kMarkedPrefix : id;
  }

  static PrefixId longest_plain(const LinearCidrs& twin, const std::vector<Cidr>& cidrs,
                                const std::vector<PrefixId>& ids, const IpAddr& address) {
    PrefixId plain = kNoPrefix;
    int length = -1;
    for (const std::size_t at : twin.covers(address)) {
      if (is_marked_prefix(ids[at]) || cidrs[at].length() <= length) continue;
      length = cidrs[at].length();
      plain = ids[at];
    }
    return plain;
  }

  void expect_covers(const CidrTrie& trie, const LinearCidrs& twin, const std::vector<Cidr>& cidrs,
                     const std::vector<PrefixId>& ids, const IpAddr& address) {
    using Cover = std::pair<unsigned, PrefixId>;
    std::vector<Cover> expected;
    for (const std::size_t at : twin.covers(address)) {
      expected.emplace_back(cidrs[at].length(), ids[at]);
    }
    std::sort(expected.begin(), expected.end());
    std::vector<Cover> covers;
    trie.for_each_cover(
        address, [&covers](PrefixId id, unsigned length) { covers.emplace_back(length, id); });
    ASSERT_EQ(covers, expected) << address.to_string();
  }

  std::mt19937_64 random_{GetParam().count * 7 + static_cast<std::uint64_t>(GetParam().pattern)};
};

TEST_P(CidrTrieTwin, answers_like_a_linear_scan) {
  const std::size_t rounds = scaled_count(4);
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::vector<Cidr> cidrs = random_cidrs(random_, GetParam());
    std::vector<PrefixId> ids(cidrs.size());
    std::iota(ids.begin(), ids.end(), 0u);
    expect_twin(CidrTrie(GetParam().family, cidrs), cidrs, ids, 500);
    std::vector<CidrTrie::Entry> entries;
    for (std::size_t i = 0; i < cidrs.size(); ++i) {
      ids[i] = any_id(cidrs[i]);
      entries.push_back({cidrs[i], ids[i]});
    }
    expect_twin(CidrTrie(GetParam().family, entries), cidrs, ids, 100);
  }
}

// A copy and what it must hold.
struct Version {
  CidrTrie trie;
  std::vector<Cidr> cidrs;
  std::vector<PrefixId> ids;

  void insert(const Cidr& cidr, PrefixId id) {
    trie.insert(cidr, id);
    cidrs.push_back(cidr);
    ids.push_back(id);
  }
  void erase(std::size_t at) {
    ASSERT_EQ(trie.erase(cidrs[at]), ids[at]);
    ASSERT_EQ(trie.erase(cidrs[at]), kNoPrefix);
    cidrs[at] = cidrs.back();
    cidrs.pop_back();
    ids[at] = ids.back();
    ids.pop_back();
  }
};

TEST_P(CidrTrieTwin, keeps_each_copy_as_it_was_while_others_change) {
  const std::size_t rounds = scaled_count(2);
  for (std::size_t round = 0; round < rounds; ++round) {
    std::vector<Version> versions(1, {CidrTrie(GetParam().family), {}, {}});
    for (std::size_t burst = 0; burst < 12; ++burst) {
      const std::size_t chosen = random_() % versions.size();
      if (versions.size() < 5) {
        versions.push_back(versions[chosen]);
      } else {
        versions[random_() % versions.size()] = versions[chosen];
      }
      Version& changed = versions[random_() % versions.size()];
      for (const Cidr& cidr : random_cidrs(random_, GetParam())) {
        if (changed.trie.find_exact(cidr) == kNoPrefix) {
          changed.insert(cidr, any_id(cidr));
        }
        if (random_() % 3 == 0) changed.erase(random_() % changed.cidrs.size());
      }
      for (std::size_t i = 0; burst % 4 == 3 && !changed.cidrs.empty() && i < 5000; ++i) {
        changed.erase(random_() % changed.cidrs.size());
      }
      for (const Version& version : versions) {
        expect_twin(version.trie, version.cidrs, version.ids, 40);
      }
    }
  }
}

TEST_P(CidrTrieTwin, is_after_edits_what_a_build_makes_and_gives_all_back) {
  std::vector<Cidr> cidrs = random_cidrs(random_, GetParam());
  const CidrTrie built(GetParam().family, cidrs);
  std::shuffle(cidrs.begin(), cidrs.end(), random_);
  CidrTrie edited(GetParam().family);
  for (const Cidr& cidr : cidrs) edited.insert(cidr, 1);
  EXPECT_EQ(edited.size(), built.size());
  EXPECT_EQ(edited.node_count(), built.node_count());
  const CidrTrie copy = edited;
  std::shuffle(cidrs.begin(), cidrs.end(), random_);
  for (const Cidr& cidr : cidrs) EXPECT_EQ(edited.erase(cidr), 1u);
  EXPECT_EQ(edited.prefix_count(), 0u);
  EXPECT_EQ(edited.node_count(), 0u);
  EXPECT_EQ(edited.size(), sizeof(CidrTrie));
  EXPECT_EQ(copy.size(), built.size());
}

std::vector<RandomCase> random_cases() {
  std::vector<RandomCase> cases;
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    for (const Pattern pattern : {Pattern::Uniform, Pattern::Nested, Pattern::Dense,
                                  Pattern::LonelyHosts, Pattern::Pairs, Pattern::Internet}) {
      for (const std::size_t count : {2u, 40u, 700u}) cases.push_back({family, pattern, count});
    }
    // Enough for wide nodes.
    cases.push_back({family, Pattern::Uniform, 6000});
    cases.push_back({family, Pattern::Internet, 6000});
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(random, CidrTrieTwin, testing::ValuesIn(random_cases()), name_of_case);

// -- bounds ---------------------------------------------------------------------------------------

TEST(CidrTrie, keeps_a_short_prefix_over_many_hosts_as_one_entry) {
  std::vector<Cidr> hosts;
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    hosts.push_back(Cidr::host(IpAddr::v4((10u << 24) + i * 64)));
  }
  Named named = make_trie(hosts);
  const std::size_t without = named.trie.size();
  const CidrTrie before = named.trie;
  named.trie.insert(cidr("10.0.0.0/8"), 7);
  EXPECT_LT(named.trie.size(), without + 200);
  EXPECT_EQ(named.trie.find(ip("10.0.0.1")), 7u);
  EXPECT_EQ(before.find(ip("10.0.0.1")), kNoPrefix);
}

TEST(CidrTrie, bounds_its_memory_for_a_million_lonely_hosts) {
  std::vector<Cidr> hosts;
  hosts.reserve(1'000'000);
  for (std::uint32_t i = 0; i < 1'000'000; ++i) {
    hosts.push_back(Cidr::host(IpAddr::v4((i << 8) + 77)));
  }
  const Named named = make_trie(std::move(hosts));
  EXPECT_LT(named.size(), 72u << 20);
  EXPECT_EQ(find_text(named, "0.1.2.77"), "0.1.2.77/32");
  EXPECT_EQ(find_text(named, "0.1.2.78"), "none");
}

// Alone in its node, a prefix takes the same of either family.
TEST(CidrTrie, takes_48_bytes_for_a_lonely_prefix) {
  for (const char* text :
       {"0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "::/0", "2001:db8::/65", "2001:db8::1/128"}) {
    const Named named = make_trie({cidr(text)});
    EXPECT_EQ(named.size(), sizeof(CidrTrie) + 48) << text;
    EXPECT_EQ(named.trie.find(named.cidrs[0].address()), 0u) << text;
  }
}

TEST(CidrTrie, bounds_its_memory_for_every_length_of_one_address) {
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    std::vector<Cidr> nested;
    for (unsigned length = 0; length <= address_bits(family); ++length) {
      const IpAddr ones = family == Family::Ipv4 ? IpAddr::v4(~0u) : IpAddr::v6(~0ull, ~0ull);
      nested.emplace_back(ones, static_cast<std::uint8_t>(length));
    }
    const Named named = make_trie(nested);
    EXPECT_EQ(named.trie.node_count(), address_bits(family) / 8u);
    EXPECT_LT(named.size(), sizeof(CidrTrie) + nested.size() * 24);
  }
}

TEST(CidrTrie, bounds_its_memory_for_scattered_ipv6_blocks) {
  std::mt19937_64 random(48);
  std::vector<Cidr> blocks;
  for (std::size_t i = 0; i < 900'000; ++i) blocks.emplace_back(IpAddr::v6(random(), 0), 48);
  const Named named = make_trie(std::move(blocks));
  EXPECT_LT(named.size(), named.cidrs.size() * CidrTrie::kPrefixSizeMax);
}

TEST(CidrTrie, bounds_its_memory_for_scattered_ipv6_pairs) {
  std::mt19937_64 random(6);
  const Named named = make_trie(random_cidrs(random, {Family::Ipv6, Pattern::Pairs, 100'000}));
  EXPECT_LT(named.size(), named.cidrs.size() * CidrTrie::kPrefixSizeMax);
}

// The worst that an adversary can do: each wide node barely wide, each of its children a fork of
// two lonely hosts.
TEST(CidrTrie, bounds_its_memory_for_nodes_that_are_barely_wide) {
  std::vector<Cidr> hosts;
  for (std::uint32_t top = 0; top < 64; ++top) {
    for (std::uint32_t next = 0; next < 64; ++next) {
      for (std::uint32_t third = 0; third < 64; ++third) {
        hosts.push_back(Cidr::host(IpAddr::v4(top << 24 | next << 16 | third << 8)));
      }
    }
  }
  const Named named = make_trie(std::move(hosts));
  EXPECT_LT(named.size(), named.cidrs.size() * CidrTrie::kPrefixSizeMax);
}

TEST(CidrTrie, copies_one_path_for_a_change) {
  std::mt19937_64 random(24);
  const std::vector<Cidr> cidrs = random_cidrs(random, {Family::Ipv4, Pattern::Internet, 200'000});
  CidrTrie trie(Family::Ipv4, cidrs);
  for (int i = 0; i < 100; ++i) {
    const std::size_t before = trie.size();
    const CidrTrie copy = trie;
    const Cidr host = Cidr::host(random_address(random, Family::Ipv4));
    if (trie.find_exact(host) != kNoPrefix) continue;
    trie.insert(host, 1);
    EXPECT_LE(trie.size(), before + 2 * CidrTrie::kNodeSizeMax);
    EXPECT_EQ(copy.size(), before);
    EXPECT_EQ(copy.find_exact(host), kNoPrefix);
  }
}

// -- threads --------------------------------------------------------------------------------------

TEST(CidrTrie, serves_readers_of_old_copies_while_a_new_one_is_edited) {
  std::mt19937_64 random(3);
  const std::vector<Cidr> cidrs = random_cidrs(random, {Family::Ipv4, Pattern::Internet, 3000});
  CidrTrie newest(Family::Ipv4, cidrs);
  for (std::size_t round = 0; round < scaled_count(20); ++round) {
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i) {
      // Each thread owns a copy, so the last of a node may be dropped by any of them.
      readers.emplace_back([copy = newest, &cidrs, round]() mutable {
        for (const Cidr& cidr : cidrs) {
          const PrefixId id = copy.find_exact(cidr);
          CHECK(id == kNoPrefix || id < cidrs.size() || round > 0);
        }
        copy = CidrTrie();
      });
    }
    for (int i = 0; i < 2000; ++i) {
      const Cidr& cidr = cidrs[random() % cidrs.size()];
      if (newest.erase(cidr) == kNoPrefix)
        newest.insert(cidr, static_cast<PrefixId>(random() >> 33));
    }
    for (std::thread& reader : readers) reader.join();
  }
}

TEST(CidrTrieDeathTest, refuses_a_prefix_that_is_there) {
  CidrTrie trie;
  trie.insert(cidr("10.0.0.0/8"), 1);
  EXPECT_DEATH(trie.insert(cidr("10.0.0.0/8"), 2), "find_exact");
  EXPECT_DEATH(trie.insert(cidr("::/0"), 2), "family");
}

}  // namespace
}  // namespace sluice
