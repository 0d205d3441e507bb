#pragma once

// The flows of one family. Three arrays, taken once:
//
//      buckets  64 B for 8 places   hash -> two candidate lines of tags and entry indexes
//      entries  64 or 128 B         key and state, at an index that never changes
//      wheel    1 B                 when to look at the entry again
//
// A flow lies in one of the two buckets that its hash names, never elsewhere: a lookup reads at
// most two bucket lines, an insert moves nobody. Placing goes to the first bucket until it is
// three quarters full, then to the emptier of the two; with 5 flows for 8 places at full capacity
// next to no pair of buckets overflows before the table is full. When it does, or the table is
// full, a flow of a lesser class among the 16 candidates makes room, or the newcomer is refused.
//
// Memory for an IPv4 flow: 64 + 64 / 5 + 1 = 77.8 bytes.
//
// One owner thread; presence() from any. Entries stay where they are while they live; pointers to
// them last until the flow is removed or expires.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/cache_line.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/flow_hash.h"
#include "flowtable/flow_bucket.h"
#include "flowtable/flow_entry.h"
#include "flowtable/flow_key.h"
#include "flowtable/free_entries.h"
#include "flowtable/timer_wheel.h"
#include "flowtable/zeroed_memory.h"

namespace sluice {

// Who makes room for whom. A newcomer is Embryonic: it displaces what has ended, then what is only
// accounted for (untracked flows use no allowance and pass without an entry, CT-29), then what has
// been silent for kEmbryonicGraceMs without having got anywhere; nothing else, however full the
// table.
enum class EvictionClass : std::uint8_t { Ended, Accounted, Embryonic, Kept };
EvictionClass eviction_class(FlowPhase phase);
inline constexpr std::uint32_t kEmbryonicGraceMs = 3'000;  // a SYN is sent again after 1 and 3 s

// What a thread that does not own the table learns of a flow. Unsure: flows left its bucket at each
// try; ask the owner.
enum class Presence : std::uint8_t { Absent, Present, Unsure };

template <class Key>
class FlowTable {
 public:
  using Entry = FlowEntry<Key>;
  static constexpr std::uint32_t kFlowsPerBucket = 5;  // at full capacity, of 8 places

  FlowTable(std::uint32_t capacity, const HashKey& hash_key, bool touch)
      : capacity_(capacity),
        bucket_count_(capacity / kFlowsPerBucket + 2),
        hash_key_(hash_key),
        bucket_memory_(std::size_t{bucket_count_} * sizeof(FlowBucket), touch),
        entry_memory_(std::size_t{capacity} * sizeof(Entry), touch),
        buckets_(bucket_memory_.as<FlowBucket>()),
        entries_(entry_memory_.as<Entry>()),
        wheel_(capacity, touch),
        free_(entries_) {}

  // Where a flow of this place_hash() may lie.
  FlowPlace place(std::uint64_t hash) const { return FlowPlace::of(hash, bucket_count_); }

  void prefetch_bucket(const FlowPlace& at) const { prefetch_read(&buckets_[at.first]); }

  // Asks for the entry that is nearly always the flow's own and returns its state; null: none has
  // its tag. Where the overflow filter says so, asks for the second bucket then.
  FlowState* guess(const FlowPlace& at) const {
    const FlowBucket& bucket = buckets_[at.first];
    const unsigned mask = bucket.match(at.tag);
    if (mask == 0) [[unlikely]] {
      const bool may_be_second = (bucket.overflow_bits & at.overflow_bit()) != 0;
      if (may_be_second) prefetch_read(&buckets_[at.second(bucket_count_)]);
      return nullptr;
    }
    Entry* entry = &entries_[bucket.entries[std::countr_zero(mask)]];
    prefetch_write(entry);
    return &entry->state;
  }

  // The same of the second bucket, which guess() has asked for; null as well where the overflow
  // filter says that the flow cannot lie there.
  FlowState* guess_second(const FlowPlace& at) const {
    if ((buckets_[at.first].overflow_bits & at.overflow_bit()) == 0) return nullptr;
    const FlowBucket& bucket = buckets_[at.second(bucket_count_)];
    const unsigned mask = bucket.match(at.tag);
    if (mask == 0) return nullptr;
    Entry* entry = &entries_[bucket.entries[std::countr_zero(mask)]];
    prefetch_write(entry);
    return &entry->state;
  }

