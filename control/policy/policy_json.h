#pragma once

// Model → document, for `policy show` and the state directory.

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "control/policy/policy.h"

namespace sluice {

// The same keys as in the file, values in canonical form (product, section 3). What was implied is
// left out, so that loading the document gives the same model again.
nlohmann::ordered_json policy_to_json(const Policy& policy);

// The same as text: one line, no blanks.
std::string policy_to_json_text(const Policy& policy);

}  // namespace sluice
