// Fragments through the whole pipeline (CT-22), and ICMP errors (CT-24, CT-25).

#include "tests/scenario/harness.h"

namespace sluice {
namespace {

struct FragmentScene : Scene {
  FragmentScene() : Scene(Wiring::Replay) {
    allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
    allow_in(0, kUdp, 53, 53, "2001:db8::/32");
    publish();
  }
};

Packet datagram(std::uint16_t port, std::uint32_t id) {
  return Packet().ip(kClient, kWeb4).udp(5'000, port).payload(192).id(id);
}
Packet first_of(const Packet& whole) { return Packet(whole).fragment(0, 80, true); }
Packet middle_of(const Packet& whole) { return Packet(whole).fragment(80, 80, true); }
Packet last_of(const Packet& whole) { return Packet(whole).fragment(160, 80, false); }

TEST(Fragments, follow_the_verdict_of_the_first) {  // CT-22
  FragmentScene scene;
  const Packet allowed = datagram(53, 1), refused = datagram(54, 2);
  const Outcome first = scene.send(first_of(allowed));
  EXPECT_EQ(first.ingress.by, By::Rule);
  const Outcome middle = scene.send(middle_of(allowed));
  EXPECT_TRUE(middle.passed());
  EXPECT_EQ(middle.ingress.by, By::Flow);
  EXPECT_TRUE(scene.send(last_of(allowed)).passed());
  EXPECT_EQ(scene.send(first_of(refused)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(middle_of(refused)).reason, DropReason::FragmentRefused);
  EXPECT_EQ(scene.send(last_of(refused)).reason, DropReason::FragmentRefused);
  EXPECT_EQ(scene.flow_count(), 1u);
}

TEST(Fragments, follow_the_verdict_of_the_network_acl_on_their_first) {  // NA-21
  FragmentScene scene;
  scene.allow_in(0, kUdp, 54, 54, "198.51.100.0/24");
  scene.add_acl(0).ingress.push_back(Scene::acl_entry(100, true, kUdp, 53, 53, "0.0.0.0/0"));
  scene.publish();
  const Packet allowed = datagram(53, 1), refused = datagram(54, 2);
  EXPECT_TRUE(scene.send(first_of(allowed)).passed());
  EXPECT_TRUE(scene.send(middle_of(allowed)).passed()) << "though it has no port";
  EXPECT_TRUE(scene.send(last_of(allowed)).passed());
  EXPECT_EQ(scene.send(first_of(refused)).reason, DropReason::AclDeny);
  EXPECT_EQ(scene.send(middle_of(refused)).reason, DropReason::FragmentRefused);
  EXPECT_EQ(scene.send(last_of(refused)).reason, DropReason::FragmentRefused);
}

// It is held for its first one; no entry is ever asked about it alone.
TEST(Fragments, without_a_first_pass_no_acl_though_an_entry_without_ports_allows_all) {  // NA-21
  FragmentScene scene;
  scene.add_acl(0).ingress.push_back(Scene::acl_entry(100, true, kAll, 0, 0, "0.0.0.0/0"));
  scene.publish();
  EXPECT_FALSE(scene.send(last_of(datagram(53, 1))).is_finished);
  scene.wait_s(31);
  EXPECT_EQ(scene.outcome(1).reason, DropReason::FragmentTimeout);
}

// How much came with it nobody knows: the answer tells.
TEST(Fragments, of_a_syn_with_data_begin_a_connection_that_is_answered) {  // CT-22
  Scene scene(Wiring::Replay);
  scene.policy.tracking.mode = TcpMode::Strict;
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.publish();
  const Packet to_web = Packet().ip(kClient, kWeb4), from_web = Packet().ip(kWeb4, kClient);
  const Packet syn = Packet(to_web).tcp(5'000, 443, kSyn).numbers(100, 0).payload(200).id(1);
  EXPECT_TRUE(scene.send(Packet(syn).fragment(0, 120, true)).passed());
  EXPECT_TRUE(scene.send(Packet(syn).fragment(120, 100, false)).passed());
  EXPECT_TRUE(scene.send(Packet(from_web).tcp(443, 5'000, kSynAck).numbers(900, 301)).passed());
  EXPECT_TRUE(scene.send(Packet(to_web).tcp(5'000, 443, kAck).numbers(301, 901)).passed());
  EXPECT_EQ(scene.flows()[0].phase, FlowPhase::Established);
  EXPECT_TRUE(scene.send(Packet(from_web).tcp(443, 5'000, kFinAck).numbers(901, 301)).passed());
}

// FL-12: in pieces no less than as a whole.
TEST(Fragments, of_data_behind_the_end_of_its_connection_are_late) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.publish();
  const auto to_web = [](std::uint8_t flags, std::uint32_t sequence, std::uint32_t ack) {
    return Packet().ip(kClient, kWeb4).tcp(5'000, 443, flags).numbers(sequence, ack);
  };
  const auto from_web = [](std::uint8_t flags, std::uint32_t sequence, std::uint32_t ack) {
    return Packet().ip(kWeb4, kClient).tcp(443, 5'000, flags).numbers(sequence, ack);
  };
  for (const Packet& packet :
       {to_web(kSyn, 100, 0), from_web(kSynAck, 900, 101), to_web(kAck, 101, 901),
        to_web(kFinAck, 101, 901), from_web(kFinAck, 901, 102), to_web(kAck, 102, 902)}) {
    EXPECT_TRUE(scene.send(packet).passed());
  }
  const Packet late = to_web(kAck, 102, 902).payload(100).id(7);
  EXPECT_EQ(scene.send(late).reason, DropReason::Closed);
  EXPECT_EQ(scene.send(Packet(late).fragment(0, 80, true)).reason, DropReason::Closed);
  EXPECT_EQ(scene.send(Packet(late).fragment(80, 40, false)).reason, DropReason::FragmentRefused);
}

TEST(Fragments, before_their_first_are_held_and_then_judged) {  // CT-22
  FragmentScene scene;
  const Packet whole = datagram(53, 1);
  EXPECT_FALSE(scene.send(last_of(whole)).is_finished);
  EXPECT_FALSE(scene.send(middle_of(whole)).is_finished);
  EXPECT_EQ(scene.worker().counters().held, 2u);
  EXPECT_TRUE(scene.send(first_of(whole)).passed());
  EXPECT_EQ(scene.outcome(1).verdict, Verdict::Accept);
  EXPECT_EQ(scene.outcome(2).verdict, Verdict::Accept);
  EXPECT_EQ(scene.take_sent().size(), 2u);
  EXPECT_EQ(scene.worker().counters().held, 0u);
}

TEST(Fragments, held_for_a_refused_first_are_refused) {
  FragmentScene scene;
  const Packet whole = datagram(54, 1);
  EXPECT_FALSE(scene.send(last_of(whole)).is_finished);
  EXPECT_EQ(scene.send(first_of(whole)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.outcome(1).reason, DropReason::FragmentRefused);
}

// The refused first one and those behind it are one flow of the log (FL-12).
void expect_one_refusal(Scene& scene, EniIndex eni, Direction direction, std::uint64_t packets) {
  const InterfaceCounters counters = scene.counters(eni);
  EXPECT_EQ(counters.dropped_packets[static_cast<std::size_t>(direction)], packets);
  const auto refused = counters.drops[static_cast<std::size_t>(DropReason::FragmentRefused)];
  EXPECT_EQ(refused, packets - 1);
  scene.wait_s(60);
  std::uint64_t logged = 0;
  for (const FlowDelta& delta : scene.take_deltas()) {
    if (delta.kind != FlowDelta::Kind::Packets) continue;
    EXPECT_EQ(delta.action, Verdict::Drop);
    EXPECT_EQ(delta.tuple.eni, eni);
    EXPECT_EQ(delta.direction, direction);
    logged += delta.packets;
  }
  EXPECT_EQ(logged, packets);
}

TEST(Fragments, of_a_refused_first_are_counted_and_logged_at_its_interface) {
  FragmentScene scene;
  scene.watch(3);
  const Packet whole = datagram(54, 1);
  scene.send(first_of(whole));
  for (const Packet& later : {middle_of(whole), last_of(whole)}) {
    const Outcome outcome = scene.send(later);
    EXPECT_EQ(outcome.verdict, Verdict::Drop);
    EXPECT_EQ(outcome.ingress.verdict, Verdict::Drop);
    EXPECT_EQ(outcome.ingress.eni, kWeb);
    EXPECT_EQ(outcome.ingress.reason, DropReason::FragmentRefused);
    EXPECT_EQ(outcome.ingress.by, By::None);
    EXPECT_TRUE(outcome.sent.empty());
  }
  for (const WatchEvent& event : scene.take_watch()) {
    EXPECT_EQ(event.tuple.eni, kWeb);
    EXPECT_EQ(event.tuple.local_port, 54) << "lent by the first";
  }
  expect_one_refusal(scene, kWeb, Direction::Ingress, 3);
}

TEST(Fragments, of_a_refused_first_are_refused_at_the_end_next_to_the_sender) {
  Scene scene(Wiring::Routed);
  scene.allow_in(2, kUdp, 53, 53, "0.0.0.0/0");
  scene.publish();
  const Packet whole =
      Packet().mac(kWebMac, "02:ee:00:00:00:00").ip(kWeb4, kDb4).udp(5'000, 53).payload(192).id(7);
  EXPECT_EQ(scene.send(0, first_of(whole)).reason, DropReason::NoRule);
  const Outcome outcome = scene.send(0, last_of(whole));
  EXPECT_EQ(outcome.egress.reason, DropReason::FragmentRefused);
  EXPECT_EQ(outcome.ingress.verdict, Verdict::None);
  EXPECT_EQ(scene.counters(kDb).dropped_packets[0], 0u);
  expect_one_refusal(scene, kWeb, Direction::Egress, 2);
}

TEST(Fragments, held_for_a_refused_first_are_counted_and_logged_at_its_interface) {
  FragmentScene scene;
  const Packet whole = datagram(54, 1);
  EXPECT_FALSE(scene.send(last_of(whole)).is_finished);
  EXPECT_FALSE(scene.send(middle_of(whole)).is_finished);
  scene.send(first_of(whole));
  for (std::uint64_t number : {1u, 2u}) {
    EXPECT_EQ(scene.outcome(number).ingress.verdict, Verdict::Drop);
    EXPECT_EQ(scene.outcome(number).ingress.reason, DropReason::FragmentRefused);
  }
  expect_one_refusal(scene, kWeb, Direction::Ingress, 3);
}

TEST(Fragments, held_for_refused_firsts_are_refused_though_the_run_ends) {
  FragmentScene scene;
  constexpr std::uint32_t kTrains = 3, kHeld = 32;
  const auto piece = [](std::uint32_t train, std::size_t number) {
    return datagram(54, train).payload(8 * kHeld + 8).fragment(8 * number, 8, true).build();
  };
  for (std::uint32_t train = 1; train <= kTrains; ++train) {
    for (std::size_t number = 1; number <= kHeld; ++number) scene.send(0, piece(train, number));
  }
  ASSERT_EQ(scene.worker().counters().held, kTrains * kHeld);
  for (std::uint32_t train = 1; train <= kTrains; ++train) {
    scene.io().push(NicIndex(0), piece(train, 0), scene.last_number() + train);
  }
  scene.turn();
  ASSERT_GT(scene.worker().counters().held, 0u) << "more are ready than a burst takes";
  EXPECT_TRUE(scene.finish());
  EXPECT_EQ(scene.drops(DropReason::FragmentRefused), kTrains * kHeld);
  EXPECT_EQ(scene.io().outstanding(), 0u);
}

TEST(Fragments, of_refused_firsts_are_logged_whichever_worker_knows_them) {
  SceneOptions options;
  options.workers = 3;
  Scene scene(options);
  constexpr std::uint16_t kDatagrams = 40;
  for (std::uint16_t i = 0; i < kDatagrams; ++i) {
    const Packet whole =
        datagram(static_cast<std::uint16_t>(1'000 + i), static_cast<std::uint32_t>(i) + 1);
    const std::uint32_t worker = i % 3u;
    scene.send(0, last_of(whole).build(), worker);
    scene.send(0, first_of(whole).build(), worker);
    scene.send(0, middle_of(whole).build(), worker);
  }
  EXPECT_EQ(scene.counters(kWeb).dropped_packets[0], 3u * kDatagrams);
  EXPECT_EQ(scene.drops(DropReason::FragmentRefused), 2u * kDatagrams);
  scene.wait_s(60);
  std::uint64_t logged = 0;
  for (const FlowDelta& delta : scene.take_deltas()) logged += delta.packets;
  EXPECT_EQ(logged, 3u * kDatagrams);
}

TEST(Fragments, of_a_refused_first_pass_nowhere_on_a_bump_that_forwards_strangers) {
  SceneOptions options;
  options.wiring = Wiring::Bump;
  options.forward_unknown = true;
  Scene scene(options);
  const Packet whole = datagram(54, 1);
  EXPECT_EQ(scene.send(1, first_of(whole)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(1, last_of(whole)).ingress.reason, DropReason::FragmentRefused);
  expect_one_refusal(scene, kWeb, Direction::Ingress, 2);
}

TEST(Fragments, whose_first_never_comes_are_dropped_after_thirty_seconds) {  // CT-22
  FragmentScene scene;
  EXPECT_FALSE(scene.send(last_of(datagram(53, 1))).is_finished);
  scene.wait_s(29);
  EXPECT_FALSE(scene.outcome(1).is_finished);
  scene.wait_s(2);
  EXPECT_EQ(scene.outcome(1).reason, DropReason::FragmentTimeout);
}

TEST(Fragments, held_at_the_end_of_a_run_are_dropped) {
  FragmentScene scene;
  EXPECT_FALSE(scene.send(last_of(datagram(53, 1))).is_finished);
  EXPECT_TRUE(scene.finish());
  EXPECT_EQ(scene.outcome(1).reason, DropReason::FragmentTimeout);
  EXPECT_EQ(scene.io().outstanding(), 0u);
}

TEST(Fragments, in_one_burst_are_judged_as_one_by_one) {
  FragmentScene scene;
  const Packet whole = datagram(53, 1);
  scene.send_together(0,
                      {first_of(whole).build(), middle_of(whole).build(), last_of(whole).build()});
  for (std::uint64_t number : {1u, 2u, 3u}) {
    EXPECT_EQ(scene.outcome(number).verdict, Verdict::Accept) << number;
  }
}

TEST(Fragments, that_overlap_end_their_train) {  // CT-22
  FragmentScene scene;
  const Packet whole = datagram(53, 1);
  EXPECT_TRUE(scene.send(first_of(whole)).passed());
  EXPECT_EQ(scene.send(Packet(whole).fragment(72, 80, true)).reason, DropReason::FragmentOverlap);
  EXPECT_EQ(scene.send(last_of(whole)).verdict, Verdict::Drop);
}

TEST(Fragments, that_are_exact_duplicates_are_dropped_alone) {
  FragmentScene scene;
  const Packet whole = datagram(53, 1);
  EXPECT_TRUE(scene.send(first_of(whole)).passed());
  EXPECT_TRUE(scene.send(middle_of(whole)).passed());
  EXPECT_EQ(scene.send(middle_of(whole)).reason, DropReason::FragmentDuplicate);
  EXPECT_TRUE(scene.send(last_of(whole)).passed());
}

TEST(Fragments, of_a_tiny_first_are_refused) {  // CT-22
  FragmentScene scene;
  const Packet segment = Packet().ip(kClient, kWeb4).tcp(5'000, 443, kSyn).payload(96).id(3);
  EXPECT_FALSE(scene.send(Packet(segment).fragment(16, 80, true)).is_finished);
  EXPECT_EQ(scene.send(Packet(segment).fragment(0, 16, true)).reason, DropReason::FragmentTiny);
  EXPECT_EQ(scene.outcome(1).reason, DropReason::FragmentTiny) << "the whole train";
}

TEST(Fragments, are_refused_with_their_first_though_its_connection_lives) {
  Scene scene(Wiring::Replay);
  scene.policy.tracking.mode = TcpMode::Strict;
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.publish();
  const auto to_web = [](std::uint8_t flags, std::uint32_t sequence, std::uint32_t acknowledged) {
    return Packet().ip(kClient, kWeb4).tcp(40'000, 443, flags).numbers(sequence, acknowledged);
  };
  scene.send(to_web(kSyn, 100, 0));
  scene.send(Packet().ip(kWeb4, kClient).tcp(443, 40'000, kSynAck).numbers(500, 101));
  scene.send(to_web(kAck, 101, 501));
  const Packet far = to_web(kAck, 101 + 50'000'000, 501).payload(120).id(9);
  EXPECT_EQ(scene.send(Packet(far).fragment(0, 80, true)).reason, DropReason::OutOfWindow);
  EXPECT_EQ(scene.send(Packet(far).fragment(80, 80, false)).reason, DropReason::FragmentRefused);
}

TEST(Fragments, pass_with_an_untracked_first_that_found_no_room_in_the_table) {
  SceneOptions options;
  options.flow_capacity = kFlowCapacityMin;
  Scene scene(options);
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.allow_in(0, kUdp, 53, 53, "0.0.0.0/0");
  scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.publish();
  scene.connect_many(1'200);
  const std::size_t flows = scene.flow_count();
  const Packet whole = datagram(53, 1);
  EXPECT_TRUE(scene.send(first_of(whole)).passed());
  ASSERT_EQ(scene.flow_count(), flows);
  for (const FlowView& flow : scene.flows()) ASSERT_TRUE(flow.tracked) << "no room for an entry";
  EXPECT_TRUE(scene.send(middle_of(whole)).passed());
  EXPECT_TRUE(scene.send(last_of(whole)).passed());
}

TEST(Fragments, of_a_segment_may_be_acknowledged_whole) {
  Scene scene(Wiring::Replay);
  scene.policy.tracking.mode = TcpMode::Strict;
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.publish();
  const Packet to_web = Packet().ip(kClient, kWeb4).tcp(40'000, 443, kAck).numbers(101, 501);
  const Packet from_web = Packet().ip(kWeb4, kClient).tcp(443, 40'000, kAck).numbers(501, 101);
  scene.send(Packet(to_web).tcp(40'000, 443, kSyn).numbers(100, 0));
  scene.send(Packet(from_web).tcp(443, 40'000, kSynAck).numbers(500, 101));
  scene.send(to_web);
  const Packet whole = Packet(to_web).payload(1'200).id(9);
  EXPECT_TRUE(scene.send(Packet(whole).fragment(0, 80, true)).passed());
  EXPECT_TRUE(scene.send(Packet(whole).fragment(80, 1'140, false)).passed());
  EXPECT_TRUE(scene.send(Packet(from_web).numbers(501, 1'301)).passed());
  EXPECT_TRUE(scene.send(Packet(to_web).numbers(1'301, 501).payload(10)).passed());
  EXPECT_TRUE(scene.send(Packet(from_web).tcp(443, 40'000, kRst).numbers(501, 0)).passed());
  EXPECT_EQ(scene.flows()[0].phase, FlowPhase::Closed);
}

TEST(Fragments, are_refused_when_a_reset_closes_their_connection) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.publish();
  const Packet to_web = Packet().ip(kClient, kWeb4).tcp(40'000, 443, kAck).numbers(101, 501);
  scene.send(Packet(to_web).tcp(40'000, 443, kSyn).numbers(100, 0));
  scene.send(Packet().ip(kWeb4, kClient).tcp(443, 40'000, kSynAck).numbers(500, 101));
  scene.send(to_web);
  const Packet whole = Packet(to_web).payload(120).id(9);
  EXPECT_TRUE(scene.send(Packet(whole).fragment(0, 80, true)).passed());
  scene.send(Packet().ip(kWeb4, kClient).tcp(443, 40'000, kRst).numbers(501, 0));
  ASSERT_EQ(scene.flows()[0].phase, FlowPhase::Closed);
  EXPECT_EQ(scene.send(Packet(whole).fragment(80, 60, false)).reason, DropReason::FragmentRefused);
}

TEST(Fragments, of_ipv6_behave_alike) {
  FragmentScene scene;
  const Packet whole = Packet().ip(kClient6, kWeb6).udp(5'000, 53).payload(192).id(0xabcdef01);
  EXPECT_FALSE(scene.send(last_of(whole)).is_finished);
  EXPECT_TRUE(scene.send(first_of(whole)).passed());
  EXPECT_EQ(scene.outcome(1).verdict, Verdict::Accept);
  EXPECT_EQ(scene.take_sent().size(), 1u);
}

TEST(Fragments, of_two_devices_never_mix) {
  Scene scene(Wiring::Bump);
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.publish();
  const Packet whole = datagram(53, 1);
  EXPECT_TRUE(scene.send(1, first_of(whole)).passed());
  EXPECT_FALSE(scene.send(0, last_of(whole)).is_finished);
  EXPECT_TRUE(scene.send(1, last_of(whole)).passed());
}

// A connection to web:443 from the client, and errors about web's answers.
struct ErrorScene : Scene {
  explicit ErrorScene(IcmpErrorMode mode = IcmpErrorMode::Related) : Scene(Wiring::Replay) {
    policy.tracking.icmp_errors = mode;
    allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
    publish();
    EXPECT_TRUE(send(Packet().ip(kClient, kWeb4).tcp(40'000, 443, kSyn)).passed());
    EXPECT_TRUE(send(reply).passed());
  }
  const Packet reply = Packet().ip(kWeb4, kClient).tcp(443, 40'000, kSynAck);
  static Packet error(std::uint8_t type, std::uint8_t code) {
    return Packet().ip("192.0.2.254", kWeb4).icmp(type, code);
  }
};

TEST(IcmpErrors, about_a_live_flow_pass_from_any_router) {  // CT-25
  ErrorScene scene;
  for (std::uint8_t type : {3, 4, 11, 12}) {
    const Outcome outcome = scene.send(ErrorScene::error(type, 0).quote(scene.reply, 28));
    EXPECT_TRUE(outcome.passed()) << int{type};
    EXPECT_EQ(outcome.ingress.by, By::Related);
  }
  EXPECT_EQ(scene.flow_count(), 1u) << "they make no flow";
}

TEST(IcmpErrors, that_come_in_fragments_pass_whole_or_not_at_all) {  // CT-22, CT-25
  for (const IcmpErrorMode mode : {IcmpErrorMode::Related, IcmpErrorMode::Documented}) {
    ErrorScene scene(mode);
    const Packet quoted = Packet(scene.reply).payload(200);
    const Packet error = ErrorScene::error(3, 4).quote(quoted, 208).id(7);
    const Outcome first = scene.send(first_of(error));
    const Outcome middle = scene.send(middle_of(error));
    const Outcome last = scene.send(Packet(error).fragment(160, 56, false));
    if (mode == IcmpErrorMode::Related) {
      for (const Outcome& outcome : {first, middle, last}) {
        EXPECT_TRUE(outcome.passed());
        EXPECT_EQ(outcome.ingress.by, By::Related);
      }
    } else {
      EXPECT_EQ(first.reason, DropReason::NoRule);
      EXPECT_EQ(middle.reason, DropReason::FragmentRefused);
      EXPECT_EQ(last.reason, DropReason::FragmentRefused);
    }
    EXPECT_EQ(scene.flow_count(), 1u);
  }
}

TEST(IcmpErrors, lend_their_way_to_their_own_fragments_only) {  // CT-25
  ErrorScene scene;
  scene.add_acl(0).egress.push_back(Scene::acl_entry(100, true, kAll, 0, 0, "0.0.0.0/0"));
  scene.policy.acls[0].ingress.push_back(Scene::acl_entry(100, true, kTcp, 0, 65'535, "0.0.0.0/0"));
  scene.publish();
  const Packet error = ErrorScene::error(3, 4).quote(Packet(scene.reply).payload(200), 208).id(7);
  EXPECT_EQ(scene.send(first_of(error)).reason, DropReason::AclDeny);
  EXPECT_EQ(scene.send(middle_of(error)).reason, DropReason::FragmentRefused);
  const Packet other = ErrorScene::error(3, 4).quote(Packet(scene.reply).payload(200), 208).id(8);
  EXPECT_FALSE(scene.send(middle_of(other)).is_finished) << "it waits for its own first one";
}

TEST(IcmpErrors, about_a_flow_that_a_policy_change_ended_need_a_rule) {
  for (const auto how : {&InterfaceInput::flush_before, &InterfaceInput::rejudge_before}) {
    ErrorScene scene;
    scene.policy.groups[0].rules.clear();
    scene.interface(kWeb).*how = scene.policy.generation.next();
    scene.publish();
    EXPECT_EQ(scene.send(ErrorScene::error(3, 4).quote(scene.reply, 28)).reason,
              DropReason::NoRule);
  }
}

TEST(IcmpErrors, of_the_other_family_are_not_related) {
  ErrorScene scene;
  Bytes frame = ErrorScene::error(3, 0).quote(scene.reply, 28).build();
  const std::span<std::uint8_t> header = std::span(frame).subspan(14, 20);
  header[9] = kIcmpv6;  // in an IPv4 packet
  frame[34] = 1;        // destination unreachable there
  header[10] = header[11] = 0;
  const auto sum = static_cast<std::uint16_t>(~checksum_sum(header));
  header[10] = static_cast<std::uint8_t>(sum >> 8);
  header[11] = static_cast<std::uint8_t>(sum);
  EXPECT_EQ(scene.send(0, frame).reason, DropReason::NoRule);
}

TEST(IcmpErrors, do_not_keep_their_flow_alive) {  // CT-25
  ErrorScene scene;
  scene.wait_s(15);
  EXPECT_TRUE(scene.send(ErrorScene::error(3, 4).quote(scene.reply, 28)).passed());
  scene.wait_s(10);
  EXPECT_EQ(scene.flow_count(), 0u) << "20 s after the SYN-ACK";
}

TEST(IcmpErrors, about_unknown_flows_need_a_rule) {  // CT-24
  ErrorScene scene;
  const Packet stranger = Packet().ip(kWeb4, kClient).tcp(443, 40'001, kAck);
  EXPECT_EQ(scene.send(ErrorScene::error(3, 4).quote(stranger, 28)).reason, DropReason::NoRule);
  scene.allow_in(0, kIcmp, 3, 4, "0.0.0.0/0");
  scene.publish();
  EXPECT_EQ(scene.send(ErrorScene::error(3, 4).quote(stranger, 28)).ingress.by, By::Rule);
}

TEST(IcmpErrors, must_quote_enough_and_go_to_the_quoted_source) {  // CT-25
  ErrorScene scene;
  EXPECT_EQ(scene.send(ErrorScene::error(3, 4).quote(scene.reply, 23)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(ErrorScene::error(5, 0).quote(scene.reply, 28)).reason, DropReason::NoRule)
      << "redirects are never related";
  const Packet wrong_way = Packet().ip(kClient, kWeb4).tcp(40'000, 443, kAck);
  EXPECT_EQ(scene.send(ErrorScene::error(3, 4).quote(wrong_way, 28)).reason, DropReason::NoRule);
  const Packet elsewhere = Packet().ip("192.0.2.254", kApp4).icmp(3, 4).quote(scene.reply, 28);
  EXPECT_EQ(scene.send(elsewhere).reason, DropReason::NoRule);
}

TEST(IcmpErrors, to_another_address_of_the_interface_are_not_related) {
  Scene scene(Wiring::Replay);
  scene.interface(kWeb).addresses.push_back(*IpAddr::parse("10.0.1.11"));
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.publish();
  EXPECT_TRUE(scene.send(Packet().ip(kClient, "10.0.1.11").tcp(40'000, 443, kSyn)).passed());
  const Packet reply = Packet().ip("10.0.1.11", kClient).tcp(443, 40'000, kSynAck);
  EXPECT_EQ(scene.send(ErrorScene::error(3, 4).quote(reply, 28)).reason, DropReason::NoRule);
  const Packet right = Packet().ip("192.0.2.254", "10.0.1.11").icmp(3, 4).quote(reply, 28);
  EXPECT_TRUE(scene.send(right).passed());
}

TEST(IcmpErrors, leave_by_the_interface_about_what_came_in) {
  ErrorScene scene;
  const Packet came_in = Packet().ip(kClient, kWeb4).tcp(40'000, 443, kAck);
  const Packet error = Packet().ip(kWeb4, kClient).icmp(3, 3).quote(came_in, 28);
  EXPECT_EQ(scene.send(error).egress.by, By::Related);
}

TEST(IcmpErrors, are_not_related_to_tracked_flows_in_documented_mode) {  // CT-24
  ErrorScene scene(IcmpErrorMode::Documented);
  EXPECT_EQ(scene.send(ErrorScene::error(3, 4).quote(scene.reply, 28)).reason, DropReason::NoRule);
}

TEST(IcmpErrors, about_an_untracked_flow_pass_while_its_rules_do) {  // CT-24
  for (IcmpErrorMode mode : {IcmpErrorMode::Related, IcmpErrorMode::Documented}) {
    Scene scene(Wiring::Replay);
    scene.policy.tracking.icmp_errors = mode;
    scene.allow_in(0, kTcp, 443, 443, "0.0.0.0/0");
    const RuleIndex out = scene.allow_out(0, kTcp, 0, 65'535, "0.0.0.0/0");
    scene.publish();
    const Packet reply = Packet().ip(kWeb4, kClient).tcp(443, 40'000, kSynAck);
    scene.send(Packet().ip(kClient, kWeb4).tcp(40'000, 443, kSyn));
    scene.send(reply);
    ASSERT_FALSE(scene.flows()[0].tracked);
    EXPECT_TRUE(scene.send(ErrorScene::error(3, 4).quote(reply, 28)).passed());
    scene.remove(out);
    scene.publish();
    EXPECT_EQ(scene.send(ErrorScene::error(3, 4).quote(reply, 28)).reason, DropReason::NoRule);
  }
}

TEST(IcmpErrors, about_ping_and_over_ipv6_pass) {  // CT-25
  Scene scene(Wiring::Replay);
  scene.allow_out(0, kIcmp, 8, -1, "198.51.100.0/24");
  scene.allow_out(0, kUdp, 53, 53, "2001:db8::/32");
  scene.publish();
  const Packet ping = Packet().ip(kWeb4, kClient).icmp(8, 0, 9);
  EXPECT_TRUE(scene.send(ping).passed());
  EXPECT_TRUE(scene.send(ErrorScene::error(11, 0).quote(ping, 28)).passed());
  const Packet question = Packet().ip(kWeb6, kClient6).udp(1'000, 53);
  EXPECT_TRUE(scene.send(question).passed());
  const Packet too_big = Packet().ip("2001:db8:9::1", kWeb6).icmp(2, 0).quote(question);
  EXPECT_EQ(scene.send(too_big).ingress.by, By::Related);
}

TEST(IcmpErrors, pass_the_network_acl_only_where_it_allows_them) {
  ErrorScene scene;
  AclInput& acl = scene.add_acl(0);
  acl.ingress.push_back(Scene::acl_entry(100, true, kTcp, 0, 65'535, "0.0.0.0/0"));
  acl.egress.push_back(Scene::acl_entry(100, true, kAll, 0, 0, "0.0.0.0/0"));
  scene.publish();
  const Packet too_long = ErrorScene::error(3, 4).quote(scene.reply, 28);
  const Packet too_far = ErrorScene::error(11, 0).quote(scene.reply, 28);
  EXPECT_EQ(scene.send(too_long).reason, DropReason::AclDeny) << "NA-18";
  scene.policy.acls[0].ingress.push_back(Scene::acl_entry(110, true, kIcmp, 3, 4, "0.0.0.0/0"));
  scene.publish();
  EXPECT_EQ(scene.send(too_long).ingress.by, By::Related) << "NA-18: path MTU discovery";
  EXPECT_EQ(scene.send(too_far).reason, DropReason::AclDeny);
  scene.policy.acls[0].ingress.push_back(Scene::acl_entry(120, true, kIcmp, 11, 0, "0.0.0.0/0"));
  scene.publish();
  EXPECT_EQ(scene.send(too_far).ingress.by, By::Related) << "NA-18: traceroute";
}

TEST(IcmpErrors, of_ipv6_need_an_acl_entry_of_type_2_for_path_mtu_discovery) {
  Scene scene(Wiring::Replay);
  scene.allow_out(0, kUdp, 53, 53, "2001:db8::/32");
  scene.add_acl(0).egress.push_back(Scene::acl_entry(100, true, kAll, 0, 0, "::/0"));
  scene.publish();
  const Packet question = Packet().ip(kWeb6, kClient6).udp(1'000, 53);
  EXPECT_TRUE(scene.send(question).passed());
  const Packet too_big = Packet().ip("2001:db8:9::1", kWeb6).icmp(2, 0).quote(question);
  EXPECT_EQ(scene.send(too_big).reason, DropReason::AclDeny) << "NA-18";
  scene.policy.acls[0].ingress.push_back(Scene::acl_entry(100, true, kIcmpv6, 2, -1, "::/0"));
  scene.publish();
  EXPECT_EQ(scene.send(too_big).ingress.by, By::Related);
}

}  // namespace
}  // namespace sluice