  // Requires a live flow of this table.
  bool is_named(const FlowState* state, const Key& key) const {
    return entry_of(state)->key == key;
  }

  FlowState* find(const Key& key, const FlowPlace& at) {
    const FlowBucket& bucket = buckets_[at.first];
    if (Entry* entry = find_in(bucket, at.tag, key)) return &entry->state;
    if ((bucket.overflow_bits & at.overflow_bit()) == 0) return nullptr;
    Entry* entry = find_in(buckets_[at.second(bucket_count_)], at.tag, key);
    return entry != nullptr ? &entry->state : nullptr;
  }

  // From any thread, while the owner inserts and removes: Present or Absent as it was at a moment
  // within the call. Never waits; at most two lines, kReadTries times each.
  Presence presence(const Key& key, const FlowPlace& at) const {
    const auto words = std::bit_cast<typename Entry::Words>(key);
    const FlowBucket& first = buckets_[at.first];
    const Presence here = presence_in(first, at.tag, words);
    if (here != Presence::Absent) return here;
    const std::uint64_t overflow = load_shared(first.overflow_bits, __ATOMIC_ACQUIRE);
    if ((overflow & at.overflow_bit()) == 0) return Presence::Absent;
    return presence_in(buckets_[at.second(bucket_count_)], at.tag, words);
  }

  // A zeroed state under a key that find() does not know; null if there is no room. `may_grow`
  // false: only in the place of another flow, which on_end(tuple, state) sees before it goes.
  template <class OnEnd>
  FlowState* insert(const Key& key, const FlowPlace& at, bool may_grow, TickMs now,
                    OnEnd&& on_end) {
    // The second line is read only where the first is crowded: most inserts wait for one.
    const bool has_place = buckets_[at.first].free_places() != 0 ||
                           buckets_[at.second(bucket_count_)].free_places() != 0;
    if (!has_place || !may_grow || size_ == capacity_) {
      const std::uint32_t victim = choose_victim(at, now);
      if (victim == kNoEntry) return nullptr;
      on_end(entries_[victim].key.tuple(), entries_[victim].state);
      remove(victim);
    }
    const std::uint32_t index = take_entry();
    Entry& entry = entries_[index];
    entry.set_key(key);
    entry.state = FlowState{};
    link(at, index);
    ++size_;
    return &entry.state;
  }

  void arm(std::uint32_t index, TickMs now, std::uint32_t wait_ms) {
    wheel_.arm(index, now, wait_ms);
  }

  // Of the flows near a place, which are those that could make room there, the one that was silent
  // for the longest time among those that may_go(EniIndex, const FlowState&) names; null: none.
  template <class MayGo>
  FlowState* longest_idle(const FlowPlace& at, TickMs now, MayGo&& may_go) {
    FlowState* longest = nullptr;
    const FlowBucket* first = &buckets_[at.first];
    const FlowBucket* second = &buckets_[at.second(bucket_count_)];
    for (const FlowBucket* bucket : {first, second}) {
      looked_ += bucket->used();
      for (unsigned taken = ~bucket->free_places() & 0xff; taken != 0; taken &= taken - 1) {
        Entry& entry = entries_[bucket->entries[std::countr_zero(taken)]];
        if (!may_go(EniIndex(entry.key.eni_proto >> 8), entry.state)) continue;
        const bool is_longer =
            longest == nullptr || now - entry.state.last_seen_ms > now - longest->last_seen_ms;
        if (is_longer) longest = &entry.state;
      }
    }
    return longest;
  }

  // Requires a live entry of this table.
  void remove(std::uint32_t index) { remove(index, place_of(index)); }

  // The same of one whose place is known.
  void remove(std::uint32_t index, const FlowPlace& at) {
    Entry& entry = entries_[index];
    unlink(index, at);
    wheel_.disarm(index);
    entry.state.phase = static_cast<std::uint8_t>(FlowPhase::Free);
    free_.put(index);
    --size_;
  }

