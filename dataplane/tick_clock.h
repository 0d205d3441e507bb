#pragma once

// A worker's time: Unix nanoseconds in, ticks and log windows out. Ticks count from the log window
// that holds the first moment, so that a window begins every 60,000 ticks. Never goes back.

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

  // A moment before the present one is taken for the present one.
  void advance(UnixNanos now_ns) {
    if (now_ns > now_ns_) now_ns_ = now_ns;
    now_ms_ = (now_ns_ - epoch_ns_) / kNanosPerMilli;
    window_begin_ms_ = now_ms_ / kWindowMs * kWindowMs;
  }

  Moment moment() const { return Moment{now_ns_, static_cast<TickMs>(now_ms_)}; }
  std::uint64_t now_ms() const { return now_ms_; }
  // Begin of the log window under way, in milliseconds since the epoch, and in Unix seconds.
  std::uint64_t window_begin_ms() const { return window_begin_ms_; }
  std::uint32_t window_begin_s() const { return unix_s(window_begin_ms_); }

  // True if the tick (not in the future) lies in a log window before the one under way.
  bool is_before_window(TickMs tick) const {
    return static_cast<TickMs>(static_cast<TickMs>(now_ms_) - tick) > now_ms_ - window_begin_ms_;
  }
  // Unix second in which the log window of that tick (not in the future) begins.
  std::uint32_t window_of(TickMs tick) const {
    const std::uint64_t then_ms =
        now_ms_ - static_cast<TickMs>(static_cast<TickMs>(now_ms_) - tick);
    return unix_s(then_ms / kWindowMs * kWindowMs);
  }

 private:
  static constexpr std::uint64_t kWindowMs = std::uint64_t{kLogWindowS} * 1000;
  static constexpr std::uint64_t kWindowNs = std::uint64_t{kLogWindowS} * kNanosPerSecond;

  std::uint32_t unix_s(std::uint64_t ms) const {
    return static_cast<std::uint32_t>(epoch_ns_ / kNanosPerSecond + ms / 1000);
  }

  std::uint64_t epoch_ns_;
  UnixNanos now_ns_;
  std::uint64_t now_ms_ = 0;
  std::uint64_t window_begin_ms_ = 0;
};

}  // namespace sluice
