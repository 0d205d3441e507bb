#include "dataplane/stage_receive.h"

#include <array>

#include "dataplane/flow_report.h"
#include "dataplane/parse.h"

namespace sluice {
namespace {

void begin_burst(WorkerContext& context, Burst& burst) {
  burst.count = burst.taken = 0;
  burst.in = NicIndex::none();
  burst.now = context.clock.moment();
  burst.begin = burst.end = 0;
  burst.direction = Direction::Egress;
  burst.has_new_flows = false;
  burst.bits = 0;
  burst.has_ends = {};
}

PacketState& add_packet(Burst& burst, const Frame& frame, NicIndex nic) {
  const std::size_t i = burst.count++;
  burst.frames[i] = frame;
  burst.packets[i] = PacketState{};
  burst.packets[i].in = nic;
  return burst.packets[i];
}

// `is_over`: nobody judges them any more.
void take_back(WorkerContext& context, Burst& burst,
               std::span<const FragmentTable::Released> released, bool is_over) {
  for (const auto& entry : released) {
    const HeldPacket held = context.held.take(entry.held);
    PacketState& packet = add_packet(burst, held.frame, held.nic);
    packet.hint = follower_hint(entry.answer);
    const bool follows = entry.answer.kind == FragmentAnswer::Kind::Follow;
    // A refused one is dropped where its ends are found.
    if (follows && !is_over) continue;
    const std::size_t i = burst.count - 1;
    parse_frame({held.frame.data, held.frame.contiguous}, held.frame.length, burst.facts[i]);
    if (!follows) {
      drop(context, burst, i, entry.answer.reason);
    } else {
      const bool would_pass = entry.answer.first_passed;
      drop(context, burst, i, would_pass ? DropReason::Stopped : DropReason::FragmentRefused);
    }
  }
}

}  // namespace

void receive(WorkerContext& context, Burst& burst, NicIndex nic) {
  begin_burst(context, burst);
  burst.count = context.io.receive(nic, burst.frames);
  burst.in = nic;
  if (burst.count == 0) return;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < burst.count; ++i) bytes += burst.frames[i].length;
  auto& tallies = context.counters.nic(nic);
  tallies.rx_packets.add(burst.count);
  tallies.rx_bytes.add(bytes);
}

void receive_handed_over(WorkerContext& context, Burst& burst, SpscRing<Handoff>& inbox) {
  begin_burst(context, burst);
  HandedOver& handed = context.handed_over;
  if (handed.is_empty()) {
    handed.begin = 0;
    handed.end = inbox.pop(handed.items);
  }
  bool has_first = false;
  for (; !handed.is_empty(); ++handed.begin) {
    const Handoff& next = handed.items[handed.begin];
    // Only the next burst knows what became of it.
    if (has_first && next.fragment.is_follower) return;
    has_first = has_first || (next.fragment.is_judged && !next.fragment.is_follower);
    add_packet(burst, next.frame, next.nic).hint = next.fragment;
  }
}

void receive_released(WorkerContext& context, Burst& burst) {
  begin_burst(context, burst);
  if (context.held.size() == 0) return;
  std::array<FragmentTable::Released, kBurstMax> released;
  const std::size_t count = context.fragments.release(burst.now.tick_ms, released);
  take_back(context, burst, std::span(released).first(count), false);
}

void receive_abandoned(WorkerContext& context, Burst& burst) {
  begin_burst(context, burst);
  if (context.held.size() == 0) return;
  std::array<FragmentTable::Released, kBurstMax> released;
  const std::size_t count = context.fragments.release_all(released);
  take_back(context, burst, std::span(released).first(count), true);
}

}  // namespace sluice
