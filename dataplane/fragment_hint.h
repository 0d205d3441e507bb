#pragma once

// What the fragment table said about a fragment, kept with the packet while it waits or travels to
// another worker: the table that knows the train is asked once and no more.

#include <cstdint>

#include "base/proto.h"

namespace sluice {

struct FragmentHint {
  bool is_judged = false;  // its shape was judged; false: ask the table
  bool is_follower = false;
  // Lent by the first fragment; as in PacketFacts.
  Proto proto = Proto::Udp;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
};

}  // namespace sluice
