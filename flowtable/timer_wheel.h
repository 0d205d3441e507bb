#pragma once

// The timer wheel of a table, turned inside out. A wheel usually keeps a list of entries for each
// slot; here each entry keeps the number of its slot, one byte, in an array of its own, and "the
// hand moves on" means: find the bytes that hold the slots passed, 16 at a time.
//
// Why: a byte is all the memory it takes (links would take 4 to 8); arming, moving and forgetting
// an entry is one store and cannot corrupt a list; entries come in memory order, which the
// prefetcher likes. The price is reading one byte for each entry and tick: 1 M entries are 1 MB
// twice a second, less than 0.1 ms of it.
//
//      slot   0 = not armed        1 … 255 = tick % 255 + 1
//
//      ticks  ---done]---------target]---------------------done + 250]------>
//                    being visited    where entries may be armed
//
// Invariants: an armed entry's tick lies in (done, done + 255), so its byte tells which tick is
// meant; during a pass nothing is armed at or before `target`, so one walk through memory finds
// everything. Waits beyond 250 ticks (128 s) are cut: the entry is visited early and armed again,
// so waits of days cost one visit every two minutes. Any jump of time up to 49 days is one pass.
//
// One thread. Time is an argument.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/check.h"
#include "base/clock.h"
#include "flowtable/zeroed_memory.h"

namespace sluice {

class TimerWheel {
 public:
  static constexpr std::uint32_t kTickMs = 512;  // how late a visit may be, besides the budget
  static constexpr std::uint32_t kSlots = 255;
  static constexpr std::uint32_t kHorizonTicks = 250;
  static constexpr std::uint32_t kPassTicksMax = 120;  // beyond this a pass visits everything
  static constexpr std::size_t kScanPerVisit = 64;     // bytes read for each visit of the budget
  static constexpr std::size_t kScanMin = 4'096;       // and at least so many a call
  static constexpr std::size_t kGroup = 16;  // visits whose memory is fetched side by side

  TimerWheel(std::uint32_t entries, bool touch) : slots_(rounded(entries), touch) {}

  // Arms an entry, armed or not, to be visited when `wait_ms` have passed, rounded up.
  void arm(std::uint32_t entry, TickMs now, std::uint32_t wait_ms) {
    observe(now);
    const std::uint64_t tick = (clock_ms_ + wait_ms + kTickMs - 1) / kTickMs;
    const std::uint64_t armed = std::clamp(tick, target_ + 1, done_ + kHorizonTicks);
    bytes()[entry] = slot_of(armed);
  }
  void disarm(std::uint32_t entry) { bytes()[entry] = 0; }
  bool is_armed(std::uint32_t entry) const { return bytes()[entry] != 0; }

  // Visits entries among the first `used` whose time has come, at most `budget`, in groups of up to
  // kGroup: prefetch(entry) for each of a group as it is found, then visit(group), which must arm
  // or disarm them all: one that it forgets would not be found again for two minutes. Reads a
  // bounded stretch of memory a call and goes on from there at the next. Returns the number of
  // visits.
  template <class Prefetch, class Visit>
  std::size_t advance(TickMs now, std::uint32_t used, std::size_t budget, Prefetch&& prefetch,
                      Visit&& visit) {
    observe(now);
    std::array<std::uint32_t, kGroup> group;
    std::size_t visited = 0;
    std::size_t chunks = std::max(budget * kScanPerVisit, kScanMin) / kChunk;
    while (is_passing() || begin_pass()) {
      while (cursor_ < used && chunks != 0 && visited < budget) {
        const std::size_t most = std::min(kGroup, budget - visited);
        const std::size_t count = gather(used, std::span(group).first(most), chunks, prefetch);
        if (count == 0) continue;
        const auto found = std::span<const std::uint32_t>(group).first(count);
        visit(found);
        for (const std::uint32_t entry : found) CHECK(!would_be_lost(entry));
        visited += count;
      }
      if (cursor_ < used) return visited;
      done_ = target_;
    }
    return visited;
  }

  std::size_t memory_size() const { return slots_.size(); }

