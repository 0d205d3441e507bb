#pragma once

// The name of a conversation at one interface, the same for both of its directions: `local` is the
// interface's side. A connection between two interfaces of one box has one flow at each, as AWS
// tracks and logs each end by itself.

#include <cstdint>

#include "base/address.h"
#include "base/flow_hash.h"
#include "base/ids.h"
#include "base/proto.h"

namespace sluice {

// tcp, udp: ports. ICMP queries (echo …): both ports are the identifier (CT-26); within the table
// `icmp_type` is the type that travels towards the interface, so that two pings with one
// identifier, one from each side, are two flows; in views and deltas it is the request's. Other
// ICMP: local_port is type << 8 | code, and within the table `icmp_type` tells the one direction in
// which it travels. Other protocols: ports 0 (CT-2).
struct FlowTuple {
  EniIndex eni;
  Proto proto = Proto::Tcp;
  std::uint8_t icmp_type = 0;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;
  IpAddr local;
  IpAddr remote;

  bool operator==(const FlowTuple&) const = default;
};

}  // namespace sluice
