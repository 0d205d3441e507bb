#include "flowtable/tcp_window.h"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace sluice {

namespace {

using namespace tcp_window;

void set_scale_nibble(FlowState& state, Direction direction, int scale) {
  const unsigned nibble = scale < 0 ? kNoScale : std::min(static_cast<unsigned>(scale), kScaleMax);
  const unsigned shift = 4 * static_cast<unsigned>(at(direction));
  state.window_scales =
      static_cast<std::uint8_t>((state.window_scales & ~(15u << shift)) | nibble << shift);
}

}  // namespace

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

bool reset_answers_syn(const FlowState& state, const TrackedPacket& packet) {
  const std::size_t other = at(opposite(packet.direction));
  return has_ack(packet) && !sequence_before(packet.acknowledgment, state.window_end[other]) &&
         !sequence_before(state.sequence_end[other], packet.acknowledgment);
}

}  // namespace sluice
