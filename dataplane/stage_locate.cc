#include "dataplane/stage_locate.h"

#include "dataplane/flow_report.h"
#include "dataplane/packet_naming.h"
#include "dataplane/parse.h"
#include "dataplane/stage_fragments.h"
#include "dataplane/stage_neighbors.h"
#include "dataplane/wire.h"

namespace sluice {
namespace {

// One packet on its way through this stage.
struct Visit {
  WorkerContext& context;
  Burst& burst;
  std::size_t i;

  const PacketFacts& facts() const { return burst.facts[i]; }
  PacketState& packet() const { return burst.packets[i]; }
  const NicInfo& nic() const { return context.nic(packet().in); }
  const PolicySnapshot& policy() const { return *context.policy; }
  const EthernetHeader& ethernet() const {
    return wire_at<EthernetHeader>(static_cast<const std::uint8_t*>(burst.frames[i].data));
  }
  void set_end(Direction direction, EniIndex eni) const {
    EndResult& end = packet().ends[static_cast<std::size_t>(direction)];
    end.eni = eni;
    end.present = true;
  }
  void drop_for(DropReason reason) const { drop(context, burst, i, reason); }
  // It leaves its interface, if the rules let it, and ends behind it.
  void end_for(DropReason reason) const { packet().undeliverable = reason; }
};

bool cannot_be_source(const IpAddr& address) {
  return address.is_multicast() || address.is_limited_broadcast() || address.is_loopback() ||
         address.is_unspecified();
}

bool cannot_be_destination(const IpAddr& address) {
  return address.is_loopback() || address.is_unspecified();
}

bool is_for_many(const Visit& visit) {
  const IpAddr destination = visit.facts().destination();
  return destination.is_multicast() || destination.is_limited_broadcast();
}

// The broadcast address of the sender's own subnet, where no interface has it.
bool is_for_subnet(const Visit& visit, EniIndex sender) {
  const InterfaceRow* row = visit.policy().find_interface(sender);
  const IpAddr destination = visit.facts().destination();
  return row != nullptr && visit.policy().is_broadcast_of(row->subnet, destination) &&
         visit.policy().owner_of(row->vpc, destination).is_none();
}

// DHCP of either family (SG-64): what the exempt list may let through though its addresses are
// nobody's. The list itself is asked later, by decide().
bool is_dhcp(const Visit& visit) {
  const PacketFacts& facts = visit.facts();
  if (visit.policy().exempt() == ExemptProfile::None || facts.proto != Proto::Udp) return false;
  const std::uint16_t from = facts.source_port, to = facts.destination_port;
  if (facts.has(PacketFacts::kIpv6))
    return (from == 546 && to == 547) || (from == 547 && to == 546);
  return (from == 68 && to == 67) || (from == 67 && to == 68);
}

// The TTL or hop limit as it lies in the frame.
std::uint8_t ttl_of(const Visit& visit) {
  const std::uint8_t* network = visit.burst.frames[visit.i].data + visit.facts().network_offset;
  return visit.facts().has(PacketFacts::kIpv6) ? wire_at<Ipv6Header>(network).hop_limit
                                               : wire_at<Ipv4Header>(network).ttl;
}

// False if it ends here; else one will be taken off.
bool take_ttl(const Visit& visit) {
  if (ttl_of(visit) <= 1) return false;
  visit.packet().takes_ttl = true;
  return true;
}

EniIndex owner_in_peers(const Visit& visit, VpcIndex vpc, const IpAddr& address, bool& is_inside) {
  for (VpcIndex peer : visit.policy().peers_of(vpc)) {
    const EniIndex owner = visit.policy().owner_of(peer, address);
    if (!owner.is_none()) return owner;
    is_inside = is_inside || visit.policy().vpc_contains(peer, address);
  }
  return EniIndex::none();
}

// To the port of an interface.
void route_to_interface(const Visit& visit, EniIndex eni) {
  const InterfaceRow* row = visit.policy().find_interface(eni);
  const NicIndex out = visit.context.topology.nic_of(eni);
  if (row == nullptr || out.is_none()) return visit.end_for(DropReason::UnknownAddress);
  visit.set_end(Direction::Ingress, eni);
  visit.packet().out = out;
  visit.packet().is_rewritten = true;
  visit.packet().destination_mac = row->mac;
}

// Out of the VPC, by its uplink and gateway.
void route_to_uplink(const Visit& visit, VpcIndex vpc) {
  const NicIndex out = visit.context.topology.uplink_of(vpc);
  if (out.is_none() || visit.facts().destination().is_link_local()) {
    return visit.end_for(DropReason::NoRoute);
  }
  const NicInfo& uplink = visit.context.nic(out);
  for (const InterfaceAddress& own : uplink.config.addresses) {
    if (own.address == visit.facts().destination()) return visit.end_for(DropReason::ToAppliance);
  }
  const Family family = visit.facts().family();
  bool has_gateway = false;
  for (const IpAddr& address : uplink.config.gateways) {
    has_gateway = has_gateway || address.family() == family;
  }
  if (!has_gateway) return visit.end_for(DropReason::NoRoute);
  if (!take_ttl(visit)) return visit.end_for(DropReason::TtlExpired);
  const MacAddr gateway = gateway_mac(uplink, family);
  if (gateway.is_zero()) return visit.end_for(DropReason::NoNeighbor);
  visit.packet().out = out;
  visit.packet().is_rewritten = true;
  visit.packet().destination_mac = gateway;
}

void locate_from_interface(const Visit& visit) {
  const NicConfig& config = visit.nic().config;
  const InterfaceRow* row = visit.policy().find_interface(config.interface);
  if (row == nullptr) return visit.drop_for(DropReason::UnknownAddress);
  const IpAddr source = visit.facts().source();
  const IpAddr destination = visit.facts().destination();
  visit.set_end(Direction::Egress, row->eni);
  const bool is_spoof = is_spoofed(visit.context, visit.burst, visit.i);
  if (is_dhcp(visit) && is_for_many(visit) && visit.ethernet().source == row->mac) {
    return visit.end_for(DropReason::NoRoute);  // exempt, and no server is behind any port
  }
  if (is_for_many(visit) || visit.ethernet().destination.is_group() ||
      is_for_subnet(visit, row->eni)) {
    // What nobody could have sent, or somebody else did, is not in the interface's log.
    if (is_spoof || cannot_be_source(source)) return visit.drop_for(DropReason::Multicast);
    return refuse(visit.context, visit.burst, visit.i, DropReason::Multicast, By::None);
  }
  if (cannot_be_source(source) || cannot_be_destination(destination)) {
    return visit.drop_for(DropReason::MalformedAddress);
  }
  if (is_spoof) return visit.drop_for(DropReason::SourceCheck);
  bool is_inside = visit.policy().vpc_contains(row->vpc, destination);
  EniIndex owner = visit.policy().owner_of(row->vpc, destination);
  if (owner.is_none()) owner = owner_in_peers(visit, row->vpc, destination, is_inside);
  if (!owner.is_none()) return route_to_interface(visit, owner);
  if (is_inside) return visit.end_for(DropReason::UnknownAddress);
  route_to_uplink(visit, row->vpc);
}

void locate_from_uplink(const Visit& visit) {
  const NicConfig& config = visit.nic().config;
  const IpAddr source = visit.facts().source();
  const IpAddr destination = visit.facts().destination();
  if (is_for_many(visit) || visit.ethernet().destination.is_group()) {
    return visit.drop_for(DropReason::Multicast);
  }
  if (cannot_be_source(source) || cannot_be_destination(destination)) {
    return visit.drop_for(DropReason::MalformedAddress);
  }
  for (const InterfaceAddress& own : config.addresses) {
    if (own.address == destination) return visit.drop_for(DropReason::ToAppliance);
  }
  if (is_spoofed(visit.context, visit.burst, visit.i)) {
    return visit.drop_for(DropReason::SourceCheck);
  }
  EniIndex owner;
  for (VpcIndex vpc : config.vpcs) {
    if (owner.is_none()) owner = visit.policy().owner_of(vpc, destination);
  }
  if (owner.is_none()) return visit.drop_for(DropReason::UnknownAddress);
  if (!take_ttl(visit)) return visit.drop_for(DropReason::TtlExpired);
  route_to_interface(visit, owner);
}

// Nobody's packet on a bump in the wire.
void leave_unknown(const Visit& visit, DropReason reason) {
  if (!visit.nic().config.forward_unknown) visit.drop_for(reason);
}

void locate_on_bump(const Visit& visit) {
  const NicConfig& config = visit.nic().config;
  const IpAddr source = visit.facts().source();
  const IpAddr destination = visit.facts().destination();
  visit.packet().out = config.peer;
  const EniIndex sender = visit.policy().owner_of(source);
  const EniIndex receiver = visit.policy().owner_of(destination);
  const bool is_outside = config.role == NicRole::Outside;
  const bool is_group = config.source_check && visit.ethernet().destination.is_group();
  const bool is_many =
      ((is_for_many(visit) || is_group) && !is_dhcp(visit)) || is_for_subnet(visit, sender);
  if (is_spoofed(visit.context, visit.burst, visit.i)) {
    return visit.drop_for(is_many ? DropReason::Multicast : DropReason::SourceCheck);
  }
  if (!sender.is_none() && (!is_outside || !config.source_check)) {
    visit.set_end(Direction::Egress, sender);
  }
  if (!receiver.is_none() && (is_outside || !config.source_check)) {
    visit.set_end(Direction::Ingress, receiver);
  }
  const auto& ends = visit.packet().ends;
  if (!ends[0].present && !ends[1].present) {
    if (is_dhcp(visit) && is_for_many(visit)) return;  // exempt, whoever it belongs to
    return leave_unknown(visit, is_many ? DropReason::Multicast : DropReason::UnknownAddress);
  }
  if (is_many) {
    if (!ends[1].present) return visit.drop_for(DropReason::Multicast);
    return refuse(visit.context, visit.burst, visit.i, DropReason::Multicast, By::None);
  }
  if (cannot_be_source(source) || cannot_be_destination(destination)) {
    visit.drop_for(DropReason::MalformedAddress);
  }
}

void locate_ip(const Visit& visit) {
  const NicConfig& config = visit.nic().config;
  if (config.source_check && visit.ethernet().source.is_group()) {
    return visit.drop_for(DropReason::MalformedEthernet);
  }
  switch (config.role) {
    case NicRole::Interface:
      return locate_from_interface(visit);
    case NicRole::Uplink:
      return locate_from_uplink(visit);
    case NicRole::Inside:
    case NicRole::Outside:
      return locate_on_bump(visit);
  }
}

void locate_other(const Visit& visit) {
  const NicConfig& config = visit.nic().config;
  const bool is_bump = config.role == NicRole::Inside || config.role == NicRole::Outside;
  if (!is_bump) return visit.drop_for(DropReason::NotIp);
  visit.packet().out = config.peer;
  leave_unknown(visit, DropReason::NotIp);
}

// The conversation that decides which worker is asked: an ICMP error goes where its quote's is.
std::uint64_t conversation_hash(const WorkerContext& context, const Burst& burst, std::size_t i) {
  const PacketFacts& facts = burst.facts[i];
  if (facts.has(PacketFacts::kIcmpError) && context.config.worker_count > 1) {
    const Frame& frame = burst.frames[i];
    const auto quote = parse_quote({frame.data, frame.contiguous}, facts);
    if (quote) return canonical_hash(context.config.key, *quote);
  }
  return canonical_hash(context.config.key, facts);
}

void find_owner(WorkerContext& context, Burst& burst, std::size_t i) {
  burst.hashes[i] = conversation_hash(context, burst, i);
  const std::uint32_t count = context.config.worker_count;
  if (count <= 1) return;
  const auto owner = static_cast<std::uint32_t>((burst.hashes[i] >> 32) * count >> 32);
  if (owner != context.config.index.value()) hand_over(context, burst, i, owner);
}

// The addresses of a VPC and of its peers come from interfaces, never by an uplink: what is sent to
// them is never routed there either.
bool is_of_vpcs(const PolicySnapshot& policy, const NicConfig& uplink, const IpAddr& source) {
  for (VpcIndex vpc : uplink.vpcs) {
    if (policy.vpc_contains(vpc, source)) return true;
    for (VpcIndex peer : policy.peers_of(vpc)) {
      if (policy.vpc_contains(peer, source)) return true;
    }
  }
  return false;
}

}  // namespace

bool is_spoofed(const WorkerContext& context, const Burst& burst, std::size_t i) {
  const NicConfig& config = context.nic(burst.packets[i].in).config;
  if (!config.source_check) return false;
  const PolicySnapshot& policy = *context.policy;
  const IpAddr source = burst.facts[i].source();
  switch (config.role) {
    case NicRole::Interface: {
      const InterfaceRow* row = policy.find_interface(config.interface);
      const std::uint8_t* frame = burst.frames[i].data;
      return row == nullptr || policy.owner_of(row->vpc, source) != row->eni ||
             wire_at<EthernetHeader>(frame).source != row->mac;
    }
    case NicRole::Uplink:
      return is_of_vpcs(policy, config, source);
    case NicRole::Inside:
      return false;
    case NicRole::Outside:
      return !policy.owner_of(source).is_none();
  }
  return false;
}

void locate(WorkerContext& context, Burst& burst) {
  for (std::size_t i = 0; i < burst.count; ++i) {
    // What has a way out already is ARP or neighbour discovery crossing a bump in the wire.
    if (!burst.is_pending(i) || !burst.packets[i].out.is_none()) continue;
    if (context.policy == nullptr) {
      drop(context, burst, i, DropReason::NoPolicy);
      continue;
    }
    const Visit visit{context, burst, i};
    if (!burst.facts[i].is_ip()) {
      locate_other(visit);
      continue;
    }
    locate_ip(visit);
    const bool is_refused = burst.packets[i].part == FragmentPart::Refused;
    if (is_refused && burst.is_pending(i)) refuse_follower(context, burst, i);
    const auto& ends = burst.packets[i].ends;
    if (burst.is_pending(i) && (ends[0].present || ends[1].present)) find_owner(context, burst, i);
  }
}

}  // namespace sluice
