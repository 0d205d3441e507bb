#pragma once

// Tree → model: one function per table of the document (product, section 3).
//
// Says what is wrong with each value by itself: unknown keys, wrong types, values out of range.
// What needs a second look at the whole (references, duplicates, containment) is the business of
// check_policy.h. Left-out parts are filled in: default egress (SG-4), default timeouts.

#include "control/policy/document.h"
#include "control/policy/finding.h"
#include "control/policy/policy.h"

namespace sluice {

// What could be read, even with errors among the findings, so that checks can go on.
Policy read_policy(const Node& root, Findings& findings);

}  // namespace sluice
