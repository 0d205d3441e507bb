#pragma once

// Which flows and events a client wants to see: the filters of `flow list`, `flow watch` and
// `drop watch`. What is left out matches everything. Plain value; any thread.

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/cidr.h"
#include "base/drop_reason.h"
#include "base/result.h"
#include "base/verdict.h"
#include "control/policy/registry.h"
#include "flowtable/flow_event.h"

namespace sluice {

struct FlowFilter {
  std::optional<EniIndex> interface;
  std::optional<Cidr> address;        // of either end
  std::optional<std::uint16_t> port;  // of either end
  std::optional<Proto> proto;
  std::optional<FlowPhase> phase;
  std::optional<Direction> direction;  // of the first packet, or of the dropped one
  std::optional<DropReason> reason;

  bool matches(const FlowView& flow) const;
  bool matches(const WatchEvent& event) const;

 private:
  bool matches_tuple(const FlowTuple& tuple) const;
};

// From the parameters of a request that passed check_params(). A name, address or word that does
// not exist is an error of kind Usage that names it.
Result<FlowFilter> read_filter(const nlohmann::json& params, const Registry& registry);

// A flow, or an event of a watch, as clients see it.
nlohmann::ordered_json flow_to_json(const FlowView& flow, const Registry& registry);
nlohmann::ordered_json event_to_json(const WatchEvent& event, const std::string& port_id,
                                     const Registry& registry);

}  // namespace sluice
