#pragma once

// Policies and questions drawn from a seed, for comparing anything that answers them.
//
// What is drawn is what a careful adversary of the compiled form would write: prefixes that nest
// and touch, VPCs that overlap, groups that name themselves and each other, lists that hold
// 0.0.0.0/0, rules that differ in one port. Questions aim at the edges of what the policy says:
// the first and last address of its prefixes, the ports beside its ranges.
//
// The same seed gives the same policy and questions with the same compiler: only std::mt19937_64
// is used, whose output the standard fixes, and no distribution of the library.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lookup/question.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// How much of each thing; at least one VPC, subnet, group and interface.
struct PolicyShape {
  std::size_t vpcs = 3;
  std::size_t subnets_per_vpc = 3;
  std::size_t groups = 8;
  std::size_t rules_per_group = 8;
  std::size_t prefix_lists = 4;
  std::size_t entries_per_list = 6;
  std::size_t interfaces = 20;
  std::size_t acls = 3;
  std::size_t entries_per_acl = 6;
  bool overlapping_vpcs = true;  // some VPCs use the same blocks
  bool missing_peers = true;     // some rules name lists and groups that are not there
  bool conditions = true;        // some rules demand an application or names
};

class RandomPolicy {
 public:
  explicit RandomPolicy(std::uint64_t seed, const PolicyShape& shape = PolicyShape())
      : random_(seed), shape_(shape) {
    add_vpcs();
    add_lists();
    add_acls();
    add_subnets();
    add_groups();
    add_interfaces();
    add_rules();
    input_.generation = Generation(1);
    if (one_in(4)) input_.exempt = ExemptProfile::Aws;
    input_.layer7.allow_unknown = one_in(4);
  }

  const SnapshotInput& input() const { return input_; }

  // A question that the policy has an opinion about, more often than not.
  Question question();

  // What a connection might turn out to be: often what some rule demands.
  Identified identified();
  // A prefix that an interface of the subnet may have, if no other has it (SG-28). It lies beyond
  // the kHosts addresses from the fifth on that interfaces have by themselves.
  Cidr any_delegation(const SubnetInput& subnet);
  IpAddr any_address_in(const Cidr& cidr);
  static constexpr std::size_t kHosts = 180;

  // A number of 0 … count - 1, for tests that need further choices.
  std::size_t below(std::size_t count) { return random_() % count; }
  bool one_in(std::size_t count) { return below(count) == 0; }

 private:
  template <class T>
  const T& any_of(const std::vector<T>& things) {
    return things[below(things.size())];
  }
  template <class T>
  T choose(std::initializer_list<T> things) {
    return things.begin()[below(things.size())];
  }

  void add_vpcs();
  void add_lists();
  void add_acls();
  void add_subnets();
  void add_groups();
  void add_interfaces();
  void add_rules();
  void add_rule(GroupInput& group, const RuleInput& wanted);

  Family any_family() { return one_in(3) ? Family::Ipv6 : Family::Ipv4; }
  IpAddr any_address(Family family);
  IpAddr own_address(const InterfaceInput& interface);
  Cidr any_cidr(Family family);
  Cidr known_cidr(Family family);
  ProtoMatch any_proto();
  PortMatch any_ports(int proto);
  RuleCondition any_condition();
  std::vector<AclEntryInput> any_acl_entries();
  PeerInput any_peer();
  IpAddr any_remote(Family family);
  IpAddr aim_remote(const RuleInput& rule, Family family);
  void aim_ports(const RuleInput& rule, Question& question);
  void fix_ports(Question& question);
  const RuleInput* any_rule_of(const InterfaceInput& interface, Direction direction);

  std::mt19937_64 random_;
  PolicyShape shape_;
  SnapshotInput input_;
  std::set<std::uint64_t> rule_ids_;
};

