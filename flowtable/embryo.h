#pragma once

// Conversations that nobody has answered yet. Whoever forges addresses can begin any number of
// them, so they have no more than a share of the room: of the whole table, and of an interface's
// allowance. What was answered is never asked to make room for them.
//
//      |<------------------- room ------------------->|
//      |<- half open ->|                               a quarter: TCP before it is established
//      |<----------- unanswered ---------->|           three quarters: UDP, ICMP, others
//
// So a flood of SYNs leaves three quarters to the rest, and one of datagrams a quarter. Small rooms
// have no shares: up to kUnsharedMax of each kind are always let in.

#include <algorithm>
#include <cstdint>

#include "base/proto.h"
#include "flowtable/flow_state.h"

namespace sluice {

enum class Embryo : std::uint8_t { None, HalfOpen, Unanswered };
inline constexpr std::size_t kEmbryoKinds = 3;

// Of a tracked flow; untracked ones have no share in anything (CT-29).
inline Embryo embryo_of(const FlowState& state) {
  switch (state.flow_phase()) {
    case FlowPhase::SynSent:
    case FlowPhase::SynReceived:
      return Embryo::HalfOpen;
    case FlowPhase::Single:
      return state.has(FlowState::kReplySeen) ? Embryo::None : Embryo::Unanswered;
    case FlowPhase::Free:
    case FlowPhase::Established:
    case FlowPhase::FinWait:
    case FlowPhase::Closing:
    case FlowPhase::TimeWait:
    case FlowPhase::Closed:
    case FlowPhase::Replied:
    case FlowPhase::Stream:
    case FlowPhase::Accounted:
      return Embryo::None;
  }
  return Embryo::None;
}

// What every tracked flow is when begin_flow() has made it.
constexpr Embryo embryo_of_first(Proto proto) {
  return proto == Proto::Tcp ? Embryo::HalfOpen : Embryo::Unanswered;
}

// How many of the kind a room for so many flows takes; never more than the room.
constexpr std::uint32_t embryo_share(Embryo kind, std::uint32_t room) {
  constexpr std::uint32_t kUnsharedMax = 16;
  const std::uint32_t least = std::min(room, kUnsharedMax);
  switch (kind) {
    case Embryo::HalfOpen:
      return std::max(room / 4, least);
    case Embryo::Unanswered:
      return std::max(room - room / 4, least);
    case Embryo::None:
      return room;
  }
  return room;
}

// A worker's part of a number that all workers share: flows are spread over them evenly. Rounded
// up, so that a small allowance is none for nobody.
constexpr std::uint32_t share_of_worker(std::uint32_t all, std::uint32_t worker_count) {
  return all / worker_count + (all % worker_count != 0 ? 1 : 0);
}

}  // namespace sluice
