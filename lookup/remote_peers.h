#pragma once

// What a remote address stands for among the rules of one interface: the configured prefixes that
// cover it, the prefix lists that hold those, and the groups of the interface that owns it.
//
// Private to lookup: decide() asks it for every question, the verdict cache to fill an entry.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/address.h"
#include "base/verdict.h"
#include "lookup/snapshot_tables.h"

namespace sluice {

// All of it in two numbers: two addresses of one class meet the same rules.
struct RemoteClass {
  PrefixId prefix = kNoPrefix;    // the deepest configured prefix; its covers follow from it
  PolicyId policy = kNoPolicyId;  // the groups of the owner that a group reference can mean
  bool has_more_owners = false;   // in several peered VPCs: then `policy` does not tell all

  bool operator==(const RemoteClass&) const = default;
};

// False if no interface has an address for which the trie finds `longest`.
inline bool may_be_owned(const FamilyClasses& classes, PrefixId longest) {
  const bool is_owned =
      longest != kNoPrefix && classes.facts(longest).owners != PrefixFacts::kNoNumbers;
  return is_owned || classes.delegated().prefix_count() != 0;
}

// Calls visit(const InterfaceRow&) for the owners of the address that a group reference of `row`
// can mean (SG-29): the one in its own VPC; else, where the address is not the VPC's own to route,
// those in peered VPCs. `longest` is what the trie found for the address.
template <class Visit>
void for_each_seen_owner(const SnapshotTables& tables, const InterfaceRow& row,
                         const IpAddr& remote, PrefixId longest, Visit&& visit) {
  const FamilyClasses& classes = tables.classes.of(remote.family());
  if (!may_be_owned(classes, longest)) return;
  const InterfaceRow* own = nullptr;
  classes.for_each_owner_of(remote, longest, [&](EniIndex eni) {
    const InterfaceRow& owner = tables.interfaces[eni.value()];
    if (owner.vpc == row.vpc) own = &owner;
  });
  if (own != nullptr) return visit(*own);
  const VpcRow& vpc = *find_row(tables.vpcs, row.vpc);
  if (vpc.peers.empty() || vpc.contains(remote)) return;
  classes.for_each_owner_of(remote, longest, [&](EniIndex eni) {
    const InterfaceRow& owner = tables.interfaces[eni.value()];
    if (std::binary_search(vpc.peers.begin(), vpc.peers.end(), owner.vpc)) visit(owner);
  });
}

inline RemoteClass class_of(const SnapshotTables& tables, const InterfaceRow& row,
                            const IpAddr& remote, const CidrMatch& match) {
  RemoteClass result;
  result.prefix = match.plain;
  if (!may_be_owned(tables.classes.of(remote.family()), match.longest)) return result;
  for_each_seen_owner(tables, row, remote, match.longest, [&](const InterfaceRow& owner) {
    result.has_more_owners = result.policy != kNoPolicyId;
    result.policy = owner.policy;
  });
  return result;
}

// Calls visit(const RuleLanes&, bool is_open) for every run of rules of the interface's groups
// that names something the address stands for. `is_open`: the peer is a literal CIDR of length 0
// (CT-4 b). Cost: groups of the interface times (covering prefixes + groups of the owner), and the
// prefix lists that hold those prefixes, but no more of them than the interface's rules name.
class RemotePeers {
 public:
  RemotePeers(const SnapshotTables& tables, const InterfaceRow& row, Direction direction,
              const IpAddr& remote)
      : tables_(tables), row_(row), direction_(direction), remote_(remote) {
    classes().trie().for_each_cover(remote, [this](PrefixId id, unsigned length) {
      longest_ = id;
      if (is_marked_prefix(id)) return;
      deepest_length_ = length;
      if (length == 0) has_open_ = true;
      covers_[cover_count_++] = id;
    });
  }

  // What the trie found: the longest prefix of any kind, the configured ones' deepest length.
  PrefixId longest() const { return longest_; }
  bool has_cover() const { return cover_count_ != 0; }
  unsigned deepest_length() const { return deepest_length_; }

  template <class Visit>
  void for_each_run(Visit&& visit) const {
    const std::span<const GroupIndex> groups = tables_.policies.groups(row_.policy);
    for (const GroupIndex group : groups) {
      const GroupTable& table = *tables_.groups[group.value()];
      for (std::size_t i = 0; i < cover_count_; ++i) {
        visit_prefix(table, covers_[i], i == 0 && has_open_, visit);
      }
    }
    for_each_seen_owner(tables_, row_, remote_, longest_, [&](const InterfaceRow& owner) {
      for (const GroupIndex group : groups) {
        const GroupTable& table = *tables_.groups[group.value()];
        for (const GroupIndex peer : tables_.policies.groups(owner.policy)) {
          visit_key(table, PeerKey::group(peer), false, visit);
        }
      }
    });
  }

 private:
  static constexpr std::size_t kCoversMax = 129;  // lengths 0 to 128
  static constexpr std::size_t kListsProbed = 4;  // beyond it, ask for the lists that rules name

  const FamilyClasses& classes() const { return tables_.classes.of(remote_.family()); }

  template <class Visit>
  void visit_key(const GroupTable& table, PeerKey key, bool is_open, Visit& visit) const {
    const RuleLanes lanes = table.find(direction_, key);
    if (lanes.count != 0) visit(lanes, is_open);
  }

  template <class Visit>
  void visit_prefix(const GroupTable& table, PrefixId id, bool is_open, Visit& visit) const {
    const PrefixFacts& facts = classes().facts(id);
    if (facts.rule_uses != 0) {
      visit_key(table, PeerKey::prefix(remote_.family(), id), is_open, visit);
    }
    if (facts.lists == PrefixFacts::kNoNumbers) return;
    const std::span<const std::uint32_t> lists = classes().many_lists(facts);
    if (lists.size() <= kListsProbed) {
      classes().for_each_list(facts, [&](PrefixListIndex list) {
        visit_key(table, PeerKey::list(list), false, visit);
      });
      return;
    }
    table.for_each_list(direction_, [&](PrefixListIndex list) {
      if (std::binary_search(lists.begin(), lists.end(), list.value())) {
        visit_key(table, PeerKey::list(list), false, visit);
      }
    });
  }

  const SnapshotTables& tables_;
  const InterfaceRow& row_;
  const Direction direction_;
  const IpAddr& remote_;
  PrefixId longest_ = kNoPrefix;
  unsigned deepest_length_ = 0;
  bool has_open_ = false;  // then it is the first cover
  std::size_t cover_count_ = 0;
  std::array<PrefixId, kCoversMax> covers_;  // the shortest first; cover_count_ of them
};

// Which groups of the interface have a rule of the other direction with peer 0.0.0.0/0 (::/0) that
// admits every reply (CT-4 c): visit(RuleIndex) for the smallest of each group.
template <class Visit>
void for_each_reply_rule(const SnapshotTables& tables, const InterfaceRow& row, Direction direction,
                         Family family, Proto proto, Visit&& visit) {
  for (const GroupIndex group : tables.policies.groups(row.policy)) {
    const GroupTable& table = *tables.groups[group.value()];
    const RuleIndex rule = table.reply_rule(opposite(direction), family, proto);
    if (!rule.is_none()) visit(rule);
  }
}

}  // namespace sluice
