#pragma once

// Buffers of fragments that wait for their first one: a pool of places, each named by a HeldIndex.
// Fixed size, one owner thread.

#include <cstddef>
#include <vector>

#include "base/ids.h"
#include "dataplane/packet_io.h"
#include "flowtable/fragment_table.h"

namespace sluice {

struct HeldPacket {
  Frame frame;
  NicIndex nic;  // it came in by
};

class HeldPackets {
 public:
  explicit HeldPackets(std::size_t capacity) : places_(capacity) {
    free_.reserve(capacity);
    for (std::size_t i = capacity; i > 0; --i) free_.push_back(static_cast<HeldIndex>(i - 1));
  }

  // A place for the packet; kNoHeld if there is none.
  HeldIndex put(const HeldPacket& packet) {
    if (free_.empty()) return kNoHeld;
    const HeldIndex index = free_.back();
    free_.pop_back();
    places_[index] = packet;
    return index;
  }
  // Requires that put() gave the index and that it was not taken since.
  HeldPacket take(HeldIndex index) {
    free_.push_back(index);
    return places_[index];
  }
  std::size_t size() const { return places_.size() - free_.size(); }

 private:
  std::vector<HeldPacket> places_;
  std::vector<HeldIndex> free_;
};

}  // namespace sluice
