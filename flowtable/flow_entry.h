#pragma once

// A flow in memory: key and state. One cache line for IPv4, two for IPv6.
//
//   IPv4   | key 16 | state 48                                  |
//   IPv6   | key 40                         | state 0-23        | state 24-47 | unused 40 |
//
// IPv6: what a packet that only passes must read (key, stamps, phase) lies on the first line.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/cache_line.h"
#include "flowtable/flow_key.h"
#include "flowtable/flow_state.h"

namespace sluice {

template <class Key>
struct alignas(kCacheLine) FlowEntry {
  // The key as other threads read it, word for word.
  using Words = std::array<std::uint64_t, sizeof(Key) / sizeof(std::uint64_t)>;

  Key key;
  FlowState state;

  // Readers may see old and new words mixed, see flow_bucket.h.
  void set_key(const Key& fresh) {
    const auto words = std::bit_cast<Words>(fresh);
    for (std::size_t i = 0; i < words.size(); ++i) {
      __atomic_store_n(key_words() + i, words[i], __ATOMIC_RELAXED);
    }
  }
  // From any thread.
  bool holds_words(const Words& words) const {
    std::uint64_t different = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
      different |= words[i] ^ __atomic_load_n(key_words() + i, __ATOMIC_RELAXED);
    }
    return different == 0;
  }

 private:
  using Word [[gnu::may_alias]] = std::uint64_t;
  Word* key_words() { return reinterpret_cast<Word*>(this); }
  const Word* key_words() const { return reinterpret_cast<const Word*>(this); }
};

static_assert(sizeof(FlowEntry<Ipv4FlowKey>) == kCacheLine);
static_assert(offsetof(FlowEntry<Ipv4FlowKey>, state) == 16);
static_assert(sizeof(FlowEntry<Ipv6FlowKey>) == 2 * kCacheLine);
static_assert(offsetof(FlowEntry<Ipv6FlowKey>, state) == 40);
static_assert(offsetof(FlowEntry<Ipv6FlowKey>, state) + offsetof(FlowState, window_end) ==
              kCacheLine);
static_assert(std::is_trivial_v<FlowEntry<Ipv4FlowKey>>);
static_assert(std::is_trivial_v<FlowEntry<Ipv6FlowKey>>);

}  // namespace sluice
