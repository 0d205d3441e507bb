#include "control/policy/check_policy.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "control/compile/build_patterns.h"
#include "control/policy/check_sizes.h"
#include "control/policy/policy_index.h"
#include "control/policy/read_rules.h"
#include "control/policy/rule_id.h"
#include "control/policy/table_reader.h"

namespace sluice {

namespace {

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string default_group_id(const std::string& vpc_id) {
  static constexpr std::string_view kPrefix = "vpc-";
  const bool has_prefix = vpc_id.starts_with(kPrefix);
  return "sg-default-" + (has_prefix ? vpc_id.substr(kPrefix.size()) : vpc_id);
}

// SG-5.
SecurityGroup default_group(const Vpc& vpc, std::string id) {
  SecurityGroup group;
  group.id = std::move(id);
  group.name = "default";
  group.description = "default VPC security group";
  group.vpc = vpc.id;
  group.implied = true;
  group.at = group.name_at = group.vpc_at = vpc.at;
  SecurityRule rule;
  rule.peer = GroupName{group.id};
  rule.implied = true;
  rule.at = rule.peer_at = vpc.at;
  name_rule(group.id, rule);
  group.ingress.push_back(std::move(rule));
  group.egress = implied_egress(group.id, vpc.has_family(Family::Ipv6), vpc.at);
  return group;
}

class Checker {
 public:
  Checker(const Policy& policy, Findings& findings)
      : policy_(policy), index_(policy), findings_(findings) {}

  void run() {
    check_ids();
    check_sizes(policy_, findings_);
    for (const Vpc& vpc : policy_.vpcs)
      check_overlap(vpc.cidrs, "vpc " + quoted(vpc.id), Severity::Warning);
    check_subnets();
    check_peerings();
    for (const PrefixList& list : policy_.prefix_lists) check_prefix_list(list);
    check_group_names();
    for (const SecurityGroup& group : policy_.groups) check_group(group);
    for (const NetworkAcl& acl : policy_.acls) check_acl(acl);
    check_interfaces();
    for (const FlowLog& log : policy_.flow_logs) check_flow_log(log);
    check_patterns();
  }

 private:
  using Places = std::unordered_map<std::string, Position>;

  std::string first_at(Position at) const { return "; first at " + findings_.place(at); }

  // Enters the name; an error that names both places if it is there.
  void claim(Places& places, const std::string& name, Position at, std::string_view code,
             const std::string& sentence) {
    const auto [place, is_new] = places.try_emplace(name, at);
    if (!is_new) findings_.error(at, code, sentence + first_at(place->second));
  }

  template <class Thing>
  void check_unique(const std::vector<Thing>& things, const std::string& kind) {
    Places places;
    for (const Thing& thing : things) {
      if (thing.id.empty()) continue;  // said already
      claim(places, thing.id, thing.at, "duplicate-id",
            "a second " + kind + " has the id " + quoted(thing.id));
    }
  }

  void check_ids() {
    check_unique(policy_.vpcs, "vpc");
    check_unique(policy_.subnets, "subnet");
    check_unique(policy_.prefix_lists, "prefix_list");
    check_unique(policy_.groups, "security_group");
    check_unique(policy_.interfaces, "interface");
    check_unique(policy_.acls, "network_acl");
    check_unique(policy_.flow_logs, "flow_log");
    check_unique(policy_.signatures, "signature");
  }

  // False, with an error, if no VPC has that name. An empty name was missed already.
  bool check_vpc(const std::string& vpc, Position at, const std::string& what) {
    if (vpc.empty()) return false;
    if (index_.vpc(vpc) != nullptr) return true;
    findings_.error(at, "unknown-vpc", what + ": there is no vpc " + quoted(vpc));
    return false;
  }

