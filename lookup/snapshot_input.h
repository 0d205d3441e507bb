#pragma once

// What the compiler hands over to have a policy sealed: resolved numbers, no names but rule ids.
//
// Contract between control/compile (fills it in) and lookup/snapshot_builder (checks and seals).
// Every index is a stable number (base/ids.h). Plain data, no behaviour.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/cidr.h"
#include "base/ids.h"
#include "base/verdict.h"
#include "lookup/rule_condition.h"

namespace sluice {

class L7Tools;  // lookup/l7_tools.h

// A protocol as a rule names it: -1 = all, else 0 to 255 (SG-11).
struct ProtoMatch {
  static constexpr int kAll = -1;
  int number = kAll;

  bool operator==(const ProtoMatch&) const = default;
};

// Which packets of the protocol: for tcp and udp a range of destination ports; for icmp and icmpv6
// a type and a code, -1 = any (SG-14); otherwise ignored (SG-13).
struct PortMatch {
  std::int32_t low = 0;   // first port, or ICMP type, -1 = any
  std::int32_t high = 0;  // last port, or ICMP code, -1 = any

  bool operator==(const PortMatch&) const = default;
};

// Exactly one kind of peer (SG-16).
using PeerInput = std::variant<Cidr, PrefixListIndex, GroupIndex>;

struct RuleInput {
  RuleIndex index;
  std::string id;  // "sgr-…": among several rules that allow, the smallest id is the answer
  Direction direction = Direction::Ingress;
  ProtoMatch proto;
  PortMatch ports;
  PeerInput peer;
  RuleCondition condition{};  // of tcp and udp rules only

  bool operator==(const RuleInput&) const = default;
};

struct GroupInput {
  GroupIndex index;
  VpcIndex vpc;
  std::vector<RuleInput> rules;

  bool operator==(const GroupInput&) const = default;
};

struct PrefixListInput {
  PrefixListIndex index;
  Family family = Family::Ipv4;
  std::vector<Cidr> entries;

  bool operator==(const PrefixListInput&) const = default;
};

struct AclEntryInput {
  std::uint32_t rule = 0;  // 1 to 32766 (NA-2), unique within its direction
  bool allow = false;
  ProtoMatch proto;
  PortMatch ports;
  Cidr cidr;

  bool operator==(const AclEntryInput&) const = default;
};

// Entries in any order; the final denies (NA-3) are implied.
struct AclInput {
  AclIndex index;
  std::vector<AclEntryInput> ingress;
  std::vector<AclEntryInput> egress;

  bool operator==(const AclInput&) const = default;
};

struct SubnetInput {
  SubnetIndex index;
  VpcIndex vpc;
  std::vector<Cidr> cidrs;
  AclIndex acl;  // none: the default ACL, which allows all (NA-7)

  bool operator==(const SubnetInput&) const = default;
};

struct VpcInput {
  VpcIndex index;
  std::vector<Cidr> cidrs;
  std::vector<VpcIndex> peers;  // VPCs joined by a peering, both ways

  bool operator==(const VpcInput&) const = default;
};

// Connection tracking of one interface: idle timers, seconds (CT-11 to CT-13), and how many flows
// it may track at once (CT-28); 0: what TrackingSettings say.
struct InterfaceTracking {
  std::uint32_t tcp_established_s = 350;
  std::uint32_t udp_s = 30;
  std::uint32_t udp_stream_s = 180;
  std::uint32_t allowance = 0;

  bool operator==(const InterfaceTracking&) const = default;
};

struct InterfaceInput {
  EniIndex index;
  VpcIndex vpc;
  SubnetIndex subnet;
  MacAddr mac;
  std::vector<IpAddr> addresses;  // the first of each family is the primary one (FL-20)
  std::vector<Cidr> prefixes;     // delegated: every address inside is its own too (SG-28)
  std::vector<GroupIndex> groups;
  InterfaceTracking tracking;
  bool logged = false;      // some flow log covers it
  bool identified = false;  // some flow log of it wants the application
  bool rejects = false;     // TCP connections that are not what rules demand are reset
  // Flows last judged before this generation are judged again at their next packet, in the
  // direction of their first one (`--existing reevaluate`). 0: never.
  Generation rejudge_before;
  // Flows made before this generation are forgotten at their next packet (`--existing flush`).
  Generation flush_before;

  bool operator==(const InterfaceInput&) const = default;
};

// How connections are looked at whose rules, log or signatures ask for it.
struct Layer7Settings {
  // What becomes of a connection on probation that could not be identified.
  bool allow_unknown = false;
  std::uint32_t packets_max = 1'000;  // of one connection that are looked at
  std::uint32_t seconds_max = 10;     // from its first payload on
  // Packets looked at in a second, by one worker and of one interface by one worker.
  std::uint32_t worker_budget = 400'000;
  std::uint32_t interface_budget = 200'000;

  bool operator==(const Layer7Settings&) const = default;
};

enum class TcpMode : std::uint8_t { Loose, Strict };              // CT-23
enum class IcmpErrorMode : std::uint8_t { Related, Documented };  // CT-24, CT-25
enum class ExemptProfile : std::uint8_t { None, Aws };            // SG-64

// Settings of the whole policy (product, section 3; CT-18). Times are seconds.
struct TrackingSettings {
  TcpMode mode = TcpMode::Loose;
  IcmpErrorMode icmp_errors = IcmpErrorMode::Related;
  std::uint32_t syn_s = 20;
  std::uint32_t half_closed_s = 60;
  std::uint32_t time_wait_s = 60;
  std::uint32_t icmp_s = 30;
  // Flows that each interface may track at once where it does not say itself; 0: as many as fit.
  std::uint32_t allowance = 0;

  bool operator==(const TrackingSettings&) const = default;
};

struct SnapshotInput {
  Generation generation;
  std::vector<VpcInput> vpcs;
  std::vector<SubnetInput> subnets;
  std::vector<PrefixListInput> prefix_lists;
  std::vector<GroupInput> groups;
  std::vector<AclInput> acls;
  std::vector<InterfaceInput> interfaces;
  TrackingSettings tracking;
  ExemptProfile exempt = ExemptProfile::None;
  Layer7Settings layer7;
  // What connections are identified with; null: none is, and those on probation are uninspected.
  std::shared_ptr<const L7Tools> tools;
};

}  // namespace sluice
