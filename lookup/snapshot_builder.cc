#include "lookup/snapshot_builder.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "lookup/match_range.h"
#include "lookup/snapshot_tables.h"

namespace sluice {

namespace {

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

template <class Index>
Error missing(const std::string& what, std::string_view kind, Index index) {
  return broken_input(what + " " + numbered(kind, index) + ", which is not there");
}

// The block's first IPv4 address plus `offset`, where the block is large enough to have it (SG-61).
void add_offset(const Cidr& cidr, std::uint32_t offset, std::vector<IpAddr>& addresses) {
  const IpAddr address = IpAddr::v4(cidr.address().v4_value() + offset);
  if (cidr.contains(address)) addresses.push_back(address);
}

std::shared_ptr<const VpcRow> make_row(const VpcInput& vpc) {
  VpcRow row{vpc.cidrs, vpc.peers, {}};
  std::sort(row.peers.begin(), row.peers.end());
  const auto is_v4 = [](const Cidr& cidr) { return cidr.family() == Family::Ipv4; };
  const auto first_v4 = std::find_if(vpc.cidrs.begin(), vpc.cidrs.end(), is_v4);
  if (first_v4 != vpc.cidrs.end()) add_offset(*first_v4, 2, row.resolvers);
  return std::make_shared<const VpcRow>(std::move(row));
}

std::shared_ptr<const SubnetRow> make_row(const SubnetInput& subnet) {
  SubnetRow row{subnet.vpc, subnet.acl, subnet.cidrs, {}};
  for (const Cidr& cidr : subnet.cidrs) {
    if (cidr.family() == Family::Ipv4) add_offset(cidr, 1, row.routers);
  }
  return std::make_shared<const SubnetRow>(std::move(row));
}

Result<NaclLadder> build_ladder(const AclInput& acl, Direction direction, Family family) {
  std::vector<NaclLadder::Step> steps;
  for (const AclEntryInput& entry : direction == Direction::Ingress ? acl.ingress : acl.egress) {
    if (entry.rule < 1 || entry.rule > 32766) {
      return broken_input(numbered("network ACL", acl.index) + " has an entry numbered " +
                          std::to_string(entry.rule) + ", outside of 1 to 32766");
    }
    if (entry.cidr.family() != family) continue;
    const bool icmp_counts = !is_number(entry.proto, Proto::Icmpv6) || family == Family::Ipv6;
    const Result<MatchRange> match = match_range(entry.proto, entry.ports, icmp_counts);
    if (!match) {
      return broken_input(numbered("network ACL", acl.index) + ", entry " +
                          std::to_string(entry.rule) + ": " + match.error().sentence);
    }
    steps.push_back({TrieKey::of(entry.cidr.address()), entry.cidr.length(), entry.allow,
                     match->proto, match->range, entry.rule});
  }
  return NaclLadder(family, std::move(steps));
}

Result<std::shared_ptr<const NetworkAcl>> make_row(const AclInput& acl) {
  NetworkAcl row;
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    for (const Family family : {Family::Ipv4, Family::Ipv6}) {
      Result<NaclLadder> ladder = build_ladder(acl, direction, family);
      if (!ladder) return ladder.error();
      row.ladders[NetworkAcl::ladder_index(direction, family)] = *std::move(ladder);
    }
  }
  return std::make_shared<const NetworkAcl>(std::move(row));
}

// The rules of one that are not in the other, where a rule is the same if all of it is.
std::vector<const RuleInput*> rules_without(const GroupInput* group, const GroupInput* other) {
  std::vector<const RuleInput*> rules;
  if (group == nullptr) return rules;
  std::vector<const RuleInput*> known;
  if (other != nullptr) {
    for (const RuleInput& rule : other->rules) known.push_back(&rule);
  }
  const auto by_index = [](const RuleInput* a, const RuleInput* b) { return a->index < b->index; };
  std::sort(known.begin(), known.end(), by_index);
  for (const RuleInput& rule : group->rules) {
    const auto place = std::lower_bound(known.begin(), known.end(), &rule, by_index);
    const bool is_known = place != known.end() && (*place)->index == rule.index && **place == rule;
    if (!is_known) rules.push_back(&rule);
  }
  return rules;
}

bool demands_ports(const ProtoMatch& proto) {
  return is_number(proto, Proto::Tcp) || is_number(proto, Proto::Udp);
}

std::vector<GroupIndex> groups_of(const InterfaceInput& interface) {
  std::vector<GroupIndex> groups = interface.groups;
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  return groups;
}

// Each thing at most once, and there before if it changes or goes. `is_there(index)` asks the
// former tables.
template <class Input, class IsThere>
Status check_claims(const std::vector<ThingChange<Input>>& changes, std::string_view kind,
                    std::size_t index_max, IsThere&& is_there) {
  std::vector<std::uint32_t> numbers;
  numbers.reserve(changes.size());
  for (const ThingChange<Input>& change : changes) {
    const Input& any = change.next != nullptr ? *change.next : *change.former;
    if (any.index.is_none() || any.index.value() >= index_max) {
      return too_many(std::string(kind) + " numbers", std::size_t{any.index.value()} + 1,
                      index_max);
    }
    const bool is_known = change.former != nullptr;
    if (is_there(any.index) != is_known) {
      return broken_input(numbered(kind, any.index) +
                          (is_known ? " goes and is not there" : " is there twice"));
    }
    numbers.push_back(any.index.value());
  }
  std::sort(numbers.begin(), numbers.end());
  const auto twice = std::adjacent_find(numbers.begin(), numbers.end());
  if (twice == numbers.end()) return Ok();
  return broken_input(std::string(kind) + " number " + std::to_string(*twice) + " is there twice");
}

// The steps from former tables to next ones, in the order of their declaration; each needs what
// the former ones did.
class Changer {
 public:
  Changer(const SnapshotTables& former, const SnapshotChange& change)
      : change_(change), tables_(std::make_unique<SnapshotTables>(former)) {}

