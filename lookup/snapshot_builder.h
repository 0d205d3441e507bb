#pragma once

// Makes the successor of a policy: checks what changes against the rest, and builds what decide()
// reads of it, at the cost of the change.
//
// Pure: the former snapshot is untouched and shares everything that did not change; on an error
// nothing has happened. Control thread.
//
//   what changes             what it costs, besides a few pages of 64 elements
//   rule of a group          its group's rules
//   member of a group        its interface's row
//   entry of a prefix list   a path of the trie
//   address of an interface  a path of the trie
//   an ACL                   its entries
//   a VPC, subnet, group or ACL that goes, a subnet that gets another ACL: a look at every
//   interface
//
// Broken references are an Error of kind Invalid ("bug in the compiler"), too much of something is
// LimitExceeded with the number needed and the number there is.
//
// `size_max`: bytes that the new snapshot may take (PolicySnapshot::size); one that is larger and
// larger than the former is LimitExceeded, code kSnapshotTooLarge. Where what is new is larger
// already, the rest of it is not built: so what is taken on the way is bounded too.

#include <cstddef>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "lookup/policy_snapshot.h"
#include "lookup/snapshot_change.h"
#include "lookup/snapshot_input.h"

namespace sluice {

inline constexpr std::string_view kSnapshotTooLarge = "limit-policy-memory";
inline constexpr std::size_t kAnySize = ~std::size_t{0};

Result<std::shared_ptr<const PolicySnapshot>> change_snapshot(const PolicySnapshot& former,
                                                              const SnapshotChange& change,
                                                              std::size_t size_max = kAnySize);

// A whole policy. Cost: proportional to it.
Result<std::shared_ptr<const PolicySnapshot>> build_snapshot(const SnapshotInput& input,
                                                             std::size_t size_max = kAnySize);

}  // namespace sluice
