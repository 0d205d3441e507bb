#include "dataplane/requests.h"

#include <algorithm>
#include <array>

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
  view.rule = state.rule_index();
  view.app = state.app();
  view.is_watched = state.is_watched();
  if (const FlowFacts* facts = context.layer7.names.find(&state)) view.facts = *facts;
  view.generation = Generation(state.generation);
  view.idle_ms = context.clock.moment().tick_ms - state.last_seen_ms;
  TimeoutTable timeouts;
  const InterfaceRow* row =
      context.policy == nullptr ? nullptr : context.policy->find_interface(tuple.eni);
  if (row != nullptr) timeouts = timeouts_of(*row, context.policy->tracking());
  const std::uint32_t timeout_ms = timeout_of(state, tuple.proto, timeouts);
  view.expires_in_ms = timeout_ms > view.idle_ms ? timeout_ms - view.idle_ms : 0;
  if (context.clock.is_before_window(state.last_seen_ms)) return view;
  for (std::size_t at = 0; at < 2; ++at) {
    view.packets[at] = state.packets[at];
    view.bytes[at] = state.bytes[at];
  }
  return view;
}

}  // namespace

template <class Visit>
bool WalkFlowsRequest::walk(WorkerContext& context, std::size_t budget, Visit&& visit) {
  const TickMs now = context.clock.moment().tick_ms;
  cursor_ = context.flows.walk(static_cast<std::size_t>(cursor_), budget,
                               [&](const FlowTuple& tuple, FlowState& state) {
                                 if (filter_.matches(tuple, state, now)) visit(tuple, state);
                               });
  return cursor_ == 0 || ++steps_ == kStepsMax;
}

bool ListFlowsRequest::step(WorkerContext& context) {
  const std::size_t budget = std::min(kListBudget, max_ - flows_.size());
  if (budget == 0) return true;
  const bool is_over = walk(context, budget, [&](const FlowTuple& tuple, const FlowState& state) {
    flows_.push_back(view_of(context, tuple, state));
  });
  return is_over || flows_.size() >= max_;
}

bool CountFlowsRequest::step(WorkerContext& context) {
  return walk(context, kListBudget, [&](const FlowTuple& tuple, const FlowState& state) {
    ++counts_.by_phase[state.phase];
    ++counts_.by_proto[static_cast<std::size_t>(tuple.proto)];
  });
}

bool FlushFlowsRequest::step(WorkerContext& context) {
  std::array<FlowState*, kFlushedPerTurn> found;
  std::size_t found_count = 0;
  const bool is_over = walk(context, kFlushedPerTurn, [&](const FlowTuple&, FlowState& state) {
    found[found_count++] = &state;
  });
  for (std::size_t i = 0; i < found_count; ++i) {
    if (flush_flow(context, *found[i])) ++count_;
  }
  return is_over;
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