  Status check_all_claims();
  Status change_vpcs();
  Status change_acls();
  Status change_subnets();
  Status classify();
  Status rank_rules();
  Status change_groups();
  Status change_interfaces();
  Status check_owners();
  Status check_rest();
  std::size_t size() const { return tables_->size(); }
  std::unique_ptr<SnapshotTables> take() { return std::move(tables_); }

 private:
  template <class Row, class Input>
  Status change_row(Rows<Row>& rows, const ThingChange<Input>& change);
  std::vector<ClassEdit>& edits(Family family) { return family == Family::Ipv4 ? v4_ : v6_; }
  void classify_rules(const std::vector<const RuleInput*>& rules, bool is_added);
  void classify_interface(const ThingChange<InterfaceInput>& change);
  void classify_list(const PrefixListChange& list);
  Result<std::vector<KeyedRule>> key_rules(const GroupInput& group) const;
  void set_condition(const RuleInput& rule, bool is_there);
  PeerKey key_of(const PeerInput& peer) const;
  Status check_interface(const InterfaceInput& interface) const;
  Status change_interface(const ThingChange<InterfaceInput>& change);
  Status check_owner(const FamilyClasses& classes, const ClassEdit& edit) const;
  Status check_vpc(const VpcInput& vpc) const;
  Status check_held_groups() const;
  Status refresh_interfaces();

