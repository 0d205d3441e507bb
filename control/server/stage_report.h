#pragma once

// What the workers measured of their stages, as clients see it.

#include <span>

#include <nlohmann/json.hpp>

#include "dataplane/engine.h"

namespace sluice {

// What was measured between two looks, a row for each worker: packets, bursts, cycles of each
// stage, and how long bursts took in nanoseconds (null where there was none). `former` may be of
// fewer workers, which began since.
nlohmann::ordered_json stages_to_json(std::span<const StageTimes> former,
                                      std::span<const StageTimes> now,
                                      std::uint64_t cycles_per_second);

// The value that `part` (0 to 1) of the counted ones do not exceed, to the width of a bucket; 0 if
// nothing was counted.
std::uint64_t percentile(std::span<const std::uint64_t, CycleBuckets::kCount> counts, double part);

}  // namespace sluice
