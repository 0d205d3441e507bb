#include "flowtable/timeouts.h"

namespace sluice {

namespace {

// A conversation of which nothing but its protocol is known: datagrams in one direction, or an
// entry that only the flow log needs (CT-29).
std::uint32_t plain_timeout(Proto proto, const TimeoutTable& timeouts) {
  if (proto == Proto::Tcp) return timeouts.tcp_established_ms;
  if (proto == Proto::Udp) return timeouts.udp_ms;
  if (is_icmp(proto)) return timeouts.icmp_ms;
  return timeouts.other_ms;
}

}  // namespace

std::uint32_t timeout_of(const FlowState& state, Proto proto, const TimeoutTable& timeouts) {
  switch (state.flow_phase()) {
    case FlowPhase::SynSent:
    case FlowPhase::SynReceived:
      return timeouts.syn_ms;
    case FlowPhase::Established:
      return timeouts.tcp_established_ms;
    case FlowPhase::FinWait:
    case FlowPhase::Closing:
      return timeouts.half_closed_ms;
    case FlowPhase::TimeWait:
      return timeouts.time_wait_ms;
    case FlowPhase::Closed:
      // Its sides do not know that they are cut off: they may be silent for as long as they were
      // allowed to before, and must not find it forgotten then.
      return state.is_revoked() ? plain_timeout(proto, timeouts) : timeouts.closed_ms;
    case FlowPhase::Stream:
      return timeouts.udp_stream_ms;
    case FlowPhase::Free:
    case FlowPhase::Single:
    case FlowPhase::Replied:
      return plain_timeout(proto, timeouts);
    case FlowPhase::Accounted:
      if (proto == Proto::Tcp && state.has(FlowState::kEnding)) return timeouts.half_closed_ms;
      return plain_timeout(proto, timeouts);
  }
  return plain_timeout(proto, timeouts);
}

}  // namespace sluice
