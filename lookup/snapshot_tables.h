#pragma once

// What lies inside a PolicySnapshot: the tables that decide() reads, and nothing else.
//
// Read by lookup only. Everything is held by stable numbers in persistent arrays, so that a copy
// costs a few pointers and shares all that a change leaves alone. Holes (numbers of things that
// are gone) are null or have no number. Immutable once sealed.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/cidr.h"
#include "base/ids.h"
#include "lookup/address_blocks.h"
#include "lookup/address_classes.h"
#include "lookup/group_sets.h"
#include "lookup/group_table.h"
#include "lookup/nacl_ladder.h"
#include "lookup/persistent_array.h"
#include "lookup/policy_snapshot.h"
#include "lookup/rule_order.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// As Cidr::contains(), in place: every question asks it.
inline bool lies_in(const IpAddr& address, const Cidr& cidr) {
  return address.family() == cidr.family() &&
         TrieKey::of(address).shares(TrieKey::of(cidr.address()), cidr.length());
}

struct VpcRow {
  std::vector<Cidr> cidrs;
  std::vector<VpcIndex> peers;    // ascending
  std::vector<IpAddr> resolvers;  // base + 2 of the first IPv4 block, for the exempt list

  bool contains(const IpAddr& address) const {
    for (const Cidr& cidr : cidrs) {
      if (lies_in(address, cidr)) return true;
    }
    return false;
  }
};

struct SubnetRow {
  VpcIndex vpc;
  AclIndex acl;
  std::vector<Cidr> cidrs;
  std::vector<IpAddr> routers;  // base + 1 of each IPv4 block, for the exempt list

  bool contains(const IpAddr& address) const {
    for (const Cidr& cidr : cidrs) {
      if (lies_in(address, cidr)) return true;
    }
    return false;
  }
};

// A rule: its rank among all rules, and whose it is.
struct RuleRow {
  std::uint64_t order_high = 0;
  std::uint16_t order_low = 0;
  bool is_conditional = false;  // it has a row in SnapshotTables::conditions
  GroupIndex group;             // none: a hole

  RuleOrder order() const { return {order_high, order_low}; }
};
static_assert(sizeof(RuleRow) == 16);

// Bytes of a row behind a pointer.
inline std::size_t size_of(const VpcRow& vpc) {
  return sizeof vpc + vpc.cidrs.capacity() * sizeof(Cidr) +
         vpc.peers.capacity() * sizeof(VpcIndex) + vpc.resolvers.capacity() * sizeof(IpAddr);
}
inline std::size_t size_of(const SubnetRow& subnet) {
  return sizeof subnet + subnet.cidrs.capacity() * sizeof(Cidr) +
         subnet.routers.capacity() * sizeof(IpAddr);
}
inline std::size_t size_of(const NetworkAcl& acl) {
  std::size_t total = sizeof acl;
  for (const NaclLadder& ladder : acl.ladders) total += ladder.size();
  return total;
}
inline std::size_t size_of(const GroupTable& group) { return group.size(); }

template <class Row>
using Rows = PersistentArray<std::shared_ptr<const Row>>;

struct SnapshotTables {
  Generation generation;
  TrackingSettings tracking;
  ExemptProfile exempt = ExemptProfile::None;
  Layer7Settings layer7;
  std::shared_ptr<const L7Tools> tools;

  PersistentArray<InterfaceRow> interfaces;  // by EniIndex
  std::size_t interface_count = 0;
  GroupSets policies;              // by InterfaceRow::policy
  Rows<GroupTable> groups;         // by GroupIndex
  PersistentArray<RuleRow> rules;  // by RuleIndex
  Rows<RuleCondition> conditions;  // by RuleIndex: what else it demands; null for nearly all
  AddressClasses classes;
  Rows<SubnetRow> subnets;  // by SubnetIndex
  Rows<VpcRow> vpcs;        // by VpcIndex
  AddressBlocks inside_v4;  // of all VPCs
  AddressBlocks inside_v6;
  Rows<NetworkAcl> acls;      // by AclIndex
  std::size_t rows_size = 0;  // of what groups, conditions, subnets, vpcs and acls point to

  // Memory held, in bytes. O(1).
  std::size_t size() const {
    return sizeof *this + interfaces.memory_size() + policies.size() + groups.memory_size() +
           rules.memory_size() + conditions.memory_size() + classes.v4.size() + classes.v6.size() +
           subnets.memory_size() + vpcs.memory_size() + inside_v4.size() + inside_v6.size() +
           acls.memory_size() + rows_size;
  }
};

// Puts a row, or a hole, in the place of what is there.
template <class Row, class Index>
void replace_row(SnapshotTables& tables, Rows<Row>& rows, Index index,
                 std::shared_ptr<const Row> row) {
  std::shared_ptr<const Row>& place = rows.edit(index.value());
  if (place != nullptr) tables.rows_size -= size_of(*place);
  if (row != nullptr) tables.rows_size += size_of(*row);
  place = std::move(row);
}

// Null for a hole, and for a number that was never given.
template <class Row, class Index>
const Row* find_row(const Rows<Row>& rows, Index index) {
  const std::shared_ptr<const Row>* place = rows.find(index.value());
  return place == nullptr ? nullptr : place->get();
}

}  // namespace sluice
