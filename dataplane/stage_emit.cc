#include "dataplane/stage_emit.h"

#include <array>
#include <span>

#include "dataplane/flow_report.h"
#include "dataplane/parse.h"
#include "dataplane/stage_express.h"
#include "dataplane/wire.h"

namespace sluice {
namespace {

// Bytes of the frame that count against the MTU: all behind its headers, since what trails the
// packet is sent too.
std::uint32_t network_size(const Burst& burst, std::size_t i) {
  const PacketFacts& facts = burst.facts[i];
  const std::uint32_t header = facts.is_ip() ? facts.network_offset : sizeof(EthernetHeader);
  return burst.frames[i].length < header ? 0 : burst.frames[i].length - header;
}

void make_ready(WorkerContext& context, Burst& burst, std::size_t i) {
  const PacketState& packet = burst.packets[i];
  if (packet.undeliverable != DropReason::None) {
    return drop(context, burst, i, packet.undeliverable);
  }
  const NicInfo& out = context.nic(packet.out);
  if (!is_up(out)) return drop(context, burst, i, DropReason::LinkDown);
  if (network_size(burst, i) > out.mtu) return drop(context, burst, i, DropReason::TooBig);
  std::uint8_t* frame = burst.frames[i].data;
  if (packet.takes_ttl) decrement_ttl(frame, burst.facts[i]);
  if (packet.is_rewritten) {
    auto& ethernet = wire_at<EthernetHeader>(frame);
    ethernet.destination = packet.destination_mac;
    ethernet.source = out.mac;
  }
}

void add_to_batch(WorkerContext& context, const Burst& burst, std::size_t i, NicIndex out) {
  TransmitBatch& batch = context.batches[out.value()];
  batch.packets[batch.count] = static_cast<std::uint8_t>(i);
  batch.frames[batch.count++] = burst.frames[i];
}

void count_sent(NicTallies& tallies, std::span<const Frame> frames) {
  std::uint64_t bytes = 0;
  for (const Frame& frame : frames) bytes += frame.length;
  tallies.tx_packets.add(frames.size());
  tallies.tx_bytes.add(bytes);
}

// Of frame k of the batch, in the burst.
std::size_t place_of(const WorkerContext& context, Burst& burst, const TransmitBatch& batch,
                     std::size_t k) {
  const std::size_t packet = batch.is_burst ? k | TransmitBatch::kTaken : batch.packets[k];
  if ((packet & TransmitBatch::kTaken) == 0) return packet;
  const std::size_t came_at = packet - TransmitBatch::kTaken;
  const Frame frame = batch.is_burst ? burst.frames[k] : batch.frames[k];
  // Where all were taken their frames lie in the burst; else there is room behind the others.
  const std::size_t i = batch.is_burst ? k : burst.count;
  describe_taken(context, burst, came_at, i, frame);
  return i;
}

void send_batch(WorkerContext& context, Burst& burst, NicIndex out) {
  TransmitBatch& batch = context.batches[out.value()];
  const auto frames =
      std::span<const Frame>(batch.is_burst ? burst.frames : batch.frames).first(batch.count);
  const std::size_t sent = context.io.send(out, frames);
  count_sent(context.counters.nic(out), frames.first(sent));
  for (std::size_t k = sent; k < batch.count; ++k) {
    drop(context, burst, place_of(context, burst, batch, k), DropReason::TransmitFull);
  }
  if (sent < batch.count) context.io.release(frames.subspan(sent));
  batch.count = 0;
  batch.is_burst = false;
}

// All packets, those that were taken too.
void show(BurstObserver& observer, Burst& burst) {
  const std::size_t count = burst.count;
  burst.count += burst.taken;
  observer.finished(burst);
  burst.count = count;
}

}  // namespace

void emit(WorkerContext& context, Burst& burst) {
  for (std::size_t i = 0; i < burst.count; ++i) {
    if (burst.is_pending(i)) make_ready(context, burst, i);
  }
  if (context.config.observer != nullptr) show(*context.config.observer, burst);
  TransmitBatch& kept = context.kept;
  for (std::size_t i = 0; i < burst.count; ++i) {
    const PacketState& packet = burst.packets[i];
    switch (packet.fate) {
      case Fate::Pending:
        add_to_batch(context, burst, i, packet.out);
        break;
      case Fate::Answer:
        context.counters.nic(packet.in).consumed.add(1);
        context.counters.nic(packet.in).generated.add(1);
        add_to_batch(context, burst, i, packet.in);
        break;
      case Fate::Consume:
        context.counters.nic(packet.in).consumed.add(1);
        kept.frames[kept.count++] = burst.frames[i];
        break;
      case Fate::Drop:
        kept.frames[kept.count++] = burst.frames[i];
        break;
      case Fate::Hold:
      case Fate::Handoff:
        break;
    }
  }
  if (kept.count > 0) context.io.release(std::span(kept.frames).first(kept.count));
  kept.count = 0;
  for (std::size_t nic = 0; nic < context.batches.size(); ++nic) {
    if (context.batches[nic].count == 0) continue;
    send_batch(context, burst, NicIndex(static_cast<std::uint16_t>(nic)));
  }
}

void emit_generated(WorkerContext& context, NicIndex nic, const Frame& frame) {
  auto& tallies = context.counters.nic(nic);
  tallies.generated.add(1);
  const auto frames = std::span(&frame, 1);
  const bool is_link_up = is_up(context.nic(nic));
  if (is_link_up && context.io.send(nic, frames) == 1) {
    count_sent(tallies, frames);
    return;
  }
  const DropReason reason = is_link_up ? DropReason::TransmitFull : DropReason::LinkDown;
  tallies.drops[static_cast<std::size_t>(reason)].add(1);
  context.io.release(frames);
}

}  // namespace sluice
