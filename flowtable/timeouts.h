#pragma once

// How long a flow may be silent, by phase and protocol (CT-11 to CT-18).

#include <cstdint>

#include "base/clock.h"
#include "base/proto.h"
#include "flowtable/flow_state.h"

namespace sluice {

// No timeout is shorter, so that a flow seen within it needs no closer look.
inline constexpr std::uint32_t kShortestTimeoutMs = 1'000;

// Idle timeouts that hold for a flow, milliseconds (CT-11 to CT-18): interface's and policy's.
struct TimeoutTable {
  std::uint32_t tcp_established_ms = 350'000;
  std::uint32_t udp_ms = 30'000;
  std::uint32_t udp_stream_ms = 180'000;
  std::uint32_t syn_ms = 20'000;
  std::uint32_t half_closed_ms = 60'000;
  std::uint32_t time_wait_ms = 60'000;
  std::uint32_t closed_ms = 10'000;
  std::uint32_t icmp_ms = 30'000;
  std::uint32_t other_ms = 600'000;
};

// The idle timeout of the phase the flow is in, milliseconds.
std::uint32_t timeout_of(const FlowState& state, Proto proto, const TimeoutTable& timeouts);

// True if the flow was silent for its whole timeout: it is over (CT-19), even where the wheel has
// not come by yet. Requires that `now` is not before its last packet.
inline bool has_expired(const FlowState& state, Proto proto, const TimeoutTable& timeouts,
                        TickMs now) {
  return now - state.last_seen_ms >= timeout_of(state, proto, timeouts);
}

}  // namespace sluice
