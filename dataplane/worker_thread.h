#pragma once

// The thread that gives a worker its turns, from the first to the last.
//
// It polls without rest; only where a rest is configured and many turns found nothing does it
// sleep, shortly and still a reader of the epoch: a publish waits for that rest at most.

#include <atomic>
#include <cstdint>

#include "dataplane/dpdk_io.h"
#include "dataplane/epoch.h"
#include "dataplane/worker.h"

namespace sluice {

// What the engine tells all of its worker threads. Written by the control thread with release,
// read by workers: with acquire while they wait, relaxed while they poll (a late look costs a
// turn).
enum class WorkerPhase : std::uint32_t { Waiting, Running, Stopping };

struct WorkerThread {
  Worker* worker = nullptr;
  EpochDomain* epoch = nullptr;
  WorkerIndex index;
  std::uint32_t idle_sleep_us = 0;
  const std::atomic<WorkerPhase>* phase = nullptr;
};

// Body of the thread. Waits for the phase to change, polls while Running, then flushes the flows
// and returns (at once if it never ran). The flush waits at most 5 s for room on the delta ring.
void run_worker(const WorkerThread& thread);

// Signals that DPDK's tap driver lets the kernel send whenever a packet waits. Workers take them;
// everybody else blocks them, or main's sleeps and waits would be cut short by each packet.
void block_packet_signals();
void unblock_packet_signals();

// Unix time of the kernel's clock.
UnixNanos unix_now();

}  // namespace sluice
