#pragma once

// appliance.toml as values: what needs a restart. Its defaults are those of the settings table,
// which a test checks.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/limits.h"
#include "dataplane/engine.h"

namespace sluice {

struct ApplianceConfig {
  EngineConfig engine;
  std::optional<std::uint32_t> policy_memory_mib;
  std::string socket = "/run/sluice/control.sock";
  std::string readonly_socket = "/run/sluice/monitor.sock";
  std::string state_directory = "/var/lib/sluice";

  // Bytes that a compiled policy may take on a machine of so much memory.
  std::size_t policy_memory(std::size_t machine_memory) const {
    if (policy_memory_mib) return std::size_t{*policy_memory_mib} << 20;
    return std::min(kPolicyMemoryDefault, machine_memory / 4);
  }
};

}  // namespace sluice