  const SnapshotChange& change_;
  std::unique_ptr<SnapshotTables> tables_;
  std::vector<ClassEdit> v4_;
  std::vector<ClassEdit> v6_;
  bool has_lost_something_ = false;  // that interfaces or subnets may refer to
};

Status Changer::check_all_claims() {
  const auto has_row = [](const auto& rows) {
    return [&rows](auto index) { return find_row(rows, index) != nullptr; };
  };
  const auto has_interface = [this](EniIndex eni) {
    const InterfaceRow* row = tables_->interfaces.find(eni.value());
    return row != nullptr && !row->eni.is_none();
  };
  constexpr std::size_t kMax = PeerKey::kNumbersMax;
  const Status claims[] = {
      check_claims(change_.vpcs, "VPC", kMax, has_row(tables_->vpcs)),
      check_claims(change_.acls, "network ACL", kMax, has_row(tables_->acls)),
      check_claims(change_.subnets, "subnet", kMax, has_row(tables_->subnets)),
      check_claims(change_.groups, "group", kMax, has_row(tables_->groups)),
      check_claims(change_.interfaces, "interface", kInterfacesMax, has_interface),
  };
  for (const Status& status : claims) {
    if (!status) return status;
  }
  return Ok();
}

// Takes the place of the thing, or empties it. Rows that can be wrong are made by `make_row`.
template <class Row, class Input>
Status Changer::change_row(Rows<Row>& rows, const ThingChange<Input>& change) {
  const Input& any = change.next != nullptr ? *change.next : *change.former;
  if (change.former != nullptr) has_lost_something_ = true;
  std::shared_ptr<const Row> row;
  if constexpr (std::is_same_v<Row, NetworkAcl>) {
    if (change.next != nullptr) {
      Result<std::shared_ptr<const NetworkAcl>> made = make_row(*change.next);
      if (!made) return made.error();
      row = *std::move(made);
    }
  } else if (change.next != nullptr) {
    row = make_row(*change.next);
  }
  replace_row(*tables_, rows, any.index, std::move(row));
  return Ok();
}

Status Changer::change_vpcs() {
  for (const auto& vpc : change_.vpcs) {
    if (const Status status = change_row(tables_->vpcs, vpc); !status) return status;
  }
  for (const auto& vpc : change_.vpcs) {
    if (vpc.next == nullptr) continue;
    for (const Cidr& cidr : vpc.next->cidrs) {
      (cidr.family() == Family::Ipv4 ? tables_->inside_v4 : tables_->inside_v6).add(cidr);
    }
    if (const Status status = check_vpc(*vpc.next); !status) return status;
  }
  return Ok();
}

Status Changer::check_vpc(const VpcInput& vpc) const {
  for (const VpcIndex peer : vpc.peers) {
    if (find_row(tables_->vpcs, peer) != nullptr) continue;
    return missing(numbered("VPC", vpc.index) + " is peered with", "VPC", peer);
  }
  return Ok();
}

Status Changer::change_acls() {
  const bool had_lost = has_lost_something_;
  for (const auto& acl : change_.acls) {
    if (const Status status = change_row(tables_->acls, acl); !status) return status;
    // Who has the ACL finds it by its number: other entries concern nobody else.
    if (acl.next != nullptr) has_lost_something_ = had_lost;
  }
  return Ok();
}

Status Changer::change_subnets() {
  for (const auto& subnet : change_.subnets) {
    if (const Status status = change_row(tables_->subnets, subnet); !status) return status;
    if (subnet.next == nullptr) continue;
    const std::string what = numbered("subnet", subnet.next->index);
    if (find_row(tables_->vpcs, subnet.next->vpc) == nullptr) {
      return missing(what + " lies in", "VPC", subnet.next->vpc);
    }
    const AclIndex acl = subnet.next->acl;
    if (!acl.is_none() && find_row(tables_->acls, acl) == nullptr) {
      return missing(what + " has", "network ACL", acl);
    }
  }
  return Ok();
}

void Changer::classify_rules(const std::vector<const RuleInput*>& rules, bool is_added) {
  for (const RuleInput* rule : rules) {
    const Cidr* cidr = std::get_if<Cidr>(&rule->peer);
    if (cidr == nullptr) continue;
    edits(cidr->family()).push_back({*cidr, is_added, ClassEdit::Kind::Rule, 0});
  }
}

void Changer::classify_interface(const ThingChange<InterfaceInput>& change) {
  const auto has = [](const auto& things, const auto& thing) {
    return std::find(things.begin(), things.end(), thing) != things.end();
  };
  const auto edit = [&](const InterfaceInput& interface, const InterfaceInput* other, bool added) {
    for (const Cidr& cidr : interface.prefixes) {
      if (other != nullptr && has(other->prefixes, cidr)) continue;
      edits(cidr.family())
          .push_back({cidr, added, ClassEdit::Kind::Delegated, interface.index.value()});
    }
    for (const IpAddr& address : interface.addresses) {
      if (other != nullptr && has(other->addresses, address)) continue;
      edits(address.family())
          .push_back({Cidr::host(address), added, ClassEdit::Kind::Owner, interface.index.value()});
    }
  };
  if (change.former != nullptr) edit(*change.former, change.next, false);
  if (change.next != nullptr) edit(*change.next, change.former, true);
}

void Changer::classify_list(const PrefixListChange& list) {
  for (const Cidr& cidr : list.removed) {
    edits(list.family).push_back({cidr, false, ClassEdit::Kind::List, list.index.value()});
  }
  for (const Cidr& cidr : list.added) {
    edits(list.family).push_back({cidr, true, ClassEdit::Kind::List, list.index.value()});
  }
}

Status Changer::classify() {
  for (const PrefixListChange& list : change_.prefix_lists) {
    if (list.index.is_none() || list.index.value() >= PeerKey::kNumbersMax) {
      return too_many("prefix list numbers", std::size_t{list.index.value()} + 1,
                      PeerKey::kNumbersMax);
    }
    for (const Cidr& cidr : list.added) {
      if (cidr.family() == list.family) continue;
      return broken_input(numbered("prefix list", list.index) + " holds " + cidr.to_string() +
                          ", which is of the other family");
    }
    classify_list(list);
  }
  for (const auto& group : change_.groups) {
    classify_rules(rules_without(group.former, group.next), false);
    classify_rules(rules_without(group.next, group.former), true);
  }
  for (const auto& interface : change_.interfaces) classify_interface(interface);
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    FamilyClasses& classes = family == Family::Ipv4 ? tables_->classes.v4 : tables_->classes.v6;
    const std::size_t needed =
        classes.trie().prefix_count() + classes.delegated().prefix_count() + edits(family).size();
    if (needed >= PeerKey::kNumbersMax) {
      return too_many("addresses and prefixes of one family", needed, PeerKey::kNumbersMax);
    }
    if (const Status status = classes.apply(edits(family)); !status) return status;
  }
  return Ok();
}

