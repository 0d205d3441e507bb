#pragma once

// Does an interface's traffic meet the same rules in two policies?
//
// The digest of an interface covers everything that a verdict about its packets can depend on: the
// rules of its groups, the members of the groups and the entries of the lists that those rules
// name, its subnet's blocks and ACL, its VPC's blocks and peerings (SG-29), the exempt profile, its
// addresses. Equal digests: nothing changed for it (but for
// a chance of 2^-64). Order in the policy does not matter, names of files and descriptions neither.

#include <cstdint>
#include <unordered_map>

#include "lookup/snapshot_input.h"

namespace sluice {

class InterfaceDigests {
 public:
  // Cost: proportional to the policy. Numbers must come from one registry for two policies to be
  // compared.
  explicit InterfaceDigests(const SnapshotInput& input);

  // Of an interface of that input.
  std::uint64_t of(const InterfaceInput& eni) const;

 private:
  std::unordered_map<GroupIndex, std::uint64_t> groups_;
  std::unordered_map<SubnetIndex, std::uint64_t> subnets_;
  std::unordered_map<VpcIndex, std::uint64_t> vpcs_;
};

}  // namespace sluice
