#include "dataplane/packet_naming.h"

#include <gtest/gtest.h>

#include "dataplane/parse.h"
#include "flowtable/flow_key.h"
#include "tests/packets/packet.h"

namespace sluice {
namespace {

constexpr EniIndex kEni{3};

PacketFacts facts_of(const Packet& packet) {
  PacketFacts facts;
  const Bytes frame = packet.build();
  EXPECT_EQ(parse_frame(frame, static_cast<std::uint32_t>(frame.size()), facts), DropReason::None);
  return facts;
}

const Packet kRequest = Packet().ip("198.51.100.7", "10.0.1.10").tcp(40'000, 443, kSyn);
const Packet kReply = Packet().ip("10.0.1.10", "198.51.100.7").tcp(443, 40'000, kSynAck);
const Packet kPing = Packet().ip("198.51.100.7", "10.0.1.10").icmp(8, 0, 77);
const Packet kPong = Packet().ip("10.0.1.10", "198.51.100.7").icmp(0, 0, 77);

TEST(PacketNaming, gives_both_directions_one_tuple) {
  const FlowTuple in = flow_tuple_of(facts_of(kRequest), kEni, Direction::Ingress);
  const FlowTuple out = flow_tuple_of(facts_of(kReply), kEni, Direction::Egress);
  EXPECT_EQ(in, out);
  EXPECT_EQ(in.local.to_string(), "10.0.1.10");
  EXPECT_EQ(in.local_port, 443);
  EXPECT_EQ(in.remote_port, 40'000);
}

TEST(PacketNaming, gives_ping_and_its_answer_one_tuple) {
  EXPECT_EQ(flow_tuple_of(facts_of(kPing), kEni, Direction::Ingress),
            flow_tuple_of(facts_of(kPong), kEni, Direction::Egress));
  EXPECT_EQ(flow_tuple_of(facts_of(kPing), kEni, Direction::Egress),
            flow_tuple_of(facts_of(kPong), kEni, Direction::Ingress));
}

TEST(PacketNaming, tells_pings_of_both_sides_apart) {
  const Packet other_ping = Packet().ip("10.0.1.10", "198.51.100.7").icmp(8, 0, 77);
  EXPECT_NE(flow_tuple_of(facts_of(kPing), kEni, Direction::Ingress),
            flow_tuple_of(facts_of(other_ping), kEni, Direction::Egress));
}

TEST(PacketNaming, shows_the_type_of_the_request_whoever_asked) {
  for (Direction direction : {Direction::Ingress, Direction::Egress}) {
    EXPECT_EQ(shown_tuple(flow_tuple_of(facts_of(kPing), kEni, direction)).icmp_type, 8);
    EXPECT_EQ(shown_tuple(flow_tuple_of(facts_of(kPong), kEni, direction)).icmp_type, 8);
  }
}

TEST(PacketNaming, gives_one_owner_to_both_directions_of_everything) {
  const HashKey key;
  EXPECT_EQ(canonical_hash(key, facts_of(kRequest)), canonical_hash(key, facts_of(kReply)));
  EXPECT_EQ(canonical_hash(key, facts_of(kPing)), canonical_hash(key, facts_of(kPong)));
  const FlowTuple tuple = flow_tuple_of(facts_of(kRequest), kEni, Direction::Ingress);
  EXPECT_EQ(canonical_hash(key, facts_of(kRequest)), owner_hash(key, tuple))
      << "the same hash finds the flow";
}

TEST(PacketNaming, asks_by_destination_port_in_both_directions) {
  const Question in = question_of(facts_of(kRequest), kEni, Direction::Ingress);
  EXPECT_EQ(in.port, 443);
  EXPECT_EQ(in.source_port, 40'000);
  EXPECT_EQ(in.remote.to_string(), "198.51.100.7");
  const Question out = question_of(facts_of(kReply), kEni, Direction::Egress);
  EXPECT_EQ(out.port, 40'000);
  EXPECT_EQ(out.remote.to_string(), "198.51.100.7");
  EXPECT_EQ(question_of(facts_of(kPing), kEni, Direction::Ingress).port, 8 << 8);
}

TEST(PacketNaming, finds_the_first_question_again_from_the_flow) {
  for (const Packet& packet : {kRequest, kPing, Packet().ip("198.51.100.7", "10.0.1.10").icmp(3, 4),
                               Packet().ip("198.51.100.7", "10.0.1.10").proto(47).payload(8)}) {
    for (Direction direction : {Direction::Ingress, Direction::Egress}) {
      const PacketFacts facts = facts_of(packet);
      const Question asked = question_of(facts, kEni, direction);
      FlowState state{};
      if (direction == Direction::Egress) state.bits = FlowState::kEgressFirst;
      const Question again = first_question_of(flow_tuple_of(facts, kEni, direction), state);
      EXPECT_EQ(again.port, asked.port);
      EXPECT_EQ(again.source_port, asked.source_port);
      EXPECT_EQ(again.direction, asked.direction);
      EXPECT_EQ(again.local, asked.local);
      EXPECT_EQ(again.remote, asked.remote);
    }
  }
}

TEST(PacketNaming, names_an_unasked_answer_apart_from_every_query) {
  for (std::uint16_t identifier : {0, 77}) {
    const Packet pong = Packet().ip("198.51.100.7", "10.0.1.10").icmp(0, 0, identifier);
    const PacketFacts facts = facts_of(pong);
    ASSERT_TRUE(is_icmp_answer(facts));
    const FlowTuple unasked = one_way_tuple_of(facts, kEni, Direction::Ingress);
    const FlowTuple query = flow_tuple_of(facts, kEni, Direction::Ingress);
    EXPECT_FALSE(Ipv4FlowKey::from(unasked) == Ipv4FlowKey::from(query));
  }
  EXPECT_FALSE(is_icmp_answer(facts_of(kPing)));
}

}  // namespace
}  // namespace sluice