inline IpAddr RandomPolicy::any_address(Family family) {
  // Few distinct values of the upper bits, so that prefixes meet.
  if (family == Family::Ipv4) {
    const std::uint32_t top = choose({10u, 10u, 10u, 172u, 203u, 0u, 255u, 128u});
    return IpAddr::v4(top << 24 | static_cast<std::uint32_t>(below(4)) << 16 |
                      static_cast<std::uint32_t>(below(4)) << 8 |
                      static_cast<std::uint32_t>(below(256)));
  }
  const std::uint64_t high = choose<std::uint64_t>({0xfd00'0010u, 0xfd00'0010u, 0x2001'0db8u})
                             << 32;
  return IpAddr::v6(high | below(4) << 8 | below(4), below(3) == 0 ? random_() : below(256));
}

inline IpAddr RandomPolicy::any_address_in(const Cidr& cidr) {
  const std::uint64_t noise_high = one_in(3) ? 0 : (one_in(2) ? ~std::uint64_t{0} : random_());
  const std::uint64_t noise_low = one_in(3) ? 0 : (one_in(2) ? ~std::uint64_t{0} : random_());
  const IpAddr base = cidr.address();
  if (base.is_v4()) {
    const auto noise = static_cast<std::uint32_t>(noise_low);
    const IpAddr kept = mask_address(IpAddr::v4(noise), cidr.length());
    return IpAddr::v4(base.v4_value() | (noise ^ kept.v4_value()));
  }
  const IpAddr kept = mask_address(IpAddr::v6(noise_high, noise_low), cidr.length());
  return IpAddr::v6(base.high() | (noise_high ^ kept.high()),
                    base.low() | (noise_low ^ kept.low()));
}

inline Cidr RandomPolicy::known_cidr(Family family) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    Cidr cidr;
    if (one_in(3)) {
      cidr = any_of(any_of(input_.vpcs).cidrs);
    } else if (one_in(2) && !input_.subnets.empty()) {
      cidr = any_of(any_of(input_.subnets).cidrs);
    } else if (!input_.interfaces.empty()) {
      const InterfaceInput& interface = any_of(input_.interfaces);
      cidr = interface.prefixes.empty() || one_in(2) ? Cidr::host(any_of(interface.addresses))
                                                     : any_of(interface.prefixes);
    } else if (!input_.prefix_lists.empty()) {
      cidr = any_of(any_of(input_.prefix_lists).entries);
    }
    if (cidr.family() == family) return cidr;
  }
  return Cidr(any_address(family), address_bits(family));
}

inline Cidr RandomPolicy::any_cidr(Family family) {
  if (one_in(5)) return Cidr(any_address(family), 0);
  if (one_in(12)) return Cidr(any_address(family), 1);
  if (one_in(2)) return known_cidr(family);
  return Cidr(any_address(family), static_cast<std::uint8_t>(below(address_bits(family) + 1u)));
}

inline ProtoMatch RandomPolicy::any_proto() {
  return {choose({-1, 6, 6, 6, 17, 17, 1, 58, 47, 50, 0, 255, 1 + static_cast<int>(below(200))})};
}

inline PortMatch RandomPolicy::any_ports(int proto) {
  if (proto == 1 || proto == 58) {
    const std::int32_t type = choose({-1, 0, 3, 8, 128, 129, 255});
    return {type, type == -1 ? -1 : choose({-1, -1, 0, 4, 255})};
  }
  if (one_in(4)) return {0, 65535};
  if (one_in(8)) return {1024, 65535};
  const auto low = static_cast<std::int32_t>(one_in(2) ? below(65536) : choose({22, 53, 80, 443}));
  if (one_in(2)) return {low, low};
  return {low, low + static_cast<std::int32_t>(below(65536u - static_cast<unsigned>(low)))};
}

