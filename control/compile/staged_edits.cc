#include "control/compile/staged_edits.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "control/policy/check_sizes.h"
#include "control/policy/table_reader.h"

namespace sluice {

namespace {

constexpr Position kNowhere{};

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

// Takes the entries out of both, which hold the same in the same order, and gives back what they
// were. Reads neither twice.
std::vector<PrefixListEntry> take_entries(const std::set<Cidr>& removed,
                                          std::vector<PrefixListEntry>& entries,
                                          std::vector<Cidr>& cidrs) {
  CHECK(entries.size() == cidrs.size());
  std::vector<PrefixListEntry> taken;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < cidrs.size(); ++i) {
    if (taken.size() < removed.size() && removed.contains(cidrs[i])) {
      taken.push_back(std::move(entries[i]));
      continue;
    }
    if (kept != i) {
      entries[kept] = std::move(entries[i]);
      cidrs[kept] = cidrs[i];
    }
    ++kept;
  }
  entries.resize(kept);
  cidrs.resize(kept);
  return taken;
}

}  // namespace

void StagedEdits::stage(const PolicyEdit& edit, Findings& findings) {
  std::visit(Overloaded{[&](const RuleAddition& addition) { stage_addition(addition, findings); },
                        [&](const RuleRemoval& removal) { stage_removal(removal, findings); },
                        [&](const MemberChange& member) { stage_member(member, findings); },
                        [&](const EntryChange& entry) { stage_entry(entry, findings); }},
             edit);
}

StagedGroup& StagedEdits::touch_group(std::size_t place) {
  const auto staged = groups_.find(place);
  if (staged != groups_.end()) return staged->second.group;
  return groups_.emplace(place, TouchedGroup{StagedGroup(policy_.groups[place]), {}})
      .first->second.group;
}

StagedEdits::StagedInterface& StagedEdits::touch_interface(std::size_t place) {
  const auto [staged, is_new] = interfaces_.try_emplace(place);
  if (is_new) staged->second = {policy_.interfaces[place], input_.interfaces[place]};
  return staged->second;
}

bool StagedEdits::are_joined(const std::string& a, const std::string& b) const {
  const auto joins = [&](const Peering& peering) {
    return (peering.first.id == a && peering.second.id == b) ||
           (peering.first.id == b && peering.second.id == a);
  };
  return a == b || std::any_of(policy_.peerings.begin(), policy_.peerings.end(), joins);
}

void StagedEdits::check_peer(const SecurityGroup& group, const SecurityRule& rule,
                             Findings& findings) const {
  if (const auto* list = std::get_if<PrefixListName>(&rule.peer)) {
    if (places_.prefix_list(list->id)) return;
    findings.error(rule.peer_at, "unknown-prefix-list",
                   "there is no prefix_list " + quoted(list->id));
    return;
  }
  const auto* name = std::get_if<GroupName>(&rule.peer);
  if (name == nullptr) return;
  const std::optional<std::size_t> place = places_.group(name->id);
  if (!place) {
    findings.error(rule.peer_at, "unknown-group", "there is no security_group " + quoted(name->id));
  } else if (!are_joined(group.vpc, policy_.groups[*place].vpc)) {
    findings.error(rule.peer_at, "not-peered",
                   quoted(name->id) + " is of vpc " + quoted(policy_.groups[*place].vpc) +
                       ", which no peering joins to " + quoted(group.vpc));
  }
}

void StagedEdits::stage_addition(const RuleAddition& edit, Findings& findings) {
  const std::optional<std::size_t> place = places_.group(edit.group);
  if (!place) {
    findings.error(kNowhere, "unknown-group", "there is no security_group " + quoted(edit.group));
    return;
  }
  check_peer(policy_.groups[*place], edit.rule, findings);
  StagedGroup& group = touch_group(*place);
  if (group.has_rule(edit.rule.id)) {
    findings.error(edit.rule.at, "duplicate-rule",
                   "security_group " + quoted(group.id()) + " has the rule " + edit.rule.canonical +
                       " already, as " + edit.rule.id);
    return;
  }
  group.add_rule(edit.rule);
  added_rules_.insert_or_assign(edit.rule.id, *place);
  const Direction direction = edit.rule.direction;
  check_rule_count(group.id(), direction, group.rule_count(direction), kNowhere, findings);
}

// A rule belongs to one group for ever, since its id is made of the group's.
std::optional<std::size_t> StagedEdits::place_of_rule(const std::string& rule) const {
  const auto added = added_rules_.find(rule);
  if (added != added_rules_.end()) return added->second;
  const std::optional<RuleIndex> number = registry_.rules.find(rule);
  if (!number) return std::nullopt;
  return places_.group(registry_.groups.name_of(registry_.rule_groups.of(*number)));
}

