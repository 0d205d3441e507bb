#pragma once

// Where a TCP connection may stand and what moves it on: one table, [phase][side][event].
//
//                 SYN              SYN-ACK, or SYN of the peer          ACK
//      (none) ---------> SynSent ----------------------> SynReceived ---------> Established
//         |                 \                                 |                  |
//         | ACK (mid-stream) `----------> SynReceived         | FIN              | FIN of one side
//         `-------------------------------^                   v                  v
//                                                          FinWait <-------------'
//                                                             | FIN of the other side
//                                                             v    both FINs acknowledged
//                                                          Closing -----------------> TimeWait
//
//      any --- RST at the exact sequence number ---> Closed
//      TimeWait, Closed --- clean SYN ---> (none): judged as a first packet
//
// Sides: the original one sent the first packet, the other one replies. track() finds which event a
// packet is, by its flags and by what the flow remembers; whether its numbers make it count at all
// is asked before (tcp_window.h).
// A flow picked up in its middle waits in SynReceived until the other side has been heard, whatever
// the first side sends: one side alone makes nothing that lasts.
// SYNs of an open connection are challenges (RFC 5961, section 4): they pass and move nothing,
// until the peer answers one by a SYN-ACK of a new connection, which takes the entry over.
// Simultaneous open (RFC 9293, 3.5) and the split handshake are the paths by SYNs of both sides.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/proto.h"
#include "flowtable/flow_event.h"

namespace sluice {

enum class TcpSide : std::uint8_t { Original, Reply };

enum class TcpEvent : std::uint8_t {
  Syn,       // SYN alone
  SynAck,    // SYN with ACK
  Ack,       // neither SYN, FIN nor RST
  Fin,       // the first FIN of this side
  FinAgain,  // a FIN of a side that has sent one
  LastAck,   // ACK or FinAgain by which both FINs are now acknowledged
  Rst,       // RST at the exact sequence number
};
inline constexpr std::size_t kTcpEventCount = 7;

// What the table answers.
enum class TcpStep : std::uint8_t {
  Stay,     // the packet passes, the phase remains
  Invalid,  // no TCP sends this here: the packet is dropped
  Reopen,   // forget the flow, judge the packet as a first one
  ToSynReceived,
  ToEstablished,
  ToFinWait,
  ToClosing,
  ToTimeWait,
  ToClosed,
};

namespace tcp_table {

using enum TcpStep;
using Row = std::array<TcpStep, kTcpEventCount>;
using Sides = std::array<Row, 2>;

// Free and the phases of datagrams never reach the table.
inline constexpr Sides kNoTcp = {{{Invalid, Invalid, Invalid, Invalid, Invalid, Invalid, Invalid},
                                  {Invalid, Invalid, Invalid, Invalid, Invalid, Invalid, Invalid}}};

// Order of phases: FlowPhase. Order of columns: TcpEvent.
// clang-format off
inline constexpr std::array<Sides, 12> kSteps = {{
    kNoTcp,  // Free
    // SynSent. A plain ACK of the reply side is a host that remembers an older connection; its
    // peer answers with RST, so it must pass (RFC 9293, 3.5.1). ACK and FIN of the original side
    // pass because the way back may lead past us (CT-30).
    {{//  Syn            SynAck         Ack            Fin        FinAgain  LastAck     Rst
        {Stay,          Invalid,       Stay,          Stay,      Stay,     Stay,       ToClosed},
        {ToSynReceived, ToSynReceived, Stay,          Invalid,   Invalid,  Invalid,    ToClosed}}},
    // SynReceived.
    {{  {Stay,          Stay,          ToEstablished, ToFinWait, Stay,     Stay,       ToClosed},
        {Stay,          Stay,          ToEstablished, ToFinWait, Stay,     Stay,       ToClosed}}},
    // Established.
    {{  {Stay,          Stay,          Stay,          ToFinWait, Stay,     Stay,       ToClosed},
        {Stay,          Stay,          Stay,          ToFinWait, Stay,     Stay,       ToClosed}}},
    // FinWait: Fin is the other side's. LastAck comes here if FINs were sent before any answer.
    {{  {Stay,          Stay,          Stay,          ToClosing, Stay,     ToTimeWait, ToClosed},
        {Stay,          Stay,          Stay,          ToClosing, Stay,     ToTimeWait, ToClosed}}},
    // Closing.
    {{  {Stay,          Stay,          Stay,          Stay,      Stay,     ToTimeWait, ToClosed},
        {Stay,          Stay,          Stay,          Stay,      Stay,     ToTimeWait, ToClosed}}},
    // TimeWait.
    {{  {Reopen,        Invalid,       Stay,          Stay,      Stay,     Stay,       ToClosed},
        {Reopen,        Invalid,       Stay,          Stay,      Stay,     Stay,       ToClosed}}},
    // Closed.
    {{  {Reopen,        Invalid,       Invalid,       Invalid,   Invalid,  Invalid,    Invalid},
        {Reopen,        Invalid,       Invalid,       Invalid,   Invalid,  Invalid,    Invalid}}},
    kNoTcp,  // Single
    kNoTcp,  // Replied
    kNoTcp,  // Stream
    kNoTcp,  // Accounted
}};
// clang-format on

}  // namespace tcp_table

constexpr TcpStep tcp_step(FlowPhase phase, TcpSide side, TcpEvent event) {
  return tcp_table::kSteps[static_cast<std::size_t>(phase)][static_cast<std::size_t>(side)]
                          [static_cast<std::size_t>(event)];
}

// The phase that a step leads to; Free for the steps that name none.
constexpr FlowPhase phase_after(TcpStep step) {
  switch (step) {
    case TcpStep::ToSynReceived:
      return FlowPhase::SynReceived;
    case TcpStep::ToEstablished:
      return FlowPhase::Established;
    case TcpStep::ToFinWait:
      return FlowPhase::FinWait;
    case TcpStep::ToClosing:
      return FlowPhase::Closing;
    case TcpStep::ToTimeWait:
      return FlowPhase::TimeWait;
    case TcpStep::ToClosed:
      return FlowPhase::Closed;
    case TcpStep::Stay:
    case TcpStep::Invalid:
    case TcpStep::Reopen:
      return FlowPhase::Free;
  }
  return FlowPhase::Free;
}

// True for the combinations that no TCP sends: none of SYN, ACK, RST; SYN with FIN or RST
// (product, section 11).
constexpr bool tcp_flags_are_impossible(std::uint8_t flags) {
  constexpr std::uint8_t kOneOf = TcpFlags::kSyn | TcpFlags::kAck | TcpFlags::kRst;
  const bool syn = (flags & TcpFlags::kSyn) != 0;
  return (flags & kOneOf) == 0 || (syn && (flags & (TcpFlags::kFin | TcpFlags::kRst)) != 0);
}

// A SYN that may begin or reopen a connection; ECN bits and data are allowed with it.
constexpr bool is_clean_syn(std::uint8_t flags) {
  constexpr std::uint8_t kAsked = TcpFlags::kSyn | TcpFlags::kAck | TcpFlags::kRst | TcpFlags::kFin;
  return (flags & kAsked) == TcpFlags::kSyn;
}

}  // namespace sluice
