#pragma once

// How many packet buffers, of which size, and the pool they lie in.
//
// One pool for all devices and workers: a packet that goes from one device to another is never
// copied, and devices may give buffers back without asking whose they are.

#include <cstddef>
#include <memory>

#include "base/result.h"
#include "dataplane/engine.h"

struct rte_mempool;

namespace sluice {

struct PoolDeleter {
  void operator()(rte_mempool* pool) const;
};
using PacketPool = std::unique_ptr<rte_mempool, PoolDeleter>;

// Enough for every descriptor of every queue, full rings between workers, fragments that wait, what
// the workers have in hand, and captures that devices keep in memory. worker_count >= 1.
std::size_t packet_buffers_needed(const EngineConfig& config, std::size_t worker_count);

// Memory for that many buffers and for DPDK's own needs, in bytes.
std::size_t memory_needed(std::size_t buffer_count);

// Buffers that hold a frame of `mtu_max` in one piece.
Result<PacketPool> make_packet_pool(std::size_t buffer_count, std::size_t mtu_max);

}  // namespace sluice
