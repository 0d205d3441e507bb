#include "lookup/snapshot_builder.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "lookup/snapshot_tables.h"

namespace sluice {

namespace {

// Rows indexed by stable numbers: a number beyond this is no number that a registry gave out.
constexpr std::uint32_t kIndexMax = 1u << 24;
// Rules of all policies together; an entry takes up to 64 + 22 bytes.
constexpr std::size_t kPolicyRulesMax = std::size_t{1} << 28;

Error broken(std::string what) {
  return {ErrorKind::Invalid, "broken-reference",
          std::move(what) + "; the compiler should have refused it", ""};
}

Error too_many(std::string_view what, std::size_t needed, std::size_t limit) {
  return {ErrorKind::LimitExceeded, "limit-exceeded",
          std::string(what) + ": " + std::to_string(needed) + " needed, " + std::to_string(limit) +
              " possible",
          ""};
}

template <class Index>
std::string numbered(std::string_view kind, Index index) {
  return std::string(kind) + " number " + std::to_string(index.value());
}

// The block's first IPv4 address plus `offset`.
IpAddr offset_address(const Cidr& cidr, std::uint32_t offset) {
  return IpAddr::v4(cidr.address().v4_value() + offset);
}

// What protocol and ports come to; empty if they make no sense.
struct MatchRange {
  std::int16_t proto = ProtoMatch::kAll;
  PortRange range;
};

bool is_number(const ProtoMatch& proto, Proto wanted) {
  return proto.number == static_cast<int>(wanted);
}

// ICMP: -1/-1 any, t/-1 the whole type, t/c one code (SG-14, SG-15).
Result<MatchRange> icmp_range(const ProtoMatch& proto, const PortMatch& ports) {
  const bool is_type_any = ports.low == -1;
  const bool is_code_any = ports.high == -1;
  const bool is_sane = ports.low >= -1 && ports.low <= 255 && ports.high >= -1 &&
                       ports.high <= 255 && (!is_type_any || is_code_any);
  if (!is_sane) {
    return broken("ICMP type " + std::to_string(ports.low) + ", code " +
                  std::to_string(ports.high) + " (type -1 demands code -1)");
  }
  MatchRange match{static_cast<std::int16_t>(proto.number), PortRange()};
  if (is_type_any) return match;
  match.range.low = static_cast<std::uint16_t>(ports.low << 8 | (is_code_any ? 0 : ports.high));
  match.range.high = static_cast<std::uint16_t>(ports.low << 8 | (is_code_any ? 255 : ports.high));
  return match;
}

// Ports count for tcp and udp, types for the ICMP protocols, and nothing for all others (SG-13).
// `icmp_counts` is false where even types do not (NA-10: 58 with an IPv4 block).
Result<MatchRange> match_range(const ProtoMatch& proto, const PortMatch& ports, bool icmp_counts) {
  if (proto.number < ProtoMatch::kAll || proto.number > 255) {
    return broken("protocol " + std::to_string(proto.number) + " is outside of -1 to 255");
  }
  const MatchRange whole{static_cast<std::int16_t>(proto.number), PortRange()};
  if (is_number(proto, Proto::Icmp) || is_number(proto, Proto::Icmpv6)) {
    return icmp_counts ? icmp_range(proto, ports) : Result<MatchRange>(whole);
  }
  if (!is_number(proto, Proto::Tcp) && !is_number(proto, Proto::Udp)) return whole;
  if (ports.low < 0 || ports.high > 65535 || ports.low > ports.high) {
    return broken("ports " + std::to_string(ports.low) + "-" + std::to_string(ports.high) +
                  " are no range of 0 to 65535");
  }
  return MatchRange{whole.proto, PortRange{static_cast<std::uint16_t>(ports.low),
                                           static_cast<std::uint16_t>(ports.high)}};
}

// Gives row `index` of a table indexed by stable numbers; grows it, refuses a second use.
template <class Row, class Index>
Result<Row*> claim_row(std::vector<Row>& rows, Index index, std::string_view kind) {
  if (index.is_none() || index.value() >= kIndexMax) {
    return too_many(std::string(kind) + " numbers", std::size_t{index.value()} + 1, kIndexMax);
  }
  if (index.value() >= rows.size()) rows.resize(index.value() + 1);
  Row* row = &rows[index.value()];
  if (row->is_present) return broken(numbered(kind, index) + " is there twice");
  row->is_present = true;
  return row;
}

template <class Row, class Index>
bool has_row(const std::vector<Row>& rows, Index index) {
  return !index.is_none() && index.value() < rows.size() && rows[index.value()].is_present;
}

// The steps from input to tables, in the order of their declaration; each needs the former ones.
class Sealer {
 public:
  explicit Sealer(const SnapshotInput& input) : input_(input) {}

