// What an operator asks of the flows while packets pass: lists with filters, counts by state, and
// flows that are flushed.

#include "tests/scenario/harness.h"

namespace sluice {
namespace {

Packet to_web(std::uint16_t port, std::uint8_t flags) {
  return Packet().ip(kClient, kWeb4).tcp(40'000, port, flags);
}
Packet from_web(std::uint16_t port, std::uint8_t flags) {
  return Packet().ip(kWeb4, kClient).tcp(port, 40'000, flags);
}

void connect(Scene& scene, std::uint16_t port) {
  ASSERT_TRUE(scene.send(to_web(port, kSyn).numbers(100, 0)).passed());
  ASSERT_TRUE(scene.send(from_web(port, kSynAck).numbers(500, 101)).passed());
  ASSERT_TRUE(scene.send(to_web(port, kAck).numbers(101, 501)).passed());
}

// Ssh that is open, a SYN to 443 without an answer, a question to the web server's own client.
void make_three(Scene& scene) {
  scene.allow_in(0, kTcp, 22, 443, "198.51.100.7/32");
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.7/32");
  scene.publish();
  connect(scene, 22);
  scene.wait_s(10);
  scene.send(to_web(443, kSyn));
  scene.send(Packet().ip(kClient, kWeb4).udp(5'000, 53).payload(20));
}

template <class Request>
void run(Scene& scene, Request& request) {
  while (!request.step(scene.worker().context())) {
  }
}

std::size_t flush(Scene& scene, const FlowFilter& filter = {}) {
  FlushFlowsRequest request(0, filter);
  // As a worker does it: with the policy of its turn.
  scene.ask(request);
  return request.count();
}

TEST(FlowRequests, list_and_count_what_matches) {
  Scene scene(Wiring::Replay);
  make_three(scene);
  FlowFilter filter;
  CountFlowsRequest all(0, filter);
  run(scene, all);
  EXPECT_EQ(all.counts().by_phase[static_cast<std::size_t>(FlowPhase::Established)], 1u);
  EXPECT_EQ(all.counts().by_phase[static_cast<std::size_t>(FlowPhase::SynSent)], 1u);
  EXPECT_EQ(all.counts().by_phase[static_cast<std::size_t>(FlowPhase::Single)], 1u);
  EXPECT_EQ(all.counts().by_proto[kTcp], 2u);
  EXPECT_EQ(all.counts().by_proto[kUdp], 1u);
  EXPECT_EQ(all.next_cursor(), 0u);
  filter.idle_min_ms = 5'000;
  ListFlowsRequest silent(0, 10, filter);
  run(scene, silent);
  const std::vector<FlowView> found = silent.take_flows();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].tuple.local_port, 22);
}

TEST(FlowRequests, show_what_the_flow_log_counts_in_this_minute) {
  Scene scene(Wiring::Replay);
  make_three(scene);
  FlowFilter filter;
  filter.proto = Proto::Udp;
  const auto udp = [&] {
    ListFlowsRequest request(0, 10, filter);
    run(scene, request);
    return request.take_flows().at(0);
  };
  EXPECT_EQ(udp().packets[0], 1u);
  EXPECT_EQ(udp().bytes[0], 48u);
  EXPECT_EQ(udp().packets[1], 0u);
  scene.jump_s(0.5);
  scene.send(Packet().ip(kClient, kWeb4).udp(5'000, 53).payload(20));
  EXPECT_EQ(udp().packets[0], 2u);
}

TEST(FlushedFlow, begins_anew_where_the_rules_still_admit_it) {
  Scene scene(Wiring::Replay);
  make_three(scene);
  EXPECT_EQ(flush(scene), 3u);
  EXPECT_EQ(scene.flow_count(), 0u);
  EXPECT_EQ(scene.counters(kWeb).flows, 0u);
  EXPECT_TRUE(scene.send(to_web(22, kAck).numbers(101, 501)).passed()) << "CT-23";
  EXPECT_EQ(scene.flow_count(), 1u);
}

TEST(FlushedFlow, is_over_for_both_sides_where_they_refuse_it) {
  Scene scene(Wiring::Replay);
  const RuleIndex rule = scene.allow_in(0, kTcp, 22, 22, "198.51.100.7/32");
  scene.allow_out(0, kTcp, 0, 65'535, "198.51.100.7/32");
  scene.publish();
  connect(scene, 22);
  scene.remove(rule);
  scene.publish();
  ASSERT_TRUE(scene.send(to_web(22, kAck).numbers(101, 501)).passed()) << "CT-7";
  EXPECT_EQ(flush(scene), 1u);
  EXPECT_EQ(scene.send(from_web(22, kAck).numbers(501, 101)).reason, DropReason::Closed)
      << "a rule of its own direction must not pick it up again";
  EXPECT_EQ(scene.send(to_web(22, kAck).numbers(101, 501)).reason, DropReason::Closed);
  EXPECT_EQ(flush(scene), 0u) << "it is over already";
}

TEST(FlushedFlow, of_udp_is_judged_as_if_there_had_been_none) {
  Scene scene(Wiring::Replay);
  make_three(scene);
  FlowFilter filter;
  filter.proto = Proto::Udp;
  const Packet answer = Packet().ip(kWeb4, kClient).udp(53, 5'000);
  EXPECT_TRUE(scene.send(answer).passed());
  EXPECT_EQ(flush(scene, filter), 1u);
  EXPECT_EQ(scene.send(answer).reason, DropReason::NoRule);
  EXPECT_EQ(scene.flow_count(), 2u);
}

TEST(FlushedFlow, leaves_what_does_not_match_and_is_logged_to_its_end) {
  Scene scene(Wiring::Replay);
  make_three(scene);
  scene.take_deltas();
  FlowFilter filter;
  filter.port = 22;
  EXPECT_EQ(flush(scene, filter), 1u);
  EXPECT_TRUE(scene.send(from_web(443, kSynAck).numbers(500, 1)).passed());
  std::uint64_t packets = 0;
  for (const FlowDelta& delta : scene.take_deltas()) {
    if (delta.tuple.local_port == 22) packets += delta.packets;
  }
  EXPECT_EQ(packets, 3u) << "what it had counted is reported when it goes";
}

TEST(FlushedFlow, is_gone_in_bounded_steps_while_packets_pass) {
  SceneOptions options;
  options.flow_capacity = 1u << 12;
  options.delta_ring = 1u << 15;
  Scene scene(options);
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.publish();
  for (std::uint16_t port = 10'000; port < 12'000; ++port) {
    ASSERT_TRUE(scene.send(Packet().ip(kClient, kWeb4).udp(port, 53)).passed());
  }
  FlushFlowsRequest request(0, {});
  scene.mail(&request);
  scene.turn(1);
  EXPECT_GT(request.count(), 0u);
  EXPECT_LE(request.count(), 64u);
  EXPECT_TRUE(scene.send(Packet().ip(kClient, kWeb4).udp(30'000, 53)).passed());
  scene.turn(100);
  EXPECT_GE(request.count(), 2'000u);
  EXPECT_EQ(request.next_cursor(), 0u);
}

}  // namespace
}  // namespace sluice
