#include "dataplane/stage_fragments.h"

#include <array>

#include "base/check.h"
#include "base/flow_hash.h"
#include "dataplane/flow_report.h"
#include "dataplane/stage_locate.h"

namespace sluice {
namespace {

FragmentKey key_of(const Burst& burst, std::size_t i) {
  const PacketFacts& facts = burst.facts[i];
  FragmentKey key;
  key.source = facts.source();
  key.destination = facts.destination();
  key.id = facts.fragment_id;
  key.nic = burst.packets[i].in.value();
  key.proto = facts.has(PacketFacts::kIpv6) ? Proto::NoNext : facts.proto;
  return key;
}

FragmentPiece piece_of(const PacketFacts& facts) {
  FragmentPiece piece;
  piece.offset = facts.fragment_offset;
  piece.size = facts.payload_size;
  piece.last = !facts.has(PacketFacts::kMoreFragments);
  piece.proto = facts.proto;
  piece.source_port = facts.source_port;
  piece.destination_port = facts.destination_port;
  return piece;
}

// Which worker's table knows the train.
std::uint32_t table_owner(const WorkerContext& context, const PacketFacts& facts) {
  const std::array<std::uint64_t, 5> words = {facts.source_high, facts.source_low,
                                              facts.destination_high, facts.destination_low,
                                              facts.fragment_id};
  const std::uint64_t hash = keyed_hash(context.config.key, words);
  return static_cast<std::uint32_t>((hash >> 32) * context.config.worker_count >> 32);
}

// A packet of nobody on a bump in the wire is not ours to hold, nor is one whose source is a lie or
// whose frame is for another station: locate() drops that, and until then it must not take the room
// of others.
bool is_ours(WorkerContext& context, const Burst& burst, std::size_t i) {
  if (context.policy == nullptr || is_spoofed(context, burst, i)) return false;
  if (is_for_other_station(context, burst, i)) return false;
  const NicRole role = context.nic(burst.packets[i].in).config.role;
  if (role == NicRole::Interface || role == NicRole::Uplink) return true;
  const PacketFacts& facts = burst.facts[i];
  return context.addresses.owner_of(facts.source()) != nullptr ||
         context.addresses.owner_of(facts.destination()) != nullptr;
}

void lend(Burst& burst, std::size_t i, const FragmentHint& hint) {
  burst.packets[i].hint = hint;
  PacketFacts& facts = burst.facts[i];
  facts.proto = hint.proto;
  facts.source_port = hint.source_port;
  facts.destination_port = hint.destination_port;
  burst.packets[i].part = hint.is_refused ? FragmentPart::Refused : FragmentPart::Follower;
}

void obey(WorkerContext& context, Burst& burst, std::size_t i, const FragmentAnswer& answer) {
  switch (answer.kind) {
    case FragmentAnswer::Kind::Judge:
      burst.packets[i].part = FragmentPart::First;
      return;
    case FragmentAnswer::Kind::Follow:
      lend(burst, i, follower_hint(answer));
      return;
    case FragmentAnswer::Kind::Hold:
      burst.packets[i].fate = Fate::Hold;
      return;
    case FragmentAnswer::Kind::Drop:
      drop(context, burst, i, answer.reason);
      return;
  }
}

void ask_table(WorkerContext& context, Burst& burst, std::size_t i) {
  // Where there is no place left the table, which has as many, refuses those that would have to
  // wait; all others need none.
  const HeldIndex place = context.held.put({burst.frames[i], burst.packets[i].in});
  const FragmentAnswer answer =
      context.fragments.add(key_of(burst, i), piece_of(burst.facts[i]), place, burst.now.tick_ms);
  const bool is_held = answer.kind == FragmentAnswer::Kind::Hold;
  CHECK(!is_held || place != kNoHeld);
  if (!is_held && place != kNoHeld) context.held.take(place);
  obey(context, burst, i, answer);
}

// A follower that came the way of its first one, which was judged here.
FragmentHint hint_by_verdict(const WorkerContext& context, const Burst& burst, std::size_t i) {
  FragmentHint hint = burst.packets[i].hint;
  const auto verdict = context.first_verdicts.find(key_of(burst, i), burst.now.tick_ms);
  hint.is_refused = !verdict || !verdict->passed;
  hint.is_related = verdict && verdict->related;
  return hint;
}

bool passed_as_related(const Burst& burst, std::size_t i) {
  const auto& ends = burst.packets[i].ends;
  return ends[0].by == By::Related || ends[1].by == By::Related;
}

// A first fragment that the parser dropped (tiny, or malformed behind the IP header) condemns its
// train: who waits for it waits in vain.
void refuse_train(WorkerContext& context, Burst& burst, std::size_t i) {
  const PacketFacts& facts = burst.facts[i];
  const bool is_first = facts.fragment_offset == 0 && !burst.packets[i].hint.is_judged;
  if (!is_first || !is_ours(context, burst, i)) return;
  if (table_owner(context, facts) != context.config.index.value()) return;
  const FragmentKey key = key_of(burst, i);
  const auto answer = context.fragments.add(key, piece_of(facts), kNoHeld, burst.now.tick_ms);
  if (answer.kind != FragmentAnswer::Kind::Judge) return;
  context.fragments.set_verdict(key, false, burst.now.tick_ms,
                                note_of_first(WorkerIndex::none(), false));
}

}  // namespace

bool condemn_elsewhere(WorkerContext& context, Burst& burst, std::size_t i) {
  const PacketFacts& facts = burst.facts[i];
  const bool is_first = facts.has(PacketFacts::kFragment) && facts.fragment_offset == 0;
  if (context.config.worker_count <= 1 || !is_first || burst.packets[i].hint.is_judged)
    return false;
  const std::uint32_t owner = table_owner(context, facts);
  if (owner == context.config.index.value() || !is_ours(context, burst, i)) return false;
  hand_over(context, burst, i, owner);
  return true;
}

void fragments(WorkerContext& context, Burst& burst) {
  if ((burst.bits & PacketFacts::kFragment) == 0) return;
  for (std::size_t i = 0; i < burst.count; ++i) {
    if (!burst.facts[i].has(PacketFacts::kFragment)) continue;
    if (!burst.is_pending(i)) {
      refuse_train(context, burst, i);
      continue;
    }
    const FragmentHint hint = burst.packets[i].hint;
    if (hint.is_judged) {
      const bool is_of_ours = hint.owner == context.config.index;
      if (hint.is_follower) lend(burst, i, is_of_ours ? hint_by_verdict(context, burst, i) : hint);
      continue;
    }
    if (!is_ours(context, burst, i)) continue;
    if (context.config.worker_count > 1) {
      const std::uint32_t owner = table_owner(context, burst.facts[i]);
      if (owner != context.config.index.value()) {
        hand_over(context, burst, i, owner);
        continue;
      }
    }
    ask_table(context, burst, i);
  }
}

void refuse_follower(WorkerContext& context, Burst& burst, std::size_t i) {
  const auto& ends = burst.packets[i].ends;
  const Direction under_way = burst.direction;
  for (const Direction direction : {Direction::Egress, Direction::Ingress}) {
    if (!ends[static_cast<std::size_t>(direction)].present) continue;
    burst.direction = direction;
    refuse(context, burst, i, DropReason::FragmentRefused, By::None);
    burst.direction = under_way;
    return;
  }
  drop(context, burst, i, DropReason::FragmentRefused);
}

void settle_fragments(WorkerContext& context, Burst& burst) {
  if ((burst.bits & PacketFacts::kFragment) == 0) return;
  for (std::size_t i = 0; i < burst.count; ++i) {
    const PacketFacts& facts = burst.facts[i];
    const bool is_first = facts.has(PacketFacts::kFragment) && facts.fragment_offset == 0;
    if (!is_first) continue;
    const PacketState& packet = burst.packets[i];
    // Nothing is rewritten yet: the key is as it was when the table was asked.
    const bool is_related = passed_as_related(burst, i);
    if (packet.hint.is_judged) {
      const FirstVerdict verdict{packet.fate == Fate::Pending, is_related};
      context.first_verdicts.put(key_of(burst, i), verdict, burst.now.tick_ms);
    } else if (packet.part == FragmentPart::First) {
      const bool passed = packet.fate == Fate::Pending || packet.fate == Fate::Handoff;
      context.fragments.set_verdict(key_of(burst, i), passed, burst.now.tick_ms,
                                    note_of_first(packet.hint.owner, is_related));
    }
  }
}

void hand_over(WorkerContext& context, Burst& burst, std::size_t i, std::uint32_t owner) {
  PacketState& packet = burst.packets[i];
  Handoff handoff;
  handoff.frame = burst.frames[i];
  handoff.nic = packet.in;
  handoff.fragment = packet.hint;
  if (packet.part != FragmentPart::Whole) {
    handoff.fragment.is_judged = true;
    handoff.fragment.is_follower = packet.part == FragmentPart::Follower;
    handoff.fragment.owner = WorkerIndex(static_cast<std::uint16_t>(owner));
    handoff.fragment.proto = burst.facts[i].proto;
    handoff.fragment.source_port = burst.facts[i].source_port;
    handoff.fragment.destination_port = burst.facts[i].destination_port;
  }
  SpscRing<Handoff>* ring =
      owner < context.links.outbox.size() ? context.links.outbox[owner] : nullptr;
  if (ring == nullptr || !ring->try_push(handoff)) {
    drop(context, burst, i, DropReason::HandoffFull);
    return;
  }
  packet.fate = Fate::Handoff;
  packet.hint.owner = WorkerIndex(static_cast<std::uint16_t>(owner));
  context.counters.worker.handed_over.add(1);
}

}  // namespace sluice
