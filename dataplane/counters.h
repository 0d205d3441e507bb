#pragma once

// One worker's counters: per device, per interface, and its own. Written by the worker alone, read
// by anyone (base/tally.h).
//
// Packets that wait in flow entries and refusal caches for their delta are counted as they come and
// go (`live`), so that the sum law of the flow log costs a look at the counters and no walk over
// the flows.
//
// Rows of interfaces are taken at start for every interface there may ever be. They come from the
// system as zero pages, so that rows never touched cost address space and no memory.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/tally.h"
#include "base/verdict.h"
#include "dataplane/engine.h"
#include "flowtable/flow_event.h"

namespace sluice {

struct NicTallies {
  Tally rx_packets;
  Tally rx_bytes;
  Tally tx_packets;
  Tally tx_bytes;
  Tally generated;
  Tally consumed;
  std::array<Tally, kDropReasonCount> drops;
};

struct InterfaceTallies {
  // By Direction.
  std::array<Tally, 2> accepted_packets;
  std::array<Tally, 2> accepted_bytes;
  std::array<Tally, 2> dropped_packets;
  // The sum law of the flow log: judged = live + sent + lost + not_logged, between two bursts.
  std::array<Tally, 2> judged;
  std::array<Tally, 2> live;
  std::array<Tally, 2> sent;
  std::array<Tally, 2> lost;
  std::array<Tally, 2> not_logged;
  std::array<Tally, kDropReasonCount> drops;
  Tally flows_begun;
  Tally flows_ended;
  // Levels of tracked flows: all of them, and those that nobody has answered (embryo.h).
  Tally tracked;
  Tally half_open;
  Tally unanswered;
  Tally out_of_window;
  // Flows that were looked at: what came of it.
  Tally app_identified;
  Tally app_unknown;
  Tally app_uninspected;
  Tally app_refused;  // closed: by what rules demand, or by a signature
};

struct WorkerTallies {
  Tally flows_begun;
  Tally flows_ended;
  Tally flows_refused;
  Tally tracked;  // levels, as above
  Tally half_open;
  Tally unanswered;
  Tally handed_over;
  Tally express;  // packets that express() took
  Tally deltas_lost;
  Tally watch_lost;
  Tally turns;
  Tally idle_turns;
  Tally layer7_looks;      // packets looked at
  Tally layer7_put_off;    // looks that left sealed packets for the flow's next one
  Tally layer7_conflicts;  // flows whose bytes came twice with differences
  Tally signature_hits;
  std::array<Tally, 64> apps;  // flows identified, by the number of the application
  // Set, not summed: written with set() below.
  Tally held;
  Tally flows;
  Tally generation;
};

// Makes a tally show `value`. Writer only.
inline void set(Tally& tally, std::uint64_t value) { tally.add(value - tally.read()); }

class Counters {
 public:
  Counters(std::size_t nic_count, std::size_t interface_capacity)
      : nics_(nic_count),
        interface_capacity_(interface_capacity),
        interfaces_(static_cast<InterfaceTallies*>(
            std::calloc(interface_capacity + 1, sizeof(InterfaceTallies)))),
        signatures_(static_cast<Tally*>(std::calloc(kSignatureRows, sizeof(Tally)))) {
    CHECK(interfaces_ != nullptr && signatures_ != nullptr);
  }

  NicTallies& nic(NicIndex nic) { return nics_[nic.value()]; }
  const NicTallies& nic(NicIndex nic) const { return nics_[nic.value()]; }
  std::size_t nic_count() const { return nics_.size(); }
  // Interfaces beyond the capacity share one last row, so that no number can lead astray.
  InterfaceTallies& interface(EniIndex eni) {
    const std::size_t row = row_of(eni);
    if (row >= interface_end_.read()) set(interface_end_, row + 1);
    return interfaces_.get()[row];
  }
  // The same of one that was counted at before, as whoever has a flow was.
  InterfaceTallies& known_interface(EniIndex eni) { return interfaces_.get()[row_of(eni)]; }
  const InterfaceTallies& interface(EniIndex eni) const { return interfaces_.get()[row_of(eni)]; }
  // Rows from here on were never touched. Any thread.
  std::size_t interface_end() const { return interface_end_.read(); }

  // Flows that the signature of this number matched, FlowFacts::kUnnamedSignature included.
  Tally& signature(std::uint16_t number) { return signatures_.get()[number]; }
  const Tally& signature(std::uint16_t number) const { return signatures_.get()[number]; }

  WorkerTallies worker;

 private:
  static constexpr std::size_t kSignatureRows = FlowFacts::kNoSignature;
  struct Free {
    void operator()(void* rows) const { std::free(rows); }
  };
  std::size_t row_of(EniIndex eni) const {
    return eni.value() < interface_capacity_ ? eni.value() : interface_capacity_;
  }

  std::vector<NicTallies> nics_;
  std::size_t interface_capacity_;
  Tally interface_end_;
  std::unique_ptr<InterfaceTallies, Free> interfaces_;
  std::unique_ptr<Tally, Free> signatures_;  // by number; pages nobody touches cost no memory
};

}  // namespace sluice
