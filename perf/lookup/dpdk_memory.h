#pragma once

// Brings DPDK up far enough for its tables to take memory: no devices, no huge pages, no root.

#include <rte_eal.h>
#include <rte_malloc.h>

#include "base/check.h"

namespace sluice {

inline void start_dpdk_memory() {
  static bool is_started = false;
  if (is_started) return;
  is_started = true;
  // Without the last of these, DPDK keeps its lookups from vectors of more than 256 bits.
  const char* words[] = {
      "bench", "--no-huge",   "--no-shconf", "--no-pci",       "-m",
      "3072",  "--log-level", "3",           "--no-telemetry", "--force-max-simd-bitwidth=512"};
  char* arguments[std::size(words)];
  for (std::size_t i = 0; i < std::size(words); ++i) arguments[i] = const_cast<char*>(words[i]);
  CHECK(rte_eal_init(static_cast<int>(std::size(words)), arguments) >= 0);
}

// Bytes of DPDK's heap that are in use.
inline std::size_t dpdk_memory_in_use() {
  rte_malloc_socket_stats stats{};
  CHECK(rte_malloc_get_socket_stats(0, &stats) == 0);
  return stats.heap_allocsz_bytes;
}

}  // namespace sluice
