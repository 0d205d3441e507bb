#pragma once

// Refused packets make no flow entry. This bounded cache sums them up per 5-tuple, interface,
// direction and reason until the log window ends, so that a flood of one flow is one record. A full
// set gives its oldest record away early (to the ring): no packet is lost from the count.
//
//      set = 4 records, chosen by a keyed hash of the key's parts; a lookup compares at most 4
//
// Invariant: the packets and bytes given to emit() plus those still held equal those added. A
// record never spans two log windows (kLogWindowS). One owner thread; memory is taken in the
// constructor.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/flow_hash.h"
#include "base/limits.h"
#include "flowtable/flow_event.h"

namespace sluice {

class RefusalCache {
 public:
  static constexpr std::size_t kWays = 4;

  // `capacity` records, rounded up to a power of two, at least one set. Memory is taken now.
  RefusalCache(std::size_t capacity, const HashKey& key);
  ~RefusalCache();
  RefusalCache(const RefusalCache&) = delete;
  RefusalCache& operator=(const RefusalCache&) = delete;

  // Adds one refused packet: `packet` is a FlowDelta with packets = 1, `hash` is owner_hash() of
  // its tuple. Merges into the record of the same tuple, direction, reason and log window; where
  // it has to make room, emit(const FlowDelta&) is called with the record that goes.
  template <class Emit>
  void add(const FlowDelta& packet, std::uint64_t hash, Emit&& emit) {
    FlowDelta* set = &records_[set_of(packet, hash)];
    FlowDelta* target = nullptr;
    for (FlowDelta* record = set; record != set + kWays; ++record) {
      if (record->packets == 0) {
        if (target == nullptr) target = record;
        continue;
      }
      if (!is_same(*record, packet)) continue;
      if (in_same_window(*record, packet)) return merge(*record, packet);
      emit(static_cast<const FlowDelta&>(*record));
      *record = packet;
      return;
    }
    if (target == nullptr) {
      target = std::min_element(set, set + kWays, [](const FlowDelta& a, const FlowDelta& b) {
        return a.last_s < b.last_s;
      });
      emit(static_cast<const FlowDelta&>(*target));
      --size_;
    }
    *target = packet;
    ++size_;
  }

  // Gives away up to `budget` slots from `cursor`; returns the next cursor, 0 when all are empty.
  template <class Emit>
  std::size_t flush(std::size_t cursor, std::size_t budget, Emit&& emit) {
    const std::size_t end = std::min(slots_, cursor + budget);
    for (; cursor < end; ++cursor) {
      FlowDelta& record = records_[cursor];
      if (record.packets == 0) continue;
      emit(static_cast<const FlowDelta&>(record));
      record.packets = 0;
      --size_;
    }
    return cursor < slots_ ? cursor : 0;
  }

  // Visits every record without taking it (for the sum law).
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < slots_; ++i) {
      if (records_[i].packets != 0) visit(static_cast<const FlowDelta&>(records_[i]));
    }
  }

  std::size_t size() const { return size_; }
  std::size_t slots() const { return slots_; }  // length of a whole flush()

 private:
  static bool is_same(const FlowDelta& record, const FlowDelta& packet) {
    return record.tuple == packet.tuple && record.direction == packet.direction &&
           record.reason == packet.reason;
  }
  static bool in_same_window(const FlowDelta& record, const FlowDelta& packet) {
    return record.first_s / kLogWindowS == packet.first_s / kLogWindowS;
  }
  static void merge(FlowDelta& record, const FlowDelta& packet);
  std::size_t set_of(const FlowDelta& packet, std::uint64_t hash) const;

  const std::size_t slots_;
  const HashKey key_;
  std::unique_ptr<FlowDelta[]> records_;  // free while packets == 0
  std::size_t size_ = 0;
};

}  // namespace sluice
