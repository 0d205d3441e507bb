#pragma once

// Everything that the stages of one worker read and write. Nobody else touches it, but for the
// tallies, which anybody may read. All memory is taken in the constructor.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "dataplane/address_book.h"
#include "dataplane/burst.h"
#include "dataplane/counters.h"
#include "dataplane/express_lanes.h"
#include "dataplane/held_packets.h"
#include "dataplane/layer7_watch.h"
#include "dataplane/log_sweep.h"
#include "dataplane/packet_io.h"
#include "dataplane/stage_clock.h"
#include "dataplane/tick_clock.h"
#include "dataplane/topology.h"
#include "dataplane/turn_work.h"
#include "dataplane/worker.h"
#include "flowtable/first_verdicts.h"
#include "flowtable/flow_shard.h"
#include "flowtable/fragment_table.h"
#include "flowtable/refusal_cache.h"
#include "lookup/policy_snapshot.h"
#include "lookup/verdict_cache.h"

namespace sluice {

// Frames on their way out by one device, until the burst is sent.
struct TransmitBatch {
  // In `packets`: express() took it. The rest is its place in the burst as it came.
  static constexpr std::uint8_t kTaken = 128;

  std::array<Frame, kBurstMax> frames;
  std::array<std::uint8_t, kBurstMax> packets;  // their places in the burst
  std::size_t count = 0;
  bool is_burst = false;  // all of the burst as it came, where it lies; nothing is in the arrays
};
static_assert(kBurstMax <= TransmitBatch::kTaken);

// When an uplink asked for its gateways' MAC addresses last.
struct GatewayTimer {
  std::array<std::uint64_t, 2> asked_ms{};  // IPv4, IPv6; 0: never
  std::array<unsigned, 2> unanswered{};     // asked so often since it was heard
};

// What another worker handed over and no burst has taken yet, see receive_handed_over().
struct HandedOver {
  std::array<Handoff, kBurstMax> items;
  std::size_t begin = 0;
  std::size_t end = 0;

  bool is_empty() const { return begin == end; }
};

struct WorkerContext {
  static constexpr std::size_t kRefusalRecords = 4'096;
  static constexpr std::uint32_t kFirstVerdicts = 4'096;

  WorkerContext(const WorkerConfig& worker_config, const WorkerLinks& worker_links,
                PacketIo& packet_io)
      : config(worker_config),
        links(worker_links),
        io(packet_io),
        clock(worker_config.start_ns),
        topology(config.nics, config.interface_capacity),
        counters(config.nics.size(), config.interface_capacity),
        flows({worker_config.flow_capacity, worker_config.key, worker_config.touch_memory}),
        fragments(fragment_config(worker_config)),
        first_verdicts(worker_config.worker_count > 1 ? kFirstVerdicts : 1, worker_config.key),
        held(fragment_config(worker_config).held_max),
        refusals{RefusalCache(kRefusalRecords, worker_config.key),
                 RefusalCache(kRefusalRecords, worker_config.key)},
        sweep(clock),
        layer7(config.interface_capacity),
        batches(config.nics.size()),
        gateway_timers(config.nics.size()) {}

  const WorkerConfig config;
  const WorkerLinks links;
  PacketIo& io;

  TickClock clock;
  // The policy of the turn under way; null before the first publish and between turns.
  const PolicySnapshot* policy = nullptr;
  VerdictCache verdicts;  // what it has said of the rules
  AddressBook addresses;  // and of addresses
  ExpressLanes express;

  const Topology topology;
  Counters counters;
  StageClock stages;
  FlowShard flows;
  FragmentTable fragments;
  FirstVerdicts first_verdicts;
  HeldPackets held;
  HandedOver handed_over;
  // Records of the log window under way and of the one before (see log_sweep.h).
  std::array<RefusalCache, 2> refusals;
  LogSweep sweep;
  Layer7Watch layer7;
  std::vector<TransmitBatch> batches;  // by NicIndex
  TransmitBatch kept;                  // what is sent nowhere
  std::vector<GatewayTimer> gateway_timers;
  Burst burst;
  WorkerRequest* request = nullptr;  // under way
  TurnWork work;                     // of the turn under way; between turns, of the last one
  // How far the last turn has come.
  std::size_t finish_cursor = 0;
  bool is_walked = false;
  bool is_finished = false;

  const NicInfo& nic(NicIndex index) const { return config.nics[index.value()]; }
  bool watches_flows() const { return watches(1); }
  bool watches_drops() const { return watches(2); }
  bool watches_stages() const { return watches(4); }

 private:
  static FragmentTableConfig fragment_config(const WorkerConfig& config) {
    FragmentTableConfig result;
    result.key = config.key;
    return result;
  }
  bool watches(std::uint32_t bit) const {
    return links.watching != nullptr &&
           (links.watching->load(std::memory_order_relaxed) & bit) != 0;
  }
};

}  // namespace sluice
