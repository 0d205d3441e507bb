#pragma once

// What one worker remembers of the rules: (policy, direction, protocol, class of the remote
// address) -> the lanes of all rules that can allow, merged over groups and peers, in two lines.
//
//   | key: generation | policy | prefix | owner's policy | kind | port | lows 8 | highs 8 | counts
//   | | rules 8 of 4 bytes                                                                | unused
//   |
//
// A decision for a new connection then costs a walk of the trie and one entry, however many groups,
// lists and prefixes stand behind it. An entry is never wider than the rules: it holds their port
// ranges and is asked for each port anew. Where more than eight lanes matter, the entry only says
// so, and the answer for one port has an entry of its own. An address that interfaces of several
// peered VPCs share is asked the long way each time.
//
// Entries are of one generation: a new policy finds the cache empty, and two policies that one
// cache sees must not share a number. The table is direct-mapped and of fixed size, so a flood of
// classes or ports costs misses and nothing else.
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
#include "lookup/decide.h"
#include "lookup/packet_kind.h"

namespace sluice {

struct VerdictKey {
  static constexpr std::uint16_t kEgress = 0x8000;
  static constexpr std::uint16_t kIpv6 = 0x4000;
  static constexpr std::uint16_t kOnePort = 0x2000;  // `port` alone is meant

  std::uint32_t generation = 0;  // plus one; 0: an empty entry
  std::uint32_t policy = 0;
  std::uint32_t prefix = 0;
  std::uint32_t owner_policy = 0;
  std::uint16_t kind = 0;  // protocol as lanes name it, and the bits above
  std::uint16_t port = 0;
  std::uint32_t unused = 0;

  bool operator==(const VerdictKey&) const = default;
};
static_assert(sizeof(VerdictKey) == 24);

struct alignas(kCacheLine) CachedVerdict {
  static constexpr std::uint8_t kLanes = 8;
  static constexpr std::uint8_t kTooMany = 0xff;  // of lane_count: each port has an entry

  VerdictKey key;
  std::array<std::uint16_t, kLanes> lows;
  std::array<std::uint16_t, kLanes> highs;
  std::uint8_t lane_count;
  std::uint8_t open_lanes;  // bit i: the peer of lane i is every address (CT-4 b)
  std::uint8_t has_reply;   // some rule of the other direction admits every reply (CT-4 c)
  // In the order of their ids.
  alignas(kCacheLine) std::array<RuleIndex, kLanes> rules;
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

 private:
  class Groups;

  CachedVerdict& place_of(const VerdictKey& key) const;

  std::unique_ptr<CachedVerdict[]> entries_;
};

}  // namespace sluice
