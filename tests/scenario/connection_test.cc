// Connections as people use them: what passes, what does not, and who said so.

#include "tests/scenario/harness.h"

namespace sluice {
namespace {

Packet to_web(std::uint16_t port, std::uint8_t flags) {
  return Packet().ip(kClient, kWeb4).tcp(40'000, port, flags);
}
Packet from_web(std::uint16_t port, std::uint8_t flags) {
  return Packet().ip(kWeb4, kClient).tcp(port, 40'000, flags);
}

// A scene with tcp 443 from the client's network, and perhaps a live connection.
struct WebScene : Scene {
  explicit WebScene(bool connected = true, TcpMode mode = TcpMode::Loose) : Scene(Wiring::Replay) {
    rule = allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
    policy.tracking.mode = mode;
    publish();
    if (!connected) return;
    EXPECT_TRUE(send(to_web(443, kSyn).numbers(100, 0)).passed());
    EXPECT_TRUE(send(from_web(443, kSynAck).numbers(500, 101)).passed());
    EXPECT_TRUE(send(to_web(443, kAck).numbers(101, 501)).passed());
  }
  RuleIndex rule;
};

TEST(Connection, passes_where_a_rule_names_the_port) {  // CT-1
  WebScene scene(false);
  const Outcome syn = scene.send(to_web(443, kSyn).numbers(100, 0));
  EXPECT_TRUE(syn.passed());
  EXPECT_EQ(syn.ingress.by, By::Rule);
  EXPECT_EQ(syn.ingress.rule, scene.rule);
  EXPECT_FALSE(syn.egress.present);
  const Outcome syn_ack = scene.send(from_web(443, kSynAck).numbers(500, 101));
  EXPECT_TRUE(syn_ack.passed());
  EXPECT_EQ(syn_ack.egress.by, By::Flow);
  EXPECT_EQ(syn_ack.egress.eni, kWeb);
  EXPECT_TRUE(scene.send(to_web(443, kAck).numbers(101, 501)).passed());
  EXPECT_TRUE(scene.send(to_web(443, kAck).numbers(101, 501).payload(300)).passed());
  EXPECT_TRUE(scene.send(from_web(443, kAck).numbers(501, 401).payload(1'000)).passed());
  ASSERT_EQ(scene.flow_count(), 1u);
  EXPECT_EQ(scene.flows()[0].phase, FlowPhase::Established);
  EXPECT_EQ(scene.flows()[0].initiator, Direction::Ingress);
  EXPECT_TRUE(scene.flows()[0].tracked);
}

TEST(Connection, is_refused_without_a_rule) {  // SG-1
  Scene scene(Wiring::Replay);
  const Outcome syn = scene.send(to_web(443, kSyn));
  EXPECT_EQ(syn.verdict, Verdict::Drop);
  EXPECT_EQ(syn.reason, DropReason::NoRule);
  EXPECT_EQ(syn.ingress.verdict, Verdict::Drop);
  EXPECT_EQ(syn.ingress.by, By::None);
  EXPECT_TRUE(syn.sent.empty());
  EXPECT_EQ(scene.flow_count(), 0u);
}

TEST(Connection, is_refused_on_another_port_and_from_another_network) {
  WebScene scene(false);
  EXPECT_EQ(scene.send(to_web(444, kSyn)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(to_web(442, kSyn)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(Packet().ip("198.51.101.7", kWeb4).tcp(40'000, 443, kSyn)).reason,
            DropReason::NoRule);
  EXPECT_EQ(scene.send(Packet().ip(kClient, kWeb4).udp(40'000, 443)).reason, DropReason::NoRule);
}

TEST(Connection, works_over_ipv6_and_rules_of_one_family_leave_the_other_alone) {  // SG-22
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 443, 443, "2001:db8::/32");
  scene.publish();
  EXPECT_TRUE(scene.send(Packet().ip(kClient6, kWeb6).tcp(40'000, 443, kSyn)).passed());
  EXPECT_TRUE(scene.send(Packet().ip(kWeb6, kClient6).tcp(443, 40'000, kSynAck)).passed());
  EXPECT_EQ(scene.send(to_web(443, kSyn)).reason, DropReason::NoRule);
}

TEST(Connection, begins_with_a_clean_syn_or_in_loose_mode_in_its_middle) {
  WebScene scene(false);
  for (std::uint8_t flags : {kSynAck, kFinAck, kRst, kRstAck}) {
    const Outcome outcome = scene.send(to_web(443, flags));
    EXPECT_EQ(outcome.reason, DropReason::NotFirstPacket) << int{flags};
  }
  EXPECT_EQ(scene.flow_count(), 0u) << "no state is made by them";
  EXPECT_TRUE(scene.send(to_web(443, kAck).payload(10)).passed()) << "CT-23";
  EXPECT_EQ(scene.flow_count(), 1u);
  EXPECT_EQ(scene.send(from_web(444, kAck)).reason, DropReason::NoRule);
}

TEST(Connection, may_begin_with_a_syn_that_carries_data_and_ecn) {
  WebScene scene(false);
  const std::uint8_t flags = kSyn | TcpFlags::kEce | TcpFlags::kCwr;
  EXPECT_TRUE(scene.send(to_web(443, flags).payload(20)).passed());
}

TEST(Connection, begins_only_with_a_syn_in_strict_mode) {  // CT-23
  WebScene scene(false, TcpMode::Strict);
  EXPECT_EQ(scene.send(to_web(443, kAck).payload(10)).reason, DropReason::NotFirstPacket);
  EXPECT_TRUE(scene.send(to_web(443, kSyn)).passed());
}

TEST(Connection, is_closed_by_an_exact_reset_and_opened_again_by_a_syn) {
  WebScene scene;
  EXPECT_TRUE(scene.send(to_web(443, kRst).numbers(101, 0)).passed());
  ASSERT_EQ(scene.flows().size(), 1u);
  EXPECT_EQ(scene.flows()[0].phase, FlowPhase::Closed);
  const Outcome late = scene.send(from_web(443, kAck).numbers(501, 101));
  EXPECT_EQ(late.reason, DropReason::Closed);
  EXPECT_EQ(late.egress.by, By::Flow);
  const Outcome again = scene.send(to_web(443, kSyn).numbers(9'000, 0));
  EXPECT_TRUE(again.passed());
  EXPECT_EQ(again.ingress.by, By::Rule) << "a new connection, asked of the rules";
  EXPECT_EQ(scene.flows()[0].phase, FlowPhase::SynSent);
}

TEST(Connection, is_not_reopened_by_a_syn_that_no_rule_admits) {
  WebScene scene;
  EXPECT_TRUE(scene.send(to_web(443, kRst).numbers(101, 0)).passed());
  scene.remove(scene.rule);
  scene.publish();
  EXPECT_EQ(scene.send(to_web(443, kSyn).numbers(9'000, 0)).reason, DropReason::NoRule);
  ASSERT_EQ(scene.flow_count(), 1u) << "a refused SYN changes nothing";
  EXPECT_EQ(scene.flows()[0].phase, FlowPhase::Closed);
}

TEST(Connection, that_was_reset_is_not_picked_up_after_a_refused_syn) {
  WebScene scene;
  scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.remove(scene.rule);
  scene.publish();
  EXPECT_TRUE(scene.send(to_web(443, kRst).numbers(101, 0)).passed());
  EXPECT_EQ(scene.send(to_web(443, kSyn).numbers(9'000, 0)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(from_web(443, kAck).numbers(501, 101)).reason, DropReason::Closed);
  EXPECT_EQ(scene.send(to_web(443, kAck).numbers(101, 501)).reason, DropReason::Closed);
}

TEST(Connection, takes_the_place_of_an_old_one_only_where_a_rule_admits_it) {
  for (const bool is_admitted : {true, false}) {
    WebScene scene;
    if (!is_admitted) scene.remove(scene.rule);
    scene.publish();
    EXPECT_TRUE(scene.send(to_web(443, kSyn).numbers(50'000'000, 0)).passed()) << "a challenge";
    const Outcome answer = scene.send(from_web(443, kSynAck).numbers(90'000'000, 50'000'001));
    const Outcome next = scene.send(to_web(443, kAck).numbers(50'000'001, 90'000'001));
    EXPECT_EQ(answer.reason, is_admitted ? DropReason::None : DropReason::NoRule);
    EXPECT_EQ(next.reason, is_admitted ? DropReason::None : DropReason::Closed);
    EXPECT_EQ(scene.counters(kWeb).out_of_window, 0u);
  }
}

TEST(Connection, forgets_a_closed_one_after_ten_seconds) {  // CT-18
  WebScene scene;
  scene.send(to_web(443, kRst).numbers(101, 0));
  scene.wait_s(9);
  EXPECT_EQ(scene.send(from_web(443, kAck).numbers(501, 101)).reason, DropReason::Closed);
  scene.wait_s(3);
  EXPECT_EQ(scene.flow_count(), 0u);
  EXPECT_EQ(scene.send(from_web(443, kAck).numbers(501, 101)).reason, DropReason::NoRule);
}

TEST(Connection, counts_data_outside_the_window_and_drops_it_in_strict_mode) {
  for (TcpMode mode : {TcpMode::Loose, TcpMode::Strict}) {
    WebScene scene(true, mode);
    const Outcome far = scene.send(to_web(443, kAck).numbers(101 + 50'000'000, 501).payload(10));
    if (mode == TcpMode::Loose) {
      EXPECT_TRUE(far.passed());
    } else {
      EXPECT_EQ(far.reason, DropReason::OutOfWindow);
    }
    EXPECT_EQ(scene.counters(kWeb).out_of_window, 1u);
  }
}

TEST(Connection, dies_silently_when_idle_for_its_timeout) {  // CT-11, CT-19
  WebScene scene;
  scene.wait_s(349);
  EXPECT_TRUE(scene.send(from_web(443, kAck).numbers(501, 101)).passed());
  scene.wait_s(349);
  EXPECT_EQ(scene.flow_count(), 1u) << "each packet begins the time anew";
  scene.wait_s(2);
  EXPECT_EQ(scene.flow_count(), 0u);
  EXPECT_EQ(scene.send(from_web(443, kAck).numbers(501, 101)).reason, DropReason::NoRule);
}

TEST(Connection, keeps_to_the_interfaces_own_timers) {  // CT-17
  WebScene scene(false);
  scene.interface(kWeb).tracking.tcp_established_s = 60;
  scene.publish();
  scene.send(to_web(443, kSyn).numbers(100, 0));
  scene.send(from_web(443, kSynAck).numbers(500, 101));
  scene.send(to_web(443, kAck).numbers(101, 501));
  scene.wait_s(59);
  EXPECT_EQ(scene.flow_count(), 1u);
  scene.wait_s(3);
  EXPECT_EQ(scene.flow_count(), 0u);
}

TEST(Connection, is_over_at_its_timeout_even_where_no_timer_came_by) {  // CT-19
  SceneOptions options;
  Scene scene(options);
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.publish();
  EXPECT_TRUE(scene.send(Packet().ip(kClient, kWeb4).udp(5'000, 53)).passed());
  scene.jump_s(31);
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).udp(53, 5'000)).reason, DropReason::NoRule);
}

TEST(Datagrams, pass_back_without_a_rule_while_the_flow_lives) {  // CT-1
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.publish();
  const Packet question = Packet().ip(kClient, kWeb4).udp(5'000, 53);
  const Packet answer = Packet().ip(kWeb4, kClient).udp(53, 5'000);
  EXPECT_EQ(scene.send(answer).reason, DropReason::NoRule) << "nobody asked yet";
  EXPECT_TRUE(scene.send(question).passed());
  EXPECT_EQ(scene.send(answer).egress.by, By::Flow);
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).udp(53, 5'001)).reason, DropReason::NoRule);
  scene.wait_s(31);
  EXPECT_EQ(scene.send(answer).reason, DropReason::NoRule) << "CT-12";
}

TEST(Datagrams, become_a_stream_with_the_second_exchange) {  // CT-20
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.publish();
  const Packet question = Packet().ip(kClient, kWeb4).udp(5'000, 53);
  const Packet answer = Packet().ip(kWeb4, kClient).udp(53, 5'000);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(scene.send(question).passed());
    EXPECT_TRUE(scene.send(answer).passed());
  }
  scene.wait_s(170);
  EXPECT_TRUE(scene.send(answer).passed()) << "CT-13: 180 s";
}

TEST(Ping, passes_and_is_answered_though_nothing_may_leave) {  // SG-4, CT-1
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kIcmp, 8, -1, "198.51.100.0/24");
  scene.publish();
  const Packet ping = Packet().ip(kClient, kWeb4).icmp(8, 0, 77, 1);
  EXPECT_EQ(scene.send(ping).ingress.by, By::Rule);
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).icmp(0, 0, 77, 1)).egress.by, By::Flow);
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).icmp(0, 0, 78, 1)).reason, DropReason::NoRule)
      << "CT-26: another identifier";
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).icmp(8, 0, 77, 1)).reason, DropReason::NoRule)
      << "CT-26: a request of its own is no answer";
}

TEST(Ping, passes_over_ipv6) {  // CT-26
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kIcmpv6, 128, -1, "2001:db8::/32");
  scene.publish();
  EXPECT_TRUE(scene.send(Packet().ip(kClient6, kWeb6).icmp(128, 0, 5)).passed());
  EXPECT_EQ(scene.send(Packet().ip(kWeb6, kClient6).icmp(129, 0, 5)).egress.by, By::Flow);
  EXPECT_EQ(scene.send(Packet().ip(kWeb6, kClient6).icmp(129, 0, 6)).reason, DropReason::NoRule);
}

TEST(Ping, unasked_answer_needs_a_rule_and_lends_no_way_back) {  // CT-26
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kIcmp, 0, -1, "198.51.100.0/24");
  scene.publish();
  EXPECT_EQ(scene.send(Packet().ip(kClient, kWeb4).icmp(0, 0, 77)).ingress.by, By::Rule);
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).icmp(8, 0, 77)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).icmp(0, 0, 77)).reason, DropReason::NoRule)
      << "nor does it let an answer out that nobody asked for";
  EXPECT_EQ(scene.send(Packet().ip(kClient, kWeb4).icmp(0, 0, 78)).ingress.by, By::Flow);
}

TEST(OtherIcmp, lends_no_way_back) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kIcmp, 3, -1, "198.51.100.0/24");
  scene.publish();
  EXPECT_EQ(scene.send(Packet().ip(kClient, kWeb4).icmp(3, 1)).ingress.by, By::Rule);
  EXPECT_EQ(scene.send(Packet().ip(kClient, kWeb4).icmp(3, 1)).ingress.by, By::Flow);
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).icmp(3, 1)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.flow_count(), 1u);
}

TEST(Ping, of_both_sides_with_one_identifier_are_two) {  // CT-26
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kIcmp, 8, -1, "198.51.100.0/24");
  scene.allow_out(0, kIcmp, 8, -1, "198.51.100.0/24");
  scene.publish();
  EXPECT_TRUE(scene.send(Packet().ip(kClient, kWeb4).icmp(8, 0, 1)).passed());
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).icmp(8, 0, 1)).egress.by, By::Rule);
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).icmp(0, 0, 1)).egress.by, By::Flow);
  EXPECT_EQ(scene.send(Packet().ip(kClient, kWeb4).icmp(0, 0, 1)).ingress.by, By::Flow);
  EXPECT_EQ(scene.flow_count(), 2u);
}

TEST(OtherProtocols, are_tracked_by_addresses_and_number) {  // CT-2
  Scene scene(Wiring::Replay);
  scene.allow_in(0, 47, 0, 0, "198.51.100.0/24");
  scene.publish();
  EXPECT_TRUE(scene.send(Packet().ip(kClient, kWeb4).proto(47).payload(40)).passed());
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).proto(47).payload(40)).egress.by, By::Flow);
  EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).proto(50).payload(40)).reason,
            DropReason::NoRule);
}

}  // namespace
}  // namespace sluice
