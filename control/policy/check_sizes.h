#pragma once

// Our own limits of a policy (base/limits.h): what is over one is refused with the number there is
// and the number that fits, before anything else is looked at.

#include "control/policy/finding.h"
#include "control/policy/policy.h"

namespace sluice {

// Every limit that is exceeded becomes an error of size (exit code 5) at the thing. Cost: a look at
// each thing, none at what it holds.
void check_sizes(const Policy& policy, Findings& findings);

// The error of a group that has, or would have, more rules of a direction than fit: for a document,
// and for a single rule that is added.
void check_rule_count(const std::string& group, Direction direction, std::size_t count, Position at,
                      Findings& findings);

}  // namespace sluice
