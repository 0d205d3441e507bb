#pragma once

// What one turn of a worker did, in units that are counted where they are done, and the most of
// each that it may do. A packet never waits for more than this, whoever floods whom: established
// connections cost none of it but their own place in a burst, so whatever else comes with them in a
// turn is bounded by the number of packets and by the budgets below, not by the size of a table.
//
//      unit        what it costs                       where it is counted
//      packets     a way through the pipeline          Worker::turn
//      visited     a flow the timer wheel looks at     FlowShard::expire
//      looked      a flow looked at to make room       FlowTable::longest_idle, choose_victim
//      asked       a question put to the rules         VerdictCache, and where decide_identified()
//                                                      is called
//      rejudged    a flow that a policy change is      judge_again
//                  after, asked about anew
//      opened      a sealed packet, for the name in    stage_identify
//                  it; microseconds each
//      swept       a flow, or a slot of refusals, that  LogSweep
//                  the log sweep looks at
//      reported    a record for the flow log           report_delta
//
// After a change that judges all flows anew (`--existing reevaluate`) each is judged when its own
// next packet comes or its timer rings, never all at once: the rate is that of packets, and a new
// connection that comes in the same burst waits for one question of each packet before it, as ever.
//
// Worker thread only; read between turns.

#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace sluice {

inline constexpr std::size_t kExpiredPerTurn = 64;   // flows that the wheel looks at
inline constexpr std::size_t kSweptPerTurn = 512;    // slots that the log sweep looks at
inline constexpr std::size_t kSettledPerTurn = 8;    // flows whose time to be identified is over
inline constexpr std::size_t kFlushedPerTurn = 64;   // slots of a flush; each may be judged again
inline constexpr std::uint32_t kOpenedPerTurn = 16;  // sealed packets; half of one interface

struct TurnWork {
  std::uint64_t packets = 0;
  std::uint64_t visited = 0;
  std::uint64_t looked = 0;
  std::uint64_t asked = 0;
  std::uint64_t rejudged = 0;
  std::uint64_t opened = 0;
  std::uint64_t swept = 0;
  std::uint64_t reported = 0;

  // Two ends of a packet; at each the interface's share, its allowance and the worker's share may
  // each ask two buckets of eight for a flow that makes room. Where one has gone the table has
  // room, and asks none; else it asks once.
  static constexpr std::uint64_t kMadeRoomPerEnd = 3;
  static constexpr std::uint64_t kLookedPerPacket = 2 * kMadeRoomPerEnd * 16;
  // A flow that is judged anew asks once more where its application is known.
  static constexpr std::uint64_t kAskedPerJudgement = 2;
  // At each end at most six: of an ICMP error three about what it quotes and three about itself; of
  // others five (a flow that is judged anew and is over, both directions of its packet, and what
  // that turns out to be).
  static constexpr std::uint64_t kAskedPerPacket = 2 * 6;
  // At each end: the packet's flow, and the one that an ICMP error quotes.
  static constexpr std::uint64_t kRejudgedPerPacket = 2 * 2;
  // At each end: two of the flow itself, two of each that makes room, or one of a refusal and one
  // that it takes the place of.
  static constexpr std::uint64_t kReportedPerPacket = 2 * (2 + 2 * kMadeRoomPerEnd + 2);

  // The bound of a turn that worked on so many packets; `sources`: devices, inboxes of other
  // workers, and the fragment table, each of which gives one burst.
  static constexpr TurnWork most(std::uint64_t sources, std::uint64_t packets) {
    TurnWork bound;
    bound.packets = sources * kBurstMax;
    bound.visited = kExpiredPerTurn;
    bound.looked = packets * kLookedPerPacket;
    const std::uint64_t settled = kExpiredPerTurn + kSettledPerTurn + kFlushedPerTurn;
    bound.asked = packets * kAskedPerPacket + settled * kAskedPerJudgement;
    bound.rejudged = packets * kRejudgedPerPacket + settled;
    bound.opened = kOpenedPerTurn;
    bound.swept = kSweptPerTurn;
    bound.reported = packets * kReportedPerPacket + 2 * (settled + kSweptPerTurn);
    return bound;
  }
};

}  // namespace sluice