  // Blocks of one family are nested or apart, so that after sorting by family first it is enough to
  // look at the last block that is not inside another. The same block twice is always an error;
  // overlaps have the severity.
  void check_overlap(std::vector<PlacedCidr> blocks, const std::string& what, Severity severity) {
    std::sort(blocks.begin(), blocks.end(), [](const PlacedCidr& a, const PlacedCidr& b) {
      const auto order = [](const PlacedCidr& block) {
        return std::make_tuple(block.cidr.family(), block.cidr, block.at);
      };
      return order(a) < order(b);
    });
    const PlacedCidr* outer = nullptr;
    for (const PlacedCidr& block : blocks) {
      if (outer == nullptr || !outer->cidr.contains(block.cidr)) {
        outer = &block;
      } else {
        report_overlap(*outer, block, what, severity);
      }
    }
  }

  void report_overlap(const PlacedCidr& a, const PlacedCidr& b, const std::string& what,
                      Severity severity) {
    const auto& [first, second] = a.at < b.at ? std::tie(a, b) : std::tie(b, a);
    const std::string where = first_at(first.at);
    if (first.cidr == second.cidr) {
      findings_.error(second.at, "duplicate-cidr",
                      what + ": " + second.cidr.to_string() + " is there twice" + where);
      return;
    }
    const std::string sentence =
        what + ": " + second.cidr.to_string() + " overlaps " + first.cidr.to_string() + where;
    if (severity == Severity::Error) {
      findings_.error(second.at, "overlap", sentence);
    } else {
      findings_.warning(second.at, "overlap", sentence);
    }
  }

  void check_subnets() {
    std::map<std::string, std::vector<PlacedCidr>> blocks_of_vpc;
    for (const Subnet& subnet : policy_.subnets) {
      const std::string what = "subnet " + quoted(subnet.id);
      const bool has_vpc = check_vpc(subnet.vpc, subnet.vpc_at, what);
      if (has_vpc) check_inside_vpc(subnet, *index_.vpc(subnet.vpc), what);
      auto& blocks = blocks_of_vpc[subnet.vpc];
      blocks.insert(blocks.end(), subnet.cidrs.begin(), subnet.cidrs.end());
      check_acl_of(subnet, what);
    }
    for (const auto& [vpc, blocks] : blocks_of_vpc) {
      check_overlap(blocks, "subnets of vpc " + quoted(vpc), Severity::Error);
    }
  }

  void check_inside_vpc(const Subnet& subnet, const Vpc& vpc, const std::string& what) {
    if (vpc.cidrs_incomplete) return;
    for (const PlacedCidr& block : subnet.cidrs) {
      const bool inside =
          std::any_of(vpc.cidrs.begin(), vpc.cidrs.end(),
                      [&](const PlacedCidr& outer) { return outer.cidr.contains(block.cidr); });
      if (inside) continue;
      findings_.error(block.at, "outside-vpc",
                      what + ": " + block.cidr.to_string() + " is not inside the blocks of vpc " +
                          quoted(vpc.id) + " at " + findings_.place(vpc.at));
    }
  }

  void check_acl_of(const Subnet& subnet, const std::string& what) {
    if (!subnet.network_acl) return;
    const Reference& name = *subnet.network_acl;
    const NetworkAcl* acl = index_.acl(name.id);
    if (acl == nullptr) {
      findings_.error(name.at, "unknown-acl",
                      what + ": there is no network_acl " + quoted(name.id));
    } else if (acl->vpc != subnet.vpc) {
      findings_.error(name.at, "wrong-vpc",
                      what + ": network_acl " + quoted(name.id) + " is of vpc " + quoted(acl->vpc) +
                          ", not of " + quoted(subnet.vpc) + "; it is at " +
                          findings_.place(acl->at));
    }
  }

