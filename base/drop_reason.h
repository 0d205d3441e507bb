#pragma once

// THE table of drop reasons (product: every drop has one reason). A reason is one row: its word as
// users, logs and metrics show it, whose fault it usually is, and a sentence.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

enum class DropReason : std::uint8_t {
  None = 0,
  // The policy said no.
  NoPolicy,
  NoRule,
  AclDeny,
  AppMismatch,
  DomainMismatch,
  AppUnknown,
  AppUninspected,
  Signature,
  SourceCheck,
  UnknownAddress,
  Multicast,
  ForeignMac,
  NotIp,
  Vlan,
  // The conversation does not fit.
  NotFirstPacket,
  Closed,
  OutOfWindow,
  TableFull,
  AllowanceExceeded,
  EmbryonicFull,
  // Malformed packets.
  MalformedEthernet,
  MalformedVlan,
  MalformedTruncated,
  MalformedIpv4Header,
  MalformedIpv4Checksum,
  MalformedIpv4Options,
  MalformedIpv6Header,
  MalformedIpv6Extension,
  MalformedTcp,
  MalformedTcpFlags,
  MalformedUdp,
  MalformedIcmp,
  MalformedArp,
  MalformedNeighborDiscovery,
  MalformedAddress,
  // IPv6 extension headers that are refused.
  Ipv6RoutingHeader,
  Ipv6HeaderChain,
  Ipv6UnknownHeader,
  // Fragments (CT-22).
  FragmentMalformed,
  FragmentTiny,
  FragmentOverlap,
  FragmentDuplicate,
  FragmentTooMany,
  FragmentTimeout,
  FragmentRefused,
  // Forwarding.
  TtlExpired,
  NoRoute,
  NoNeighbor,
  LinkDown,
  TooBig,
  TransmitFull,
  HandoffFull,
  ToAppliance,
  Stopped,
};

struct DropReasonRow {
  DropReason reason;
  std::string_view name;      // the word in stats, logs, replay and explain
  std::string_view fault;     // policy | sender | network | appliance
  std::string_view sentence;  // for a person
};

