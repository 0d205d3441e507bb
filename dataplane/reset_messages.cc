#include "dataplane/reset_messages.h"

#include <cstring>
#include <utility>

#include "dataplane/parse.h"
#include "dataplane/stage_emit.h"
#include "dataplane/wire.h"

namespace sluice {
namespace {

constexpr std::uint8_t kHopLimit = 64;

std::uint16_t complement(std::uint16_t sum) { return static_cast<std::uint16_t>(~sum); }

// Of the pseudo header: RFC 9293, 3.1, and RFC 8200, 8.1. Both sums are of the same words.
std::uint32_t pseudo_sum(std::span<const std::uint8_t> addresses) {
  std::uint32_t sum = static_cast<std::uint32_t>(Proto::Tcp) + sizeof(TcpHeader);
  for (std::size_t i = 0; i + 1 < addresses.size(); i += 2) {
    sum += std::uint32_t{addresses[i]} << 8 | addresses[i + 1];
  }
  return sum;
}

void write_ipv4(std::uint8_t* at, const std::uint8_t* old, bool to_sender) {
  const auto& before = wire_at<Ipv4Header>(old);
  auto& header = wire_at<Ipv4Header>(at);
  std::memset(at, 0, sizeof(Ipv4Header));
  header.version_ihl = 0x45;
  header.total_length = Be16::from_host(sizeof(Ipv4Header) + sizeof(TcpHeader));
  header.fragment = Be16::from_host(0x4000);  // do not fragment
  header.ttl = kHopLimit;
  header.proto = static_cast<std::uint8_t>(Proto::Tcp);
  header.source = to_sender ? before.destination : before.source;
  header.destination = to_sender ? before.source : before.destination;
  header.checksum = Be16::from_host(complement(ones_sum({at, sizeof(Ipv4Header)}, 0)));
}

void write_ipv6(std::uint8_t* at, const std::uint8_t* old, bool to_sender) {
  const auto& before = wire_at<Ipv6Header>(old);
  auto& header = wire_at<Ipv6Header>(at);
  header.version_class_label = Be32::from_host(0x60000000u);
  header.payload_length = Be16::from_host(sizeof(TcpHeader));
  header.next = static_cast<std::uint8_t>(Proto::Tcp);
  header.hop_limit = kHopLimit;
  std::memcpy(header.source, to_sender ? before.destination : before.source, 16);
  std::memcpy(header.destination, to_sender ? before.source : before.destination, 16);
}

// To the sender: its acknowledgment says which number it expects next. To the receiver: the
// segment's own number, with its acknowledgment.
void write_tcp(std::uint8_t* at, const PacketFacts& facts, bool to_sender) {
  auto& header = wire_at<TcpHeader>(at);
  std::memset(at, 0, sizeof(TcpHeader));
  const std::uint16_t source = to_sender ? facts.destination_port : facts.source_port;
  const std::uint16_t destination = to_sender ? facts.source_port : facts.destination_port;
  header.source_port = Be16::from_host(source);
  header.destination_port = Be16::from_host(destination);
  header.sequence = Be32::from_host(to_sender ? facts.acknowledgment : facts.sequence);
  header.acknowledgment =
      Be32::from_host(to_sender ? facts.sequence + facts.payload_size : facts.acknowledgment);
  header.offset = sizeof(TcpHeader) / 4 << 4;
  header.flags = TcpFlags::kRst | TcpFlags::kAck;
}

void send_reset(WorkerContext& context, const Burst& burst, std::size_t i, bool to_sender) {
  const PacketState& packet = burst.packets[i];
  const NicIndex out = to_sender ? packet.in : packet.out;
  const bool goes_nowhere = !to_sender && packet.undeliverable != DropReason::None;
  Frame frame;
  if (goes_nowhere || !context.io.allocate(frame)) return;
  const Frame& old = burst.frames[i];
  const std::size_t size = write_reset({old.data, old.contiguous}, burst.facts[i], to_sender,
                                       {frame.data, frame.capacity});
  if (size == 0) {
    context.io.release(std::span(&frame, 1));
    return;
  }
  frame.contiguous = frame.length = static_cast<std::uint32_t>(size);
  if (!to_sender && packet.is_rewritten) {
    auto& ethernet = wire_at<EthernetHeader>(frame.data);
    ethernet.destination = packet.destination_mac;
    ethernet.source = context.nic(out).mac;
  }
  emit_generated(context, out, frame);
}

}  // namespace

std::size_t write_reset(std::span<const std::uint8_t> frame, const PacketFacts& facts,
                        bool to_sender, std::span<std::uint8_t> out) {
  const bool is_v4 = facts.has(PacketFacts::kIpv4);
  const std::size_t link_size = facts.network_offset;
  const std::size_t ip_size = is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  const std::size_t size = link_size + ip_size + sizeof(TcpHeader);
  if (size > out.size() || link_size + ip_size > frame.size()) return 0;
  std::memcpy(out.data(), frame.data(), link_size);
  if (to_sender && link_size >= sizeof(EthernetHeader)) {
    auto& ethernet = wire_at<EthernetHeader>(out.data());
    std::swap(ethernet.source, ethernet.destination);
  }
  std::uint8_t* ip = out.data() + link_size;
  std::uint8_t* tcp = ip + ip_size;
  (is_v4 ? write_ipv4 : write_ipv6)(ip, frame.data() + link_size, to_sender);
  write_tcp(tcp, facts, to_sender);
  const std::size_t addresses_at =
      is_v4 ? offsetof(Ipv4Header, source) : offsetof(Ipv6Header, source);
  const std::span<const std::uint8_t> addresses(ip + addresses_at, is_v4 ? 8u : 32u);
  const std::uint16_t sum = ones_sum({tcp, sizeof(TcpHeader)}, pseudo_sum(addresses));
  wire_at<TcpHeader>(tcp).checksum = Be16::from_host(complement(sum));
  return size;
}

void send_resets(WorkerContext& context, const Burst& burst, std::size_t i) {
  send_reset(context, burst, i, true);
  send_reset(context, burst, i, false);
}

}  // namespace sluice