  void check_peerings() {
    std::map<std::pair<std::string, std::string>, Position> places;
    for (const Peering& peering : policy_.peerings) {
      const bool first = check_vpc(peering.first.id, peering.first.at, "peering");
      const bool second = check_vpc(peering.second.id, peering.second.at, "peering");
      if (!first || !second) continue;
      const auto pair = std::minmax(peering.first.id, peering.second.id);
      if (pair.first == pair.second) {
        findings_.error(peering.second.at, "bad-peering",
                        "peering: vpc " + quoted(pair.first) + " can not be joined to itself");
        continue;
      }
      const auto [place, is_new] = places.try_emplace(pair, peering.at);
      if (is_new) continue;
      findings_.error(peering.at, "duplicate-peering",
                      "peering: " + quoted(pair.first) + " and " + quoted(pair.second) +
                          " are joined twice" + first_at(place->second));
    }
    for (const auto& [pair, at] : places) peers_.insert(pair);
  }

  bool are_joined(const std::string& a, const std::string& b) const {
    return a == b || peers_.contains(std::minmax(a, b));
  }

  void check_prefix_list(const PrefixList& list) {
    const std::string what = "prefix_list " + quoted(list.id);
    if (list.entries.size() > list.max_entries) {
      findings_.error(list.at, "too-many-entries",
                      what + ": it has " + std::to_string(list.entries.size()) +
                          " entries; max_entries = " + std::to_string(list.max_entries));
    }
    std::unordered_map<Cidr, Position> places;
    for (const PrefixListEntry& entry : list.entries) {
      const auto [place, is_new] = places.try_emplace(entry.cidr, entry.at);
      if (is_new) continue;
      findings_.error(
          entry.at, "duplicate-entry",
          what + ": " + entry.cidr.to_string() + " is there twice" + first_at(place->second));
    }
  }

  // SG-6: unique within the VPC, whatever the case.
  void check_group_names() {
    Places places;
    for (const SecurityGroup& group : policy_.groups) {
      if (group.name.empty()) continue;
      claim(places, group.vpc + "|" + lower(group.name), group.name_at, "duplicate-name",
            "security_group " + quoted(group.id) + ": a second group of vpc " + quoted(group.vpc) +
                " has the name " + quoted(group.name));
    }
  }

  void check_group(const SecurityGroup& group) {
    check_vpc(group.vpc, group.vpc_at, "security_group " + quoted(group.id));
    Places places;
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      for (const SecurityRule& rule : group.rules(direction)) {
        if (!rule.canonical.empty()) {
          claim(places, rule.canonical, rule.at, "duplicate-rule",
                "security_group " + quoted(group.id) + ": the rule " + rule.canonical +
                    " is there twice");
        }
        check_rule_peer(group, rule);
      }
    }
  }

  void check_rule_peer(const SecurityGroup& group, const SecurityRule& rule) {
    const std::string what = std::string(name_of(rule.direction)) + " rule of " + group.id;
    if (const auto* list = std::get_if<PrefixListName>(&rule.peer)) {
      if (index_.prefix_list(list->id) != nullptr) return;
      findings_.error(rule.peer_at, "unknown-prefix-list",
                      what + ": there is no prefix_list " + quoted(list->id));
      return;
    }
    const auto* name = std::get_if<GroupName>(&rule.peer);
    if (name == nullptr) return;
    const SecurityGroup* peer = index_.group(name->id);
    if (peer == nullptr) {
      findings_.error(rule.peer_at, "unknown-group",
                      what + ": there is no security_group " + quoted(name->id));
    } else if (!are_joined(group.vpc, peer->vpc)) {
      findings_.error(rule.peer_at, "not-peered",
                      what + ": " + quoted(peer->id) + " is of vpc " + quoted(peer->vpc) +
                          ", which no peering joins to " + quoted(group.vpc) + "; it is at " +
                          findings_.place(peer->at));
    }
  }

  void check_acl(const NetworkAcl& acl) {
    const std::string what = "network_acl " + quoted(acl.id);
    check_vpc(acl.vpc, acl.vpc_at, what);
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      Places places;
      for (const AclEntry& entry : acl.entries(direction)) {
        claim(places, std::to_string(entry.rule), entry.at, "duplicate-acl-rule",
              what + ": rule " + std::to_string(entry.rule) + " is there twice in " +
                  std::string(name_of(direction)));
      }
    }
  }

