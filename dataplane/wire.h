#pragma once

// Headers as they lie on the wire: Be types and bytes only, no arithmetic, asserted sizes.
//
// A header is looked at in place with wire_at<T>(), which is legal at any address because every
// type here has alignment 1; the caller has checked the length before.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/address.h"
#include "base/byte_order.h"

namespace sluice {

// Values of EthernetHeader::type and VlanTag::type.
struct EtherType {
  static constexpr std::uint16_t kIpv4 = 0x0800;
  static constexpr std::uint16_t kArp = 0x0806;
  static constexpr std::uint16_t kVlan = 0x8100;
  static constexpr std::uint16_t kIpv6 = 0x86dd;
  static constexpr std::uint16_t kServiceVlan = 0x88a8;
};

struct EthernetHeader {
  MacAddr destination;
  MacAddr source;
  Be16 type;
};
static_assert(sizeof(EthernetHeader) == 14);

// Stands where the type would; followed by the next type (IEEE 802.1Q).
struct VlanTag {
  Be16 control;
  Be16 type;
};
static_assert(sizeof(VlanTag) == 4);

// RFC 791, 3.1.
struct Ipv4Header {
  static constexpr std::uint16_t kMoreFragments = 0x2000;
  static constexpr std::uint16_t kOffsetMask = 0x1fff;
  static constexpr std::uint16_t kInPieces =
      kMoreFragments | kOffsetMask;  // none in a whole packet

  std::uint8_t version_ihl;
  std::uint8_t service;
  Be16 total_length;
  Be16 id;
  Be16 fragment;  // flags and offset in units of 8 bytes
  std::uint8_t ttl;
  std::uint8_t proto;
  Be16 checksum;
  Be32 source;
  Be32 destination;
};
static_assert(sizeof(Ipv4Header) == 20);

// RFC 8200, 3.
struct Ipv6Header {
  Be32 version_class_label;
  Be16 payload_length;
  std::uint8_t next;
  std::uint8_t hop_limit;
  std::uint8_t source[16];
  std::uint8_t destination[16];
};
static_assert(sizeof(Ipv6Header) == 40);

// The begin of every extension header that can be walked (RFC 8200, 4).
struct Ipv6Extension {
  std::uint8_t next;
  std::uint8_t length;  // in units of 8 bytes, the first 8 not counted
  std::uint8_t type;    // of a routing header
  std::uint8_t segments_left;
  Be32 data;
};
static_assert(sizeof(Ipv6Extension) == 8);

// RFC 8200, 4.5.
struct Ipv6FragmentHeader {
  static constexpr std::uint16_t kMore = 0x0001;
  static constexpr std::uint16_t kOffsetMask = 0xfff8;  // already in bytes

  std::uint8_t next;
  std::uint8_t reserved;
  Be16 offset;
  Be32 id;
};
static_assert(sizeof(Ipv6FragmentHeader) == 8);

// RFC 9293, 3.1.
struct TcpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be32 sequence;
  Be32 acknowledgment;
  std::uint8_t offset;  // high nibble: header length in words
  std::uint8_t flags;
  Be16 window;
  Be16 checksum;
  Be16 urgent;
};
static_assert(sizeof(TcpHeader) == 20);

struct UdpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be16 length;
  Be16 checksum;
};
static_assert(sizeof(UdpHeader) == 8);

// ICMP and ICMPv6 (RFC 792, RFC 4443). `identifier` only where the type is a query.
struct IcmpHeader {
  std::uint8_t type;
  std::uint8_t code;
  Be16 checksum;
  Be16 identifier;
  Be16 sequence;
};
static_assert(sizeof(IcmpHeader) == 8);

// ARP for Ethernet and IPv4 (RFC 826).
struct ArpPacket {
  static constexpr std::uint16_t kRequest = 1;
  static constexpr std::uint16_t kReply = 2;

  Be16 hardware_type;
  Be16 protocol_type;
  std::uint8_t hardware_size;
  std::uint8_t protocol_size;
  Be16 operation;
  MacAddr sender_mac;
  Be32 sender;
  MacAddr target_mac;
  Be32 target;
};
static_assert(sizeof(ArpPacket) == 28);

// Neighbour solicitation and advertisement (RFC 4861, 4.3 and 4.4).
struct NeighborMessage {
  static constexpr std::uint32_t kRouter = 0x80000000u;
  static constexpr std::uint32_t kSolicited = 0x40000000u;
  static constexpr std::uint32_t kOverride = 0x20000000u;

  std::uint8_t type;
  std::uint8_t code;
  Be16 checksum;
  Be32 flags;
  std::uint8_t target[16];
};
static_assert(sizeof(NeighborMessage) == 24);

// Source or target link-layer address (RFC 4861, 4.6.1).
struct LinkLayerOption {
  static constexpr std::uint8_t kSource = 1;
  static constexpr std::uint8_t kTarget = 2;

  std::uint8_t type;
  std::uint8_t length;  // in units of 8 bytes
  MacAddr mac;
};
static_assert(sizeof(LinkLayerOption) == 8);

// The header at `bytes`; the caller has checked that sizeof(T) bytes are there.
template <class T>
const T& wire_at(const std::uint8_t* bytes) {
  static_assert(alignof(T) == 1 && std::is_trivially_copyable_v<T>);
  return *reinterpret_cast<const T*>(bytes);
}
template <class T>
T& wire_at(std::uint8_t* bytes) {
  static_assert(alignof(T) == 1 && std::is_trivially_copyable_v<T>);
  return *reinterpret_cast<T*>(bytes);
}

}  // namespace sluice