// In the order of the enum, which is asserted below.
inline constexpr std::array kDropReasons = std::to_array<DropReasonRow>({
    {DropReason::None, "none", "policy", "The packet was not dropped."},
    {DropReason::NoPolicy, "no-policy", "policy", "No policy is loaded, so nothing passes."},
    {DropReason::NoRule, "no-rule", "policy",
     "No rule of the interface's security groups allows it."},
    {DropReason::AclDeny, "acl-deny", "policy", "The subnet's network ACL denies it."},
    {DropReason::AppMismatch, "app-mismatch", "policy",
     "It is another application than the rules that name its addresses and ports demand."},
    {DropReason::DomainMismatch, "domain-mismatch", "policy",
     "It asks for no name, or for one that the rules do not list."},
    {DropReason::AppUnknown, "app-unknown", "policy",
     "Its first bytes do not tell which application it is, and the rules demand one."},
    {DropReason::AppUninspected, "app-uninspected", "appliance",
     "Its first bytes could not be looked at (budget, fragments, or bytes that contradict each "
     "other), "
     "and the rules demand it."},
    {DropReason::Signature, "signature", "policy", "A signature of the policy matched it."},
    {DropReason::SourceCheck, "source-check", "sender",
     "Its source address cannot come from where it came (spoofed)."},
    {DropReason::UnknownAddress, "unknown-address", "policy",
     "No interface of the policy owns the address."},
    {DropReason::Multicast, "multicast", "sender",
     "Multicast and broadcast are not carried (SG-63)."},
    {DropReason::ForeignMac, "foreign-mac", "network",
     "Its frame is addressed to the MAC address of another station."},
    {DropReason::NotIp, "not-ip", "sender", "Neither IPv4, IPv6, ARP nor neighbour discovery."},
    {DropReason::Vlan, "vlan", "sender",
     "A VLAN tag on the port of an interface or an uplink, which carry none."},
    {DropReason::NotFirstPacket, "not-first-packet", "sender",
     "It belongs to no known connection and cannot begin one."},
    {DropReason::Closed, "closed", "sender", "It came after its connection was closed (FL-12)."},
    {DropReason::OutOfWindow, "out-of-window", "sender",
     "Its TCP sequence number is far outside of what the connection allows."},
    {DropReason::TableFull, "table-full", "appliance",
     "The flow table is full; known connections go on, new ones do not (CT-27)."},
    {DropReason::AllowanceExceeded, "allowance-exceeded", "policy",
     "The interface tracks as many connections as its allowance lets it (CT-28)."},
    {DropReason::EmbryonicFull, "embryonic-full", "sender",
     "Connections that nobody has answered yet have taken their share of the room."},
    {DropReason::MalformedEthernet, "malformed-ethernet", "sender",
     "Shorter than an Ethernet header, or with a group address as its source."},
    {DropReason::MalformedVlan, "malformed-vlan", "sender",
     "A VLAN tag is cut short, or there are more than two."},
    {DropReason::MalformedTruncated, "malformed-truncated", "sender",
     "Shorter than its own IP length says."},
    {DropReason::MalformedIpv4Header, "malformed-ipv4-header", "sender",
     "IPv4 version, header length or total length is wrong."},
    {DropReason::MalformedIpv4Checksum, "malformed-ipv4-checksum", "sender",
     "The IPv4 header checksum is wrong."},
    {DropReason::MalformedIpv4Options, "malformed-ipv4-options", "sender",
     "An IPv4 option runs past the header."},
    {DropReason::MalformedIpv6Header, "malformed-ipv6-header", "sender",
     "IPv6 version or payload length is wrong."},
    {DropReason::MalformedIpv6Extension, "malformed-ipv6-extension", "sender",
     "An IPv6 extension header runs past the packet."},
    {DropReason::MalformedTcp, "malformed-tcp", "sender",
     "The TCP header is cut short, or its data offset is wrong."},
    {DropReason::MalformedTcpFlags, "malformed-tcp-flags", "sender",
     "A combination of TCP flags that no TCP sends."},
    {DropReason::MalformedUdp, "malformed-udp", "sender",
     "The UDP header is cut short, or its length is wrong."},
    {DropReason::MalformedIcmp, "malformed-icmp", "sender", "The ICMP header is cut short."},
    {DropReason::MalformedArp, "malformed-arp", "sender", "The ARP packet is wrong in itself."},
    {DropReason::MalformedNeighborDiscovery, "malformed-neighbor-discovery", "sender",
     "The neighbour discovery message is wrong in itself (RFC 4861, 7.1)."},
    {DropReason::MalformedAddress, "malformed-address", "sender",
     "A source or destination that cannot be one, such as a loopback or multicast source."},
    {DropReason::Ipv6RoutingHeader, "ipv6-routing-header", "sender",
     "Routing header type 0 is refused (RFC 5095)."},
    {DropReason::Ipv6HeaderChain, "ipv6-header-chain", "sender",
     "More than 8 extension headers or 256 bytes of them."},
    {DropReason::Ipv6UnknownHeader, "ipv6-unknown-header", "sender",
     "An extension header that cannot be walked."},
    {DropReason::FragmentMalformed, "fragment-malformed", "sender",
     "Length, offset or flags of the fragment are impossible."},
    {DropReason::FragmentTiny, "fragment-tiny", "sender",
     "The first fragment does not hold the whole transport header (RFC 7112)."},
    {DropReason::FragmentOverlap, "fragment-overlap", "sender",
     "Fragments of one packet overlap (RFC 5722)."},
    {DropReason::FragmentDuplicate, "fragment-duplicate", "network",
     "The same fragment came before."},
    {DropReason::FragmentTooMany, "fragment-too-many", "sender", "No room to hold more fragments."},
    {DropReason::FragmentTimeout, "fragment-timeout", "network",
     "The first fragment did not come in time."},
    {DropReason::FragmentRefused, "fragment-refused", "policy",
     "The first fragment of its packet was dropped."},
    {DropReason::TtlExpired, "ttl-expired", "sender", "Its TTL or hop limit ended here."},
    {DropReason::NoRoute, "no-route", "policy",
     "The destination is in no VPC here and the VPC has no uplink."},
    {DropReason::NoNeighbor, "no-neighbor", "network",
     "The gateway's MAC address is not resolved yet."},
    {DropReason::LinkDown, "link-down", "network", "The link of the outgoing device is down."},
    {DropReason::TooBig, "too-big", "sender", "Longer than the outgoing device's MTU."},
    {DropReason::TransmitFull, "transmit-full", "network",
     "The outgoing device took no more packets."},
    {DropReason::HandoffFull, "handoff-full", "appliance",
     "The queue to the worker that owns the flow is full."},
    {DropReason::ToAppliance, "to-appliance", "sender",
     "Addressed to Sluice itself, which offers no service there."},
    {DropReason::Stopped, "stopped", "appliance", "Held when the appliance stopped."},
});

inline constexpr std::size_t kDropReasonCount = kDropReasons.size();

consteval bool drop_reasons_are_in_order() {
  for (std::size_t i = 0; i < kDropReasons.size(); ++i) {
    if (static_cast<std::size_t>(kDropReasons[i].reason) != i) return false;
  }
  return static_cast<std::size_t>(DropReason::Stopped) + 1 == kDropReasons.size();
}
static_assert(drop_reasons_are_in_order());

constexpr std::string_view name_of(DropReason reason) {
  return kDropReasons[static_cast<std::size_t>(reason)].name;
}
constexpr std::string_view sentence_of(DropReason reason) {
  return kDropReasons[static_cast<std::size_t>(reason)].sentence;
}
// True for what never reaches a flow log because it is broken in itself (product, section 7).
constexpr bool is_malformed(DropReason reason) { return name_of(reason).starts_with("malformed-"); }

}  // namespace sluice
