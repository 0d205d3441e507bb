#pragma once

// What the fragment table said about a fragment, kept with the packet while it waits or travels to
// another worker: the table that knows the train is asked once and no more.

#include <cstdint>

#include "base/proto.h"
#include "flowtable/fragment_table.h"

namespace sluice {

struct FragmentHint {
  bool is_judged = false;  // its shape was judged; false: ask the table
  bool is_follower = false;
  bool is_refused = false;  // a follower whose first one was refused
  // Lent by the first fragment; as in PacketFacts.
  Proto proto = Proto::Udp;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
};

// What the table's answer Follow says about a later fragment.
inline FragmentHint follower_hint(const FragmentAnswer& answer) {
  FragmentHint hint;
  hint.is_judged = true;
  hint.is_follower = true;
  hint.is_refused = !answer.first_passed;
  hint.proto = answer.proto;
  hint.source_port = answer.source_port;
  hint.destination_port = answer.destination_port;
  return hint;
}

}  // namespace sluice
