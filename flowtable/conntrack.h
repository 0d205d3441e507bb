#pragma once

// What a packet does to a remembered conversation, and which packets may begin one. Pure functions
// of (state, packet, settings); time is an argument where it matters at all. The parts:
//
//      tcp_states.h       which phase follows        datagram_states.h   the same for UDP
//      tcp_window.h       do the numbers fit         timeouts.h          how long silence may last
//
// Any thread that owns the state. Cost: a few loads of the state's own line and of one small table.

#include <cstdint>

#include "base/drop_reason.h"
#include "base/proto.h"
#include "base/verdict.h"
#include "flowtable/flow_state.h"
#include "flowtable/timeouts.h"

namespace sluice {

// A packet as the tracker sees it. Zeroes where the protocol has no such field.
struct TrackedPacket {
  Proto proto = Proto::Tcp;
  Direction direction = Direction::Ingress;
  std::uint8_t tcp_flags = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  std::int8_t window_scale = -1;  // of a SYN's option, 0 to 14; -1: none
  std::uint16_t window = 0;       // as on the wire, unscaled
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint32_t payload_size = 0;  // TCP payload, bytes
  bool is_cut = false;             // the first fragment of a segment: how long that is nobody knows
};

// What a packet without any entry may do (product, section 11, "TCP first packets").
enum class FirstPacket : std::uint8_t {
  MayBegin,   // ask the rules; if they allow, make an entry
  MidStream,  // as MayBegin, but loose mode only (CT-23)
  Never,      // not-first-packet, even where a rule names the port
};
// `strict` is CT-23's switch. ICMP of any type may begin: what an unasked reply needs is a rule of
// its own (CT-26). Flag combinations that no TCP sends are Never; the parser refuses them before.
FirstPacket first_packet(const TrackedPacket& packet, bool strict);

// Fills in a fresh, zeroed state for a first packet that was admitted: phase, windows, initiator.
// Requires that first_packet() did not say Never.
void begin_flow(FlowState& state, const TrackedPacket& packet);

// Closes a conversation that the rules refuse now, tracked or not: as after a RST its packets are
// dropped, for `reason`, and a clean SYN asks anew, but for as long as either side goes on trying.
void revoke_flow(FlowState& state, DropReason reason = DropReason::Closed);

struct TrackOutcome {
  bool passes = true;
  DropReason reason = DropReason::None;  // Closed, OutOfWindow when it does not pass
  bool rearm = false;                    // the timeout shrank: tell the wheel
  bool reopen = false;  // a clean SYN on a closed flow: forget this entry and judge it as a first
  // A new connection took the place of an old one whose end nobody told: the entry is its own now.
  // Whether the rules admit it the caller asks.
  bool restarts = false;
  bool out_of_window = false;  // its numbers do not fit: dropped if strict, else only to be counted
  // False for what leaves the conversation as it is, idle time included: dropped packets, RST that
  // is not exact, SYN within an open connection. Only if true, store last_seen_ms.
  bool refreshes = true;
};
// Moves the conversation on (packets beyond the first). `strict` drops data outside the window.
TrackOutcome track(FlowState& state, const TrackedPacket& packet, bool strict);

// The bits that this packet adds to log_flags (FL-15), one nibble: FIN 1, SYN 2, RST 4, SYN-ACK 8;
// and those bits as a flow log shows them.
std::uint8_t log_flags_of(const TrackedPacket& packet);
std::uint8_t shown_log_flags(std::uint8_t nibble);

}  // namespace sluice
