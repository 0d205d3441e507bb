#pragma once

// Bytes to facts, once per packet; what is malformed is dropped here (parse.h says how).

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

void parse(WorkerContext& context, Burst& burst);

}  // namespace sluice