  Status add_vpcs();
  Status add_subnets();
  Status add_acls();
  Status order_rules();
  Status intern_policies();
  Status add_interfaces();
  Status classify_addresses();
  Status key_rules();
  Status add_policies();
  std::unique_ptr<SnapshotTables> take() { return std::move(tables_); }

 private:
  // A rule, its group, and where its keyed form goes.
  struct OrderedRule {
    const RuleInput* rule = nullptr;
    GroupIndex group;
  };
  Result<NaclLadder> build_ladder(const AclInput& acl, Direction direction, Family family) const;
  Status add_interface(const InterfaceInput& interface);
  Status check_interface(const InterfaceInput& interface) const;
  ClassInput& class_input(Family family) { return family == Family::Ipv4 ? v4_ : v6_; }
  Status check_owners(const ClassInput& classes);
  PeerKey key_of(const PeerInput& peer) const;

  const SnapshotInput& input_;
  std::unique_ptr<SnapshotTables> tables_ = std::make_unique<SnapshotTables>();
  std::unordered_map<GroupIndex, std::size_t> row_of_group_;  // into input_.groups
  std::vector<OrderedRule> ordered_rules_;                    // by RuleSlot
  std::vector<std::vector<KeyedRule>> group_rules_;           // parallel to input_.groups
  std::map<std::vector<GroupIndex>, PolicyId> policies_;
  std::vector<const std::vector<GroupIndex>*> policy_groups_;  // by PolicyId
  std::vector<PolicyId> policy_of_interface_;                  // parallel to input_.interfaces
  ClassInput v4_;
  ClassInput v6_;
};

Status Sealer::add_vpcs() {
  for (const VpcInput& vpc : input_.vpcs) {
    const Result<VpcRow*> row = claim_row(tables_->vpcs, vpc.index, "VPC");
    if (!row) return row.error();
    VpcRow& out = **row;
    out.cidrs = vpc.cidrs;
    out.peers = vpc.peers;
    std::sort(out.peers.begin(), out.peers.end());
    const auto is_v4 = [](const Cidr& cidr) { return cidr.family() == Family::Ipv4; };
    const auto first_v4 = std::find_if(vpc.cidrs.begin(), vpc.cidrs.end(), is_v4);
    if (first_v4 != vpc.cidrs.end()) out.resolvers.push_back(offset_address(*first_v4, 2));
  }
  for (const VpcInput& vpc : input_.vpcs) {
    for (const VpcIndex peer : vpc.peers) {
      if (has_row(tables_->vpcs, peer)) continue;
      return broken(numbered("VPC", vpc.index) + " is peered with " + numbered("VPC", peer) +
                    ", which is not there");
    }
  }
  return Ok();
}

Status Sealer::add_subnets() {
  for (const SubnetInput& subnet : input_.subnets) {
    if (!has_row(tables_->vpcs, subnet.vpc)) {
      return broken(numbered("subnet", subnet.index) + " lies in " + numbered("VPC", subnet.vpc) +
                    ", which is not there");
    }
    const Result<SubnetRow*> row = claim_row(tables_->subnets, subnet.index, "subnet");
    if (!row) return row.error();
    SubnetRow& out = **row;
    out.vpc = subnet.vpc;
    out.acl = subnet.acl;
    out.cidrs = subnet.cidrs;
    for (const Cidr& cidr : subnet.cidrs) {
      if (cidr.family() == Family::Ipv4) out.routers.push_back(offset_address(cidr, 1));
    }
  }
  return Ok();
}

Status Sealer::add_acls() {
  for (const AclInput& acl : input_.acls) {
    const Result<AclRow*> row = claim_row(tables_->acls, acl.index, "network ACL");
    if (!row) return row.error();
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      for (const Family family : {Family::Ipv4, Family::Ipv6}) {
        Result<NaclLadder> ladder = build_ladder(acl, direction, family);
        if (!ladder) return ladder.error();
        (*row)->acl.ladders[NetworkAcl::ladder_index(direction, family)] = *std::move(ladder);
      }
    }
  }
  for (const SubnetInput& subnet : input_.subnets) {
    if (subnet.acl.is_none() || has_row(tables_->acls, subnet.acl)) continue;
    return broken(numbered("subnet", subnet.index) + " has " + numbered("network ACL", subnet.acl) +
                  ", which is not there");
  }
  return Ok();
}

Result<NaclLadder> Sealer::build_ladder(const AclInput& acl, Direction direction,
                                        Family family) const {
  std::vector<NaclLadder::Step> steps;
  for (const AclEntryInput& entry : direction == Direction::Ingress ? acl.ingress : acl.egress) {
    if (entry.rule < 1 || entry.rule > 32766) {
      return broken(numbered("network ACL", acl.index) + " has an entry numbered " +
                    std::to_string(entry.rule) + ", outside of 1 to 32766");
    }
    if (entry.cidr.family() != family) continue;
    const bool icmp_counts = !is_number(entry.proto, Proto::Icmpv6) || family == Family::Ipv6;
    const Result<MatchRange> match = match_range(entry.proto, entry.ports, icmp_counts);
    if (!match) {
      return broken(numbered("network ACL", acl.index) + ", entry " + std::to_string(entry.rule) +
                    ": " + match.error().sentence);
    }
    steps.push_back({TrieKey::of(entry.cidr.address()), entry.cidr.length(), entry.allow,
                     match->proto, match->range, entry.rule});
  }
  return NaclLadder(family, std::move(steps));
}

Status Sealer::order_rules() {
  for (std::size_t row = 0; row < input_.groups.size(); ++row) {
    const GroupInput& group = input_.groups[row];
    if (group.index.is_none() || group.index.value() >= PeerKey::kNumbersMax) {
      return too_many("group numbers", std::size_t{group.index.value()} + 1, PeerKey::kNumbersMax);
    }
    if (!row_of_group_.try_emplace(group.index, row).second) {
      return broken(numbered("group", group.index) + " is there twice");
    }
    for (const RuleInput& rule : group.rules) ordered_rules_.push_back({&rule, group.index});
  }
  std::sort(ordered_rules_.begin(), ordered_rules_.end(),
            [](const OrderedRule& a, const OrderedRule& b) { return a.rule->id < b.rule->id; });
  for (std::size_t slot = 0; slot < ordered_rules_.size(); ++slot) {
    const OrderedRule& ordered = ordered_rules_[slot];
    if (slot > 0 && ordered_rules_[slot - 1].rule->id == ordered.rule->id) {
      return broken("rule " + ordered.rule->id + " is there twice");
    }
    tables_->rules.push_back({ordered.rule->index, ordered.group});
  }
  return Ok();
}

Status Sealer::intern_policies() {
  for (const InterfaceInput& interface : input_.interfaces) {
    std::vector<GroupIndex> groups = interface.groups;
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    if (groups.size() > kGroupsPerInterfaceMax) {
      return too_many("groups on " + numbered("interface", interface.index), groups.size(),
                      kGroupsPerInterfaceMax);
    }
    for (const GroupIndex group : groups) {
      if (row_of_group_.contains(group)) continue;
      return broken(numbered("interface", interface.index) + " holds " + numbered("group", group) +
                    ", which is not there");
    }
    const auto [place, is_new] =
        policies_.try_emplace(std::move(groups), static_cast<PolicyId>(policies_.size()));
    if (is_new) policy_groups_.push_back(&place->first);
    policy_of_interface_.push_back(place->second);
  }
  return Ok();
}

Status Sealer::check_interface(const InterfaceInput& interface) const {
  if (interface.index.is_none() || interface.index.value() >= kInterfacesMax) {
    return too_many("interface numbers", std::size_t{interface.index.value()} + 1, kInterfacesMax);
  }
  if (!has_row(tables_->subnets, interface.subnet)) {
    return broken(numbered("interface", interface.index) + " lies in " +
                  numbered("subnet", interface.subnet) + ", which is not there");
  }
  if (tables_->subnets[interface.subnet.value()].vpc != interface.vpc) {
    return broken(numbered("interface", interface.index) + " and its subnet lie in two VPCs");
  }
  return Ok();
}

Status Sealer::add_interfaces() {
  for (const InterfaceInput& interface : input_.interfaces) {
    if (const Status status = add_interface(interface); !status) return status;
  }
  return Ok();
}

Status Sealer::add_interface(const InterfaceInput& interface) {
  if (const Status status = check_interface(interface); !status) return status;
  std::vector<std::uint32_t>& row_of_eni = tables_->row_of_eni;
  const std::uint32_t number = interface.index.value();
  if (number >= row_of_eni.size()) row_of_eni.resize(number + 1, kNoRow);
  if (row_of_eni[number] != kNoRow) {
    return broken(numbered("interface", interface.index) + " is there twice");
  }
  row_of_eni[number] = static_cast<std::uint32_t>(tables_->interfaces.size());
  InterfaceRow row;
  row.eni = interface.index;
  row.vpc = interface.vpc;
  row.subnet = interface.subnet;
  row.acl = tables_->subnets[interface.subnet.value()].acl;
  row.policy = policy_of_interface_[tables_->interfaces.size()];
  row.mac = interface.mac;
  row.logged = interface.logged;
  row.timeouts = interface.timeouts;
  row.rejudge_before = interface.rejudge_before;
  row.flush_before = interface.flush_before;
  for (const IpAddr& address : interface.addresses) {
    bool& has_primary = address.is_v4() ? row.has_primary_v4 : row.has_primary_v6;
    if (!has_primary) (address.is_v4() ? row.primary_v4 : row.primary_v6) = address;
    has_primary = true;
    class_input(address.family())
        .owners.push_back({address, {interface.vpc, interface.index, row.policy}});
  }
  tables_->interfaces.push_back(row);
  return Ok();
}

Status Sealer::classify_addresses() {
  for (const PrefixListInput& list : input_.prefix_lists) {
    if (list.index.is_none() || list.index.value() >= PeerKey::kNumbersMax) {
      return too_many("prefix list numbers", std::size_t{list.index.value()} + 1,
                      PeerKey::kNumbersMax);
    }
    for (const Cidr& cidr : list.entries) {
      if (cidr.family() != list.family) {
        return broken(numbered("prefix list", list.index) + " holds " + cidr.to_string() +
                      ", which is of the other family");
      }
      class_input(list.family).list_entries.push_back({cidr, list.index});
    }
  }
  for (const OrderedRule& ordered : ordered_rules_) {
    if (const Cidr* cidr = std::get_if<Cidr>(&ordered.rule->peer)) {
      class_input(cidr->family()).rule_prefixes.push_back(*cidr);
    }
  }
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    const ClassInput& classes = class_input(family);
    const std::size_t needed =
        classes.owners.size() + classes.list_entries.size() + classes.rule_prefixes.size();
    if (needed > CidrTrie::kPrefixesMax) {
      return too_many("addresses and prefixes of one family", needed, CidrTrie::kPrefixesMax);
    }
  }
  tables_->classes.v4 = FamilyClasses(Family::Ipv4, v4_);
  tables_->classes.v6 = FamilyClasses(Family::Ipv6, v6_);
  if (const Status status = check_owners(v4_); !status) return status;
  return check_owners(v6_);
}

