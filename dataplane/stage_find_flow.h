#pragma once

// The remembered conversation at the end under way, if there is one that still counts: not idle
// for its whole timeout, not flushed by a policy change. ICMP errors are matched by what they
// quote.

#include <cstdint>

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"
#include "flowtable/timeouts.h"
#include "lookup/question.h"

namespace sluice {

void find_flow(WorkerContext& context, Burst& burst);

// The name of packet i's flow at the end under way.
FlowTuple tuple_of(const Burst& burst, std::size_t i);

// The flow of burst.names[i], or null; ends it first where its time is over. `found`: what
// FlowShard::find() gave.
FlowState* find_live_flow(WorkerContext& context, Burst& burst, std::size_t i, FlowState* found);

// What the rules of now say of a remembered flow: by its first packet, and, where they demand an
// application, by what it is known to be. One that is still looked at is accepted on probation.
Decision judge_again(WorkerContext& context, const FlowTuple& tuple, const FlowState& state);

// Why packets of a connection that the rules refuse now are dropped from its next one on: what it
// is, or that it is closed.
DropReason lasting_reason(const Decision& refusal);

// The flow goes on by a decision of the policy under way that accepts it.
void adopt(WorkerContext& context, FlowState& state, const Decision& decision);

// Has identify() look at the packet if its flow is watched. Call before the packet is tracked.
void mark_watched(Burst& burst, std::size_t i, const FlowState& state);

// Closes the flow, which the rules of the policy under way refuse (see FlowState::kRevoked): its
// packets are dropped for `reason` from now on.
void revoke(WorkerContext& context, const FlowTuple& tuple, FlowState& state,
            DropReason reason = DropReason::Closed);

// The idle timeout of a flow whose timer has come; 0 if a policy change ended it, which no packet
// came to find out. Flows that the change wants judged again are judged here, too: so many a turn
// as timers are visited, whatever the number of flows.
std::uint32_t timeout_at_visit(WorkerContext& context, const FlowTuple& tuple, FlowState& state);

// Ends a flow that somebody wants gone, between two bursts: forgets it, or closes a TCP connection
// that the rules of now refuse. False if it was closed for that already.
bool flush_flow(WorkerContext& context, FlowState& state);

// The idle timeouts of an interface under the policy's settings.
TimeoutTable timeouts_of(const InterfaceRow& row, const TrackingSettings& tracking);

}  // namespace sluice
