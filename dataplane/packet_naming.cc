#include "dataplane/packet_naming.h"

#include "flowtable/flow_shard.h"

namespace sluice {
namespace {

// What an ICMP message that no answer belongs to has for the type of a query: no query has these.
// One for each direction, so that what came in lends nothing a way out (CT-26).
constexpr std::uint8_t kOneWayIn = 255;
constexpr std::uint8_t kOneWayOut = 254;

bool is_query(const FlowTuple& tuple) {
  return is_icmp(tuple.proto) && tuple.icmp_type < kOneWayOut;
}

bool is_request(Proto proto, std::uint8_t type) {
  if (proto == Proto::Icmpv6) return type == Icmpv6Type::kEcho;
  return type == IcmpType::kEcho || type == 13 || type == 15 || type == 17;
}

bool is_answer(Proto proto, std::uint8_t type) {
  if (proto == Proto::Icmpv6) return type == Icmpv6Type::kEchoReply;
  return type == IcmpType::kEchoReply || type == 14 || type == 16 || type == 18;
}

// Request to answer and back; requires that it is one of the two.
std::uint8_t counterpart(Proto proto, std::uint8_t type) {
  if (proto == Proto::Icmp && type == IcmpType::kEcho) return IcmpType::kEchoReply;
  if (proto == Proto::Icmp && type == IcmpType::kEchoReply) return IcmpType::kEcho;
  if (proto == Proto::Icmpv6) return type ^ 1;
  return is_request(proto, type) ? static_cast<std::uint8_t>(type + 1)
                                 : static_cast<std::uint8_t>(type - 1);
}

FlowTuple address_tuple(const PacketFacts& facts, EniIndex eni, Direction direction) {
  FlowTuple tuple;
  tuple.eni = eni;
  tuple.proto = facts.proto;
  const bool is_ingress = direction == Direction::Ingress;
  tuple.local = is_ingress ? facts.destination() : facts.source();
  tuple.remote = is_ingress ? facts.source() : facts.destination();
  return tuple;
}

}  // namespace

Question question_of(const PacketFacts& facts, EniIndex eni, Direction direction) {
  Question question;
  question.eni = eni;
  question.direction = direction;
  question.proto = facts.proto;
  question.port = facts.destination_port;
  question.source_port = has_ports(facts.proto) ? facts.source_port : std::uint16_t{0};
  const bool is_ingress = direction == Direction::Ingress;
  question.local = is_ingress ? facts.destination() : facts.source();
  question.remote = is_ingress ? facts.source() : facts.destination();
  return question;
}

FlowTuple flow_tuple_of(const PacketFacts& facts, EniIndex eni, Direction direction) {
  FlowTuple tuple = address_tuple(facts, eni, direction);
  const bool is_ingress = direction == Direction::Ingress;
  if (!is_icmp(facts.proto)) {
    tuple.local_port = is_ingress ? facts.destination_port : facts.source_port;
    tuple.remote_port = is_ingress ? facts.source_port : facts.destination_port;
    return tuple;
  }
  const std::uint8_t type = facts.icmp_type();
  if (!is_request(facts.proto, type) && !is_answer(facts.proto, type)) {
    return one_way_tuple_of(facts, eni, direction);
  }
  tuple.local_port = tuple.remote_port = facts.source_port;
  tuple.icmp_type = is_ingress ? type : counterpart(facts.proto, type);
  return tuple;
}

bool is_icmp_answer(const PacketFacts& facts) {
  return is_icmp(facts.proto) && is_answer(facts.proto, facts.icmp_type());
}

FlowTuple one_way_tuple_of(const PacketFacts& facts, EniIndex eni, Direction direction) {
  FlowTuple tuple = address_tuple(facts, eni, direction);
  tuple.icmp_type = direction == Direction::Ingress ? kOneWayIn : kOneWayOut;
  tuple.local_port = facts.destination_port;
  return tuple;
}

Question first_question_of(const FlowTuple& tuple, const FlowState& state) {
  Question question;
  question.eni = tuple.eni;
  question.direction = state.initiator();
  question.proto = tuple.proto;
  question.local = tuple.local;
  question.remote = tuple.remote;
  const bool is_ingress = question.direction == Direction::Ingress;
  if (!is_icmp(tuple.proto)) {
    question.port = is_ingress ? tuple.local_port : tuple.remote_port;
    question.source_port = is_ingress ? tuple.remote_port : tuple.local_port;
    return question;
  }
  question.port = is_query(tuple) ? static_cast<std::uint16_t>(shown_tuple(tuple).icmp_type << 8)
                                  : tuple.local_port;
  return question;
}

FlowTuple shown_tuple(FlowTuple tuple) {
  if (is_icmp(tuple.proto) && !is_query(tuple)) {
    tuple.icmp_type = static_cast<std::uint8_t>(tuple.local_port >> 8);
  } else if (is_icmp(tuple.proto) && is_answer(tuple.proto, tuple.icmp_type)) {
    tuple.icmp_type = counterpart(tuple.proto, tuple.icmp_type);
  }
  return tuple;
}

std::uint64_t canonical_hash(const HashKey& key, const PacketFacts& facts) {
  return owner_hash(key, shown_tuple(flow_tuple_of(facts, EniIndex::none(), Direction::Ingress)));
}

}  // namespace sluice
