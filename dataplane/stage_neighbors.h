#pragma once

// ARP (RFC 826) and neighbour discovery (RFC 4861), by the role of the device they come by:
//
//   interface   the sender must be the interface (its MAC, its addresses); every address of the
//               VPC but the interface's own is answered with the device's MAC, so that Sluice is
//               the router of the VPC and probes for duplicates of its own address stay unanswered
//   uplink      own addresses and those of the VPCs' interfaces are answered; answers of gateways
//               are learned
//   bump        crosses after the source check, unanswered
//
// On the first two everything of both protocols ends here. Answers are built in the request's own
// buffer. Nothing of this is subject to groups or network ACLs (SG-62).

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

void neighbors(WorkerContext& context, Burst& burst);

// Between bursts: asks for gateways' MAC addresses, every second until known, every 30 s after
// that. Only worker 0 asks; whichever gets the answer tells all.
void resolve_gateways(WorkerContext& context);

// The MAC address in a cell of GatewayCells, zero if none.
MacAddr gateway_mac(const NicInfo& nic, Family family);

}  // namespace sluice
