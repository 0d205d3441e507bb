#pragma once

// A network ACL: numbered entries, tried from the lowest; the first that matches decides (NA-1).
//
// One ladder is one direction and family of one ACL; entries of the other family are not in it
// (NA-4). AWS allows 40 entries (NA-15), so a scan of packed steps beats cleverness. Nothing
// matched: the final deny, 32767 for IPv4 and 32768 for IPv6 (NA-3).
//
// Threads: immutable once built; any thread reads.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/cidr.h"
#include "base/verdict.h"
#include "lookup/cidr_trie.h"
#include "lookup/packet_kind.h"

namespace sluice {

// The number of the entry that answered, and its answer.
struct LadderAnswer {
  std::uint32_t rule = 0;
  bool allow = false;
};

// The number under which the final deny is reported (NA-3).
constexpr std::uint32_t final_deny_rule(Family family) {
  return family == Family::Ipv4 ? 32767 : 32768;
}
// What a subnet without an ACL of its own answers: the VPC's default ACL allows all (NA-7).
constexpr LadderAnswer default_acl_answer(Family family) {
  return {family == Family::Ipv4 ? 100u : 101u, true};
}

class NaclLadder {
 public:
  // One entry. `proto` -1: all. `range` is everything where ports do not count (NA-10).
  struct Step {
    TrieKey peer;
    std::uint8_t peer_length = 0;
    bool allow = false;
    std::int16_t proto = -1;
    PortRange range;
    std::uint32_t rule = 0;
  };

  NaclLadder() = default;
  NaclLadder(Family family, std::vector<Step> steps) : steps_(std::move(steps)), family_(family) {
    std::sort(steps_.begin(), steps_.end(),
              [](const Step& a, const Step& b) { return a.rule < b.rule; });
  }

  // The peer is the source for ingress and the destination for egress; packet.port is the
  // destination port in both (NA-11). O(entries).
  LadderAnswer ask(const IpAddr& peer, const PacketKind& packet) const {
    const TrieKey key = TrieKey::of(peer);
    for (const Step& step : steps_) {
      const bool is_proto = step.proto < 0 || step.proto == static_cast<int>(packet.proto);
      if (is_proto && step.range.contains(packet.port) && key.shares(step.peer, step.peer_length)) {
        return {step.rule, step.allow};
      }
    }
    return {final_deny_rule(family_), false};
  }
  std::size_t size() const { return steps_.capacity() * sizeof(Step); }

 private:
  std::vector<Step> steps_;
  Family family_ = Family::Ipv4;
};

// The four ladders of one ACL.
struct NetworkAcl {
  std::array<NaclLadder, 4> ladders;

  static constexpr std::size_t ladder_index(Direction direction, Family family) {
    return static_cast<std::size_t>(direction) * 2 + (family == Family::Ipv6 ? 1 : 0);
  }
  const NaclLadder& ladder(Direction direction, Family family) const {
    return ladders[ladder_index(direction, family)];
  }
};

}  // namespace sluice
