// Several workers: whichever a packet lands on, the owner of its conversation judges it, and the
// answer is what one worker alone would give.

#include "dataplane/worker_context.h"
#include "tests/scenario/harness.h"

namespace sluice {
namespace {

void allow_some(Scene& scene) {
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.allow_in(0, kIcmp, 8, -1, "198.51.100.0/24");
  scene.allow_out_to(0, kTcp, 5432, 2);
  scene.allow_in_from(2, kTcp, 5432, 0);
  scene.publish();
}

// Conversations of many kinds, in an order that makes sense.
std::vector<Bytes> traffic() {
  std::vector<Bytes> frames;
  for (std::uint16_t n = 0; n < 40; ++n) {
    const auto port = static_cast<std::uint16_t>(20'000 + n * 7);
    const auto add = [&](const Packet& packet) { frames.push_back(packet.build()); };
    add(Packet().ip(kClient, kWeb4).tcp(port, 443, kSyn).numbers(1, 0));
    add(Packet().ip(kWeb4, kClient).tcp(443, port, kSynAck).numbers(9, 2));
    add(Packet().ip(kClient, kWeb4).tcp(port, 443, kAck).numbers(2, 10));
    add(Packet()
            .ip("192.0.2.254", kWeb4)
            .icmp(3, 4)
            .quote(Packet().ip(kWeb4, kClient).tcp(443, port, kAck), 28));
    add(Packet().ip(kClient, kWeb4).tcp(port, 444, kSyn));
    add(Packet().ip(kWeb4, kDb4).tcp(port, 5432, kSyn).numbers(1, 0));
    add(Packet().ip(kDb4, kWeb4).tcp(5432, port, kSynAck).numbers(9, 2));
    add(Packet().ip(kClient, kWeb4).icmp(8, 0, port));
    add(Packet().ip(kWeb4, kClient).icmp(0, 0, port));
    add(Packet().ip(kWeb4, kClient).icmp(0, 0, static_cast<std::uint16_t>(port + 1)));
    const Packet whole = Packet().ip(kClient, kWeb4).udp(port, 53).payload(120).id(n);
    add(Packet(whole).fragment(64, 64, false));
    add(Packet(whole).fragment(0, 64, true));
    add(Packet().ip(kWeb4, kClient).udp(53, port));
    const Packet refused = Packet().ip(kClient, kWeb4).udp(port, 54).payload(120).id(1'000u + n);
    add(Packet(refused).fragment(0, 64, true));
    add(Packet(refused).fragment(64, 64, false));
    add(Packet().ip("192.0.2.1", "203.0.113.1").udp(port, 1));
    const Packet error =
        Packet()
            .ip("192.0.2.254", kWeb4)
            .icmp(3, 4)
            .quote(Packet().ip(kWeb4, kClient).tcp(443, port, kAck).payload(80), 96)
            .id(2'000u + n);
    add(Packet(error).fragment(0, 56, true));
    add(Packet(error).fragment(56, 48, false));
    const Packet late_first = Packet(error).id(3'000u + n);
    add(Packet(late_first).fragment(56, 48, false));
    add(Packet(late_first).fragment(0, 56, true));
  }
  return frames;
}

TEST(Workers, give_the_verdicts_that_one_alone_would_give) {
  const std::vector<Bytes> frames = traffic();
  Scene one(Wiring::Replay);
  allow_some(one);
  for (const Bytes& frame : frames) one.send(0, frame);
  for (std::uint32_t count : {2u, 3u}) {
    SceneOptions options;
    options.workers = count;
    Scene many(options);
    allow_some(many);
    std::uint32_t next = 0;
    for (const Bytes& frame : frames) many.send(0, frame, next++ % count);
    for (std::uint64_t number = 1; number <= frames.size(); ++number) {
      const Outcome &expected = one.outcome(number), &actual = many.outcome(number);
      EXPECT_EQ(actual.is_finished, expected.is_finished) << number;
      EXPECT_EQ(actual.verdict, expected.verdict) << number;
      EXPECT_EQ(actual.reason, expected.reason) << number;
      EXPECT_EQ(actual.ingress.by, expected.ingress.by) << number;
      EXPECT_EQ(actual.egress.by, expected.egress.by) << number;
    }
    EXPECT_EQ(many.flow_count(), one.flow_count());
    std::uint64_t handed_over = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      handed_over += many.worker(i).counters().handed_over;
      EXPECT_GT(many.worker(i).counters().flows, 0u) << "worker " << i << " owns nothing";
    }
    EXPECT_GT(handed_over, 100u);
  }
}

TEST(Workers, count_a_packet_that_finds_the_owners_inbox_full) {
  SceneOptions options;
  options.workers = 2;
  Scene scene(options);
  allow_some(scene);
  // Worker 0 alone takes turns: what belongs to worker 1 piles up in its inbox of 256.
  for (int n = 0; n < 1'000; ++n) {
    const auto port = static_cast<std::uint16_t>(10'000 + n);
    scene.io(0).push(NicIndex(0), Packet().ip(kClient, kWeb4).udp(port, 53).build());
  }
  for (int i = 0; i < 20; ++i) scene.worker(0).turn(scene.now_s() * kNanosPerSecond);
  EXPECT_GT(scene.drops(DropReason::HandoffFull), 100u);
  EXPECT_EQ(scene.worker(1).counters().held, 256u);
  scene.turn(20);
  EXPECT_EQ(scene.worker(1).counters().held, 0u);
}

TEST(Workers, share_what_one_learned_of_the_gateway) {
  SceneOptions options;
  options.wiring = Wiring::Routed;
  options.workers = 2;
  Scene scene(options);
  scene.send(3, arp(2, kGatewayMac, "192.0.2.1", "192.0.2.2"), 1);
  EXPECT_EQ(scene.worker(0).neighbor(NicIndex(3), Family::Ipv4).to_string(), kGatewayMac);
  EXPECT_EQ(scene.worker(1).neighbor(NicIndex(3), Family::Ipv4).to_string(), kGatewayMac);
}

TEST(Workers, drop_what_was_handed_over_when_they_stop) {
  SceneOptions options;
  options.workers = 2;
  Scene scene(options);
  allow_some(scene);
  for (int n = 0; n < 64; ++n) {
    const auto port = static_cast<std::uint16_t>(10'000 + n);
    scene.io(0).push(NicIndex(0), Packet().ip(kClient, kWeb4).udp(port, 53).build());
  }
  scene.worker(0).turn(scene.now_s() * kNanosPerSecond);
  const std::uint64_t waiting = scene.worker(1).counters().held;
  ASSERT_GT(waiting, 0u);
  EXPECT_TRUE(scene.finish());
  EXPECT_EQ(scene.drops(DropReason::Stopped), waiting);
  EXPECT_EQ(scene.io(0).outstanding(), 0u);
}

// The table that knows the train may be of another worker than the connection, which alone knows
// that the first fragment does not fit.
TEST(Workers, drop_the_fragments_of_a_first_one_that_its_owner_drops) {  // CT-22
  SceneOptions options;
  options.workers = 2;
  Scene scene(options);
  scene.policy.tracking.mode = TcpMode::Strict;
  allow_some(scene);
  scene.connect_many(8);
  const auto segment = [](std::uint16_t port, std::uint32_t sequence, std::uint32_t id) {
    return Packet()
        .ip(kClient, kWeb4)
        .tcp(port, 443, kAck)
        .numbers(sequence, 501)
        .payload(120)
        .id(id);
  };
  for (std::uint32_t id = 1; id <= 64; ++id) {
    const auto port = static_cast<std::uint16_t>(10'000 + id % 8);
    const Packet far = segment(port, 101 + 50'000'000, id);
    const Packet near = segment(port, 101, 1'000 + id);
    EXPECT_EQ(scene.send(Packet(far).fragment(0, 80, true)).reason, DropReason::OutOfWindow);
    EXPECT_EQ(scene.send(Packet(far).fragment(80, 60, false)).reason, DropReason::FragmentRefused)
        << id;
    EXPECT_TRUE(scene.send(Packet(near).fragment(0, 80, true)).passed());
    EXPECT_TRUE(scene.send(Packet(near).fragment(80, 60, false)).passed()) << id;
  }
}

// Both fragments lie in the inbox when the owner comes by.
TEST(Workers, judge_a_first_fragment_before_those_that_follow_it) {
  SceneOptions options;
  options.workers = 2;
  Scene scene(options);
  scene.policy.tracking.mode = TcpMode::Strict;
  allow_some(scene);
  scene.connect_many(8);
  std::vector<Bytes> frames;
  for (std::uint32_t id = 1; id <= 16; ++id) {
    const auto port = static_cast<std::uint16_t>(10'000 + id % 8);
    const std::uint32_t sequence = id % 2 == 0 ? 101 : 101 + 50'000'000;
    const Packet whole =
        Packet().ip(kClient, kWeb4).tcp(port, 443, kAck).numbers(sequence, 501).payload(120).id(id);
    frames.push_back(Packet(whole).fragment(0, 80, true).build());
    frames.push_back(Packet(whole).fragment(80, 60, false).build());
  }
  // Worker 0 takes all turns that it needs before the other one has any.
  for (const Bytes& frame : frames) {
    scene.io(0).push(NicIndex(0), frame);
    scene.worker(0).turn(scene.now_s() * kNanosPerSecond);
  }
  scene.turn(8);
  EXPECT_EQ(scene.drops(DropReason::OutOfWindow), 8u);
  EXPECT_EQ(scene.drops(DropReason::FragmentRefused), 8u);
}

TEST(Workers, drop_what_was_handed_over_to_one_that_had_stopped) {
  SceneOptions options;
  options.workers = 2;
  Scene scene(options);
  allow_some(scene);
  EXPECT_TRUE(scene.worker(1).finish(scene.now_s() * kNanosPerSecond));
  for (int n = 0; n < 64; ++n) {
    const auto port = static_cast<std::uint16_t>(10'000 + n);
    scene.io(0).push(NicIndex(0), Packet().ip(kClient, kWeb4).udp(port, 53).build());
  }
  scene.worker(0).turn(scene.now_s() * kNanosPerSecond);
  EXPECT_TRUE(scene.finish());
  const std::uint64_t waiting = scene.worker(1).counters().held;
  ASSERT_GT(waiting, 0u);
  for (std::uint32_t i = 0; i < 2; ++i) scene.worker(i).drop_handed_over();
  EXPECT_EQ(scene.worker(1).counters().held, 0u);
  EXPECT_EQ(scene.drops(DropReason::Stopped), waiting);
  EXPECT_EQ(scene.io(0).outstanding(), 0u);
}

TEST(Workers, count_what_no_device_took_in_the_end_as_stopped) {
  SceneOptions options;
  options.wiring = Wiring::Bump;
  options.forward_unknown = true;
  options.source_check = false;
  Scene scene(options);
  scene.send(0, Packet().ip("192.0.2.1", "203.0.113.1").udp(7, 1));
  ASSERT_EQ(scene.nic(1).tx_packets, 1u);
  const std::uint64_t bytes = scene.worker().nic_counters(NicIndex(1)).tx_bytes;
  scene.worker().count_unsent(NicIndex(0), NicIndex(1), static_cast<std::uint32_t>(bytes));
  EXPECT_EQ(scene.nic(1).tx_packets, 0u);
  EXPECT_EQ(scene.worker().nic_counters(NicIndex(1)).tx_bytes, 0u);
  EXPECT_EQ(scene.nic(0).drops[static_cast<std::size_t>(DropReason::Stopped)], 1u);
}

TEST(Workers, measure_every_stage_while_somebody_asks) {
  Scene scene(Wiring::Bump);
  scene.allow_in(0, kUdp, 53, 53, "0.0.0.0/0");
  scene.publish();
  const Packet query = Packet().ip(kClient, kWeb4).udp(4'000, 53);
  EXPECT_TRUE(scene.send(1, query).passed());
  EXPECT_EQ(scene.worker().stage_times().packets, 0u);

  scene.watch(4);
  // Those with a tag go the whole way, the others the short one.
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(scene.send(1, query).passed());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(scene.send(1, Packet(query).vlan(7)).passed());
  const StageTimes times = scene.worker().stage_times();
  EXPECT_EQ(times.packets, 10u);
  EXPECT_EQ(times.bursts, 10u);
  EXPECT_GT(times.idle_polls, 0u) << "of the other port";
  for (std::size_t i = 0; i < kStageCount; ++i) {
    const auto stage = static_cast<StageName>(i);
    // Entered only where some flow is looked at.
    EXPECT_EQ(times.cycles[i] > 0, stage != StageName::Identify) << name_of(stage);
  }

  scene.watch(0);
  EXPECT_TRUE(scene.send(1, query).passed());
  EXPECT_EQ(scene.worker().stage_times().packets, 10u);
}

TEST(Workers, answer_mail_between_bursts) {
  Scene scene(Wiring::Replay);
  allow_some(scene);
  scene.send(Packet().ip(kClient, kWeb4).udp(5'000, 53));
  ListFlowsRequest request(0, 10);
  scene.mail(&request);
  scene.turn(2);
  EXPECT_EQ(request.take_flows().size(), 1u);
}

TEST(Workers, list_flows_in_short_steps_and_rest_only_when_done) {
  Scene scene(Wiring::Replay);
  allow_some(scene);
  for (std::uint16_t n = 0; n < 2'000; ++n) {
    scene.send(Packet().ip(kClient, kWeb4).udp(static_cast<std::uint16_t>(10'000 + n), 53));
  }
  ListFlowsRequest request(0, 4'096);
  scene.mail(&request);
  std::size_t turns = 1;
  while (scene.worker().turn(scene.now_s() * kNanosPerSecond) != 0) ++turns;
  EXPECT_GE(turns, 2'000u / 256);
  EXPECT_EQ(request.next_cursor(), 0u);
  EXPECT_EQ(request.take_flows().size(), 2'000u);
}

TEST(Workers, answer_the_sum_law_in_short_steps_with_packets_in_between) {
  constexpr std::uint32_t kInterfaces = 1'000;
  Scene scene(SceneOptions{.interface_capacity = kInterfaces});
  allow_some(scene);
  // The last interface has a row, so that the law looks at all of them.
  scene.worker().context().counters.interface(EniIndex(kInterfaces - 1)).judged[0].add(1);
  scene.worker().context().counters.interface(EniIndex(kInterfaces - 1)).not_logged[0].add(1);
  LogLawRequest request(scene.worker().interface_end());
  std::size_t steps = 1;
  std::uint16_t port = 10'000;
  while (!request.step(scene.worker().context())) {
    ++steps;
    scene.send(Packet().ip(kClient, kWeb4).udp(++port, 53));
    scene.send(Packet().ip(kClient, kWeb4).udp(port, 54));
  }
  EXPECT_EQ(steps, (kInterfaces + 255) / 256);
  ASSERT_EQ(request.rows().size(), 1u);
  EXPECT_EQ(request.rows()[0].eni, EniIndex(kInterfaces - 1));
  LogLawRequest later(scene.worker().interface_end());
  while (!later.step(scene.worker().context())) {
  }
  ASSERT_EQ(later.rows().size(), 2u);
  EXPECT_EQ(later.rows()[0].eni, kWeb);
  EXPECT_EQ(later.rows()[0].live, 2u * (steps - 1));
}

}  // namespace
}  // namespace sluice
