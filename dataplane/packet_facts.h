#pragma once

// What parsing learned about a packet: one cache line, host order. Later stages read nothing else
// of it, but for ICMP quotes and neighbour discovery.
//
//      0               32     36     40     44     48    50    52     54     56     58 … 63
//      +---------------+------+------+------+------+-----+-----+------+------+------+--------+
//      | source,       | seq  | ack  | frag | ip   | src | dst | win- | size | frag | offsets|
//      | destination   |      |      | id   | len  | port| port| dow  |      | off  | proto …|
//      +---------------+------+------+------+------+-----+-----+------+------+------+--------+
//
// ICMP uses the port fields too: destination_port is type << 8 | code, as rules see it, and
// source_port the identifier of a query, else 0.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/address.h"
#include "base/cache_line.h"
#include "base/proto.h"

namespace sluice {

struct alignas(kCacheLine) PacketFacts {
  // Values of `bits`.
  static constexpr std::uint8_t kIpv4 = 1;
  static constexpr std::uint8_t kIpv6 = 2;
  static constexpr std::uint8_t kArp = 4;
  static constexpr std::uint8_t kNeighbor = 8;   // neighbour or router discovery (RFC 4861)
  static constexpr std::uint8_t kFragment = 16;  // offset or more-fragments is set
  static constexpr std::uint8_t kMoreFragments = 32;
  static constexpr std::uint8_t kIcmpError = 64;  // quotes a packet

  std::uint64_t source_high;
  std::uint64_t source_low;
  std::uint64_t destination_high;
  std::uint64_t destination_low;

  std::uint32_t sequence;
  std::uint32_t acknowledgment;
  std::uint32_t fragment_id;
  std::uint32_t ip_length;  // IP total length, bytes, header included

  std::uint16_t source_port;
  std::uint16_t destination_port;
  std::uint16_t window;
  // TCP payload; of a fragment: its part of the fragmentable part.
  std::uint16_t payload_size;
  std::uint16_t fragment_offset;  // bytes

  std::uint8_t network_offset;   // of the IP header, from the begin of the frame
  std::uint8_t transport_words;  // of the transport header, from the IP header, in 4 bytes
  Proto proto;
  std::uint8_t tcp_flags;
  std::int8_t window_scale;  // of a SYN's option, at most 14; -1: none
  std::uint8_t bits;

  bool has(std::uint8_t bit) const { return (bits & bit) != 0; }
  bool is_ip() const { return has(kIpv4 | kIpv6); }
  Family family() const { return has(kIpv6) ? Family::Ipv6 : Family::Ipv4; }
  IpAddr source() const { return address(source_high, source_low); }
  IpAddr destination() const { return address(destination_high, destination_low); }
  std::uint8_t icmp_type() const { return static_cast<std::uint8_t>(destination_port >> 8); }
  std::uint8_t icmp_code() const { return static_cast<std::uint8_t>(destination_port & 0xff); }
  // Of the transport header, from the begin of the frame.
  std::size_t transport_offset() const {
    return std::size_t{network_offset} + std::size_t{transport_words} * 4;
  }

 private:
  IpAddr address(std::uint64_t high, std::uint64_t low) const {
    return has(kIpv6) ? IpAddr::v6(high, low) : IpAddr::v4(static_cast<std::uint32_t>(low));
  }
};

static_assert(sizeof(PacketFacts) == kCacheLine);
static_assert(offsetof(PacketFacts, sequence) == 32);
static_assert(offsetof(PacketFacts, source_port) == 48);
static_assert(offsetof(PacketFacts, bits) == 63);
static_assert(std::is_trivial_v<PacketFacts>);

}  // namespace sluice
