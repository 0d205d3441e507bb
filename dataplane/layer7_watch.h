#pragma once

// What one worker remembers in order to identify connections, beside their entries: the first bytes
// of those that are looked at, the names of those that were, and how many looks are left. All
// memory is taken in the constructor; pages nobody touches cost nothing. Worker thread.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/ids.h"
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
        held_((interface_capacity + 1) * sizeof(std::uint16_t), false) {}

  // A slot for the flow's bytes. Null: all are taken, or half of them by this interface.
  FirstBytes::Slot* open(FlowState& state, EniIndex eni, TickMs now) {
    std::uint16_t& held = held_of(eni);
    if (held >= std::max<std::size_t>(1, bytes_.capacity() / 2)) return nullptr;
    FirstBytes::Slot* slot = bytes_.open(&state, now);
    if (slot == nullptr) return nullptr;
    slot->owner = eni.value();
    ++held;
    return slot;
  }
  FirstBytes::Slot* find(const FlowState& state) { return bytes_.find(&state); }
  FirstBytes::Slot* oldest() { return bytes_.oldest(); }
  void close(const FlowState& state) {
    const FirstBytes::Slot* slot = bytes_.find(&state);
    if (slot == nullptr) return;
    --held_of(EniIndex(slot->owner));
    bytes_.close(&state);
  }
  FirstBytes& bytes() { return bytes_; }

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
  std::uint16_t& held_of(EniIndex eni) {
    return held_.as<std::uint16_t>()[std::min<std::size_t>(eni.value(), interface_capacity_)];
  }

  FirstBytes bytes_;
  const std::size_t interface_capacity_;
  ZeroedMemory held_;  // slots of each interface
};

}  // namespace sluice
