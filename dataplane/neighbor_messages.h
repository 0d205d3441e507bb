#pragma once

// ARP and neighbour discovery messages: read with every check of RFC 4861, 7.1, written in place.
// Pure functions over bytes.

#include <cstdint>
#include <optional>
#include <span>

#include "base/address.h"
#include "dataplane/packet_facts.h"
#include "dataplane/packet_io.h"

namespace sluice {

// What ARP and neighbour discovery have in common.
struct NeighborQuery {
  enum class Kind : std::uint8_t {
    Request,  // ARP request, neighbour solicitation
    Reply,    // ARP reply, neighbour advertisement
    Router,   // router solicitation and advertisement, redirect
  };
  Kind kind = Kind::Request;
  IpAddr sender;         // protocol address of the sender; unspecified: a probe (DAD)
  IpAddr target;         // whose MAC is asked for or told
  MacAddr sender_mac;    // as the message says; the frame's source where it does not
  bool is_told = false;  // the message itself carries the MAC address
};

// None: malformed-arp. Only Ethernet and IPv4 are known.
std::optional<NeighborQuery> read_arp(std::span<const std::uint8_t> frame,
                                      const PacketFacts& facts);
// None: malformed-neighbor-discovery. Hop limit 255, code 0, checksum, lengths, options.
std::optional<NeighborQuery> read_discovery(std::span<const std::uint8_t> frame,
                                            const PacketFacts& facts);

// Turn a request into its answer: `target` has the MAC address `mac`. VLAN tags stay.
void answer_arp(Frame& frame, const PacketFacts& facts, const MacAddr& mac);
// False if the buffer has no room for the answer.
bool answer_solicitation(Frame& frame, const PacketFacts& facts, const MacAddr& mac);

// Fresh requests; the frame holds at least 128 bytes of capacity.
void write_arp_request(Frame& frame, const MacAddr& mac, const IpAddr& own, const IpAddr& target);
void write_solicitation(Frame& frame, const MacAddr& mac, const IpAddr& own, const IpAddr& target);

}  // namespace sluice
