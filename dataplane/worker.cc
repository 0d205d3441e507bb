#include "dataplane/worker.h"

#include <algorithm>

#include "dataplane/flow_report.h"
#include "dataplane/pipeline.h"
#include "dataplane/stage_find_flow.h"
#include "dataplane/stage_identify.h"
#include "dataplane/stage_neighbors.h"
#include "dataplane/stage_receive.h"
#include "dataplane/worker_context.h"

namespace sluice {
namespace {

constexpr std::size_t kFinishBudget = 1'024;  // slots per step of the last turn

// What was received; returns how many packets that were.
std::size_t run_burst(WorkerContext& context) {
  if (context.burst.count == 0) {
    context.stages.polled_nothing();
    return 0;
  }
  context.stages.passed(StageName::Receive);
  const std::size_t received = context.burst.count;
  run_pipeline(context, context.burst);
  return received;
}

std::size_t run_devices(WorkerContext& context) {
  std::size_t worked = 0;
  for (std::size_t nic = 0; nic < context.config.nics.size(); ++nic) {
    receive(context, context.burst, NicIndex(static_cast<std::uint16_t>(nic)));
    worked += run_burst(context);
  }
  return worked;
}

std::size_t run_inboxes(WorkerContext& context) {
  std::size_t worked = 0;
  for (SpscRing<Handoff>* inbox : context.links.inbox) {
    if (inbox == nullptr) continue;
    do {
      receive_handed_over(context, context.burst, *inbox);
      worked += run_burst(context);
    } while (!context.handed_over.is_empty());
  }
  return worked;
}

std::size_t run_released(WorkerContext& context) {
  receive_released(context, context.burst);
  return run_burst(context);
}

void expire_flows(WorkerContext& context) {
  context.work.visited = context.flows.expire(
      context.clock.moment().tick_ms, kExpiredPerTurn,
      [&](const FlowTuple& tuple, FlowState& state) {
        return timeout_at_visit(context, tuple, state);
      },
      [&](const FlowTuple& tuple, FlowState& state) { note_flow_end(context, tuple, state); });
}

// One step of one request a turn; a request that is not done comes first at the next.
void answer_mail(WorkerContext& context) {
  if (context.request == nullptr && context.links.mail != nullptr) {
    context.links.mail->pop(std::span(&context.request, 1));
  }
  if (context.request != nullptr && context.request->step(context)) context.request = nullptr;
}

void show_levels(WorkerContext& context, std::size_t worked) {
  auto& tallies = context.counters.worker;
  tallies.turns.add(1);
  if (worked == 0) tallies.idle_turns.add(1);
  set(tallies.held, context.held.size());
  set(tallies.flows, context.flows.size());
  set(tallies.generation, context.policy == nullptr ? 0 : context.policy->generation().value());
}

void leave_epoch_section(WorkerContext& context) {
  context.policy = nullptr;
  if (context.links.epoch != nullptr) context.links.epoch->quiescent(context.config.index.value());
}

// Drops what other workers handed over and nobody will judge any more.
void drop_inboxes(WorkerContext& context) {
  for (SpscRing<Handoff>* inbox : context.links.inbox) {
    if (inbox == nullptr) continue;
    do {
      receive_handed_over(context, context.burst, *inbox);
      for (std::size_t i = 0; i < context.burst.count; ++i) {
        context.burst.facts[i] = PacketFacts{};
        drop(context, context.burst, i, DropReason::Stopped);
      }
      run_pipeline(context, context.burst);
    } while (context.burst.count > 0);
  }
}

void drop_held(WorkerContext& context) {
  do {
    receive_abandoned(context, context.burst);
    run_pipeline(context, context.burst);
  } while (context.burst.count > 0);
}

// Room for what `slots` flows may send, both directions of each.
bool has_room(const WorkerContext& context, std::size_t slots) {
  const auto* ring = context.links.deltas;
  return ring == nullptr || ring->capacity() - ring->size() > 2 * slots;
}

std::size_t finish_budget(const WorkerContext& context) {
  const auto* ring = context.links.deltas;
  return ring == nullptr ? kFinishBudget
                         : std::clamp<std::size_t>(ring->capacity() / 4, 1, kFinishBudget);
}

// Sends every flow's last delta; false while the ring has no room for the next step.
bool finish_flows(WorkerContext& context) {
  const std::size_t budget = finish_budget(context);
  while (!context.is_walked) {
    if (!has_room(context, budget)) return false;
    context.finish_cursor = context.flows.walk(
        context.finish_cursor, budget,
        [&](const FlowTuple& tuple, FlowState& state) { note_flow_end(context, tuple, state); });
    context.is_walked = context.finish_cursor == 0;
  }
  return true;
}

bool finish_refusals(WorkerContext& context) {
  const std::size_t budget = finish_budget(context);
  for (RefusalCache& cache : context.refusals) {
    while (cache.size() > 0) {
      if (!has_room(context, budget)) return false;
      context.finish_cursor =
          cache.flush(context.finish_cursor, budget,
                      [&](const FlowDelta& delta) { report_delta(context, delta); });
    }
    context.finish_cursor = 0;
  }
  return true;
}

bool finish_log(WorkerContext& context) {
  if (!finish_flows(context) || !finish_refusals(context)) return false;
  FlowDelta closed;
  closed.kind = FlowDelta::Kind::WindowClosed;
  closed.worker = context.config.index;
  closed.last_s = context.clock.moment().unix_s() + 1;
  return context.links.deltas == nullptr || context.links.deltas->try_push(closed);
}

}  // namespace

Worker::Worker(const WorkerConfig& config, const WorkerLinks& links, PacketIo& io)
    : context_(std::make_unique<WorkerContext>(config, links, io)) {
  CHECK(config.nics.size() <= kNicsMax);
  CHECK(config.index.value() < config.worker_count);
  for (const NicInfo& nic : config.nics) {
    const NicRole role = nic.config.role;
    const bool has_peer = nic.config.peer.value() < config.nics.size();
    CHECK(has_peer || role == NicRole::Interface || role == NicRole::Uplink);
  }
}

Worker::~Worker() = default;

std::size_t Worker::turn(UnixNanos now, std::uint64_t offset_ns) {
  WorkerContext& context = *context_;
  context.stages.begin_turn(context.watches_stages());
  context.work = TurnWork{};
  const std::uint64_t looked_before = context.flows.looked();
  const std::uint64_t asked_before = context.verdicts.asked();
  context.clock.advance(now, offset_ns);
  const Published<PolicySnapshot> nothing;
  const Section<PolicySnapshot> section(context.links.policy == nullptr ? nothing
                                                                        : *context.links.policy);
  context.policy = section.get();
  context.addresses.open(context.policy);
  context.sweep.begin_turn(context);
  context.layer7.budget.begin_turn();
  std::size_t worked = run_devices(context);
  worked += run_inboxes(context);
  worked += run_released(context);
  expire_flows(context);
  settle_unidentified(context);
  resolve_gateways(context);
  context.sweep.step(context);
  answer_mail(context);
  context.work.packets = worked;
  context.work.looked = context.flows.looked() - looked_before;
  context.work.asked += context.verdicts.asked() - asked_before;
  show_levels(context, worked);
  leave_epoch_section(context);
  context.stages.passed(worked == 0 ? StageName::Idle : StageName::Upkeep);
  return context.request == nullptr ? worked : worked + 1;
}

bool Worker::finish(UnixNanos now, std::uint64_t offset_ns) {
  WorkerContext& context = *context_;
  if (context.is_finished) return true;
  context.clock.advance(now, offset_ns);
  context.sweep.begin_turn(context);
  drop_inboxes(context);
  drop_held(context);
  context.is_finished = finish_log(context);
  if (context.is_finished && context.request != nullptr) {
    while (!context.request->step(context)) {
    }
    context.request = nullptr;
  }
  show_levels(context, 0);
  leave_epoch_section(context);
  return context.is_finished;
}

void Worker::drop_handed_over() { drop_inboxes(*context_); }

void Worker::count_unsent(NicIndex in, NicIndex out, std::uint32_t bytes) {
  Counters& counters = context_->counters;
  counters.nic(out).tx_packets.subtract(1);
  counters.nic(out).tx_bytes.subtract(bytes);
  NicTallies& row = counters.nic(in.is_none() ? out : in);
  row.drops[static_cast<std::size_t>(DropReason::Stopped)].add(1);
}

WorkerCounters Worker::counters() const {
  const auto& tallies = context_->counters.worker;
  WorkerCounters result;
  for (std::size_t nic = 0; nic < context_->config.nics.size(); ++nic) {
    const NicCounters part = nic_counters(NicIndex(static_cast<std::uint16_t>(nic)));
    result.packets.rx_packets += part.rx_packets;
    result.packets.rx_bytes += part.rx_bytes;
    result.packets.tx_packets += part.tx_packets;
    result.packets.tx_bytes += part.tx_bytes;
    result.packets.generated += part.generated;
    result.packets.consumed += part.consumed;
    for (std::size_t i = 0; i < kDropReasonCount; ++i) result.packets.drops[i] += part.drops[i];
  }
  result.held = tallies.held.read();
  for (const SpscRing<Handoff>* inbox : context_->links.inbox) {
    if (inbox != nullptr) result.held += inbox->size();
  }
  result.flows = tallies.flows.read();
  result.flow_capacity = context_->flows.capacity();
  result.flows_begun = tallies.flows_begun.read();
  result.flows_ended = tallies.flows_ended.read();
  result.flows_refused = tallies.flows_refused.read();
  result.tracked = tallies.tracked.read();
  result.half_open = tallies.half_open.read();
  result.unanswered = tallies.unanswered.read();
  result.express = tallies.express.read();
  result.handed_over = tallies.handed_over.read();
  result.deltas_lost = tallies.deltas_lost.read();
  result.watch_lost = tallies.watch_lost.read();
  result.turns = tallies.turns.read();
  result.idle_turns = tallies.idle_turns.read();
  result.layer7_looks = tallies.layer7_looks.read();
  result.layer7_put_off = tallies.layer7_put_off.read();
  result.layer7_conflicts = tallies.layer7_conflicts.read();
  result.signature_hits = tallies.signature_hits.read();
  for (std::size_t i = 0; i < result.apps.size(); ++i) result.apps[i] = tallies.apps[i].read();
  result.core = context_->config.core;
  result.generation = Generation(static_cast<std::uint32_t>(tallies.generation.read()));
  return result;
}

NicCounters Worker::nic_counters(NicIndex nic) const {
  const NicTallies& tallies = context_->counters.nic(nic);
  NicCounters result;
  result.rx_packets = tallies.rx_packets.read();
  result.rx_bytes = tallies.rx_bytes.read();
  result.tx_packets = tallies.tx_packets.read();
  result.tx_bytes = tallies.tx_bytes.read();
  result.generated = tallies.generated.read();
  result.consumed = tallies.consumed.read();
  for (std::size_t i = 0; i < kDropReasonCount; ++i) result.drops[i] = tallies.drops[i].read();
  return result;
}

InterfaceCounters Worker::interface_counters(EniIndex eni) const {
  const InterfaceTallies& tallies = context_->counters.interface(eni);
  InterfaceCounters result;
  result.eni = eni;
  for (std::size_t at = 0; at < 2; ++at) {
    result.accepted_packets[at] = tallies.accepted_packets[at].read();
    result.accepted_bytes[at] = tallies.accepted_bytes[at].read();
    result.dropped_packets[at] = tallies.dropped_packets[at].read();
  }
  for (std::size_t i = 0; i < kDropReasonCount; ++i) result.drops[i] = tallies.drops[i].read();
  // The end is read first: a flow that ends in between must not make the difference negative.
  const std::uint64_t ended = tallies.flows_ended.read();
  result.flows = tallies.flows_begun.read() - ended;
  result.tracked = tallies.tracked.read();
  result.half_open = tallies.half_open.read();
  result.unanswered = tallies.unanswered.read();
  result.out_of_window = tallies.out_of_window.read();
  result.app_identified = tallies.app_identified.read();
  result.app_unknown = tallies.app_unknown.read();
  result.app_uninspected = tallies.app_uninspected.read();
  result.app_refused = tallies.app_refused.read();
  return result;
}

void Worker::add_signature_hits(std::span<std::uint64_t> out) const {
  const std::size_t count = std::min<std::size_t>(out.size(), FlowFacts::kNoSignature);
  for (std::size_t i = 0; i < count; ++i) {
    out[i] += context_->counters.signature(static_cast<std::uint16_t>(i)).read();
  }
}

std::size_t Worker::interface_end() const { return context_->counters.interface_end(); }

StageTimes Worker::stage_times() const { return context_->stages.times(); }

MacAddr Worker::neighbor(NicIndex nic, Family family) const {
  return gateway_mac(context_->nic(nic), family);
}

}  // namespace sluice
