#include "control/compile/compiler.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/limits.h"
#include "control/compile/interface_digest.h"
#include "control/policy/policy_index.h"
#include "lookup/snapshot_builder.h"

namespace sluice {

namespace {

Error unknown_name(const std::string& what, const std::string& id) {
  return {ErrorKind::Invalid, "unknown-name", what + ": there is no \"" + id + "\"", ""};
}

// Names → numbers for one policy. The first name that does not exist is kept as the error.
class Compiler {
 public:
  Compiler(const Policy& policy, Registry& registry)
      : policy_(policy), index_(policy), registry_(registry) {}

  Result<SnapshotInput> compile(Generation generation) {
    SnapshotInput input;
    input.generation = generation;
    input.tracking = policy_.tracking;
    input.exempt = policy_.exempt;
    input.layer7 = policy_.layer7;
    for (const Peering& peering : policy_.peerings) {
      peers_.emplace(peering.first.id, peering.second.id);
      peers_.emplace(peering.second.id, peering.first.id);
    }
    for (const Vpc& vpc : policy_.vpcs) input.vpcs.push_back(compile_vpc(vpc));
    for (const PrefixList& list : policy_.prefix_lists) {
      input.prefix_lists.push_back(compile_prefix_list(list));
    }
    for (const SecurityGroup& group : policy_.groups) {
      input.groups.push_back(compile_known_group(group));
    }
    for (const NetworkAcl& acl : policy_.acls) input.acls.push_back(compile_acl(acl));
    for (const Subnet& subnet : policy_.subnets) input.subnets.push_back(compile_subnet(subnet));
    for (const FlowLog& log : policy_.flow_logs) {
      logged_.insert(log.resource);
      if (std::find(log.fields.begin(), log.fields.end(), "app") != log.fields.end()) {
        identified_.insert(log.resource);
      }
    }
    for (const Eni& eni : policy_.interfaces) input.interfaces.push_back(compile_interface(eni));
    if (error_) return *std::move(error_);
    return input;
  }

 private:
  static std::vector<Cidr> compile_cidrs(const std::vector<PlacedCidr>& blocks) {
    std::vector<Cidr> cidrs;
    cidrs.reserve(blocks.size());
    for (const PlacedCidr& block : blocks) cidrs.push_back(block.cidr);
    return cidrs;
  }

  // Remembers the first name that is not there.
  void require(bool exists, const std::string& what, const std::string& id) {
    if (!exists && !error_) error_ = unknown_name(what, id);
  }

  VpcInput compile_vpc(const Vpc& vpc) {
    VpcInput input{registry_.vpcs.intern(vpc.id), compile_cidrs(vpc.cidrs), {}};
    const auto [first, last] = peers_.equal_range(vpc.id);
    for (auto place = first; place != last; ++place) {
      require(index_.vpc(place->second) != nullptr, "peering", place->second);
      input.peers.push_back(registry_.vpcs.intern(place->second));
    }
    std::sort(input.peers.begin(), input.peers.end());
    return input;
  }

  VpcIndex vpc_number(const std::string& id, const std::string& what) {
    require(index_.vpc(id) != nullptr, what, id);
    return registry_.vpcs.intern(id);
  }

  PrefixListInput compile_prefix_list(const PrefixList& list) {
    PrefixListInput input{registry_.prefix_lists.intern(list.id), list.family, {}};
    input.entries.reserve(list.entries.size());
    for (const PrefixListEntry& entry : list.entries) input.entries.push_back(entry.cidr);
    return input;
  }

  GroupInput compile_known_group(const SecurityGroup& group) {
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      for (const SecurityRule& rule : group.rules(direction)) {
        if (const auto* list = std::get_if<PrefixListName>(&rule.peer)) {
          require(index_.prefix_list(list->id) != nullptr, group.id, list->id);
        } else if (const auto* peer = std::get_if<GroupName>(&rule.peer)) {
          require(index_.group(peer->id) != nullptr, group.id, peer->id);
        }
      }
    }
    return compile_group(group, vpc_number(group.vpc, group.id), registry_);
  }

  AclInput compile_acl(const NetworkAcl& acl) {
    AclInput input{registry_.acls.intern(acl.id), {}, {}};
    for (const AclEntry& entry : acl.ingress) input.ingress.push_back(compile_entry(entry));
    for (const AclEntry& entry : acl.egress) input.egress.push_back(compile_entry(entry));
    return input;
  }

  static AclEntryInput compile_entry(const AclEntry& entry) {
    return {entry.rule, entry.allow, entry.proto, entry.ports, entry.cidr};
  }

  SubnetInput compile_subnet(const Subnet& subnet) {
    SubnetInput input{registry_.subnets.intern(subnet.id), vpc_number(subnet.vpc, subnet.id),
                      compile_cidrs(subnet.cidrs), AclIndex::none()};
    if (subnet.network_acl) {
      require(index_.acl(subnet.network_acl->id) != nullptr, subnet.id, subnet.network_acl->id);
      input.acl = registry_.acls.intern(subnet.network_acl->id);
    }
    return input;
  }

