// The bump in the wire, and what a replay makes of it.

#include "tests/scenario/harness.h"

namespace sluice {
namespace {

constexpr std::uint16_t kInside = 0;
constexpr std::uint16_t kOutside = 1;

struct BumpScene : Scene {
  explicit BumpScene(bool forward_unknown = false, bool source_check = true)
      : Scene(SceneOptions{.wiring = Wiring::Bump,
                           .forward_unknown = forward_unknown,
                           .source_check = source_check}) {
    allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
    allow_out(0, kUdp, 53, 53, "198.51.100.0/24");
    publish();
  }
};

TEST(Bump, judges_by_addresses_and_changes_nothing_of_the_frame) {
  BumpScene scene;
  const Bytes frame = Packet().ip(kClient, kWeb4).tcp(40'000, 443, kSyn).ttl(1).vlan(7).build();
  const Outcome in = scene.send(kOutside, frame);
  ASSERT_TRUE(in.passed());
  EXPECT_EQ(in.sent[0].nic, NicIndex(kInside));
  EXPECT_EQ(in.sent[0].bytes, frame);
  EXPECT_EQ(in.ingress.eni, kWeb);
  const Outcome out = scene.send(kInside, Packet().ip(kWeb4, kClient).udp(1'000, 53));
  ASSERT_TRUE(out.passed());
  EXPECT_EQ(out.sent[0].nic, NicIndex(kOutside));
  EXPECT_EQ(out.egress.eni, kWeb);
  EXPECT_EQ(scene.send(kInside, Packet().ip(kWeb4, kClient).udp(1'000, 54)).reason,
            DropReason::NoRule);
}

TEST(Bump, drops_an_interfaces_address_that_arrives_outside) {  // SG-31
  BumpScene scene;
  EXPECT_EQ(scene.send(kOutside, Packet().ip(kWeb4, kDb4).udp(1, 2)).reason,
            DropReason::SourceCheck);
  EXPECT_EQ(scene.send(kOutside, Packet().ip(kWeb4, kClient).udp(1, 53)).reason,
            DropReason::SourceCheck);
}

TEST(Bump, drops_or_forwards_what_nobody_owns) {
  const Packet stranger = Packet().ip("192.0.2.77", "203.0.113.5").udp(1, 2);
  const Bytes lldp = Packet().ether_type(0x88cc).payload(50).build();
  BumpScene dropping(false);
  EXPECT_EQ(dropping.send(kInside, stranger).reason, DropReason::UnknownAddress);
  EXPECT_EQ(dropping.send(kOutside, stranger).reason, DropReason::UnknownAddress);
  EXPECT_EQ(dropping.send(kInside, lldp).reason, DropReason::NotIp);
  BumpScene forwarding(true);
  for (std::uint16_t nic : {kInside, kOutside}) {
    const Outcome outcome = forwarding.send(nic, stranger);
    EXPECT_EQ(outcome.verdict, Verdict::None);
    ASSERT_EQ(outcome.sent.size(), 1u);
    EXPECT_EQ(outcome.sent[0].nic, NicIndex(1 - nic));
  }
  EXPECT_EQ(forwarding.send(kInside, lldp).sent.size(), 1u);
  EXPECT_EQ(forwarding.send(kInside, Packet().ip("192.0.2.77", "224.0.0.5").udp(1, 2)).verdict,
            Verdict::None);
}

TEST(Bump, lets_arp_and_neighbour_discovery_cross_unanswered) {  // SG-62
  BumpScene scene;
  const Bytes request = arp(1, kWebMac, kWeb4, "10.0.1.1");
  const Outcome crossing = scene.send(kInside, request);
  ASSERT_EQ(crossing.sent.size(), 1u);
  EXPECT_EQ(crossing.sent[0].nic, NicIndex(kOutside));
  EXPECT_EQ(crossing.sent[0].bytes, request);
  EXPECT_EQ(crossing.verdict, Verdict::None);
  EXPECT_EQ(scene.send(kInside, solicitation(kWebMac, kWeb6, "fd00:10:0:1::1")).sent.size(), 1u);
  EXPECT_EQ(scene.send(kOutside, arp(2, kGatewayMac, "10.0.1.1", kWeb4)).sent.size(), 1u);
  EXPECT_EQ(scene.send(kOutside, arp(2, kGatewayMac, kWeb4, "10.0.1.1")).reason,
            DropReason::SourceCheck)
      << "somebody outside says that he is web";
}

TEST(Bump, does_not_carry_multicast_of_interfaces) {  // SG-63
  BumpScene scene;
  EXPECT_EQ(scene.send(kInside, Packet().ip(kWeb4, "224.0.0.251").udp(5353, 5353)).reason,
            DropReason::Multicast);
  EXPECT_EQ(scene
                .send(kOutside, Packet()
                                    .mac(kGatewayMac, "ff:ff:ff:ff:ff:ff")
                                    .ip(kClient, kWeb4)
                                    .tcp(40'000, 443, kSyn))
                .reason,
            DropReason::Multicast);
}

TEST(Bump, calls_multicast_so_whoever_sends_it) {
  BumpScene scene;
  const Packet listener_report = Packet().ip("::", "ff02::16").icmp(143, 0);
  EXPECT_EQ(scene.send(kInside, listener_report).reason, DropReason::Multicast);
  const Packet spoofed = Packet().ip(kWeb4, "224.0.0.251").udp(5353, 5353);
  EXPECT_EQ(scene.send(kOutside, spoofed).reason, DropReason::Multicast);
}

TEST(Bump, lets_dhcp_through_only_where_it_is_exempt) {  // SG-60
  BumpScene scene;
  const Packet discover = Packet()
                              .mac(kWebMac, "ff:ff:ff:ff:ff:ff")
                              .ip("0.0.0.0", "255.255.255.255")
                              .udp(68, 67)
                              .payload(240);
  EXPECT_EQ(scene.send(kInside, discover).reason, DropReason::Multicast);
  scene.policy.exempt = ExemptProfile::Aws;
  scene.publish();
  EXPECT_EQ(scene.send(kInside, discover).sent.size(), 1u);
}

TEST(Replay, judges_both_ends_of_each_frame) {
  Scene scene(Wiring::Replay);
  scene.allow_out_to(0, kTcp, 5432, 2);
  scene.allow_in_from(2, kTcp, 5432, 0);
  scene.publish();
  // The MAC addresses of a capture mean nothing, not even a group address as the source.
  const Packet syn = Packet()
                         .mac("ff:ff:ff:ff:ff:ff", "ff:ff:ff:ff:ff:ff")
                         .ip(kWeb4, kDb4)
                         .tcp(40'000, 5432, kSyn);
  const Outcome outcome = scene.send(syn);
  EXPECT_TRUE(outcome.passed());
  EXPECT_TRUE(outcome.egress.present);
  EXPECT_TRUE(outcome.ingress.present);
}

TEST(Replay, says_none_where_no_interface_is_known_and_drop_where_ip_is_malformed) {
  Scene scene(Wiring::Replay);
  EXPECT_EQ(scene.send(Packet().ip("192.0.2.1", "203.0.113.9").udp(1, 2)).verdict, Verdict::None);
  EXPECT_EQ(scene.send(Packet().ip("127.0.0.1", "127.0.0.1").udp(1, 2)).verdict, Verdict::None);
  EXPECT_EQ(scene.send(0, Packet().ether_type(0x88cc).payload(9).build()).verdict, Verdict::None);
  EXPECT_EQ(scene.send(0, arp(1, kWebMac, kWeb4, kDb4)).verdict, Verdict::None);
  EXPECT_EQ(scene.send(0, Packet().ether_type(0x0806).payload(4).build()).verdict, Verdict::None);
  Bytes broken = Packet().ip("192.0.2.1", "203.0.113.9").udp(1, 2).build();
  set8(broken, 14 + 10, static_cast<std::uint8_t>(broken[24] + 1));
  EXPECT_EQ(scene.send(0, broken).reason, DropReason::MalformedIpv4Checksum);
}

TEST(Replay, holds_no_fragment_of_strangers) {
  Scene scene(Wiring::Replay);
  const Packet later =
      Packet().ip("192.0.2.1", "203.0.113.9").udp(1, 2).payload(64).fragment(32, 40, false);
  const Outcome outcome = scene.send(later);
  EXPECT_TRUE(outcome.is_finished);
  EXPECT_EQ(outcome.verdict, Verdict::None);
}

TEST(Replay, lists_the_refusing_end_of_multicast) {
  Scene scene(Wiring::Replay);
  const Outcome outcome = scene.send(Packet().ip(kWeb4, "224.0.0.1").udp(1, 2));
  EXPECT_EQ(outcome.reason, DropReason::Multicast);
  EXPECT_EQ(outcome.egress.verdict, Verdict::Drop);
  EXPECT_EQ(outcome.egress.by, By::None);
}

TEST(Replay, judges_a_whole_handshake_in_one_burst_as_one_by_one) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.allow_out_to(0, kTcp, 5432, 2);
  scene.allow_in_from(2, kTcp, 5432, 0);
  scene.publish();
  std::vector<Bytes> frames;
  for (std::uint16_t port = 1'000; port < 1'008; ++port) {
    frames.push_back(Packet().ip(kClient, kWeb4).tcp(port, 443, kSyn).numbers(1, 0).build());
    frames.push_back(Packet().ip(kWeb4, kDb4).tcp(port, 5432, kSyn).numbers(1, 0).build());
    frames.push_back(Packet().ip(kWeb4, kClient).tcp(443, port, kSynAck).numbers(7, 2).build());
    frames.push_back(Packet().ip(kDb4, kWeb4).tcp(5432, port, kSynAck).numbers(7, 2).build());
    frames.push_back(Packet().ip(kClient, kWeb4).tcp(port, 443, kAck).numbers(2, 8).build());
    frames.push_back(Packet().ip(kWeb4, kDb4).tcp(port, 5432, kAck).numbers(2, 8).build());
  }
  for (const Outcome& outcome : scene.send_together(0, frames)) {
    EXPECT_TRUE(outcome.passed()) << name_of(outcome.reason);
  }
  for (const FlowView& flow : scene.flows()) EXPECT_EQ(flow.phase, FlowPhase::Established);
  EXPECT_EQ(scene.flow_count(), 24u);
}

}  // namespace
}  // namespace sluice
