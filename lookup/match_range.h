#pragma once

// What the protocol and ports of a rule or ACL entry come to: one number and one range.

#include <cstdint>

#include "base/proto.h"
#include "base/result.h"
#include "lookup/packet_kind.h"
#include "lookup/snapshot_input.h"

namespace sluice {

struct MatchRange {
  std::int16_t proto = ProtoMatch::kAll;
  PortRange range;
};

constexpr bool is_number(const ProtoMatch& proto, Proto wanted) {
  return proto.number == static_cast<int>(wanted);
}

// Ports count for tcp and udp, types for the ICMP protocols, and nothing for all others (SG-13).
// `icmp_counts` is false where even types do not (NA-10: 58 with an IPv4 block). An Error where
// they make no sense.
Result<MatchRange> match_range(const ProtoMatch& proto, const PortMatch& ports, bool icmp_counts);

// What the builder says of input that the compiler should have refused.
Error broken_input(std::string what);

}  // namespace sluice
