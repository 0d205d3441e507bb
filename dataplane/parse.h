#pragma once

// Bytes to facts: the only code that reads headers of a packet from outside.
//
// Pure, no state; never reads past the span it is given, whatever the lengths inside claim. The
// fuzzers and the tables of tests/dataplane/parse_test.cc drive these functions alone.

#include <cstdint>
#include <optional>
#include <span>

#include "base/drop_reason.h"
#include "dataplane/packet_facts.h"
#include "dataplane/wire.h"

namespace sluice {

// Ethernet (at most two VLAN tags), IPv4 or IPv6, TCP, UDP or ICMP. `contiguous` are the bytes that
// may be read, `frame_length` is how long the whole frame is. None: `facts` are complete; otherwise
// why the packet is dropped, and `facts` hold what was understood until then. What is neither IP
// nor ARP is no error: facts.bits are 0. Padding behind the IP length is ignored.
DropReason parse_frame(std::span<const std::uint8_t> contiguous, std::uint32_t frame_length,
                       PacketFacts& facts);

// The packet that an ICMP error quotes (facts.has(kIcmpError)), in its own direction. None when the
// quote does not hold at least the ports, is itself an ICMP error, or a later fragment (product,
// section 11, "ICMP errors"). Lengths and checksums of the quote are not judged: routers cut them.
std::optional<PacketFacts> parse_quote(std::span<const std::uint8_t> contiguous,
                                       const PacketFacts& facts);

// The ones' complement sum of `bytes`, folded to 16 bits, added to `sum` (RFC 1071). A header whose
// checksum is right sums up to 0xffff.
std::uint16_t ones_sum(std::span<const std::uint8_t> bytes, std::uint32_t sum = 0);

// The sum of the pseudo header of IPv6 (RFC 8200, 8.1) for ICMPv6 messages of `size` bytes.
std::uint32_t icmpv6_pseudo_sum(std::span<const std::uint8_t, 32> addresses, std::uint32_t size);

// Takes one off the TTL and mends the header checksum (RFC 1624, eqn. 3), or off the hop limit.
// Requires that it is at least 2 and that facts are of this frame.
void decrement_ttl(std::uint8_t* frame, const PacketFacts& facts);
inline void decrement_ttl(Ipv4Header& ip) {
  --ip.ttl;
  // The word of TTL and protocol is one in its high byte less: ~m + m' is the same whatever it was.
  constexpr std::uint32_t kDifference = 0xffff - 0x0100;
  const std::uint32_t sum = static_cast<std::uint16_t>(~ip.checksum.host()) + kDifference;
  ip.checksum = Be16::from_host(static_cast<std::uint16_t>(~((sum & 0xffff) + (sum >> 16))));
}

}  // namespace sluice
