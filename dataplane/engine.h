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
#include "dataplane/stage_times.h"
#include "flowtable/flow_event.h"
#include "flowtable/flow_filter.h"
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

  // True if the address is one of its own.
  [[gnu::always_inline]] bool holds(const IpAddr& address) const {
    for (const InterfaceAddress& own : addresses) {
      if (own.address == address) return true;
    }
    return false;
  }
  bool has_gateway(Family family) const {
    for (const IpAddr& gateway : gateways) {
      if (gateway.family() == family) return true;
    }
    return false;
  }
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
  // Packets for which no entry could be made (CT-28): no room in the table, the allowance of their
  // interface, the share of what nobody has answered.
  std::uint64_t flows_refused = 0;
  std::uint64_t tracked = 0;      // live, now: all but those that are only accounted for (CT-29)
  std::uint64_t half_open = 0;    // of these, TCP that is not established
  std::uint64_t unanswered = 0;   // and others of one side alone
  std::uint64_t express = 0;      // packets that took the short way of established ones
  std::uint64_t handed_over = 0;  // packets given to the worker that owns their flow
  std::uint64_t deltas_lost = 0;  // flow log deltas (records) lost because the ring was full
  std::uint64_t watch_lost = 0;
  std::uint64_t turns = 0;
  std::uint64_t idle_turns = 0;
  std::uint64_t layer7_looks = 0;      // packets looked at to identify their flows
  std::uint64_t layer7_put_off = 0;    // of these, left sealed packets to the flow's next one
  std::uint64_t layer7_conflicts = 0;  // flows whose bytes came twice with differences
  std::uint64_t signature_hits = 0;
  std::array<std::uint64_t, 64> apps{};  // flows identified, by App
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
  std::uint64_t tracked = 0;        // of these, those that the allowance counts (CT-28, CT-29)
  std::uint64_t half_open = 0;      // of these, TCP that is not established
  std::uint64_t unanswered = 0;     // and others of one side alone
  std::uint64_t out_of_window = 0;  // TCP data outside the window that passed (loose)
  // Flows that were looked at, and what came of it.
  std::uint64_t app_identified = 0;
  std::uint64_t app_unknown = 0;      // their first bytes do not tell
  std::uint64_t app_uninspected = 0;  // no room, no time, or bytes that contradict each other
  std::uint64_t app_refused = 0;      // of all: closed by what rules demand, or by a signature

  // Of another worker, at the same interface.
  void add(const InterfaceCounters& more) {
    for (std::size_t at = 0; at < 2; ++at) {
      accepted_packets[at] += more.accepted_packets[at];
      accepted_bytes[at] += more.accepted_bytes[at];
      dropped_packets[at] += more.dropped_packets[at];
    }
    for (std::size_t i = 0; i < drops.size(); ++i) drops[i] += more.drops[i];
    flows += more.flows;
    tracked += more.tracked;
    half_open += more.half_open;
    unanswered += more.unanswered;
    out_of_window += more.out_of_window;
    app_identified += more.app_identified;
    app_unknown += more.app_unknown;
    app_uninspected += more.app_uninspected;
    app_refused += more.app_refused;
  }

  // Packets that were dropped because no entry could be made for them (CT-28).
  std::uint64_t allowance_exceeded() const {
    std::uint64_t sum = 0;
    for (const DropReason reason :
         {DropReason::TableFull, DropReason::AllowanceExceeded, DropReason::EmbryonicFull}) {
      sum += drops[static_cast<std::size_t>(reason)];
    }
    return sum;
  }
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

// How many flows there are, of a stretch of the table.
struct FlowCounts {
  std::array<std::uint64_t, kFlowPhaseCount> by_phase{};  // by FlowPhase
  std::array<std::uint64_t, 256> by_proto{};              // by IP protocol number
  std::uint64_t next_cursor = 0;                          // where the next stretch begins; 0: none
};

struct FlushedFlows {
  std::uint64_t count = 0;
  std::uint64_t next_cursor = 0;  // as above
};

// What somebody looks at.
struct Watching {
  bool flows = false;   // events of flows
  bool drops = false;   // events of drops
  bool stages = false;  // cycles of the stages

  bool operator==(const Watching&) const = default;
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
  // The flows that each signature matched, by its number (FlowFacts::signature), the last row
  // those without a number of their own; summed over workers. Of several that match one flow the
  // policy's first counts.
  virtual std::vector<std::uint64_t> signature_hits() const = 0;
  // By WorkerIndex; what was measured while watch() asked for it.
  virtual std::vector<StageTimes> stage_times() const = 0;
  // Of the counter that StageTimes are in.
  virtual std::uint64_t cycles_per_second() const = 0;

  // Up to `max` flows that match, from `cursor` (0 = begin) on; answered by the workers between
  // bursts. A flow that begins or ends meanwhile may be missed; none is shown twice. Each of the
  // three looks at a bounded stretch of the table a call, so that a page may be short, or empty,
  // though it is not the last.
  virtual Result<FlowPage> flows(std::uint64_t cursor, std::size_t max,
                                 const FlowFilter& filter) = 0;
  // The same, counted only.
  virtual Result<FlowCounts> count_flows(std::uint64_t cursor, const FlowFilter& filter) = 0;
  // Ends the flows that match, as a policy change with `flush` does: the next packet of each is
  // judged as if there had been none; a TCP connection that the rules of now refuse stays as a
  // closed one, so that no segment of its other side picks it up again.
  virtual Result<FlushedFlows> flush_flows(std::uint64_t cursor, const FlowFilter& filter) = 0;
  // Only interfaces at which a packet was judged, in their order. Copies counters, whatever the
  // number of flows: each worker does it in bounded steps between bursts.
  virtual Result<std::vector<LogLaw>> log_law() = 0;

  // Export thread. Takes deltas that wait on the rings; returns how many, 0 = none now.
  virtual std::size_t drain_deltas(std::span<FlowDelta> out) = 0;
  // What workers should tell and measure; nothing by default, so that nobody pays.
  virtual void watch(Watching what) = 0;
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
