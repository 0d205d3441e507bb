#pragma once

// What is remembered of an identified conversation and has no room in its entry: the name that its
// client asked for, the fingerprint of its hello, and the signature that matched it.
//
// A bounded table, four places to a set: where all four are taken the one that was put there first
// is forgotten, which costs an output its name and nothing else.
//
//   sets     4 keys | when each was put there      one cache line
//   facts    4 of each set                         begin a cache line each
//
// So a flow that begins or ends touches one line, and one or two more where it has a name. All
// memory is taken in the constructor. One owner thread. Keys as in first_bytes.h.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/cache_line.h"
#include "flowtable/flow_event.h"
#include "flowtable/zeroed_memory.h"

namespace sluice {

class FlowNames {
 public:
  static constexpr std::size_t kWays = 4;

  // `capacity` conversations, rounded up to a power of two, at least one set.
  explicit FlowNames(std::size_t capacity);
  FlowNames(const FlowNames&) = delete;
  FlowNames& operator=(const FlowNames&) = delete;

  // What is known of the key, to be filled in; nothing yet where it was not known. Good until the
  // next call.
  FlowFacts& remember(const void* key);
  // Null: nothing is known, or not any more.
  const FlowFacts* find(const void* key) const;
  void erase(const void* key);

  std::size_t size() const { return size_; }

 private:
  struct alignas(kCacheLine) Set {
    std::array<const void*, kWays> keys;        // null: nobody's
    std::array<std::uint32_t, kWays> born;      // when each was put there, by births_
    std::size_t way_of(const void* key) const;  // kWays: it is not there
  };
  static_assert(sizeof(Set) == kCacheLine);
  struct alignas(kCacheLine) Place {
    FlowFacts facts;
  };

  std::size_t number_of(const void* key) const;  // of its set
  Set& set(std::size_t number) const { return sets_.as<Set>()[number]; }
  FlowFacts& facts(std::size_t number, std::size_t way) const {
    return places_.as<Place>()[number * kWays + way].facts;
  }
  std::size_t place_for_one_more(const Set& own) const;

  const std::size_t set_count_;
  ZeroedMemory sets_;
  ZeroedMemory places_;
  std::uint32_t births_ = 0;
  std::size_t size_ = 0;
};

}  // namespace sluice