  // See FlowShard::expire().
  template <class TimeoutOf, class OnEnd>
  std::size_t expire(TickMs now, std::size_t budget, TimeoutOf&& timeout_of, OnEnd&& on_end) {
    return wheel_.advance(
        now, used_, budget, [&](std::uint32_t index) { prefetch_write(&entries_[index]); },
        [&](std::span<const std::uint32_t> due) { visit_due(now, due, timeout_of, on_end); });
  }

  // See FlowShard::walk(): looks at slots from `first` on, at most `budget`; returns the next one,
  // used() at the end.
  template <class Visit>
  std::uint32_t walk(std::uint32_t first, std::size_t budget, Visit&& visit) {
    const auto end = static_cast<std::uint32_t>(std::min<std::size_t>(used_, first + budget));
    for (std::uint32_t index = first; index < end; ++index) {
      if (index + kWalkAhead < end) prefetch_read(&entries_[index + kWalkAhead]);
      if (wheel_.is_armed(index)) visit(entries_[index].key.tuple(), entries_[index].state);
    }
    return end;
  }

  bool owns(const FlowState* state) const {
    const char* address = reinterpret_cast<const char*>(state);
    return address >= reinterpret_cast<const char*>(entries_) &&
           address < reinterpret_cast<const char*>(entries_ + capacity_);
  }
  // Requires owns(state).
  std::uint32_t index_of(const FlowState* state) const {
    const auto offset =
        reinterpret_cast<const char*>(state) - reinterpret_cast<const char*>(entries_);
    return static_cast<std::uint32_t>(static_cast<std::size_t>(offset) / sizeof(Entry));
  }

  FlowTuple tuple(std::uint32_t index) const { return entries_[index].key.tuple(); }

  std::uint32_t size() const { return size_; }
  std::uint32_t used() const { return used_; }  // entries that were ever live lie below this index
  std::uint64_t looked() const { return looked_; }  // see FlowShard::looked()
  std::size_t memory_size() const {
    return bucket_memory_.size() + entry_memory_.size() + wheel_.memory_size();
  }

 private:
  static constexpr std::uint32_t kNoEntry = 0xffffffffu;
  static constexpr std::uint32_t kCrowded = 6;    // places taken before the second bucket is asked
  static constexpr unsigned kReadTries = 4;       // of a line that flows leave meanwhile
  static constexpr std::uint32_t kWalkAhead = 8;  // entries; a walk is bound by memory, not by this

  static const Entry* entry_of(const FlowState* state) {
    return reinterpret_cast<const Entry*>(reinterpret_cast<const char*>(state) -
                                          offsetof(Entry, state));
  }

  // The place of an entry that is in the table, computed anew from its key.
  FlowPlace place_of(std::uint32_t index) const {
    const FlowTuple tuple = entries_[index].key.tuple();
    return place(place_hash(owner_hash(hash_key_, tuple), tuple.eni));
  }

  // Arms anew those that live on; of all others the buckets are asked for before the first goes.
  template <class TimeoutOf, class OnEnd>
  void visit_due(TickMs now, std::span<const std::uint32_t> due, TimeoutOf&& timeout_of,
                 OnEnd&& on_end) {
    struct Ending {
      std::uint32_t index;
      FlowPlace at;
    };
    std::array<Ending, TimerWheel::kGroup> ending;
    std::size_t count = 0;
    for (const std::uint32_t index : due) {
      Entry& entry = entries_[index];
      const std::uint32_t timeout_ms = timeout_of(entry.key.tuple(), entry.state);  // may close it
      const std::uint32_t idle_ms = now - entry.state.last_seen_ms;
      if (idle_ms < timeout_ms) {
        wheel_.arm(index, now, timeout_ms - idle_ms);
        continue;
      }
      ending[count] = {index, place_of(index)};
      prefetch_write(&buckets_[ending[count++].at.first]);
    }
    for (const Ending& each : std::span(ending).first(count)) {
      Entry& entry = entries_[each.index];
      on_end(entry.key.tuple(), entry.state);
      remove(each.index, each.at);
    }
  }

