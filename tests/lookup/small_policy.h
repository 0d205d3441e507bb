#pragma once

// A policy for one test, written in a few words: one VPC 10.0.0.0/16 + fd00:10::/56 with two
// subnets, one interface under test, groups and rules added by call.

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lookup/decide.h"
#include "lookup/snapshot_builder.h"

namespace sluice {

class SmallPolicy {
 public:
  static constexpr EniIndex kEni{0};

  SmallPolicy() {
    input_.generation = Generation(1);
    VpcInput vpc;
    vpc.index = VpcIndex(0);
    vpc.cidrs = {*Cidr::parse("10.0.0.0/16"), *Cidr::parse("fd00:10::/56")};
    input_.vpcs.push_back(vpc);
    add_subnet("10.0.1.0/24", "fd00:10:0:1::/64");
    add_subnet("10.0.2.0/24", "fd00:10:0:2::/64");
    add_interface(0, {"10.0.1.10", "fd00:10:0:1::10"}, {});
  }

  SnapshotInput& input() { return input_; }

  GroupIndex add_group() {
    const GroupIndex index(static_cast<std::uint32_t>(input_.groups.size()));
    input_.groups.push_back({index, VpcIndex(0), {}});
    return index;
  }
  // A group that the interface under test holds.
  GroupIndex add_own_group() {
    const GroupIndex index = add_group();
    input_.interfaces[0].groups.push_back(index);
    return index;
  }
  PrefixListIndex add_list(Family family, std::vector<std::string> entries) {
    PrefixListInput list;
    list.index = PrefixListIndex(static_cast<std::uint32_t>(input_.prefix_lists.size()));
    list.family = family;
    for (const std::string& entry : entries) list.entries.push_back(*Cidr::parse(entry));
    input_.prefix_lists.push_back(list);
    return list.index;
  }
  EniIndex add_interface(std::uint32_t subnet, std::vector<std::string> addresses,
                         std::vector<GroupIndex> groups) {
    InterfaceInput interface;
    interface.index = EniIndex(static_cast<std::uint32_t>(input_.interfaces.size()));
    interface.vpc = input_.subnets[subnet].vpc;
    interface.subnet = SubnetIndex(subnet);
    for (const std::string& address : addresses) {
      interface.addresses.push_back(*IpAddr::parse(address));
    }
    interface.groups = std::move(groups);
    input_.interfaces.push_back(interface);
    return interface.index;
  }
  void delegate(EniIndex interface, const char* prefix) {
    input_.interfaces[interface.value()].prefixes.push_back(*Cidr::parse(prefix));
  }
  // Adds a rule; its id ascends with the number of rules unless given.
  RuleIndex add_rule(GroupIndex group, Direction direction, int proto, PortMatch ports,
                     PeerInput peer, std::string id = "") {
    RuleInput rule;
    rule.index = RuleIndex(rule_count_++);
    char text[32];
    std::snprintf(text, sizeof text, "sgr-%017u", rule.index.value());
    rule.id = id.empty() ? text : std::move(id);
    rule.direction = direction;
    rule.proto = {proto};
    rule.ports = ports;
    rule.peer = std::move(peer);
    input_.groups[group.value()].rules.push_back(rule);
    return rule.index;
  }
  RuleIndex allow_in(GroupIndex group, int proto, PortMatch ports, const char* cidr) {
    return add_rule(group, Direction::Ingress, proto, ports, *Cidr::parse(cidr));
  }
  RuleIndex allow_out(GroupIndex group, int proto, PortMatch ports, const char* cidr) {
    return add_rule(group, Direction::Egress, proto, ports, *Cidr::parse(cidr));
  }
  AclIndex add_acl(std::uint32_t subnet) {
    AclInput acl;
    acl.index = AclIndex(static_cast<std::uint32_t>(input_.acls.size()));
    input_.acls.push_back(acl);
    input_.subnets[subnet].acl = acl.index;
    return acl.index;
  }

  Result<std::shared_ptr<const PolicySnapshot>> try_seal() const { return build_snapshot(input_); }
  std::shared_ptr<const PolicySnapshot> seal() const {
    Result<std::shared_ptr<const PolicySnapshot>> sealed = build_snapshot(input_);
    CHECK(sealed.has_value());
    return *sealed;
  }

  // A packet between the interface under test and `remote`.
  static Question packet(Direction direction, Proto proto, std::uint16_t port, const char* remote) {
    Question question;
    question.eni = kEni;
    question.direction = direction;
    question.proto = proto;
    question.port = port;
    question.source_port = has_ports(proto) ? 40'000 : 0;
    question.remote = *IpAddr::parse(remote);
    question.local = *IpAddr::parse(question.remote.is_v4() ? "10.0.1.10" : "fd00:10:0:1::10");
    return question;
  }
  static Question packet_in(Proto proto, std::uint16_t port, const char* remote) {
    return packet(Direction::Ingress, proto, port, remote);
  }
  static Question packet_out(Proto proto, std::uint16_t port, const char* remote) {
    return packet(Direction::Egress, proto, port, remote);
  }

 private:
  void add_subnet(const char* v4, const char* v6) {
    SubnetInput subnet;
    subnet.index = SubnetIndex(static_cast<std::uint32_t>(input_.subnets.size()));
    subnet.vpc = VpcIndex(0);
    subnet.cidrs = {*Cidr::parse(v4), *Cidr::parse(v6)};
    input_.subnets.push_back(subnet);
  }

  SnapshotInput input_;
  std::uint32_t rule_count_ = 0;
};

}  // namespace sluice
