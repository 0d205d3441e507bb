#pragma once

// The policy that admits a bench's conversations, and the devices that they come and go by.

#include <memory>
#include <vector>

#include "base/ids.h"
#include "dataplane/worker.h"
#include "lookup/policy_snapshot.h"
#include "perf/dataplane/bench_frames.h"

namespace sluice {

// One group of every interface, plan.rules rules each way, of which one admits every conversation
// (where they demand applications: one for each protocol).
std::shared_ptr<const PolicySnapshot> make_bench_policy(const BenchPlan& plan,
                                                        Generation generation);

// The device that the plan's packets come from is the first; on a bump in the wire answers come
// from the second.
std::vector<NicInfo> make_bench_nics(const BenchPlan& plan);

}  // namespace sluice
