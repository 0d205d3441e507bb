#pragma once

// What one worker remembers of the rules: (policy, direction, protocol, class of the remote
// address) -> the lanes of all rules that can allow, merged over groups and peers, in two lines.
//
//   | generation | policy | prefix | owner's policy | kind | count, open lanes | lows 8 | highs 8 |
//   | rules 8 of 4 bytes                                                                 | unused |
//
// A decision for a new connection then costs a walk of the trie and one entry, however many groups,
// lists and prefixes stand behind it. An entry is never wider than the rules: it holds their port
// ranges and is asked for each port anew. What takes more than eight lanes is not kept, and neither
// is an address that interfaces of several peered VPCs share; both are asked the long way.
//
// Entries are of one generation: a new policy finds the cache empty, and two policies that one
// cache sees must not share a number. The table is direct-mapped and of fixed size, so a flood of
// classes costs misses and nothing else.
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

struct InterfaceRow;
struct RemoteClass;
struct SnapshotTables;

struct alignas(kCacheLine) CachedVerdict {
  static constexpr std::uint8_t kLanes = 8;
  static constexpr std::uint8_t kUnkept = 0xff;  // of lane_count: known to need the long way

  std::uint32_t generation;  // plus one; 0: empty
  std::uint32_t policy;
  std::uint32_t prefix;
  std::uint32_t owner_policy;
  std::uint16_t kind;  // protocol as lanes name it, direction, family
  std::uint8_t lane_count;
  std::uint8_t open_lanes;  // bit i: the peer of lane i is every address (CT-4 b)
  std::uint8_t has_reply;   // some rule of the other direction admits every reply (CT-4 c)
  std::uint8_t unused[3];
  std::array<std::uint16_t, kLanes> lows;
  std::array<std::uint16_t, kLanes> highs;
  // In the order of their ids.
  alignas(kCacheLine) std::array<RuleIndex, kLanes> rules;
};
static_assert(sizeof(CachedVerdict) == 2 * kCacheLine);
static_assert(offsetof(CachedVerdict, lows) == 24);
static_assert(std::is_trivially_copyable_v<CachedVerdict>);

class VerdictCache {
 public:
  static constexpr std::size_t kEntries = 8'192;  // 1 MiB

  VerdictCache();

  // As decide(snapshot, question).
  Decision decide(const PolicySnapshot& snapshot, const Question& question);

  // The same for up to kBurstMax questions, whose memory is fetched side by side. Sizes are equal.
  void decide_burst(const PolicySnapshot& snapshot, std::span<const Question> questions,
                    std::span<Decision> decisions);

 private:
  class Groups;

  CachedVerdict& place_of(const CachedVerdict& key) const;
  void fill(const SnapshotTables& tables, const InterfaceRow& row, const Question& question,
            const PacketKind& packet, CachedVerdict& entry);

  std::unique_ptr<CachedVerdict[]> entries_;
};

}  // namespace sluice
