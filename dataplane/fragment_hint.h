#pragma once

// What the fragment table said about a fragment, kept with the packet while it waits or travels to
// another worker: the table that knows the train is asked once and no more.

#include <cstdint>

#include "base/ids.h"
#include "base/proto.h"
#include "flowtable/fragment_table.h"

namespace sluice {

struct FragmentHint {
  bool is_judged = false;  // its shape was judged; false: ask the table
  bool is_follower = false;
  bool is_refused = false;  // a follower whose first one was refused
  bool is_related = false;  // a follower whose first one passed as a related ICMP error (CT-25)
  // Lent by the first fragment; as in PacketFacts.
  Proto proto = Proto::Udp;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  // The worker that the first one was handed over to, which alone knows what became of it; none:
  // the worker whose table knows the train judged it.
  WorkerIndex owner = WorkerIndex::none();
};

// What the table is told of a first fragment, as FragmentAnswer::note.
constexpr std::uint32_t note_of_first(WorkerIndex owner, bool is_related) {
  return std::uint32_t{owner.value()} << 1 | (is_related ? 1u : 0u);
}

// What the table's answer Follow says about a later fragment.
inline FragmentHint follower_hint(const FragmentAnswer& answer) {
  FragmentHint hint;
  hint.is_judged = true;
  hint.is_follower = true;
  hint.is_refused = !answer.first_passed;
  hint.is_related = (answer.note & 1) != 0;
  hint.proto = answer.proto;
  hint.source_port = answer.source_port;
  hint.destination_port = answer.destination_port;
  hint.owner = WorkerIndex(static_cast<std::uint16_t>(answer.note >> 1));
  return hint;
}

}  // namespace sluice
