#pragma once

// The [[port]] tables of appliance.toml: each read by itself, then checked against one another.

#include <vector>

#include "control/policy/finding.h"
#include "control/policy/registry.h"
#include "control/policy/table_reader.h"
#include "dataplane/engine.h"

namespace sluice {

// Errors go to `findings`; what is returned is complete only if there are none. Names of
// interfaces and VPCs get their numbers.
std::vector<NicConfig> read_nics(TableReader& root, Registry& registry, Findings& findings);

}  // namespace sluice