// Rules that go first, so that one may come back under another group.
Status Changer::rank_rules() {
  for (const auto& group : change_.groups) {
    for (const RuleInput* rule : rules_without(group.former, group.next)) {
      const RuleRow* row = tables_->rules.find(rule->index.value());
      if (row == nullptr || row->group != group.former->index) {
        return broken_input("rule " + rule->id + " goes and is not there");
      }
      tables_->rules.edit(rule->index.value()) = RuleRow();
      set_condition(*rule, false);
    }
  }
  for (const auto& group : change_.groups) {
    for (const RuleInput* rule : rules_without(group.next, group.former)) {
      const std::optional<RuleOrder> order = RuleOrder::of(rule->id);
      if (!order) return broken_input("rule " + rule->id + " is not sgr- and 17 hex digits");
      if (rule->index.value() >= kRulesMax) {
        return too_many("rule numbers", std::size_t{rule->index.value()} + 1, kRulesMax);
      }
      RuleRow& row = tables_->rules.edit(rule->index.value());
      if (!row.group.is_none()) return broken_input("rule " + rule->id + " is there twice");
      const bool is_conditional = !rule->condition.is_none();
      row = {order->high, static_cast<std::uint16_t>(order->low), is_conditional,
             group.next->index};
      set_condition(*rule, is_conditional);
    }
  }
  return Ok();
}

