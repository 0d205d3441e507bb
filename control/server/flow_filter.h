#pragma once

// Which flows and events a client means: the filters of `flow list`, `flow flush`, `flow watch` and
// `drop watch`, and how flows and events look to it. What is left out matches everything. Plain
// value; any thread.

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/drop_reason.h"
#include "base/result.h"
#include "control/policy/registry.h"
#include "dataplane/engine.h"
#include "flowtable/flow_event.h"
#include "flowtable/flow_filter.h"

namespace sluice {

struct EventFilter {
  FlowFilter flow;  // its direction is also that of a dropped packet
  std::optional<DropReason> reason;

  bool matches(const WatchEvent& event) const;
};

// From the parameters of a request that passed check_params(). A name, address or word that does
// not exist is an error of kind Usage that names it.
Result<EventFilter> read_filter(const nlohmann::json& params, const Registry& registry);

// A flow, or an event of a watch, as clients see it.
nlohmann::ordered_json flow_to_json(const FlowView& flow, const Registry& registry);
// Only states and protocols that occur.
nlohmann::ordered_json flow_counts_to_json(const FlowCounts& counts);
nlohmann::ordered_json event_to_json(const WatchEvent& event, const std::string& port_id,
                                     const Registry& registry);

}  // namespace sluice
