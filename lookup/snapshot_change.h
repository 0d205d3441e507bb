#pragma once

// What differs between a policy and its successor, thing by thing.
//
// Contract between control/compile (fills it in) and lookup/snapshot_builder (applies it). Every
// index is a stable number (base/ids.h). Borrows the inputs that it points to.

#include <memory>
#include <vector>

#include "base/cidr.h"
#include "base/ids.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// A thing that comes (no former), goes (no next) or is another now. `former` must be equal to what
// the policy was told of it.
template <class Input>
struct ThingChange {
  const Input* former = nullptr;
  const Input* next = nullptr;
};

// A prefix list by its entries, so that one of a million costs what one weighs. Both sets are
// without duplicates; what goes is there, what comes is not.
struct PrefixListChange {
  PrefixListIndex index;
  Family family = Family::Ipv4;
  std::vector<Cidr> added;
  std::vector<Cidr> removed;
};

struct SnapshotChange {
  Generation generation;
  TrackingSettings tracking;
  ExemptProfile exempt = ExemptProfile::None;
  Layer7Settings layer7;
  std::shared_ptr<const L7Tools> tools;
  std::vector<ThingChange<VpcInput>> vpcs;
  std::vector<ThingChange<SubnetInput>> subnets;
  std::vector<ThingChange<GroupInput>> groups;
  std::vector<ThingChange<AclInput>> acls;
  std::vector<ThingChange<InterfaceInput>> interfaces;
  std::vector<PrefixListChange> prefix_lists;
};

// Everything that `next` has another way than `former`, which both outlive it. Where the former
// policy is nothing yet, take SnapshotInput(). Cost: that of reading both.
SnapshotChange difference(const SnapshotInput& former, const SnapshotInput& next);

}  // namespace sluice
