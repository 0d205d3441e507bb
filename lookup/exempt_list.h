#pragma once

// Traffic that neither groups nor network ACLs filter (semantics 1.8, SG-60), as one table. Only
// asked when the policy's exempt profile is "aws" (SG-64).
//
// A row names the remote end of the traffic, seen from the interface, so that requests and answers
// are exempt alike: the remote port is the destination port on egress and the source port on
// ingress. Addresses that depend on the VPC or subnet (resolver at VPC base + 2, router at subnet
// base + 1) come in with the question. The router's IPv6 link-local address has no row: it is the
// appliance's own, answered before policy is asked (SG-62), and exempting all of fe80::/10 would
// exempt neighbours too.

#include <array>
#include <cstdint>
#include <span>

#include "base/address.h"
#include "base/proto.h"
#include "base/verdict.h"
#include "lookup/question.h"

namespace sluice {

struct ExemptRow {
  IpAddr remote;
  bool tcp = true;                // TCP counts
  bool udp = true;                // UDP counts
  bool others = true;             // every other protocol counts
  std::uint16_t remote_port = 0;  // 0: any
};

namespace exempt {
inline constexpr std::uint64_t kFd00Ec2 = 0xfd00'0ec2'0000'0000u;
constexpr IpAddr link_local(std::uint8_t third, std::uint8_t fourth) {
  return IpAddr::v4(0xa9fe'0000u | std::uint32_t{third} << 8 | fourth);
}
constexpr ExemptRow dns(IpAddr remote) { return {remote, true, true, false, 53}; }
constexpr ExemptRow licence(IpAddr remote) { return {remote, true, false, false, 1688}; }
constexpr ExemptRow time_sync(IpAddr remote) { return {remote, false, true, false, 123}; }
constexpr ExemptRow everything(IpAddr remote) { return {remote, true, true, true, 0}; }
}  // namespace exempt

inline constexpr std::array kExemptRows = std::to_array<ExemptRow>({
    exempt::dns(exempt::link_local(169, 253)),
    exempt::dns(IpAddr::v6(exempt::kFd00Ec2, 0x253)),
    exempt::everything(exempt::link_local(169, 254)),         // instance metadata
    exempt::everything(IpAddr::v6(exempt::kFd00Ec2, 0x254)),  // instance metadata
    exempt::everything(exempt::link_local(170, 2)),           // ECS task metadata
    exempt::licence(exempt::link_local(169, 250)),
    exempt::licence(exempt::link_local(169, 251)),
    exempt::licence(IpAddr::v6(exempt::kFd00Ec2, 0x250)),
    exempt::time_sync(exempt::link_local(169, 123)),
    exempt::time_sync(IpAddr::v6(exempt::kFd00Ec2, 0x123)),
});

// The exempt addresses that follow from where an interface is.
struct ExemptPlace {
  std::span<const IpAddr> resolvers;  // VPC base + 2
  std::span<const IpAddr> routers;    // subnet base + 1
};

constexpr bool row_matches(const ExemptRow& row, const Question& question) {
  if (question.remote != row.remote) return false;
  if (question.proto == Proto::Tcp && !row.tcp) return false;
  if (question.proto == Proto::Udp && !row.udp) return false;
  if (!has_ports(question.proto)) return row.others;
  const std::uint16_t remote_port =
      question.direction == Direction::Egress ? question.port : question.source_port;
  return row.remote_port == 0 || row.remote_port == remote_port;
}

// Where the DHCP server of a subnet may be besides at the router's address, which has a row of its
// own: it is asked by broadcast or multicast, and over IPv6 it answers by its link-local address
// (RFC 2131, RFC 8415). A server elsewhere is a host like any other, and so is who claims its port.
constexpr bool is_dhcp_place(const IpAddr& remote) {
  if (remote.is_v4()) return remote.is_limited_broadcast();
  constexpr IpAddr kAllServers = IpAddr::v6(0xff02'0000'0000'0000u, 0x1'0002);
  return remote == kAllServers || remote.is_link_local();
}

// A DHCP client at the interface and its server.
constexpr bool is_dhcp_client(const Question& question) {
  if (question.proto != Proto::Udp || !is_dhcp_place(question.remote)) return false;
  const bool is_egress = question.direction == Direction::Egress;
  const std::uint16_t client = is_egress ? question.source_port : question.port;
  const std::uint16_t server = is_egress ? question.port : question.source_port;
  return question.remote.is_v4() ? client == 68 && server == 67 : client == 546 && server == 547;
}

// True if groups and ACLs do not filter it. Some tens of compares.
constexpr bool is_exempt(const Question& question, const ExemptPlace& place) {
  if (is_dhcp_client(question)) return true;
  for (const ExemptRow& row : kExemptRows) {
    if (row_matches(row, question)) return true;
  }
  for (const IpAddr& resolver : place.resolvers) {
    if (row_matches(exempt::dns(resolver), question)) return true;
  }
  for (const IpAddr& router : place.routers) {
    if (row_matches(exempt::everything(router), question)) return true;
  }
  return false;
}

}  // namespace sluice
