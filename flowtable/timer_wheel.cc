#include "flowtable/timer_wheel.h"

namespace sluice {

bool TimerWheel::begin_pass() {
  const std::uint64_t tick = clock_ms_ / kTickMs;
  if (tick == done_) return false;
  target_ = tick;
  cursor_ = 0;
  wrapped_slot_ = 0;
  if (tick - done_ > kPassTicksMax) {
    // So many ticks have passed that bytes of the pass and bytes armed meanwhile could not be told
    // apart: visit every armed entry. Being visited early harms nobody.
    done_ = target_ - 1;
    first_slot_ = 1;
    last_slot_ = kSlots;
    return true;
  }
  first_slot_ = slot_of(done_ + 1);
  const std::uint64_t last = first_slot_ + (target_ - done_ - 1);
  last_slot_ = static_cast<std::uint8_t>(std::min<std::uint64_t>(last, kSlots));
  if (last > kSlots) wrapped_slot_ = static_cast<std::uint8_t>(last - kSlots);
  return true;
}

}  // namespace sluice
