#pragma once

// Counts what was judged at the end under way: in the flow's entry, in the record of a refusal, or
// as not logged (FL-21). Touching an entry is one store of last_seen_ms.

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

void account(WorkerContext& context, Burst& burst);

}  // namespace sluice
