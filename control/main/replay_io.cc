#include "control/main/replay_io.h"

#include "base/check.h"

namespace sluice {

namespace {

constexpr std::size_t kFreshFrameSize = 256;  // the least that PacketIo promises

Frame frame_of(CapturedPacket& packet) {
  Frame frame;
  const auto size = static_cast<std::uint32_t>(packet.frame.size());
  frame.data = packet.frame.data();
  frame.contiguous = size;
  frame.length = size;
  frame.capacity = size;
  frame.handle = &packet;
  frame.tag = packet.number;
  return frame;
}

}  // namespace

CapturedPacket* ReplayIo::take_free() {
  if (free_.empty()) {
    packets_.push_back(std::make_unique<CapturedPacket>());
    free_.push_back(packets_.back().get());
  }
  CapturedPacket* packet = free_.back();
  free_.pop_back();
  return packet;
}

CapturedPacket& ReplayIo::fresh_packet() {
  CHECK(!is_loaded_);
  if (next_ == nullptr) next_ = take_free();
  return *next_;
}

void ReplayIo::load() {
  CHECK(next_ != nullptr);
  is_loaded_ = true;
}

std::size_t ReplayIo::receive(NicIndex nic, std::span<Frame> frames) {
  if (!is_loaded_ || nic != kReplayInside || frames.empty()) return 0;
  frames[0] = frame_of(*next_);
  next_ = nullptr;
  is_loaded_ = false;
  return 1;
}

std::size_t ReplayIo::send(NicIndex, std::span<const Frame> frames) {
  for (const Frame& frame : frames) {
    if (forwarded_ != nullptr && frame.tag != 0) forwarded_->write(packet_of(frame));
  }
  release(frames);
  return frames.size();
}

void ReplayIo::release(std::span<const Frame> frames) {
  for (const Frame& frame : frames) free_.push_back(static_cast<CapturedPacket*>(frame.handle));
}

bool ReplayIo::allocate(Frame& frame) {
  CapturedPacket* packet = take_free();
  packet->number = 0;
  packet->frame.assign(kFreshFrameSize, 0);
  frame = frame_of(*packet);
  return true;
}

}  // namespace sluice
