// Three answers, one truth: `explain`, the packet path and the slow twin are asked the same random
// questions over random policies, the packet path by a frame that goes through the whole pipeline.

#include <algorithm>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "lookup/snapshot_builder.h"
#include "tests/control/spoken_question.h"
#include "tests/reference/random_policy.h"
#include "tests/reference/slow_policy.h"
#include "tests/reference/test_scale.h"
#include "tests/scenario/harness.h"

namespace sluice {
namespace {

constexpr std::size_t kQuestionsPerPolicy = 250;

// Addresses are unique, because a bump in the wire tells interfaces by them.
PolicyShape shape_for_the_wire() {
  PolicyShape shape;
  shape.conditions = false;  // no packet here says what its connection is
  shape.interfaces = 12;
  shape.overlapping_vpcs = false;
  return shape;
}

// What a frame can say. IPv6 headers that the parser walks are no protocols, and messages of
// neighbour discovery are never judged by groups (SG-62).
bool can_be_a_frame(const Question& question) {
  const IpAddr& source =
      question.direction == Direction::Ingress ? question.remote : question.local;
  const IpAddr& destination =
      question.direction == Direction::Ingress ? question.local : question.remote;
  for (const IpAddr& address : {source, destination}) {
    if (address.is_multicast() || address.is_limited_broadcast() || address.is_loopback() ||
        address.is_unspecified()) {
      return false;
    }
  }
  if (source == destination) return false;
  const auto number = static_cast<unsigned>(question.proto);
  if (question.proto == Proto::Icmpv6) {
    const unsigned type = question.port >> 8;
    return type < Icmpv6Type::kRouterSolicitation || type > Icmpv6Type::kRedirect;
  }
  if (source.is_v4()) return true;
  const bool is_walked = number == 0 || number == 43 || number == 44 || number == 59 ||
                         number == 60 || number == 135 || number == 139 || number == 140 ||
                         number == 253 || number == 254;
  return !is_walked;
}

Packet frame_of(const Question& question) {
  const bool is_ingress = question.direction == Direction::Ingress;
  const std::string source = (is_ingress ? question.remote : question.local).to_string();
  const std::string destination = (is_ingress ? question.local : question.remote).to_string();
  Packet packet;
  packet.ip(source, destination);
  if (question.proto == Proto::Tcp) return packet.tcp(question.source_port, question.port, kSyn);
  if (question.proto == Proto::Udp) return packet.udp(question.source_port, question.port);
  // ICMP of the other family is no ICMP that the builder knows (SG-22).
  const Proto own_icmp = question.local.is_v4() ? Proto::Icmp : Proto::Icmpv6;
  if (question.proto == own_icmp) {
    return packet.icmp(static_cast<std::uint8_t>(question.port >> 8),
                       static_cast<std::uint8_t>(question.port & 0xff), 77);
  }
  Bytes payload(24);
  payload[0] = static_cast<std::uint8_t>(question.port >> 8);
  payload[1] = static_cast<std::uint8_t>(question.port & 0xff);
  return packet.proto(static_cast<std::uint8_t>(question.proto)).payload(payload);
}

// The verdict of the packet path at the interface that the question names, in explain's words; ""
// if that interface was not asked (the other end of the wire refused first).
std::string said_on_the_wire(const Outcome& outcome, const Question& question,
                             const Registry& registry) {
  const EndResult& end =
      question.direction == Direction::Ingress ? outcome.ingress : outcome.egress;
  if (!end.present || end.eni != question.eni || end.verdict == Verdict::None) return "";
  const bool is_accept = end.verdict == Verdict::Accept;
  std::string text(name_of(end.verdict));
  text += " " + std::string(is_accept ? name_of(end.by) : name_of(end.reason));
  return text + " " + (end.rule.is_none() ? "-" : registry.rules.name_of(end.rule));
}

std::string first_words(const std::string& text, int count) {
  std::size_t end = 0;
  for (int i = 0; i < count && end != std::string::npos; ++i) end = text.find(' ', end + 1);
  return text.substr(0, end);
}

struct Counts {
  std::size_t asked = 0;
  std::size_t on_the_wire = 0;
  std::size_t accepted = 0;
};

void compare(RandomPolicy& random, std::size_t questions, Counts& tally) {
  const auto snapshot = build_snapshot(random.input());
  ASSERT_TRUE(snapshot) << snapshot.error().sentence;
  Registry registry;
  name_everything(random.input(), registry);
  ExplainScope scope;
  scope.snapshot = snapshot->get();
  scope.registry = &registry;
  const SlowPolicy slow(random.input());
  Scene scene(SceneOptions{.wiring = Wiring::Replay, .publish = false});
  scene.policy = random.input();
  scene.publish();
  for (std::size_t i = 0; i < questions; ++i) {
    const Question question = random.question();
    if (!can_be_a_frame(question) || is_for_subnet(question, random.input())) continue;
    const nlohmann::json query = query_of(question, false);
    const std::string explained = text_of(explain(query, scope));
    ++tally.asked;
    ASSERT_EQ(explained, text_of(slow.decide(question), registry)) << query;
    const Outcome outcome = scene.send(frame_of(question));
    const std::string on_the_wire = said_on_the_wire(outcome, question, registry);
    // Longer than any timeout of a connection that has just begun: every packet is a first one.
    scene.jump_s(601);
    if (on_the_wire.empty()) continue;
    ASSERT_EQ(first_words(explained, 3), on_the_wire) << query;
    ++tally.on_the_wire;
    if (outcome.verdict == Verdict::Accept) ++tally.accepted;
  }
}

TEST(Agreement, explain_the_packet_path_and_the_slow_twin_say_the_same) {
  const std::size_t total = scaled_count(100'000);
  Counts tally;
  for (std::uint64_t seed = 1; tally.asked < total && !HasFatalFailure(); ++seed) {
    RandomPolicy random(seed, shape_for_the_wire());
    compare(random, kQuestionsPerPolicy, tally);
    if (HasFatalFailure()) ADD_FAILURE() << "seed " << seed;
  }
  RecordProperty("questions", static_cast<int>(tally.asked));
  RecordProperty("on_the_wire", static_cast<int>(tally.on_the_wire));
  // Questions that never reach the wire, or all end alike, would compare nothing.
  EXPECT_GT(tally.on_the_wire, tally.asked * 8 / 10);
  EXPECT_GT(tally.accepted, tally.on_the_wire / 10);
  EXPECT_LT(tally.accepted, tally.on_the_wire * 9 / 10);
}

}  // namespace
}  // namespace sluice
