#pragma once

// What the groups of an interface allow: (policy, direction, peer) -> port set and rule.
//
// A *policy* here is an interned set of groups: all interfaces that hold the same groups share one.
// Its rules are merged over the groups (SG-3: the union counts) and keyed by peer. A peer is what
// a rule names, never what that stands for:
//
//   remote address --CidrTrie--> prefixes that cover it --+--> prefix key ------+
//                                                         +--> prefix list keys +--> PeerRules
//                  --owners----> groups of its interface -----> group keys -----+
//
// so changing the members of a group or the entries of a list touches no rule. One probe of a hash
// table, half a line, tells all protocols of a peer:
//
//   | key | -1 | tcp | udp | icmp | icmpv6 | first other | other count |     8 words of 4 bytes
//
// tcp, udp, icmp, icmpv6 name a port set; -1 and other protocols have no ports (SG-13): -1 names
// its smallest rule at once, the others are a sorted run of (protocol, rule), at whose end all
// rules of -1 lie too, for the witness.
//
// The keys are numbers that the builder gave out, not bits of packets, so nobody outside can aim
// at the table; probes are bounded by its load of at most one half.
//
// Threads: immutable once built; any thread reads.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/proto.h"
#include "base/verdict.h"
#include "lookup/cidr_trie.h"
#include "lookup/port_set.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// An interned set of groups; 0 … policy_count() - 1.
using PolicyId = std::uint32_t;
inline constexpr PolicyId kNoPolicyId = 0xffffffffu;

// What a rule names as its peer: kind in the top two bits, number below.
class PeerKey {
 public:
  constexpr PeerKey() = default;
  static constexpr PeerKey prefix(Family family, PrefixId id) {
    return PeerKey((family == Family::Ipv4 ? 0u : 1u) << 30 | id);
  }
  static constexpr PeerKey list(PrefixListIndex list) { return PeerKey(2u << 30 | list.value()); }
  static constexpr PeerKey group(GroupIndex group) { return PeerKey(3u << 30 | group.value()); }

  constexpr bool is_none() const { return value_ == kNone; }
  constexpr std::uint32_t value() const { return value_; }
  constexpr auto operator<=>(const PeerKey&) const = default;

  // Numbers of lists and groups stay below this, so that no key is kNone.
  static constexpr std::uint32_t kNumbersMax = (1u << 30) - 1;

 private:
  static constexpr std::uint32_t kNone = 0xffffffffu;
  constexpr explicit PeerKey(std::uint32_t value) : value_(value) {}
  std::uint32_t value_ = kNone;
};

// All rules of one policy and direction that name one peer.
struct PeerRules {
  PeerKey key;
  RuleSlot any_proto = kNoRule;
  PortSetIndex tcp = kNoPortSet;
  PortSetIndex udp = kNoPortSet;
  PortSetIndex icmp = kNoPortSet;    // IPv4 packets only (SG-22)
  PortSetIndex icmpv6 = kNoPortSet;  // IPv6 packets only (SG-22)
  std::uint32_t others_first = 0;
  std::uint32_t others_count = 0;
};
static_assert(sizeof(PeerRules) == 32);

// What of a packet a rule's protocol and ports are compared with.
struct PacketKind {
  Family family = Family::Ipv4;
  Proto proto = Proto::Tcp;
  std::uint16_t port = 0;  // destination port, or type << 8 | code
};

// A rule whose peer has been turned into a key.
struct KeyedRule {
  PeerKey key;
  RuleSlot slot = kNoRule;
  Direction direction = Direction::Ingress;
  std::int16_t proto = ProtoMatch::kAll;
  PortRange range;
  bool is_any_address = false;  // a literal CIDR of length 0 (CT-4)
  Family family = Family::Ipv4;
};

class GroupRules {
 public:
  // Builder: adds a policy; ids are given in order. `rules`: those of all its groups, in any
  // order; consumed. `groups`: ascending.
  PolicyId add_policy(std::span<const GroupIndex> groups, std::vector<KeyedRule> rules);
  void seal();

  // The groups of a policy, ascending.
  std::span<const GroupIndex> groups(PolicyId policy) const {
    const std::uint32_t first = policies_[policy].groups_first;
    return {groups_.data() + first, policies_[policy].groups_count};
  }
  std::size_t policy_count() const { return policies_.size(); }

