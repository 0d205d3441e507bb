#include "control/policy/check_sizes.h"

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/limits.h"
#include "control/policy/table_reader.h"

namespace sluice {

namespace {

// `what` and `things` stand around the number: "the policy has" 3 "VPCs".
struct Amount {
  std::string_view code;
  Position at;
  std::string what;
  std::string_view things;
  std::size_t count;
  std::size_t most;
};

void check(const Amount& amount, Findings& findings) {
  if (amount.count <= amount.most) return;
  findings.over_limit(amount.at, amount.code,
                      amount.what + " " + std::to_string(amount.count) + " " +
                          std::string(amount.things) + "; at most " + std::to_string(amount.most) +
                          " fit");
}

void check_whole(const Policy& policy, Findings& findings) {
  const std::string what = "the policy has";
  const Position signatures_at =
      policy.signatures.size() > kSignaturesMax ? policy.signatures[kSignaturesMax].at : Position{};
  const Amount amounts[] = {
      {"limit-vpcs", {}, what, "VPCs", policy.vpcs.size(), kVpcsMax},
      {"limit-subnets", {}, what, "subnets", policy.subnets.size(), kSubnetsMax},
      {"limit-prefix-lists", {}, what, "prefix lists", policy.prefix_lists.size(), kPrefixListsMax},
      {"limit-groups",
       {},
       what,
       "security groups, default groups included",
       policy.groups.size(),
       kGroupsMax},
      {"limit-interfaces", {}, what, "interfaces", policy.interfaces.size(), kInterfacesMax - 1},
      {"limit-acls", {}, what, "network ACLs", policy.acls.size(), kAclsMax},
      {"limit-flow-logs", {}, what, "flow logs", policy.flow_logs.size(), kFlowLogsMax},
      {"limit-signatures", signatures_at, what, "signatures", policy.signatures.size(),
       kSignaturesMax},
  };
  for (const Amount& amount : amounts) check(amount, findings);
}

void check_vpcs(const Policy& policy, Findings& findings) {
  std::unordered_map<std::string_view, std::size_t> peers;
  for (const Peering& peering : policy.peerings) {
    ++peers[peering.first.id];
    ++peers[peering.second.id];
  }
  for (const Vpc& vpc : policy.vpcs) {
    const std::string what = "vpc " + quoted(vpc.id);
    check(
        {"limit-cidrs-per-vpc", vpc.at, what + " has", "cidrs", vpc.cidrs.size(), kCidrsPerVpcMax},
        findings);
    const auto joined = peers.find(vpc.id);
    if (joined == peers.end()) continue;
    check({"limit-peers-per-vpc", vpc.at, what + " is joined to", "others", joined->second,
           kPeersPerVpcMax},
          findings);
  }
}

void check_subnets(const Policy& policy, Findings& findings) {
  for (const Subnet& subnet : policy.subnets) {
    check({"limit-cidrs-per-subnet", subnet.at, "subnet " + quoted(subnet.id) + " has", "cidrs",
           subnet.cidrs.size(), kCidrsPerSubnetMax},
          findings);
  }
}

void check_interfaces(const Policy& policy, Findings& findings) {
  for (const Eni& eni : policy.interfaces) {
    const std::size_t groups = eni.security_groups.size();
    const std::size_t addresses = eni.addresses.size() + eni.prefixes.size();
    if (groups <= kGroupsPerInterfaceMax && addresses <= kAddressesPerInterfaceMax) continue;
    const std::string what = "interface " + quoted(eni.id);
    check({"limit-groups-per-interface", eni.groups_at, what + " holds", "security groups", groups,
           kGroupsPerInterfaceMax},
          findings);
    check({"limit-addresses-per-interface", eni.at, what + " has", "addresses and prefixes",
           addresses, kAddressesPerInterfaceMax},
          findings);
  }
}

void check_acls(const Policy& policy, Findings& findings) {
  for (const NetworkAcl& acl : policy.acls) {
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      const std::string things = std::string(name_of(direction)) + " entries";
      check({"limit-entries-per-acl", acl.at, "network_acl " + quoted(acl.id) + " has", things,
             acl.entries(direction).size(), kEntriesPerAclMax},
            findings);
    }
  }
}

}  // namespace

void check_rule_count(const std::string& group, Direction direction, std::size_t count, Position at,
                      Findings& findings) {
  if (count <= kRulesPerGroupMax) return;
  const std::string things = std::string(name_of(direction)) + " rules";
  check({"limit-rules-per-group", at, "security_group " + quoted(group) + " has", things, count,
         kRulesPerGroupMax},
        findings);
}

void check_sizes(const Policy& policy, Findings& findings) {
  check_whole(policy, findings);
  check_vpcs(policy, findings);
  check_subnets(policy, findings);
  check_interfaces(policy, findings);
  check_acls(policy, findings);
  for (const SecurityGroup& group : policy.groups) {
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      check_rule_count(group.id, direction, group.rules(direction).size(), group.at, findings);
    }
  }
}

}  // namespace sluice