void StagedEdits::stage_removal(const RuleRemoval& edit, Findings& findings) {
  const std::optional<std::size_t> place = place_of_rule(edit.rule);
  if (place) {
    StagedGroup& group = touch_group(*place);
    if (group.has_rule(edit.rule)) return group.remove_rule(edit.rule);
  }
  findings.error(kNowhere, "unknown-rule", "the policy in force has no rule " + quoted(edit.rule));
}

void StagedEdits::stage_member(const MemberChange& edit, Findings& findings) {
  const std::optional<std::size_t> place = places_.interface(edit.interface);
  const std::optional<std::size_t> group = places_.group(edit.group);
  if (!place) {
    findings.error(kNowhere, "unknown-interface",
                   "there is no interface " + quoted(edit.interface));
  }
  if (!group) {
    findings.error(kNowhere, "unknown-group", "there is no security_group " + quoted(edit.group));
  }
  if (!place || !group) return;
  Eni& eni = touch_interface(*place).eni;
  const std::optional<std::size_t> subnet = places_.subnet(eni.subnet);
  const std::string& vpc = policy_.groups[*group].vpc;
  if (!subnet || policy_.subnets[*subnet].vpc != vpc) {
    findings.error(kNowhere, "wrong-vpc",
                   "security_group " + quoted(edit.group) + " is of vpc " + quoted(vpc) +
                       ", the interface " + quoted(edit.interface) + " is not");
    return;
  }
  const auto held =
      std::find_if(eni.security_groups.begin(), eni.security_groups.end(),
                   [&](const Reference& reference) { return reference.id == edit.group; });
  const bool is_held = held != eni.security_groups.end();
  if (is_held == edit.attaches) {
    findings.error(kNowhere, is_held ? "duplicate-group" : "not-attached",
                   "interface " + quoted(edit.interface) +
                       (is_held ? " holds security_group " : " does not hold security_group ") +
                       quoted(edit.group));
    return;
  }
  if (edit.attaches && eni.security_groups.size() == kGroupsPerInterfaceMax) {
    findings.over_limit(kNowhere, "limit-groups-per-interface",
                        "interface " + quoted(edit.interface) + " would hold " +
                            std::to_string(kGroupsPerInterfaceMax + 1) +
                            " security groups; at most " + std::to_string(kGroupsPerInterfaceMax) +
                            " fit");
    return;
  }
  eni.groups_left_out = false;
  if (edit.attaches) {
    eni.security_groups.push_back({edit.group, kNowhere});
  } else {
    eni.security_groups.erase(held);
  }
  if (eni.security_groups.empty()) {
    findings.warning(kNowhere, "no-security-groups",
                     "interface " + quoted(edit.interface) +
                         ": it holds no security group any more: nothing passes");
  }
  regrouped_.insert(edit.group);
}

bool StagedEdits::holds(std::size_t list, const Cidr& cidr) const {
  const auto staged = lists_.find(list);
  if (staged != lists_.end()) {
    if (staged->second.added.contains(cidr)) return true;
    if (staged->second.removed.contains(cidr)) return false;
  }
  return snapshot_.list_holds(input_.prefix_lists[list].index, cidr);
}

void StagedEdits::stage_entry(const EntryChange& edit, Findings& findings) {
  const std::optional<std::size_t> place = places_.prefix_list(edit.list);
  if (!place) {
    findings.error(kNowhere, "unknown-prefix-list", "there is no prefix_list " + quoted(edit.list));
    return;
  }
  const PrefixList& list = policy_.prefix_lists[*place];
  if (edit.cidr.family() != list.family) {
    findings.error(
        kNowhere, "wrong-family",
        edit.cidr.to_string() + " is not of the family of prefix_list " + quoted(edit.list));
    return;
  }
  if (holds(*place, edit.cidr) == edit.adds) {
    findings.error(kNowhere, edit.adds ? "duplicate-entry" : "unknown-entry",
                   "prefix_list " + quoted(edit.list) +
                       (edit.adds ? " holds " : " does not hold ") + edit.cidr.to_string());
    return;
  }
  StagedList& staged = lists_[*place];
  if (edit.adds) {
    staged.added[edit.cidr] = {edit.cidr, edit.description, kNowhere};
    const std::size_t count = list.entries.size() + staged.added.size() - staged.removed.size();
    if (count > list.max_entries) {
      findings.over_limit(kNowhere, "too-many-entries",
                          "prefix_list " + quoted(edit.list) + " would have " +
                              std::to_string(count) +
                              " entries; max_entries = " + std::to_string(list.max_entries));
    }
  } else if (staged.added.erase(edit.cidr) == 0) {
    staged.removed.insert(edit.cidr);
  }
}

