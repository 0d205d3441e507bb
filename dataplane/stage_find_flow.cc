#include "dataplane/stage_find_flow.h"

#include <utility>

#include "dataplane/flow_report.h"
#include "dataplane/flow_room.h"
#include "dataplane/packet_naming.h"
#include "dataplane/parse.h"
#include "lookup/decide.h"

namespace sluice {
namespace {

bool is_over(const WorkerContext& context, const InterfaceRow& row, Proto proto,
             const FlowState& state) {
  const TickMs now = context.clock.moment().tick_ms;
  if (static_cast<TickMs>(now - state.last_seen_ms) < kShortestTimeoutMs) return false;
  return has_expired(state, proto, timeouts_of(row, context.policy->tracking()), now);
}

// False for a flow that its next packet will find over, forgotten or refused by a policy change.
bool counts_still(WorkerContext& context, const InterfaceRow& row, const FlowTuple& tuple,
                  const FlowState& state) {
  if (is_over(context, row, tuple.proto, state)) return false;
  if (state.generation < row.flush_before.value()) return false;
  if (state.generation >= row.rejudge_before.value()) return true;
  return judge_again(context, tuple, state).verdict == Verdict::Accept;
}

bool is_relatable(const PacketFacts& facts) {
  if ((facts.proto == Proto::Icmpv6) != facts.has(PacketFacts::kIpv6)) return false;  // SG-22
  const std::uint8_t type = facts.icmp_type();
  if (facts.proto == Proto::Icmpv6) {
    return type >= Icmpv6Type::kUnreachable && type <= Icmpv6Type::kParameterProblem;
  }
  return type == IcmpType::kUnreachable || type == IcmpType::kSourceQuench ||
         type == IcmpType::kTimeExceeded || type == IcmpType::kParameterProblem;
}

// CT-24, CT-25: an error about a live tracked flow, or about a packet that the rules admit for a
// flow that is, or would be, untracked. The quoted packet went the other way.
bool is_related(WorkerContext& context, Burst& burst, std::size_t i) {
  const PacketFacts& facts = burst.facts[i];
  if (!is_relatable(facts) || burst.packets[i].part == FragmentPart::Follower) return false;
  const Frame& frame = burst.frames[i];
  const auto quote = parse_quote({frame.data, frame.contiguous}, facts);
  if (!quote || quote->source() != facts.destination()) return false;

  const EniIndex eni = burst.end_of(i).eni;
  const Direction quoted = opposite(burst.direction);
  const FlowTuple tuple = flow_tuple_of(*quote, eni, quoted);
  const FlowState* state = context.flows.find(tuple, owner_hash(context.config.key, tuple));
  const InterfaceRow& row = *burst.end_of(i).row;
  if (state != nullptr && !counts_still(context, row, tuple, *state)) state = nullptr;
  if (state != nullptr && !state->has(FlowState::kUntracked)) {
    return context.policy->tracking().icmp_errors == IcmpErrorMode::Related &&
           state->flow_phase() != FlowPhase::Closed;
  }
  const Decision decision =
      context.verdicts.decide(*context.policy, question_of(*quote, eni, quoted));
  return decision.verdict == Verdict::Accept && (state != nullptr || !decision.tracked);
}

// Seen a moment ago, and no policy change asks for a closer look.
bool is_surely_live(const Burst& burst, std::size_t i, const FlowState& state) {
  return static_cast<TickMs>(burst.now.tick_ms - state.last_seen_ms) < kShortestTimeoutMs &&
         state.generation >= burst.end_of(i).row->flush_before.value() && !state.looks_closer();
}

void name_flow(WorkerContext& context, Burst& burst, std::size_t i) {
  const EniIndex eni = burst.end_of(i).eni;
  const PacketFacts& facts = burst.facts[i];
  burst.marks[i] = EndMarks();
  burst.flows[i] = nullptr;
  burst.end_hashes[i] = burst.hashes[i];
  if (has_ipv4_key(facts)) [[likely]] {
    const Ipv4FlowKey key = ipv4_key_of(facts, eni, burst.direction);
    context.flows.name(key, burst.hashes[i], burst.names[i]);
    return;
  }
  const FlowTuple tuple = tuple_of(burst, i);
  if (is_icmp(facts.proto)) burst.end_hashes[i] = owner_hash(context.config.key, tuple);
  context.flows.name(tuple, burst.end_hashes[i], burst.names[i]);
}

// What a policy change left of a flow that was there before: true if it is to be forgotten, and the
// packet judged as if there had never been one. A TCP connection that the rules of now refuse is
// kept as a closed one instead: forgotten, it would be picked up in its middle by the next segment
// of the side whose rules still allow it, and live on for both (CT-23).
bool must_forget(WorkerContext& context, const Burst& burst, std::size_t i, FlowState& state) {
  const std::uint32_t generation = context.policy->generation().value();
  const bool is_flushed = state.generation < burst.end_of(i).row->flush_before.value();
  const bool is_back = state.is_revoked() && state.generation != generation;
  if (!is_flushed && !is_back) [[likely]]
    return false;
  if (burst.facts[i].proto != Proto::Tcp) return true;
  const FlowTuple tuple = tuple_of(burst, i);
  const Decision decision = judge_again(context, tuple, state);
  if (decision.verdict == Verdict::Accept) return true;
  revoke(context, tuple, state, lasting_reason(decision));
  return false;
}

// What a policy change makes of a flow on probation, which no longer waits for an answer where the
// rules of now demand none, or admit it no more. False: it is to be forgotten.
bool settle_change(WorkerContext& context, const Burst& burst, std::size_t i, FlowState& state) {
  if (!state.is_demanded() || state.generation == context.policy->generation().value()) return true;
  const FlowTuple tuple = tuple_of(burst, i);
  const Decision decision = judge_again(context, tuple, state);
  if (decision.verdict == Verdict::Accept) {
    adopt(context, state, decision);
    return true;
  }
  if (burst.facts[i].proto != Proto::Tcp) return false;
  revoke(context, tuple, state, lasting_reason(decision));
  return true;
}

// False if a policy change ended the flow. A TCP connection that the rules of now refuse becomes a
// closed one, as in must_forget().
bool survives_change(WorkerContext& context, const InterfaceRow& row, const FlowTuple& tuple,
                     FlowState& state) {
  if (state.is_revoked()) return true;
  const bool is_flushed = state.generation < row.flush_before.value();
  const bool is_asked_again =
      !state.has(FlowState::kUntracked) && state.generation < row.rejudge_before.value();
  if (!is_flushed && !is_asked_again) return true;
  const Decision decision = judge_again(context, tuple, state);
  if (decision.verdict == Verdict::Accept) {
    if (is_flushed) return false;
    adopt(context, state, decision);
    return true;
  }
  if (tuple.proto != Proto::Tcp) return false;
  revoke(context, tuple, state, lasting_reason(decision));
  return true;
}

}  // namespace

DropReason lasting_reason(const Decision& refusal) {
  const bool is_plain =
      refusal.reason == DropReason::NoRule || refusal.reason == DropReason::AclDeny;
  return is_plain ? DropReason::Closed : refusal.reason;
}

Decision judge_again(WorkerContext& context, const FlowTuple& tuple, const FlowState& state) {
  ++context.work.rejudged;
  const Question first = first_question_of(tuple, state);
  const Decision decision = context.verdicts.decide(*context.policy, first);
  // One that is looked at will be judged by what it turns out to be.
  if (!decision.conditional || state.is_watched()) return decision;
  ++context.work.asked;
  const FlowFacts* facts = context.layer7.names.find(&state);
  const App app{state.app()};
  return decide_identified(*context.policy, first,
                           {app, facts == nullptr ? std::string_view() : facts->name()});
}

void adopt(WorkerContext& context, FlowState& state, const Decision& decision) {
  state.generation = context.policy->generation().value();
  state.set_rule(decision.rule);
  if (!state.is_watched()) return;
  const auto demanded = decision.conditional ? FlowState::kL7Demanded : std::uint8_t{0};
  state.l7 = static_cast<std::uint8_t>((state.l7 & ~FlowState::kL7Demanded) | demanded);
}

void mark_watched(Burst& burst, std::size_t i, const FlowState& state) {
  if (!state.is_watched() || burst.marks[i].is_watched) return;
  burst.marks[i].is_watched = true;
  burst.marks[i].next_sequence = state.sequence_end[static_cast<std::size_t>(burst.direction)];
  burst.has_watched = true;
}

void revoke(WorkerContext& context, const FlowTuple& tuple, FlowState& state, DropReason reason) {
  context.layer7.close(state);
  // What it has counted lies in the log window of its last packet, which moves now.
  report_flow(context, tuple, state);
  const bool was_untracked = state.has(FlowState::kUntracked);
  const Embryo before = embryo_of(state);
  revoke_flow(state, reason);
  if (was_untracked) {
    count_tracked(context, tuple.eni, state);
  } else {
    count_moved(context, tuple.eni, before, state);
  }
  state.generation = context.policy->generation().value();
  state.last_seen_ms = context.clock.moment().tick_ms;
}

bool flush_flow(WorkerContext& context, FlowState& state) {
  const FlowTuple tuple = context.flows.tuple_of(&state);
  const bool is_judged = tuple.proto == Proto::Tcp && context.policy != nullptr &&
                         context.policy->find_interface(tuple.eni) != nullptr;
  if (is_judged) {
    const Decision decision = judge_again(context, tuple, state);
    if (decision.verdict != Verdict::Accept) {
      if (state.is_revoked()) return false;
      revoke(context, tuple, state, lasting_reason(decision));
      return true;
    }
  }
  note_flow_end(context, tuple, state);
  context.flows.remove(&state);
  return true;
}

TimeoutTable timeouts_of(const InterfaceRow& row, const TrackingSettings& tracking) {
  TimeoutTable table;
  table.tcp_established_ms = row.tracking.tcp_established_s * 1000;
  table.udp_ms = row.tracking.udp_s * 1000;
  table.udp_stream_ms = row.tracking.udp_stream_s * 1000;
  table.syn_ms = tracking.syn_s * 1000;
  table.half_closed_ms = tracking.half_closed_s * 1000;
  table.time_wait_ms = tracking.time_wait_s * 1000;
  table.icmp_ms = tracking.icmp_s * 1000;
  return table;
}

std::uint32_t timeout_at_visit(WorkerContext& context, const FlowTuple& tuple, FlowState& state) {
  const InterfaceRow* row =
      context.policy == nullptr ? nullptr : context.policy->find_interface(tuple.eni);
  if (row == nullptr) return timeout_of(state, tuple.proto, TimeoutTable());
  if (!survives_change(context, *row, tuple, state)) return 0;
  return timeout_of(state, tuple.proto, timeouts_of(*row, context.policy->tracking()));
}

FlowTuple tuple_of(const Burst& burst, std::size_t i) {
  const EniIndex eni = burst.end_of(i).eni;
  return burst.marks[i].is_one_way ? one_way_tuple_of(burst.facts[i], eni, burst.direction)
                                   : flow_tuple_of(burst.facts[i], eni, burst.direction);
}

FlowState* find_live_flow(WorkerContext& context, Burst& burst, std::size_t i, FlowState* found) {
  FlowState* state = found;
  if (state == nullptr && is_icmp_answer(burst.facts[i])) {
    burst.marks[i].is_one_way = true;
    const FlowTuple tuple = tuple_of(burst, i);
    burst.end_hashes[i] = owner_hash(context.config.key, tuple);
    context.flows.name(tuple, burst.end_hashes[i], burst.names[i]);
    state = context.flows.find(burst.names[i]);
  }
  if (state == nullptr) return nullptr;
  const InterfaceRow& row = *burst.end_of(i).row;
  const bool is_gone =
      is_over(context, row, burst.facts[i].proto, *state) || must_forget(context, burst, i, *state);
  if (is_gone || !settle_change(context, burst, i, *state)) {
    forget_flow(context, burst, state);
    return nullptr;
  }
  mark_watched(burst, i, *state);
  return state;
}

void find_flow(WorkerContext& context, Burst& burst) {
  for (const std::size_t i : burst.judged()) {
    name_flow(context, burst, i);
    context.flows.seek(burst.names[i]);
  }
  for (const std::size_t i : burst.judged()) {
    burst.flows[i] = context.flows.guess(burst.names[i]);
  }
  static_assert(kBurstMax <= 64);
  std::uint64_t guessed = 0;  // bit i: some flow comes near packet i
  for (const std::size_t i : burst.judged()) {
    if (burst.flows[i] == nullptr) burst.flows[i] = context.flows.guess_second(burst.names[i]);
    guessed |= std::uint64_t{burst.flows[i] != nullptr} << i;
  }
  for (const std::size_t i : burst.judged()) {
    FlowState* guess = std::exchange(burst.flows[i], nullptr);
    if (burst.facts[i].has(PacketFacts::kIcmpError) && is_related(context, burst, i)) {
      burst.marks[i].is_related = true;
      continue;
    }
    // A guess that is gone was of a flow that ended in this burst, which need not be this one.
    const bool is_lost = guess == nullptr && (guessed >> i & 1) != 0;
    FlowState* state =
        is_lost ? context.flows.find(burst.names[i]) : context.flows.find(burst.names[i], guess);
    const bool is_live = state != nullptr && is_surely_live(burst, i, *state);
    burst.flows[i] = is_live ? state : find_live_flow(context, burst, i, state);
  }
}

}  // namespace sluice