// After classifying, the owners lie in order: equal addresses side by side, ascending by VPC.
Status Sealer::check_owners(const ClassInput& classes) {
  for (std::size_t i = 1; i < classes.owners.size(); ++i) {
    const ClassInput::Owner& a = classes.owners[i - 1];
    const ClassInput::Owner& b = classes.owners[i];
    if (a.address != b.address) continue;
    tables_->has_shared_addresses = true;
    if (a.owner.vpc != b.owner.vpc) continue;
    return broken(numbered("interface", a.owner.eni) + " and " +
                  numbered("interface", b.owner.eni) + " of one VPC both have " +
                  a.address.to_string());
  }
  return Ok();
}

PeerKey Sealer::key_of(const PeerInput& peer) const {
  if (const Cidr* cidr = std::get_if<Cidr>(&peer)) {
    const PrefixId id = tables_->classes.of(cidr->family()).trie().find_exact(*cidr);
    CHECK(id != kNoPrefix);
    return PeerKey::prefix(cidr->family(), id);
  }
  // A list or group that does not exist has no members: its key is never asked for (SG-33).
  if (const PrefixListIndex* list = std::get_if<PrefixListIndex>(&peer)) {
    return list->value() < PeerKey::kNumbersMax ? PeerKey::list(*list) : PeerKey();
  }
  const GroupIndex group = *std::get_if<GroupIndex>(&peer);
  return group.value() < PeerKey::kNumbersMax ? PeerKey::group(group) : PeerKey();
}

