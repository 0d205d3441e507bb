#include "dataplane/parse.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "base/limits.h"
#include "dataplane/plain_headers.h"
#include "dataplane/wire.h"

namespace sluice {
namespace {

constexpr std::uint8_t kWindowScaleMax = 14;  // RFC 7323, 2.3

// The rest of a packet: what may be read of it, and how long it says it is.
struct Part {
  std::span<const std::uint8_t> bytes;  // readable
  std::size_t size = 0;                 // by its length fields; may exceed bytes.size()

  bool holds(std::size_t count) const { return size >= count && bytes.size() >= count; }
  Part from(std::size_t offset) const {
    const std::size_t cut = std::min(offset, bytes.size());
    return Part{bytes.subspan(cut), size - std::min(offset, size)};
  }
};

bool is_icmp_query(Proto proto, std::uint8_t type) {
  if (proto == Proto::Icmpv6) return type == Icmpv6Type::kEcho || type == Icmpv6Type::kEchoReply;
  return type == IcmpType::kEcho || type == IcmpType::kEchoReply || (type >= 13 && type <= 18);
}

bool is_icmp_error(Proto proto, std::uint8_t type) {
  if (proto == Proto::Icmpv6) return type < 128;
  return type == IcmpType::kUnreachable || type == IcmpType::kSourceQuench ||
         type == IcmpType::kRedirect || type == IcmpType::kTimeExceeded ||
         type == IcmpType::kParameterProblem;
}

// The window scale option of a SYN, -1 if there is none. Stops quietly at what it cannot walk: a
// receiver ignores such options too.
std::int8_t find_window_scale(std::span<const std::uint8_t> options) {
  constexpr std::uint8_t kEnd = 0, kNop = 1, kScale = 3;
  std::size_t at = 0;
  while (at < options.size() && options[at] != kEnd) {
    if (options[at] == kNop) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size()) break;
    const std::size_t size = options[at + 1];
    if (size < 2 || at + size > options.size()) break;
    if (options[at] == kScale && size == 3) {
      return static_cast<std::int8_t>(std::min(options[at + 2], kWindowScaleMax));
    }
    at += size;
  }
  return -1;
}

DropReason parse_tcp(const Part& part, bool is_whole, PacketFacts& facts) {
  if (!part.holds(sizeof(TcpHeader))) return DropReason::MalformedTcp;
  const auto& tcp = wire_at<TcpHeader>(part.bytes.data());
  const std::size_t header_size = std::size_t{tcp.offset} / 16 * 4;
  if (header_size < sizeof(TcpHeader)) return DropReason::MalformedTcp;
  if (!part.holds(header_size)) return DropReason::MalformedTcp;
  facts.source_port = tcp.source_port.host();
  facts.destination_port = tcp.destination_port.host();
  facts.sequence = tcp.sequence.host();
  facts.acknowledgment = tcp.acknowledgment.host();
  facts.window = tcp.window.host();
  facts.tcp_flags = tcp.flags;
  if (is_whole) facts.payload_size = static_cast<std::uint16_t>(part.size - header_size);
  constexpr std::uint8_t kAnyOf = TcpFlags::kSyn | TcpFlags::kAck | TcpFlags::kRst;
  if ((tcp.flags & kAnyOf) == 0) return DropReason::MalformedTcpFlags;
  if ((tcp.flags & TcpFlags::kSyn) != 0) {
    if ((tcp.flags & (TcpFlags::kFin | TcpFlags::kRst)) != 0) return DropReason::MalformedTcpFlags;
    facts.window_scale =
        find_window_scale(part.bytes.subspan(sizeof(TcpHeader), header_size - sizeof(TcpHeader)));
  }
  return DropReason::None;
}

DropReason parse_udp(const Part& part, bool is_whole, PacketFacts& facts) {
  if (!part.holds(sizeof(UdpHeader))) return DropReason::MalformedUdp;
  const auto& udp = wire_at<UdpHeader>(part.bytes.data());
  facts.source_port = udp.source_port.host();
  facts.destination_port = udp.destination_port.host();
  const std::size_t length = udp.length.host();
  if (length < sizeof(UdpHeader)) return DropReason::MalformedUdp;
  // The length of a fragmented datagram rightly exceeds its first fragment.
  if (is_whole && length > part.size) return DropReason::MalformedUdp;
  return DropReason::None;
}

DropReason parse_icmp(const Part& part, PacketFacts& facts) {
  if (!part.holds(sizeof(IcmpHeader))) return DropReason::MalformedIcmp;
  const auto& icmp = wire_at<IcmpHeader>(part.bytes.data());
  facts.destination_port = static_cast<std::uint16_t>(icmp.type << 8 | icmp.code);
  if (is_icmp_query(facts.proto, icmp.type)) facts.source_port = icmp.identifier.host();
  if (is_icmp_error(facts.proto, icmp.type)) facts.bits |= PacketFacts::kIcmpError;
  if (facts.proto == Proto::Icmpv6 && facts.has(PacketFacts::kIpv6) && is_discovery(icmp.type)) {
    facts.bits |= PacketFacts::kNeighbor;
    // RFC 6980: neighbour discovery is never fragmented.
    if (facts.has(PacketFacts::kFragment)) return DropReason::MalformedNeighborDiscovery;
  }
  return DropReason::None;
}

DropReason parse_transport(const Part& part, PacketFacts& facts) {
  const bool is_whole = !facts.has(PacketFacts::kFragment);
  DropReason reason = DropReason::None;
  if (facts.proto == Proto::Tcp) {
    reason = parse_tcp(part, is_whole, facts);
    if (reason == DropReason::MalformedTcp && !is_whole) return DropReason::FragmentTiny;
  } else if (facts.proto == Proto::Udp) {
    reason = parse_udp(part, is_whole, facts);
    if (!is_whole && !part.holds(sizeof(UdpHeader))) return DropReason::FragmentTiny;
  } else if (is_icmp(facts.proto)) {
    reason = parse_icmp(part, facts);
    if (reason == DropReason::MalformedIcmp && !is_whole) return DropReason::FragmentTiny;
  }
  return reason;
}

bool ipv4_options_are_sound(std::span<const std::uint8_t> options) {
  constexpr std::uint8_t kEnd = 0, kNop = 1;
  std::size_t at = 0;
  while (at < options.size() && options[at] != kEnd) {
    if (options[at] == kNop) {
      ++at;
      continue;
    }
    if (at + 1 >= options.size()) return false;
    const std::size_t size = options[at + 1];
    if (size < 2 || at + size > options.size()) return false;
    at += size;
  }
  return true;
}

void take_ipv4_addresses(const Ipv4Header& ip, PacketFacts& facts) {
  facts.bits |= PacketFacts::kIpv4;
  facts.source_low = ip.source.host();
  facts.destination_low = ip.destination.host();
  facts.proto = static_cast<Proto>(ip.proto);
}

DropReason parse_ipv4(const Part& frame, PacketFacts& facts) {
  if (!frame.holds(sizeof(Ipv4Header))) return DropReason::MalformedTruncated;
  const auto& ip = wire_at<Ipv4Header>(frame.bytes.data());
  const std::size_t header_size = std::size_t{ip.version_ihl & 15u} * 4;
  const std::size_t total = ip.total_length.host();
  if (ip.version_ihl >> 4 != 4 || header_size < sizeof(Ipv4Header) || total < header_size) {
    return DropReason::MalformedIpv4Header;
  }
  take_ipv4_addresses(ip, facts);
  facts.ip_length = static_cast<std::uint32_t>(total);
  facts.transport_words = static_cast<std::uint8_t>(header_size / 4);
  if (total > frame.size || header_size > frame.bytes.size()) return DropReason::MalformedTruncated;
  if (ones_sum(frame.bytes.first(header_size)) != 0xffff) return DropReason::MalformedIpv4Checksum;
  const auto options = frame.bytes.subspan(sizeof(Ipv4Header), header_size - sizeof(Ipv4Header));
  if (!ipv4_options_are_sound(options)) return DropReason::MalformedIpv4Options;

  const Part part = Part{frame.bytes, total}.from(header_size);
  const std::uint16_t fragment = ip.fragment.host();
  const std::uint16_t offset = fragment & Ipv4Header::kOffsetMask;
  const bool more = (fragment & Ipv4Header::kMoreFragments) != 0;
  if (offset != 0 || more) {
    facts.bits |= PacketFacts::kFragment | (more ? PacketFacts::kMoreFragments : 0);
    facts.fragment_id = ip.id.host();
    facts.fragment_offset = static_cast<std::uint16_t>(offset * 8);
    facts.payload_size = static_cast<std::uint16_t>(part.size);
    if (offset != 0) return DropReason::None;
  }
  return parse_transport(part, facts);
}

// Where the walk over extension headers stands.
struct Ipv6Walk {
  Part part;              // what lies behind the headers walked so far
  std::uint8_t next = 0;  // what it is
  unsigned headers = 0;
  std::size_t bytes = 0;
  bool is_later_fragment = false;
};

enum class ExtensionKind : std::uint8_t { Options, Routing, Fragment, Unknown, Upper };

ExtensionKind extension_kind(std::uint8_t next) {
  switch (next) {
    case static_cast<std::uint8_t>(Proto::HopByHop):
    case static_cast<std::uint8_t>(Proto::DestinationOptions):
      return ExtensionKind::Options;
    case static_cast<std::uint8_t>(Proto::Ipv6Route):
      return ExtensionKind::Routing;
    case static_cast<std::uint8_t>(Proto::Ipv6Fragment):
      return ExtensionKind::Fragment;
    case 135:  // mobility, host identity, shim6, experiments: extension headers by IANA
    case 139:
    case 140:
    case 253:
    case 254:
      return ExtensionKind::Unknown;
    default:
      return ExtensionKind::Upper;
  }
}

DropReason take_fragment_header(Ipv6Walk& walk, PacketFacts& facts) {
  const auto& header = wire_at<Ipv6FragmentHeader>(walk.part.bytes.data());
  const std::uint16_t offset = header.offset.host() & Ipv6FragmentHeader::kOffsetMask;
  const bool more = (header.offset.host() & Ipv6FragmentHeader::kMore) != 0;
  walk.next = header.next;
  walk.part = walk.part.from(sizeof(Ipv6FragmentHeader));
  if (offset == 0 && !more) return DropReason::None;  // a whole packet (RFC 6946)
  facts.bits |= PacketFacts::kFragment | (more ? PacketFacts::kMoreFragments : 0);
  facts.fragment_id = header.id.host();
  facts.fragment_offset = offset;
  facts.payload_size = static_cast<std::uint16_t>(walk.part.size);
  walk.is_later_fragment = offset != 0;
  return DropReason::None;
}

// Steps over one extension header.
DropReason step_extension(Ipv6Walk& walk, ExtensionKind kind, PacketFacts& facts) {
  if (kind == ExtensionKind::Unknown) return DropReason::Ipv6UnknownHeader;
  if (walk.part.size < sizeof(Ipv6Extension)) return DropReason::MalformedIpv6Extension;
  if (!walk.part.holds(sizeof(Ipv6Extension))) return DropReason::Ipv6HeaderChain;
  const auto& header = wire_at<Ipv6Extension>(walk.part.bytes.data());
  if (kind == ExtensionKind::Routing) {
    return header.type == 0 ? DropReason::Ipv6RoutingHeader : DropReason::Ipv6UnknownHeader;
  }
  const bool is_fragment = kind == ExtensionKind::Fragment;
  const std::size_t size = is_fragment ? 8 : (std::size_t{header.length} + 1) * 8;
  ++walk.headers;
  walk.bytes += size;
  if (walk.part.size < size) return DropReason::MalformedIpv6Extension;
  if (walk.headers > kIpv6ExtensionsMax || walk.bytes > kIpv6ExtensionBytesMax) {
    return DropReason::Ipv6HeaderChain;
  }
  if (!walk.part.holds(size)) return DropReason::Ipv6HeaderChain;
  if (is_fragment) return take_fragment_header(walk, facts);
  // Hop-by-hop options stand right behind the IPv6 header or nowhere (RFC 8200, 4.1).
  if (walk.next == 0 && walk.headers > 1) return DropReason::MalformedIpv6Extension;
  walk.next = header.next;
  walk.part = walk.part.from(size);
  return DropReason::None;
}

void take_ipv6_addresses(const Ipv6Header& ip, PacketFacts& facts) {
  const IpAddr source = IpAddr::v6_from_wire(ip.source);
  const IpAddr destination = IpAddr::v6_from_wire(ip.destination);
  facts.bits |= PacketFacts::kIpv6;
  facts.source_high = source.high();
  facts.source_low = source.low();
  facts.destination_high = destination.high();
  facts.destination_low = destination.low();
}

// Walks the extension headers; on success facts.proto and transport_words are set.
DropReason walk_extensions(Ipv6Walk& walk, PacketFacts& facts) {
  bool has_fragment_header = false;
  while (!walk.is_later_fragment) {
    const ExtensionKind kind = extension_kind(walk.next);
    if (kind == ExtensionKind::Upper) break;
    if (kind == ExtensionKind::Fragment) {
      if (has_fragment_header) return DropReason::FragmentMalformed;
      has_fragment_header = true;
    }
    const DropReason reason = step_extension(walk, kind, facts);
    if (reason == DropReason::None) continue;
    // RFC 7112: the first fragment holds the whole chain.
    const bool is_cut = reason == DropReason::MalformedIpv6Extension;
    return is_cut && facts.has(PacketFacts::kFragment) ? DropReason::FragmentTiny : reason;
  }
  facts.proto = static_cast<Proto>(walk.next);
  facts.transport_words = static_cast<std::uint8_t>((sizeof(Ipv6Header) + walk.bytes) / 4);
  return DropReason::None;
}

DropReason parse_ipv6(const Part& frame, PacketFacts& facts) {
  if (!frame.holds(sizeof(Ipv6Header))) return DropReason::MalformedTruncated;
  const auto& ip = wire_at<Ipv6Header>(frame.bytes.data());
  if (ip.version_class_label.host() >> 28 != 6) return DropReason::MalformedIpv6Header;
  take_ipv6_addresses(ip, facts);
  const std::size_t total = sizeof(Ipv6Header) + ip.payload_length.host();
  facts.ip_length = static_cast<std::uint32_t>(total);
  if (total > frame.size) return DropReason::MalformedTruncated;
  Ipv6Walk walk;
  walk.part = Part{frame.bytes, total}.from(sizeof(Ipv6Header));
  walk.next = ip.next;
  const DropReason reason = walk_extensions(walk, facts);
  if (reason != DropReason::None || walk.is_later_fragment) return reason;
  return parse_transport(walk.part, facts);
}

bool is_vlan(std::uint16_t type) {
  return type == EtherType::kVlan || type == EtherType::kServiceVlan;
}

// Ports or ICMP type of a quote: the first eight bytes of its transport header are enough.
bool take_quoted_ports(std::span<const std::uint8_t> bytes, PacketFacts& quote) {
  if (has_ports(quote.proto)) {
    if (bytes.size() < 4) return false;
    quote.source_port = wire_at<Be16>(bytes.data()).host();
    quote.destination_port = wire_at<Be16>(bytes.data() + 2).host();
  } else if (is_icmp(quote.proto)) {
    if (bytes.size() < sizeof(IcmpHeader)) return false;
    const auto& icmp = wire_at<IcmpHeader>(bytes.data());
    quote.destination_port = static_cast<std::uint16_t>(icmp.type << 8 | icmp.code);
    if (is_icmp_query(quote.proto, icmp.type)) quote.source_port = icmp.identifier.host();
    if (is_icmp_error(quote.proto, icmp.type)) return false;
  }
  return true;
}

bool take_quoted_ipv4(std::span<const std::uint8_t> bytes, PacketFacts& quote) {
  if (bytes.size() < sizeof(Ipv4Header)) return false;
  const auto& ip = wire_at<Ipv4Header>(bytes.data());
  const std::size_t header_size = std::size_t{ip.version_ihl & 15u} * 4;
  if (ip.version_ihl >> 4 != 4 || header_size < sizeof(Ipv4Header)) return false;
  if (header_size > bytes.size()) return false;
  if ((ip.fragment.host() & Ipv4Header::kOffsetMask) != 0) return false;
  take_ipv4_addresses(ip, quote);
  return take_quoted_ports(bytes.subspan(header_size), quote);
}

bool take_quoted_ipv6(std::span<const std::uint8_t> bytes, PacketFacts& quote) {
  if (bytes.size() < sizeof(Ipv6Header)) return false;
  const auto& ip = wire_at<Ipv6Header>(bytes.data());
  if (ip.version_class_label.host() >> 28 != 6) return false;
  take_ipv6_addresses(ip, quote);
  Ipv6Walk walk;
  walk.part = Part{bytes, bytes.size()}.from(sizeof(Ipv6Header));
  walk.next = ip.next;
  if (walk_extensions(walk, quote) != DropReason::None || walk.is_later_fragment) return false;
  return take_quoted_ports(walk.part.bytes, quote);
}

std::uint32_t header_size_of(const TcpHeader& tcp) { return tcp.offset / 16u * 4; }

// Sound, whole, and neither the first of its connection nor of flags that no TCP sends.
bool is_plain_tcp(const TcpHeader& tcp, std::size_t size, std::size_t readable) {
  constexpr std::uint8_t kAckOrRst = TcpFlags::kAck | TcpFlags::kRst;
  const std::uint32_t header_size = header_size_of(tcp);
  return header_size >= sizeof(TcpHeader) && header_size <= size && header_size <= readable &&
         (tcp.flags & kAckOrRst) != 0 && (tcp.flags & TcpFlags::kSyn) == 0;
}

bool is_sound_length(const UdpHeader& udp, std::size_t size) {
  const std::size_t length = udp.length.host();
  return length >= sizeof(UdpHeader) && length <= size;
}

// What nearly every packet is: IPv4 without options or VLAN, whole, TCP beyond its SYN or UDP, and
// sound. Reads each field once and writes all facts in one go. False: parse_frame() has to look.
bool parse_plain(std::span<const std::uint8_t> contiguous, std::uint32_t frame_length,
                 PacketFacts& facts) {
  constexpr std::size_t kIp = sizeof(EthernetHeader);
  constexpr std::size_t kTransport = kIp + sizeof(Ipv4Header);
  if (contiguous.size() < kTransport + sizeof(TcpHeader)) return false;
  const std::uint8_t* frame = contiguous.data();
  const auto& ip = wire_at<Ipv4Header>(frame + kIp);
  const std::uint32_t total = ip.total_length.host();
  const bool is_plain = wire_at<EthernetHeader>(frame).type.host() == EtherType::kIpv4 &&
                        ip.version_ihl == 0x45 &&
                        (ip.fragment.host() & Ipv4Header::kInPieces) == 0 &&
                        total <= frame_length - kIp && has_right_sum(ip);
  if (!is_plain || total < sizeof(Ipv4Header) + sizeof(UdpHeader)) return false;
  const std::uint32_t left = total - sizeof(Ipv4Header);
  const auto& tcp = wire_at<TcpHeader>(frame + kTransport);
  const auto& udp = wire_at<UdpHeader>(frame + kTransport);
  const Proto proto = static_cast<Proto>(ip.proto);
  const bool is_tcp = proto == Proto::Tcp;
  if (is_tcp ? !is_plain_tcp(tcp, left, contiguous.size() - kTransport)
             : proto != Proto::Udp || !is_sound_length(udp, left)) {
    return false;
  }
  facts.source_high = facts.destination_high = 0;
  facts.source_low = ip.source.host();
  facts.destination_low = ip.destination.host();
  facts.sequence = is_tcp ? tcp.sequence.host() : 0;
  facts.acknowledgment = is_tcp ? tcp.acknowledgment.host() : 0;
  facts.fragment_id = 0;
  facts.ip_length = total;
  facts.source_port = udp.source_port.host();  // TCP has its ports there, too
  facts.destination_port = udp.destination_port.host();
  facts.window = is_tcp ? tcp.window.host() : std::uint16_t{0};
  facts.payload_size = static_cast<std::uint16_t>(is_tcp ? left - header_size_of(tcp) : 0);
  facts.fragment_offset = 0;
  facts.network_offset = kIp;
  facts.transport_words = sizeof(Ipv4Header) / 4;
  facts.proto = proto;
  facts.tcp_flags = is_tcp ? tcp.flags : std::uint8_t{0};
  facts.window_scale = -1;
  facts.bits = PacketFacts::kIpv4;
  return true;
}

}  // namespace

