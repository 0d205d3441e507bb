#pragma once

// What a flow's entry counts for the flow log between two reports, and the seconds in which that
// was (FlowState::log_seconds). Worker thread.

#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/verdict.h"
#include "flowtable/flow_state.h"

namespace sluice {

// FlowState::log_seconds as four fields of six bits.
inline std::uint32_t load_log_seconds(const FlowState& state) {
  return state.log_seconds[0] | std::uint32_t{state.log_seconds[1]} << 8 |
         std::uint32_t{state.log_seconds[2]} << 16;
}
constexpr unsigned first_second_shift(Direction direction) {
  return direction == Direction::Ingress ? 0 : 12;
}
constexpr unsigned last_second_shift(Direction direction) {
  return first_second_shift(direction) + 6;
}

// False: the entry has to be reported before it can count a packet of so many bytes.
inline bool has_room_for_packet(const FlowState& state, Direction direction, std::uint32_t bytes) {
  const auto at = static_cast<std::size_t>(direction);
  return state.packets[at] != std::numeric_limits<std::uint16_t>::max() &&
         state.bytes[at] <= std::numeric_limits<std::uint32_t>::max() - bytes;
}

// Requires has_room_for_packet(). `second` is that of the log window, below 64.
inline void count_in_entry(FlowState& state, Direction direction, std::uint32_t bytes,
                           std::uint32_t second) {
  const auto at = static_cast<std::size_t>(direction);
  const auto with = [second](std::uint32_t word, unsigned shift) {
    return (word & ~(63u << shift)) | second << shift;
  };
  const std::uint32_t before = load_log_seconds(state);
  std::uint32_t seconds = with(before, last_second_shift(direction));
  if (state.packets[at] == 0) seconds = with(seconds, first_second_shift(direction));
  if (seconds != before) {
    state.log_seconds[0] = static_cast<std::uint8_t>(seconds);
    state.log_seconds[1] = static_cast<std::uint8_t>(seconds >> 8);
    state.log_seconds[2] = static_cast<std::uint8_t>(seconds >> 16);
  }
  ++state.packets[at];
  state.bytes[at] += bytes;
}

}  // namespace sluice
