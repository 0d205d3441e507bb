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
// than our SYN: an answer to an older connection.
bool answer_windows(FlowState& state, const TrackedPacket& packet);

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

}  // namespace sluice
