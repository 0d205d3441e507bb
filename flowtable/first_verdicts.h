#pragma once

// What became of first fragments that another worker handed over, for their followers, which come
// the same way (CT-22): the table that knows the train has forgotten neither, but it does not learn
// what the owner of the conversation said.
//
// A cache of sets of four; where a set is full the oldest makes way, so a follower may find
// nothing: then it does not pass. Sets are chosen by a keyed hash. One owner thread; time is an
// argument.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/flow_hash.h"
#include "flowtable/fragment_table.h"

namespace sluice {

struct FirstVerdict {
  bool passed = false;
  bool related = false;  // as an ICMP error about a live flow (CT-25)
};

class FirstVerdicts {
 public:
  // Room for so many, rounded up to a power of two; all memory is taken now.
  FirstVerdicts(std::uint32_t capacity, const HashKey& key)
      : key_(key),
        set_mask_(std::bit_ceil((capacity + kWays - 1) / kWays) - 1),
        sets_(std::make_unique<Set[]>(set_mask_ + std::size_t{1})) {}

  void put(const FragmentKey& key, FirstVerdict verdict, TickMs now) {
    Set& set = set_of(key);
    Entry* place = &set[0];
    for (Entry& entry : set) {
      if (entry.is_used && entry.key == key) {
        place = &entry;
        break;
      }
      const bool is_older =
          place->is_used && (!entry.is_used || now - entry.put_ms > now - place->put_ms);
      if (is_older) place = &entry;
    }
    *place = Entry{key, verdict, now, true};
  }

  // Nothing: it is not known, or its datagram must be over by now.
  std::optional<FirstVerdict> find(const FragmentKey& key, TickMs now) const {
    const TickMs timeout_ms =
        key.source.is_v4() ? FragmentTable::kIpv4TimeoutMs : FragmentTable::kIpv6TimeoutMs;
    for (const Entry& entry : set_of(key)) {
      if (!entry.is_used || !(entry.key == key)) continue;
      if (now - entry.put_ms >= timeout_ms) return std::nullopt;
      return entry.verdict;
    }
    return std::nullopt;
  }

 private:
  static constexpr std::size_t kWays = 4;
  struct Entry {
    FragmentKey key;
    FirstVerdict verdict;
    TickMs put_ms = 0;
    bool is_used = false;
  };
  using Set = std::array<Entry, kWays>;

  Set& set_of(const FragmentKey& key) const {
    const std::uint64_t rest = std::uint64_t{key.id} << 32 | std::uint64_t{key.nic} << 8 |
                               static_cast<std::uint64_t>(key.proto);
    const std::uint64_t hash = keyed_hash(
        key_, std::array<std::uint64_t, 5>{key.source.high(), key.source.low(),
                                           key.destination.high(), key.destination.low(), rest});
    return sets_[static_cast<std::uint32_t>(hash) & set_mask_];
  }

  const HashKey key_;
  const std::uint32_t set_mask_;
  std::unique_ptr<Set[]> sets_;
};

}  // namespace sluice
