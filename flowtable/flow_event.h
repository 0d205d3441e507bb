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
  std::uint8_t app = 0;                      // FlowState::app() when it was sent
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

inline constexpr std::size_t kFlowPhaseCount = static_cast<std::size_t>(FlowPhase::Accounted) + 1;

constexpr std::string_view name_of(FlowPhase phase) {
  constexpr std::array<std::string_view, kFlowPhaseCount> kNames = {
      "free",      "syn-sent", "syn-received", "established", "fin-wait", "closing",
      "time-wait", "closed",   "single",       "replied",     "stream",   "untracked"};
  return kNames[static_cast<std::size_t>(phase)];
}

// What the first bytes of a conversation told beside its application: the name that its client
// asked for, the fingerprint of its hello, the signature that matched. In place, so that who copies
// it asks the system for no memory. All zero: nothing. What most have lies in the first cache line.
struct FlowFacts {
  static constexpr std::size_t kNameMax = 253;  // RFC 1035 2.3.4, as text
  static constexpr std::size_t kJa4Size = 36;   // FoxIO, technical details JA4
  // Signatures are told by numbers below kSignatureNumbers (base/ids.h: SignatureIndex); those
  // that have a greater one are all told by kUnnamedSignature.
  static constexpr std::uint16_t kNoSignature = 0xffff;
  static constexpr std::uint16_t kUnnamedSignature = 0xfffe;
  static constexpr std::uint16_t kSignatureNumbers = 0xfffe;

  std::uint16_t signature_plus_one;
  std::uint8_t name_size;
  std::uint8_t ja4_size;
  std::array<char, kJa4Size> ja4_text;
  std::array<char, kNameMax> name_text;

  // Empty: nothing was asked for, or it is not remembered.
  std::string_view name() const { return {name_text.data(), name_size}; }
  std::string_view ja4() const { return {ja4_text.data(), ja4_size}; }
  std::uint16_t signature() const { return static_cast<std::uint16_t>(signature_plus_one - 1); }
  void set_signature(std::uint16_t number) {
    signature_plus_one = static_cast<std::uint16_t>(number + 1);
  }
  // What is longer is cut.
  void set_name(std::string_view text) { name_size = copy_into(name_text, text); }
  void set_ja4(std::string_view text) { ja4_size = copy_into(ja4_text, text); }
  // Nothing is known any more; the texts stay, and nobody sees them.
  void clear() { signature_plus_one = name_size = ja4_size = 0; }

 private:
  template <std::size_t kSize>
  static std::uint8_t copy_into(std::array<char, kSize>& place, std::string_view text) {
    return static_cast<std::uint8_t>(text.copy(place.data(), kSize));
  }
};

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
  std::uint8_t app = 0;     // FlowState::app()
  bool is_watched = false;  // its application is not known yet
  FlowFacts facts{};
  // What the flow log counts since the minute began or the flow was last reported, by Direction;
  // zero at interfaces without a flow log.
  std::array<std::uint32_t, 2> packets{};
  std::array<std::uint64_t, 2> bytes{};
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
  std::uint8_t app = 0;  // FlowState::app(), where there is a flow
  FlowFacts facts{};     // of a flow that ends
  FlowTuple tuple;
  std::uint32_t length = 0;  // bytes, IP total length where known
  UnixNanos time_ns = 0;
};

}  // namespace sluice