  InterfaceInput compile_interface(const Eni& eni) {
    InterfaceInput input;
    input.index = registry_.interfaces.intern(eni.id);
    if (input.index.value() >= kInterfacesMax && !error_) {
      error_ = Error{ErrorKind::LimitExceeded, "limit-interfaces",
                     "interface \"" + eni.id + "\" would be number " +
                         std::to_string(input.index.value()) + " since the start; at most " +
                         std::to_string(kInterfacesMax) + " fit until a restart",
                     ""};
    }
    const Subnet* subnet = index_.subnet(eni.subnet);
    require(subnet != nullptr, eni.id, eni.subnet);
    if (subnet == nullptr) return input;
    input.vpc = vpc_number(subnet->vpc, subnet->id);
    input.subnet = registry_.subnets.intern(subnet->id);
    input.mac = eni.mac.value_or(MacAddr());
    for (const EniAddress& each : eni.addresses) input.addresses.push_back(each.address);
    for (const EniPrefix& each : eni.prefixes) input.prefixes.push_back(each.cidr);
    for (const Reference& group : eni.security_groups) {
      require(index_.group(group.id) != nullptr, eni.id, group.id);
      input.groups.push_back(registry_.groups.intern(group.id));
    }
    input.tracking = eni.tracking;
    const auto is_in = [&](const std::unordered_set<std::string>& resources) {
      return resources.contains(eni.id) || resources.contains(subnet->id) ||
             resources.contains(subnet->vpc);
    };
    input.logged = is_in(logged_);
    input.identified = is_in(identified_);
    input.rejects = eni.rejects;
    return input;
  }

  const Policy& policy_;
  PolicyIndex index_;
  Registry& registry_;
  std::unordered_multimap<std::string, std::string> peers_;  // of each VPC, by name
  std::unordered_set<std::string> logged_;                   // resources of flow logs
  std::unordered_set<std::string> identified_;               // of those with the field app
  std::optional<Error> error_;
};

PeerInput compile_peer(const RulePeer& peer, Registry& registry) {
  if (const auto* cidr = std::get_if<Cidr>(&peer)) return *cidr;
  if (const auto* list = std::get_if<PrefixListName>(&peer)) {
    return registry.prefix_lists.intern(list->id);
  }
  return registry.groups.intern(std::get<GroupName>(peer).id);
}

}  // namespace

GroupInput compile_group(const SecurityGroup& group, VpcIndex vpc, Registry& registry) {
  GroupInput input{registry.groups.intern(group.id), vpc, {}};
  input.rules.reserve(group.ingress.size() + group.egress.size());
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    for (const SecurityRule& rule : group.rules(direction)) {
      const RuleIndex index = registry.rules.intern(rule.id);
      registry.rule_groups.note(index, input.index);
      input.rules.push_back({index, rule.id, direction, rule.proto, rule.ports,
                             compile_peer(rule.peer, registry), rule.condition});
    }
  }
  return input;
}

void stamp(InterfaceInput& eni, ExistingMode mode, Generation generation) {
  switch (mode) {
    case ExistingMode::Keep:
      break;
    case ExistingMode::Reevaluate:
      eni.rejudge_before = generation;
      break;
    case ExistingMode::Flush:
      eni.flush_before = generation;
      break;
  }
}

Result<SnapshotInput> compile(const Policy& policy, Registry& registry, Generation generation) {
  return Compiler(policy, registry).compile(generation);
}

Result<SnapshotInput> compile_after(const SnapshotInput& former, ExistingMode mode,
                                    const Policy& policy, Registry& registry,
                                    Generation generation) {
  CHECK(former.generation < generation);
  Result<SnapshotInput> result = Compiler(policy, registry).compile(generation);
  if (!result) return result;
  std::unordered_map<EniIndex, const InterfaceInput*> former_of;
  for (const InterfaceInput& eni : former.interfaces) former_of.emplace(eni.index, &eni);
  const InterfaceDigests old_digests(former);
  const InterfaceDigests new_digests(*result);
  for (InterfaceInput& eni : result->interfaces) {
    const auto place = former_of.find(eni.index);
    if (place == former_of.end()) {
      // It may have been there before and gone: nothing of that life counts.
      eni.flush_before = generation;
      continue;
    }
    const InterfaceInput& before = *place->second;
    eni.rejudge_before = before.rejudge_before;
    eni.flush_before = before.flush_before;
    if (new_digests.of(eni) != old_digests.of(before)) stamp(eni, mode, generation);
  }
  return result;
}

std::optional<Error> compile_error_of(const Policy& policy, std::size_t policy_memory) {
  Registry registry;  // a name of a policy that is only looked at must not use a number up
  const Result<SnapshotInput> input = compile(policy, registry, Generation(1));
  if (!input) return input.error();
  const auto snapshot = build_snapshot(*input, policy_memory);
  if (!snapshot) return snapshot.error();
  return std::nullopt;
}

}  // namespace sluice
