#pragma once

// One line of the control protocol: JSON text → tree, within the limits of product.md section 6
// (16 MiB, depth 32, no key twice). The adapter of nlohmann's SAX parser: what it throws stops
// here.
//
// Any thread; no state. Cost: proportional to the text, whatever the text.

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace sluice {

// Codes: "syntax", "too-deep", "duplicate-key", "too-long"; kind Failed.
Result<nlohmann::json> parse_message(std::string_view text);

// The tree on one line, without blanks. Bytes that are no UTF-8 become U+FFFD.
std::string to_line(const nlohmann::ordered_json& tree);

}  // namespace sluice
