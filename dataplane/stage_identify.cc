#include "dataplane/stage_identify.h"

#include <algorithm>
#include <array>
#include <span>

#include "dataplane/flow_report.h"
#include "dataplane/packet_naming.h"
#include "dataplane/reset_messages.h"
#include "dataplane/stage_find_flow.h"
#include "dataplane/wire.h"
#include "lookup/decide.h"
#include "lookup/l7_identify.h"
#include "lookup/l7_names.h"
#include "lookup/l7_quic.h"
#include "lookup/l7_tools.h"

namespace sluice {
namespace {

using Payload = std::span<const std::uint8_t>;

// Packets of a side that can tell nothing more, while the other one has not told either.
constexpr std::uint32_t kIdlePacketsMax = 4;
// Datagrams of a QUIC hello that are kept: each new one has all before it opened again. A turn may
// open all of them, or one with so many would be put off for ever.
constexpr std::uint32_t kQuicDatagramsMax = 7;
static_assert(kQuicDatagramsMax + 1 <= Layer7Budget::kOpenedPerInterface);
// A name that is not there yet is looked for from the first byte on each time: so many bytes cost
// as much as another look.
constexpr std::size_t kBytesOfALook = 2'048;
// Datagrams of a flow that signatures see.
constexpr std::uint32_t kSignatureDatagrams = 4;

// What is known of a flow so far; lies in its slot between packets.
struct Notes {
  AppSet candidates = AppSet::all();
  App app = App::Unknown;
  bool is_judged = false;  // its application was told, and the rules accept it
  bool is_named = false;   // and the name, if it has one
  std::uint16_t signature = FlowFacts::kNoSignature;

  static Notes of(const FirstBytes::Slot* slot) {
    if (slot == nullptr) return Notes();
    return {AppSet(slot->candidates), App{slot->app}, slot->is_judged, slot->is_named,
            slot->signature};
  }
  void keep_in(FirstBytes::Slot& slot) const {
    slot.candidates = candidates.bits();
    slot.app = static_cast<std::uint8_t>(app);
    slot.is_judged = is_judged;
    slot.is_named = is_named;
    slot.signature = signature;
  }
};

// The TCP or UDP payload, as far as it lies in the first segment of the buffer.
Payload payload_of(const Burst& burst, std::size_t i) {
  const PacketFacts& facts = burst.facts[i];
  const Frame& frame = burst.frames[i];
  const std::size_t end =
      std::min<std::size_t>(std::size_t{facts.network_offset} + facts.ip_length, frame.contiguous);
  std::size_t begin = facts.transport_offset();
  if (facts.proto == Proto::Tcp) {
    begin = std::size_t{facts.network_offset} + facts.ip_length - facts.payload_size;
  } else {
    begin += sizeof(UdpHeader);
  }
  if (begin >= end) return {};
  return {frame.data + begin, end - begin};
}

// False for a handshake's packets, and for what only acknowledges.
bool says_something(const Burst& burst, std::size_t i) {
  return burst.packets[i].part != FragmentPart::Whole || !payload_of(burst, i).empty();
}

void mark_known(FlowState& state, App app) {
  state.l7 = static_cast<std::uint8_t>(FlowState::kL7Known |
                                       (static_cast<std::uint8_t>(app) & FlowState::kL7AppMask));
}

// Closes a flow that is not what its rules demand, or that a signature refuses.
void close_flow(WorkerContext& context, const FlowTuple& tuple, FlowState& state, App app,
                DropReason reason) {
  mark_known(state, app);
  revoke(context, tuple, state, reason);
  context.counters.interface(tuple.eni).app_refused.add(1);
}

// Nothing more is to be told: the flow runs at full speed.
void finish_flow(WorkerContext& context, FlowState& state, App app) {
  context.layer7.close(state);
  mark_known(state, app);
}

void count_told(WorkerContext& context, EniIndex eni, App app) {
  auto& row = context.counters.interface(eni);
  if (app == App::Unknown) {
    row.app_unknown.add(1);
  } else if (app == kUninspected) {
    row.app_uninspected.add(1);
  } else {
    row.app_identified.add(1);
    context.counters.worker.apps[static_cast<std::size_t>(app)].add(1);
  }
}

// Judges a flow on probation by what it is. Accepted: none. Else why its packets are dropped.
DropReason judge(WorkerContext& context, const FlowTuple& tuple, FlowState& state,
                 const Identified& identified) {
  if (!state.is_demanded()) return DropReason::None;
  ++context.work.asked;
  const Decision decision =
      decide_identified(*context.policy, first_question_of(tuple, state), identified);
  if (decision.verdict != Verdict::Accept) return decision.reason;
  adopt(context, state, decision);
  return DropReason::None;
}

// Judges a flow by what is known, where that has not been done. None: it is accepted, or its
// interface is gone and nobody's rules count.
DropReason conclude(WorkerContext& context, const FlowTuple& tuple, FlowState& state,
                    const Notes& notes, App app) {
  if (notes.is_judged) return DropReason::None;
  count_told(context, tuple.eni, app);
  if (context.policy->find_interface(tuple.eni) == nullptr) return DropReason::None;
  return judge(context, tuple, state, {app, {}});
}

// No more is looked at. None: the flow runs at full speed; else it is closed for that reason.
DropReason end_watch(WorkerContext& context, const FlowTuple& tuple, FlowState& state,
                     const Notes& notes, App app) {
  const DropReason reason = conclude(context, tuple, state, notes, app);
  if (reason == DropReason::None) {
    finish_flow(context, state, notes.is_judged ? notes.app : app);
  } else {
    close_flow(context, tuple, state, app, reason);
  }
  return reason;
}

// One packet of a watched flow that says something.
class Look {
 public:
  Look(WorkerContext& context, Burst& burst, std::size_t i)
      : context_(context),
        burst_(burst),
        i_(i),
        facts_(burst.facts[i]),
        eni_(burst.end_of(i).eni),
        state_(*burst.flows[i]),
        slot_(context.layer7.find(state_)),
        notes_(Notes::of(slot_)) {
    tools_ = context.policy->tools();
    if (tools_ != nullptr) scratch_ = tools_->scratch(context.config.index);
  }

