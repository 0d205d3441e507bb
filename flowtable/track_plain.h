#pragma once

// The short way through the tracker, for what nearly every packet is: a segment or datagram of an
// open conversation that moves no phase. track() of conntrack.h says the same of it.

#include "base/proto.h"
#include "flowtable/conntrack.h"
#include "flowtable/flow_state.h"
#include "flowtable/tcp_window.h"

namespace sluice {

// True: the packet passes, the state has moved on as track() would have moved it, and its outcome
// is TrackOutcome(). False: nothing has changed; ask track().
[[gnu::always_inline]] inline bool track_plain(FlowState& state, const TrackedPacket& packet) {
  const FlowPhase phase = state.flow_phase();
  const bool is_original = packet.direction == state.initiator();
  if (packet.proto == Proto::Udp) {
    return is_original ? phase == FlowPhase::Single || phase == FlowPhase::Stream
                       : phase == FlowPhase::Stream && state.has(FlowState::kReplySeen);
  }
  constexpr std::uint8_t kMoves = TcpFlags::kSyn | TcpFlags::kFin | TcpFlags::kRst;
  const bool is_segment = packet.proto == Proto::Tcp && (packet.tcp_flags & kMoves) == 0 &&
                          (packet.tcp_flags & TcpFlags::kAck) != 0 && !packet.is_cut;
  if (!is_segment) return false;
  // One side alone of what was picked up in its middle moves nothing either.
  const bool is_unheard = phase == FlowPhase::SynReceived && is_original &&
                          state.has(FlowState::kMidStream) && !state.has(FlowState::kReplySeen);
  if (phase != FlowPhase::Established && !is_unheard) return false;
  if (fit_of(state, packet) == SegmentFit::Outside) return false;
  if (!is_original) {
    state.bits |= FlowState::kReplySeen;
    state.tcp_marks = static_cast<std::uint8_t>(state.tcp_marks & ~FlowState::kChallenged);
  }
  advance_windows(state, packet);
  return true;
}

}  // namespace sluice
