#include "flowtable/tcp_window.h"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace sluice {

namespace {

constexpr unsigned kScaleMax = 14;  // RFC 7323, 2.3
constexpr unsigned kNoScale = 15;   // in a nibble of window_scales: the SYN had no such option
constexpr unsigned kReachBitsMin = 16;

constexpr std::size_t at(Direction direction) { return static_cast<std::size_t>(direction); }

unsigned scale_nibble(const FlowState& state, Direction direction) {
  return state.window_scales >> (4 * at(direction)) & 15u;
}

void set_scale_nibble(FlowState& state, Direction direction, int scale) {
  const unsigned nibble = scale < 0 ? kNoScale : std::min(static_cast<unsigned>(scale), kScaleMax);
  const unsigned shift = 4 * static_cast<unsigned>(at(direction));
  state.window_scales =
      static_cast<std::uint8_t>((state.window_scales & ~(15u << shift)) | nibble << shift);
}

// The window that a segment offers, in bytes. Windows of SYNs are never scaled (RFC 7323, 2.2);
// the scale of a connection that began before us is unknown: as large as can be. One whose SYNs
// were seen keeps its scale, whatever else is a guess.
std::uint32_t offered_window(const FlowState& state, const TrackedPacket& packet) {
  const std::uint32_t window = packet.window;
  if ((packet.tcp_flags & TcpFlags::kSyn) != 0) return window;
  if (state.has(FlowState::kScaled)) return window << scale_nibble(state, packet.direction);
  if (state.has(FlowState::kMidStream)) return window << kScaleMax;
  return window;
}

void note_window(FlowState& state, std::uint32_t window) {
  const auto bits = static_cast<unsigned>(std::bit_width(window));
  const unsigned known = state.tcp_marks & FlowState::kWindowBitsMask;
  if (bits <= known) return;
  state.tcp_marks =
      static_cast<std::uint8_t>((state.tcp_marks & ~FlowState::kWindowBitsMask) | bits);
}

std::uint32_t reach(const FlowState& state) {
  const unsigned bits = state.tcp_marks & FlowState::kWindowBitsMask;
  return std::uint32_t{1} << std::clamp(bits, kReachBitsMin, 30u);
}

bool has_ack(const TrackedPacket& packet) { return (packet.tcp_flags & TcpFlags::kAck) != 0; }

void raise(std::uint32_t& edge, std::uint32_t to) {
  if (sequence_before(edge, to)) edge = to;
}

// RFC 5961, section 5: nothing acknowledges what was not sent, nor what was done with long ago.
// Of a connection that began before us, bytes may have been sent that we have not seen.
bool ack_fits(const FlowState& state, const TrackedPacket& packet) {
  const std::size_t other = at(opposite(packet.direction));
  const std::uint32_t ack = packet.acknowledgment;
  const std::uint32_t highest = state.has(FlowState::kMidStream)
                                    ? state.sequence_end[other] + reach(state)
                                    : state.sequence_end[other];
  return !sequence_before(highest, ack) &&
         !sequence_before(ack, state.sequence_end[other] - reach(state));
}

bool sides_are_known(const FlowState& state) { return state.has(FlowState::kReplySeen); }

}  // namespace

std::uint32_t segment_end(const TrackedPacket& packet) {
  std::uint32_t end = packet.sequence + packet.payload_size;
  if ((packet.tcp_flags & TcpFlags::kSyn) != 0) ++end;
  if ((packet.tcp_flags & TcpFlags::kFin) != 0) ++end;
  return end;
}

void begin_windows(FlowState& state, const TrackedPacket& packet) {
  const std::size_t own = at(packet.direction);
  const std::size_t other = at(opposite(packet.direction));
  state.window_scales = kNoScale << 4 | kNoScale;
  if ((packet.tcp_flags & TcpFlags::kSyn) != 0) {
    restart_windows(state, packet);
    return;
  }
  // Mid-stream: what it acknowledges, the other side has sent; what it offers, is a guess.
  const std::uint32_t window = offered_window(state, packet);
  note_window(state, window);
  state.sequence_end[own] = segment_end(packet);
  state.window_end[own] = segment_end(packet) + window;
  state.sequence_end[other] = packet.acknowledgment;
  state.window_end[other] = packet.acknowledgment + window;
}

