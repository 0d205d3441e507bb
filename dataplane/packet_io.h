#pragma once

// The seam between the pipeline and where packets come from: a NIC, a capture, or memory in a
// test. One call moves a whole burst, so nothing is called through a pointer per packet.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ids.h"

namespace sluice {

// A packet in somebody's buffer. The pipeline may change its bytes in place and its length up to
// `capacity`; it never frees or copies the buffer itself.
struct Frame {
  std::uint8_t* data = nullptr;
  std::uint32_t contiguous = 0;  // readable bytes at data (the first segment)
  std::uint32_t length = 0;      // of the whole frame; >= contiguous
  std::uint32_t capacity = 0;    // bytes that may be written at data; >= contiguous
  void* handle = nullptr;        // the owner's: an mbuf, an index
  std::uint64_t tag = 0;         // the owner's: the packet's number in a capture, else 0
};

// One worker's access to all devices. Called by that worker's thread only.
class PacketIo {
 public:
  virtual ~PacketIo() = default;

  // Polls the queues of `nic` that this worker owns (none: returns 0). Headers (the first 256
  // bytes, or the whole frame if shorter) are contiguous wherever buffers allow it; the parser
  // refuses a packet whose headers are not. Never waits.
  virtual std::size_t receive(NicIndex nic, std::span<Frame> frames) = 0;
  // Sends in order; takes over what it accepts and returns how many; the caller releases the rest.
  virtual std::size_t send(NicIndex nic, std::span<const Frame> frames) = 0;
  // Gives buffers back.
  virtual void release(std::span<const Frame> frames) = 0;
  // A fresh buffer of at least 256 bytes for a packet made here; false if there is none.
  virtual bool allocate(Frame& frame) = 0;
};

}  // namespace sluice
