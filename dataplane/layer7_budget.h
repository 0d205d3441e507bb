#pragma once

// How many packets may be looked at: so many a second by a worker, and of one interface by a
// worker, so that no tenant's flood takes the looks of all others. What was not used is kept for a
// tenth of a second. All memory is taken at start, as zero pages. Worker thread.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/ids.h"
#include "flowtable/zeroed_memory.h"
#include "lookup/snapshot_input.h"

namespace sluice {

class Layer7Budget {
 public:
  explicit Layer7Budget(std::size_t interface_capacity)
      : capacity_(interface_capacity), memory_((interface_capacity + 1) * sizeof(Credit), false) {}

  // True if one more packet may be looked at; it is spent then.
  bool spend(const Layer7Settings& settings, EniIndex eni, TickMs now) {
    const std::size_t row = std::min<std::size_t>(eni.value(), capacity_);
    Credit& own = memory_.as<Credit>()[row];
    fill(worker_, settings.worker_budget, now);
    fill(own, settings.interface_budget, now);
    if (worker_.left < kLook || own.left < kLook) return false;
    worker_.left -= kLook;
    own.left -= kLook;
    return true;
  }

 private:
  // In thousandths of a look: a budget of one a second earns one of these each millisecond.
  static constexpr std::uint64_t kLook = 1'000;
  static constexpr std::uint64_t kKeptMs = 100;
  struct Credit {
    std::uint64_t left;
    TickMs filled_ms;
    bool is_open;
  };

  static void fill(Credit& credit, std::uint32_t budget, TickMs now) {
    const std::uint64_t most = budget == 0 ? 0 : std::max(budget * kKeptMs, kLook);
    const std::uint64_t passed_ms = static_cast<TickMs>(now - credit.filled_ms);
    credit.left = credit.is_open ? std::min(most, credit.left + passed_ms * budget) : most;
    credit.filled_ms = now;
    credit.is_open = true;
  }

  const std::size_t capacity_;
  Credit worker_{};
  ZeroedMemory memory_;  // by EniIndex; one more for all beyond the capacity
};

}  // namespace sluice