  // What only the compiler of patterns knows.
  void check_patterns() {
    if (policy_.signatures.size() > kSignaturesMax) return;  // said already
    std::vector<SignatureSource> sources;
    std::vector<Position> places;
    for (const Signature& one : policy_.signatures) {
      if (one.pattern.empty() || one.pattern.size() > kPatternSizeMax) continue;  // the same
      sources.push_back(source_of(one));
      places.push_back(one.pattern_at);
    }
    for (const SignatureFault& fault : check_signatures(sources)) {
      if (fault.is_limit) {
        findings_.over_limit(places[fault.index], "limit-pattern-positions", fault.sentence);
      } else {
        findings_.error(places[fault.index], "bad-pattern", fault.sentence);
      }
    }
  }

  void check_interfaces() {
    Places macs;
    std::unordered_map<std::string, std::unordered_map<IpAddr, const EniAddress*>> addresses;
    for (const Eni& eni : policy_.interfaces) {
      const std::string what = "interface " + quoted(eni.id);
      const Subnet* subnet = index_.subnet(eni.subnet);
      if (subnet == nullptr && !eni.subnet.empty()) {
        findings_.error(eni.subnet_at, "unknown-subnet",
                        what + ": there is no subnet " + quoted(eni.subnet));
      } else if (subnet != nullptr) {
        check_addresses(eni, *subnet, addresses[subnet->vpc]);
        check_prefixes(eni, *subnet);
        warn_of_shared_mac(eni, subnet->vpc, macs);
      }
      check_groups_of(eni, subnet);
    }
    check_delegations();
  }

  // SG-61: the first four addresses of an IPv4 block and its last one. Where nothing is exempt they
  // are addresses like others (SG-64).
  std::vector<IpAddr> reserved_of(const Subnet& subnet) const {
    std::vector<IpAddr> reserved;
    if (policy_.exempt != ExemptProfile::Aws) return reserved;
    for (const PlacedCidr& block : subnet.cidrs) {
      if (block.cidr.family() != Family::Ipv4) continue;
      const std::uint32_t base = block.cidr.address().v4_value();
      const std::uint64_t size = std::uint64_t{1} << (32 - block.cidr.length());
      for (std::uint32_t i = 0; i < std::min<std::uint64_t>(size, 4); ++i) {
        reserved.push_back(IpAddr::v4(base + i));
      }
      if (size > 4) reserved.push_back(IpAddr::v4(base + static_cast<std::uint32_t>(size - 1)));
    }
    return reserved;
  }

  // One address, or a delegated prefix, of the interface; `text` is how it was written.
  void check_inside_subnet(const Cidr& cidr, const std::string& text, Position at, const Eni& eni,
                           const Subnet& subnet) {
    const std::string what = "interface " + quoted(eni.id);
    const bool inside =
        subnet.cidrs_incomplete ||
        std::any_of(subnet.cidrs.begin(), subnet.cidrs.end(),
                    [&](const PlacedCidr& block) { return block.cidr.contains(cidr); });
    if (!inside) {
      findings_.error(at, "outside-subnet",
                      what + ": " + text + " is not inside subnet " + quoted(subnet.id) + " at " +
                          findings_.place(subnet.at));
    }
    for (const IpAddr& reserved : reserved_of(subnet)) {
      if (!cidr.contains(reserved)) continue;
      findings_.warning(at, "reserved-address",
                        what + ": AWS keeps " + reserved.to_string() + " of subnet " +
                            quoted(subnet.id) +
                            " for itself; with the exempt profile \"aws\" traffic with it may "
                            "pass unfiltered");
    }
  }

