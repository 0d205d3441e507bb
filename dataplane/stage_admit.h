#pragma once

// Asks the policy where it must be asked: for packets of no flow, for untracked flows (which follow
// the rules at once, CT-6), for flows that a policy change wants judged again, and, for packets of
// tracked flows, the network ACL (CT-31). Admitted first packets get their entry here.

#include <cstddef>

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

void admit(WorkerContext& context, Burst& burst);

// Judges packet i as one of no flow; its flow is not in the table.
void admit_first(WorkerContext& context, Burst& burst, std::size_t i);

// Whether the first bytes of a fresh flow, of which packet i is the first, are looked at: because
// rules demand it (`is_conditional`), a signature may match, or a flow log wants to know.
void begin_watch(const WorkerContext& context, Burst& burst, std::size_t i, FlowState& state,
                 bool is_conditional);

}  // namespace sluice
