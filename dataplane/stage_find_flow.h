#pragma once

// The remembered conversation at the end under way, if there is one that still counts: not idle
// for its whole timeout, not flushed by a policy change. ICMP errors are matched by what they
// quote.

#include <cstdint>

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"
#include "flowtable/timeouts.h"

namespace sluice {

void find_flow(WorkerContext& context, Burst& burst);

// The name of packet i's flow at the end under way.
FlowTuple tuple_of(const Burst& burst, std::size_t i);

// The flow of burst.names[i], or null; ends it first where its time is over. `guess`: what
// FlowShard::guess() gave, or null.
FlowState* find_live_flow(WorkerContext& context, Burst& burst, std::size_t i, FlowState* guess);

// Closes the TCP flow, which the rules of the policy under way refuse (see FlowState::kRevoked).
void revoke(WorkerContext& context, const FlowTuple& tuple, FlowState& state);

// The idle timeout of a flow whose timer has come; 0 if a policy change ended it, which no packet
// came to find out. Flows that the change wants judged again are judged here, too: so many a turn
// as timers are visited, whatever the number of flows.
std::uint32_t timeout_at_visit(WorkerContext& context, const FlowTuple& tuple, FlowState& state);

// The idle timeouts of an interface under the policy's settings.
TimeoutTable timeouts_of(const InterfaceRow& row, const TrackingSettings& tracking);

}  // namespace sluice