inline void RandomPolicy::add_vpcs() {
  for (std::size_t i = 0; i < shape_.vpcs; ++i) {
    VpcInput vpc;
    vpc.index = VpcIndex(static_cast<std::uint32_t>(i));
    const std::size_t block = shape_.overlapping_vpcs && one_in(3) ? 0 : i;
    const auto number = static_cast<std::uint32_t>(block % 256);
    vpc.cidrs.push_back(Cidr(IpAddr::v4(10u << 24 | number << 16), 16));
    const std::uint64_t high = 0xfd00'0010'0000'0000u | std::uint64_t{number} << 8;
    vpc.cidrs.push_back(Cidr(IpAddr::v6(high, 0), 56));
    input_.vpcs.push_back(std::move(vpc));
  }
  for (std::size_t i = 0; i + 1 < input_.vpcs.size(); ++i) {
    if (one_in(2)) continue;
    input_.vpcs[i].peers.push_back(input_.vpcs[i + 1].index);
    input_.vpcs[i + 1].peers.push_back(input_.vpcs[i].index);
  }
}

inline void RandomPolicy::add_lists() {
  for (std::size_t i = 0; i < shape_.prefix_lists; ++i) {
    PrefixListInput list;
    list.index = PrefixListIndex(static_cast<std::uint32_t>(i));
    list.family = any_family();
    std::set<Cidr> entries;
    const std::size_t count = below(shape_.entries_per_list + 1);
    for (std::size_t k = 0; k < count; ++k) entries.insert(any_cidr(list.family));
    list.entries.assign(entries.begin(), entries.end());
    if (!list.entries.empty()) input_.prefix_lists.push_back(std::move(list));
  }
}

inline std::vector<AclEntryInput> RandomPolicy::any_acl_entries() {
  std::vector<AclEntryInput> entries;
  std::set<std::uint32_t> numbers;
  const std::size_t count = below(shape_.entries_per_acl + 1);
  for (std::size_t i = 0; i < count; ++i) {
    AclEntryInput entry;
    entry.rule = 1 + static_cast<std::uint32_t>(one_in(4) ? below(32766) : below(200));
    if (!numbers.insert(entry.rule).second) continue;
    entry.allow = !one_in(3);
    entry.proto = any_proto();
    entry.ports = any_ports(entry.proto.number);
    entry.cidr = any_cidr(any_family());
    entries.push_back(entry);
  }
  // One that lets most pass, or few questions would ever reach the groups.
  if (numbers.insert(30000).second && !one_in(3)) {
    for (const Family family : {Family::Ipv4, Family::Ipv6}) {
      AclEntryInput entry;
      entry.rule = family == Family::Ipv4 ? 30000 : 30001;
      if (entry.rule == 30001 && !numbers.insert(30001).second) continue;
      entry.allow = true;
      entry.cidr = Cidr(any_address(family), 0);
      entries.push_back(entry);
    }
  }
  return entries;
}

inline void RandomPolicy::add_acls() {
  for (std::size_t i = 0; i < shape_.acls; ++i) {
    AclInput acl;
    acl.index = AclIndex(static_cast<std::uint32_t>(i));
    acl.ingress = any_acl_entries();
    acl.egress = any_acl_entries();
    input_.acls.push_back(std::move(acl));
  }
}

inline void RandomPolicy::add_subnets() {
  for (const VpcInput& vpc : input_.vpcs) {
    for (std::size_t i = 0; i < shape_.subnets_per_vpc && i < 256; ++i) {
      SubnetInput subnet;
      subnet.index = SubnetIndex(static_cast<std::uint32_t>(input_.subnets.size()));
      subnet.vpc = vpc.index;
      const IpAddr v4 = vpc.cidrs[0].address();
      const IpAddr v6 = vpc.cidrs[1].address();
      const auto number = static_cast<std::uint32_t>(i);
      subnet.cidrs.push_back(Cidr(IpAddr::v4(v4.v4_value() | number << 8), 24));
      subnet.cidrs.push_back(Cidr(IpAddr::v6(v6.high() | i, 0), 64));
      if (!input_.acls.empty() && !one_in(3)) subnet.acl = any_of(input_.acls).index;
      input_.subnets.push_back(std::move(subnet));
    }
  }
}