  // The rules that name the peer, or null. One or two lines.
  const PeerRules* find(PolicyId policy, Direction direction, PeerKey key) const {
    const Table& table = policies_[policy].tables[static_cast<std::size_t>(direction)];
    if (table.entry_count == 0) return nullptr;
    for (std::uint32_t i = hash(key);; ++i) {
      const PeerRules& entry = entries_[table.first + (i & table.mask)];
      if (entry.key == key) return &entry;
      if (entry.key.is_none()) return nullptr;
    }
  }

  // The smallest rule of the peer that allows the packet, or kNoRule.
  RuleSlot first_match(const PeerRules& peer, const PacketKind& packet) const {
    RuleSlot named = port_sets_.first_match(ports_of(peer, packet), packet.port);
    if (!has_ports(packet.proto) && peer.others_count != 0) {
      const std::span<const OtherProto> others = other_rules(peer, number_of(packet.proto));
      if (!others.empty()) named = others.front().rule;
    }
    return named < peer.any_proto ? named : peer.any_proto;
  }

  // Calls visit(RuleSlot) for every rule of the peer that allows the packet.
  template <class Visit>
  void for_each_match(const PeerRules& peer, const PacketKind& packet, Visit&& visit) const {
    port_sets_.for_each_match(ports_of(peer, packet), packet.port, visit);
    for (const OtherProto& other : other_rules(peer, number_of(packet.proto))) visit(other.rule);
    for (const OtherProto& other : other_rules(peer, kAnyProto)) visit(other.rule);
  }

  // CT-4 (c): the smallest rule of the direction with peer 0.0.0.0/0 (::/0) that admits the
  // protocol, TCP or UDP, on every port; kNoRule if there is none.
  RuleSlot reply_rule(PolicyId policy, Direction direction, Family family, Proto proto) const {
    return policies_[policy].reply_rules[reply_index(direction, family, proto)];
  }

  // Memory held, in bytes.
  std::size_t size() const;

 private:
  struct Table {
    std::uint32_t first = 0;
    std::uint32_t mask = 0;
    std::uint32_t entry_count = 0;
  };
  struct Policy {
    std::uint32_t groups_first = 0;
    std::uint32_t groups_count = 0;
    std::array<Table, 2> tables;
    std::array<RuleSlot, 8> reply_rules{kNoRule, kNoRule, kNoRule, kNoRule,
                                        kNoRule, kNoRule, kNoRule, kNoRule};
  };
  // A rule without ports; kAnyProto stands for -1.
  struct OtherProto {
    std::uint32_t proto = 0;
    RuleSlot rule = kNoRule;
  };
  static constexpr std::uint32_t kAnyProto = 256;
  static constexpr std::uint32_t number_of(Proto proto) {
    return static_cast<std::uint32_t>(proto);
  }

  static std::uint32_t hash(PeerKey key) {
    return static_cast<std::uint32_t>((key.value() * std::uint64_t{0x9e3779b97f4a7c15u}) >> 32);
  }
  static std::size_t reply_index(Direction direction, Family family, Proto proto) {
    return static_cast<std::size_t>(direction) * 4 + (family == Family::Ipv6 ? 2 : 0) +
           (proto == Proto::Udp ? 1 : 0);
  }
  static PortSetIndex ports_of(const PeerRules& peer, const PacketKind& packet) {
    const bool is_v4 = packet.family == Family::Ipv4;
    if (packet.proto == Proto::Tcp) return peer.tcp;
    if (packet.proto == Proto::Udp) return peer.udp;
    if (packet.proto == Proto::Icmp && is_v4) return peer.icmp;
    if (packet.proto == Proto::Icmpv6 && !is_v4) return peer.icmpv6;
    return kNoPortSet;
  }
  // The rules of the peer without ports for the protocol, ascending. Binary search.
  std::span<const OtherProto> other_rules(const PeerRules& peer, std::uint32_t proto) const;

  Table build_table(std::span<KeyedRule> rules);
  PeerRules build_peer(std::span<const KeyedRule> rules);
  void note_reply_rule(Policy& policy, const KeyedRule& rule) const;

  std::vector<Policy> policies_;
  std::vector<GroupIndex> groups_;
  std::vector<PeerRules> entries_;
  std::vector<OtherProto> others_;
  PortSets port_sets_;
};

}  // namespace sluice
