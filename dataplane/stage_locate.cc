#include "dataplane/stage_locate.h"

#include <array>
#include <span>

#include "base/flow_hash_burst.h"
#include "dataplane/flow_report.h"
#include "dataplane/host_address.h"
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
  void set_end(Direction direction, const InterfaceRow& row) const {
    const auto at = static_cast<std::size_t>(direction);
    EndResult& end = packet().ends[at];
    end.row = &row;
    end.eni = row.eni;
    end.present = true;
    burst.has_ends[at] = true;
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

// Addresses whose family is known where they are read cost no look at it.
template <Family kFamily>
struct Addresses {
  static IpAddr of(std::uint64_t high, std::uint64_t low) {
    return kFamily == Family::Ipv4 ? IpAddr::v4(static_cast<std::uint32_t>(low))
                                   : IpAddr::v6(high, low);
  }
  static IpAddr source(const PacketFacts& facts) { return of(facts.source_high, facts.source_low); }
  static IpAddr destination(const PacketFacts& facts) {
    return of(facts.destination_high, facts.destination_low);
  }
};

// From one host to another, as far as the addresses of the packet and of its frame can tell: none
// of the questions below has to be asked.
bool is_ordinary(const Visit& visit) {
  return visit.facts().is_ip() && is_host(visit.facts().source()) &&
         is_host(visit.facts().destination()) && !visit.ethernet().destination.is_group();
}

bool is_for_many(const Visit& visit) {
  const IpAddr destination = visit.facts().destination();
  return destination.is_multicast() || destination.is_limited_broadcast();
}

// The broadcast address of the sender's own subnet, where no interface has it.
bool is_for_subnet(const Visit& visit, const InterfaceRow& sender) {
  const IpAddr destination = visit.facts().destination();
  return visit.context.addresses.may_be_inside(destination) &&
         visit.policy().is_broadcast_of(sender.subnet, destination) &&
         visit.context.addresses.owner_of(sender.vpc, destination) == nullptr;
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
[[gnu::always_inline]] inline bool take_ttl(const Visit& visit) {
  if (ttl_of(visit) <= 1) return false;
  visit.packet().takes_ttl = true;
  return true;
}

const InterfaceRow* owner_in_peers(const Visit& visit, VpcIndex vpc, const IpAddr& address,
                                   bool& is_inside) {
  for (VpcIndex peer : visit.policy().peers_of(vpc)) {
    const InterfaceRow* owner = visit.context.addresses.owner_of(peer, address);
    if (owner != nullptr) return owner;
    is_inside = is_inside || visit.policy().vpc_contains(peer, address);
  }
  return nullptr;
}

// To the port of an interface.
[[gnu::always_inline]] inline void route_to_interface(const Visit& visit, const InterfaceRow& row) {
  const NicIndex out = visit.context.topology.nic_of(row.eni);
  if (out.is_none()) return visit.end_for(DropReason::UnknownAddress);
  visit.set_end(Direction::Ingress, row);
  visit.packet().out = out;
  visit.packet().is_rewritten = true;
  visit.packet().destination_mac = row.mac;
}

// Out of the VPC, by its uplink and gateway.
void route_to_uplink(const Visit& visit, VpcIndex vpc) {
  const NicIndex out = visit.context.topology.uplink_of(vpc);
  if (out.is_none() || visit.facts().destination().is_link_local()) {
    return visit.end_for(DropReason::NoRoute);
  }
  const NicInfo& uplink = visit.context.nic(out);
  if (uplink.config.holds(visit.facts().destination())) {
    return visit.end_for(DropReason::ToAppliance);
  }
  const Family family = visit.facts().family();
  if (!uplink.config.has_gateway(family)) return visit.end_for(DropReason::NoRoute);
  if (!take_ttl(visit)) return visit.end_for(DropReason::TtlExpired);
  const MacAddr gateway = gateway_mac(uplink, family);
  if (gateway.is_zero()) return visit.end_for(DropReason::NoNeighbor);
  visit.packet().out = out;
  visit.packet().is_rewritten = true;
  visit.packet().destination_mac = gateway;
}

// By destination address: to an interface of its VPC or of a peered one, else out.
void route_from_interface(const Visit& visit, const InterfaceRow& row) {
  const IpAddr destination = visit.facts().destination();
  const InterfaceRow* owner = visit.context.addresses.owner_of(row.vpc, destination);
  if (owner != nullptr) return route_to_interface(visit, *owner);
  if (!visit.context.addresses.may_be_inside(destination)) return route_to_uplink(visit, row.vpc);
  bool is_inside = visit.policy().vpc_contains(row.vpc, destination);
  owner = owner_in_peers(visit, row.vpc, destination, is_inside);
  if (owner != nullptr) return route_to_interface(visit, *owner);
  if (is_inside) return visit.end_for(DropReason::UnknownAddress);
  route_to_uplink(visit, row.vpc);
}

// Not from the interface whose port it comes by: another address, or another MAC address.
bool is_foreign(WorkerContext& context, const Burst& burst, std::size_t i,
                const InterfaceRow& row) {
  return context.addresses.owner_of(row.vpc, burst.facts[i].source()) != &row ||
         wire_at<EthernetHeader>(burst.frames[i].data).source != row.mac;
}

void locate_from_interface(const Visit& visit) {
  const NicConfig& config = visit.nic().config;
  const InterfaceRow* row = visit.policy().find_interface(config.interface);
  if (row == nullptr) return visit.drop_for(DropReason::UnknownAddress);
  const IpAddr source = visit.facts().source();
  const IpAddr destination = visit.facts().destination();
  visit.set_end(Direction::Egress, *row);
  const bool is_spoof =
      config.source_check && is_foreign(visit.context, visit.burst, visit.i, *row);
  const bool is_ours = !is_for_other_station(visit.context, visit.burst, visit.i);
  if (is_ordinary(visit) && !is_spoof && is_ours && !is_for_subnet(visit, *row)) [[likely]] {
    return route_from_interface(visit, *row);
  }
  if (is_dhcp(visit) && is_for_many(visit) && visit.ethernet().source == row->mac) {
    return visit.end_for(DropReason::NoRoute);  // exempt, and no server is behind any port
  }
  if (is_for_many(visit) || visit.ethernet().destination.is_group() || is_for_subnet(visit, *row)) {
    // What nobody could have sent, or somebody else did, is not in the interface's log.
    if (is_spoof || cannot_be_source(source)) return visit.drop_for(DropReason::Multicast);
    return refuse(visit.context, visit.burst, visit.i, DropReason::Multicast, By::None);
  }
  if (cannot_be_source(source) || cannot_be_destination(destination)) {
    return visit.drop_for(DropReason::MalformedAddress);
  }
  if (is_spoof) return visit.drop_for(DropReason::SourceCheck);
  if (!is_ours) return visit.drop_for(DropReason::ForeignMac);
  route_from_interface(visit, *row);
}

void locate_from_uplink(const Visit& visit) {
  const NicConfig& config = visit.nic().config;
  const IpAddr source = visit.facts().source();
  const IpAddr destination = visit.facts().destination();
  if (!is_ordinary(visit)) {
    if (is_for_many(visit) || visit.ethernet().destination.is_group()) {
      return visit.drop_for(DropReason::Multicast);
    }
    if (cannot_be_source(source) || cannot_be_destination(destination)) {
      return visit.drop_for(DropReason::MalformedAddress);
    }
  }
  if (is_spoofed(visit.context, visit.burst, visit.i)) {
    return visit.drop_for(DropReason::SourceCheck);
  }
  if (is_for_other_station(visit.context, visit.burst, visit.i)) {
    return visit.drop_for(DropReason::ForeignMac);
  }
  if (config.holds(destination)) return visit.drop_for(DropReason::ToAppliance);
  const InterfaceRow* owner = nullptr;
  for (VpcIndex vpc : config.vpcs) {
    if (owner == nullptr) owner = visit.context.addresses.owner_of(vpc, destination);
  }
  if (owner == nullptr) return visit.drop_for(DropReason::UnknownAddress);
  if (!take_ttl(visit)) return visit.drop_for(DropReason::TtlExpired);
  route_to_interface(visit, *owner);
}

// Nobody's packet on a bump in the wire.
void leave_unknown(const Visit& visit, DropReason reason) {
  if (!visit.nic().config.forward_unknown) visit.drop_for(reason);
}

bool is_for_group(const Visit& visit) {
  const bool checks = visit.nic().config.source_check;
  const bool is_group = checks && visit.ethernet().destination.is_group();
  return (is_for_many(visit) || is_group) && !is_dhcp(visit);
}

void locate_on_bump(const Visit& visit) {
  const NicConfig& config = visit.nic().config;
  const IpAddr source = visit.facts().source();
  const IpAddr destination = visit.facts().destination();
  visit.packet().out = config.peer;
  const InterfaceRow* sender = visit.context.addresses.owner_of(source);
  const InterfaceRow* receiver = visit.context.addresses.owner_of(destination);
  const bool is_outside = config.role == NicRole::Outside;
  const bool is_ordinary_packet = is_ordinary(visit);
  const bool is_many = (!is_ordinary_packet && is_for_group(visit)) ||
                       (sender != nullptr && is_for_subnet(visit, *sender));
  if (is_outside && config.source_check && sender != nullptr) {
    return visit.drop_for(is_many ? DropReason::Multicast : DropReason::SourceCheck);
  }
  if (sender != nullptr) visit.set_end(Direction::Egress, *sender);
  if (receiver != nullptr && (is_outside || !config.source_check)) {
    visit.set_end(Direction::Ingress, *receiver);
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
  if (!is_ordinary_packet && (cannot_be_source(source) || cannot_be_destination(destination))) {
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

// Towards an interface, from outside of every VPC.
[[gnu::always_inline]] inline bool locate_plain_inbound(const Visit& visit, const NicConfig& config,
                                                        const IpAddr& source,
                                                        const IpAddr& destination) {
  AddressBook& addresses = visit.context.addresses;
  if (config.role == NicRole::Outside) {
    if (addresses.owner_of(source) != nullptr) return false;
    const InterfaceRow* owner = addresses.owner_of(destination);
    if (owner == nullptr) return false;
    visit.packet().out = config.peer;
    visit.set_end(Direction::Ingress, *owner);
    return true;
  }
  if (addresses.may_be_inside(source) || config.vpcs.size() != 1) return false;
  if (config.holds(destination)) return false;
  const InterfaceRow* owner = addresses.owner_of(config.vpcs[0], destination);
  if (owner == nullptr || !take_ttl(visit)) return false;
  route_to_interface(visit, *owner);
  return true;
}

// From the port of an interface, with its addresses: out of every VPC, or to another interface.
[[gnu::always_inline]] inline bool locate_plain_outbound(const Visit& visit,
                                                         const NicConfig& config,
                                                         const IpAddr& source,
                                                         const IpAddr& destination) {
  AddressBook& addresses = visit.context.addresses;
  const InterfaceRow* row = visit.policy().find_interface(config.interface);
  if (row == nullptr || addresses.owner_of(row->vpc, source) != row) return false;
  if (visit.ethernet().source != row->mac) return false;
  const bool may_be_inside = addresses.may_be_inside(destination);
  const InterfaceRow* owner = may_be_inside ? addresses.owner_of(row->vpc, destination) : nullptr;
  if (may_be_inside && owner == nullptr) return false;
  visit.set_end(Direction::Egress, *row);
  if (owner != nullptr) {
    route_to_interface(visit, *owner);
  } else {
    route_to_uplink(visit, row->vpc);
  }
  return true;
}

// What locate_ip() says of the packets that are nearly all there are, sooner: whole ones from one
// host to another. False: nothing was done, locate_ip() has to be asked.
template <Family kFamily>
[[gnu::always_inline]] inline bool locate_plain(const Visit& visit) {
  const IpAddr source = Addresses<kFamily>::source(visit.facts());
  const IpAddr destination = Addresses<kFamily>::destination(visit.facts());
  if (!is_host(source) || !is_host(destination)) return false;
  const EthernetHeader& ethernet = visit.ethernet();
  if (ethernet.source.is_group() || ethernet.destination.is_group()) return false;
  const NicInfo& nic = visit.nic();
  const NicConfig& config = nic.config;
  switch (config.role) {
    case NicRole::Outside:
      return locate_plain_inbound(visit, config, source, destination);
    case NicRole::Uplink:
      return ethernet.destination == nic.mac &&
             locate_plain_inbound(visit, config, source, destination);
    case NicRole::Interface:
      return ethernet.destination == nic.mac &&
             locate_plain_outbound(visit, config, source, destination);
    case NicRole::Inside:
      return false;
  }
  return false;
}

bool locate_plain(const Visit& visit) {
  switch (visit.facts().bits) {
    case PacketFacts::kIpv4:
      return locate_plain<Family::Ipv4>(visit);
    case PacketFacts::kIpv6:
      return locate_plain<Family::Ipv6>(visit);
    default:
      return false;
  }
}

// The conversation that decides which worker is asked: an ICMP error goes where its quote's is.
// Of what ipv4_key_of() does not name.
std::uint64_t conversation_hash(const WorkerContext& context, const Burst& burst, std::size_t i) {
  const PacketFacts& facts = burst.facts[i];
  if (facts.has(PacketFacts::kIcmpError) && context.config.worker_count > 1) {
    const Frame& frame = burst.frames[i];
    const auto quote = parse_quote({frame.data, frame.contiguous}, facts);
    if (quote) return canonical_hash(context.config.key, *quote);
  }
  return canonical_hash(context.config.key, facts);
}

// The hashes of all conversations; those of IPv4 side by side.
void hash_conversations(const WorkerContext& context, Burst& burst) {
  std::array<std::uint64_t, kBurstMax> first, second, hashes;
  std::array<std::uint8_t, kBurstMax> places;
  std::size_t count = 0;
  for (std::size_t i = 0; i < burst.count; ++i) {
    if (!burst.has_end(i)) continue;
    if (!has_ipv4_key(burst.facts[i])) {
      burst.hashes[i] = conversation_hash(context, burst, i);
      continue;
    }
    const auto words = owner_words(burst.facts[i]);
    first[count] = words[0];
    second[count] = words[1];
    places[count++] = static_cast<std::uint8_t>(i);
  }
  keyed_hash_burst(context.config.key, std::span(first).first(count),
                   std::span(second).first(count), std::span(hashes).first(count));
  for (std::size_t k = 0; k < count; ++k) burst.hashes[places[k]] = hashes[k];
}

// Packets of conversations that another worker owns go there, and where a first fragment went the
// others go.
void find_owners(WorkerContext& context, Burst& burst) {
  const std::uint32_t count = context.config.worker_count;
  if (count <= 1) return;
  for (std::size_t i = 0; i < burst.count; ++i) {
    if (!burst.has_end(i)) continue;
    const PacketState& packet = burst.packets[i];
    if (packet.part == FragmentPart::Follower) {
      const bool is_elsewhere =
          !packet.hint.owner.is_none() && packet.hint.owner != context.config.index;
      if (is_elsewhere) hand_over(context, burst, i, packet.hint.owner.value());
      continue;
    }
    const auto owner = static_cast<std::uint32_t>((burst.hashes[i] >> 32) * count >> 32);
    if (owner != context.config.index.value()) hand_over(context, burst, i, owner);
  }
}

// The addresses of a VPC and of its peers come from interfaces, never by an uplink: what is sent to
// them is never routed there either.
bool is_of_vpcs(const WorkerContext& context, const NicConfig& uplink, const IpAddr& source) {
  if (!context.addresses.may_be_inside(source)) return false;
  const PolicySnapshot& policy = *context.policy;
  for (VpcIndex vpc : uplink.vpcs) {
    if (policy.vpc_contains(vpc, source)) return true;
    for (VpcIndex peer : policy.peers_of(vpc)) {
      if (policy.vpc_contains(peer, source)) return true;
    }
  }
  return false;
}

}  // namespace

bool is_spoofed(WorkerContext& context, const Burst& burst, std::size_t i) {
  const NicConfig& config = context.nic(burst.packets[i].in).config;
  if (!config.source_check) return false;
  const IpAddr source = burst.facts[i].source();
  switch (config.role) {
    case NicRole::Interface: {
      const InterfaceRow* row = context.policy->find_interface(config.interface);
      return row == nullptr || is_foreign(context, burst, i, *row);
    }
    case NicRole::Uplink:
      return is_of_vpcs(context, config, source);
    case NicRole::Inside:
      return false;
    case NicRole::Outside:
      return context.addresses.owner_of(source) != nullptr;
  }
  return false;
}

bool is_for_other_station(const WorkerContext& context, const Burst& burst, std::size_t i) {
  const NicInfo& nic = context.nic(burst.packets[i].in);
  const bool is_router =
      nic.config.role == NicRole::Interface || nic.config.role == NicRole::Uplink;
  return is_router && nic.config.source_check &&
         wire_at<EthernetHeader>(burst.frames[i].data).destination != nic.mac;
}

namespace {

template <bool kMayShorten>
void locate_all(WorkerContext& context, Burst& burst) {
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
    if (kMayShorten && locate_plain(visit)) continue;
    locate_ip(visit);
    const bool is_refused = burst.packets[i].part == FragmentPart::Refused;
    if (is_refused && burst.is_pending(i)) refuse_follower(context, burst, i);
  }
  hash_conversations(context, burst);
  find_owners(context, burst);
}

}  // namespace

void locate(WorkerContext& context, Burst& burst) { locate_all<true>(context, burst); }

void locate_the_long_way(WorkerContext& context, Burst& burst) {
  locate_all<false>(context, burst);
}

}  // namespace sluice
