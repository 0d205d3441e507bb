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
#include "dataplane/held_packets.h"
#include "dataplane/log_sweep.h"
#include "dataplane/packet_io.h"
#include "dataplane/tick_clock.h"
#include "dataplane/topology.h"
#include "dataplane/worker.h"
#include "flowtable/flow_shard.h"
#include "flowtable/fragment_table.h"
#include "flowtable/refusal_cache.h"
#include "lookup/policy_snapshot.h"
#include "lookup/verdict_cache.h"

namespace sluice {

// Frames on their way out by one device, until the burst is sent.
struct TransmitBatch {
  std::array<Frame, kBurstMax> frames;
  std::array<std::uint8_t, kBurstMax> packets;  // their places in the burst
  std::size_t count = 0;
};

// When an uplink asked for its gateways' MAC addresses last.
struct GatewayTimer {
  std::array<std::uint64_t, 2> asked_ms{};  // IPv4, IPv6; 0: never
  std::array<unsigned, 2> unanswered{};     // asked so often since it was heard
};

struct WorkerContext {
  static constexpr std::size_t kRefusalRecords = 4'096;

  WorkerContext(const WorkerConfig& worker_config, const WorkerLinks& worker_links,
                PacketIo& packet_io)
      : config(worker_config),
        links(worker_links),
        io(packet_io),
        clock(worker_config.start_ns),
        topology(config.nics, config.interface_capacity),
        counters(config.nics.size(), config.interface_capacity),
        flows(FlowShardConfig{worker_config.flow_capacity, worker_config.key}),
        fragments(fragment_config(worker_config)),
        held(fragment_config(worker_config).held_max),
        refusals{RefusalCache(kRefusalRecords, worker_config.key),
                 RefusalCache(kRefusalRecords, worker_config.key)},
        sweep(clock),
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

  const Topology topology;
  Counters counters;
  FlowShard flows;
  FragmentTable fragments;
  HeldPackets held;
  // Records of the log window under way and of the one before (see log_sweep.h).
  std::array<RefusalCache, 2> refusals;
  LogSweep sweep;
  std::vector<TransmitBatch> batches;  // by NicIndex
  TransmitBatch kept;                  // what is sent nowhere
  std::vector<GatewayTimer> gateway_timers;
  Burst burst;
  WorkerRequest* request = nullptr;  // under way
  // How far the last turn has come.
  std::size_t finish_cursor = 0;
  bool is_walked = false;
  bool is_finished = false;

  const NicInfo& nic(NicIndex index) const { return config.nics[index.value()]; }
  bool watches_flows() const { return watches(1); }
  bool watches_drops() const { return watches(2); }

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
