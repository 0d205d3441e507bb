#pragma once

// Which processor cores poll and which does everything else.
//
// The plan is made before DPDK starts, because DPDK takes the affinity of the thread that starts
// it as the cores of its own threads.

#include <span>
#include <string>
#include <vector>

#include <pthread.h>

#include "base/result.h"

namespace sluice {

struct CorePlan {
  std::vector<unsigned> workers;  // by WorkerIndex
  unsigned main = 0;              // the first core that does not poll; shared if all poll
};

// The cores that this process may use, in order.
std::vector<unsigned> usable_cores();

// `wanted` empty: every usable core but the first (the only one, if there is one). Errors
// (Invalid): a core that does not exist or may not be used, a core named twice, too many.
Result<CorePlan> plan_cores(std::span<const unsigned> wanted, std::span<const unsigned> usable);

// Keeps the calling thread, and threads it will start, off the workers' cores. No effect where
// every core polls.
void leave_worker_cores(const CorePlan& plan, std::span<const unsigned> usable);

// Binds a thread to one core.
Status pin_to_core(pthread_t thread, unsigned core);

// "0, 1, 2", for messages.
std::string list_of_cores(std::span<const unsigned> cores);

}  // namespace sluice