void restart_windows(FlowState& state, const TrackedPacket& packet) {
  const std::size_t own = at(packet.direction);
  set_scale_nibble(state, packet.direction, packet.window_scale);
  note_window(state, packet.window);
  state.sequence_end[own] = segment_end(packet);
  // The SYN itself is all that is surely wanted; data with it may be refused (RFC 7413).
  state.window_end[own] = packet.sequence + 1;
  // Where the other side begins is not known yet: only the room for it, see answer_windows().
  state.window_end[at(opposite(packet.direction))] = packet.window;
}

void replace_windows(FlowState& state, const TrackedPacket& packet) {
  const std::size_t own = at(packet.direction);
  const std::size_t other = at(opposite(packet.direction));
  state.tcp_marks = 0;
  state.bits = static_cast<std::uint8_t>(state.bits & ~FlowState::kScaled);
  state.bits |= FlowState::kMidStream;
  note_window(state, packet.window);
  // What the other side has room for is a guess until it speaks.
  state.sequence_end[own] = segment_end(packet);
  state.window_end[own] = segment_end(packet) + packet.window;
  state.sequence_end[other] = packet.acknowledgment;
  state.window_end[other] = packet.acknowledgment + packet.window;
}

bool answer_windows(FlowState& state, const TrackedPacket& packet) {
  const std::size_t own = at(packet.direction);
  const std::size_t other = at(opposite(packet.direction));
  if (has_ack(packet)) {
    const std::uint32_t ack = packet.acknowledgment;
    if (sequence_before(ack, state.window_end[other])) return false;
    if (sequence_before(state.sequence_end[other], ack)) return false;
  }
  set_scale_nibble(state, packet.direction, packet.window_scale);
  const bool scaled = scale_nibble(state, Direction::Ingress) != kNoScale &&
                      scale_nibble(state, Direction::Egress) != kNoScale;
  if (scaled) state.bits |= FlowState::kScaled;
  note_window(state, packet.window);
  state.sequence_end[own] = segment_end(packet);
  state.window_end[own] = packet.sequence + 1 + std::max<std::uint32_t>(state.window_end[own], 1);
  const std::uint32_t begin = has_ack(packet) ? packet.acknowledgment : state.window_end[other];
  state.window_end[other] = begin + std::max<std::uint32_t>(packet.window, 1);
  return true;
}

SegmentFit fit_of(const FlowState& state, const TrackedPacket& packet) {
  const std::size_t own = at(packet.direction);
  const bool exact = packet.sequence == state.sequence_end[own];
  if (!sides_are_known(state)) return exact ? SegmentFit::Exact : SegmentFit::Within;
  if (sequence_before(state.window_end[own], packet.sequence)) return SegmentFit::Outside;
  if (sequence_before(segment_end(packet), state.sequence_end[own] - reach(state))) {
    return SegmentFit::Outside;
  }
  // The acknowledgment of a RST says nothing that a receiver would look at.
  const bool asks_ack = has_ack(packet) && (packet.tcp_flags & TcpFlags::kRst) == 0;
  if (asks_ack && !ack_fits(state, packet)) return SegmentFit::Outside;
  return exact ? SegmentFit::Exact : SegmentFit::Within;
}

void advance_windows(FlowState& state, const TrackedPacket& packet) {
  const std::size_t own = at(packet.direction);
  const std::size_t other = at(opposite(packet.direction));
  raise(state.sequence_end[own], segment_end(packet));
  if (!has_ack(packet)) return;
  const std::uint32_t window = offered_window(state, packet);
  note_window(state, window);
  if (state.has(FlowState::kMidStream)) raise(state.sequence_end[other], packet.acknowledgment);
  raise(state.window_end[other], packet.acknowledgment + window);
  const std::uint8_t fin = other == 0 ? FlowState::kFinIngress : FlowState::kFinEgress;
  const bool acked = !sequence_before(packet.acknowledgment, state.sequence_end[other]);
  if (state.has(fin) && acked) {
    state.tcp_marks |= other == 0 ? FlowState::kFinIngressAcked : FlowState::kFinEgressAcked;
  }
}

bool reset_answers_syn(const FlowState& state, const TrackedPacket& packet) {
  const std::size_t other = at(opposite(packet.direction));
  return has_ack(packet) && !sequence_before(packet.acknowledgment, state.window_end[other]) &&
         !sequence_before(state.sequence_end[other], packet.acknowledgment);
}

}  // namespace sluice
