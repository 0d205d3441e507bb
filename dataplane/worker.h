#pragma once

// CONTRACT between the pipeline (this class and its stages) and the engine that runs it: one
// worker, everything it owns, and one turn of its loop. Nothing in it needs DPDK's environment,
// root or huge pages: the engine, sluice-replay, scenario tests and fuzzers drive the same object.

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/flow_hash.h"
#include "base/ids.h"
#include "base/spsc_ring.h"
#include "dataplane/engine.h"
#include "dataplane/epoch.h"
#include "dataplane/fragment_hint.h"
#include "dataplane/packet_io.h"
#include "flowtable/flow_event.h"

namespace sluice {

struct Burst;          // dataplane/burst.h
struct WorkerContext;  // dataplane/worker_context.h: all that stages read and write

// The MAC addresses of an uplink's gateways, one of each family: the address in the low 48 bits and
// two marks above it, 0 if not resolved. Written by the worker that the answer reaches and by the
// one that asks, read by all, relaxed: the word is complete in itself.
struct GatewayCells {
  std::atomic<std::uint64_t> ipv4{0};
  std::atomic<std::uint64_t> ipv6{0};
};

// A device as the pipeline needs to know it.
struct NicInfo {
  NicConfig config;
  MacAddr mac;
  std::uint32_t mtu = 1500;
  // Written by the control thread when the link changes, read by workers (relaxed: a late look
  // costs one burst).
  const std::atomic<bool>* link_up = nullptr;  // null: always up
  // Copies of one NicInfo share them, so that all workers know what one has learned.
  std::shared_ptr<GatewayCells> gateways = std::make_shared<GatewayCells>();
};

// A packet given to another worker, whose flow it is.
struct Handoff {
  Frame frame;
  NicIndex nic;  // it came in by
  FragmentHint fragment;
};

// A request from control to this worker, answered between bursts in bounded steps.
class WorkerRequest {
 public:
  virtual ~WorkerRequest() = default;
  // Worker thread. One bounded step; true when done. The worker then forgets the request.
  virtual bool step(WorkerContext& context) = 0;
};

// Rings and published pointers that tie a worker to the world. Owned by the engine; all outlive the
// worker. `inbox[i]` comes from worker i, `outbox[i]` goes to worker i; own index: null. Pointers
// may be null and vectors empty where there is nobody at the other end (tests). The thread that
// gives the turns enters and leaves the epoch; the worker reports quiescence.
struct WorkerLinks {
  std::vector<SpscRing<Handoff>*> inbox;
  std::vector<SpscRing<Handoff>*> outbox;
  SpscRing<FlowDelta>* deltas = nullptr;
  SpscRing<WatchEvent>* watch = nullptr;
  SpscRing<WorkerRequest*>* mail = nullptr;
  const std::atomic<std::uint32_t>* watching = nullptr;  // bit 0: flows, 1: drops, 2: stages
  EpochDomain* epoch = nullptr;
  const Published<PolicySnapshot>* policy = nullptr;
};

// Sees every burst when the pipeline has finished with it, before buffers are sent or released.
// One call a burst, none where there is no observer. sluice-replay writes verdicts from it.
class BurstObserver {
 public:
  virtual ~BurstObserver() = default;
  // Before that: what is remembered of the flow of burst.packets[i] in burst.direction.
  virtual void known(const Burst&, std::size_t /*i*/, const FlowFacts&) {}
  virtual void finished(const Burst& burst) = 0;
};

struct WorkerConfig {
  WorkerIndex index{0};
  std::uint32_t worker_count = 1;
  unsigned core = 0;
  std::uint32_t flow_capacity = 1u << 16;  // of this worker
  std::uint32_t interface_capacity = 4'096;
  // Take the pages of the IPv4 flows now: else the first flow of each waits for the system, which
  // clears 2 MiB for it. Those of IPv6 are taken as its flows come.
  bool touch_memory = false;
  HashKey key;
  UnixNanos start_ns = 0;     // first moment; ticks count from the log window that holds it
  std::vector<NicInfo> nics;  // by NicIndex
  BurstObserver* observer = nullptr;
};

class Worker {
 public:
  Worker(const WorkerConfig& config, const WorkerLinks& links, PacketIo& io);
  ~Worker();

  // One turn: poll every device once, run the pipeline over what came, take handed-over packets,
  // tick timers, sweep the log, answer mail, report the quiescent state. `now` never goes back
  // and runs evenly; Unix time is `offset_ns` ahead of it, which only grows (turn_clock.h). Returns
  // the number of packets worked on, one more while a request waits for its next step: at 0 the
  // worker may rest. Worker thread.
  std::size_t turn(UnixNanos now, std::uint64_t offset_ns = 0);
  // The last turn: sends every delta to the ring, drops what is held (reason: stopped or
  // fragment-timeout), ends every flow. Call until it returns true (the ring may be full).
  bool finish(UnixNanos now, std::uint64_t offset_ns = 0);
  // When no worker takes turns any more: drops what others handed over after finish(), and mends
  // the counters of a packet that was counted as sent by `out` and that no device took. Both count
  // it as stopped. Any one thread.
  void drop_handed_over();
  void count_unsent(NicIndex in, NicIndex out, std::uint32_t bytes);

  // Any thread, values of this worker only.
  WorkerCounters counters() const;
  NicCounters nic_counters(NicIndex nic) const;
  InterfaceCounters interface_counters(EniIndex eni) const;
  // Adds, for each number below out.size(), the flows that this signature matched.
  void add_signature_hits(std::span<std::uint64_t> out) const;
  // No packet was counted at an interface from here on.
  std::size_t interface_end() const;
  StageTimes stage_times() const;
  // The MAC resolved for a gateway, zero if none. Any thread.
  MacAddr neighbor(NicIndex nic, Family family) const;

  WorkerContext& context() { return *context_; }

 private:
  std::unique_ptr<WorkerContext> context_;
};

}  // namespace sluice
