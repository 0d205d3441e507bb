#pragma once

// What nearly every frame is, told by a few loads of its headers, each where it always lies: no
// VLAN tag, IPv4 without options or IPv6 without extension headers, whole, TCP or UDP.
//
//      0            12     14                          34 or 54
//      +------------+------+---------------------------+------------------+
//      | addresses  | type | IPv4 (20) or IPv6 (40)    | TCP or UDP       |
//      +------------+------+---------------------------+------------------+
//
// parse.h says the same of such frames, and all there is to say of others. Pure; reads nothing
// beyond what the frame says may be read.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/address.h"
#include "base/proto.h"
#include "dataplane/packet_io.h"
#include "dataplane/wire.h"

namespace sluice {

// Some bytes of a frame at once, and constants to compare them with, in the processor's order.
template <class Word>
[[gnu::always_inline]] inline Word load_bytes(const std::uint8_t* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}
constexpr std::uint32_t as_word(std::array<std::uint8_t, 4> bytes) {
  return std::bit_cast<std::uint32_t>(bytes);
}

// Of a header without options: the ones' complement sum does not mind the order of bytes.
[[gnu::always_inline]] inline bool has_right_sum(const Ipv4Header& ip) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&ip);
  const auto first = load_bytes<std::uint64_t>(bytes);
  const auto last = load_bytes<std::uint32_t>(bytes + 16);
  std::uint64_t sum = first + load_bytes<std::uint64_t>(bytes + 8);
  sum += sum < first ? 1 : 0;
  sum += last;
  sum += sum < last ? 1 : 0;
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}

// The transport headers of one family behind its network header.
template <Family kFamily>
struct PlainFrame {
  using Network = std::conditional_t<kFamily == Family::Ipv4, Ipv4Header, Ipv6Header>;
  static constexpr std::size_t kNetwork = sizeof(EthernetHeader);
  static constexpr std::size_t kTransport = kNetwork + sizeof(Network);

  const Frame& frame;

  const std::uint8_t* bytes() const { return frame.data; }
  const Network& network() const { return wire_at<Network>(bytes() + kNetwork); }
  const TcpHeader& tcp() const { return wire_at<TcpHeader>(bytes() + kTransport); }
  const UdpHeader& udp() const { return wire_at<UdpHeader>(bytes() + kTransport); }

  // True if the network header is sound and has two ports behind it. Everything below requires it.
  [[gnu::always_inline]] bool has_ports() const {
    constexpr std::size_t kReadable = kTransport + sizeof(UdpHeader);
    if (frame.contiguous < kReadable) return false;
    if constexpr (kFamily == Family::Ipv4) {
      if (!is_ipv4()) return false;
    } else {
      constexpr std::uint32_t kSix = as_word({0x86, 0xdd, 0x60, 0});
      if ((load_bytes<std::uint32_t>(bytes() + 12) & as_word({0xff, 0xff, 0xf0, 0})) != kSix) {
        return false;
      }
    }
    const std::uint32_t total = ip_length();
    return total >= sizeof(Network) + sizeof(UdpHeader) && total <= frame.length - kNetwork &&
           sluice::has_ports(proto());
  }

  Proto proto() const {
    if constexpr (kFamily == Family::Ipv4) {
      return static_cast<Proto>(network().proto);
    } else {
      return static_cast<Proto>(network().next);
    }
  }
  bool is_tcp() const { return proto() == Proto::Tcp; }
  std::uint32_t ip_length() const {
    if constexpr (kFamily == Family::Ipv4) {
      return network().total_length.host();
    } else {
      return network().payload_length.host() + std::uint32_t{sizeof(Network)};
    }
  }
  IpAddr source() const {
    if constexpr (kFamily == Family::Ipv4) {
      return IpAddr::v4(network().source.host());
    } else {
      return ipv6_at(network().source);
    }
  }
  IpAddr destination() const {
    if constexpr (kFamily == Family::Ipv4) {
      return IpAddr::v4(network().destination.host());
    } else {
      return ipv6_at(network().destination);
    }
  }
  std::uint8_t& hop_limit() const {
    auto& header = wire_at<Network>(frame.data + kNetwork);
    if constexpr (kFamily == Family::Ipv4) {
      return header.ttl;
    } else {
      return header.hop_limit;
    }
  }

  // True for a sound datagram, and for a sound segment that neither begins nor ends a connection.
  [[gnu::always_inline]] bool is_plain() const {
    const std::uint32_t size = ip_length() - std::uint32_t{sizeof(Network)};
    if (!is_tcp()) {
      const std::uint32_t length = udp().length.host();
      return length >= sizeof(UdpHeader) && length <= size;
    }
    constexpr std::uint8_t kMoves = TcpFlags::kSyn | TcpFlags::kFin | TcpFlags::kRst;
    if (size < sizeof(TcpHeader) || frame.contiguous - kTransport < sizeof(TcpHeader)) return false;
    const std::uint32_t header = tcp_header_size();
    return (tcp().flags & (kMoves | TcpFlags::kAck)) == TcpFlags::kAck &&
           header >= sizeof(TcpHeader) && header <= size && header <= frame.contiguous - kTransport;
  }
  std::uint32_t tcp_header_size() const { return tcp().offset / 16u * 4; }
  std::uint32_t tcp_payload_size() const {
    return ip_length() - std::uint32_t{sizeof(Network)} - tcp_header_size();
  }

 private:
  bool is_ipv4() const {
    constexpr std::uint32_t kStart = as_word({0x08, 0x00, 0x45, 0});
    const Ipv4Header& ip = network();
    return (load_bytes<std::uint32_t>(bytes() + 12) & as_word({0xff, 0xff, 0xff, 0})) == kStart &&
           (ip.fragment.host() & Ipv4Header::kInPieces) == 0 && has_right_sum(ip);
  }
  static IpAddr ipv6_at(const std::uint8_t* wire) {
    return IpAddr::v6(wire_at<Be64>(wire).host(), wire_at<Be64>(wire + 8).host());
  }
};

// True if the frame has no part in any conversation of TCP or UDP: ARP, ICMP that came whole, and
// what is not IP. False: only the parser knows.
inline bool is_aside(const Frame& frame) {
  if (frame.contiguous < sizeof(EthernetHeader) + sizeof(Ipv4Header)) return false;
  const std::uint16_t type =
      wire_at<EthernetHeader>(static_cast<const std::uint8_t*>(frame.data)).type.host();
  const std::uint8_t* network = frame.data + sizeof(EthernetHeader);
  if (type == EtherType::kIpv4) {
    const auto& ip = wire_at<Ipv4Header>(network);
    return ip.version_ihl == 0x45 && ip.proto == static_cast<std::uint8_t>(Proto::Icmp) &&
           (ip.fragment.host() & Ipv4Header::kInPieces) == 0;
  }
  if (type == EtherType::kIpv6) {
    return network[offsetof(Ipv6Header, next)] == static_cast<std::uint8_t>(Proto::Icmpv6);
  }
  return type != EtherType::kVlan && type != EtherType::kServiceVlan;
}

}  // namespace sluice
