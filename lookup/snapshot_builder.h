#pragma once

// Seals a policy: checks the tables against one another and builds what decide() reads.

#include <memory>

#include "base/result.h"
#include "lookup/policy_snapshot.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// The input must be resolved; broken references are an Error of kind Invalid ("bug in the
// compiler"), too much of something is LimitExceeded with the number needed and the number there
// is. Control thread. Cost: proportional to the policy.
Result<std::shared_ptr<const PolicySnapshot>> build_snapshot(const SnapshotInput& input);

}  // namespace sluice
