#pragma once

// A worker's time: nanoseconds in, ticks and log windows out. Ticks count from the log window that
// holds the first moment and run on evenly; Unix time may be ahead of them by an offset, where
// somebody set the clock forward, and log windows are of Unix time. Neither goes back.

#include <algorithm>
#include <cstdint>

#include "base/clock.h"
#include "base/limits.h"

namespace sluice {

class TickClock {
 public:
  explicit TickClock(UnixNanos start_ns)
      : epoch_ns_(start_ns / kWindowNs * kWindowNs), now_ns_(start_ns) {
    advance(start_ns);
  }

  // A moment before the present one is taken for the present one, a smaller offset for the present
  // one. Unix time is now_ns + offset_ns.
  void advance(UnixNanos now_ns, std::uint64_t offset_ns = 0) {
    if (now_ns > now_ns_) now_ns_ = now_ns;
    now_ms_ = (now_ns_ - epoch_ns_) / kNanosPerMilli;
    const std::uint64_t offset_ms = offset_ns / kNanosPerMilli;
    if (offset_ms > offset_ms_) {
      former_offset_ms_ = offset_ms_;
      offset_ms_ = offset_ms;
      stepped_ms_ = now_ms_;
    }
    const std::uint64_t begin_ms = window_begin(now_ms_ + offset_ms_);
    // Where the clock was set, the window begins at that moment.
    window_age_ms_ = std::min(now_ms_ + offset_ms_ - begin_ms, now_ms_ - stepped_ms_);
    window_begin_ms_ = begin_ms;
    second_of_window_ = moment().unix_s() - window_begin_s();
  }

  Moment moment() const {
    return Moment{now_ns_ + offset_ms_ * kNanosPerMilli, static_cast<TickMs>(now_ms_)};
  }
  // Evenly, since the epoch.
  std::uint64_t now_ms() const { return now_ms_; }
  // Begin of the log window under way, in Unix milliseconds since the epoch, and in Unix seconds.
  std::uint64_t window_begin_ms() const { return window_begin_ms_; }
  std::uint32_t window_begin_s() const { return unix_s(window_begin_ms_); }

  // How many seconds of it are over.
  std::uint32_t second_of_window() const { return second_of_window_; }

  // True if the tick (not in the future) lies in a log window before the one under way.
  bool is_before_window(TickMs tick) const { return age_ms(tick) > window_age_ms_; }
  // The greatest age of a tick that is neither above `limit_ms` nor before that window.
  TickMs age_max_in_window(TickMs limit_ms) const {
    return static_cast<TickMs>(std::min<std::uint64_t>(limit_ms, window_age_ms_));
  }
  // Unix second in which the log window of that tick (not in the future) begins. Ticks before the
  // last time but one that the clock was set are told by the offset between the two.
  std::uint32_t window_of(TickMs tick) const {
    const std::uint64_t then_ms = now_ms_ - age_ms(tick);
    return unix_s(window_begin(then_ms + (then_ms < stepped_ms_ ? former_offset_ms_ : offset_ms_)));
  }

 private:
  static constexpr std::uint64_t kWindowMs = std::uint64_t{kLogWindowS} * 1000;
  static constexpr std::uint64_t kWindowNs = std::uint64_t{kLogWindowS} * kNanosPerSecond;

  static std::uint64_t window_begin(std::uint64_t ms) { return ms / kWindowMs * kWindowMs; }
  TickMs age_ms(TickMs tick) const {
    return static_cast<TickMs>(static_cast<TickMs>(now_ms_) - tick);
  }
  std::uint32_t unix_s(std::uint64_t ms) const {
    return static_cast<std::uint32_t>(epoch_ns_ / kNanosPerSecond + ms / 1000);
  }

  std::uint64_t epoch_ns_;
  UnixNanos now_ns_;
  std::uint64_t now_ms_ = 0;
  std::uint64_t offset_ms_ = 0;
  std::uint64_t former_offset_ms_ = 0;
  std::uint64_t stepped_ms_ = 0;  // when the offset became what it is
  std::uint64_t window_begin_ms_ = 0;
  std::uint64_t window_age_ms_ = 0;
  std::uint32_t second_of_window_ = 0;
};

}  // namespace sluice
