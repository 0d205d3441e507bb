#pragma once

// PacketIo over DPDK: one worker's queues of all devices.
//
// A worker that has no transmit queue of its own on a device gives its packets to the worker that
// has one, over a ring that this one drains whenever it polls the device. Nobody takes a lock, and
// what the ring accepted is kept until the device takes it, so nothing is lost uncounted.
//
// Threads: the worker's own. The rings are single-writer, single-reader.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/limits.h"
#include "base/spsc_ring.h"
#include "dataplane/packet_io.h"

struct rte_mbuf;
struct rte_mempool;

namespace sluice {

using MbufRing = SpscRing<rte_mbuf*>;

// Packets taken from another worker's ring that the device has not accepted yet.
struct TransmitBacklog {
  MbufRing* ring = nullptr;
  WorkerIndex from{0};
  std::array<rte_mbuf*, kBurstMax> waiting{};
  std::size_t first = 0;
  std::size_t count = 0;
};

// What one worker may do with one device.
struct NicAccess {
  std::uint16_t dpdk_port = 0;
  std::vector<std::uint16_t> rx_queues;   // that this worker polls
  std::size_t first_queue = 0;            // where the next poll begins
  std::uint16_t tx_queue = 0;             // its own, if outbox is null
  MbufRing* outbox = nullptr;             // to the worker that sends for it
  std::vector<TransmitBacklog> backlogs;  // from those that it sends for
};

// A packet that its worker has counted as sent and that no device took.
struct Unsent {
  WorkerIndex from;
  NicIndex in;  // none: unknown, or made here
  NicIndex out;
  std::uint32_t bytes = 0;
};

class DpdkIo final : public PacketIo {
 public:
  DpdkIo(std::vector<NicAccess> nics, rte_mempool* pool);

  std::size_t receive(NicIndex nic, std::span<Frame> frames) override;
  std::size_t send(NicIndex nic, std::span<const Frame> frames) override;
  void release(std::span<const Frame> frames) override;
  bool allocate(Frame& frame) override;

  // After the last turn of all workers: sends what others gave; frees what the device does not take
  // and tells it.
  std::vector<Unsent> finish();

 private:
  NicIndex nic_of(const rte_mbuf& mbuf) const;
  void drain_backlogs(NicAccess& access);

  std::vector<NicAccess> nics_;
  rte_mempool* pool_;
};

}  // namespace sluice