DropReason parse_frame(std::span<const std::uint8_t> contiguous, std::uint32_t frame_length,
                       PacketFacts& facts) {
  if (parse_plain(contiguous, frame_length, facts)) [[likely]]
    return DropReason::None;
  facts = PacketFacts{};
  facts.window_scale = -1;
  Part frame{contiguous, frame_length};
  if (!frame.holds(sizeof(EthernetHeader))) return DropReason::MalformedEthernet;
  std::uint16_t type = wire_at<EthernetHeader>(contiguous.data()).type.host();
  std::size_t offset = sizeof(EthernetHeader);
  for (unsigned tags = 0; is_vlan(type); ++tags) {
    if (tags == kVlanTagsMax) return DropReason::MalformedVlan;
    if (!frame.holds(offset + sizeof(VlanTag))) return DropReason::MalformedVlan;
    type = wire_at<VlanTag>(contiguous.data() + offset).type.host();
    offset += sizeof(VlanTag);
  }
  facts.network_offset = static_cast<std::uint8_t>(offset);
  if (type == EtherType::kIpv4) return parse_ipv4(frame.from(offset), facts);
  if (type == EtherType::kIpv6) return parse_ipv6(frame.from(offset), facts);
  if (type == EtherType::kArp) facts.bits = PacketFacts::kArp;
  return DropReason::None;
}

