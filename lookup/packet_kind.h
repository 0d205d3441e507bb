#pragma once

// What of a packet a rule's protocol and ports are compared with.

#include <compare>
#include <cstdint>

#include "base/address.h"
#include "base/proto.h"

namespace sluice {

// An inclusive range of ports, or of type << 8 | code: a type with any code is a range (SG-14).
struct PortRange {
  std::uint16_t low = 0;
  std::uint16_t high = 65535;

  constexpr bool contains(std::uint16_t port) const { return low <= port && port <= high; }
  constexpr bool is_everything() const { return low == 0 && high == 65535; }
  constexpr auto operator<=>(const PortRange&) const = default;
};

struct PacketKind {
  Family family = Family::Ipv4;
  Proto proto = Proto::Tcp;
  std::uint16_t port = 0;  // destination port, or type << 8 | code
};

}  // namespace sluice
