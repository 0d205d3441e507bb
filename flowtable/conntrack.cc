#include "flowtable/conntrack.h"

#include "flowtable/datagram_states.h"
#include "flowtable/tcp_states.h"
#include "flowtable/tcp_window.h"

namespace sluice {

namespace {

constexpr std::uint8_t kLogFin = 1;
constexpr std::uint8_t kLogSyn = 2;
constexpr std::uint8_t kLogRst = 4;
constexpr std::uint8_t kLogSynAck = 8;

bool has_flag(const TrackedPacket& packet, std::uint8_t flag) {
  return (packet.tcp_flags & flag) != 0;
}

void set_phase(FlowState& state, FlowPhase phase) {
  state.phase = static_cast<std::uint8_t>(phase);
}

bool is_original(const FlowState& state, const TrackedPacket& packet) {
  return packet.direction == state.initiator();
}

std::uint8_t fin_bit(Direction direction) {
  return direction == Direction::Ingress ? FlowState::kFinIngress : FlowState::kFinEgress;
}

bool both_fins_are_acknowledged(const FlowState& state) {
  constexpr std::uint8_t kBoth = FlowState::kFinIngressAcked | FlowState::kFinEgressAcked;
  return (state.tcp_marks & kBoth) == kBoth;
}

TrackOutcome refuse(DropReason reason) {
  TrackOutcome outcome;
  outcome.passes = false;
  outcome.reason = reason;
  outcome.out_of_window = reason == DropReason::OutOfWindow;
  outcome.refreshes = false;
  return outcome;
}

// Passes, and the conversation is as if it had not.
TrackOutcome ignore() {
  TrackOutcome outcome;
  outcome.refreshes = false;
  return outcome;
}

TrackOutcome reopen() {
  TrackOutcome outcome;
  outcome.reopen = true;
  return outcome;
}

// Picked up in its middle, and nobody has confirmed that there is such a connection.
bool is_guess(const FlowState& state) {
  return state.has(FlowState::kMidStream) && !state.has(FlowState::kReplySeen);
}

// Does what the table says about an event that counts.
TrackOutcome take_step(FlowState& state, const TrackedPacket& packet, TcpEvent event) {
  const TcpSide side = is_original(state, packet) ? TcpSide::Original : TcpSide::Reply;
  const FlowPhase before = state.flow_phase();
  const TcpStep step = tcp_step(before, side, event);
  if (step == TcpStep::Invalid) {
    const bool over = before == FlowPhase::Closed || before == FlowPhase::TimeWait;
    return refuse(over ? DropReason::Closed : DropReason::OutOfWindow);
  }
  TrackOutcome outcome;
  if (step == TcpStep::Reopen) return reopen();
  if (step == TcpStep::Stay) return outcome;
  if (is_guess(state) && event != TcpEvent::Rst) return outcome;
  set_phase(state, phase_after(step));
  // Of the phases that the table leads to, only Established is not shorter than what was before.
  outcome.rearm = step != TcpStep::ToEstablished && step != TcpStep::ToSynReceived;
  return outcome;
}

// The peer answers a SYN within an open connection by the RST of a host that knows of no such
// connection (RFC 9293, 3.10.7.1): its initiator is waiting for that, and looks at the numbers.
bool refuses_challenge(const FlowState& state, const TrackedPacket& packet) {
  return (state.tcp_marks & FlowState::kChallenged) != 0 && !is_original(state, packet) &&
         has_flag(packet, TcpFlags::kAck);
}

TrackOutcome track_reset(FlowState& state, const TrackedPacket& packet) {
  if (state.flow_phase() == FlowPhase::Closed) return refuse(DropReason::Closed);
  SegmentFit fit = fit_of(state, packet);
  if (state.flow_phase() == FlowPhase::SynSent && !is_original(state, packet)) {
    fit = reset_answers_syn(state, packet) ? SegmentFit::Exact : SegmentFit::Within;
  }
  if (fit == SegmentFit::Outside && !refuses_challenge(state, packet)) {
    return refuse(DropReason::OutOfWindow);
  }
  if (fit != SegmentFit::Exact) return ignore();
  return take_step(state, packet, TcpEvent::Rst);
}

bool is_open(FlowPhase phase) {
  return phase == FlowPhase::SynReceived || phase == FlowPhase::Established ||
         phase == FlowPhase::FinWait || phase == FlowPhase::Closing;
}

// The peer answers a SYN within an open connection as if it knew of none (RFC 5961, section 4: else
// it sends an ACK, and only a RST that this provokes may end the old one). So it lost the old
// connection, as the initiator did.
bool replaces_connection(const FlowState& state, const TrackedPacket& packet) {
  const bool is_answer = has_flag(packet, TcpFlags::kAck) && !is_original(state, packet);
  return is_open(state.flow_phase()) && is_answer &&
         (state.tcp_marks & FlowState::kChallenged) != 0 &&
         fit_of(state, packet) == SegmentFit::Outside;
}

TrackOutcome replace_connection(FlowState& state, const TrackedPacket& packet) {
  replace_windows(state, packet);
  constexpr std::uint8_t kFins = FlowState::kFinIngress | FlowState::kFinEgress;
  state.bits = static_cast<std::uint8_t>(state.bits & ~kFins);
  state.bits |= FlowState::kReplySeen;
  set_phase(state, FlowPhase::SynReceived);
  TrackOutcome outcome;
  outcome.rearm = true;
  outcome.restarts = true;
  return outcome;
}

TrackOutcome track_syn(FlowState& state, const TrackedPacket& packet) {
  const bool acks = has_flag(packet, TcpFlags::kAck);
  const TcpEvent event = acks ? TcpEvent::SynAck : TcpEvent::Syn;
  const FlowPhase phase = state.flow_phase();
  if (phase == FlowPhase::SynSent && !is_original(state, packet)) {
    if (!answer_windows(state, packet)) return ignore();
    state.bits |= FlowState::kReplySeen;
    // A SYN that acknowledges nothing anybody may have sent: its numbers are a guess.
    if (!acks) state.bits |= FlowState::kMidStream;
    return take_step(state, packet, event);
  }
  if (phase == FlowPhase::SynSent && !acks) {
    restart_windows(state, packet);
    return take_step(state, packet, event);
  }
  if (phase == FlowPhase::SynReceived) {
    if (is_guess(state) && !acks && is_original(state, packet)) return reopen();
    if (fit_of(state, packet) != SegmentFit::Outside) {
      advance_windows(state, packet);
      return take_step(state, packet, event);
    }
    const bool was_guess = state.has(FlowState::kMidStream) && !is_original(state, packet);
    if (was_guess && answer_again(state, packet)) return TrackOutcome();
  }
  if (replaces_connection(state, packet)) return replace_connection(state, packet);
  if (is_open(phase) && !acks && is_original(state, packet)) {
    state.tcp_marks |= FlowState::kChallenged;
  }
  TrackOutcome outcome = take_step(state, packet, event);
  if (!outcome.reopen) outcome.refreshes = false;
  return outcome;
}

// Both sides have said that they are done, and know it: what was sent before may come once more,
// nothing beyond it (FL-12). Only a FIN that comes again begins the wait anew (RFC 9293, 3.10.7.4).
TrackOutcome track_after_close(FlowState& state, const TrackedPacket& packet) {
  const auto own = static_cast<std::size_t>(packet.direction);
  // A segment that was cut holds a byte at least.
  const std::uint32_t end = segment_end(packet) + (packet.is_cut ? 1 : 0);
  if (sequence_before(state.sequence_end[own], end)) return refuse(DropReason::Closed);
  TrackOutcome outcome;
  outcome.refreshes = has_flag(packet, TcpFlags::kFin);
  return outcome;
}

TrackOutcome track_segment(FlowState& state, const TrackedPacket& packet, bool strict) {
  const FlowPhase phase = state.flow_phase();
  const bool fin = has_flag(packet, TcpFlags::kFin);
  if (phase == FlowPhase::Closed) return refuse(DropReason::Closed);
  if (phase == FlowPhase::TimeWait) return track_after_close(state, packet);
  if (phase == FlowPhase::SynSent && !is_original(state, packet)) {
    // Not an answer to our SYN: it says nothing about this connection.
    const TrackOutcome outcome = take_step(state, packet, fin ? TcpEvent::Fin : TcpEvent::Ack);
    return outcome.passes ? ignore() : outcome;
  }
  if (fit_of(state, packet) == SegmentFit::Outside) {
    if (strict) return refuse(DropReason::OutOfWindow);
    TrackOutcome outcome;
    outcome.out_of_window = true;
    return outcome;
  }
  if (!is_original(state, packet)) {
    state.bits |= FlowState::kReplySeen;
    // The peer knows the connection still.
    state.tcp_marks = static_cast<std::uint8_t>(state.tcp_marks & ~FlowState::kChallenged);
  }
  // From here on the other side knows better what was sent: its acknowledgments tell.
  if (packet.is_cut && state.has(FlowState::kReplySeen)) state.bits |= FlowState::kMidStream;
  // While one side alone talks, the state still holds what its SYN said (CT-30).
  if (phase != FlowPhase::SynSent) advance_windows(state, packet);
  TcpEvent event = TcpEvent::Ack;
  // Before the answer anybody may have sent it: nothing tells yet which numbers are right.
  if (fin && phase != FlowPhase::SynSent) {
    event = state.has(fin_bit(packet.direction)) ? TcpEvent::FinAgain : TcpEvent::Fin;
    state.bits |= fin_bit(packet.direction);
  }
  if (event != TcpEvent::Fin && both_fins_are_acknowledged(state)) event = TcpEvent::LastAck;
  return take_step(state, packet, event);
}

TrackOutcome track_tcp(FlowState& state, const TrackedPacket& packet, bool strict) {
  if (tcp_flags_are_impossible(packet.tcp_flags)) return refuse(DropReason::MalformedTcpFlags);
  if (has_flag(packet, TcpFlags::kRst)) return track_reset(state, packet);
  if (has_flag(packet, TcpFlags::kSyn)) return track_syn(state, packet);
  return track_segment(state, packet, strict);
}

DatagramStep datagram_step_of(const FlowState& state) {
  if (state.flow_phase() == FlowPhase::Stream) return DatagramStep::Stream;
  if (state.flow_phase() != FlowPhase::Replied) return DatagramStep::Single;
  return state.has(FlowState::kAskedAgain) ? DatagramStep::Asked : DatagramStep::Replied;
}

void track_udp(FlowState& state, DatagramSide side) {
  switch (udp_step(datagram_step_of(state), side)) {
    case DatagramStep::Single:
      set_phase(state, FlowPhase::Single);
      return;
    case DatagramStep::Replied:
      set_phase(state, FlowPhase::Replied);
      return;
    case DatagramStep::Asked:
      state.bits |= FlowState::kAskedAgain;
      return;
    case DatagramStep::Stream:
      set_phase(state, FlowPhase::Stream);
      return;
  }
}

// An untracked connection passes by rules alone; only how long its entry is of use is known here.
TrackOutcome track_accounted(FlowState& state, const TrackedPacket& packet) {
  TrackOutcome outcome;
  if (packet.proto != Proto::Tcp) return outcome;
  const bool was_ending = state.has(FlowState::kEnding);
  if (has_flag(packet, TcpFlags::kSyn)) {
    state.bits = static_cast<std::uint8_t>(state.bits & ~FlowState::kEnding);
  } else if (has_flag(packet, TcpFlags::kFin) || has_flag(packet, TcpFlags::kRst)) {
    state.bits |= FlowState::kEnding;
    outcome.rearm = !was_ending;
  }
  return outcome;
}

}  // namespace

FirstPacket first_packet(const TrackedPacket& packet, bool strict) {
  if (packet.proto != Proto::Tcp) return FirstPacket::MayBegin;
  if (is_clean_syn(packet.tcp_flags)) return FirstPacket::MayBegin;
  constexpr std::uint8_t kNone = TcpFlags::kSyn | TcpFlags::kFin | TcpFlags::kRst;
  const bool plain = has_flag(packet, TcpFlags::kAck) && !has_flag(packet, kNone);
  return plain && !strict ? FirstPacket::MidStream : FirstPacket::Never;
}

void begin_flow(FlowState& state, const TrackedPacket& packet) {
  if (packet.direction == Direction::Egress) state.bits |= FlowState::kEgressFirst;
  if (packet.proto != Proto::Tcp) {
    set_phase(state, FlowPhase::Single);
    return;
  }
  const bool syn = has_flag(packet, TcpFlags::kSyn);
  if (!syn || packet.is_cut) state.bits |= FlowState::kMidStream;
  set_phase(state, syn ? FlowPhase::SynSent : FlowPhase::SynReceived);
  begin_windows(state, packet);
}

void revoke_flow(FlowState& state, DropReason reason) {
  state.l7 = static_cast<std::uint8_t>(FlowState::kL7Revoked | state.app());
  state.window_scales = static_cast<std::uint8_t>(reason);
  set_phase(state, FlowPhase::Closed);
  state.bits = static_cast<std::uint8_t>(state.bits & ~FlowState::kUntracked);
  state.bits |= FlowState::kRevoked;
}

TrackOutcome track(FlowState& state, const TrackedPacket& packet, bool strict) {
  if (state.flow_phase() == FlowPhase::Accounted) return track_accounted(state, packet);
  if (packet.proto == Proto::Tcp) return track_tcp(state, packet, strict);
  if (state.is_revoked()) return refuse(DropReason::Closed);
  const bool original = is_original(state, packet);
  if (!original) state.bits |= FlowState::kReplySeen;
  if (packet.proto == Proto::Udp) {
    track_udp(state, original ? DatagramSide::Original : DatagramSide::Reply);
  }
  return TrackOutcome{};
}

std::uint8_t log_flags_of(const TrackedPacket& packet) {
  if (packet.proto != Proto::Tcp) return 0;
  std::uint8_t result = 0;
  if (has_flag(packet, TcpFlags::kFin)) result |= kLogFin;
  if (has_flag(packet, TcpFlags::kRst)) result |= kLogRst;
  if (has_flag(packet, TcpFlags::kSyn)) {
    result |= has_flag(packet, TcpFlags::kAck) ? kLogSynAck : kLogSyn;
  }
  return result;
}

std::uint8_t shown_log_flags(std::uint8_t nibble) {
  constexpr std::uint8_t kPlain = kLogFin | kLogSyn | kLogRst;
  const std::uint8_t plain = nibble & kPlain;
  return (nibble & kLogSynAck) != 0 ? plain | LogTcpFlags::kSynAck : plain;
}

}  // namespace sluice
