// What workers tell the flow log and watchers: windows, sums, losses.

#include <map>

#include "tests/scenario/harness.h"

namespace sluice {
namespace {

const Packet kQuestion = Packet().ip(kClient, kWeb4).udp(5'000, 53).payload(72);  // 100 bytes
const Packet kAnswer = Packet().ip(kWeb4, kClient).udp(53, 5'000).payload(172);   // 200 bytes

struct LogScene : Scene {
  explicit LogScene(SceneOptions options = {}) : Scene(options) {
    rule = allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
    publish();
  }
  RuleIndex rule;
};

std::vector<FlowDelta> packets_only(std::vector<FlowDelta> deltas) {
  std::erase_if(deltas,
                [](const FlowDelta& delta) { return delta.kind != FlowDelta::Kind::Packets; });
  return deltas;
}

const FlowDelta* find_delta(const std::vector<FlowDelta>& deltas, Direction direction,
                            Verdict action = Verdict::Accept) {
  for (const FlowDelta& delta : deltas) {
    if (delta.kind == FlowDelta::Kind::Packets && delta.direction == direction &&
        delta.action == action) {
      return &delta;
    }
  }
  return nullptr;
}

TEST(FlowLog, tells_packets_bytes_and_seconds_of_each_direction) {  // FL-10, FL-25
  LogScene scene;
  const std::uint32_t begin_s = scene.now_s();
  scene.send(kQuestion);
  scene.wait_s(5);
  scene.send(kQuestion);
  scene.send(kAnswer);
  EXPECT_TRUE(scene.take_deltas().empty()) << "nothing before the window ends";
  scene.wait_s(60);
  const auto deltas = scene.take_deltas();
  ASSERT_EQ(packets_only(deltas).size(), 2u);
  const FlowDelta* in = find_delta(deltas, Direction::Ingress);
  const FlowDelta* out = find_delta(deltas, Direction::Egress);
  ASSERT_TRUE(in != nullptr && out != nullptr);
  EXPECT_EQ(in->packets, 2u);
  EXPECT_EQ(in->bytes, 200u);
  EXPECT_EQ(in->first_s, begin_s);
  EXPECT_EQ(in->last_s, begin_s + 5);
  EXPECT_EQ(in->rule, scene.rule);
  EXPECT_EQ(in->generation, scene.policy.generation);
  EXPECT_EQ(in->tuple.eni, kWeb);
  EXPECT_EQ(in->tuple.local_port, 53);
  EXPECT_EQ(in->tuple.remote.to_string(), kClient);
  EXPECT_EQ(out->packets, 1u);
  EXPECT_EQ(out->bytes, 200u);
  EXPECT_EQ(out->first_s, begin_s + 5);
}

TEST(FlowLog, says_when_a_window_is_closed_behind_all_its_deltas) {
  LogScene scene;
  scene.send(kQuestion);
  scene.send(Packet().ip(kClient, kWeb4).udp(5'000, 54));
  scene.wait_s(60);
  const auto deltas = scene.take_deltas();
  ASSERT_EQ(deltas.size(), 3u);
  EXPECT_EQ(deltas[2].kind, FlowDelta::Kind::WindowClosed);
  EXPECT_EQ(deltas[2].last_s % 60, 0u);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_LT(deltas[i].last_s, deltas[2].last_s);
}

TEST(FlowLog, counts_each_packet_in_the_window_that_it_came_in) {
  LogScene scene;
  std::map<std::uint32_t, std::uint64_t> expected, told;  // by window
  for (int i = 0; i < 40; ++i) {
    scene.send(kQuestion);
    scene.send(kAnswer);
    scene.send(Packet().ip(kClient, kWeb4).udp(5'000, 54));
    expected[scene.now_s() / 60] += 3;
    if (i % 2 == 0) {
      scene.jump_s(25);
    } else {
      scene.wait_s(4);
    }
  }
  scene.wait_s(120);
  for (const FlowDelta& delta : packets_only(scene.take_deltas())) {
    EXPECT_EQ(delta.first_s / 60, delta.last_s / 60);
    EXPECT_LE(delta.first_s, delta.last_s);
    told[delta.first_s / 60] += delta.packets;
  }
  EXPECT_EQ(told, expected);
}

TEST(FlowLog, keeps_the_window_under_way_to_itself) {
  LogScene scene;
  scene.send(kQuestion);
  scene.jump_s(60);
  scene.send(kQuestion);
  scene.turn(100);
  const auto deltas = packets_only(scene.take_deltas());
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].last_s, scene.now_s() - 60);
}

TEST(FlowLog, sums_refused_packets_up_by_flow) {  // FL-12
  LogScene scene;
  for (int i = 0; i < 9; ++i) scene.send(Packet().ip(kClient, kWeb4).udp(5'000, 54).payload(2));
  scene.wait_s(60);
  const auto deltas = packets_only(scene.take_deltas());
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].action, Verdict::Drop);
  EXPECT_EQ(deltas[0].reason, DropReason::NoRule);
  EXPECT_EQ(deltas[0].packets, 9u);
  EXPECT_EQ(deltas[0].bytes, 270u);
  EXPECT_TRUE(deltas[0].rule.is_none());
}

TEST(FlowLog, tells_both_actions_of_one_flow) {  // FL-24
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.publish();
  const Packet syn = Packet().ip(kClient, kWeb4).tcp(40'000, 443, kSyn).numbers(100, 0);
  scene.send(syn);
  scene.send(Packet().ip(kClient, kWeb4).tcp(40'000, 443, kRst).numbers(101, 0));
  scene.send(Packet().ip(kClient, kWeb4).tcp(40'000, 443, kAck).numbers(101, 0));
  scene.wait_s(60);
  const auto deltas = scene.take_deltas();
  const FlowDelta* refused = find_delta(deltas, Direction::Ingress, Verdict::Drop);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->reason, DropReason::Closed) << "FL-12";
  ASSERT_NE(find_delta(deltas, Direction::Ingress), nullptr);
  EXPECT_EQ(find_delta(deltas, Direction::Ingress)->packets, 2u);
}

TEST(FlowLog, shows_tcp_flags_of_each_direction) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.publish();
  scene.send(Packet().ip(kClient, kWeb4).tcp(40'000, 443, kSyn).numbers(100, 0));
  scene.send(Packet().ip(kWeb4, kClient).tcp(443, 40'000, kSynAck).numbers(500, 101));
  scene.send(Packet().ip(kClient, kWeb4).tcp(40'000, 443, kAck).numbers(101, 501));
  scene.send(Packet().ip(kClient, kWeb4).tcp(40'000, 443, kFinAck).numbers(101, 501));
  scene.send(Packet().ip(kWeb4, kClient).tcp(443, 40'000, kFinAck).numbers(501, 102));
  scene.wait_s(60);
  const auto deltas = scene.take_deltas();
  ASSERT_NE(find_delta(deltas, Direction::Ingress), nullptr);
  EXPECT_EQ(find_delta(deltas, Direction::Ingress)->tcp_flags, 3) << "FL-15: client's line";
  EXPECT_EQ(find_delta(deltas, Direction::Egress)->tcp_flags, 19) << "FL-15: server's line";
}

// Semantics, section 4.3: FL vector 6.
TEST(FlowLog, fl_vector_6_tells_a_tracked_flow_that_lost_its_rule_as_accepted_until_it_ends) {
  Scene scene(Wiring::Replay);
  const RuleIndex rule = scene.allow_in(0, kTcp, 22, 22, "198.51.100.0/24");
  scene.publish();
  const auto to_web = [&](std::uint8_t flags, std::uint32_t sequence) {
    scene.send(Packet().ip(kClient, kWeb4).tcp(40'000, 22, flags).numbers(sequence, 501));
  };
  const auto records = [&] {  // packets by direction and action
    scene.wait_s(60);
    std::map<std::pair<Direction, Verdict>, std::uint64_t> result;
    for (const FlowDelta& delta : packets_only(scene.take_deltas())) {
      result[{delta.direction, delta.action}] += delta.packets;
    }
    return result;
  };
  using Records = decltype(records());
  const std::pair in_accept(Direction::Ingress, Verdict::Accept);
  const std::pair in_reject(Direction::Ingress, Verdict::Drop);
  const std::pair out_accept(Direction::Egress, Verdict::Accept);
  scene.send(Packet().ip(kClient, kWeb4).tcp(40'000, 22, kSyn).numbers(100, 0));
  scene.send(Packet().ip(kWeb4, kClient).tcp(22, 40'000, kSynAck).numbers(500, 101));
  to_web(kAck, 101);
  EXPECT_EQ(records(), (Records{{in_accept, 2}, {out_accept, 1}}));
  scene.remove(rule);
  scene.publish();
  to_web(kAck, 101);
  scene.send(Packet().ip(kWeb4, kClient).tcp(22, 40'000, kAck).numbers(501, 101));
  EXPECT_EQ(records(), (Records{{in_accept, 1}, {out_accept, 1}}));
  to_web(kRst, 101);
  to_web(kAck, 101);
  EXPECT_EQ(records(), (Records{{in_accept, 1}, {in_reject, 1}})) << "FL-12";
  to_web(kAck, 101);
  to_web(kSyn, 900);
  EXPECT_EQ(records(), (Records{{in_reject, 2}})) << "its entry is gone";
}

// CT-6: each direction of an untracked flow passes by its own rule, and its entry knows one.
TEST(FlowLog, names_the_rule_of_an_untracked_flow_only_where_it_began) {
  Scene scene(Wiring::Replay);
  const RuleIndex in = scene.allow_in(0, kTcp, 80, 80, "0.0.0.0/0");
  const RuleIndex out = scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.allow_in(0, kUdp, 0, 65'535, "0.0.0.0/0");
  scene.publish();
  scene.send(Packet().ip(kClient, kWeb4).tcp(40'000, 80, kSyn).numbers(100, 0));
  scene.send(Packet().ip(kWeb4, kClient).tcp(80, 40'000, kSynAck).numbers(500, 101));
  scene.send(Packet().ip(kWeb4, kClient).udp(40'000, 53));
  scene.send(Packet().ip(kClient, kWeb4).udp(53, 40'000));
  for (const FlowView& flow : scene.flows()) ASSERT_FALSE(flow.tracked);
  scene.wait_s(60);
  const auto deltas = packets_only(scene.take_deltas());
  EXPECT_EQ(deltas.size(), 4u);
  for (const FlowDelta& delta : deltas) {
    const bool is_tcp = delta.tuple.proto == Proto::Tcp;
    const Direction began = is_tcp ? Direction::Ingress : Direction::Egress;
    const RuleIndex expected = delta.direction != began ? RuleIndex::none() : is_tcp ? in : out;
    EXPECT_EQ(delta.rule, expected) << (is_tcp ? "tcp " : "udp ") << name_of(delta.direction);
  }
}

TEST(FlowLog, tells_what_was_counted_before_logging_ended_in_its_own_window) {
  LogScene scene;
  scene.wait_s(20);
  const std::uint32_t counted_s = scene.now_s();
  ASSERT_EQ(counted_s % 60, 50u);
  scene.send(kQuestion);
  scene.interface(kWeb).logged = false;
  scene.publish();
  scene.jump_s(20);
  scene.send(kQuestion);
  scene.wait_s(60);
  const auto deltas = packets_only(scene.take_deltas());
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].packets, 1u);
  EXPECT_EQ(deltas[0].first_s, counted_s);
  EXPECT_EQ(deltas[0].last_s, counted_s);
}

TEST(FlowLog, tells_the_rest_of_a_flow_that_ends) {
  LogScene scene;
  scene.send(kQuestion);
  scene.wait_s(31);
  EXPECT_EQ(scene.flow_count(), 0u);
  EXPECT_EQ(packets_only(scene.take_deltas()).size(), 1u);
}

TEST(FlowLog, leaves_out_what_is_exempt_and_interfaces_without_a_log) {  // SG-60, FL-21
  LogScene scene;
  scene.policy.exempt = ExemptProfile::Aws;
  scene.interface(kApp).logged = false;
  scene.allow_in(1, kUdp, 53, 53, "198.51.100.0/24");
  scene.publish();
  const Outcome dns = scene.send(Packet().ip(kWeb4, "169.254.169.253").udp(5'000, 53));
  EXPECT_EQ(dns.egress.by, By::Exempt);
  EXPECT_TRUE(scene.send(Packet().ip(kClient, kApp4).udp(5'000, 53)).passed());
  scene.wait_s(60);
  EXPECT_TRUE(packets_only(scene.take_deltas()).empty());
  std::uint64_t not_logged = 0;
  for (const LogLaw& law : scene.log_law()) not_logged += law.not_logged;
  EXPECT_EQ(not_logged, 2u);
}

TEST(FlowLog, counts_what_a_full_ring_loses_and_the_sum_law_holds_all_the_way) {
  SceneOptions options;
  options.delta_ring = 4;
  LogScene scene(options);
  for (std::uint16_t port = 1; port <= 50; ++port) {
    scene.send(Packet().ip(kClient, kWeb4).udp(port, 53));
    scene.send(Packet().ip(kClient, kWeb4).udp(port, 54));
    for (const LogLaw& law : scene.log_law()) {
      ASSERT_EQ(law.judged, law.live + law.sent + law.lost + law.not_logged);
    }
  }
  scene.wait_s(100);  // flows end; nobody takes deltas
  std::uint64_t judged = 0, lost = 0, sent = 0;
  for (const LogLaw& law : scene.log_law()) {
    judged += law.judged;
    lost += law.lost;
    sent += law.sent;
  }
  EXPECT_EQ(judged, 100u);
  EXPECT_GE(lost, 40u);
  EXPECT_GT(scene.worker().counters().deltas_lost, 0u);
  EXPECT_GE(scene.take_deltas().size(), sent);
}

TEST(FlowLog, sends_before_a_flows_packet_counter_overflows) {
  LogScene scene(SceneOptions{.observe = false});
  const Bytes frame = kQuestion.build();
  const std::vector<Bytes> burst(64, frame);
  for (int i = 0; i < 1'030; ++i) scene.send_together(0, burst);
  const auto early = packets_only(scene.take_deltas());
  ASSERT_EQ(early.size(), 1u);
  EXPECT_EQ(early[0].packets, 65'535u);
  scene.wait_s(60);
  const auto rest = packets_only(scene.take_deltas());
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].packets, 1'030u * 64 - 65'535);
}

TEST(FlowLog, is_complete_when_the_worker_has_finished) {
  SceneOptions options;
  options.delta_ring = 16;
  LogScene scene(options);
  for (std::uint16_t port = 1; port <= 100; ++port) {
    scene.send(Packet().ip(kClient, kWeb4).udp(port, 53));
  }
  std::uint64_t packets = 0;
  bool is_done = false;
  std::vector<FlowDelta> last;
  while (!is_done) {
    is_done = scene.finish();
    last = scene.take_deltas();
    for (const FlowDelta& delta : packets_only(last)) packets += delta.packets;
  }
  EXPECT_EQ(packets, 100u) << "a full ring makes it wait, not lose";
  ASSERT_FALSE(last.empty());
  EXPECT_EQ(last.back().kind, FlowDelta::Kind::WindowClosed);
  EXPECT_GT(last.back().last_s, scene.now_s());
}

TEST(FlowLog, of_icmp_errors_counts_them_as_accepted_without_a_rule) {
  LogScene scene;
  scene.send(kQuestion);
  scene.send(Packet().ip("192.0.2.254", kWeb4).icmp(3, 4).quote(kAnswer, 28));
  scene.wait_s(60);
  bool found = false;
  for (const FlowDelta& delta : packets_only(scene.take_deltas())) {
    if (delta.tuple.proto != Proto::Icmp) continue;
    found = true;
    EXPECT_EQ(delta.action, Verdict::Accept);
    EXPECT_TRUE(delta.rule.is_none());
  }
  EXPECT_TRUE(found);
}

TEST(Watch, tells_nothing_until_asked) {
  LogScene scene;
  scene.send(kQuestion);
  scene.send(Packet().ip(kClient, kWeb4).udp(5'000, 54));
  EXPECT_TRUE(scene.take_watch().empty());
}

TEST(Watch, tells_flows_that_begin_and_end_and_drops) {
  LogScene scene;
  scene.watch(3);
  scene.send(kQuestion);
  scene.send(Packet().ip(kClient, kWeb4).udp(5'000, 54));
  scene.send(0, Packet().ether_type(0x0800).payload(3).build());
  scene.wait_s(31);
  const auto events = scene.take_watch();
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].kind, WatchEvent::Kind::FlowBegin);
  EXPECT_EQ(events[0].tuple.eni, kWeb);
  EXPECT_EQ(events[1].kind, WatchEvent::Kind::Drop);
  EXPECT_EQ(events[1].reason, DropReason::NoRule);
  EXPECT_TRUE(events[1].has_tuple);
  EXPECT_EQ(events[1].tuple.local_port, 54);
  EXPECT_EQ(events[2].reason, DropReason::MalformedTruncated);
  EXPECT_FALSE(events[2].has_tuple);
  EXPECT_EQ(events[3].kind, WatchEvent::Kind::FlowEnd);
}

TEST(Requests, list_flows_page_by_page_and_none_twice) {
  LogScene scene;
  for (std::uint16_t port = 1; port <= 25; ++port) {
    scene.send(Packet().ip(kClient, kWeb4).udp(port, 53));
  }
  std::map<std::uint16_t, int> seen;
  std::uint64_t cursor = 0;
  int pages = 0;
  do {
    ListFlowsRequest request(cursor, 10);
    while (!request.step(scene.worker().context())) {
    }
    for (const FlowView& flow : request.take_flows()) ++seen[flow.tuple.remote_port];
    cursor = request.next_cursor();
    ++pages;
  } while (cursor != 0 && pages < 100);
  EXPECT_EQ(seen.size(), 25u);
  for (const auto& [port, times] : seen) EXPECT_EQ(times, 1) << port;
  EXPECT_GE(pages, 3);
}

}  // namespace
}  // namespace sluice
