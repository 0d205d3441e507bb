#pragma once

// The rules of one security group, by what they name as their peer.
//
// A peer is what a rule names, never what that stands for, so changing the members of a group or
// the entries of a list touches no rule:
//
//   remote address --CidrTrie--> prefixes that cover it --+--> prefix key ------+
//                                                         +--> prefix list keys +--> lanes
//                  --owner-----> groups of its interface -----> group keys -----+
//
// The rules of one direction and peer are a run of *lanes*, side by side: those that demand nothing
// further first, and either kind in the order of their ids. Eight are compared at once, so the
// first that holds the port is a plain rule if there is one, and the smallest id of its kind:
//
//   slots    | hash of a key -> peer                      at most three quarters full
//   keys     | key of each peer      firsts | its first lane
//   protos   | 6      6      17    256 ...    number, 256 = all
//   lows     | 443    8000   53    0   ...    ICMP: type << 8 | code, so a type is a range (SG-14);
//   highs    | 443    8080   53    65535      protocols without ports hold every port (SG-13)
//   rules    | rule of each lane
//
// A group is rebuilt as a whole when a rule of it changes: its own rules are what that costs.
//
// The keys are numbers that the builder gave out, not bits of packets, so nobody outside can aim
// at the table.
//
// Threads: immutable once built; any thread reads.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <smmintrin.h>

#include "base/address.h"
#include "base/ids.h"
#include "base/proto.h"
#include "base/verdict.h"
#include "lookup/cidr_trie.h"
#include "lookup/packet_kind.h"
#include "lookup/rule_order.h"
#include "lookup/snapshot_input.h"

namespace sluice {

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
  constexpr bool is_list() const { return value_ >> 30 == 2; }
  // Requires is_list().
  constexpr PrefixListIndex list() const { return PrefixListIndex(value_ & kNumbersMax); }
  constexpr std::uint32_t value() const { return value_; }
  constexpr auto operator<=>(const PeerKey&) const = default;

  // Numbers of prefixes, lists and groups stay below this, so that no key is kNone.
  static constexpr std::uint32_t kNumbersMax = (1u << 30) - 1;

 private:
  static constexpr std::uint32_t kNone = 0xffffffffu;
  constexpr explicit PeerKey(std::uint32_t value) : value_(value) {}
  std::uint32_t value_ = kNone;
};

// A rule whose peer has been turned into a key.
struct KeyedRule {
  PeerKey key;
  RuleIndex rule;
  RuleOrder order;
  Direction direction = Direction::Ingress;
  std::int16_t proto = ProtoMatch::kAll;
  PortRange range;
  bool is_any_address = false;  // a literal CIDR of length 0 (CT-4)
  bool is_conditional = false;  // it demands an application or a name
  Family family = Family::Ipv4;
};

// Some rules side by side, plain ones first, then in the order of their ids. Reads of eight may go
// past the end.
struct RuleLanes {
  static constexpr std::uint32_t kStride = 8;
  static constexpr std::uint16_t kAnyProto = 256;
  static constexpr std::uint16_t kNoProto = 257;  // what no rule names

  const std::uint16_t* protos = nullptr;
  const std::uint16_t* lows = nullptr;
  const std::uint16_t* highs = nullptr;
  const RuleIndex* rules = nullptr;
  std::uint32_t count = 0;

  // How lanes name the packet's protocol. ICMP is of one family each (SG-22).
  static constexpr std::uint16_t proto_of(const PacketKind& packet) {
    const bool is_v4 = packet.family == Family::Ipv4;
    if ((packet.proto == Proto::Icmp && !is_v4) || (packet.proto == Proto::Icmpv6 && is_v4)) {
      return kNoProto;
    }
    return static_cast<std::uint16_t>(packet.proto);
  }

