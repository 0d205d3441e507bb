#pragma once

// Frames written in a few words: Packet().ipv4("10.0.0.1", "10.0.0.2").tcp(40000, 443, kSyn).
// Lengths and checksums are right unless a test spoils them afterwards with set8() and set16().

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/proto.h"

namespace sluice {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint8_t kSyn = TcpFlags::kSyn;
inline constexpr std::uint8_t kAck = TcpFlags::kAck;
inline constexpr std::uint8_t kSynAck = TcpFlags::kSyn | TcpFlags::kAck;
inline constexpr std::uint8_t kFinAck = TcpFlags::kFin | TcpFlags::kAck;
inline constexpr std::uint8_t kRst = TcpFlags::kRst;
inline constexpr std::uint8_t kRstAck = TcpFlags::kRst | TcpFlags::kAck;

class Packet {
 public:
  Packet();

  // Ethernet.
  Packet& mac(std::string_view source, std::string_view destination);
  Packet& vlan(std::uint16_t tag, std::uint16_t type = 0x8100);
  Packet& ether_type(std::uint16_t type);  // of a frame that is not IP

  // The network header.
  Packet& ip(std::string_view source, std::string_view destination);  // of either family
  Packet& ttl(std::uint8_t value);
  Packet& id(std::uint32_t value);
  Packet& options(Bytes bytes);                      // IPv4; a multiple of 4 bytes
  Packet& extension(std::uint8_t type, Bytes body);  // IPv6; body behind the two first bytes

  // The transport header.
  Packet& tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags);
  Packet& numbers(std::uint32_t sequence, std::uint32_t acknowledgment);
  Packet& window(std::uint16_t size);
  Packet& tcp_options(Bytes bytes);  // a multiple of 4 bytes
  Packet& udp(std::uint16_t source, std::uint16_t destination);
  Packet& icmp(std::uint8_t type, std::uint8_t code, std::uint16_t identifier = 0,
               std::uint16_t sequence = 0);
  Packet& proto(std::uint8_t number);  // no transport header of ours
  Packet& payload(std::size_t size);   // bytes 0, 1, 2 …
  Packet& payload(Bytes bytes);
  // Payload of an ICMP error: the first `size` bytes of the other packet from its IP header on.
  Packet& quote(const Packet& other, std::size_t size = SIZE_MAX);

  // Only `size` bytes from `offset` on of what follows the IP header, as a fragment.
  Packet& fragment(std::size_t offset, std::size_t size, bool more);

  Bytes build() const;
  // Without Ethernet.
  Bytes build_ip() const;
  // Bytes before the transport header.
  std::size_t transport_offset() const;

 private:
  bool is_v6() const { return !source_.is_v4(); }
  std::uint8_t transport_proto() const;
  Bytes transport() const;
  Bytes ipv4_header(std::size_t payload_size) const;
  Bytes ipv6_header(std::size_t payload_size) const;
  void finish_checksums(Bytes& transport) const;

  MacAddr source_mac_;
  MacAddr destination_mac_;
  Bytes vlan_tags_;
  std::uint16_t ether_type_ = 0;  // 0: by the addresses
  IpAddr source_;
  IpAddr destination_;
  std::uint8_t ttl_ = 64;
  std::uint32_t id_ = 1;
  Bytes ipv4_options_;
  struct Extension {
    std::uint8_t type;
    Bytes body;
  };
  std::vector<Extension> extensions_;
  std::uint8_t proto_ = 0;
  Bytes header_;  // of the transport
  Bytes payload_;
  bool is_fragment_ = false;
  std::size_t fragment_offset_ = 0;
  std::size_t fragment_size_ = 0;
  bool has_more_ = false;
};

// A SYN's options: window scale, and the padding it needs.
Bytes window_scale_option(std::uint8_t scale);

// ARP for IPv4 over Ethernet; operation 1 asks, 2 answers.
Bytes arp(std::uint16_t operation, std::string_view sender_mac, std::string_view sender,
          std::string_view target, std::string_view frame_source = "");
// Neighbour solicitation to the solicited-node group, with the sender's MAC unless the source is
// ::.
Bytes solicitation(std::string_view mac, std::string_view source, std::string_view target);
// Neighbour advertisement that tells `mac`.
Bytes advertisement(std::string_view mac, std::string_view source, std::string_view destination,
                    std::string_view target);

void set8(Bytes& bytes, std::size_t at, std::uint8_t value);
void set16(Bytes& bytes, std::size_t at, std::uint16_t value);
std::uint16_t get16(std::span<const std::uint8_t> bytes, std::size_t at);
// Makes the checksum of the IPv4 header right again, which begins at `at`.
void mend_ipv4(Bytes& frame, std::size_t at = 14);
// The ones' complement sum; 0xffff over a header whose checksum is right.
std::uint16_t checksum_sum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0);

}  // namespace sluice
