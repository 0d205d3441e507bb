#pragma once

// The Engine over DPDK: devices, workers with their threads, and the rings between them.
//
// Built in the order in which things need one another and taken down in the reverse: EAL, devices,
// buffers, queues, workers, threads. A policy that was replaced is kept until its grace period is
// over; where a worker is late, the housekeeping thread frees it later.
//
// Threads: those of engine.h, and one for housekeeping: it watches links and frees late policies.

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/flow_hash.h"
#include "base/spsc_ring.h"
#include "dataplane/core_plan.h"
#include "dataplane/dpdk_io.h"
#include "dataplane/eal.h"
#include "dataplane/engine.h"
#include "dataplane/epoch.h"
#include "dataplane/nic.h"
#include "dataplane/packet_buffers.h"
#include "dataplane/ring_sizes.h"
#include "dataplane/worker.h"
#include "dataplane/worker_thread.h"

namespace sluice {

class DpdkEngine final : public Engine {
 public:
  DpdkEngine(const EngineConfig& config, CorePlan cores);
  ~DpdkEngine() override;

  // Once, before anything else. After an error only the destructor may be called.
  Status start();

  Status publish(std::shared_ptr<const PolicySnapshot> snapshot, std::uint32_t timeout_ms) override;
  std::shared_ptr<const PolicySnapshot> published() const override;
  EngineCounters counters() const override;
  std::vector<NicStatus> nics() const override;
  InterfaceCounters interface_counters(EniIndex eni) const override;
  std::vector<std::uint64_t> signature_hits() const override;
  std::vector<StageTimes> stage_times() const override;
  std::uint64_t cycles_per_second() const override;
  Result<FlowPage> flows(std::uint64_t cursor, std::size_t max, const FlowFilter& filter) override;
  Result<FlowCounts> count_flows(std::uint64_t cursor, const FlowFilter& filter) override;
  Result<FlushedFlows> flush_flows(std::uint64_t cursor, const FlowFilter& filter) override;
  Result<std::vector<LogLaw>> log_law() override;
  std::size_t drain_deltas(std::span<FlowDelta> out) override;
  void watch(Watching what) override;
  std::size_t drain_watch(std::span<WatchEvent> out) override;
  std::string description() const override;
  void stop() override;

 private:
  // One worker and everything that ties it to the world.
  struct Seat {
    unsigned core = 0;
    SpscRing<FlowDelta> deltas{kDeltaRing};
    SpscRing<WatchEvent> watch{kWatchRing};
    SpscRing<WorkerRequest*> mail{kMailRing};
    std::vector<std::unique_ptr<SpscRing<Handoff>>> inbox;  // by the worker it comes from
    std::unique_ptr<DpdkIo> io;
    std::unique_ptr<Worker> worker;
    std::thread thread;
  };
  // A request under way, and whether the worker is through with it.
  class Mail;
  struct Retired {
    std::uint64_t token = 0;
    std::shared_ptr<const PolicySnapshot> snapshot;
  };

  Status start_nics();
  void make_rings();
  std::vector<NicAccess> accesses_of(std::size_t worker);
  void make_workers();
  Status start_threads();
  void keep_house();
  void free_retired();
  void settle_rings();
  std::string late_workers(Generation generation) const;
  // Puts the request into the worker's mailbox; null if that is full.
  std::shared_ptr<Mail> post(Seat& seat, std::unique_ptr<WorkerRequest> request);
  Status wait_for(const std::shared_ptr<Mail>& mail, std::size_t worker);
  // Sends the request to the worker and waits for its answer.
  template <class Request>
  Result<std::shared_ptr<Mail>> ask(std::size_t worker, std::unique_ptr<Request> request);

  EngineConfig config_;
  CorePlan cores_;
  std::unique_ptr<Eal> eal_;
  PacketPool pool_;
  std::vector<std::unique_ptr<Nic>> nics_;
  // By device, then by worker; null where the worker has a transmit queue of its own.
  std::vector<std::vector<std::unique_ptr<MbufRing>>> transmit_rings_;
  EpochDomain epoch_;
  Published<PolicySnapshot> policy_;
  std::atomic<std::uint32_t> watching_{0};  // control writes, workers read (relaxed)
  std::atomic<WorkerPhase> phase_{WorkerPhase::Waiting};
  std::vector<std::unique_ptr<Seat>> seats_;
  std::size_t drained_first_ = 0;                 // export thread's own
  std::vector<std::shared_ptr<Mail>> late_mail_;  // nobody waits for it any more

  mutable std::mutex policy_mutex_;  // guards the two below and the writer's side of epoch_
  std::shared_ptr<const PolicySnapshot> current_;
  std::vector<Retired> retired_;

  std::mutex house_mutex_;  // guards is_closing_
  std::condition_variable house_wakes_;
  bool is_closing_ = false;
  std::thread housekeeper_;
};

}  // namespace sluice