  // Bit i is set where lane first + i allows the packet. No branch.
  unsigned match(std::uint32_t first, std::uint16_t proto, std::uint16_t port) const {
    const auto load = [first](const std::uint16_t* lanes) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes + first));
    };
    const auto equal = [](__m128i a, __m128i b) { return _mm_cmpeq_epi16(a, b); };
    const __m128i ports = _mm_set1_epi16(static_cast<short>(port));
    const __m128i named = load(protos);
    const __m128i is_proto =
        _mm_or_si128(equal(named, _mm_set1_epi16(static_cast<short>(proto))),
                     equal(named, _mm_set1_epi16(static_cast<short>(kAnyProto))));
    const __m128i is_from = equal(_mm_max_epu16(load(lows), ports), ports);
    const __m128i is_to = equal(_mm_min_epu16(load(highs), ports), ports);
    const __m128i hit = _mm_and_si128(is_proto, _mm_and_si128(is_from, is_to));
    const auto bytes =
        static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(hit, _mm_setzero_si128())));
    const std::uint32_t left = count - first;
    return left >= kStride ? bytes : bytes & ((1u << left) - 1);
  }

  // The lane of the first rule that allows the packet; count if none does.
  std::uint32_t first_match(std::uint16_t proto, std::uint16_t port) const {
    for (std::uint32_t first = 0; first < count; first += kStride) {
      const unsigned hits = match(first, proto, port);
      if (hits != 0) return first + static_cast<std::uint32_t>(std::countr_zero(hits));
    }
    return count;
  }

  // visit(lane) for every lane that allows the packet, ascending.
  template <class Visit>
  void for_each_match(std::uint16_t proto, std::uint16_t port, Visit&& visit) const {
    for (std::uint32_t first = 0; first < count; first += kStride) {
      for (unsigned hits = match(first, proto, port); hits != 0; hits &= hits - 1) {
        visit(first + static_cast<std::uint32_t>(std::countr_zero(hits)));
      }
    }
  }
};

class GroupTable {
 public:
  // Orders `rules` in place. O(rules log rules).
  explicit GroupTable(std::span<KeyedRule> rules);

  // The rules of that direction that name the peer; none: an empty run. Two or three lines.
  RuleLanes find(Direction direction, PeerKey key) const {
    const Part& part = parts_[static_cast<std::size_t>(direction)];
    if (part.peer_count == 0) return {};
    for (std::uint32_t i = hash(key);; ++i) {
      const std::uint32_t peer = part.slots[i & part.slot_mask];
      if (peer == kNoPeer) return {};
      if (part.keys[peer] == key) return part.lanes(peer);
    }
  }

  // visit(PrefixListIndex) for every prefix list that a rule of the direction names.
  template <class Visit>
  void for_each_list(Direction direction, Visit&& visit) const {
    const Part& part = parts_[static_cast<std::size_t>(direction)];
    const PeerKey* end = part.keys + part.peer_count;
    const PeerKey first = PeerKey::list(PrefixListIndex(0));
    for (const PeerKey* key = std::lower_bound(part.keys, end, first); key != end; ++key) {
      if (!key->is_list()) return;
      visit(key->list());
    }
  }

  // CT-4 (c): the smallest rule of the direction with peer 0.0.0.0/0 (::/0) that admits the
  // protocol, TCP or UDP, on every port; none if there is none.
  RuleIndex reply_rule(Direction direction, Family family, Proto proto) const {
    return reply_rules_[reply_index(direction, family, proto)];
  }

  // Memory held, in bytes.
  std::size_t size() const { return sizeof *this + memory_size_; }

 private:
  static constexpr std::uint32_t kNoPeer = 0xffffffffu;

  // One direction.
  struct Part {
    std::uint32_t peer_count = 0;
    std::uint32_t slot_mask = 0;
    const std::uint32_t* slots = nullptr;
    const PeerKey* keys = nullptr;
    const std::uint32_t* firsts = nullptr;  // peer_count + 1
    RuleLanes all;

    RuleLanes lanes(std::uint32_t peer) const {
      const std::uint32_t first = firsts[peer];
      return {all.protos + first, all.lows + first, all.highs + first, all.rules + first,
              firsts[peer + 1] - first};
    }
  };
  class Writer;

  static std::uint32_t hash(PeerKey key) {
    return static_cast<std::uint32_t>((key.value() * std::uint64_t{0x9e3779b97f4a7c15u}) >> 32);
  }
  static std::size_t reply_index(Direction direction, Family family, Proto proto) {
    return static_cast<std::size_t>(direction) * 4 + (family == Family::Ipv6 ? 2 : 0) +
           (proto == Proto::Udp ? 1 : 0);
  }
  void note_reply_rules(std::span<const KeyedRule> rules);

  std::array<Part, 2> parts_;  // by Direction
  std::array<RuleIndex, 8> reply_rules_;
  std::unique_ptr<std::byte[]> memory_;  // all arrays of both parts
  std::size_t memory_size_ = 0;
};

}  // namespace sluice
