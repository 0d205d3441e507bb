#pragma once

// Unix time for one worker: a read of the processor's counter per turn instead of a call of the
// kernel's clock. Once a second it looks at the real clock and changes its pace so that the
// difference is gone some seconds later. It never goes back: where the real clock was set back, it
// runs slower until the real one has caught up; where that was set forward by more than a second,
// it follows at once.
//
// Pure: counter and clock come in as arguments, so tests can bring theirs. One thread.

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace sluice {

class TurnClock {
 public:
  // `ticks_per_second` of the counter; `ticks` and `unix_ns` are of the same moment.
  TurnClock(std::uint64_t ticks_per_second, std::uint64_t ticks, UnixNanos unix_ns)
      : ticks_per_second_(ticks_per_second), base_ticks_(ticks), base_ns_(unix_ns) {
    set_pace(kNanosPerSecond);
  }

  // The time at that reading of the counter. Requires that readings do not go back.
  UnixNanos at(std::uint64_t ticks) const {
    const auto passed = static_cast<unsigned __int128>(ticks - base_ticks_) * scale_;
    return base_ns_ + static_cast<std::uint64_t>(passed >> kScaleBits);
  }

  // True about once a second: align() is due.
  bool is_due(std::uint64_t ticks) const { return ticks - base_ticks_ >= ticks_per_second_; }

  // Sets the pace of the coming second by the real clock.
  void align(std::uint64_t ticks, UnixNanos real_ns) {
    const UnixNanos mine = at(ticks);
    const auto error_ns = static_cast<std::int64_t>(real_ns - mine);
    base_ticks_ = ticks;
    base_ns_ = error_ns > kStepNs ? real_ns : mine;
    const std::int64_t left_ns = error_ns > kStepNs ? 0 : error_ns;
    // A quarter of the difference a second: measurement noise is damped, drift is followed.
    const std::int64_t change_ns = std::clamp(left_ns / 4, -kSlowestNs, kStepNs);
    set_pace(kNanosPerSecond + static_cast<std::uint64_t>(change_ns));
  }

 private:
  static constexpr std::int64_t kStepNs = 1'000'000'000;
  static constexpr std::int64_t kSlowestNs = 100'000'000;  // 10 % slower than the real clock

  // A fixed-point product instead of a division: off by less than a microsecond a day.
  static constexpr unsigned kScaleBits = 40;
  void set_pace(std::uint64_t ns_per_second) {
    const auto scaled = static_cast<unsigned __int128>(ns_per_second) << kScaleBits;
    scale_ = static_cast<std::uint64_t>(scaled / ticks_per_second_);
  }

  std::uint64_t ticks_per_second_;
  std::uint64_t base_ticks_;
  UnixNanos base_ns_;
  std::uint64_t scale_ = 0;  // nanoseconds told per tick, with kScaleBits behind the point
};

}  // namespace sluice
