// Policies that are written to hurt: what they take is bounded, and so is what one question costs.
// Bounds are counted in bytes, nodes and rules that are looked at, never in time.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/limits.h"
#include "lookup/remote_peers.h"
#include "lookup/verdict_cache.h"
#include "tests/lookup/small_policy.h"
#include "tests/reference/slow_policy.h"

namespace sluice {
namespace {

constexpr int kTcp = 6;

// Of a prefix, beside its share of the trie: its facts, and the page that they lie on.
constexpr std::size_t kFactsMax = 2 * sizeof(PrefixFacts);
// Of a policy of next to nothing: first pages of each table.
constexpr std::size_t kSizeOfLittle = 200'000;

// What one question looks at.
struct Steps {
  std::size_t runs = 0;   // of rules that name one peer in one group
  std::size_t lanes = 0;  // rules in them
};

Steps steps_of(const PolicySnapshot& snapshot, const Question& question) {
  Steps steps;
  const InterfaceRow& row = *snapshot.find_interface(question.eni);
  const RemotePeers peers(snapshot.tables(), row, question.direction, question.remote);
  peers.for_each_run([&](const RuleLanes& lanes, bool) {
    ++steps.runs;
    steps.lanes += lanes.count;
  });
  return steps;
}

// All three ways to ask say the same, and what the slow twin says.
void expect_answer(const PolicySnapshot& snapshot, const SlowPolicy& slow, VerdictCache& cache,
                   const Question& question) {
  const Decision wanted = slow.decide(question);
  WitnessSteps witness;
  for (const Decision& got : {decide(snapshot, question), cache.decide(snapshot, question),
                              decide(snapshot, question, witness)}) {
    ASSERT_EQ(got.verdict, wanted.verdict) << question.remote.to_string() << ":" << question.port;
    ASSERT_EQ(got.rule, wanted.rule) << question.remote.to_string() << ":" << question.port;
    ASSERT_EQ(got.tracked, wanted.tracked);
  }
}

// Host i of a network of its own: the 200 of IPv4's /24s, the same of IPv6's /64s.
Cidr lonely_host(Family family, std::uint32_t i) {
  if (family == Family::Ipv4) return Cidr(IpAddr::v4((i + 0x0100'00u) << 8 | 200), 32);
  return Cidr(IpAddr::v6(0x2001'0db8'0000'0000u | i, 0xabcd'0000'0000'0000u | i * 2654435761u),
              128);
}

class LonelyHosts : public testing::TestWithParam<Family> {};

TEST_P(LonelyHosts, take_no_more_than_is_said_of_a_prefix) {
  constexpr std::uint32_t kHosts = 200'000;
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  PrefixListInput list;
  list.index = PrefixListIndex(0);
  list.family = GetParam();
  for (std::uint32_t i = 0; i < kHosts; ++i) list.entries.push_back(lonely_host(GetParam(), i));
  policy.input().prefix_lists.push_back(list);
  policy.add_rule(own, Direction::Ingress, kTcp, {80, 80}, list.index);
  const auto snapshot = policy.seal();
  const CidrTrie& trie = snapshot->tables().classes.of(GetParam()).trie();
  EXPECT_EQ(trie.prefix_count(), kHosts + 1) << "and the interface's own address";
  EXPECT_LE(trie.node_count(), 2 * kHosts);
  EXPECT_LE(trie.size(), kHosts * CidrTrie::kPrefixSizeMax);
  EXPECT_LE(snapshot->size(), kHosts * (CidrTrie::kPrefixSizeMax + kFactsMax) + kSizeOfLittle);
  for (std::uint32_t i = 0; i < kHosts; i += 997) {
    Question question =
        SmallPolicy::packet_in(Proto::Tcp, 80, GetParam() == Family::Ipv4 ? "1.1.1.1" : "::1");
    question.remote = lonely_host(GetParam(), i).address();
    ASSERT_EQ(decide(*snapshot, question).verdict, Verdict::Accept) << i;
    ASSERT_EQ(steps_of(*snapshot, question).lanes, 1u);
    question.remote = question.remote.is_v4()
                          ? IpAddr::v4(question.remote.v4_value() + 1)
                          : IpAddr::v6(question.remote.high(), question.remote.low() + 1);
    ASSERT_EQ(decide(*snapshot, question).verdict, Verdict::Drop) << i;
    ASSERT_EQ(steps_of(*snapshot, question).lanes, 0u);
  }
}
INSTANTIATE_TEST_SUITE_P(family, LonelyHosts, testing::Values(Family::Ipv4, Family::Ipv6),
                         [](const auto& family) {
                           return family.param == Family::Ipv4 ? "ipv4" : "ipv6";
                         });

// Every length there is over one address, each named by a rule of its own port and by a list.
class DeepNest : public testing::TestWithParam<const char*> {};

TEST_P(DeepNest, costs_one_look_for_each_length) {
  const IpAddr bottom = *IpAddr::parse(GetParam());
  const unsigned lengths = address_bits(bottom.family()) + 1u;
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  PrefixListInput list;
  list.index = PrefixListIndex(0);
  list.family = bottom.family();
  for (unsigned length = 0; length < lengths; ++length) {
    const Cidr cidr(bottom, static_cast<std::uint8_t>(length));
    const int port = 1000 + static_cast<int>(length);
    policy.add_rule(own, Direction::Ingress, kTcp, {port, port}, cidr);
    list.entries.push_back(cidr);
  }
  policy.input().prefix_lists.push_back(list);
  policy.add_rule(own, Direction::Ingress, kTcp, {7, 7}, list.index);
  const auto snapshot = policy.seal();
  const SlowPolicy slow(policy.input());
  VerdictCache cache;
  Question question = SmallPolicy::packet_in(Proto::Tcp, 7, GetParam());
  const Steps steps = steps_of(*snapshot, question);
  EXPECT_EQ(steps.runs, 2 * lengths);
  EXPECT_EQ(steps.lanes, 2 * lengths);
  for (unsigned length = 0; length < lengths; ++length) {
    // Under all prefixes up to that length, and no longer one.
    if (length < address_bits(bottom.family())) {
      const IpAddr mask = mask_address(bottom, static_cast<std::uint8_t>(length + 1));
      const unsigned bit = address_bits(bottom.family()) - length - 1;
      question.remote = bottom.is_v4() ? IpAddr::v4(mask.v4_value() ^ 1u << bit)
                        : bit >= 64
                            ? IpAddr::v6(mask.high() ^ std::uint64_t{1} << (bit - 64), mask.low())
                            : IpAddr::v6(mask.high(), mask.low() ^ std::uint64_t{1} << bit);
    } else {
      question.remote = bottom;
    }
    EXPECT_LE(steps_of(*snapshot, question).runs, 2 * (length + 1));
    for (const int off : {0, 1}) {
      question.port = static_cast<std::uint16_t>(1000 + static_cast<int>(length) + off);
      expect_answer(*snapshot, slow, cache, question);
      if (HasFatalFailure()) return;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(address, DeepNest, testing::Values("203.0.113.77", "2001:db8::a5:5a5a"),
                         [](const auto& address) {
                           return address.param[3] == '.' ? "ipv4" : "ipv6";
                         });

// A thousand such chains beside each other share what they have in common.
TEST(DeepNests, take_no_more_than_is_said_of_a_prefix) {
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    std::vector<Cidr> cidrs;
    for (std::uint32_t i = 0; i < 1'000; ++i) {
      const std::uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15u;
      const IpAddr bottom = family == Family::Ipv4
                                ? IpAddr::v4(static_cast<std::uint32_t>(mixed >> 32))
                                : IpAddr::v6(mixed, mixed * 0xbf58476d1ce4e5b9u);
      for (unsigned length = 0; length <= address_bits(family); ++length) {
        cidrs.push_back(Cidr(bottom, static_cast<std::uint8_t>(length)));
      }
    }
    std::sort(cidrs.begin(), cidrs.end());
    cidrs.erase(std::unique(cidrs.begin(), cidrs.end()), cidrs.end());
    const CidrTrie trie(family, cidrs);
    EXPECT_LE(trie.size(), cidrs.size() * CidrTrie::kPrefixSizeMax);
    EXPECT_LE(trie.node_count(), cidrs.size());
  }
}

// Ranges that overlap in every way, all for the same peer; as many as a group may have.
class OverlappingPorts : public testing::TestWithParam<std::size_t> {};

TEST_P(OverlappingPorts, cost_one_look_for_each_rule) {
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  const int count = static_cast<int>(GetParam());
  for (int i = 0; i < count; ++i) {
    char id[32];
    std::snprintf(id, sizeof id, "sgr-%017x", i * 7919 % 0x20000);
    const int low = i * 3 % 30'000;
    policy.add_rule(own, Direction::Ingress, kTcp, {low, 65'535 - (i * 5 % 30'000)},
                    *Cidr::parse("10.0.0.0/8"), id);
  }
  const auto snapshot = policy.seal();
  const SlowPolicy slow(policy.input());
  VerdictCache cache;
  Question question = SmallPolicy::packet_in(Proto::Tcp, 0, "10.9.9.9");
  EXPECT_EQ(steps_of(*snapshot, question).runs, 1u);
  EXPECT_EQ(steps_of(*snapshot, question).lanes, GetParam());
  EXPECT_LE(snapshot->size(), GetParam() * 64 + kSizeOfLittle);
  for (std::uint32_t port = 0; port<65'536; port += GetParam()> 1'000 ? 4'093 : 251) {
    question.port = static_cast<std::uint16_t>(port);
    expect_answer(*snapshot, slow, cache, question);
    if (HasFatalFailure()) return;
  }
}
INSTANTIATE_TEST_SUITE_P(rules, OverlappingPorts,
                         testing::Values(9, 128, 129, 1'000, kRulesPerGroupMax));

// Each group names the next one and the last the first: nobody follows the ring (SG-25).
TEST(RingsOfGroups, are_not_followed) {
  constexpr std::size_t kRing = 5'000;
  SmallPolicy policy;
  policy.input().vpcs[0].cidrs.push_back(*Cidr::parse("10.128.0.0/9"));
  policy.input().subnets[1].cidrs.push_back(*Cidr::parse("10.128.0.0/9"));
  std::vector<GroupIndex> ring;
  for (std::size_t i = 0; i < kRing; ++i) ring.push_back(policy.add_group());
  for (std::size_t i = 0; i < kRing; ++i) {
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      policy.add_rule(ring[i], direction, kTcp, {80, 80}, ring[(i + 1) % kRing]);
      policy.add_rule(ring[i], direction, kTcp, {81, 81}, ring[i]);
    }
    policy.add_interface(1, {IpAddr::v4(0x0a80'0000u + static_cast<std::uint32_t>(i)).to_string()},
                         {ring[i]});
  }
  policy.input().interfaces[0].groups = {ring[0]};
  const auto snapshot = policy.seal();
  EXPECT_LE(snapshot->size(), kRing * 2'000 + kSizeOfLittle);
  for (std::uint32_t i = 0; i < kRing; i += 7) {
    const std::string member = IpAddr::v4(0x0a80'0000u + i).to_string();
    for (const std::uint16_t port : {80, 81}) {
      const Question question = SmallPolicy::packet_in(Proto::Tcp, port, member.c_str());
      const bool is_named = i == (port == 80 ? 1u : 0u);
      ASSERT_EQ(decide(*snapshot, question).verdict, is_named ? Verdict::Accept : Verdict::Drop)
          << i;
      ASSERT_LE(steps_of(*snapshot, question).lanes, 1u);
    }
  }
}

// A prefix in every list there may be: a question asks for those that the rules name.
TEST(HugeLists, that_share_a_prefix_are_asked_for_by_name) {
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  std::vector<PrefixListIndex> lists;
  for (std::size_t i = 0; i < kPrefixListsMax; ++i) {
    lists.push_back(policy.add_list(Family::Ipv4, {"198.51.100.0/24", "0.0.0.0/0"}));
  }
  policy.add_rule(own, Direction::Ingress, kTcp, {80, 80}, lists[7]);
  policy.add_rule(own, Direction::Ingress, kTcp, {81, 81}, lists.back());
  const auto snapshot = policy.seal();
  const Question question = SmallPolicy::packet_in(Proto::Tcp, 81, "198.51.100.9");
  EXPECT_EQ(decide(*snapshot, question).verdict, Verdict::Accept);
  EXPECT_EQ(steps_of(*snapshot, question).runs, 4u) << "two lists, each by both of its prefixes";
  EXPECT_LE(snapshot->size(), kPrefixListsMax * 2 * sizeof(std::uint32_t) * 2 + kSizeOfLittle);
  // One of them loses the prefix: the others keep it.
  SnapshotInput next = policy.input();
  next.prefix_lists.back().entries.clear();
  const auto changed = change_snapshot(*snapshot, difference(policy.input(), next));
  ASSERT_TRUE(changed);
  EXPECT_EQ(decide(**changed, question).verdict, Verdict::Drop);
  EXPECT_TRUE((*changed)->list_holds(lists[7], *Cidr::parse("0.0.0.0/0")));
  EXPECT_FALSE((*changed)->list_holds(lists.back(), *Cidr::parse("0.0.0.0/0")));
}

// An address that an interface of every VPC has: each of them is told apart.
TEST(SharedAddress, of_every_vpc_is_its_own_in_each) {
  SmallPolicy policy;
  const GroupIndex own = policy.add_own_group();
  policy.add_rule(own, Direction::Ingress, kTcp, {80, 80}, own);
  for (std::uint32_t i = 1; i < kVpcsMax; ++i) {
    VpcInput vpc = policy.input().vpcs[0];
    vpc.index = VpcIndex(i);
    policy.input().vpcs.push_back(vpc);
    SubnetInput subnet = policy.input().subnets[0];
    subnet.index = SubnetIndex(static_cast<std::uint32_t>(policy.input().subnets.size()));
    subnet.vpc = vpc.index;
    policy.input().subnets.push_back(subnet);
    policy.add_interface(subnet.index.value(), {"10.0.1.10"}, {});
  }
  const auto snapshot = policy.seal();
  const IpAddr shared = *IpAddr::parse("10.0.1.10");
  EXPECT_TRUE(snapshot->may_share_addresses());
  EXPECT_TRUE(snapshot->owner_of(shared).is_none());
  for (const InterfaceInput& interface : policy.input().interfaces) {
    ASSERT_EQ(snapshot->owner_of(interface.vpc, shared), interface.index);
  }
  const Question question = SmallPolicy::packet_in(Proto::Tcp, 80, "10.0.1.10");
  EXPECT_EQ(decide(*snapshot, question).verdict, Verdict::Accept);
  EXPECT_EQ(steps_of(*snapshot, question).lanes, 1u) << "the one of the own VPC";
}

}  // namespace
}  // namespace sluice
