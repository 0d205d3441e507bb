#pragma once

// What lies inside a PolicySnapshot: the tables that decide() reads, and nothing else.
//
// Read by lookup only. Rows of VPCs, subnets and ACLs are indexed by their stable numbers; holes
// (numbers of things that are gone) have is_present = false. Immutable once sealed.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/cidr.h"
#include "base/ids.h"
#include "lookup/address_classes.h"
#include "lookup/group_rules.h"
#include "lookup/nacl_ladder.h"
#include "lookup/policy_snapshot.h"
#include "lookup/snapshot_input.h"

namespace sluice {

struct VpcRow {
  bool is_present = false;
  std::vector<Cidr> cidrs;
  std::vector<VpcIndex> peers;    // ascending
  std::vector<IpAddr> resolvers;  // base + 2 of the first IPv4 block, for the exempt list

  bool contains(const IpAddr& address) const {
    for (const Cidr& cidr : cidrs) {
      if (cidr.contains(address)) return true;
    }
    return false;
  }
};

struct SubnetRow {
  bool is_present = false;
  VpcIndex vpc;
  AclIndex acl;
  std::vector<Cidr> cidrs;
  std::vector<IpAddr> routers;  // base + 1 of each IPv4 block, for the exempt list

  bool contains(const IpAddr& address) const {
    for (const Cidr& cidr : cidrs) {
      if (cidr.contains(address)) return true;
    }
    return false;
  }
};

struct AclRow {
  bool is_present = false;
  NetworkAcl acl;
};

// The rule behind a RuleSlot.
struct RuleRow {
  RuleIndex rule;
  GroupIndex group;
};

inline constexpr std::uint32_t kNoRow = 0xffffffffu;

struct SnapshotTables {
  Generation generation;
  TrackingSettings tracking;
  ExemptProfile exempt = ExemptProfile::None;
  bool has_shared_addresses = false;

  std::vector<InterfaceRow> interfaces;   // in the order of the input
  std::vector<std::uint32_t> row_of_eni;  // EniIndex -> row of interfaces, or kNoRow
  std::vector<VpcRow> vpcs;               // by VpcIndex
  std::vector<SubnetRow> subnets;         // by SubnetIndex
  std::vector<AclRow> acls;               // by AclIndex
  std::vector<RuleRow> rules;             // by RuleSlot: ascending rule id
  AddressClasses classes;
  GroupRules group_rules;
};

}  // namespace sluice
