#pragma once

// The short way through all stages, for what nearly every packet of a busy device is: TCP or UDP in
// the middle of a remembered conversation that no policy change is after, between one interface
// and the world. Such packets are taken out of the burst, judged, tracked, counted and laid into
// the batch of their device; what is left is a smaller burst that goes the whole way.
//
// What a packet must be for that, and who says the same of it on the whole way:
//
//      an untagged whole TCP or UDP packet, no SYN, FIN, RST   parse, fragments (plain_headers.h)
//      from one host to another, by one end, of this worker    locate
//      by a device that is up and takes its length             emit
//      flow seen within a second and within the log window,    find_flow, account
//      judged by rules that stand, tracked, not looked at      find_flow, admit, identify
//      no network ACL at the subnet                            admit
//      moves no phase, numbers fit the window                  track (track_plain.h)
//      its entry has room to count it                          account
//
// Order. A packet may overtake others of its burst, never one of its own conversation: when one
// stays behind, all later ones of that conversation do. What other packets of the burst may do to
// its flow, it forbids: a flow seen within a second is never ended to make room for another.

#include <cstddef>

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

// What is left in the burst begins its way afresh. Does nothing to bursts that come from another
// worker or out of the fragment table.
void express(WorkerContext& context, Burst& burst);

// Fills in at place `i` what later stages would know of a packet that was taken: the one that came
// at place `came_at` and is `frame`. For those who ask for it, after the fact: observers, and what
// was not sent. Before the next burst comes.
void describe_taken(const WorkerContext& context, Burst& burst, std::size_t came_at, std::size_t i,
                    const Frame& frame);

}  // namespace sluice
