#pragma once

// What those who judge a packet call it: the rules (Question), the flow table (FlowTuple) and the
// tracker (TrackedPacket), each seen from one interface in one direction. Pure.

#include "base/ids.h"
#include "base/verdict.h"
#include "dataplane/packet_facts.h"
#include "flowtable/conntrack.h"
#include "flowtable/flow_state.h"
#include "flowtable/flow_tuple.h"
#include "lookup/question.h"

namespace sluice {

Question question_of(const PacketFacts& facts, EniIndex eni, Direction direction);

// The same for both directions of a conversation. ICMP queries are named by the identifier and by
// the type that travels *towards* the interface, so that two pings with one identifier, one from
// each side, are two conversations (CT-26). Any other ICMP message is a conversation of one
// direction, see one_way_tuple_of(). The worker that owns a conversation is found by
// canonical_hash(), which is equal at both of its ends.
FlowTuple flow_tuple_of(const PacketFacts& facts, EniIndex eni, Direction direction);

// True for the answer to an ICMP query. When nobody asked it is a message of its own, under the
// name that one_way_tuple_of() gives: by type, code and direction (CT-26).
bool is_icmp_answer(const PacketFacts& facts);
FlowTuple one_way_tuple_of(const PacketFacts& facts, EniIndex eni, Direction direction);

// The question that the first packet of the flow asked, for judging a flow anew.
Question first_question_of(const FlowTuple& tuple, const FlowState& state);

// How `flow list` and records show a tuple: icmp_type is the request's, else the message's own.
FlowTuple shown_tuple(FlowTuple tuple);

// owner_hash() of the conversation, equal for both directions and at both ends.
std::uint64_t canonical_hash(const HashKey& key, const PacketFacts& facts);

TrackedPacket tracked_packet_of(const PacketFacts& facts, Direction direction);

}  // namespace sluice
