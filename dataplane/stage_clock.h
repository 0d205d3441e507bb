#pragma once

// Measures the stages of one worker while somebody asks for it: the reading of the time stamp
// counter at the end of each stage of each burst, so that every cycle of a turn counts for one
// stage. Off, each end of a stage costs a branch that is never taken; on, about 30 cycles.
//
// The worker's thread writes, any thread reads.

#include <array>
#include <cstddef>
#include <cstdint>

#include <rte_cycles.h>

#include "base/tally.h"
#include "dataplane/stage_times.h"

namespace sluice {

class StageClock {
 public:
  // Once a turn, before anything else of it.
  void begin_turn(bool is_on) {
    is_on_ = is_on;
    if (is_on) last_ = burst_begin_ = rte_rdtsc();
  }
  // What came since the last call was this stage.
  void passed(StageName stage) {
    if (is_on_) [[unlikely]]
      note(stage);
  }
  // A poll that brought nothing.
  void polled_nothing() {
    if (!is_on_) [[likely]]
      return;
    note(StageName::Idle);
    idle_polls_.add(1);
    burst_begin_ = last_;
  }
  // A burst has passed its last stage.
  void finished_burst(std::size_t packets) {
    if (!is_on_) [[likely]]
      return;
    packets_.add(packets);
    bursts_.add(1);
    burst_cycles_[CycleBuckets::of(last_ - burst_begin_)].add(1);
    burst_begin_ = last_;
  }

  StageTimes times() const {
    StageTimes result;
    result.packets = packets_.read();
    result.bursts = bursts_.read();
    result.idle_polls = idle_polls_.read();
    for (std::size_t i = 0; i < kStageCount; ++i) result.cycles[i] = cycles_[i].read();
    for (std::size_t i = 0; i < CycleBuckets::kCount; ++i) {
      result.burst_cycles[i] = burst_cycles_[i].read();
    }
    return result;
  }

 private:
  void note(StageName stage) {
    const std::uint64_t now = rte_rdtsc();
    cycles_[static_cast<std::size_t>(stage)].add(now - last_);
    last_ = now;
  }

  bool is_on_ = false;
  std::uint64_t last_ = 0;
  std::uint64_t burst_begin_ = 0;
  std::array<Tally, kStageCount> cycles_;
  Tally packets_;
  Tally bursts_;
  Tally idle_polls_;
  std::array<Tally, CycleBuckets::kCount> burst_cycles_;
};

}  // namespace sluice