  void run() {
    const bool is_fragment = burst_.packets[i_].part != FragmentPart::Whole;
    if (scratch_ == nullptr || is_fragment) return tell(kUninspected);
    if (is_over()) return tell(notes_.app);
    if (slot_ != nullptr && side().is_settled && !may_match_more()) return skip();
    const TickMs now = burst_.now.tick_ms;
    if (!context_.layer7.budget.spend(context_.policy->layer7(), eni_, now)) {
      return tell(kUninspected);
    }
    context_.counters.worker.layer7_looks.add(1);
    const Payload payload = payload_of(burst_, i_);
    if (facts_.proto == Proto::Tcp) {
      look_at_segment(payload);
    } else {
      look_at_datagram(payload);
    }
  }

 private:
  bool is_initiator() const { return burst_.direction == state_.initiator(); }
  FirstBytes::Side& side() { return slot_->sides[static_cast<std::size_t>(burst_.direction)]; }
  FirstBytes::Side& other_side() {
    return slot_->sides[static_cast<std::size_t>(opposite(burst_.direction))];
  }

  // The policy's bounds of one flow.
  bool is_over() {
    if (slot_ == nullptr) return false;
    const Layer7Settings& settings = context_.policy->layer7();
    const TickMs passed_ms = burst_.now.tick_ms - slot_->since_ms;
    return ++slot_->packets > settings.packets_max || passed_ms > settings.seconds_max * 1'000;
  }

  // This side can tell nothing more. While the other one might, a few packets are let through.
  void skip() {
    if (other_side().is_settled || ++slot_->idle_packets > kIdlePacketsMax) give_up();
  }