// Those whose rules change, and those with a rule that names a group or list which does.
std::set<GroupIndex> StagedEdits::affected_groups() const {
  std::set<PeerInput> changed;
  for (const std::string& id : regrouped_) changed.insert(registry_.groups.find(id).value());
  for (const auto& [place, list] : lists_) {
    if (list.matters()) changed.insert(input_.prefix_lists[place].index);
  }
  std::set<GroupIndex> affected;
  for (const auto& [place, staged] : groups_) affected.insert(staged.input.index);
  if (changed.empty()) return affected;
  for (const GroupInput& group : input_.groups) {
    const bool names_one =
        std::any_of(group.rules.begin(), group.rules.end(),
                    [&](const RuleInput& rule) { return changed.contains(rule.peer); });
    if (names_one) affected.insert(group.index);
  }
  return affected;
}

void StagedEdits::stamp_interfaces(ExistingMode mode, Generation generation) {
  const std::set<GroupIndex> affected = affected_groups();
  for (std::size_t place = 0; place < input_.interfaces.size(); ++place) {
    const std::vector<GroupIndex>& groups = input_.interfaces[place].groups;
    const bool is_touched = interfaces_.contains(place);
    const bool is_affected =
        is_touched || std::any_of(groups.begin(), groups.end(),
                                  [&](GroupIndex group) { return affected.contains(group); });
    if (is_affected) stamp(touch_interface(place).input, mode, generation);
  }
}

void StagedEdits::compile(ExistingMode mode, Generation generation) {
  for (auto& [place, staged] : groups_) {
    staged.input = compile_group(staged.group.settle(), input_.groups[place].vpc, registry_);
  }
  for (auto& [place, staged] : interfaces_) {
    staged.input.groups.clear();
    for (const Reference& group : staged.eni.security_groups) {
      staged.input.groups.push_back(registry_.groups.intern(group.id));
    }
  }
  if (mode != ExistingMode::Keep) stamp_interfaces(mode, generation);
}

SnapshotChange StagedEdits::change(Generation generation) const {
  SnapshotChange change;
  change.generation = generation;
  change.tracking = input_.tracking;
  change.exempt = input_.exempt;
  change.layer7 = input_.layer7;
  change.tools = tools_ != nullptr ? tools_ : input_.tools;
  for (const auto& [place, staged] : groups_) {
    change.groups.push_back({&input_.groups[place], &staged.input});
  }
  for (const auto& [place, staged] : interfaces_) {
    change.interfaces.push_back({&input_.interfaces[place], &staged.input});
  }
  for (const auto& [place, staged] : lists_) {
    const PrefixListInput& list = input_.prefix_lists[place];
    PrefixListChange one{list.index, list.family, {}, {}};
    // What is in both has another description, which is nothing to a packet.
    for (const auto& [cidr, entry] : staged.added) {
      if (!staged.removed.contains(cidr)) one.added.push_back(cidr);
    }
    for (const Cidr& cidr : staged.removed) {
      if (!staged.added.contains(cidr)) one.removed.push_back(cidr);
    }
    change.prefix_lists.push_back(std::move(one));
  }
  return change;
}

bool StagedEdits::needs_tools() const {
  if (input_.tools != nullptr) return false;
  const auto demands = [](const RuleInput& rule) { return !rule.condition.is_none(); };
  return std::any_of(groups_.begin(), groups_.end(), [&](const auto& staged) {
    const std::vector<RuleInput>& rules = staged.second.input.rules;
    return std::any_of(rules.begin(), rules.end(), demands);
  });
}

std::vector<ListChange> StagedEdits::commit(Policy& policy, SnapshotInput& input) {
  if (tools_ != nullptr) input.tools = tools_;
  for (auto& [place, staged] : groups_) {
    policy.groups[place] = std::move(staged.group.settle());
    input.groups[place] = std::move(staged.input);
  }
  for (auto& [place, staged] : interfaces_) {
    policy.interfaces[place] = std::move(staged.eni);
    input.interfaces[place] = std::move(staged.input);
  }
  std::vector<ListChange> changes;
  for (auto& [place, staged] : lists_) {
    ListChange change =
        commit_list(staged, policy.prefix_lists[place], input.prefix_lists[place].entries);
    if (!change.is_none()) changes.push_back(std::move(change));
  }
  return changes;
}

ListChange StagedEdits::commit_list(const StagedList& staged, PrefixList& list,
                                    std::vector<Cidr>& cidrs) {
  ListChange change{list.id, {}, {}};
  std::map<Cidr, PrefixListEntry> added = staged.added;
  if (!staged.removed.empty()) {
    for (PrefixListEntry& entry : take_entries(staged.removed, list.entries, cidrs)) {
      const auto again = added.find(entry.cidr);
      if (again != added.end() && again->second.description == entry.description) {
        added.erase(again);  // taken away and put back as it was
      } else {
        change.removed.push_back(std::move(entry));
      }
    }
  }
  for (const auto& [cidr, entry] : staged.added) {
    cidrs.push_back(cidr);
    list.entries.push_back(entry);
  }
  for (auto& [cidr, entry] : added) change.added.push_back(std::move(entry));
  return change;
}

}  // namespace sluice