// What the rule demands comes to be there, or goes.
void Changer::set_condition(const RuleInput& rule, bool is_there) {
  if (rule.condition.is_none()) return;
  std::shared_ptr<const RuleCondition> row;
  if (is_there) row = std::make_shared<const RuleCondition>(rule.condition);
  replace_row(*tables_, tables_->conditions, rule.index, std::move(row));
}

PeerKey Changer::key_of(const PeerInput& peer) const {
  if (const Cidr* cidr = std::get_if<Cidr>(&peer)) {
    const PrefixId id = tables_->classes.of(cidr->family()).trie().find_exact(*cidr);
    CHECK(id != kNoPrefix && !is_marked_prefix(id));
    return PeerKey::prefix(cidr->family(), id);
  }
  // A list or group that does not exist has no members: its key is never asked for (SG-33).
  if (const PrefixListIndex* list = std::get_if<PrefixListIndex>(&peer)) {
    return list->value() < PeerKey::kNumbersMax ? PeerKey::list(*list) : PeerKey();
  }
  const GroupIndex group = *std::get_if<GroupIndex>(&peer);
  return group.value() < PeerKey::kNumbersMax ? PeerKey::group(group) : PeerKey();
}

Result<std::vector<KeyedRule>> Changer::key_rules(const GroupInput& group) const {
  std::vector<KeyedRule> rules;
  rules.reserve(group.rules.size());
  for (const RuleInput& rule : group.rules) {
    const Result<MatchRange> match = match_range(rule.proto, rule.ports, true);
    if (!match) return broken_input("rule " + rule.id + ": " + match.error().sentence);
    KeyedRule keyed;
    keyed.key = key_of(rule.peer);
    if (keyed.key.is_none()) continue;
    keyed.rule = rule.index;
    keyed.order = tables_->rules[rule.index.value()].order();
    keyed.direction = rule.direction;
    keyed.proto = match->proto;
    keyed.range = match->range;
    keyed.is_conditional = !rule.condition.is_none();
    if (keyed.is_conditional && !demands_ports(rule.proto)) {
      return broken_input("rule " + rule.id + " demands an application of neither tcp nor udp");
    }
    if (const Cidr* cidr = std::get_if<Cidr>(&rule.peer)) {
      keyed.is_any_address = cidr->length() == 0;
      keyed.family = cidr->family();
    }
    rules.push_back(keyed);
  }
  return rules;
}

Status Changer::change_groups() {
  for (const auto& group : change_.groups) {
    const GroupInput& any = group.next != nullptr ? *group.next : *group.former;
    if (group.next == nullptr) {
      has_lost_something_ = true;
      replace_row(*tables_, tables_->groups, any.index, std::shared_ptr<const GroupTable>());
      continue;
    }
    Result<std::vector<KeyedRule>> rules = key_rules(*group.next);
    if (!rules) return rules.error();
    replace_row(*tables_, tables_->groups, any.index,
                std::make_shared<const GroupTable>(std::span(*rules)));
  }
  return Ok();
}

Status Changer::check_interface(const InterfaceInput& interface) const {
  const std::string what = numbered("interface", interface.index);
  const SubnetRow* subnet = find_row(tables_->subnets, interface.subnet);
  if (subnet == nullptr) return missing(what + " lies in", "subnet", interface.subnet);
  if (subnet->vpc != interface.vpc) return broken_input(what + " and its subnet lie in two VPCs");
  const std::vector<GroupIndex> groups = groups_of(interface);
  if (groups.size() > kGroupsPerInterfaceMax) {
    return too_many("groups on " + what, groups.size(), kGroupsPerInterfaceMax);
  }
  for (const GroupIndex group : groups) {
    if (find_row(tables_->groups, group) != nullptr) continue;
    return missing(what + " holds", "group", group);
  }
  return Ok();
}