  // Its application will not be told any more. Signatures may still want to see more of it.
  void give_up() {
    const bool is_wanted =
        context_.policy->has_signatures() && !has_seen_all(kept(burst_.direction));
    if (!is_wanted) return tell(notes_.app);
    if (notes_.is_judged) return;
    const DropReason reason = conclude(context_, tuple_of(burst_, i_), state_, notes_, notes_.app);
    if (reason != DropReason::None) return refuse_flow(notes_.app, reason);
    notes_.is_judged = notes_.is_named = true;
    notes_.keep_in(*slot_);
  }

  // Whether signatures would see more of this side.
  bool may_match_more() {
    if (!context_.policy->has_signatures()) return false;
    if (facts_.proto != Proto::Tcp) return slot_->packets <= kSignatureDatagrams;
    return kept(burst_.direction).size() < kL7ScanBytes;
  }

  // False: there is none, and the flow is uninspected.
  bool need_slot() {
    if (slot_ != nullptr) return true;
    slot_ = context_.layer7.open(state_, eni_, burst_.now.tick_ms);
    if (slot_ == nullptr) {
      tell(kUninspected);
      return false;
    }
    slot_->packets = 1;
    return true;
  }

  // TCP: the bytes of this side as far as they are there, if there are new ones.
  void look_at_segment(Payload payload) {
    const bool is_syn = (facts_.tcp_flags & TcpFlags::kSyn) != 0;
    const std::uint32_t sequence = facts_.sequence + (is_syn ? 1 : 0);
    const bool is_untracked = state_.has(FlowState::kUntracked);
    const std::uint32_t base = is_untracked ? sequence : burst_.marks[i_].next_sequence;
    const bool is_first = slot_ == nullptr && sequence == base;
    if (is_first) {
      const Payload bytes = payload.first(std::min<std::size_t>(payload.size(), kL7HelloBytes));
      if (look(bytes, is_initiator() ? bytes : Payload())) return;
    }
    if (!need_slot()) return;
    if (!side().has_base) {
      side().has_base = true;
      side().base = base;
    }
    switch (context_.layer7.add(*slot_, burst_.direction, sequence, payload)) {
      case FirstBytes::Added::Grown:
        break;
      case FirstBytes::Added::Kept:
      case FirstBytes::Added::Beyond:
        return notes_.keep_in(*slot_);
      case FirstBytes::Added::Conflict:
        context_.counters.worker.layer7_conflicts.add(1);
        return tell(kUninspected);
      case FirstBytes::Added::NoRoom:
        return tell(kUninspected);
    }
    if (!is_first && look(kept(burst_.direction), kept(state_.initiator()))) return;
    keep_on();
  }

  Payload kept(Direction direction) { return context_.layer7.bytes().bytes_of(*slot_, direction); }

  // Each datagram by itself.
  void look_at_datagram(Payload payload) {
    if (look(payload, is_initiator() ? payload : Payload())) return;
    if (!need_slot()) return;
    // Each datagram is whole: what some of them do not tell, others hardly will.
    if (notes_.app == App::Unknown && ++slot_->idle_packets > kIdlePacketsMax) {
      return tell(App::Unknown);
    }
    if (notes_.app == App::Quic && is_initiator() && !keep_datagram(payload)) return;
    keep_on();
  }

  // A datagram with a part of a hello: kept behind its length. False: no room.
  bool keep_datagram(Payload payload) {
    Layer7Watch& watch = context_.layer7;
    side().has_base = true;
    const auto at = static_cast<std::uint32_t>(kept(burst_.direction).size());
    const std::array<std::uint8_t, 2> size{static_cast<std::uint8_t>(payload.size() >> 8),
                                           static_cast<std::uint8_t>(payload.size())};
    const bool has_room =
        kept_datagrams_ < kQuicDatagramsMax && at + 2 + payload.size() <= FirstBytes::kBytesMax &&
        watch.add(*slot_, burst_.direction, at, size) == FirstBytes::Added::Grown &&
        watch.add(*slot_, burst_.direction, at + 2, payload) == FirstBytes::Added::Grown;
    if (!has_room) tell(notes_.app);
    return has_room;
  }

