#pragma once

// What a worker tells the slow side about flows: deltas for the flow log, events for watchers, and
// views for `flow list`. Plain values, they travel on single-writer rings.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/verdict.h"
#include "flowtable/flow_tuple.h"

namespace sluice {

// tcp-flags of a flow log record are these bits (FL-15): FIN 1, SYN 2, RST 4; a SYN-ACK adds 18.
struct LogTcpFlags {
  static constexpr std::uint8_t kFin = 1;
  static constexpr std::uint8_t kSyn = 2;
  static constexpr std::uint8_t kRst = 4;
  static constexpr std::uint8_t kSynAck = 18;
};

// Packets of one flow, at one interface, in one direction, with one action, within one log window
// (kLogWindowS). The exporter sums deltas up; a worker may send several for one window.
struct FlowDelta {
  enum class Kind : std::uint8_t {
    Packets,       // as above
    WindowClosed,  // this worker has sent everything that lies before `last_s`
  };
  Kind kind = Kind::Packets;
  Direction direction = Direction::Ingress;  // seen from tuple.eni
  Verdict action = Verdict::Accept;          // Accept or Drop (REJECT)
  DropReason reason = DropReason::None;      // of a refusal
  std::uint8_t tcp_flags = 0;                // LogTcpFlags
  WorkerIndex worker;
  Generation generation;  // of the policy that judged
  // That admitted the flow; none for refusals, related packets, and answers of untracked flows.
  RuleIndex rule;
  FlowTuple tuple;
  std::uint32_t first_s = 0;  // Unix seconds of the first packet
  std::uint32_t last_s = 0;   // and of the last
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  // IP total length (FL-25)
};

// Where a conversation stands. TCP walks through most of them, datagrams through three.
enum class FlowPhase : std::uint8_t {
  Free = 0,
  SynSent,      // SYN seen
  SynReceived,  // SYN and SYN-ACK seen (or SYNs of both sides)
  Established,
  FinWait,    // one side has closed
  Closing,    // both sides have sent FIN, not all acknowledged
  TimeWait,   // closed by FINs
  Closed,     // closed by RST: lingers so that late segments are told apart (CT-18)
  Single,     // UDP, ICMP, other: one direction, or one exchange (CT-12)
  Replied,    // UDP: a reply was seen
  Stream,     // UDP: more than one exchange (CT-20)
  Accounted,  // untracked: an entry only for the flow log (CT-29)
};

constexpr std::string_view name_of(FlowPhase phase) {
  constexpr std::array<std::string_view, 12> kNames = {
      "free",      "syn-sent", "syn-received", "established", "fin-wait", "closing",
      "time-wait", "closed",   "single",       "replied",     "stream",   "untracked"};
  return kNames[static_cast<std::size_t>(phase)];
}

// A flow as `flow list` shows it.
struct FlowView {
  FlowTuple tuple;
  WorkerIndex worker;
  FlowPhase phase = FlowPhase::Free;
  Direction initiator = Direction::Ingress;  // direction of the first packet
  bool tracked = true;
  RuleIndex rule;
  Generation generation;
  std::uint32_t idle_ms = 0;
  std::uint32_t expires_in_ms = 0;
};

// Something worth watching: flows that begin and end, packets that are dropped.
struct WatchEvent {
  enum class Kind : std::uint8_t { FlowBegin, FlowEnd, Drop };
  Kind kind = Kind::Drop;
  Direction direction = Direction::Ingress;
  DropReason reason = DropReason::None;
  bool has_tuple = false;  // false: dropped before it could be told apart; only nic and reason
  WorkerIndex worker;
  NicIndex nic;
  RuleIndex rule;
  FlowTuple tuple;
  std::uint32_t length = 0;  // bytes, IP total length where known
  UnixNanos time_ns = 0;
};

}  // namespace sluice
