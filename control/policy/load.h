#pragma once

// The door to a policy: text or file in, checked model or findings out.
//
// text -> Node (TOML or JSON) -> model (read_policy) -> completed and checked (check_policy). All
// errors are found in one go; a syntax error alone hides what comes after it. Control thread; no
// state.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/policy/finding.h"
#include "control/policy/policy.h"

namespace sluice {

struct LoadedPolicy {
  std::optional<Policy> policy;   // there unless an error is among the findings
  std::vector<Finding> findings;  // errors, warnings and notes, in the order of the text

  // The findings as one Error. Requires that there is no policy.
  Error error() const { return error_of(findings); }
};

// TOML, or JSON if the first character that is not blank is a brace. `file_name` is what messages
// call it.
LoadedPolicy load_policy_text(std::string_view text, std::string_view file_name);

// JSON only: a document that came over the control socket. An inline document is handed on as its
// text.
LoadedPolicy load_policy_json(std::string_view text, std::string_view name);

// The bytes of a policy file. Without text the findings say why, as those of load_policy_file() do.
struct PolicyText {
  std::optional<std::string> text;
  std::vector<Finding> findings;
};
// Reads a file once, for a caller that needs its bytes as well as what they mean: whatever stands
// at the path later (a pipe that is empty by then, a file that was replaced) plays no part.
PolicyText read_policy_file(const std::string& path);

// A file that is missing, unreadable, no file, or larger than kPolicyFileSizeMax is an error
// without a line ("file-missing", "file-unreadable", "file-too-big").
LoadedPolicy load_policy_file(const std::string& path);

// The same from an open descriptor, which stays open; `name` is what messages call it.
PolicyText read_policy_descriptor(int descriptor, std::string_view name);
LoadedPolicy load_policy_descriptor(int descriptor, std::string_view name);

}  // namespace sluice
