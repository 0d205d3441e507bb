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

// Of a SYN that nobody has answered: itself, or what came with it. How much that was nobody knows
// of a SYN that was cut.
bool acknowledges_syn(const FlowState& state, const TrackedPacket& packet) {
  const std::size_t other = at(opposite(packet.direction));
  const std::uint32_t ack = packet.acknowledgment;
  const std::uint32_t highest = state.has(FlowState::kMidStream)
                                    ? state.sequence_end[other] + reach(state)
                                    : state.sequence_end[other];
  return !sequence_before(ack, state.window_end[other]) && !sequence_before(highest, ack);
}

// The scale of a SYN; both sides scale if both SYNs have one.
void take_scale(FlowState& state, const TrackedPacket& packet) {
  set_scale_nibble(state, packet.direction, packet.window_scale);
  const bool scaled = scale_nibble(state, Direction::Ingress) != kNoScale &&
                      scale_nibble(state, Direction::Egress) != kNoScale;
  state.bits = static_cast<std::uint8_t>(state.bits & ~FlowState::kScaled);
  if (scaled) state.bits |= FlowState::kScaled;
}

}  // namespace

void begin_windows(FlowState& state, const TrackedPacket& packet) {
  const std::size_t own = at(packet.direction);
  const std::size_t other = at(opposite(packet.direction));
  state.window_scales = kNoScale << 4 | kNoScale;
  if ((packet.tcp_flags & TcpFlags::kSyn) != 0) {
    restart_windows(state, packet);
    state.sequence_end[other] = packet.sequence + 1;
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
  // Where the other side begins is not known yet: only the room for it, see answer_windows(). Until
  // then its sequence_end holds what acknowledges the first SYN.
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
  if (has_ack(packet) && !acknowledges_syn(state, packet)) {
    if (packet.acknowledgment != state.sequence_end[own]) return false;
    // The first of several SYNs, whose window is forgotten; the last waits for its answer.
    state.bits |= FlowState::kMidStream;
    state.tcp_marks |= FlowState::kChallenged;
    state.sequence_end[other] = packet.acknowledgment;
    state.window_scales = kNoScale << 4 | kNoScale;
  }
  if (has_ack(packet)) raise(state.sequence_end[other], packet.acknowledgment);
  take_scale(state, packet);
  note_window(state, packet.window);
  state.sequence_end[own] = segment_end(packet);
  state.window_end[own] = packet.sequence + 1 + std::max<std::uint32_t>(state.window_end[own], 1);
  const std::uint32_t begin = has_ack(packet) ? packet.acknowledgment : state.window_end[other];
  state.window_end[other] = begin + std::max<std::uint32_t>(packet.window, 1);
  return true;
}

bool answer_again(FlowState& state, const TrackedPacket& packet) {
  const std::size_t own = at(packet.direction);
  const std::size_t other = at(opposite(packet.direction));
  if (!has_ack(packet) || packet.acknowledgment != state.sequence_end[other]) return false;
  const bool is_full = sequence_before(state.window_end[own], state.sequence_end[own]);
  const std::uint32_t room = is_full ? 1 : state.window_end[own] - state.sequence_end[own];
  take_scale(state, packet);
  note_window(state, packet.window);
  state.sequence_end[own] = segment_end(packet);
  state.window_end[own] = segment_end(packet) + room;
  state.window_end[other] = packet.acknowledgment + std::max<std::uint32_t>(packet.window, 1);
  return true;
}

bool reset_answers_syn(const FlowState& state, const TrackedPacket& packet) {
  return has_ack(packet) && acknowledges_syn(state, packet);
}

}  // namespace sluice
