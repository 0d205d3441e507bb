#pragma once

// What those who judge a packet call it: the rules (Question), the flow table (FlowTuple) and the
// tracker (TrackedPacket), each seen from one interface in one direction. Pure.

#include <array>
#include <cstdint>

#include "base/ids.h"
#include "base/verdict.h"
#include "dataplane/packet_facts.h"
#include "flowtable/conntrack.h"
#include "flowtable/flow_key.h"
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

// The same packed, for what goes by IPv4 and is not ICMP; and what such a packet is hashed by.
inline Ipv4FlowKey ipv4_key_of(const PacketFacts& facts, EniIndex eni, Direction direction) {
  const auto source = static_cast<std::uint32_t>(facts.source_low);
  const auto destination = static_cast<std::uint32_t>(facts.destination_low);
  const std::uint32_t eni_proto = pack_eni_proto(eni, facts.proto);
  if (direction == Direction::Ingress) {
    return {destination, source, facts.destination_port, facts.source_port, eni_proto};
  }
  return {source, destination, facts.source_port, facts.destination_port, eni_proto};
}
inline bool has_ipv4_key(const PacketFacts& facts) {
  return facts.has(PacketFacts::kIpv4) && !is_icmp(facts.proto);
}
inline std::array<std::uint64_t, 2> owner_words(const PacketFacts& facts) {
  return owner_words(facts.source_low << 16 | facts.source_port,
                     facts.destination_low << 16 | facts.destination_port, facts.proto);
}

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

inline TrackedPacket tracked_packet_of(const PacketFacts& facts, Direction direction) {
  TrackedPacket packet;
  packet.proto = facts.proto;
  packet.direction = direction;
  packet.tcp_flags = facts.tcp_flags;
  if (is_icmp(facts.proto)) {
    packet.icmp_type = facts.icmp_type();
    packet.icmp_code = facts.icmp_code();
  }
  packet.window_scale = facts.window_scale;
  packet.window = facts.window;
  packet.sequence = facts.sequence;
  packet.acknowledgment = facts.acknowledgment;
  // The parser counts the transport header in, and sees only the begin of the segment.
  packet.is_cut = facts.has(PacketFacts::kFragment);
  packet.payload_size = packet.is_cut ? std::uint32_t{0} : facts.payload_size;
  return packet;
}

}  // namespace sluice
