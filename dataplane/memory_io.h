#pragma once

// Packets in memory instead of a device: for sluice-replay, scenario tests and fuzzers. Allocates;
// not for the packet path of the appliance. One thread, but buffers may be released through the
// MemoryIo of another worker.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "base/ids.h"
#include "dataplane/packet_io.h"
#include "dataplane/worker.h"

namespace sluice {

class MemoryIo final : public PacketIo {
 public:
  struct Sent {
    NicIndex nic;
    std::uint64_t tag = 0;
    std::vector<std::uint8_t> bytes;
  };

  explicit MemoryIo(std::size_t nic_count);
  ~MemoryIo() override;

  // Queues a frame to be received from `nic`, readable to its end, with no room behind it.
  void push(NicIndex nic, std::span<const std::uint8_t> bytes, std::uint64_t tag = 0);
  // What was sent since the last call, in order.
  std::vector<Sent> take_sent();
  // From now on at most `count` more frames are taken by send().
  void limit_sends(std::size_t count) { sends_left_ = count; }
  // Buffers out of the queues that were neither sent nor released.
  std::size_t outstanding() const { return lent_->load(std::memory_order_relaxed); }

  std::size_t receive(NicIndex nic, std::span<Frame> frames) override;
  std::size_t send(NicIndex nic, std::span<const Frame> frames) override;
  void release(std::span<const Frame> frames) override;
  bool allocate(Frame& frame) override;

 private:
  struct Buffer;
  Frame make_frame(std::size_t size, std::size_t capacity, std::uint64_t tag);
  static void free_buffer(const Frame& frame);

  std::vector<std::deque<Frame>> queues_;
  std::vector<Sent> sent_;
  std::size_t sends_left_ = SIZE_MAX;
  std::shared_ptr<std::atomic<std::size_t>> lent_;
};

// The one device of a replay: both directions arrive by it, MACs mean nothing, nobody's packets
// pass (product, section 5, "Replay in detail"). Its peer is itself; no frame is too big.
NicInfo replay_nic();

}  // namespace sluice
