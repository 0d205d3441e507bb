#pragma once

// One line of the table: eight places, each a 16-bit tag of the flow's hash and the index of its
// entry. All tags are compared by one vector instruction, so a lookup reads this line and, nearly
// always, one entry.
//
//      0                16                              48             56        60       64
//      +----------------+-------------------------------+--------------+---------+--------+
//      | 8 tags, 0=free | 8 entry indexes               | overflow     | overflow| depar- |
//      |                |                               | bits         | count   | tures  |
//      +----------------+-------------------------------+--------------+---------+--------+
//
// A flow whose first bucket is this one but which lies in its second sets one of 64 overflow bits
// here. A miss that finds its bit clear is over after this line. Bits are not counted one by one;
// they are cleared together when the last such flow goes.
//
// Readers on other threads. The owner writes what they read by atomic stores: an arrival is key,
// index, tag in this order; a departure is tag, count of departures, and only then may the entry be
// given another key. A reader takes the count, the tags, the index, the key and the count again:
// if both counts are equal, the key was that of the tag. tests/models/flow_read.pml proves it.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/cache_line.h"

namespace sluice {

// A word that the owner of a table writes and other threads read. Plain moves on x86.
template <class Word>
void store_shared(Word& word, Word value, int order) {
  __atomic_store_n(&word, value, order);
}
template <class Word>
Word load_shared(const Word& word, int order) {
  return __atomic_load_n(&word, order);
}

struct alignas(kCacheLine) FlowBucket {
  static constexpr unsigned kPlaces = 8;
  static constexpr std::uint16_t kFreeTag = 0;

  std::uint16_t tags[kPlaces];
  std::uint32_t entries[kPlaces];
  std::uint64_t overflow_bits;
  std::uint32_t overflow_count;
  std::uint32_t departures;  // flows that have left this line, modulo 2^32

  // Bit i is set where place i holds this tag.
  unsigned match(std::uint16_t tag) const {
#if defined(__SSE2__)
    const __m128i wanted = _mm_set1_epi16(static_cast<short>(tag));
    const __m128i held = _mm_load_si128(reinterpret_cast<const __m128i*>(tags));
    const __m128i equal = _mm_cmpeq_epi16(held, wanted);
    const __m128i bytes = _mm_packs_epi16(equal, _mm_setzero_si128());
    return static_cast<unsigned>(_mm_movemask_epi8(bytes));
#else
    unsigned mask = 0;
    for (unsigned i = 0; i < kPlaces; ++i) mask |= static_cast<unsigned>(tags[i] == tag) << i;
    return mask;
#endif
  }
  unsigned free_places() const { return match(kFreeTag); }
  unsigned used() const { return kPlaces - static_cast<unsigned>(std::popcount(free_places())); }
  // Requires a free place.
  void put(std::uint16_t tag, std::uint32_t entry) {
    const auto place = static_cast<unsigned>(std::countr_zero(free_places())) % kPlaces;
    store_shared(entries[place], entry, __ATOMIC_RELAXED);
    store_shared(tags[place], tag, __ATOMIC_RELEASE);
  }
  // False if this line does not hold the entry under this tag.
  bool take(std::uint16_t tag, std::uint32_t entry) {
    for (unsigned mask = match(tag); mask != 0; mask &= mask - 1) {
      const auto place = static_cast<unsigned>(std::countr_zero(mask)) % kPlaces;
      if (entries[place] != entry) continue;
      store_shared(tags[place], kFreeTag, __ATOMIC_RELAXED);
      store_shared(departures, departures + 1, __ATOMIC_RELEASE);
      __atomic_thread_fence(__ATOMIC_RELEASE);  // whoever sees the next key sees this count
      return true;
    }
    return false;
  }
};
static_assert(sizeof(FlowBucket) == kCacheLine);
static_assert(offsetof(FlowBucket, entries) == 16);
static_assert(offsetof(FlowBucket, overflow_bits) == 48);
static_assert(std::is_trivial_v<FlowBucket>);

// Where a flow may lie: two buckets, a tag, a bit of the first bucket's overflow filter. Each part
// is made of other bits of the hash; what is seldom asked for is made when it is.
struct FlowPlace {
  std::uint64_t hash;
  std::uint32_t first;
  std::uint16_t tag;

  static FlowPlace of(std::uint64_t hash, std::uint32_t bucket_count) {
    const auto first = static_cast<std::uint32_t>((hash >> 32) * bucket_count >> 32);
    const auto tag = static_cast<std::uint16_t>(hash);
    return {hash, first, tag == FlowBucket::kFreeTag ? std::uint16_t{1} : tag};
  }
  std::uint32_t second(std::uint32_t bucket_count) const {
    const std::uint64_t again = (hash * 0x94d049bb133111ebu) >> 32;
    const auto place = static_cast<std::uint32_t>(again * bucket_count >> 32);
    return place == first ? (first + 1) % bucket_count : place;
  }
  std::uint64_t overflow_bit() const { return std::uint64_t{1} << (hash >> 16 & 63); }
};

}  // namespace sluice