  Entry* find_in(const FlowBucket& bucket, std::uint16_t tag, const Key& key) {
    for (unsigned mask = bucket.match(tag); mask != 0; mask &= mask - 1) {
      Entry& entry = entries_[bucket.entries[std::countr_zero(mask)]];
      if (entry.key == key) return &entry;
    }
    return nullptr;
  }

  Presence presence_in(const FlowBucket& bucket, std::uint16_t tag,
                       const typename Entry::Words& words) const {
    for (unsigned tries = 0; tries < kReadTries; ++tries) {
      const std::uint32_t before = load_shared(bucket.departures, __ATOMIC_ACQUIRE);
      bool is_named = false;
      for (unsigned place = 0; place < FlowBucket::kPlaces && !is_named; ++place) {
        if (load_shared(bucket.tags[place], __ATOMIC_ACQUIRE) != tag) continue;
        const std::uint32_t index = load_shared(bucket.entries[place], __ATOMIC_RELAXED);
        is_named = entries_[index].holds_words(words);
      }
      __atomic_thread_fence(__ATOMIC_ACQUIRE);
      if (load_shared(bucket.departures, __ATOMIC_RELAXED) != before) continue;
      return is_named ? Presence::Present : Presence::Absent;
    }
    return Presence::Unsure;
  }

  std::uint32_t take_entry() {
    const std::uint32_t index = free_.take();
    return index == FreeEntries<Entry>::kNone ? used_++ : index;
  }

  // Requires a free place in one of the two buckets.
  void link(const FlowPlace& at, std::uint32_t index) {
    FlowBucket& first = buckets_[at.first];
    FlowBucket& second = buckets_[at.second(bucket_count_)];
    const unsigned first_used = first.used();
    if (first_used < kCrowded || first_used <= second.used()) {
      first.put(at.tag, index);
      return;
    }
    second.put(at.tag, index);
    store_shared(first.overflow_bits, first.overflow_bits | at.overflow_bit(), __ATOMIC_RELEASE);
    ++first.overflow_count;
  }
  void unlink(std::uint32_t index, const FlowPlace& at) {
    FlowBucket& first = buckets_[at.first];
    if (first.take(at.tag, index)) return;
    CHECK(buckets_[at.second(bucket_count_)].take(at.tag, index));
    if (--first.overflow_count != 0) return;
    store_shared(first.overflow_bits, std::uint64_t{0}, __ATOMIC_RELAXED);
  }

  // Of the flows in the two buckets, the one of the least class that may go, the longest idle of
  // these; kNoEntry if none may.
  std::uint32_t choose_victim(const FlowPlace& at, TickMs now) {
    std::uint32_t victim = kNoEntry;
    EvictionClass victim_class = EvictionClass::Kept;
    std::uint32_t victim_idle_ms = 0;
    const FlowBucket* first = &buckets_[at.first];
    const FlowBucket* second = &buckets_[at.second(bucket_count_)];
    for (const FlowBucket* bucket : {first, second}) {
      looked_ += bucket->used();
      for (unsigned i = 0; i < FlowBucket::kPlaces; ++i) {
        if (bucket->tags[i] == FlowBucket::kFreeTag) continue;
        const FlowState& state = entries_[bucket->entries[i]].state;
        const EvictionClass its_class = eviction_class(state.flow_phase());
        const std::uint32_t idle_ms = now - state.last_seen_ms;
        if (its_class == EvictionClass::Kept) continue;
        if (its_class == EvictionClass::Embryonic && idle_ms < kEmbryonicGraceMs) continue;
        if (its_class > victim_class) continue;
        if (its_class == victim_class && idle_ms <= victim_idle_ms) continue;
        victim = bucket->entries[i];
        victim_class = its_class;
        victim_idle_ms = idle_ms;
      }
    }
    return victim;
  }

  const std::uint32_t capacity_;
  const std::uint32_t bucket_count_;
  const HashKey hash_key_;
  ZeroedMemory bucket_memory_;
  ZeroedMemory entry_memory_;
  FlowBucket* const buckets_;
  Entry* const entries_;
  TimerWheel wheel_;
  std::uint32_t size_ = 0;
  std::uint32_t used_ = 0;
  FreeEntries<Entry> free_;
  std::uint64_t looked_ = 0;
};

}  // namespace sluice
