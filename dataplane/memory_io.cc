#include "dataplane/memory_io.h"

#include <algorithm>
#include <utility>

namespace sluice {

// A buffer knows whose count it belongs to, so that it may come back by another worker's MemoryIo.
struct MemoryIo::Buffer {
  std::shared_ptr<std::atomic<std::size_t>> lent;
  std::unique_ptr<std::uint8_t[]> bytes;
};

MemoryIo::MemoryIo(std::size_t nic_count)
    : queues_(nic_count), lent_(std::make_shared<std::atomic<std::size_t>>(0)) {}

MemoryIo::~MemoryIo() {
  for (auto& queue : queues_) {
    for (const Frame& frame : queue) free_buffer(frame);
  }
}

Frame MemoryIo::make_frame(std::size_t size, std::size_t capacity, std::uint64_t tag) {
  auto* buffer = new Buffer{lent_, std::make_unique<std::uint8_t[]>(capacity)};
  lent_->fetch_add(1, std::memory_order_relaxed);
  Frame frame;
  frame.data = buffer->bytes.get();
  frame.contiguous = frame.length = static_cast<std::uint32_t>(size);
  frame.capacity = static_cast<std::uint32_t>(capacity);
  frame.handle = buffer;
  frame.tag = tag;
  return frame;
}

void MemoryIo::free_buffer(const Frame& frame) {
  auto* buffer = static_cast<Buffer*>(frame.handle);
  buffer->lent->fetch_sub(1, std::memory_order_relaxed);
  delete buffer;
}

void MemoryIo::push(NicIndex nic, std::span<const std::uint8_t> bytes, std::uint64_t tag) {
  // As long as the frame and no longer: sanitizers see the first byte read beyond it.
  Frame frame = make_frame(bytes.size(), bytes.size(), tag);
  std::copy(bytes.begin(), bytes.end(), frame.data);
  queues_[nic.value()].push_back(frame);
}

std::vector<MemoryIo::Sent> MemoryIo::take_sent() { return std::exchange(sent_, {}); }

std::size_t MemoryIo::receive(NicIndex nic, std::span<Frame> frames) {
  auto& queue = queues_[nic.value()];
  const std::size_t count = std::min(queue.size(), frames.size());
  for (std::size_t i = 0; i < count; ++i) {
    frames[i] = queue.front();
    queue.pop_front();
  }
  return count;
}

std::size_t MemoryIo::send(NicIndex nic, std::span<const Frame> frames) {
  const std::size_t count = std::min(frames.size(), sends_left_);
  if (sends_left_ != SIZE_MAX) sends_left_ -= count;
  for (const Frame& frame : frames.first(count)) {
    sent_.push_back(Sent{nic, frame.tag, {frame.data, frame.data + frame.length}});
    free_buffer(frame);
  }
  return count;
}

void MemoryIo::release(std::span<const Frame> frames) {
  for (const Frame& frame : frames) free_buffer(frame);
}

bool MemoryIo::allocate(Frame& frame) {
  constexpr std::size_t kCapacity = 256;
  frame = make_frame(0, kCapacity, 0);
  return true;
}

NicInfo replay_nic() {
  NicInfo nic;
  nic.config.id = "capture";
  nic.config.role = NicRole::Outside;
  nic.config.peer = NicIndex(0);
  nic.config.forward_unknown = true;
  nic.config.source_check = false;
  nic.mtu = UINT32_MAX;
  return nic;
}

}  // namespace sluice
