#pragma once

// A flow in memory: key and state. One cache line for IPv4, two for IPv6.
//
//   IPv4   | key 16 | state 48                                  |
//   IPv6   | key 40                         | state 0-23        | state 24-47 | unused 40 |
//
// IPv6: what a packet that only passes must read (key, stamps, phase) lies on the first line.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/cache_line.h"
#include "flowtable/flow_key.h"
#include "flowtable/flow_state.h"

namespace sluice {

template <class Key>
struct alignas(kCacheLine) FlowEntry {
  Key key;
  FlowState state;
};

static_assert(sizeof(FlowEntry<Ipv4FlowKey>) == kCacheLine);
static_assert(offsetof(FlowEntry<Ipv4FlowKey>, state) == 16);
static_assert(sizeof(FlowEntry<Ipv6FlowKey>) == 2 * kCacheLine);
static_assert(offsetof(FlowEntry<Ipv6FlowKey>, state) == 40);
static_assert(offsetof(FlowEntry<Ipv6FlowKey>, state) + offsetof(FlowState, window_end) ==
              kCacheLine);
static_assert(std::is_trivial_v<FlowEntry<Ipv4FlowKey>>);
static_assert(std::is_trivial_v<FlowEntry<Ipv6FlowKey>>);

}  // namespace sluice
