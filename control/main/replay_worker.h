#pragma once

// One worker of the pipeline, driven by a clock that is told: packets go in one at a time, time
// passes in steps that let every timer and every log window have its turn.

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/spsc_ring.h"
#include "control/main/replay_flow_log.h"
#include "control/main/replay_io.h"
#include "control/main/replay_verdicts.h"
#include "dataplane/epoch.h"
#include "dataplane/worker.h"
#include "lookup/policy_snapshot.h"

namespace sluice {

struct ReplayWorkerConfig {
  std::shared_ptr<const PolicySnapshot> snapshot;
  std::uint32_t flow_capacity = 1u << 16;
  std::uint32_t interface_capacity = 1;
  UnixNanos start_ns = 0;
};

class ReplayWorker {
 public:
  // All outlive the worker.
  ReplayWorker(const ReplayWorkerConfig& config, ReplayIo& io, VerdictWriter& verdicts,
               ReplayFlowLog& log);
  ~ReplayWorker();
  ReplayWorker(const ReplayWorker&) = delete;
  ReplayWorker& operator=(const ReplayWorker&) = delete;

  // Lets time pass; a moment before the present one changes nothing. Log windows that end on the
  // way are closed one by one while any flow lives; what no flow can notice is skipped.
  void advance(UnixNanos to);
  // Judges the packet that io has loaded, and held ones that it sets free.
  void judge();
  // Ends every flow and gives up what is held. Afterwards only law() may be called.
  void finish();
  // The worker's half of the sum law.
  std::vector<LogLaw> law();

 private:
  void drain();
  // Turns at the present moment until nothing moves any more.
  void rest();
  // As rest(), and until the log window before `boundary_s` is reported as closed.
  void close_window(std::uint32_t boundary_s);
  bool is_idle() const;

  ReplayIo& io_;
  ReplayFlowLog& log_;
  EpochDomain epoch_;
  Published<PolicySnapshot> policy_;
  std::shared_ptr<const PolicySnapshot> snapshot_;
  SpscRing<FlowDelta> deltas_;
  SpscRing<WatchEvent> watch_;
  SpscRing<WorkerRequest*> mail_;
  std::atomic<std::uint32_t> watching_{0};
  std::unique_ptr<Worker> worker_;
  std::vector<FlowDelta> batch_;
  UnixNanos clock_ns_;
  std::uint32_t closed_until_s_ = 0;
};

}  // namespace sluice
