#pragma once

// JSON text → Node. The adapter of nlohmann's SAX parser: its types and exceptions stop here.

#include <optional>
#include <string_view>

#include "control/policy/document.h"
#include "control/policy/finding.h"

namespace sluice {

// The tree, with the line and column of every value and key, or nothing and the reason among the
// findings: "syntax", "too-deep" (kDocumentDepthMax) or "duplicate-key", which names both places.
std::optional<Node> parse_json_document(std::string_view text, Findings& findings);

}  // namespace sluice
