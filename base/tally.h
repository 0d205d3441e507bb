#pragma once

// A number that one thread writes and any thread may read. Never a locked instruction: the writer
// loads, adds and stores; relaxed order suffices because a counter orders nothing else.

#include <atomic>
#include <cstdint>

namespace sluice {

class Tally {
 public:
  // Writer only.
  [[gnu::always_inline]] void add(std::uint64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  // Writer only. For levels: at most what was added before.
  void subtract(std::uint64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) - amount, std::memory_order_relaxed);
  }
  // Any thread.
  std::uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace sluice
