#include "dataplane/stage_account.h"

#include "dataplane/flow_report.h"
#include "dataplane/stage_find_flow.h"

namespace sluice {
namespace {

void account_one(WorkerContext& context, Burst& burst, std::size_t i) {
  const EndResult& end = burst.end_of(i);
  const std::size_t at = static_cast<std::size_t>(burst.direction);
  auto& row = context.counters.interface(end.eni);
  row.judged[at].add(1);
  const bool is_accepted = end.verdict == Verdict::Accept;
  if (is_accepted) {
    row.accepted_packets[at].add(1);
    row.accepted_bytes[at].add(burst.facts[i].ip_length);
  }
  const bool is_logged = end.row->logged && end.by != By::Exempt;
  // A packet that the flow refused, or that must not keep it alive, does not touch its entry.
  FlowState* flow = is_accepted && !burst.marks[i].leaves_flow ? burst.flows[i] : nullptr;
  if (!is_logged) {
    row.not_logged[at].add(1);
    // What waits since the interface was logged lies in the log window of the packet before.
    if (flow != nullptr && context.clock.is_before_window(flow->last_seen_ms)) {
      report_flow(context, tuple_of(burst, i), *flow);
    }
  } else if (flow != nullptr) {
    add_to_flow(context, burst, i, *flow);
  } else {
    add_record(context, burst, i);
  }
  if (flow != nullptr) flow->last_seen_ms = burst.now.tick_ms;
}

}  // namespace

void account(WorkerContext& context, Burst& burst) {
  if (context.config.observer != nullptr) {
    for (const std::size_t i : burst.judged()) {
      if (burst.flows[i] == nullptr) continue;
      // One that is judged may still be looked at for signatures.
      const FirstBytes::Slot* slot = context.layer7.find(*burst.flows[i]);
      const bool is_told = slot != nullptr && slot->is_judged;
      burst.end_of(i).app = is_told ? slot->app : burst.flows[i]->app();
      const FlowFacts* facts = context.layer7.names.find(burst.flows[i]);
      if (facts != nullptr) context.config.observer->known(burst, i, *facts);
    }
  }
  // Not only judged() ones: some were refused where they were located.
  for (std::size_t i = burst.begin; i < burst.end; ++i) {
    if (burst.end_of(i).verdict != Verdict::None) account_one(context, burst, i);
  }
}

}  // namespace sluice
