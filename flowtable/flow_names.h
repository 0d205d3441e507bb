#pragma once

// What is remembered of an identified conversation and has no room in its entry: the name that its
// client asked for, the fingerprint of its hello, and the signature that matched it.
//
// A bounded table, four places to a set: where all four are taken the one that was put there first
// is forgotten, which costs an output its name and nothing else. All memory is taken in the
// constructor. One owner thread. Keys as in first_bytes.h.

#include <cstddef>
#include <cstdint>

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
  struct Fact {
    const void* key;
    std::uint32_t born;  // when it was put there, among those of its set
    FlowFacts facts;
  };
  Fact* set_of(const void* key) const;

  const std::size_t sets_;
  ZeroedMemory memory_;
  std::uint32_t births_ = 0;
  std::size_t size_ = 0;
};

}  // namespace sluice
