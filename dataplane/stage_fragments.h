#pragma once

// Lends later fragments the ports of the first (CT-22), holds those that come before it, and
// refuses shapes that a receiver could see as something else.
//
// With several workers a datagram's fragments meet at the worker that the hash of (source,
// destination, id) names; from there the first travels on to the owner of the conversation, and the
// others follow it there, whomever their own bytes would belong to. What the owner said of the
// first is kept there for them (first_verdicts.h): none passes where the first did not.

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

void fragments(WorkerContext& context, Burst& burst);
// Drops a later fragment of a refused first one, once its ends are known: as a refusal of the end
// next to the sender, by the ports of the first, so that it is counted and logged like that one.
void refuse_follower(WorkerContext& context, Burst& burst, std::size_t i);
// After the last end: tells the table whether first fragments passed.
void settle_fragments(WorkerContext& context, Burst& burst);
// A first fragment that the parser is about to drop condemns its train. Where another worker's
// table knows the train, the fragment goes there to be dropped: true.
bool condemn_elsewhere(WorkerContext& context, Burst& burst, std::size_t i);
// Gives the packet to another worker; drops it where that one's inbox is full.
void hand_over(WorkerContext& context, Burst& burst, std::size_t i, std::uint32_t owner);

}  // namespace sluice
