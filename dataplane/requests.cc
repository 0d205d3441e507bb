#include "dataplane/requests.h"

#include <algorithm>

#include "dataplane/packet_naming.h"
#include "dataplane/stage_find_flow.h"
#include "dataplane/worker_context.h"

namespace sluice {
namespace {

// Per step, which is what packets wait for at most.
constexpr std::size_t kListBudget = 256;  // slots of the flow table
constexpr std::size_t kLawBudget = 256;   // interfaces

FlowView view_of(const WorkerContext& context, const FlowTuple& tuple, const FlowState& state) {
  FlowView view;
  view.tuple = shown_tuple(tuple);
  view.worker = context.config.index;
  view.phase = state.flow_phase();
  view.initiator = state.initiator();
  view.tracked = !state.has(FlowState::kUntracked);
  view.rule = RuleIndex(state.rule);
  view.generation = Generation(state.generation);
  view.idle_ms = context.clock.moment().tick_ms - state.last_seen_ms;
  TimeoutTable timeouts;
  const InterfaceRow* row =
      context.policy == nullptr ? nullptr : context.policy->find_interface(tuple.eni);
  if (row != nullptr) timeouts = timeouts_of(*row, context.policy->tracking());
  const std::uint32_t timeout_ms = timeout_of(state, tuple.proto, timeouts);
  view.expires_in_ms = timeout_ms > view.idle_ms ? timeout_ms - view.idle_ms : 0;
  return view;
}

}  // namespace

bool ListFlowsRequest::step(WorkerContext& context) {
  const std::size_t budget = std::min(kListBudget, max_ - flows_.size());
  if (budget == 0) return true;
  cursor_ = context.flows.walk(static_cast<std::size_t>(cursor_), budget,
                               [&](const FlowTuple& tuple, const FlowState& state) {
                                 flows_.push_back(view_of(context, tuple, state));
                               });
  return cursor_ == 0 || flows_.size() >= max_ || ++steps_ == kStepsMax;
}

bool LogLawRequest::step(WorkerContext& context) {
  const Counters& counters = context.counters;
  const std::size_t end = std::min(rows_.size() / 2, counters.interface_end());
  const std::size_t stop = std::min(end, cursor_ + kLawBudget);
  for (; cursor_ < stop; ++cursor_) {
    const EniIndex eni(static_cast<std::uint32_t>(cursor_));
    const InterfaceTallies& tallies = counters.interface(eni);
    for (std::size_t at = 0; at < 2; ++at) {
      LogLaw law;
      law.eni = eni;
      law.direction = static_cast<Direction>(at);
      law.judged = tallies.judged[at].read();
      law.live = tallies.live[at].read();
      law.sent = tallies.sent[at].read();
      law.lost = tallies.lost[at].read();
      law.not_logged = tallies.not_logged[at].read();
      if ((law.judged | law.live | law.sent | law.lost) != 0) rows_[count_++] = law;
    }
  }
  return cursor_ >= end;
}

}  // namespace sluice
