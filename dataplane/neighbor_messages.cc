#include "dataplane/neighbor_messages.h"

#include <algorithm>
#include <cstring>

#include "dataplane/parse.h"
#include "dataplane/wire.h"

namespace sluice {
namespace {

constexpr std::uint8_t kDiscoveryHopLimit = 255;
constexpr MacAddr kBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
constexpr IpAddr kAllNodes = IpAddr::v6(0xff02000000000000u, 1);

IpAddr solicited_node(const IpAddr& target) {
  return IpAddr::v6(0xff02000000000000u, 0x1ff000000u | (target.low() & 0xffffffu));
}

// RFC 2464, 7.
MacAddr multicast_mac(const IpAddr& group) {
  MacAddr mac;
  mac.bytes = {0x33, 0x33};
  for (unsigned i = 0; i < 4; ++i) {
    mac.bytes[2 + i] = static_cast<std::uint8_t>(group.low() >> (24 - 8 * i));
  }
  return mac;
}

std::uint16_t discovery_checksum_sum(const std::uint8_t* network, std::size_t offset,
                                     std::size_t size) {
  const auto& ip = wire_at<Ipv6Header>(network);
  const std::span<const std::uint8_t, 32> addresses(ip.source, 32);
  return ones_sum({network + offset, size},
                  icmpv6_pseudo_sum(addresses, static_cast<std::uint32_t>(size)));
}

std::size_t fixed_size(std::uint8_t type) {
  switch (type) {
    case Icmpv6Type::kRouterSolicitation:
      return 8;
    case Icmpv6Type::kRouterAdvertisement:
      return 16;
    case Icmpv6Type::kRedirect:
      return 40;
    default:
      return sizeof(NeighborMessage);
  }
}

// Walks the options; takes the sender's MAC address from the option of type `wanted`.
bool take_options(std::span<const std::uint8_t> options, std::uint8_t wanted,
                  NeighborQuery& query) {
  std::size_t at = 0;
  while (at < options.size()) {
    if (at + 2 > options.size() || options[at + 1] == 0) return false;
    const std::size_t size = std::size_t{options[at + 1]} * 8;
    if (at + size > options.size()) return false;
    if (options[at] == wanted && size == sizeof(LinkLayerOption)) {
      query.sender_mac = wire_at<LinkLayerOption>(options.data() + at).mac;
      query.is_told = true;
    }
    at += size;
  }
  return true;
}

// RFC 4861, 7.1.1: a solicitation from nobody goes to the solicited-node group and tells no MAC.
bool is_sound_solicitation(const NeighborQuery& query, const IpAddr& destination) {
  if (query.target.is_multicast()) return false;
  if (!query.sender.is_unspecified()) return true;
  return destination == solicited_node(query.target) && !query.is_told;
}

// RFC 4861, 7.1.2.
bool is_sound_advertisement(const NeighborQuery& query, const IpAddr& destination,
                            std::uint32_t flags) {
  if (query.target.is_multicast()) return false;
  return !destination.is_multicast() || (flags & NeighborMessage::kSolicited) == 0;
}

void write_ipv6(Ipv6Header& ip, const IpAddr& source, const IpAddr& destination,
                std::uint16_t payload) {
  ip.version_class_label = Be32::from_host(0x60000000u);
  ip.payload_length = Be16::from_host(payload);
  ip.next = static_cast<std::uint8_t>(Proto::Icmpv6);
  ip.hop_limit = kDiscoveryHopLimit;
  source.to_wire16(ip.source);
  destination.to_wire16(ip.destination);
}

// Writes message and option behind the IPv6 header at `network`, checksum included.
void write_message(std::uint8_t* network, std::uint8_t type, std::uint32_t flags,
                   const IpAddr& target, const LinkLayerOption& option) {
  constexpr std::size_t kSize = sizeof(NeighborMessage) + sizeof(LinkLayerOption);
  auto& message = wire_at<NeighborMessage>(network + sizeof(Ipv6Header));
  message.type = type;
  message.code = 0;
  message.checksum = Be16::from_host(0);
  message.flags = Be32::from_host(flags);
  target.to_wire16(message.target);
  wire_at<LinkLayerOption>(network + sizeof(Ipv6Header) + sizeof(NeighborMessage)) = option;
  const std::uint16_t sum = discovery_checksum_sum(network, sizeof(Ipv6Header), kSize);
  message.checksum = Be16::from_host(static_cast<std::uint16_t>(~sum));
}

constexpr std::uint16_t kMessageSize = sizeof(NeighborMessage) + sizeof(LinkLayerOption);

void set_length(Frame& frame, std::size_t length) {
  frame.length = frame.contiguous = static_cast<std::uint32_t>(length);
}

}  // namespace

std::optional<NeighborQuery> read_arp(std::span<const std::uint8_t> frame,
                                      const PacketFacts& facts) {
  if (frame.size() < facts.network_offset + sizeof(ArpPacket)) return std::nullopt;
  const auto& arp = wire_at<ArpPacket>(frame.data() + facts.network_offset);
  if (arp.hardware_type.host() != 1 || arp.protocol_type.host() != EtherType::kIpv4 ||
      arp.hardware_size != 6 || arp.protocol_size != 4) {
    return std::nullopt;
  }
  NeighborQuery query;
  const std::uint16_t operation = arp.operation.host();
  if (operation != ArpPacket::kRequest && operation != ArpPacket::kReply) return std::nullopt;
  const bool is_reply = operation == ArpPacket::kReply;
  query.kind = is_reply ? NeighborQuery::Kind::Reply : NeighborQuery::Kind::Request;
  query.sender = IpAddr::v4(arp.sender.host());
  // What a reply tells is the sender's own address.
  query.target = IpAddr::v4(is_reply ? arp.sender.host() : arp.target.host());
  query.sender_mac = arp.sender_mac;
  query.is_told = true;
  const bool is_bad_sender = query.sender.is_multicast() || query.sender.is_limited_broadcast() ||
                             arp.sender_mac.is_group();
  if (is_bad_sender) return std::nullopt;
  return query;
}

std::optional<NeighborQuery> read_discovery(std::span<const std::uint8_t> frame,
                                            const PacketFacts& facts) {
  // The whole message must be readable: it is short, or it is not what it claims to be.
  if (facts.network_offset + facts.ip_length > frame.size()) return std::nullopt;
  const std::uint8_t* network = frame.data() + facts.network_offset;
  const std::size_t offset = std::size_t{facts.transport_words} * 4;
  const std::size_t size = facts.ip_length - offset;
  const std::uint8_t type = facts.icmp_type();
  const bool is_sound = wire_at<Ipv6Header>(network).hop_limit == kDiscoveryHopLimit &&
                        facts.icmp_code() == 0 && size >= fixed_size(type) &&
                        discovery_checksum_sum(network, offset, size) == 0xffff;
  if (!is_sound) return std::nullopt;

  NeighborQuery query;
  query.sender = facts.source();
  query.sender_mac = wire_at<EthernetHeader>(frame.data()).source;
  const std::uint8_t* message = network + offset;
  const bool is_advertisement = type == Icmpv6Type::kNeighborAdvertisement;
  const std::uint8_t wanted =
      is_advertisement ? LinkLayerOption::kTarget : LinkLayerOption::kSource;
  if (!take_options({message + fixed_size(type), size - fixed_size(type)}, wanted, query)) {
    return std::nullopt;
  }
  if (!is_advertisement && type != Icmpv6Type::kNeighborSolicitation) {
    query.kind = NeighborQuery::Kind::Router;
    return query;
  }
  const auto& neighbor = wire_at<NeighborMessage>(message);
  query.target = IpAddr::v6_from_wire(neighbor.target);
  query.kind = is_advertisement ? NeighborQuery::Kind::Reply : NeighborQuery::Kind::Request;
  const bool fits = is_advertisement
                        ? is_sound_advertisement(query, facts.destination(), neighbor.flags.host())
                        : is_sound_solicitation(query, facts.destination());
  if (!fits) return std::nullopt;
  return query;
}

void answer_arp(Frame& frame, const PacketFacts& facts, const MacAddr& mac) {
  auto& ethernet = wire_at<EthernetHeader>(frame.data);
  auto& arp = wire_at<ArpPacket>(frame.data + facts.network_offset);
  const Be32 asked = arp.target;
  ethernet.destination = ethernet.source;
  ethernet.source = mac;
  arp.operation = Be16::from_host(ArpPacket::kReply);
  arp.target_mac = arp.sender_mac;
  arp.target = arp.sender;
  arp.sender_mac = mac;
  arp.sender = asked;
}

bool answer_solicitation(Frame& frame, const PacketFacts& facts, const MacAddr& mac) {
  const std::size_t length = facts.network_offset + sizeof(Ipv6Header) + kMessageSize;
  if (frame.capacity < length) return false;
  std::uint8_t* network = frame.data + facts.network_offset;
  const auto& request = wire_at<NeighborMessage>(network + facts.transport_words * 4u);
  const IpAddr target = IpAddr::v6_from_wire(request.target);
  const bool is_probe = facts.source().is_unspecified();
  const IpAddr destination = is_probe ? kAllNodes : facts.source();
  auto& ethernet = wire_at<EthernetHeader>(frame.data);
  ethernet.destination = is_probe ? multicast_mac(kAllNodes) : ethernet.source;
  ethernet.source = mac;
  write_ipv6(wire_at<Ipv6Header>(network), target, destination, kMessageSize);
  const std::uint32_t flags = NeighborMessage::kRouter | NeighborMessage::kOverride |
                              (is_probe ? 0 : NeighborMessage::kSolicited);
  write_message(network, Icmpv6Type::kNeighborAdvertisement, flags, target,
                LinkLayerOption{LinkLayerOption::kTarget, 1, mac});
  set_length(frame, length);
  return true;
}

void write_arp_request(Frame& frame, const MacAddr& mac, const IpAddr& own, const IpAddr& target) {
  constexpr std::size_t kLength = sizeof(EthernetHeader) + sizeof(ArpPacket);
  auto& ethernet = wire_at<EthernetHeader>(frame.data);
  ethernet.destination = kBroadcast;
  ethernet.source = mac;
  ethernet.type = Be16::from_host(EtherType::kArp);
  auto& arp = wire_at<ArpPacket>(frame.data + sizeof(EthernetHeader));
  arp.hardware_type = Be16::from_host(1);
  arp.protocol_type = Be16::from_host(EtherType::kIpv4);
  arp.hardware_size = 6;
  arp.protocol_size = 4;
  arp.operation = Be16::from_host(ArpPacket::kRequest);
  arp.sender_mac = mac;
  arp.sender = Be32::from_host(own.v4_value());
  arp.target_mac = MacAddr{};
  arp.target = Be32::from_host(target.v4_value());
  // Ethernet's least frame without its checksum; tap devices do not pad.
  constexpr std::size_t kLeast = 60;
  std::memset(frame.data + kLength, 0, kLeast - kLength);
  set_length(frame, kLeast);
}

void write_solicitation(Frame& frame, const MacAddr& mac, const IpAddr& own, const IpAddr& target) {
  const IpAddr group = solicited_node(target);
  auto& ethernet = wire_at<EthernetHeader>(frame.data);
  ethernet.destination = multicast_mac(group);
  ethernet.source = mac;
  ethernet.type = Be16::from_host(EtherType::kIpv6);
  std::uint8_t* network = frame.data + sizeof(EthernetHeader);
  write_ipv6(wire_at<Ipv6Header>(network), own, group, kMessageSize);
  write_message(network, Icmpv6Type::kNeighborSolicitation, 0, target,
                LinkLayerOption{LinkLayerOption::kSource, 1, mac});
  set_length(frame, sizeof(EthernetHeader) + sizeof(Ipv6Header) + kMessageSize);
}

}  // namespace sluice
