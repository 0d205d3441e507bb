#pragma once

// The end of a burst: last checks of the way out, the observer's look, then buffers are sent or
// given back. The only stage that changes addresses and TTL of a forwarded packet.

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

void emit(WorkerContext& context, Burst& burst);

// Whether the device has a link, as far as its worker has heard.
inline bool is_up(const NicInfo& nic) {
  return nic.link_up == nullptr || nic.link_up->load(std::memory_order_relaxed);
}

// Sends one frame made here, as far as the device takes it; counts it as generated.
void emit_generated(WorkerContext& context, NicIndex nic, const Frame& frame);

}  // namespace sluice
