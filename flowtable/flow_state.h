#pragma once

// What one conversation is remembered by, besides its key: 48 bytes, so that key and state of an
// IPv4 connection share one cache line.
//
// Everything per direction is indexed by Direction as seen from the interface (0 ingress,
// 1 egress). Written by the owning worker only.
//
//      0        4          8      12     13     14      15     16          32          48
//      +--------+----------+------+------+------+-------+------+-----------+-----------+
//      | last   | genera-  | rule | phase| bits | scale | flags| tcp seq   | log       |
//      | seen   | tion     | l7   |      |      |       |      | windows   | deltas *  |
//      +--------+----------+------+------+------+-------+------+-----------+-----------+
//
//      * bytes 2 x 32, packets 2 x 16, seconds 4 x 6 bits, and tcp_marks in the last byte.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/clock.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/verdict.h"
#include "flowtable/flow_event.h"

namespace sluice {

struct FlowState {
  // Values of `bits`.
  static constexpr std::uint8_t kEgressFirst = 1;  // the first packet went out of the interface
  static constexpr std::uint8_t kUntracked = 2;    // follows the rules at once (CT-4 to CT-6)
  static constexpr std::uint8_t kReplySeen = 4;
  // Picked up in its middle, or sent in fragments: windows are guesses.
  static constexpr std::uint8_t kMidStream = 8;
  static constexpr std::uint8_t kFinIngress = 16;  // FIN seen in this direction
  static constexpr std::uint8_t kFinEgress = 32;
  static constexpr std::uint8_t kScaled = 64;       // both SYNs carried a window scale
  static constexpr std::uint8_t kAskedAgain = 128;  // UDP: the initiator sent after a reply (CT-20)
  // TCP, Closed: not by a RST but by rules that refuse what they once admitted. While it is here
  // the connection cannot come back by a segment of its other side (CT-23).
  static constexpr std::uint8_t kRevoked = 128;
  static constexpr std::uint8_t kEnding = 128;  // TCP, Accounted: a FIN or RST was seen

  // Values of `tcp_marks`.
  static constexpr std::uint8_t kWindowBitsMask = 31;   // bit width of the largest window seen
  static constexpr std::uint8_t kFinIngressAcked = 32;  // the FIN of this direction is acknowledged
  static constexpr std::uint8_t kFinEgressAcked = 64;
  static constexpr std::uint8_t kChallenged = 128;  // the initiator's SYN waits for the peer's word

  // `l7`: what is known of its application, in the two high bits; the low six are the number of the
  // application (lookup/l7_app.h) once it is known, of a watched flow the bits below.
  static constexpr std::uint8_t kL7Mask = 0xc0;
  static constexpr std::uint8_t kL7None = 0x00;     // nobody asked
  static constexpr std::uint8_t kL7Known = 0x40;    // judged: it runs at full speed
  static constexpr std::uint8_t kL7Watched = 0x80;  // its payload is looked at
  static constexpr std::uint8_t kL7Revoked = 0xc0;  // is_revoked()
  static constexpr std::uint8_t kL7Looks = 0x80;    // either of the last two: look closer
  static constexpr std::uint8_t kL7Demanded = 1;    // it passes only as what its rules demand
  static constexpr std::uint8_t kL7AppMask = 0x3f;

  static constexpr std::uint32_t kNoRule = kRulesMax;

  TickMs last_seen_ms;
  std::uint32_t generation;  // of the policy that judged it last
  std::uint32_t rule : 24;   // RuleIndex of the rule that admitted it; kNoRule: none
  std::uint32_t l7 : 8;
  std::uint8_t phase;  // FlowPhase
  std::uint8_t bits;
  // Ingress sender in the low, egress sender in the high nibble; once revoked: the DropReason.
  std::uint8_t window_scales;
  std::uint8_t log_flags;  // FIN, SYN, RST, SYN-ACK: ingress low, egress high nibble

  std::uint32_t sequence_end[2];  // one past the highest byte sent in this direction
  std::uint32_t window_end[2];    // one past the highest byte that its receiver has room for

  std::uint32_t bytes[2];  // not yet reported (see FlowDelta)
  std::uint16_t packets[2];
  // Seconds within the log window of the first and the last packet, 6 bits each:
  // ingress first, ingress last, egress first, egress last, from the low end of 24 bits.
  std::uint8_t log_seconds[3];
  std::uint8_t tcp_marks;

  FlowPhase flow_phase() const { return static_cast<FlowPhase>(phase); }
  bool has(std::uint8_t bit) const { return (bits & bit) != 0; }
  bool is_revoked() const { return flow_phase() == FlowPhase::Closed && has(kRevoked); }
  // Why its packets are dropped. Requires is_revoked().
  DropReason revoked_reason() const { return static_cast<DropReason>(window_scales); }
  // Watched or revoked: no packet of it may pass unseen.
  bool looks_closer() const { return (l7 & kL7Looks) != 0; }
  bool is_watched() const { return (l7 & kL7Mask) == kL7Watched; }
  bool is_demanded() const { return is_watched() && (l7 & kL7Demanded) != 0; }
  // The number of its application; 0: not known, or not yet.
  std::uint8_t app() const {
    return is_watched() ? std::uint8_t{0} : static_cast<std::uint8_t>(l7 & kL7AppMask);
  }
  RuleIndex rule_index() const { return rule == kNoRule ? RuleIndex::none() : RuleIndex(rule); }
  void set_rule(RuleIndex index) { rule = index.value() & kNoRule; }
  Direction initiator() const { return has(kEgressFirst) ? Direction::Egress : Direction::Ingress; }
};

static_assert(sizeof(FlowState) == 48);
static_assert(offsetof(FlowState, sequence_end) == 16);
static_assert(offsetof(FlowState, bytes) == 32);
static_assert(std::is_trivial_v<FlowState>);

}  // namespace sluice
