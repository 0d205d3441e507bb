#pragma once

// TCP resets to both sides of a connection that is refused (RFC 9293, 3.5.2), for interfaces whose
// policy says `reject`: each side believes that the other one has hung up.

#include <cstddef>
#include <span>

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

// A reset to the sender of the segment in `frame`, or to its receiver, as the other side would send
// it. Returns its size; 0 where `out` has no room. Requires a whole TCP segment.
std::size_t write_reset(std::span<const std::uint8_t> frame, const PacketFacts& facts,
                        bool to_sender, std::span<std::uint8_t> out);

// Sends both, the one back by the device that packet i came in by, the other one by the device
// that it would have left by. Does what it can: without a buffer, nobody is told.
void send_resets(WorkerContext& context, const Burst& burst, std::size_t i);

}  // namespace sluice
