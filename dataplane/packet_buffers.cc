#include "dataplane/packet_buffers.h"

#include <algorithm>
#include <string>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "base/limits.h"
#include "dataplane/device_list.h"
#include "dataplane/nic.h"
#include "dataplane/ring_sizes.h"
#include "flowtable/fragment_table.h"

namespace sluice {
namespace {

constexpr std::size_t kCachePerWorker = 256;        // and half as many again before it spills
constexpr std::size_t kFrameOverhead = 14 + 8 + 4;  // Ethernet, two VLAN tags, check sequence
constexpr std::size_t kBytesPerBuffer = RTE_MBUF_DEFAULT_BUF_SIZE + 256;  // with what surrounds it
constexpr std::size_t kDpdkOwnSize = 64u << 20;

}  // namespace

void PoolDeleter::operator()(rte_mempool* pool) const { rte_mempool_free(pool); }

std::size_t packet_buffers_needed(const EngineConfig& config, std::size_t worker_count) {
  const std::size_t others = worker_count - 1;
  std::size_t count = 0;
  for (const NicConfig& nic : config.nics) {
    // A worker without a transmit queue has a ring to the one that sends for it. How many queues
    // the device has shows only when the pool is there: at least one.
    constexpr std::size_t kDetour = std::max<std::size_t>(kTransmitRing, Nic::kDescriptors);
    count += worker_count * Nic::kDescriptors;
    count += Nic::kDescriptors + others * (kDetour + kBurstMax);
    count += buffers_kept_by(nic.device);
  }
  count += worker_count *
           (kCachePerWorker * 3 / 2 + FragmentTableConfig{}.held_max +
            others * handoff_ring_size(worker_count) + kBurstMax * (config.nics.size() + 4));
  return count;
}

std::size_t memory_needed(std::size_t buffer_count) {
  return buffer_count * kBytesPerBuffer + kDpdkOwnSize;
}

Result<PacketPool> make_packet_pool(std::size_t buffer_count, std::size_t mtu_max) {
  const std::size_t frame_size =
      std::max<std::size_t>(RTE_MBUF_DEFAULT_DATAROOM, mtu_max + kFrameOverhead);
  const std::size_t room =
      std::min<std::size_t>(RTE_PKTMBUF_HEADROOM + (frame_size + 63) / 64 * 64, UINT16_MAX);
  PacketPool pool(rte_pktmbuf_pool_create("packets", static_cast<unsigned>(buffer_count),
                                          kCachePerWorker, 0, static_cast<std::uint16_t>(room),
                                          SOCKET_ID_ANY));
  if (pool != nullptr) return pool;
  return Error{ErrorKind::Failed, "no-memory",
               "no memory for " + std::to_string(buffer_count) + " packet buffers of " +
                   std::to_string(room) + " bytes (" + rte_strerror(rte_errno) + ")",
               "engine"};
}

}  // namespace sluice
