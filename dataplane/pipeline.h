#pragma once

// The journey of a packet, one line per stage, in pipeline.cc.

#include "dataplane/burst.h"
#include "dataplane/worker_context.h"

namespace sluice {

// Packets in the middle of a conversation that nobody has to be asked about take a short way of
// their own (stage_express.h), and never reach the stages of the whole one.
//
// Runs every stage over a burst that a stage_receive function has filled. Afterwards its buffers
// are sent, released, held or handed over.
//
// Each packet is judged at up to two ends: where its sender is an interface (Egress), then where
// its receiver is (Ingress); a denial at the first ends it (semantics 1.9). All packets of a
// stretch pass the first end before any passes the second. That order shows only where a packet
// answers another of its burst, which takes a device that carries both directions
// (source_check = false); there a burst is cut into stretches, so that a packet and its answer
// never share one.
void run_pipeline(WorkerContext& context, Burst& burst);

}  // namespace sluice
