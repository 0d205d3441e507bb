#pragma once

// The only door from control to the data plane. No DPDK type shows through it.
//
// Threads: the control thread calls everything but drain_deltas(), which is the export thread's.
// The workers are the engine's own business; no call here makes a worker wait.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/verdict.h"
#include "flowtable/flow_event.h"
#include "lookup/policy_snapshot.h"

namespace sluice {

enum class NicRole : std::uint8_t { Interface, Uplink, Inside, Outside };
enum class HugePages : std::uint8_t { Auto, Require, Never };

constexpr std::string_view name_of(NicRole role) {
  switch (role) {
    case NicRole::Interface:
      return "interface";
    case NicRole::Uplink:
      return "uplink";
    case NicRole::Inside:
      return "inside";
    case NicRole::Outside:
      return "outside";
  }
  return "interface";
}

// An address with the length of its network, host bits kept: "192.0.2.2/30".
struct InterfaceAddress {
  IpAddr address;
  std::uint8_t length = 0;
};

// One `[[port]]` of appliance.toml, names resolved.
struct NicConfig {
  std::string id;      // unique; the user's name for it
  std::string device;  // a DPDK device string: PCI address, "net_tap0,iface=sl-web1", …
  NicRole role = NicRole::Interface;
  EniIndex interface;                       // role interface
  std::vector<VpcIndex> vpcs;               // role uplink
  std::vector<InterfaceAddress> addresses;  // role uplink: own addresses
  std::vector<IpAddr> gateways;             // role uplink: at most one of each family
  NicIndex peer;                            // roles inside and outside: the other one
  bool forward_unknown = false;             // unknown = "forward"
  bool source_check = true;
};

struct EngineConfig {
  std::vector<unsigned> worker_cores;  // one worker each; empty: every core but the first
  std::uint32_t flow_capacity = kFlowCapacityDefault;  // of all workers together
  std::uint32_t interface_capacity = 65'536;           // greatest EniIndex + 1
  HugePages huge_pages = HugePages::Auto;
  std::uint32_t idle_sleep_us = 0;  // 0: poll without rest; else sleep that long after idle turns
  std::vector<NicConfig> nics;
  std::vector<std::string> eal_arguments;  // further words for DPDK, for experts
};

// Counters of one device, of all workers together. product.md section 8:
// rx + generated = tx + dropped + consumed + held, exactly, once traffic rests.
struct NicCounters {
  std::uint64_t rx_packets = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t generated = 0;  // ARP and neighbour discovery made here
  std::uint64_t consumed = 0;   // ARP and neighbour discovery answered or learned from
  std::array<std::uint64_t, kDropReasonCount> drops{};  // by the device the packet came in by

