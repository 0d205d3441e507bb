#include "dataplane/log_sweep.h"

#include <algorithm>

#include "dataplane/flow_report.h"
#include "dataplane/worker_context.h"

namespace sluice {
namespace {

// Slots visited in one step, up to kSweptPerTurn: enough to walk the whole table within two seconds
// of the clock, where turns are short enough for it.
constexpr std::size_t kBudgetMin = 128;
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
  // turns can sweep: a capture with gaps, a ring that nobody empties. Then what it holds goes with
  // the next sweep too, from among the records that come now.
  has_leftovers_ = has_leftovers_ || context.refusals[1 - current_].size() != 0;
  current_ = 1 - current_;
  begin_refusals();
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
        ++context.work.swept;
        if (context.clock.is_before_window(state.last_seen_ms)) {
          report_flow(context, tuple, state);
        }
      });
  return flow_cursor_ == 0;
}

void LogSweep::begin_refusals() {
  refusal_cursor_ = 0;
  is_former_empty_ = false;
}

bool LogSweep::step_refusals(WorkerContext& context, std::size_t budget) {
  const auto report = [&](const FlowDelta& delta) { report_delta(context, delta); };
  auto& former = context.refusals[1 - current_];
  const auto flush = [&](RefusalCache& cache) {
    const std::size_t begin = refusal_cursor_;
    refusal_cursor_ = cache.flush(begin, budget, report);
    context.work.swept += (refusal_cursor_ == 0 ? cache.slots() : refusal_cursor_) - begin;
  };
  if (!is_former_empty_ && former.size() != 0) {
    flush(former);
    if (former.size() != 0) return false;
    refusal_cursor_ = 0;
    is_former_empty_ = true;
    return !has_leftovers_;
  }
  is_former_empty_ = true;
  if (!has_leftovers_) return true;
  flush(context.refusals[current_]);
  has_leftovers_ = refusal_cursor_ != 0;
  return !has_leftovers_;
}

void LogSweep::step(WorkerContext& context) {
  const std::uint64_t passed_ms = context.clock.now_ms() - last_step_ms_;
  last_step_ms_ = context.clock.now_ms();
  if (!is_open_) {
    owed_ = 0;
    return;
  }
  // What time asks for and a turn may not do is owed to the next ones.
  const std::size_t slots = context.flows.slots();
  owed_ = std::min(slots, owed_ + slots * std::min(passed_ms, kSweepMs) / kSweepMs);
  const std::size_t budget = room_for(context, std::clamp(owed_, kBudgetMin, kSweptPerTurn));
  if (budget == 0) return;
  owed_ -= std::min(owed_, budget);
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
  begin_refusals();
  boundary_s_ = context.clock.window_begin_s();
}

}  // namespace sluice
