#pragma once

// Whether the numbers of a TCP segment fit its connection. Pure functions of (state, packet).
//
// For the direction d of a segment and the opposite direction o, the state remembers
//
//      sequence_end[d]  one past the highest byte that d has sent       (the sender's SND.NXT)
//      window_end[d]    the highest ACK + window that o has sent        (the receiver's edge)
//
//           far behind           | retransmission |   new    |   ahead
//      --------------------------+----------------+----------+--------------> sequence numbers
//         sequence_end - reach                sequence_end   window_end
//
// `reach` is the largest window that either side has shown, as a power of two, at least 64 KiB:
// nothing that is still on the way can lie further behind. Method: G. van Rooij, "Real Stateful
// TCP Packet Filtering in IP Filter", 2001, with RFC 5961 for RST, SYN and ACK.
//
// Until both sides have been heard there is nothing to compare with, and everything fits.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "flowtable/conntrack.h"
#include "flowtable/flow_state.h"

namespace sluice {

// True if a is before b on the circle of sequence numbers.
constexpr bool sequence_before(std::uint32_t a, std::uint32_t b) {
  return static_cast<std::int32_t>(a - b) < 0;
}

// One past the last sequence number that the segment takes; SYN and FIN take one each.
std::uint32_t segment_end(const TrackedPacket& packet);

// The first segment of a flow, clean SYN or mid-stream.
void begin_windows(FlowState& state, const TrackedPacket& packet);

// The other side's SYN or SYN-ACK. False, and nothing changes, if it acknowledges something else
// than our SYN: an answer to an older connection. Where SYNs of several numbers were sent it may
// answer the first or the last.
bool answer_windows(FlowState& state, const TrackedPacket& packet);

// A SYN-ACK with other numbers than those that the other side is taken to have, though it answers
// our SYN: only the peer knows that one. False, and nothing changes, if it does not answer it.
bool answer_again(FlowState& state, const TrackedPacket& packet);

// A SYN-ACK by which a new connection takes the place of an old one with the same addresses and
// ports. Both begin where it says; how far the windows scale was said too early to be known.
void replace_windows(FlowState& state, const TrackedPacket& packet);

// A SYN sent again before any answer, possibly with a new initial sequence number.
void restart_windows(FlowState& state, const TrackedPacket& packet);

enum class SegmentFit : std::uint8_t {
  Exact,   // in the window, and begins where the sender's next byte is
  Within,  // in the window
  Outside,
};
SegmentFit fit_of(const FlowState& state, const TrackedPacket& packet);

// Takes over what a fitting segment says: how far its sender is, how far the other may go, which
// FINs are acknowledged.
void advance_windows(FlowState& state, const TrackedPacket& packet);

// For a RST that answers a SYN: exact if it acknowledges that SYN (RFC 9293, 3.10.7.3).
bool reset_answers_syn(const FlowState& state, const TrackedPacket& packet);

// What follows is inline because every segment of every connection goes through it.

namespace tcp_window {

inline constexpr unsigned kScaleMax = 14;  // RFC 7323, 2.3
inline constexpr unsigned kNoScale =
    15;  // in a nibble of window_scales: the SYN had no such option
inline constexpr unsigned kReachBitsMin = 16;

constexpr std::size_t at(Direction direction) { return static_cast<std::size_t>(direction); }

inline unsigned scale_nibble(const FlowState& state, Direction direction) {
  return state.window_scales >> (4 * at(direction)) & 15u;
}

// The window that a segment offers, in bytes. Windows of SYNs are never scaled (RFC 7323, 2.2);
// the scale of a connection that began before us is unknown: as large as can be. One whose SYNs
// were seen keeps its scale, whatever else is a guess.
inline std::uint32_t offered_window(const FlowState& state, const TrackedPacket& packet) {
  const std::uint32_t window = packet.window;
  if ((packet.tcp_flags & TcpFlags::kSyn) != 0) return window;
  if (state.has(FlowState::kScaled)) return window << scale_nibble(state, packet.direction);
  if (state.has(FlowState::kMidStream)) return window << kScaleMax;
  return window;
}

inline void note_window(FlowState& state, std::uint32_t window) {
  const auto bits = static_cast<unsigned>(std::bit_width(window));
  const unsigned known = state.tcp_marks & FlowState::kWindowBitsMask;
  if (bits <= known) return;
  state.tcp_marks =
      static_cast<std::uint8_t>((state.tcp_marks & ~FlowState::kWindowBitsMask) | bits);
}

inline std::uint32_t reach(const FlowState& state) {
  const unsigned bits = state.tcp_marks & FlowState::kWindowBitsMask;
  return std::uint32_t{1} << std::clamp(bits, kReachBitsMin, 30u);
}

inline bool has_ack(const TrackedPacket& packet) {
  return (packet.tcp_flags & TcpFlags::kAck) != 0;
}

inline void raise(std::uint32_t& edge, std::uint32_t to) {
  if (sequence_before(edge, to)) edge = to;
}

// RFC 5961, section 5: nothing acknowledges what was not sent, nor what was done with long ago.
// Of a connection that began before us, bytes may have been sent that we have not seen.
inline bool ack_fits(const FlowState& state, const TrackedPacket& packet) {
  const std::size_t other = at(opposite(packet.direction));
  const std::uint32_t ack = packet.acknowledgment;
  const std::uint32_t highest = state.has(FlowState::kMidStream)
                                    ? state.sequence_end[other] + reach(state)
                                    : state.sequence_end[other];
  return !sequence_before(highest, ack) &&
         !sequence_before(ack, state.sequence_end[other] - reach(state));
}

inline bool sides_are_known(const FlowState& state) { return state.has(FlowState::kReplySeen); }

}  // namespace tcp_window

inline std::uint32_t segment_end(const TrackedPacket& packet) {
  std::uint32_t end = packet.sequence + packet.payload_size;
  if ((packet.tcp_flags & TcpFlags::kSyn) != 0) ++end;
  if ((packet.tcp_flags & TcpFlags::kFin) != 0) ++end;
  return end;
}

inline SegmentFit fit_of(const FlowState& state, const TrackedPacket& packet) {
  const std::size_t own = tcp_window::at(packet.direction);
  const bool exact = packet.sequence == state.sequence_end[own];
  if (!tcp_window::sides_are_known(state)) return exact ? SegmentFit::Exact : SegmentFit::Within;
  if (sequence_before(state.window_end[own], packet.sequence)) return SegmentFit::Outside;
  if (sequence_before(segment_end(packet), state.sequence_end[own] - tcp_window::reach(state))) {
    return SegmentFit::Outside;
  }
  // The acknowledgment of a RST says nothing that a receiver would look at.
  const bool asks_ack = tcp_window::has_ack(packet) && (packet.tcp_flags & TcpFlags::kRst) == 0;
  if (asks_ack && !tcp_window::ack_fits(state, packet)) return SegmentFit::Outside;
  return exact ? SegmentFit::Exact : SegmentFit::Within;
}

inline void advance_windows(FlowState& state, const TrackedPacket& packet) {
  const std::size_t own = tcp_window::at(packet.direction);
  const std::size_t other = tcp_window::at(opposite(packet.direction));
  tcp_window::raise(state.sequence_end[own], segment_end(packet));
  if (!tcp_window::has_ack(packet)) return;
  const std::uint32_t window = tcp_window::offered_window(state, packet);
  tcp_window::note_window(state, window);
  if (state.has(FlowState::kMidStream))
    tcp_window::raise(state.sequence_end[other], packet.acknowledgment);
  tcp_window::raise(state.window_end[other], packet.acknowledgment + window);
  const std::uint8_t fin = other == 0 ? FlowState::kFinIngress : FlowState::kFinEgress;
  const bool acked = !sequence_before(packet.acknowledgment, state.sequence_end[other]);
  if (state.has(fin) && acked) {
    state.tcp_marks |= other == 0 ? FlowState::kFinIngressAcked : FlowState::kFinEgressAcked;
  }
}

}  // namespace sluice