  void check_addresses(const Eni& eni, const Subnet& subnet,
                       std::unordered_map<IpAddr, const EniAddress*>& taken) {
    for (const EniAddress& each : eni.addresses) {
      const std::string text = each.address.to_string();
      check_inside_subnet(Cidr::host(each.address), text, each.at, eni, subnet);
      const auto [place, is_new] = taken.try_emplace(each.address, &each);
      if (is_new) continue;
      findings_.error(each.at, "duplicate-address",
                      "interface " + quoted(eni.id) + ": the address " + text +
                          " is there twice in vpc " + quoted(subnet.vpc) +
                          first_at(place->second->at));
    }
  }

  void check_prefixes(const Eni& eni, const Subnet& subnet) {
    for (const EniPrefix& each : eni.prefixes) {
      check_inside_subnet(each.cidr, each.cidr.to_string(), each.at, eni, subnet);
    }
  }

  // What interfaces of a VPC have where one of them has a delegated prefix.
  struct OwnedBlock {
    Cidr cidr;
    Position at;
    const Eni* owner;
    bool is_prefix;
  };

  // SG-28: an address belongs to one interface of its VPC, by itself or in a prefix.
  void check_delegations() {
    std::map<std::string_view, std::vector<OwnedBlock>> blocks_of_vpc;
    const auto vpc_of = [&](const Eni& eni) {
      const Subnet* subnet = index_.subnet(eni.subnet);
      return subnet == nullptr ? std::string_view() : std::string_view(subnet->vpc);
    };
    for (const Eni& eni : policy_.interfaces) {
      for (const EniPrefix& each : eni.prefixes) {
        blocks_of_vpc[vpc_of(eni)].push_back({each.cidr, each.at, &eni, true});
      }
    }
    if (blocks_of_vpc.empty()) return;
    for (const Eni& eni : policy_.interfaces) {
      const auto blocks = blocks_of_vpc.find(vpc_of(eni));
      if (blocks == blocks_of_vpc.end()) continue;
      for (const EniAddress& each : eni.addresses) {
        blocks->second.push_back({Cidr::host(each.address), each.at, &eni, false});
      }
    }
    for (auto& [vpc, blocks] : blocks_of_vpc) check_delegations_of(vpc, blocks);
  }

  // As check_overlap(); two addresses that are the same have been spoken of.
  void check_delegations_of(std::string_view vpc, std::vector<OwnedBlock>& blocks) {
    std::sort(blocks.begin(), blocks.end(), [](const OwnedBlock& a, const OwnedBlock& b) {
      const auto order = [](const OwnedBlock& block) {
        return std::make_tuple(block.cidr.family(), block.cidr, !block.is_prefix, block.at);
      };
      return order(a) < order(b);
    });
    const OwnedBlock* outer = nullptr;
    for (const OwnedBlock& block : blocks) {
      if (outer == nullptr || !outer->cidr.contains(block.cidr)) {
        outer = &block;
      } else if (outer->is_prefix) {
        const bool is_later = outer->at < block.at;
        const OwnedBlock& second = is_later ? block : *outer;
        const OwnedBlock& first = is_later ? *outer : block;
        findings_.error(second.at, "duplicate-address",
                        "interface " + quoted(second.owner->id) + ": " + text_of(second) +
                            " overlaps " + text_of(first) + " of " + quoted(first.owner->id) +
                            " in vpc " + quoted(vpc) + first_at(first.at));
      }
    }
  }

  static std::string text_of(const OwnedBlock& block) {
    return block.is_prefix ? "the prefix " + block.cidr.to_string()
                           : "the address " + block.cidr.address().to_string();
  }

  void warn_of_shared_mac(const Eni& eni, const std::string& vpc, Places& macs) {
    if (!eni.mac) return;
    const auto [place, is_new] = macs.try_emplace(vpc + "|" + eni.mac->to_string(), eni.mac_at);
    if (is_new) return;
    findings_.warning(eni.mac_at, "shared-mac",
                      "interface " + quoted(eni.id) + ": the address " + eni.mac->to_string() +
                          " is there twice in vpc " + quoted(vpc) + first_at(place->second));
  }

