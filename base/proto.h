#pragma once

// Numbers of the wire that have names: IP protocols, TCP flags, ICMP types.

#include <cstdint>

namespace sluice {

// IANA protocol numbers. Any other value of 0-255 is an ordinary value too.
enum class Proto : std::uint8_t {
  HopByHop = 0,
  Icmp = 1,
  Tcp = 6,
  Udp = 17,
  Ipv6Route = 43,
  Ipv6Fragment = 44,
  Esp = 50,
  Ah = 51,
  Icmpv6 = 58,
  NoNext = 59,
  DestinationOptions = 60,
};

// True for the two protocols whose rules name ports (SG-12).
constexpr bool has_ports(Proto proto) { return proto == Proto::Tcp || proto == Proto::Udp; }
// True for the two protocols whose rules name type and code (SG-14, SG-15).
constexpr bool is_icmp(Proto proto) { return proto == Proto::Icmp || proto == Proto::Icmpv6; }

// TCP flag bits as they lie in byte 13 of the header (RFC 9293, 3.1).
struct TcpFlags {
  static constexpr std::uint8_t kFin = 0x01;
  static constexpr std::uint8_t kSyn = 0x02;
  static constexpr std::uint8_t kRst = 0x04;
  static constexpr std::uint8_t kPsh = 0x08;
  static constexpr std::uint8_t kAck = 0x10;
  static constexpr std::uint8_t kUrg = 0x20;
  static constexpr std::uint8_t kEce = 0x40;
  static constexpr std::uint8_t kCwr = 0x80;
};

struct IcmpType {
  static constexpr std::uint8_t kEchoReply = 0;
  static constexpr std::uint8_t kUnreachable = 3;
  static constexpr std::uint8_t kSourceQuench = 4;
  static constexpr std::uint8_t kRedirect = 5;
  static constexpr std::uint8_t kEcho = 8;
  static constexpr std::uint8_t kTimeExceeded = 11;
  static constexpr std::uint8_t kParameterProblem = 12;
};

struct Icmpv6Type {
  static constexpr std::uint8_t kUnreachable = 1;
  static constexpr std::uint8_t kPacketTooBig = 2;
  static constexpr std::uint8_t kTimeExceeded = 3;
  static constexpr std::uint8_t kParameterProblem = 4;
  static constexpr std::uint8_t kEcho = 128;
  static constexpr std::uint8_t kEchoReply = 129;
  static constexpr std::uint8_t kRouterSolicitation = 133;
  static constexpr std::uint8_t kRouterAdvertisement = 134;
  static constexpr std::uint8_t kNeighborSolicitation = 135;
  static constexpr std::uint8_t kNeighborAdvertisement = 136;
  static constexpr std::uint8_t kRedirect = 137;
};

// Neighbour and router discovery and redirects (RFC 4861).
constexpr bool is_discovery(std::uint8_t icmpv6_type) {
  return icmpv6_type >= Icmpv6Type::kRouterSolicitation && icmpv6_type <= Icmpv6Type::kRedirect;
}

}  // namespace sluice