inline void RandomPolicy::add_groups() {
  for (std::size_t i = 0; i < shape_.groups; ++i) {
    GroupInput group;
    group.index = GroupIndex(static_cast<std::uint32_t>(i));
    group.vpc = input_.vpcs[i % input_.vpcs.size()].index;
    input_.groups.push_back(std::move(group));
  }
}

inline Cidr RandomPolicy::any_delegation(const SubnetInput& subnet) {
  const IpAddr base = subnet.cidrs[below(2)].address();
  if (base.is_v4()) {
    const auto block = static_cast<std::uint32_t>(192 + 16 * below(4));
    return Cidr(IpAddr::v4(base.v4_value() + block), 28);
  }
  return Cidr(IpAddr::v6(base.high(), (1 + below(4)) << 48), 80);
}

// One of its addresses, single or of a delegated prefix.
inline IpAddr RandomPolicy::own_address(const InterfaceInput& interface) {
  const bool is_single = interface.prefixes.empty() || one_in(2);
  return is_single ? any_of(interface.addresses) : any_address_in(any_of(interface.prefixes));
}

inline void RandomPolicy::add_interfaces() {
  std::set<std::pair<VpcIndex, IpAddr>> taken;
  std::set<std::pair<VpcIndex, Cidr>> delegated;
  for (std::size_t i = 0; i < shape_.interfaces; ++i) {
    const SubnetInput& subnet = any_of(input_.subnets);
    InterfaceInput interface;
    interface.index = EniIndex(static_cast<std::uint32_t>(i));
    interface.vpc = subnet.vpc;
    interface.subnet = subnet.index;
    interface.mac.bytes = {
        2, 0, 0, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
    const std::size_t count = 1 + below(4);
    for (std::size_t k = 0; k < count; ++k) {
      const IpAddr base = subnet.cidrs[below(2)].address();
      const std::size_t host = 4 + below(kHosts);
      const IpAddr address = base.is_v4()
                                 ? IpAddr::v4(base.v4_value() + static_cast<std::uint32_t>(host))
                                 : IpAddr::v6(base.high(), host);
      if (taken.insert({subnet.vpc, address}).second) interface.addresses.push_back(address);
    }
    if (interface.addresses.empty()) continue;
    if (one_in(3)) {
      const Cidr prefix = any_delegation(subnet);
      const bool is_free = delegated.insert({subnet.vpc, prefix}).second;
      if (is_free) interface.prefixes.push_back(prefix);
    }
    // Groups of the interface's own VPC, as far as there are any.
    std::vector<GroupIndex> possible;
    for (const GroupInput& group : input_.groups) {
      if (group.vpc == subnet.vpc) possible.push_back(group.index);
    }
    std::set<GroupIndex> groups;
    for (std::size_t k = below(5); k > 0 && !possible.empty(); --k) groups.insert(any_of(possible));
    interface.groups.assign(groups.begin(), groups.end());
    interface.logged = one_in(2);
    input_.interfaces.push_back(std::move(interface));
  }
}

// Domains that contain one another, and names inside, beside and above them.
inline RuleCondition RandomPolicy::any_condition() {
  RuleCondition condition;
  if (!one_in(3)) condition.app = choose({App::Http, App::Tls, App::Ssh, App::Dns, App::Quic});
  std::vector<std::string> domains;
  const bool may_have = condition.app == App::Unknown || carries_name(condition.app);
  for (std::size_t k = may_have ? below(4) : 0; k > 0; --k) {
    domains.push_back(choose({"a.example", "b.a.example", "*.a.example", "*.example",
                              "*.c.b.a.example", "example", "x.test"}));
  }
  if (condition.app == App::Unknown && domains.empty()) domains.push_back("*.a.example");
  condition.domains = DomainSet(std::move(domains));
  return condition;
}

inline Identified RandomPolicy::identified() {
  Identified result;
  result.app =
      choose({App::Http, App::Tls, App::Ssh, App::Dns, App::Quic, App::Unknown, kUninspected});
  static constexpr const char* kNames[] = {"",           "a.example",       "b.a.example",
                                           "example",    "d.c.b.a.example", "xa.example",
                                           "a.example.", "x.test",          "y.x.test"};
  if (carries_name(result.app)) result.name = kNames[below(std::size(kNames))];
  return result;
}

inline PeerInput RandomPolicy::any_peer() {
  if (one_in(3)) {
    if (shape_.missing_peers && one_in(10))
      return GroupIndex(one_in(2) ? 99'999 : GroupIndex::kNone);
    return any_of(input_.groups).index;
  }
  if (one_in(4)) {
    if (shape_.missing_peers && one_in(10)) return PrefixListIndex();
    if (!input_.prefix_lists.empty()) return any_of(input_.prefix_lists).index;
  }
  return any_cidr(any_family());
}

inline void RandomPolicy::add_rule(GroupInput& group, const RuleInput& wanted) {
  for (const RuleInput& known : group.rules) {
    if (known.direction == wanted.direction && known.proto.number == wanted.proto.number &&
        known.ports.low == wanted.ports.low && known.ports.high == wanted.ports.high &&
        known.peer == wanted.peer && known.condition == wanted.condition) {
      return;  // a duplicate, which no policy may hold (SG-18)
    }
  }
  RuleInput rule = wanted;
  std::uint64_t id = random_();
  while (!rule_ids_.insert(id).second) id = random_();
  char text[24];
  std::snprintf(text, sizeof text, "sgr-%017llx", static_cast<unsigned long long>(id));
  rule.id = text;
  rule.index = RuleIndex(static_cast<std::uint32_t>(rule_ids_.size() - 1));
  group.rules.push_back(std::move(rule));
}

inline void RandomPolicy::add_rules() {
  for (GroupInput& group : input_.groups) {
    if (one_in(3)) {  // the egress rules of a new group (SG-4)
      for (const Family family : {Family::Ipv4, Family::Ipv6}) {
        RuleInput rule;
        rule.direction = Direction::Egress;
        rule.peer = Cidr(any_address(family), 0);
        add_rule(group, rule);
      }
    }
    const std::size_t count = below(2 * shape_.rules_per_group + 1);
    for (std::size_t i = 0; i < count; ++i) {
      RuleInput rule;
      rule.direction = one_in(2) ? Direction::Ingress : Direction::Egress;
      rule.proto = any_proto();
      rule.ports = any_ports(rule.proto.number);
      rule.peer = any_peer();
      const bool has_demand = rule.proto.number == 6 || rule.proto.number == 17;
      if (shape_.conditions && has_demand && one_in(3)) rule.condition = any_condition();
      add_rule(group, rule);
    }
  }
}

inline IpAddr RandomPolicy::any_remote(Family family) {
  static const IpAddr kExempt[] = {
      IpAddr::v4(0xa9fea9fd),    // 169.254.169.253
      IpAddr::v4(0xa9fea9fe),    // 169.254.169.254
      IpAddr::v4(0xa9fea9fb),    // 169.254.169.251
      IpAddr::v4(0xa9fea97b),    // 169.254.169.123
      IpAddr::v4(0xa9feaa02),    // 169.254.170.2
      IpAddr::v4(10u << 24 | 2)  // the resolver of the first VPC
  };
  if (family == Family::Ipv4 && one_in(20)) return kExempt[below(std::size(kExempt))];
  if (one_in(2)) {
    for (int attempt = 0; attempt < 10; ++attempt) {
      const IpAddr address = own_address(any_of(input_.interfaces));
      if (address.family() == family) return address;
    }
  }
  for (int attempt = 0; attempt < 10 && !one_in(4); ++attempt) {
    const GroupInput& group = any_of(input_.groups);
    if (group.rules.empty()) continue;
    const Cidr* cidr = std::get_if<Cidr>(&any_of(group.rules).peer);
    if (cidr != nullptr && cidr->family() == family) return any_address_in(*cidr);
  }
  return one_in(2) ? any_address_in(known_cidr(family)) : any_address(family);
}

// An address that the rule's peer stands for, if that is easily had.
inline IpAddr RandomPolicy::aim_remote(const RuleInput& rule, Family family) {
  if (const Cidr* cidr = std::get_if<Cidr>(&rule.peer)) {
    if (cidr->family() == family) return any_address_in(*cidr);
  } else if (const PrefixListIndex* index = std::get_if<PrefixListIndex>(&rule.peer)) {
    for (const PrefixListInput& list : input_.prefix_lists) {
      if (list.index == *index && list.family == family)
        return any_address_in(any_of(list.entries));
    }
  } else {
    for (int attempt = 0; attempt < 20; ++attempt) {
      const InterfaceInput& member = any_of(input_.interfaces);
      const IpAddr address = own_address(member);
      for (const GroupIndex group : member.groups) {
        if (group == std::get<GroupIndex>(rule.peer) && address.family() == family) return address;
      }
    }
  }
  return any_remote(family);
}

// Protocol and port of the rule, or just beside them.
inline void RandomPolicy::aim_ports(const RuleInput& rule, Question& question) {
  if (rule.proto.number >= 0) question.proto = static_cast<Proto>(rule.proto.number);
  const std::int32_t code = rule.ports.high < 0 ? 0 : rule.ports.high;
  const std::int32_t aimed = is_icmp(question.proto)
                                 ? (rule.ports.low < 0 ? 8 : rule.ports.low) << 8 | code
                                 : (one_in(2) ? rule.ports.low : rule.ports.high);
  question.port = static_cast<std::uint16_t>(aimed + choose({0, 0, 0, 1, -1}));
}

// A rule of one of the interface's groups, of the direction if that is easily had; may be null.
inline const RuleInput* RandomPolicy::any_rule_of(const InterfaceInput& interface,
                                                  Direction direction) {
  const RuleInput* rule = nullptr;
  for (int attempt = 0; attempt < 10 && !interface.groups.empty(); ++attempt) {
    const GroupInput& group = input_.groups[any_of(interface.groups).value()];
    if (group.rules.empty()) continue;
    rule = &any_of(group.rules);
    if (rule->direction == direction) return rule;
  }
  return rule;
}

inline void RandomPolicy::fix_ports(Question& question) {
  if (!has_ports(question.proto)) {
    question.source_port = 0;
    if (!is_icmp(question.proto)) question.port = 0;
    return;
  }
  question.source_port = static_cast<std::uint16_t>(
      choose({40'000, 53, 67, 68, 123, 546, 547, 1688, static_cast<int>(below(65536))}));
  if (one_in(30)) question.port = choose<std::uint16_t>({53, 67, 68, 123, 546, 547, 1688});
}

inline Question RandomPolicy::question() {
  const InterfaceInput& interface = any_of(input_.interfaces);
  Question question;
  question.eni = interface.index;
  question.direction = one_in(2) ? Direction::Ingress : Direction::Egress;
  question.local = own_address(interface);
  const Family family = question.local.family();
  question.proto = choose({Proto::Tcp, Proto::Udp, Proto::Icmp, Proto::Icmpv6, Proto::Esp});
  question.port = static_cast<std::uint16_t>(below(65536));
  const RuleInput* rule = any_rule_of(interface, question.direction);
  if (rule != nullptr && !one_in(6)) aim_ports(*rule, question);
  question.remote = rule != nullptr && !one_in(3) ? aim_remote(*rule, family) : any_remote(family);
  fix_ports(question);
  return question;
}

}  // namespace sluice
