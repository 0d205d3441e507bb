#include "dataplane/stage_admit.h"

#include <utility>

#include "dataplane/flow_report.h"
#include "dataplane/flow_room.h"
#include "dataplane/packet_naming.h"
#include "dataplane/stage_find_flow.h"
#include "flowtable/conntrack.h"
#include "lookup/decide.h"

namespace sluice {
namespace {

// An untracked flow has no use for the FIN bits; they say which directions were judged by the
// rules of state.generation (each direction passes by its own rules, CT-6).
constexpr std::uint8_t kIngressJudged = FlowState::kFinIngress;
constexpr std::uint8_t kEgressJudged = FlowState::kFinEgress;

constexpr std::uint8_t judged_bit(Direction direction) {
  return direction == Direction::Ingress ? kIngressJudged : kEgressJudged;
}

void accept(Burst& burst, std::size_t i, By by, RuleIndex rule) {
  EndResult& end = burst.end_of(i);
  end.verdict = Verdict::Accept;
  end.by = by;
  end.rule = rule;
}

bool is_strict(const WorkerContext& context) {
  return context.policy->tracking().mode == TcpMode::Strict;
}

// Makes the entry of an admitted first packet. Null: no room.
FlowState* make_flow(WorkerContext& context, Burst& burst, std::size_t i,
                     const Decision& decision) {
  const PacketFacts& facts = burst.facts[i];
  const TrackedPacket packet = tracked_packet_of(facts, burst.direction);
  FlowState fresh{};
  begin_flow(fresh, packet);
  if (!decision.tracked) {
    fresh.phase = static_cast<std::uint8_t>(FlowPhase::Accounted);
    fresh.bits |= FlowState::kUntracked;
  }
  const TimeoutTable timeouts = timeouts_of(*burst.end_of(i).row, context.policy->tracking());
  const FlowTuple name = tuple_of(burst, i);
  FlowState* state = context.flows.insert(name, burst.end_hashes[i], burst.now.tick_ms,
                                          timeout_of(fresh, facts.proto, timeouts),
                                          [&](const FlowTuple& tuple, FlowState& evicted) {
                                            note_flow_end(context, tuple, evicted);
                                            forget_in_burst(burst, &evicted);
                                          });
  if (state == nullptr) return nullptr;
  begin_flow(*state, packet);
  if (!decision.tracked) {
    state->phase = static_cast<std::uint8_t>(FlowPhase::Accounted);
    state->bits |= FlowState::kUntracked | judged_bit(burst.direction);
  }
  state->generation = context.policy->generation().value();
  state->set_rule(decision.rule);
  state->last_seen_ms = burst.now.tick_ms;
  begin_watch(context, burst, i, *state, decision.conditional);
  note_flow_begin(context, name, *state);
  burst.has_new_flows = true;
  return state;
}

// Is an untracked flow no longer of the untracked kind, so that this packet, which a rule of its
// own admits, begins it anew (CT-10, vector 11)? An answer does so only where the rules admit the
// flow too, and would track it: else it would bring one back to life whose rule is gone (vector 1).
bool begins_anew(WorkerContext& context, const Burst& burst, std::size_t i,
                 const FlowState& state) {
  if (burst.direction == state.initiator()) return true;
  if (state.has(judged_bit(state.initiator()))) return false;  // still untracked, as was found
  if (burst.packets[i].part == FragmentPart::Follower) return false;
  if (first_packet(tracked_packet_of(burst.facts[i], burst.direction), is_strict(context)) ==
      FirstPacket::Never) {
    return false;
  }
  const Decision first =
      context.verdicts.decide(*context.policy, first_question_of(tuple_of(burst, i), state));
  return first.verdict == Verdict::Accept && first.tracked;
}

void admit_untracked(WorkerContext& context, Burst& burst, std::size_t i) {
  FlowState& state = *burst.flows[i];
  const std::uint32_t generation = context.policy->generation().value();
  if (state.generation != generation) {
    state.bits = static_cast<std::uint8_t>(state.bits & ~(kIngressJudged | kEgressJudged));
    state.generation = generation;
  }
  const bool is_initiator = burst.direction == state.initiator();
  // An observer wants to know the rule of each packet, not only that one was found before.
  if (state.has(judged_bit(burst.direction)) && context.config.observer == nullptr) {
    accept(burst, i, By::Rule, is_initiator ? state.rule_index() : RuleIndex::none());
    return;
  }
  const EndResult& end = burst.end_of(i);
  const Decision decision = context.verdicts.decide(
      *context.policy, question_of(burst.facts[i], end.eni, burst.direction));
  if (decision.verdict != Verdict::Accept) {
    refuse(context, burst, i, decision.reason, decision.by);
    return;
  }
  // What depends on its application is judged on probation, as a flow of its own.
  if (decision.conditional || (decision.tracked && begins_anew(context, burst, i, state))) {
    forget_flow(context, burst, &state);
    admit_first(context, burst, i);
    return;
  }
  state.bits |= judged_bit(burst.direction);
  if (is_initiator) state.set_rule(decision.rule);
  accept(burst, i, decision.by, decision.rule);
}

// False: the flow was refused by the rules of now, and is over.
bool rejudge(WorkerContext& context, Burst& burst, std::size_t i) {
  FlowState& state = *burst.flows[i];
  const Decision decision = judge_again(context, tuple_of(burst, i), state);
  if (decision.verdict == Verdict::Accept) {
    adopt(context, state, decision);
    return true;
  }
  if (burst.facts[i].proto == Proto::Tcp) {
    revoke(context, tuple_of(burst, i), state, lasting_reason(decision));
  } else {
    forget_flow(context, burst, &state);
  }
  refuse(context, burst, i, decision.reason, decision.by);
  return false;
}

// The network ACL, for what the groups need not be asked about.
void admit_past_groups(WorkerContext& context, Burst& burst, std::size_t i, By by) {
  if (burst.end_of(i).row->acl.is_none()) {  // the default ACL allows all (NA-7)
    accept(burst, i, by, RuleIndex::none());
    return;
  }
  const Question question = question_of(burst.facts[i], burst.end_of(i).eni, burst.direction);
  const Decision decision = decide_established(*context.policy, question);
  if (decision.verdict == Verdict::Accept) {
    accept(burst, i, by, RuleIndex::none());
  } else {
    refuse(context, burst, i, decision.reason, decision.by);
  }
}

void admit_known(WorkerContext& context, Burst& burst, std::size_t i) {
  const FlowState& state = *burst.flows[i];
  if (state.has(FlowState::kUntracked)) {
    admit_untracked(context, burst, i);
    return;
  }
  if (state.generation < burst.end_of(i).row->rejudge_before.value() &&
      !rejudge(context, burst, i)) {
    return;
  }
  // Followers are not tracked, so what closed the flow after their first one is asked here.
  if (burst.packets[i].part == FragmentPart::Follower && state.flow_phase() == FlowPhase::Closed) {
    refuse(context, burst, i, DropReason::FragmentRefused, By::Flow);
    return;
  }
  admit_past_groups(context, burst, i, By::Flow);
}

// What an answer, seen from here, would ask if it were the other side's first packet.
Question reversed(const PacketFacts& facts, EniIndex eni, Direction direction) {
  Question question = question_of(facts, eni, direction);
  question.direction = opposite(direction);
  std::swap(question.port, question.source_port);
  return question;
}

bool is_untracked(const Decision& decision) {
  return decision.verdict == Verdict::Accept && !decision.tracked;
}

// While the table is full an untracked connection may have no entry (CT-29), so that its segments
// seem to belong to none. True if this, of which the rules say `decision`, may be one of those. A
// SYN-ACK answers the other side.
bool may_lack_entry(WorkerContext& context, const Burst& burst, std::size_t i,
                    const Decision& decision) {
  const PacketFacts& facts = burst.facts[i];
  const bool is_syn_ack = (facts.tcp_flags & TcpFlags::kSyn) != 0;
  if (!is_syn_ack && is_untracked(decision)) return true;
  const EniIndex eni = burst.packets[i].ends[static_cast<std::size_t>(burst.direction)].eni;
  return is_untracked(
      context.verdicts.decide(*context.policy, reversed(facts, eni, burst.direction)));
}

// A fragment whose first one passed, though there is no flow. Where the rules leave the packet
// untracked the first one needed none (CT-29); else the flow ended meanwhile.
void admit_follower(WorkerContext& context, Burst& burst, std::size_t i, const Decision& decision) {
  if (is_untracked(decision)) {
    accept(burst, i, decision.by, decision.rule);
  } else {
    refuse(context, burst, i, DropReason::FragmentRefused, By::None);
  }
}

// Of a first packet that the rules admit.
void begin(WorkerContext& context, Burst& burst, std::size_t i, const Decision& decision) {
  DropReason refusal = DropReason::None;
  if (decision.tracked) {
    refusal = make_room(context, burst, i, embryo_of_first(burst.facts[i].proto));
  }
  if (refusal == DropReason::None) {
    burst.flows[i] = make_flow(context, burst, i, decision);
    burst.marks[i].is_new_flow = burst.flows[i] != nullptr;
    // Untracked flows use no allowance (CT-29): without an entry they pass all the same.
    if (burst.flows[i] == nullptr && decision.tracked) refusal = DropReason::TableFull;
  }
  if (refusal == DropReason::None) {
    accept(burst, i, decision.by, decision.rule);
    return;
  }
  context.counters.worker.flows_refused.add(1);
  refuse(context, burst, i, refusal, By::None);
}

}  // namespace

void begin_watch(const WorkerContext& context, Burst& burst, std::size_t i, FlowState& state,
                 bool is_conditional) {
  const bool is_wanted = burst.end_of(i).row->identified || context.policy->has_signatures();
  if (!is_conditional && !(is_wanted && has_ports(burst.facts[i].proto))) return;
  state.l7 = static_cast<std::uint8_t>(FlowState::kL7Watched |
                                       (is_conditional ? FlowState::kL7Demanded : 0));
  mark_watched(burst, i, state);
  const PacketFacts& facts = burst.facts[i];
  const bool is_syn = (facts.tcp_flags & TcpFlags::kSyn) != 0;
  burst.marks[i].next_sequence = facts.sequence + (is_syn ? 1 : 0);
}

void admit_first(WorkerContext& context, Burst& burst, std::size_t i) {
  const PacketFacts& facts = burst.facts[i];
  const bool is_follower = burst.packets[i].part == FragmentPart::Follower;
  const bool may_begin = is_follower || first_packet(tracked_packet_of(facts, burst.direction),
                                                     is_strict(context)) != FirstPacket::Never;
  const bool may_be_exempt = context.policy->exempt() != ExemptProfile::None;
  const bool may_lack = !may_begin && context.flows.size() >= context.flows.capacity();
  if (!may_begin && !may_be_exempt && !may_lack) {
    refuse(context, burst, i, DropReason::NotFirstPacket, By::None);
    return;
  }
  const EndResult& end = burst.end_of(i);
  const Decision decision =
      context.verdicts.decide(*context.policy, question_of(facts, end.eni, burst.direction));
  const bool lacks_entry = may_lack && may_lack_entry(context, burst, i, decision);
  const bool is_accepted = decision.verdict == Verdict::Accept;
  if (is_accepted && decision.by == By::Exempt) {
    accept(burst, i, By::Exempt, RuleIndex::none());
  } else if (is_accepted && lacks_entry && !decision.conditional) {
    accept(burst, i, decision.by, decision.rule);
  } else if (!may_begin) {
    refuse(context, burst, i, DropReason::NotFirstPacket, By::None);
  } else if (is_follower) {
    admit_follower(context, burst, i, decision);
  } else if (!is_accepted) {
    refuse(context, burst, i, decision.reason, decision.by);
  } else {
    begin(context, burst, i, decision);
  }
}

namespace {

// A tracked flow that no policy change is after, at the edge of a subnet that the default ACL lets
// cross: nobody has to be asked.
bool passes_surely(const Burst& burst, std::size_t i) {
  const FlowState& state = *burst.flows[i];
  const InterfaceRow& row = *burst.end_of(i).row;
  return !state.has(FlowState::kUntracked) && state.generation >= row.rejudge_before.value() &&
         burst.packets[i].part != FragmentPart::Follower && row.acl.is_none();
}

// The rest of an ICMP error whose first fragment quoted a live flow (CT-25).
bool follows_related(const Burst& burst, std::size_t i) {
  return burst.packets[i].part == FragmentPart::Follower && burst.packets[i].hint.is_related;
}

}  // namespace

void admit(WorkerContext& context, Burst& burst) {
  for (const std::size_t i : burst.judged()) {
    if (burst.flows[i] != nullptr && passes_surely(burst, i)) [[likely]] {
      accept(burst, i, By::Flow, RuleIndex::none());
      continue;
    }
    if (burst.marks[i].is_related) {
      admit_past_groups(context, burst, i, By::Related);
      continue;
    }
    if (burst.flows[i] == nullptr && burst.has_new_flows) {
      FlowState* found = context.flows.find(burst.names[i]);
      burst.flows[i] = find_live_flow(context, burst, i, found);
    }
    if (burst.flows[i] != nullptr) {
      admit_known(context, burst, i);
    } else if (follows_related(burst, i)) {
      admit_past_groups(context, burst, i, By::Related);
    } else {
      admit_first(context, burst, i);
    }
  }
}

}  // namespace sluice
