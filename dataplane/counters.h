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
  Tally out_of_window;
};

struct WorkerTallies {
  Tally flows_begun;
  Tally flows_ended;
  Tally flows_refused;
  Tally handed_over;
  Tally deltas_lost;
  Tally watch_lost;
  Tally turns;
  Tally idle_turns;
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
            std::calloc(interface_capacity + 1, sizeof(InterfaceTallies)))) {
    CHECK(interfaces_ != nullptr);
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
  const InterfaceTallies& interface(EniIndex eni) const { return interfaces_.get()[row_of(eni)]; }
  // Rows from here on were never touched. Any thread.
  std::size_t interface_end() const { return interface_end_.read(); }

  WorkerTallies worker;

 private:
  struct Free {
    void operator()(InterfaceTallies* rows) const { std::free(rows); }
  };
  std::size_t row_of(EniIndex eni) const {
    return eni.value() < interface_capacity_ ? eni.value() : interface_capacity_;
  }

  std::vector<NicTallies> nics_;
  std::size_t interface_capacity_;
  Tally interface_end_;
  std::unique_ptr<InterfaceTallies, Free> interfaces_;
};

}  // namespace sluice
