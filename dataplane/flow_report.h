#pragma once

// What a worker tells the slow side: deltas for the flow log, events for watchers. Every packet
// that was judged at an interface is counted in exactly one of: a flow's entry or a refusal record
// (live), a delta on the ring (sent), a delta that a full ring refused (lost), not_logged.

#include <cstddef>
#include <cstdint>

#include "base/drop_reason.h"
#include "dataplane/burst.h"
#include "dataplane/worker_context.h"
#include "flowtable/flow_event.h"
#include "flowtable/flow_state.h"
#include "flowtable/flow_tuple.h"

namespace sluice {

// Sends a delta that an entry or a refusal cache gives away, or counts it as lost.
void report_delta(WorkerContext& context, const FlowDelta& delta);
// Sends what the flow has counted since its last report, both directions, and clears it.
void report_flow(WorkerContext& context, const FlowTuple& tuple, FlowState& state);
// Counts packet i in the entry of its flow. Requires that last_seen_ms is still that of the packet
// before.
void add_to_flow(WorkerContext& context, const Burst& burst, std::size_t i, FlowState& state);
// Counts a packet that no entry counts: refused, or accepted without an entry.
void add_record(WorkerContext& context, const Burst& burst, std::size_t i);

// The flow begins and ends: counters, the last report, watchers. Does not remove it.
void note_flow_begin(WorkerContext& context, const FlowTuple& tuple, const FlowState& state);
void note_flow_end(WorkerContext& context, const FlowTuple& tuple, FlowState& state);
// Ends the flow and removes it; packets of the burst that had found it have none any more.
void forget_flow(WorkerContext& context, Burst& burst, FlowState* state);
void forget_in_burst(Burst& burst, const FlowState* state);

// The one way to drop: sets fate and reason and counts, per device and per interface, and tells
// watchers.
void drop(WorkerContext& context, Burst& burst, std::size_t i, DropReason reason);
// Drops at the end under way; the refusal is logged as the interface's (REJECT).
void refuse(WorkerContext& context, Burst& burst, std::size_t i, DropReason reason, By by);

}  // namespace sluice
