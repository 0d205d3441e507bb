#pragma once

// The slow, obvious twin of FlowShard: a map from tuple to when it was last seen and how long it
// may be silent. It knows neither eviction nor capacity; the test tells it what was evicted.

#include <cstdint>
#include <map>
#include <tuple>

#include "base/clock.h"
#include "flowtable/flow_tuple.h"

namespace sluice {

class SlowFlowMap {
 public:
  struct Flow {
    TickMs last_seen_ms = 0;
    std::uint32_t timeout_ms = 0;
    std::uint32_t mark = 0;  // what the test wrote into the state
  };

  Flow* find(const FlowTuple& tuple) {
    const auto found = flows_.find(order_of(tuple));
    return found != flows_.end() ? &found->second : nullptr;
  }
  Flow& insert(const FlowTuple& tuple) { return flows_[order_of(tuple)]; }
  bool remove(const FlowTuple& tuple) { return flows_.erase(order_of(tuple)) == 1; }
  std::size_t size() const { return flows_.size(); }
  // How many have been silent for longer than their timeout and `grace_ms`.
  std::size_t overdue(TickMs now, std::uint32_t grace_ms) const {
    std::size_t count = 0;
    for (const auto& [order, flow] : flows_) {
      if (now - flow.last_seen_ms >= flow.timeout_ms + grace_ms) ++count;
    }
    return count;
  }

 private:
  using Order = std::tuple<std::uint32_t, std::uint8_t, std::uint8_t, std::uint16_t, std::uint16_t,
                           IpAddr, IpAddr>;
  static Order order_of(const FlowTuple& tuple) {
    return {tuple.eni.value(), static_cast<std::uint8_t>(tuple.proto),
            tuple.icmp_type,   tuple.local_port,
            tuple.remote_port, tuple.local,
            tuple.remote};
  }
  std::map<Order, Flow> flows_;
};

}  // namespace sluice