Status Sealer::key_rules() {
  group_rules_.resize(input_.groups.size());
  for (std::size_t slot = 0; slot < ordered_rules_.size(); ++slot) {
    const RuleInput& rule = *ordered_rules_[slot].rule;
    const Result<MatchRange> match = match_range(rule.proto, rule.ports, true);
    if (!match) return broken("rule " + rule.id + ": " + match.error().sentence);
    KeyedRule keyed;
    keyed.key = key_of(rule.peer);
    if (keyed.key.is_none()) continue;
    keyed.slot = static_cast<RuleSlot>(slot);
    keyed.direction = rule.direction;
    keyed.proto = match->proto;
    keyed.range = match->range;
    if (const Cidr* cidr = std::get_if<Cidr>(&rule.peer)) {
      keyed.is_any_address = cidr->length() == 0;
      keyed.family = cidr->family();
    }
    group_rules_[row_of_group_.at(ordered_rules_[slot].group)].push_back(keyed);
  }
  return Ok();
}

Status Sealer::add_policies() {
  std::size_t needed = 0;
  for (const std::vector<GroupIndex>* groups : policy_groups_) {
    for (const GroupIndex group : *groups) {
      needed += group_rules_[row_of_group_.at(group)].size();
    }
  }
  if (needed > kPolicyRulesMax) {
    return too_many("rules of all combinations of groups", needed, kPolicyRulesMax);
  }
  for (const std::vector<GroupIndex>* groups : policy_groups_) {
    std::vector<KeyedRule> rules;
    for (const GroupIndex group : *groups) {
      const std::vector<KeyedRule>& more = group_rules_[row_of_group_.at(group)];
      rules.insert(rules.end(), more.begin(), more.end());
    }
    tables_->group_rules.add_policy(*groups, std::move(rules));
  }
  tables_->group_rules.seal();
  return Ok();
}

}  // namespace

Result<std::shared_ptr<const PolicySnapshot>> build_snapshot(const SnapshotInput& input) {
  Sealer sealer(input);
  using SealStep = Status (Sealer::*)();
  constexpr SealStep kSteps[] = {
      &Sealer::add_vpcs,           &Sealer::add_subnets,     &Sealer::add_acls,
      &Sealer::order_rules,        &Sealer::intern_policies, &Sealer::add_interfaces,
      &Sealer::classify_addresses, &Sealer::key_rules,       &Sealer::add_policies,
  };
  for (const SealStep seal_step : kSteps) {
    if (const Status status = (sealer.*seal_step)(); !status) return status.error();
  }
  std::unique_ptr<SnapshotTables> tables = sealer.take();
  tables->generation = input.generation;
  tables->tracking = input.tracking;
  tables->exempt = input.exempt;
  return std::shared_ptr<const PolicySnapshot>(std::make_shared<PolicySnapshot>(std::move(tables)));
}

}  // namespace sluice
