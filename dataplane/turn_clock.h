#pragma once

// Time for one worker: a read of the processor's counter per turn instead of a call of the kernel's
// clock. Once a second it looks at the real clock and changes its pace so that the difference is
// gone some seconds later.
//
// What it tells runs on evenly, since timers hang on it: flows must not end because somebody set
// the clock. Where the real clock was set forward by more than a second, that is told apart, as an
// offset to add for Unix time; where it was set back, this one runs slower until the real one has
// caught up. Neither ever goes back.
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
  // How far the real clock was set forward since the start: at() + offset_ns() is Unix time.
  std::uint64_t offset_ns() const { return offset_ns_; }

  // True about once a second: align() is due.
  bool is_due(std::uint64_t ticks) const { return ticks - base_ticks_ >= ticks_per_second_; }

  // Sets the pace of the coming second by the real clock.
  void align(std::uint64_t ticks, UnixNanos real_ns) {
    base_ns_ = at(ticks);
    base_ticks_ = ticks;
    auto error_ns = static_cast<std::int64_t>(real_ns - base_ns_ - offset_ns_);
    if (error_ns > kStepNs) {
      offset_ns_ += static_cast<std::uint64_t>(error_ns);
      error_ns = 0;
    }
    // A quarter of the difference a second: measurement noise is damped, drift is followed.
    const std::int64_t change_ns = std::clamp(error_ns / 4, -kSlowestNs, kStepNs);
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
  std::uint64_t offset_ns_ = 0;
  std::uint64_t scale_ = 0;  // nanoseconds told per tick, with kScaleBits behind the point
};

}  // namespace sluice
