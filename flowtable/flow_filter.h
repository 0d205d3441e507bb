#pragma once

// Which flows somebody means: what is left out matches every one. Workers ask it while they walk
// over their table, so that a list of few among many is made where they lie. Plain value.

#include <cstdint>
#include <optional>

#include "base/cidr.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/proto.h"
#include "base/verdict.h"
#include "flowtable/flow_event.h"
#include "flowtable/flow_state.h"
#include "flowtable/flow_tuple.h"

namespace sluice {

struct FlowFilter {
  std::optional<EniIndex> interface;
  std::optional<Cidr> address;        // of either end
  std::optional<std::uint16_t> port;  // of either end; of TCP and UDP only
  std::optional<Proto> proto;
  std::optional<FlowPhase> phase;
  std::optional<Direction> direction;  // of the first packet
  // How long ago the last packet was, milliseconds; both ends are meant.
  std::optional<std::uint32_t> idle_min_ms;
  std::optional<std::uint32_t> idle_max_ms;

  // All that a name can tell: interface, address, port, protocol.
  bool matches(const FlowTuple& tuple) const;
  // `now` must not be before the flow's last packet.
  bool matches(const FlowTuple& tuple, const FlowState& state, TickMs now) const;
  bool matches(const FlowView& flow) const;

 private:
  bool matches_state(FlowPhase its_phase, Direction initiator, std::uint32_t idle_ms) const;
};

}  // namespace sluice
