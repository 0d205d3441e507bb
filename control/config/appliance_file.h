#pragma once

// appliance.toml → ApplianceConfig: reads, checks, and lists every error with its place.
//
// Control thread; no state but the registry, which gives interfaces and VPCs their numbers.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/config/appliance_config.h"
#include "control/policy/finding.h"
#include "control/policy/registry.h"

namespace sluice {

struct LoadedConfig {
  std::optional<ApplianceConfig> config;  // there unless an error is among the findings
  std::vector<Finding> findings;          // errors and warnings, in the order of the text
};

LoadedConfig load_config_text(std::string_view text, std::string_view file_name,
                              Registry& registry);

// A missing or unreadable file, or one of more than 16 MiB, is an error without a line.
LoadedConfig load_config_file(const std::string& path, Registry& registry);

}  // namespace sluice
