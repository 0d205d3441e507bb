#pragma once

// The begin of a burst: packets from a device, from another worker, or fragments whose waiting is
// over. Each call fills an empty burst; the time was stamped once by the turn.

#include <cstddef>
#include <span>

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

// Polls the device once.
void receive(WorkerContext& context, Burst& burst, NicIndex nic);
// Takes what another worker handed over, up to a fragment that follows one of the same burst: what
// is left comes with the next call, whichever inbox that is about.
void receive_handed_over(WorkerContext& context, Burst& burst, SpscRing<Handoff>& inbox);
// Takes fragments back whose first one came, or which waited too long (dropped already).
void receive_released(WorkerContext& context, Burst& burst);
// At the end of a run: every fragment still held (dropped already), as far as a burst goes.
void receive_abandoned(WorkerContext& context, Burst& burst);

}  // namespace sluice