Status Changer::change_interface(const ThingChange<InterfaceInput>& change) {
  PolicyId former = kNoPolicyId;
  if (change.former != nullptr) {
    former = tables_->interfaces[change.former->index.value()].policy;
    --tables_->interface_count;
  }
  if (change.next != nullptr) {
    const InterfaceInput& interface = *change.next;
    if (const Status status = check_interface(interface); !status) return status;
    InterfaceRow row;
    row.eni = interface.index;
    row.vpc = interface.vpc;
    row.subnet = interface.subnet;
    row.acl = find_row(tables_->subnets, interface.subnet)->acl;
    row.policy = tables_->policies.hold(groups_of(interface));
    row.mac = interface.mac;
    row.logged = interface.logged;
    row.identified = interface.identified;
    row.rejects = interface.rejects;
    row.tracking = interface.tracking;
    row.rejudge_before = interface.rejudge_before;
    row.flush_before = interface.flush_before;
    for (const IpAddr& address : interface.addresses) {
      bool& has_primary = address.is_v4() ? row.has_primary_v4 : row.has_primary_v6;
      if (!has_primary) (address.is_v4() ? row.primary_v4 : row.primary_v6) = address;
      has_primary = true;
    }
    tables_->interfaces.edit(interface.index.value()) = row;
    ++tables_->interface_count;
  } else {
    tables_->interfaces.edit(change.former->index.value()) = InterfaceRow();
  }
  if (former != kNoPolicyId) tables_->policies.drop(former);
  return Ok();
}

Status Changer::change_interfaces() {
  for (const auto& interface : change_.interfaces) {
    if (const Status status = change_interface(interface); !status) return status;
  }
  return Ok();
}

// Interfaces of one VPC share no address. Of a delegated prefix only what it lies in is looked at:
// what lies inside of it the compiler has to know.
Status Changer::check_owners() {
  for (const Family family : {Family::Ipv4, Family::Ipv6}) {
    const FamilyClasses& classes = tables_->classes.of(family);
    if (classes.shared_address_count() + classes.delegated().prefix_count() == 0) continue;
    for (const ClassEdit& edit : edits(family)) {
      if (!edit.is_added) continue;
      if (const Status status = check_owner(classes, edit); !status) return status;
    }
  }
  return Ok();
}

Status Changer::check_owner(const FamilyClasses& classes, const ClassEdit& edit) const {
  const EniIndex mine(edit.number);
  EniIndex other;
  const auto see = [&](EniIndex owner) {
    if (owner == mine) return;
    if (tables_->interfaces[owner.value()].vpc == tables_->interfaces[mine.value()].vpc) {
      other = owner;
    }
  };
  const IpAddr& address = edit.cidr.address();
  if (edit.kind == ClassEdit::Kind::Owner) {
    classes.for_each_owner_of(address, classes.trie().find_exact(edit.cidr), see);
  } else if (edit.kind == ClassEdit::Kind::Delegated) {
    classes.delegated().for_each_cover(address, [&](PrefixId id, unsigned length) {
      if (length <= edit.cidr.length()) classes.for_each_owner(classes.facts(id), see);
    });
  }
  if (other.is_none()) return Ok();
  const bool is_address = edit.kind == ClassEdit::Kind::Owner;
  return broken_input(numbered("interface", other) + " and " + numbered("interface", mine) +
                      " of one VPC both have " +
                      (is_address ? address.to_string() : edit.cidr.to_string()));
}

Status Changer::check_held_groups() const {
  GroupIndex lost;
  tables_->policies.for_each([&](std::span<const GroupIndex> groups) {
    for (const GroupIndex group : groups) {
      if (find_row(tables_->groups, group) == nullptr) lost = group;
    }
  });
  if (lost.is_none()) return Ok();
  return missing("some interface holds", "group", lost);
}

// Interfaces know the ACL of their subnet.
Status Changer::refresh_interfaces() {
  for (std::uint32_t eni = 0; eni < tables_->interfaces.size(); ++eni) {
    const InterfaceRow* row = tables_->interfaces.find(eni);
    if (row == nullptr || row->eni.is_none()) continue;
    const std::string what = numbered("interface", row->eni);
    const SubnetRow* subnet = find_row(tables_->subnets, row->subnet);
    if (subnet == nullptr) return missing(what + " lies in", "subnet", row->subnet);
    if (subnet->vpc != row->vpc) return broken_input(what + " and its subnet lie in two VPCs");
    if (subnet->acl != row->acl) tables_->interfaces.edit(eni).acl = subnet->acl;
  }
  return Ok();
}

