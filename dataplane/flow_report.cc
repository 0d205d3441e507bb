#include "dataplane/flow_report.h"

#include "dataplane/entry_counts.h"
#include "dataplane/flow_room.h"
#include "dataplane/packet_naming.h"
#include "dataplane/stage_find_flow.h"
#include "flowtable/conntrack.h"

namespace sluice {
namespace {

constexpr std::size_t index_of(Direction direction) { return static_cast<std::size_t>(direction); }

// The entry knows the rule that admitted its first packet. Answers of a tracked flow pass by it
// too; those of an untracked one pass by a rule of their own direction (CT-6), which nobody keeps.
RuleIndex rule_of(const FlowState& state, Direction direction) {
  const bool is_its_own = !state.has(FlowState::kUntracked) || direction == state.initiator();
  return is_its_own ? state.rule_index() : RuleIndex::none();
}

void report_direction(WorkerContext& context, const FlowTuple& tuple, FlowState& state,
                      Direction direction) {
  const std::size_t at = index_of(direction);
  if (state.packets[at] == 0) return;
  const std::uint32_t window_s = context.clock.window_of(state.last_seen_ms);
  const std::uint32_t seconds = load_log_seconds(state);
  const unsigned nibble = direction == Direction::Ingress ? 0 : 4;
  FlowDelta delta;
  delta.direction = direction;
  delta.action = Verdict::Accept;
  delta.tcp_flags = shown_log_flags(state.log_flags >> nibble & 15);
  delta.worker = context.config.index;
  delta.generation = Generation(state.generation);
  delta.rule = rule_of(state, direction);
  delta.app = state.app();
  delta.tuple = shown_tuple(tuple);
  delta.first_s = window_s + (seconds >> first_second_shift(direction) & 63);
  delta.last_s = window_s + (seconds >> last_second_shift(direction) & 63);
  delta.packets = state.packets[at];
  delta.bytes = state.bytes[at];
  report_delta(context, delta);
  state.packets[at] = 0;
  state.bytes[at] = 0;
  state.log_flags = static_cast<std::uint8_t>(state.log_flags & ~(15 << nibble));
}

void tell_watchers(WorkerContext& context, const WatchEvent& event) {
  if (context.links.watch == nullptr) return;
  if (!context.links.watch->try_push(event)) context.counters.worker.watch_lost.add(1);
}

WatchEvent flow_event(const WorkerContext& context, WatchEvent::Kind kind, const FlowTuple& tuple,
                      const FlowState& state) {
  WatchEvent event;
  event.kind = kind;
  event.direction = state.initiator();
  event.has_tuple = true;
  event.worker = context.config.index;
  event.rule = state.rule_index();
  event.app = state.app();
  event.tuple = shown_tuple(tuple);
  event.time_ns = context.clock.moment().unix_ns;
  return event;
}

// The end that a drop is counted for: the one under way, else the one that is there.
const EndResult* counted_end(const Burst& burst, std::size_t i, Direction& direction) {
  const auto& ends = burst.packets[i].ends;
  direction = burst.direction;
  if (ends[index_of(direction)].present) return &ends[index_of(direction)];
  direction = opposite(direction);
  return ends[index_of(direction)].present ? &ends[index_of(direction)] : nullptr;
}

void tell_drop(WorkerContext& context, const Burst& burst, std::size_t i, const EndResult* end,
               Direction direction) {
  WatchEvent event;
  event.kind = WatchEvent::Kind::Drop;
  event.direction = direction;
  event.reason = burst.packets[i].reason;
  event.worker = context.config.index;
  event.nic = burst.packets[i].in;
  event.length = burst.facts[i].is_ip() ? burst.facts[i].ip_length : burst.frames[i].length;
  event.time_ns = context.clock.moment().unix_ns;
  if (burst.facts[i].is_ip()) {
    event.has_tuple = true;
    const EniIndex eni = end == nullptr ? EniIndex::none() : end->eni;
    event.tuple = shown_tuple(flow_tuple_of(burst.facts[i], eni, direction));
  }
  tell_watchers(context, event);
}

}  // namespace

void report_delta(WorkerContext& context, const FlowDelta& delta) {
  ++context.work.reported;
  auto& row = context.counters.interface(delta.tuple.eni);
  const std::size_t at = index_of(delta.direction);
  row.live[at].subtract(delta.packets);
  if (context.links.deltas != nullptr && context.links.deltas->try_push(delta)) {
    row.sent[at].add(delta.packets);
    return;
  }
  row.lost[at].add(delta.packets);
  context.counters.worker.deltas_lost.add(1);
}

void report_flow(WorkerContext& context, const FlowTuple& tuple, FlowState& state) {
  report_direction(context, tuple, state, Direction::Ingress);
  report_direction(context, tuple, state, Direction::Egress);
}

void add_to_flow(WorkerContext& context, const Burst& burst, std::size_t i, FlowState& state) {
  const PacketFacts& facts = burst.facts[i];
  const Direction direction = burst.direction;
  if (!has_room_for_packet(state, direction, facts.ip_length) ||
      context.clock.is_before_window(state.last_seen_ms)) {
    report_flow(context, tuple_of(burst, i), state);
  }
  count_in_entry(state, direction, facts.ip_length, context.clock.second_of_window());
  context.counters.interface(burst.end_of(i).eni).live[index_of(direction)].add(1);
  constexpr std::uint8_t kShown = TcpFlags::kSyn | TcpFlags::kFin | TcpFlags::kRst;
  if (facts.proto == Proto::Tcp && (facts.tcp_flags & kShown) != 0) {
    const std::uint8_t nibble = log_flags_of(tracked_packet_of(facts, direction));
    state.log_flags |=
        static_cast<std::uint8_t>(nibble << (direction == Direction::Ingress ? 0 : 4));
  }
}

void add_record(WorkerContext& context, const Burst& burst, std::size_t i) {
  const EndResult& end = burst.packets[i].ends[index_of(burst.direction)];
  const PacketFacts& facts = burst.facts[i];
  FlowDelta delta;
  delta.direction = burst.direction;
  delta.action = end.verdict;
  delta.reason = end.reason;
  if (facts.proto == Proto::Tcp) {
    delta.tcp_flags = shown_log_flags(log_flags_of(tracked_packet_of(facts, burst.direction)));
  }
  delta.worker = context.config.index;
  delta.generation = context.policy->generation();
  delta.rule = end.rule;
  // What locate() refused has no flow that was looked for.
  const bool has_flow = end.by == By::Flow || end.by == By::Rule;
  if (has_flow && burst.flows[i] != nullptr) delta.app = burst.flows[i]->app();
  const FlowTuple tuple = flow_tuple_of(facts, end.eni, burst.direction);
  delta.tuple = shown_tuple(tuple);
  delta.first_s = delta.last_s = burst.now.unix_s();
  delta.packets = 1;
  delta.bytes = facts.ip_length;
  context.counters.interface(end.eni).live[index_of(burst.direction)].add(1);
  auto& cache = context.refusals[context.sweep.current_refusals()];
  cache.add(delta, owner_hash(context.config.key, delta.tuple),
            [&](const FlowDelta& gone) { report_delta(context, gone); });
}

void note_flow_begin(WorkerContext& context, const FlowTuple& tuple, const FlowState& state) {
  context.counters.worker.flows_begun.add(1);
  context.counters.interface(tuple.eni).flows_begun.add(1);
  if (!state.has(FlowState::kUntracked)) count_tracked(context, tuple.eni, state);
  if (context.watches_flows()) {
    tell_watchers(context, flow_event(context, WatchEvent::Kind::FlowBegin, tuple, state));
  }
}

void note_flow_end(WorkerContext& context, const FlowTuple& tuple, FlowState& state) {
  report_flow(context, tuple, state);
  if (context.watches_flows()) {
    WatchEvent event = flow_event(context, WatchEvent::Kind::FlowEnd, tuple, state);
    if (const FlowFacts* facts = context.layer7.names.find(&state)) event.facts = *facts;
    tell_watchers(context, event);
  }
  context.layer7.forget(state);
  context.counters.worker.flows_ended.add(1);
  context.counters.interface(tuple.eni).flows_ended.add(1);
  if (!state.has(FlowState::kUntracked)) uncount_tracked(context, tuple.eni, state);
}

void forget_in_burst(Burst& burst, const FlowState* state) {
  for (std::size_t i = burst.begin; i < burst.end; ++i) {
    if (burst.is_judged(i) && burst.flows[i] == state) burst.flows[i] = nullptr;
  }
}

void forget_flow(WorkerContext& context, Burst& burst, FlowState* state) {
  note_flow_end(context, context.flows.tuple_of(state), *state);
  forget_in_burst(burst, state);
  context.flows.remove(state);
}

void drop(WorkerContext& context, Burst& burst, std::size_t i, DropReason reason) {
  PacketState& packet = burst.packets[i];
  packet.fate = Fate::Drop;
  packet.reason = reason;
  const std::size_t row = static_cast<std::size_t>(reason);
  context.counters.nic(packet.in).drops[row].add(1);
  Direction direction = burst.direction;
  const EndResult* end = counted_end(burst, i, direction);
  if (end != nullptr) {
    auto& tallies = context.counters.interface(end->eni);
    tallies.drops[row].add(1);
    tallies.dropped_packets[index_of(direction)].add(1);
  }
  if (context.watches_drops()) tell_drop(context, burst, i, end, direction);
}

void refuse(WorkerContext& context, Burst& burst, std::size_t i, DropReason reason, By by) {
  EndResult& end = burst.end_of(i);
  end.verdict = Verdict::Drop;
  end.by = by;
  end.reason = reason;
  end.rule = RuleIndex::none();
  drop(context, burst, i, reason);
}

}  // namespace sluice
