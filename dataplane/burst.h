#pragma once

// Up to 64 packets side by side, from the poll to the last stage: what each is, what was said about
// it at each end, and what becomes of it.
//
// Packets of one burst are simultaneous: none can be the answer to another, because nothing of the
// burst has been sent yet. Where that does not hold (both directions of a conversation arrive by
// one device), the pipeline cuts the burst into stretches, see pipeline.h.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/address.h"
#include "base/clock.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/verdict.h"
#include "dataplane/fragment_hint.h"
#include "dataplane/packet_facts.h"
#include "dataplane/packet_io.h"
#include "flowtable/flow_shard.h"
#include "lookup/policy_snapshot.h"

namespace sluice {

// What becomes of a packet. A stage skips packets that are not Pending.
enum class Fate : std::uint8_t {
  Pending,  // still under way; whoever reaches emit so is forwarded
  Drop,     // `reason` says why
  Consume,  // ARP and neighbour discovery: kept, nothing is sent
  Answer,   // ARP and neighbour discovery: turned into its answer, goes back where it came from
  Hold,     // a fragment that waits for its first one; comes again in a later burst
  Handoff,  // given to the worker that owns its flow
};

// How a packet takes part in a fragmented datagram.
enum class FragmentPart : std::uint8_t {
  Whole,
  First,     // its verdict is the others' too
  Follower,  // ports are lent by the first; passes only where the first did
  Refused,   // a follower whose first was refused: locate() says where it is, and refuses it
};

// What was said at one end of the packet's way: at the interface it comes from (Egress) or at the
// one it goes to (Ingress). Only where `present`.
struct EndResult {
  const InterfaceRow* row = nullptr;  // of the policy under way
  EniIndex eni;
  RuleIndex rule;  // that allowed; none otherwise
  Verdict verdict = Verdict::None;
  By by = By::None;
  DropReason reason = DropReason::None;
  bool present = false;
  std::uint8_t app = 0;  // FlowState::app(), told where there is an observer
};

struct PacketState {
  Fate fate = Fate::Pending;
  DropReason reason = DropReason::None;
  FragmentPart part = FragmentPart::Whole;
  // Why it goes no further, though it is judged where it comes from as on its way: a host that
  // scans addresses which nobody owns shows in its interface's log as the rules have it.
  DropReason undeliverable = DropReason::None;
  bool takes_ttl = false;     // crosses an uplink
  bool is_rewritten = false;  // destination_mac replaces the frame's
  FragmentHint hint;
  NicIndex in;
  NicIndex out;
  MacAddr destination_mac;
  std::array<EndResult, 2> ends;  // by Direction
};

// What the stages of one end tell each other about a packet.
struct EndMarks {
  bool is_new_flow = false;  // made by this very packet
  bool is_related = false;   // ICMP error about a live or allowed flow
  bool leaves_flow = false;  // passes, but does not count as activity
  bool is_one_way = false;   // its flow goes by the name of one_way_tuple_of()
  bool is_watched = false;   // its flow is not judged yet: identify() looks at it
  // Of a watched TCP flow: the number of the first byte that its sender has not sent before.
  std::uint32_t next_sequence = 0;
};

struct Burst {
  std::size_t count = 0;
  Moment now;
  NicIndex in;            // by which all of them came; none where each tells for itself
  std::size_t taken = 0;  // by express(), out of it: behind the `count` that are left
  std::array<Frame, kBurstMax> frames;
  std::array<PacketFacts, kBurstMax> facts;
  std::array<PacketState, kBurstMax> packets;

  // The stretch and the end that stages of one end work on.
  std::size_t begin = 0;
  std::size_t end = 0;
  Direction direction = Direction::Egress;
  // What judged() names.
  std::size_t judged_count = 0;
  std::array<std::uint8_t, kBurstMax> judged_places;
  bool has_new_flows = false;  // some flow was made in this stretch: who found none looks again
  bool has_watched = false;    // some packet of this end is_watched

  // Whether there is anything to do for a stage at all.
  std::uint8_t bits = 0;           // PacketFacts::bits of all packets together
  std::array<bool, 2> has_ends{};  // by Direction: some packet has this end

  std::array<std::uint64_t, kBurstMax> hashes;  // owner_hash() of the conversation
  // Of the end under way.
  std::array<FlowName, kBurstMax> names;
  std::array<FlowState*, kBurstMax> flows;          // null: none
  std::array<std::uint64_t, kBurstMax> end_hashes;  // owner_hash() of the flow's tuple
  std::array<EndMarks, kBurstMax> marks;

  EndResult& end_of(std::size_t i) { return packets[i].ends[static_cast<std::size_t>(direction)]; }
  const EndResult& end_of(std::size_t i) const {
    return packets[i].ends[static_cast<std::size_t>(direction)];
  }
  bool is_pending(std::size_t i) const { return packets[i].fate == Fate::Pending; }
  // True if some interface has to judge the packet.
  bool has_end(std::size_t i) const {
    return is_pending(i) && (packets[i].ends[0].present || packets[i].ends[1].present);
  }
  // True if the packet is to be judged at the end under way.
  bool is_judged(std::size_t i) const {
    return is_pending(i) && packets[i].ends[static_cast<std::size_t>(direction)].present;
  }
  // The packets to be judged at the end under way, as the stages of this end found them; one of
  // them may have dropped some since.
  std::span<const std::uint8_t> judged() const {
    return std::span(judged_places).first(judged_count);
  }
  // What the packet's verdict is when the pipeline has finished with it: Drop, else Accept where
  // some interface judged it, else None (no interface of ours, not IP, ARP).
  Verdict verdict_of(std::size_t i) const {
    if (packets[i].fate == Fate::Drop) return Verdict::Drop;
    return packets[i].ends[0].present || packets[i].ends[1].present ? Verdict::Accept
                                                                    : Verdict::None;
  }
  // False while the packet waits (Hold, Handoff): it comes again.
  bool is_finished(std::size_t i) const {
    return packets[i].fate != Fate::Hold && packets[i].fate != Fate::Handoff;
  }
};

}  // namespace sluice
