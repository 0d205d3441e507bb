#pragma once

// The flow log that a replay would have written: deltas of the one worker to lines of a file, in
// the order of end, start, interface and 5-tuple, without header and without gaps.

#include <cstdio>
#include <memory>
#include <span>

#include "control/flowlog/aggregate.h"
#include "control/flowlog/log_plan.h"
#include "control/policy/policy.h"
#include "control/policy/registry.h"
#include "flowtable/flow_event.h"

namespace sluice {

// The policy's first flow log, else the default format for every interface (product, section 5).
std::shared_ptr<const LogPlan> replay_log_plan(const Policy& policy, Registry& registry);

class ReplayFlowLog {
 public:
  // `out` may be null: then packets are only counted. Both outlive the log.
  ReplayFlowLog(std::FILE* out, std::shared_ptr<const LogPlan> plan, const Registry& registry);

  // Lines of intervals that the deltas close are written at once.
  void add(std::span<const FlowDelta> deltas);
  // Writes what is open.
  void finish() { write_closed(true); }

  const Aggregator& aggregator() const { return aggregator_; }

 private:
  void write_closed(bool all);

  std::FILE* out_;
  const Registry& registry_;
  Aggregator aggregator_;
};

}  // namespace sluice
