#pragma once

// How long the rings between threads are. The pool of packet buffers (packet_buffers.h) covers
// every ring that holds packets, so sizes and pool read the same numbers.

#include <algorithm>
#include <bit>
#include <cstddef>

#include "base/limits.h"

namespace sluice {

inline constexpr std::size_t kDeltaRing = 16'384;
inline constexpr std::size_t kWatchRing = 4'096;
inline constexpr std::size_t kMailRing = 64;
// To the worker that sends for one without a transmit queue, of each device.
inline constexpr std::size_t kTransmitRing = 512;

// From one worker to another. A worker's inboxes together hold about 4,096 packets, however many
// workers there are: memory grows with the workers and not with their square.
constexpr std::size_t handoff_ring_size(std::size_t worker_count) {
  constexpr std::size_t kInboxes = 4'096;
  constexpr std::size_t kLongest = 1'024;
  if (worker_count < 2) return kBurstMax;
  return std::clamp(std::bit_floor(kInboxes / (worker_count - 1)), kBurstMax, kLongest);
}

}  // namespace sluice
