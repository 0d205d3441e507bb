#pragma once

// TOML 1.0 text → Node. The adapter of toml++: its types and exceptions stop here.

#include <optional>
#include <string_view>

#include "control/policy/document.h"
#include "control/policy/finding.h"

namespace sluice {

// The tree, or nothing and the syntax error among the findings (code "syntax"; the library stops
// at the first). Refuses nesting deeper than kDocumentDepthMax, also by dotted keys.
std::optional<Node> parse_toml_document(std::string_view text, Findings& findings);

}  // namespace sluice
