#pragma once

// Names the application of watched flows by their first payload bytes, and judges those on
// probation by it: the flow runs at full speed from then on, or is closed and its packets dropped
// for their one reason. Packets of other flows never come here.
//
// What looking costs is bounded: packets and seconds of a flow, looks a second of the worker and of
// an interface, slots and buffers (flowtable/first_bytes.h). Where a bound is met the flow is
// uninspected, or unknown, and on probation what the policy's action_on_unknown makes of that.
// Sealed packets, each of which costs microseconds to open, are bounded by the turn as well: what
// is beyond stays sealed, passes, and is opened when the flow's next packet comes. No packet ever
// waits.

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

void identify(WorkerContext& context, Burst& burst);

// Between bursts: settles a few of the flows that have been looked at for too long.
void settle_unidentified(WorkerContext& context);

}  // namespace sluice
