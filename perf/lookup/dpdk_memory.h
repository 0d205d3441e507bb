#pragma once

// Brings DPDK up far enough for its tables to take memory: no devices, no huge pages, no root.

#include <rte_eal.h>

#include "base/check.h"

namespace sluice {

inline void start_dpdk_memory() {
  static bool is_started = false;
  if (is_started) return;
  is_started = true;
  const char* words[] = {"bench", "--no-huge",   "--no-shconf", "--no-pci",      "-m",
                         "2048",  "--log-level", "3",           "--no-telemetry"};
  char* arguments[std::size(words)];
  for (std::size_t i = 0; i < std::size(words); ++i) arguments[i] = const_cast<char*>(words[i]);
  CHECK(rte_eal_init(static_cast<int>(std::size(words)), arguments) >= 0);
}

}  // namespace sluice
