#pragma once

// What one worker remembers in order to identify connections, beside their entries: the first bytes
// of those that are looked at, the names of those that were, and how many looks are left. All
// memory is taken in the constructor; pages nobody touches cost nothing. Worker thread.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/clock.h"
#include "base/ids.h"
#include "base/verdict.h"
#include "dataplane/layer7_budget.h"
#include "flowtable/first_bytes.h"
#include "flowtable/flow_names.h"
#include "flowtable/flow_state.h"
#include "flowtable/zeroed_memory.h"
#include "lookup/l7_patterns.h"

namespace sluice {

class Layer7Watch {
 public:
  static constexpr std::size_t kNames = 16'384;

  explicit Layer7Watch(std::size_t interface_capacity)
      : names(kNames),
        budget(interface_capacity),
        interface_capacity_(interface_capacity),
        held_((interface_capacity + 1) * sizeof(Held), false) {}

  // A slot for the flow's bytes. Null: all are taken, or half of them by this interface.
  FirstBytes::Slot* open(FlowState& state, EniIndex eni, TickMs now) {
    Held& held = held_of(eni);
    if (held.slots >= half_of(bytes_.capacity())) return nullptr;
    FirstBytes::Slot* slot = bytes_.open(&state, now);
    if (slot == nullptr) return nullptr;
    slot->owner = eni.value();
    ++held.slots;
    return slot;
  }
  // FirstBytes::add(). NoRoom, too, where the interface holds half of the large buffers.
  FirstBytes::Added add(FirstBytes::Slot& slot, Direction direction, std::uint32_t sequence,
                        std::span<const std::uint8_t> bytes) {
    using Buffer = FirstBytes::Buffer;
    Held& held = held_of(EniIndex(slot.owner));
    const bool may_grow = held.large_buffers < half_of(bytes_.large_capacity());
    const std::uint32_t before = large_buffers_of(slot);
    const FirstBytes::Added added =
        bytes_.add(slot, direction, sequence, bytes, may_grow ? Buffer::Large : Buffer::Small);
    held.large_buffers += large_buffers_of(slot) - before;
    return added;
  }
  FirstBytes::Slot* find(const FlowState& state) { return bytes_.find(&state); }
  FirstBytes::Slot* oldest() { return bytes_.oldest(); }
  void close(const FlowState& state) {
    const FirstBytes::Slot* slot = bytes_.find(&state);
    if (slot == nullptr) return;
    Held& held = held_of(EniIndex(slot->owner));
    --held.slots;
    held.large_buffers -= large_buffers_of(*slot);
    bytes_.close(&state);
  }
  const FirstBytes& bytes() const { return bytes_; }

  // What is known of a flow that ends, or begins anew, is forgotten.
  void forget(const FlowState& state) {
    if (state.l7 == FlowState::kL7None) return;
    close(state);
    names.erase(&state);
  }

  FlowNames names;
  Layer7Budget budget;
  std::array<std::uint8_t, kL7HelloBytes> quic_hello{};  // while one datagram is looked at

 private:
  // What flows of an interface hold.
  struct Held {
    std::uint32_t slots;
    std::uint32_t large_buffers;
  };
  static std::size_t half_of(std::size_t all) { return std::max<std::size_t>(1, all / 2); }
  static std::uint32_t large_buffers_of(const FirstBytes::Slot& slot) {
    return std::uint32_t{slot.sides[0].is_large} + std::uint32_t{slot.sides[1].is_large};
  }
  Held& held_of(EniIndex eni) {
    return held_.as<Held>()[std::min<std::size_t>(eni.value(), interface_capacity_)];
  }

  FirstBytes bytes_;
  const std::size_t interface_capacity_;
  ZeroedMemory held_;  // Held of each interface; one more for all beyond the capacity
};

}  // namespace sluice
