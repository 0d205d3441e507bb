#pragma once

// What a policy says of applications: the demands of a rule, signatures, and how connections are
// looked at. Parts of read_policy.h.

#include <optional>
#include <string>
#include <string_view>

#include "control/policy/layer7.h"
#include "control/policy/table_reader.h"
#include "lookup/rule_condition.h"
#include "lookup/snapshot_input.h"

namespace sluice {

// The keys `app` and `domains` of a rule of that protocol. Nothing, with an error for each, where
// one could not be read or makes no sense: only tcp and udp rules demand an application, only
// those of an application with names demand names.
std::optional<RuleCondition> read_condition(TableReader& table, std::optional<ProtoMatch> proto);

// "example.com" or "*.example.org" in lower case; an error that names the place of the first wrong
// character otherwise.
std::optional<std::string> read_domain(std::string_view text, const Node& node, TableReader& table);

// One [[signature]]. Whether the pattern means anything shows when it is compiled.
Signature read_signature(const Node& node, Findings& findings);

// The table [layer7].
void read_layer7_settings(TableReader& top, Layer7Settings& settings);

}  // namespace sluice
