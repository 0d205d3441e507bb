#pragma once

// Edits on their way into a policy in force: each is checked against the policy and those before
// it, and touches copies of what it changes, so that all of them count or none. Then
//
//   stage() ... -> compile() -> change() -> change_snapshot() -> publish -> commit()
//
// Cost: the groups and interfaces that are touched, each once however many edits touch it, and the
// edits themselves, whatever the size of the policy; a list that loses entries is read once; with
// `reevaluate` or `flush` also a look at every interface. Control thread. Borrows all it is given.

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "control/compile/compiler.h"
#include "control/compile/staged_group.h"
#include "control/policy/finding.h"
#include "control/policy/list_versions.h"
#include "control/policy/policy.h"
#include "control/policy/policy_edit.h"
#include "control/policy/policy_places.h"
#include "control/policy/registry.h"
#include "lookup/policy_snapshot.h"
#include "lookup/snapshot_change.h"

namespace sluice {

class StagedEdits {
 public:
  // A policy, what it was compiled to, and what was sealed of that; `places` are its own.
  StagedEdits(const Policy& policy, const SnapshotInput& input, const PolicySnapshot& snapshot,
              const PolicyPlaces& places, Registry& registry)
      : policy_(policy), input_(input), snapshot_(snapshot), places_(places), registry_(registry) {}

  // What is wrong with it becomes an error, and then nothing of the whole may be committed.
  void stage(const PolicyEdit& edit, Findings& findings);
  const PolicyPlaces& places() const { return places_; }

  // After the last stage(): names become numbers, and interfaces learn whether what is remembered
  // of their connections still counts.
  void compile(ExistingMode mode, Generation generation);
  // After compile(): true if a rule demands an application and the policy has no tools to look for
  // it yet. Then set_tools() comes before change().
  bool needs_tools() const;
  void set_tools(std::shared_ptr<const L7Tools> tools) { tools_ = std::move(tools); }
  // Lasts as long as this object and the policy stay as they are.
  SnapshotChange change(Generation generation) const;

  // Puts the copies in their places, once, and says what became of the entries of lists.
  std::vector<ListChange> commit(Policy& policy, SnapshotInput& input);

 private:
  struct TouchedGroup {
    StagedGroup group;
    GroupInput input;  // by compile()
  };
  struct StagedInterface {
    Eni eni;
    InterfaceInput input;
  };
  // What is in both has another description.
  struct StagedList {
    std::map<Cidr, PrefixListEntry> added;
    std::set<Cidr> removed;

    // To a packet.
    bool matters() const {
      return added.size() != removed.size() ||
             !std::equal(added.begin(), added.end(), removed.begin(),
                         [](const auto& entry, const Cidr& cidr) { return entry.first == cidr; });
    }
  };

  void stage_addition(const RuleAddition& edit, Findings& findings);
  void stage_removal(const RuleRemoval& edit, Findings& findings);
  void stage_member(const MemberChange& edit, Findings& findings);
  void stage_entry(const EntryChange& edit, Findings& findings);
  void check_peer(const SecurityGroup& group, const SecurityRule& rule, Findings& findings) const;
  bool are_joined(const std::string& a, const std::string& b) const;
  std::optional<std::size_t> place_of_rule(const std::string& rule) const;
  StagedGroup& touch_group(std::size_t place);
  StagedInterface& touch_interface(std::size_t place);
  bool holds(std::size_t list, const Cidr& cidr) const;
  static ListChange commit_list(const StagedList& staged, PrefixList& list,
                                std::vector<Cidr>& cidrs);
  std::set<GroupIndex> affected_groups() const;
  void stamp_interfaces(ExistingMode mode, Generation generation);

  const Policy& policy_;
  const SnapshotInput& input_;
  const PolicySnapshot& snapshot_;
  const PolicyPlaces& places_;
  Registry& registry_;
  // By their places in the policy.
  std::map<std::size_t, TouchedGroup> groups_;
  std::map<std::size_t, StagedInterface> interfaces_;
  std::map<std::size_t, StagedList> lists_;
  // Of rules that came with these edits, and have no number yet: the place of the group.
  std::unordered_map<std::string, std::size_t> added_rules_;
  std::set<std::string> regrouped_;  // groups whose members change
  std::shared_ptr<const L7Tools> tools_;
};

}  // namespace sluice
