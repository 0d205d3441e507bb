#pragma once

// What a policy must satisfy as a whole: names that exist, nothing twice, everything inside what it
// lies in, nothing over our own limits (product, sections 9 and 11).

#include "control/policy/finding.h"
#include "control/policy/policy.h"

namespace sluice {

// Adds each VPC's default group that the document does not write down, and puts it where an
// interface left its groups out (SG-5; product, section 11). Call it once, before check_policy.
void add_default_groups(Policy& policy, Findings& findings);

// Every violation becomes an error that names both places where two are involved. Cost:
// proportional to the policy, times a logarithm for overlaps.
void check_policy(const Policy& policy, Findings& findings);

}  // namespace sluice