std::optional<PacketFacts> parse_quote(std::span<const std::uint8_t> contiguous,
                                       const PacketFacts& facts) {
  // The quote ends with the IP packet; Ethernet's padding is none of it.
  const std::size_t end =
      std::min<std::size_t>(contiguous.size(), facts.network_offset + facts.ip_length);
  const std::size_t begin = facts.transport_offset() + sizeof(IcmpHeader);
  if (begin >= end) return std::nullopt;
  const auto bytes = contiguous.subspan(begin, end - begin);
  PacketFacts quote{};
  quote.window_scale = -1;
  const bool is_sound = facts.has(PacketFacts::kIpv6) ? take_quoted_ipv6(bytes, quote)
                                                      : take_quoted_ipv4(bytes, quote);
  if (!is_sound) return std::nullopt;
  return quote;
}

std::uint16_t ones_sum(std::span<const std::uint8_t> bytes, std::uint32_t sum) {
  std::uint64_t total = sum;
  std::size_t at = 0;
  for (; at + 1 < bytes.size(); at += 2) total += wire_at<Be16>(bytes.data() + at).host();
  if (at < bytes.size()) total += std::uint64_t{bytes[at]} << 8;
  while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
  return static_cast<std::uint16_t>(total);
}

std::uint32_t icmpv6_pseudo_sum(std::span<const std::uint8_t, 32> addresses, std::uint32_t size) {
  return std::uint32_t{ones_sum(addresses)} + (size >> 16) + (size & 0xffff) +
         static_cast<std::uint32_t>(Proto::Icmpv6);
}

void decrement_ttl(std::uint8_t* frame, const PacketFacts& facts) {
  std::uint8_t* network = frame + facts.network_offset;
  if (facts.has(PacketFacts::kIpv6)) {
    --wire_at<Ipv6Header>(network).hop_limit;
  } else {
    decrement_ttl(wire_at<Ipv4Header>(network));
  }
}

}  // namespace sluice