// What the change does not name may refer to what it took away.
Status Changer::check_rest() {
  if (!has_lost_something_) return Ok();
  for (std::uint32_t i = 0; i < tables_->vpcs.size(); ++i) {
    const VpcRow* vpc = find_row(tables_->vpcs, VpcIndex(i));
    if (vpc == nullptr) continue;
    const Status status = check_vpc({VpcIndex(i), vpc->cidrs, vpc->peers});
    if (!status) return status;
  }
  for (std::uint32_t i = 0; i < tables_->subnets.size(); ++i) {
    const SubnetRow* subnet = find_row(tables_->subnets, SubnetIndex(i));
    if (subnet == nullptr) continue;
    const std::string what = numbered("subnet", SubnetIndex(i));
    if (find_row(tables_->vpcs, subnet->vpc) == nullptr) {
      return missing(what + " lies in", "VPC", subnet->vpc);
    }
    if (!subnet->acl.is_none() && find_row(tables_->acls, subnet->acl) == nullptr) {
      return missing(what + " has", "network ACL", subnet->acl);
    }
  }
  if (const Status status = check_held_groups(); !status) return status;
  return refresh_interfaces();
}

Error too_large(std::string_view about, std::size_t needed, std::size_t size_max) {
  return {ErrorKind::LimitExceeded, std::string(kSnapshotTooLarge),
          "memory of the compiled policy: " + std::string(about) + std::to_string(needed) +
              " bytes needed, " + std::to_string(size_max) + " possible",
          ""};
}

Result<std::shared_ptr<const PolicySnapshot>> change_tables(const SnapshotTables& former,
                                                            const SnapshotChange& change,
                                                            std::size_t size_max) {
  const std::size_t size_before = former.size();
  Changer changer(former, change);
  using Step = Status (Changer::*)();
  constexpr Step kSteps[] = {
      &Changer::check_all_claims, &Changer::change_vpcs,       &Changer::change_acls,
      &Changer::change_subnets,   &Changer::classify,          &Changer::rank_rules,
      &Changer::change_groups,    &Changer::change_interfaces, &Changer::check_owners,
      &Changer::check_rest,
  };
  for (const Step step : kSteps) {
    if (const Status status = (changer.*step)(); !status) return status.error();
    // Of what is there now at most size_before is still to go.
    const std::size_t size = changer.size();
    const std::size_t size_new = size - std::min(size, size_before);
    if (size_new > size_max) return too_large("at least ", size_new, size_max);
  }
  std::unique_ptr<SnapshotTables> tables = changer.take();
  const std::size_t size = sizeof(PolicySnapshot) + tables->size();
  // What makes a policy smaller is never refused.
  if (size > std::max(size_max, sizeof(PolicySnapshot) + size_before)) {
    return too_large("", size, size_max);
  }
  tables->generation = change.generation;
  tables->tracking = change.tracking;
  tables->exempt = change.exempt;
  tables->layer7 = change.layer7;
  tables->tools = change.tools;
  return std::shared_ptr<const PolicySnapshot>(std::make_shared<PolicySnapshot>(std::move(tables)));
}

}  // namespace

Result<std::shared_ptr<const PolicySnapshot>> change_snapshot(const PolicySnapshot& former,
                                                              const SnapshotChange& change,
                                                              std::size_t size_max) {
  return change_tables(former.tables(), change, size_max);
}

Result<std::shared_ptr<const PolicySnapshot>> build_snapshot(const SnapshotInput& input,
                                                             std::size_t size_max) {
  const SnapshotInput nothing;
  return change_tables(SnapshotTables(), difference(nothing, input), size_max);
}

}  // namespace sluice
