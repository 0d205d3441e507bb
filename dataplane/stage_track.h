#pragma once

// Moves each tracked conversation on by its packet, or finds that the packet does not fit.

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

void track_flows(WorkerContext& context, Burst& burst);

}  // namespace sluice
