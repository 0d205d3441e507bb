#include "control/main/replay_flow_log.h"

#include <limits>
#include <string>
#include <utility>

#include "control/flowlog/format_text.h"

namespace sluice {

namespace {

AggregatorConfig replay_aggregator_config() {
  AggregatorConfig config;
  config.records_max = std::numeric_limits<std::size_t>::max();  // a replay loses nothing
  config.writes_nodata = false;
  return config;
}

}  // namespace

std::shared_ptr<const LogPlan> replay_log_plan(const Policy& policy, Registry& registry) {
  auto plan = std::make_shared<LogPlan>(*make_log_plan(policy, registry));
  const bool is_default = plan->logs.empty();
  if (is_default) {
    LogSpec spec;
    spec.id = "default";
    spec.format = default_record_format();
    spec.interval_s = FlowLog().interval_s;
    plan->logs.push_back(spec);
  }
  plan->logs.resize(1);
  for (LoggedInterface& interface : plan->interfaces) {
    const bool is_covered = !interface.logs.empty() && interface.logs.front() == 0;
    interface.logs.clear();
    if (interface.present && (is_default || is_covered)) interface.logs.push_back(0);
  }
  return plan;
}

ReplayFlowLog::ReplayFlowLog(std::FILE* out, std::shared_ptr<const LogPlan> plan,
                             const Registry& registry)
    : out_(out), registry_(registry), aggregator_(replay_aggregator_config()) {
  aggregator_.set_plan(std::move(plan));
}

void ReplayFlowLog::add(std::span<const FlowDelta> deltas) {
  for (const FlowDelta& delta : deltas) {
    aggregator_.add(delta);
    if (delta.kind == FlowDelta::Kind::WindowClosed) write_closed(false);
  }
}

void ReplayFlowLog::write_closed(bool all) {
  for (ClosedWindow& window : aggregator_.take_closed(all)) {
    std::string lines;
    for (const LogRecord& record : window.table.records()) {
      append_log_line(lines, window.log->format, record, aggregator_.plan(), registry_);
      aggregator_.settle(window, record, true);
    }
    if (out_ != nullptr) std::fwrite(lines.data(), 1, lines.size(), out_);
    aggregator_.recycle(std::move(window));
  }
}

}  // namespace sluice