  std::uint64_t dropped() const {
    std::uint64_t sum = 0;
    for (std::uint64_t count : drops) sum += count;
    return sum;
  }
};

struct WorkerCounters {
  NicCounters packets;      // sums over devices, of this worker
  std::uint64_t held = 0;   // fragments and handed-over packets that wait, now
  std::uint64_t flows = 0;  // live, now
  std::uint64_t flow_capacity = 0;
  std::uint64_t flows_begun = 0;
  std::uint64_t flows_ended = 0;
  std::uint64_t flows_refused = 0;  // conntrack_allowance_exceeded: table full (CT-28)
  std::uint64_t handed_over = 0;    // packets given to the worker that owns their flow
  std::uint64_t deltas_lost = 0;    // flow log deltas (records) lost because the ring was full
  std::uint64_t watch_lost = 0;
  std::uint64_t turns = 0;
  std::uint64_t idle_turns = 0;
  unsigned core = 0;
  Generation generation;  // that it enforces
};

struct EngineCounters {
  std::vector<NicCounters> nics;        // by NicIndex
  std::vector<WorkerCounters> workers;  // by WorkerIndex
};

// One interface, summed over workers.
struct InterfaceCounters {
  EniIndex eni;
  std::array<std::uint64_t, 2> accepted_packets{};  // by Direction
  std::array<std::uint64_t, 2> accepted_bytes{};
  std::array<std::uint64_t, 2> dropped_packets{};
  std::array<std::uint64_t, kDropReasonCount> drops{};
  std::uint64_t flows = 0;          // entries now
  std::uint64_t out_of_window = 0;  // TCP data outside the window that passed (loose)
};

// The workers' half of the sum law of product.md section 7, per interface and direction:
// judged = live + sent + lost + not_logged. Each worker's part of a row is of one moment between
// two of its bursts; rows of different interfaces may be of different moments.
struct LogLaw {
  EniIndex eni;
  Direction direction = Direction::Ingress;
  std::uint64_t judged = 0;      // packets judged at this interface
  std::uint64_t live = 0;        // counted in flow entries and refusal caches
  std::uint64_t sent = 0;        // in deltas pushed to the rings
  std::uint64_t lost = 0;        // in deltas that a full ring refused
  std::uint64_t not_logged = 0;  // FL-21, malformed, interface without a flow log
};

struct NicStatus {
  NicIndex nic;
  std::string id;
  std::string device;
  std::string driver;
  NicRole role = NicRole::Interface;
  MacAddr mac;
  bool link_up = false;
  std::uint32_t mtu = 0;
  std::uint32_t speed_mbps = 0;
  unsigned rx_queues = 0;
  unsigned tx_queues = 0;
  // Uplinks: what is known of the gateways.
  std::vector<std::pair<IpAddr, MacAddr>> neighbors;  // zero MAC: not resolved
  std::vector<VpcIndex> vpcs;                         // uplinks: whose way out it is
  EniIndex interface;                                 // role interface: whose access port it is
};

struct FlowPage {
  std::vector<FlowView> flows;
  std::uint64_t next_cursor = 0;  // 0: this was the last page
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Makes `snapshot` the policy of every packet that comes after the call: returns when every
  // worker enforces it, and frees the former one off the packet path. TimedOut (naming the worker)
  // after `timeout_ms`; the new policy is then published all the same.
  virtual Status publish(std::shared_ptr<const PolicySnapshot> snapshot,
                         std::uint32_t timeout_ms) = 0;
  virtual std::shared_ptr<const PolicySnapshot> published() const = 0;

  virtual EngineCounters counters() const = 0;
  virtual std::vector<NicStatus> nics() const = 0;
  virtual InterfaceCounters interface_counters(EniIndex eni) const = 0;

  // Up to `max` flows from `cursor` (0 = begin) on; answered by the workers between bursts. A flow
  // that begins or ends meanwhile may be missed; none is shown twice.
  virtual Result<FlowPage> flows(std::uint64_t cursor, std::size_t max) = 0;
  // Only interfaces at which a packet was judged, in their order. Copies counters, whatever the
  // number of flows: each worker does it in bounded steps between bursts.
  virtual Result<std::vector<LogLaw>> log_law() = 0;

  // Export thread. Takes deltas that wait on the rings; returns how many, 0 = none now.
  virtual std::size_t drain_deltas(std::span<FlowDelta> out) = 0;
  // Which events workers should tell; none by default, so that nobody pays.
  virtual void watch(bool flows, bool drops) = 0;
  virtual std::size_t drain_watch(std::span<WatchEvent> out) = 0;

  // What memory and cores it got, for a person: one sentence.
  virtual std::string description() const = 0;

  // Stops polling, flushes the flows' deltas to the rings, closes the devices. Idempotent.
  // drain_deltas() may be called after it to take the last ones.
  virtual void stop() = 0;
};

// Brings up DPDK and the devices and starts the workers. Once per process. Errors name the device
// or core, DPDK's reason, and what there is.
Result<std::unique_ptr<Engine>> start_engine(const EngineConfig& config);

}  // namespace sluice
