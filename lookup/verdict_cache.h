#pragma once

// What one worker remembers of the rules: (policy, direction, protocol, class of the remote
// address) -> the lanes of all rules that can allow, merged over groups and peers, in two lines.
//
//   | key: generation, policy | prefix, owner's policy | kind, port | lows 8 | highs 8 | counts |
//   | rules 8 of 4 bytes                               | the groups that hold them, 8 of 4     |
//
// A decision for a new connection then costs a walk of the trie and one entry, however many groups,
// lists and prefixes stand behind it. An entry is never wider than the rules: it holds their port
// ranges and is asked for each port anew. Where more than eight lanes matter, the entry only says
// so, and the answer for one port has an entry of its own. An address that interfaces of several
// peered VPCs share is asked the long way each time.
//
// Entries are of one generation: a new policy finds the cache empty, and two policies that one
// cache sees must not share a number. The table is of fixed size, in sets of four, so a flood of
// classes or ports costs misses and nothing else. 16 bits of each key's hash lie side by side for
// the four of a set: they tell which one to fetch, or that there is none.
//
// One thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include "base/cache_line.h"
#include "base/ids.h"
#include "lookup/cidr_trie.h"
#include "lookup/decide.h"
#include "lookup/packet_kind.h"

namespace sluice {

// Three numbers, compared without a branch.
struct VerdictKey {
  static constexpr std::uint16_t kEgress = 0x8000;
  static constexpr std::uint16_t kIpv6 = 0x4000;
  static constexpr std::uint16_t kOnePort = 0x2000;  // `port` alone is meant

  std::uint64_t policy = 0;  // generation plus one, 0 of an empty entry; and the policy below it
  std::uint64_t remote = 0;  // the prefix, and the owner's policy below it
  std::uint64_t kind = 0;    // protocol as lanes name it, and the bits above; and the port above it

  bool operator==(const VerdictKey& other) const {
    return ((policy ^ other.policy) | (remote ^ other.remote) | (kind ^ other.kind)) == 0;
  }
};
static_assert(sizeof(VerdictKey) == 24);

struct alignas(kCacheLine) CachedVerdict {
  static constexpr std::uint8_t kLanes = 8;
  static constexpr std::uint8_t kTooMany = 0xff;  // of lane_count: each port has an entry

  VerdictKey key;
  std::array<std::uint16_t, kLanes> lows;
  std::array<std::uint16_t, kLanes> highs;
  std::uint8_t lane_count;
  std::uint8_t open_lanes;         // bit i: the peer of lane i is every address (CT-4 b)
  std::uint8_t has_reply;          // some rule of the other direction admits every reply (CT-4 c)
  std::uint8_t conditional_lanes;  // bit i: the rule of lane i demands an application or a name
  // Plain ones first, then in the order of their ids.
  alignas(kCacheLine) std::array<RuleIndex, kLanes> rules;
  std::array<GroupIndex, kLanes> groups;  // of the rules
};
static_assert(sizeof(CachedVerdict) == 2 * kCacheLine);
static_assert(std::is_trivially_copyable_v<CachedVerdict>);

class VerdictCache {
 public:
  static constexpr std::size_t kEntries = 32'768;  // 4 MiB

  VerdictCache();

  // As decide(snapshot, question).
  Decision decide(const PolicySnapshot& snapshot, const Question& question);

  // The same for up to kBurstMax questions, whose memory is fetched side by side. Sizes are equal.
  void decide_burst(const PolicySnapshot& snapshot, std::span<const Question> questions,
                    std::span<Decision> decisions);

  // Questions put to it since it was made.
  std::uint64_t asked() const { return asked_; }
  // Entries that it has filled since, each by a walk through the rules.
  std::uint64_t filled() const { return filled_; }

 private:
  class Groups;

  static constexpr std::size_t kWays = 4;
  using Tags = std::array<std::uint16_t, kWays>;  // 0: empty

  CachedVerdict& find(std::uint64_t hash) const;
  CachedVerdict& make_room(const VerdictKey& key, std::uint64_t hash);
  void decide_family(const PolicySnapshot& snapshot, std::span<const Question> questions,
                     std::span<const std::uint8_t> places, std::span<const CidrMatch> matches,
                     std::span<Decision> decisions);

  std::unique_ptr<CachedVerdict[]> entries_;
  std::unique_ptr<Tags[]> tags_;
  std::size_t turn_ = 0;  // which of a full set goes
  std::uint64_t asked_ = 0;
  std::uint64_t filled_ = 0;
};

}  // namespace sluice