  void check_groups_of(const Eni& eni, const Subnet* subnet) {
    const std::string what = "interface " + quoted(eni.id);
    Places places;
    for (const Reference& name : eni.security_groups) {
      claim(places, name.id, name.at, "duplicate-group",
            what + ": security_group " + quoted(name.id) + " is there twice");
      const SecurityGroup* group = index_.group(name.id);
      if (group == nullptr) {
        findings_.error(name.at, "unknown-group",
                        what + ": there is no security_group " + quoted(name.id));
      } else if (subnet != nullptr && group->vpc != subnet->vpc) {
        findings_.error(name.at, "wrong-vpc",
                        what + ": security_group " + quoted(name.id) + " is of vpc " +
                            quoted(group->vpc) + ", the interface of " + quoted(subnet->vpc) +
                            "; the group is at " + findings_.place(group->at));
      }
    }
  }

  void check_flow_log(const FlowLog& log) {
    const std::string what = "flow_log " + quoted(log.id);
    const int found = (index_.vpc(log.resource) != nullptr) +
                      (index_.subnet(log.resource) != nullptr) +
                      (index_.interface(log.resource) != nullptr);
    if (found == 0 && !log.resource.empty()) {
      findings_.error(log.resource_at, "unknown-resource",
                      what + ": there is no vpc, subnet or interface " + quoted(log.resource));
    } else if (found > 1) {
      findings_.error(
          log.resource_at, "ambiguous-resource",
          what + ": more than one of vpc, subnet and interface is named " + quoted(log.resource));
    }
    if (log.path.empty()) return;
    claim(log_paths_, log.path, log.path_at, "duplicate-destination",
          what + ": a second flow log writes to " + log.path);
  }

  const Policy& policy_;
  PolicyIndex index_;
  Findings& findings_;
  std::set<std::pair<std::string, std::string>> peers_;
  Places log_paths_;
};

}  // namespace

void add_default_groups(Policy& policy, Findings& findings) {
  std::unordered_map<std::string, std::string> default_of_vpc;
  std::unordered_map<std::string, Position> taken;
  for (const SecurityGroup& group : policy.groups) {
    taken.try_emplace(group.id, group.at);
    if (lower(group.name) == "default") default_of_vpc.try_emplace(group.vpc, group.id);
  }
  for (const Vpc& vpc : policy.vpcs) {
    if (vpc.id.empty() || default_of_vpc.contains(vpc.id)) continue;
    std::string id = default_group_id(vpc.id);
    const auto [place, is_free] = taken.try_emplace(id, vpc.at);
    if (is_free) {
      policy.groups.push_back(default_group(vpc, id));
    } else {
      findings.error(place->second, "reserved-id",
                     "security_group " + quoted(id) + ": this id is that of the default group of " +
                         "vpc " + quoted(vpc.id) + " at " + findings.place(vpc.at) +
                         "; give the group name = \"default\" or another id");
    }
    default_of_vpc.emplace(vpc.id, std::move(id));
  }
  std::unordered_map<std::string_view, std::string_view> vpc_of_subnet;
  for (const Subnet& subnet : policy.subnets) vpc_of_subnet.try_emplace(subnet.id, subnet.vpc);
  for (Eni& eni : policy.interfaces) {
    if (!eni.groups_left_out) continue;
    const auto subnet = vpc_of_subnet.find(eni.subnet);
    if (subnet == vpc_of_subnet.end()) continue;
    const auto group = default_of_vpc.find(std::string(subnet->second));
    if (group != default_of_vpc.end()) eni.security_groups = {{group->second, eni.at}};
  }
}

void check_policy(const Policy& policy, Findings& findings) { Checker(policy, findings).run(); }

}  // namespace sluice