  // Undecided: what is known waits for the next packet.
  void keep_on() {
    notes_.keep_in(*slot_);
    side().is_settled = side().is_settled || is_side_final_;
    if (notes_.app == App::Unknown && side().is_settled && other_side().is_settled) give_up();
  }

  // True once the flow is judged and nobody wants more of it. `hello`: what the initiator sent.
  bool look(Payload bytes, Payload hello) {
    if (context_.policy->has_signatures() && !look_for_signatures(bytes)) return true;
    const bool is_unknown_for_good = notes_.is_judged && notes_.app == App::Unknown;
    if (notes_.app == App::Unknown && !is_unknown_for_good && !look_for_app(bytes)) return false;
    HostName name;
    if (!notes_.is_named) look_for_name(hello, name);
    if (!notes_.is_judged) {
      const DropReason reason =
          judge(context_, tuple_of(burst_, i_), state_, {notes_.app, name.text()});
      // Only the name can tell; until it is there no more is said.
      if (reason == DropReason::DomainMismatch && !notes_.is_named) return false;
      notes_.is_judged = true;
      count_told(context_, eni_, notes_.app);
      if (reason != DropReason::None) {
        refuse_flow(notes_.app, reason);
        return true;
      }
    }
    const bool is_done =
        notes_.is_named && (!context_.policy->has_signatures() || has_seen_all(bytes));
    if (is_done) finish_flow(context_, state_, notes_.app);
    return is_done;
  }

  L7Transport transport() const {
    return facts_.proto == Proto::Tcp ? L7Transport::Tcp : L7Transport::Udp;
  }

  // True: its application is known.
  bool look_for_app(Payload bytes) {
    L7Input input;
    input.transport = transport();
    input.side = is_initiator() ? L7Side::Initiator : L7Side::Responder;
    input.bytes = bytes;
    input.candidates = notes_.candidates;
    const L7Answer answer = sluice::identify(tools_->patterns(), *scratch_, input);
    notes_.candidates = answer.candidates;
    notes_.app = answer.app;
    is_side_final_ = answer.is_final && answer.app == App::Unknown;
    return answer.app != App::Unknown;
  }

  // What the turn may not open any more waits for the flow's next packet, as a hello does of which
  // a part has come.
  NameAnswer read_quic(Payload datagram) {
    Layer7Budget& budget = context_.layer7.budget;
    QuicHello hello(context_.layer7.quic_hello, budget.openings_left(eni_));
    NameAnswer answer;
    Payload before = slot_ == nullptr ? Payload() : kept(burst_.direction);
    while (before.size() > 2 && answer.state == NameState::NeedMore) {
      const std::size_t size = std::size_t{before[0]} << 8 | before[1];
      answer = hello.add(before.subspan(2, size), *scratch_);
      before = before.subspan(2 + size);
      ++kept_datagrams_;
    }
    context_.layer7.budget.charge(eni_, kept_datagrams_);
    if (answer.state == NameState::NeedMore) answer = hello.add(datagram, *scratch_);
    budget.note_opened(eni_, hello.openings());
    context_.work.opened += hello.openings();
    if (hello.is_spent()) context_.counters.worker.layer7_put_off.add(1);
    return answer;
  }

  // False: one of them refuses the flow.
  bool look_for_signatures(Payload bytes) {
    const L7SignatureHit hit = tools_->patterns().scan_signatures(bytes, *scratch_);
    const bool is_drop = hit.drop != L7SignatureHit::kNone;
    if (!is_drop && hit.alert == L7SignatureHit::kNone) return true;
    const std::uint16_t number = tools_->signature_number(is_drop ? hit.drop : hit.alert);
    if (number != notes_.signature) {
      notes_.signature = number;
      context_.counters.worker.signature_hits.add(1);
      context_.counters.signature(number).add(1);
      context_.layer7.names.remember(&state_).set_signature(number);
    }
    if (is_drop) refuse_flow(notes_.app, DropReason::Signature);
    return !is_drop;
  }

