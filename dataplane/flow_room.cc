#include "dataplane/flow_room.h"

#include "dataplane/flow_report.h"

namespace sluice {
namespace {

Tally& level_of(InterfaceTallies& row, Embryo kind) {
  return kind == Embryo::HalfOpen ? row.half_open : row.unanswered;
}
Tally& level_of(WorkerTallies& all, Embryo kind) {
  return kind == Embryo::HalfOpen ? all.half_open : all.unanswered;
}

void add_embryo(WorkerContext& context, EniIndex eni, Embryo kind) {
  if (kind == Embryo::None) return;
  level_of(context.counters.interface(eni), kind).add(1);
  level_of(context.counters.worker, kind).add(1);
}

void subtract_embryo(WorkerContext& context, EniIndex eni, Embryo kind) {
  if (kind == Embryo::None) return;
  level_of(context.counters.interface(eni), kind).subtract(1);
  level_of(context.counters.worker, kind).subtract(1);
}

// Ends the flow that was silent for the longest time among those near the new one's place that
// may_go(EniIndex, const FlowState&) names and that have ended or got nowhere for a while.
template <class MayGo>
bool end_one(WorkerContext& context, Burst& burst, std::size_t i, MayGo&& may_go) {
  const TickMs now = burst.now.tick_ms;
  FlowState* state = context.flows.longest_idle(
      burst.names[i], now, [&](EniIndex eni, const FlowState& candidate) {
        const EvictionClass its_class = eviction_class(candidate.flow_phase());
        const bool is_new = its_class == EvictionClass::Embryonic &&
                            now - candidate.last_seen_ms < kEmbryonicGraceMs;
        return its_class != EvictionClass::Kept && !is_new && may_go(eni, candidate);
      });
  if (state == nullptr) return false;
  forget_flow(context, burst, state);
  return true;
}

bool is_tracked(const FlowState& state) { return !state.has(FlowState::kUntracked); }

DropReason make_room_at(WorkerContext& context, Burst& burst, std::size_t i, Embryo kind,
                        std::uint32_t allowance) {
  const EniIndex eni = burst.end_of(i).eni;
  InterfaceTallies& row = context.counters.interface(eni);
  const std::uint32_t room = share_of_worker(allowance, context.config.worker_count);
  if (level_of(row, kind).read() >= embryo_share(kind, room)) {
    const bool has_made_room =
        end_one(context, burst, i, [&](EniIndex its_eni, const FlowState& state) {
          return its_eni == eni && embryo_of(state) == kind;
        });
    if (!has_made_room) return DropReason::EmbryonicFull;
  }
  if (row.tracked.read() >= room) {
    const bool has_made_room =
        end_one(context, burst, i, [&](EniIndex its_eni, const FlowState& state) {
          return its_eni == eni && is_tracked(state);
        });
    if (!has_made_room) return DropReason::AllowanceExceeded;
  }
  return DropReason::None;
}

}  // namespace

DropReason make_room(WorkerContext& context, Burst& burst, std::size_t i, Embryo kind) {
  const std::uint32_t allowance = context.policy->allowance_of(*burst.end_of(i).row);
  if (allowance != 0) {
    const DropReason refusal = make_room_at(context, burst, i, kind, allowance);
    if (refusal != DropReason::None) return refusal;
  }
  const auto capacity = static_cast<std::uint32_t>(context.flows.capacity());
  if (level_of(context.counters.worker, kind).read() < embryo_share(kind, capacity)) {
    return DropReason::None;
  }
  const bool has_made_room = end_one(context, burst, i, [&](EniIndex, const FlowState& state) {
    return is_tracked(state) && embryo_of(state) == kind;
  });
  return has_made_room ? DropReason::None : DropReason::EmbryonicFull;
}

void count_tracked(WorkerContext& context, EniIndex eni, const FlowState& state) {
  context.counters.interface(eni).tracked.add(1);
  context.counters.worker.tracked.add(1);
  add_embryo(context, eni, embryo_of(state));
}

void uncount_tracked(WorkerContext& context, EniIndex eni, const FlowState& state) {
  context.counters.interface(eni).tracked.subtract(1);
  context.counters.worker.tracked.subtract(1);
  subtract_embryo(context, eni, embryo_of(state));
}

void count_moved(WorkerContext& context, EniIndex eni, Embryo before, const FlowState& state) {
  const Embryo after = embryo_of(state);
  if (after == before) return;
  subtract_embryo(context, eni, before);
  add_embryo(context, eni, after);
}

}  // namespace sluice