 private:
  static constexpr std::uint32_t kChunk = 16;

  // Moves the cursor on until the group is full, `chunks` are read or the end is reached.
  template <class Prefetch>
  std::size_t gather(std::uint32_t used, std::span<std::uint32_t> group, std::size_t& chunks,
                     Prefetch&& prefetch) {
    std::size_t count = 0;
    for (; cursor_ < used && chunks != 0; cursor_ = (cursor_ / kChunk + 1) * kChunk, --chunks) {
      const std::uint32_t base = cursor_ / kChunk * kChunk;
      unsigned due = due_mask(bytes() + base) & (~0u << (cursor_ - base));
      for (; due != 0; due &= due - 1) {
        cursor_ = base + lowest(due);
        if (count == group.size()) return count;
        prefetch(cursor_);
        group[count++] = cursor_;
      }
    }
    return count;
  }

  static std::size_t rounded(std::uint32_t entries) {
    return (std::size_t{entries} + kChunk - 1) / kChunk * kChunk;
  }
  static std::uint8_t slot_of(std::uint64_t tick) {
    return static_cast<std::uint8_t>(tick % kSlots + 1);
  }
  static std::uint32_t lowest(unsigned mask) {
    return static_cast<std::uint32_t>(std::countr_zero(mask));
  }
  std::uint8_t* bytes() const { return slots_.as<std::uint8_t>(); }

  // Time that does not wrap.
  void observe(TickMs now) {
    if (!started_) {
      started_ = true;
      clock_ms_ = now;
      done_ = target_ = clock_ms_ / kTickMs;
    } else {
      clock_ms_ += now - last_now_;  // of 32 bits, so it may wrap
    }
    last_now_ = now;
  }
  bool is_passing() const { return done_ != target_; }
  bool begin_pass();  // false if the hand is where the clock is

  // True if a slot is of those that this pass visits.
  bool is_due(std::uint8_t slot) const {
    return (slot >= first_slot_ && slot <= last_slot_) || (slot >= 1 && slot <= wrapped_slot_);
  }
  // True if an entry that was visited is still armed for this pass. One that visits everything
  // cannot tell.
  bool would_be_lost(std::uint32_t entry) const {
    const bool visits_everything = first_slot_ == 1 && last_slot_ == kSlots;
    return !visits_everything && is_due(bytes()[entry]);
  }

  // Bit i is set where bytes[i] holds a slot that this pass visits.
  unsigned due_mask(const std::uint8_t* chunk) const {
#if defined(__SSE2__)
    const __m128i slots = _mm_load_si128(reinterpret_cast<const __m128i*>(chunk));
    const auto within = [&](std::uint8_t first, std::uint8_t last) {
      const __m128i low = _mm_set1_epi8(static_cast<char>(first));
      const __m128i high = _mm_set1_epi8(static_cast<char>(last));
      return _mm_and_si128(_mm_cmpeq_epi8(_mm_max_epu8(slots, low), slots),
                           _mm_cmpeq_epi8(_mm_min_epu8(slots, high), slots));
    };
    const __m128i due = _mm_or_si128(within(first_slot_, last_slot_), within(1, wrapped_slot_));
    return static_cast<unsigned>(_mm_movemask_epi8(due));
#else
    unsigned mask = 0;
    for (unsigned i = 0; i < kChunk; ++i) {
      mask |= static_cast<unsigned>(is_due(chunk[i])) << i;
    }
    return mask;
#endif
  }

  ZeroedMemory slots_;
  bool started_ = false;
  TickMs last_now_ = 0;
  std::uint64_t clock_ms_ = 0;
  std::uint64_t done_ = 0;    // every tick up to this one has been visited
  std::uint64_t target_ = 0;  // the last tick of the pass under way; else equal to done_
  std::uint32_t cursor_ = 0;  // the entry that the pass under way looks at next
  // The slots of the pass under way: first to last, and 1 to wrapped.
  std::uint8_t first_slot_ = 1;
  std::uint8_t last_slot_ = 0;
  std::uint8_t wrapped_slot_ = 0;
};

}  // namespace sluice