  // Whether signatures have seen as much as they ever will.
  bool has_seen_all(Payload bytes) {
    if (facts_.proto != Proto::Tcp) {
      return slot_ != nullptr && slot_->packets >= kSignatureDatagrams;
    }
    const std::size_t other = slot_ == nullptr ? 0 : kept(opposite(burst_.direction)).size();
    return bytes.size() >= kL7ScanBytes && other >= kL7ScanBytes;
  }

  // Sets notes_.is_named once it is known whether the client names a host, and `name` to that.
  void look_for_name(Payload hello, HostName& name) {
    if (carries_name(notes_.app)) {
      if (hello.empty()) return;
      const NameAnswer answer = notes_.app == App::Quic
                                    ? read_quic(hello)
                                    : find_name(notes_.app, transport(), hello, *scratch_);
      if (answer.state == NameState::NeedMore) {
        context_.layer7.budget.charge(eni_, hello.size() / kBytesOfALook);
        return;
      }
      name = answer.name;
      remember(name, answer.ja4);
    }
    notes_.is_named = true;
  }

  void remember(const HostName& name, const Ja4& ja4) {
    if (name.is_empty() && !ja4.is_present) return;
    FlowFacts& facts = context_.layer7.names.remember(&state_);
    facts.set_signature(notes_.signature);
    facts.set_name(name.text());
    facts.set_ja4(ja4.text());
  }

  // No more is looked at: the flow is judged by what is known.
  void tell(App app) {
    const DropReason reason = end_watch(context_, tuple_of(burst_, i_), state_, notes_, app);
    if (reason != DropReason::None) turn_away(reason);
  }

  void refuse_flow(App app, DropReason reason) {
    close_flow(context_, tuple_of(burst_, i_), state_, app, reason);
    turn_away(reason);
  }

  void turn_away(DropReason reason) {
    if (burst_.end_of(i_).row->rejects && facts_.proto == Proto::Tcp) {
      send_resets(context_, burst_, i_);
    }
    refuse(context_, burst_, i_, reason, By::Rule);
  }

  WorkerContext& context_;
  Burst& burst_;
  const std::size_t i_;
  const PacketFacts& facts_;
  const EniIndex eni_;
  FlowState& state_;
  FirstBytes::Slot* slot_;
  Notes notes_;
  const L7Tools* tools_ = nullptr;
  L7Scratch* scratch_ = nullptr;
  bool is_side_final_ = false;
  std::uint32_t kept_datagrams_ = 0;  // of a QUIC hello, before this one
};

}  // namespace

void identify(WorkerContext& context, Burst& burst) {
  for (const std::size_t i : burst.judged()) {
    const bool is_asked =
        burst.marks[i].is_watched && burst.is_pending(i) && burst.flows[i] != nullptr;
    if (!is_asked) continue;
    const FlowState& state = *burst.flows[i];
    if (state.is_watched()) {
      if (says_something(burst, i)) Look(context, burst, i).run();
    } else if (state.is_revoked()) {  // by a packet of this very burst
      refuse(context, burst, i, state.revoked_reason(), By::Flow);
    }
  }
}

void settle_unidentified(WorkerContext& context) {
  if (context.policy == nullptr) return;
  const TickMs now = context.clock.moment().tick_ms;
  const std::uint32_t most_ms = context.policy->layer7().seconds_max * 1'000;
  for (std::size_t k = 0; k < kSettledPerTurn; ++k) {
    FirstBytes::Slot* slot = context.layer7.oldest();
    if (slot == nullptr || static_cast<TickMs>(now - slot->since_ms) <= most_ms) return;
    FlowState& state = *static_cast<FlowState*>(slot->key);
    const Notes notes = Notes::of(slot);
    end_watch(context, context.flows.tuple_of(&state), state, notes, notes.app);
  }
}

}  // namespace sluice
