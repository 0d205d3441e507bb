#include "dataplane/log_sweep.h"

#include <algorithm>

#include "dataplane/flow_report.h"
#include "dataplane/worker_context.h"

namespace sluice {
namespace {

// Slots visited in one step: enough to walk the whole table within two seconds of the clock.
constexpr std::size_t kBudgetMin = 128;
constexpr std::size_t kBudgetMax = 4'096;
constexpr std::uint64_t kSweepMs = 2'000;

// How many slots may be visited so that the ring, where it is half empty, holds what they send.
std::size_t room_for(const WorkerContext& context, std::size_t budget) {
  const auto* ring = context.links.deltas;
  if (ring == nullptr) return budget;
  const std::size_t waiting = ring->size();
  const std::size_t half = ring->capacity() / 2;
  return waiting >= half ? 0 : std::min(budget, std::max<std::size_t>(1, (half - waiting) / 2));
}

}  // namespace

void LogSweep::begin_turn(WorkerContext& context) {
  if (context.clock.window_begin_ms() == window_begin_ms_) return;
  window_begin_ms_ = context.clock.window_begin_ms();
  // The other cache still holds what the former window left only when windows pass faster than
  // turns can sweep (a capture with gaps); then it goes at once.
  auto& other = context.refusals[1 - current_];
  while (other.size() != 0) {
    other.flush(0, WorkerContext::kRefusalRecords,
                [&](const FlowDelta& delta) { report_delta(context, delta); });
  }
  current_ = 1 - current_;
  refusal_cursor_ = 0;
  if (is_open_) {
    starts_anew_ = true;
    is_flushed_ = false;
    return;
  }
  is_open_ = true;
  is_walked_ = is_flushed_ = false;
  flow_cursor_ = 0;
  boundary_s_ = context.clock.window_begin_s();
}

bool LogSweep::step_flows(WorkerContext& context, std::size_t budget) {
  flow_cursor_ =
      context.flows.walk(flow_cursor_, budget, [&](const FlowTuple& tuple, FlowState& state) {
        if (context.clock.is_before_window(state.last_seen_ms)) {
          report_flow(context, tuple, state);
        }
      });
  return flow_cursor_ == 0;
}

bool LogSweep::step_refusals(WorkerContext& context, std::size_t budget) {
  auto& former = context.refusals[1 - current_];
  if (former.size() == 0) return true;
  refusal_cursor_ = former.flush(refusal_cursor_, budget,
                                 [&](const FlowDelta& delta) { report_delta(context, delta); });
  return former.size() == 0;
}

void LogSweep::step(WorkerContext& context) {
  const std::uint64_t passed_ms = context.clock.now_ms() - last_step_ms_;
  last_step_ms_ = context.clock.now_ms();
  if (!is_open_) return;
  const std::size_t wished = context.flows.slots() * std::min(passed_ms, kSweepMs) / kSweepMs;
  const std::size_t budget = room_for(context, std::clamp(wished, kBudgetMin, kBudgetMax));
  if (budget == 0) return;
  if (!is_walked_) {
    is_walked_ = step_flows(context, budget);
    return;
  }
  if (!is_flushed_) {
    is_flushed_ = step_refusals(context, budget);
    if (!is_flushed_) return;
  }
  FlowDelta closed;
  closed.kind = FlowDelta::Kind::WindowClosed;
  closed.worker = context.config.index;
  closed.last_s = boundary_s_;
  if (context.links.deltas != nullptr && !context.links.deltas->try_push(closed)) return;
  is_open_ = starts_anew_;
  if (!is_open_) return;
  starts_anew_ = false;
  is_walked_ = is_flushed_ = false;
  boundary_s_ = context.clock.window_begin_s();
}

}  // namespace sluice
