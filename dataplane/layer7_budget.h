#pragma once

// How many packets may be looked at: so many a second by a worker, and of one interface by a
// worker, so that no tenant's flood takes the looks of all others. What was not used is kept for a
// tenth of a second. Sealed packets (QUIC), which cost most, are counted for themselves: so many
// may be opened in a turn, half of them for one interface, so that no turn takes long. All memory
// is taken at start, as zero pages. Worker thread.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/ids.h"
#include "dataplane/turn_work.h"
#include "flowtable/zeroed_memory.h"
#include "lookup/snapshot_input.h"

namespace sluice {

class Layer7Budget {
 public:
  static constexpr std::uint32_t kOpenedPerInterface = kOpenedPerTurn / 2;

  explicit Layer7Budget(std::size_t interface_capacity)
      : capacity_(interface_capacity), memory_((interface_capacity + 1) * sizeof(Credit), false) {}

  // True if one more packet may be looked at; it is spent then.
  bool spend(const Layer7Settings& settings, EniIndex eni, TickMs now) {
    Credit& own = credit_of(eni);
    fill(worker_, settings.worker_budget, now);
    fill(own, settings.interface_budget, now);
    if (worker_.left < kLook || own.left < kLook) return false;
    worker_.left -= kLook;
    own.left -= kLook;
    return true;
  }

  // A look at the interface took as long as so many more: they are spent, as far as they are there.
  void charge(EniIndex eni, std::uint64_t looks) {
    for (Credit* credit : {&worker_, &credit_of(eni)}) {
      credit->left -= std::min(credit->left, looks * kLook);
    }
  }

  // Before the first packet of a turn.
  void begin_turn() {
    ++turn_;
    opened_ = 0;
  }
  // Sealed packets that may still be opened for the interface in this turn.
  std::uint32_t openings_left(EniIndex eni) const {
    const Credit& own = credit_of(eni);
    const std::uint32_t its_own = own.turn == turn_ ? own.opened : 0;
    return std::min(kOpenedPerTurn - opened_, kOpenedPerInterface - its_own);
  }
  // So many, at most openings_left(), have been.
  void note_opened(EniIndex eni, std::uint32_t count) {
    Credit& own = credit_of(eni);
    own.opened = (own.turn == turn_ ? own.opened : 0) + count;
    own.turn = turn_;
    opened_ += count;
  }

 private:
  // In thousandths of a look: a budget of one a second earns one of these each millisecond.
  static constexpr std::uint64_t kLook = 1'000;
  static constexpr std::uint64_t kKeptMs = 100;
  struct Credit {
    std::uint64_t left;
    std::uint64_t turn;    // of the last one in which a packet was opened
    std::uint32_t opened;  // in that turn
    TickMs filled_ms;
    bool is_open;
  };

  Credit& credit_of(EniIndex eni) const {
    return memory_.as<Credit>()[std::min<std::size_t>(eni.value(), capacity_)];
  }

  static void fill(Credit& credit, std::uint32_t budget, TickMs now) {
    const std::uint64_t most = budget == 0 ? 0 : std::max(budget * kKeptMs, kLook);
    const std::uint64_t passed_ms = static_cast<TickMs>(now - credit.filled_ms);
    credit.left = credit.is_open ? std::min(most, credit.left + passed_ms * budget) : most;
    credit.filled_ms = now;
    credit.is_open = true;
  }

  const std::size_t capacity_;
  Credit worker_{};
  std::uint64_t turn_ = 0;
  std::uint32_t opened_ = 0;  // in it
  ZeroedMemory memory_;       // by EniIndex; one more for all beyond the capacity
};

}  // namespace sluice
