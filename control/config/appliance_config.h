#pragma once

// appliance.toml as values: what needs a restart. Its defaults are those of the settings table,
// which a test checks.

#include <string>

#include "dataplane/engine.h"

namespace sluice {

struct ApplianceConfig {
  EngineConfig engine;
  std::string socket = "/run/sluice/control.sock";
  std::string readonly_socket = "/run/sluice/monitor.sock";
  std::string state_directory = "/var/lib/sluice";
};

}  // namespace sluice
