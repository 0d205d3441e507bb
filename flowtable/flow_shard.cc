#include "flowtable/flow_shard.h"

#include "base/check.h"
#include "base/limits.h"

namespace sluice {

EvictionClass eviction_class(FlowPhase phase) {
  switch (phase) {
    case FlowPhase::Free:
    case FlowPhase::Closing:
    case FlowPhase::TimeWait:
    case FlowPhase::Closed:
      return EvictionClass::Ended;
    case FlowPhase::SynSent:
    case FlowPhase::SynReceived:
    case FlowPhase::Single:
      return EvictionClass::Embryonic;
    case FlowPhase::Accounted:
      return EvictionClass::Accounted;
    case FlowPhase::Established:
    case FlowPhase::FinWait:
    case FlowPhase::Replied:
    case FlowPhase::Stream:
      return EvictionClass::Kept;
  }
  return EvictionClass::Kept;
}

FlowShard::FlowShard(const FlowShardConfig& config)
    : capacity_(config.capacity),
      key_(config.key),
      ipv4_(config.capacity, config.key, config.touch_memory),
      ipv6_(config.capacity, config.key, false) {
  CHECK(config.capacity >= kFlowCapacityMin);
  CHECK(config.capacity <= kFlowCapacityMax);
}

FlowShard::~FlowShard() = default;

FlowState* FlowShard::find(const FlowName& name) {
  return name.is_v4 ? ipv4_.find(name.v4, name.place) : ipv6_.find(name.v6, name.place);
}

void FlowShard::remove(FlowState* state) {
  if (ipv4_.owns(state)) {
    ipv4_.remove(ipv4_.index_of(state));
    return;
  }
  CHECK(ipv6_.owns(state));
  ipv6_.remove(ipv6_.index_of(state));
}

void FlowShard::rearm(FlowState* state, TickMs now, std::uint32_t timeout_ms) {
  if (ipv4_.owns(state)) {
    ipv4_.arm(ipv4_.index_of(state), now, timeout_ms);
    return;
  }
  CHECK(ipv6_.owns(state));
  ipv6_.arm(ipv6_.index_of(state), now, timeout_ms);
}

FlowTuple FlowShard::tuple_of(const FlowState* state) const {
  if (ipv4_.owns(state)) return ipv4_.tuple(ipv4_.index_of(state));
  CHECK(ipv6_.owns(state));
  return ipv6_.tuple(ipv6_.index_of(state));
}

}  // namespace sluice
