#pragma once

// Which interfaces a packet concerns, where it goes, and whether it may come from where it came
// (product, section 3, "Roles"). After it every pending packet has its ends, its way out, and the
// hash of its conversation; those of another worker's conversations are handed over, and fragments
// whose first one was refused have been refused too.

#include <cstddef>

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

void locate(WorkerContext& context, Burst& burst);
// The same without the short way that ordinary packets take: its twin in tests.
void locate_the_long_way(WorkerContext& context, Burst& burst);

// True if the packet comes by a device where its source cannot be (the source check, where it is
// on): of an interface's port, not from its owner or with a MAC address that is not its own; from
// outside, with an address of the inside. Requires an IP packet, a policy, and a whole Ethernet
// header. locate() drops such packets in any case; whoever spends memory on a packet before asks.
bool is_spoofed(WorkerContext& context, const Burst& burst, std::size_t i);

// True if the frame comes by a port where Sluice is a router, but is addressed to another MAC
// address: what a promiscuous device sees of others, who get it from the switch. Where senders are
// not checked, as with a capture that is played again, receivers are not either. Requires a whole
// Ethernet header. locate() drops such packets in any case.
bool is_for_other_station(const WorkerContext& context, const Burst& burst, std::size_t i);

}  // namespace sluice
