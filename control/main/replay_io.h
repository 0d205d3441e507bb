#pragma once

// The packets of a capture as a worker receives them: one at a time, by the inside device.
//
// A buffer lives from load() until the pipeline sends or releases it; a fragment that is held keeps
// its own. What is sent goes to the writer of forwarded packets, if there is one. One thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/ids.h"
#include "control/main/replay_capture.h"
#include "dataplane/packet_io.h"

namespace sluice {

inline constexpr NicIndex kReplayInside{0};
inline constexpr NicIndex kReplayOutside{1};

class ReplayIo final : public PacketIo {
 public:
  // `forwarded` may be null.
  explicit ReplayIo(CaptureWriter* forwarded) : forwarded_(forwarded) {}

  // A packet to fill in; load() then gives it to the worker's next poll.
  CapturedPacket& fresh_packet();
  void load();

  std::size_t receive(NicIndex nic, std::span<Frame> frames) override;
  std::size_t send(NicIndex nic, std::span<const Frame> frames) override;
  void release(std::span<const Frame> frames) override;
  bool allocate(Frame& frame) override;

  // The packet that a frame of this object carries.
  static const CapturedPacket& packet_of(const Frame& frame) {
    return *static_cast<const CapturedPacket*>(frame.handle);
  }
  // Buffers that the pipeline holds.
  std::size_t held() const { return packets_.size() - free_.size() - (next_ != nullptr ? 1 : 0); }

 private:
  CapturedPacket* take_free();

  CaptureWriter* forwarded_;
  std::vector<std::unique_ptr<CapturedPacket>> packets_;
  std::vector<CapturedPacket*> free_;
  CapturedPacket* next_ = nullptr;  // being filled in, or waiting for the poll
  bool is_loaded_ = false;
};

}  // namespace sluice
