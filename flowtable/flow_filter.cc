#include "flowtable/flow_filter.h"

namespace sluice {

bool FlowFilter::matches(const FlowTuple& tuple) const {
  if (interface && tuple.eni != *interface) return false;
  if (proto && tuple.proto != *proto) return false;
  if (address && !address->contains(tuple.local) && !address->contains(tuple.remote)) return false;
  if (!port) return true;
  return has_ports(tuple.proto) && (tuple.local_port == *port || tuple.remote_port == *port);
}

bool FlowFilter::matches_state(FlowPhase its_phase, Direction initiator,
                               std::uint32_t idle_ms) const {
  if (phase && its_phase != *phase) return false;
  if (direction && initiator != *direction) return false;
  if (idle_min_ms && idle_ms < *idle_min_ms) return false;
  return !idle_max_ms || idle_ms <= *idle_max_ms;
}

bool FlowFilter::matches(const FlowTuple& tuple, const FlowState& state, TickMs now) const {
  return matches_state(state.flow_phase(), state.initiator(), now - state.last_seen_ms) &&
         matches(tuple);
}

bool FlowFilter::matches(const FlowView& flow) const {
  return matches_state(flow.phase, flow.initiator, flow.idle_ms) && matches(flow.tuple);
}

}  // namespace sluice
