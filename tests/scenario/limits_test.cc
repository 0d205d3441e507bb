// What happens when something is full, down, malformed or too long: each packet has one reason.

#include <set>

#include "tests/scenario/harness.h"

namespace sluice {
namespace {

TEST(TableFull, drops_new_connections_and_lets_old_ones_go_on) {  // CT-28
  SceneOptions options;
  options.flow_capacity = kFlowCapacityMin;
  Scene scene(options);
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.publish();
  const auto segment = [](int n, std::uint8_t flags, bool from_web, std::uint32_t sequence,
                          std::uint32_t acknowledgment) {
    const auto port = static_cast<std::uint16_t>(10'000 + n);
    return (from_web ? Packet().ip(kWeb4, kClient).tcp(443, port, flags)
                     : Packet().ip(kClient, kWeb4).tcp(port, 443, flags))
        .numbers(sequence, acknowledgment);
  };
  int passed = 0;
  for (int n = 0; n < 1'200; ++n) {
    if (!scene.send(segment(n, kSyn, false, 100, 0)).passed()) continue;
    ++passed;
    scene.send(segment(n, kSynAck, true, 500, 101));
    scene.send(segment(n, kAck, false, 101, 501));
  }
  EXPECT_GE(passed, 1'000);
  EXPECT_LE(passed, 1'024);
  const std::uint64_t refused = scene.drops(DropReason::TableFull);
  EXPECT_EQ(refused, static_cast<std::uint64_t>(1'200 - passed));
  EXPECT_EQ(scene.worker().counters().flows_refused, refused);
  EXPECT_EQ(scene.counters(kWeb).drops[static_cast<std::size_t>(DropReason::TableFull)], refused);
  EXPECT_TRUE(scene.send(segment(0, kAck, false, 101, 501)).passed()) << "CT-27";
}

TEST(TableFull, does_not_stop_untracked_flows) {
  SceneOptions options;
  options.flow_capacity = kFlowCapacityMin;
  Scene scene(options);
  scene.allow_in(0, kUdp, 53, 53, "0.0.0.0/0");
  scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.publish();
  for (int n = 0; n < 1'200; ++n) {
    const auto port = static_cast<std::uint16_t>(10'000 + n);
    ASSERT_TRUE(scene.send(Packet().ip(kClient, kWeb4).udp(port, 53)).passed()) << "CT-29";
  }
}

TEST(TableFull, of_tracked_flows_lets_untracked_connections_come_and_go) {
  for (const TcpMode mode : {TcpMode::Loose, TcpMode::Strict}) {
    SceneOptions options;
    options.flow_capacity = kFlowCapacityMin;
    Scene scene(options);
    scene.policy.tracking.mode = mode;
    scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
    scene.allow_in(0, kTcp, 22, 22, "0.0.0.0/0");
    scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
    scene.publish();
    scene.connect_many(4'000);
    ASSERT_EQ(scene.flow_count(), kFlowCapacityMin);
    const Packet to_web = Packet().ip(kClient, kWeb4).tcp(40'000, 22, kSyn);
    const Packet from_web = Packet().ip(kWeb4, kClient).tcp(22, 40'000, kSynAck);
    EXPECT_TRUE(scene.send(to_web).passed());
    EXPECT_TRUE(scene.send(from_web).passed()) << "CT-29";
    EXPECT_TRUE(scene.send(Packet(to_web).tcp(40'000, 22, kAck)).passed());
    EXPECT_TRUE(scene.send(Packet(to_web).tcp(40'000, 22, kFinAck)).passed());
    EXPECT_TRUE(scene.send(Packet(from_web).tcp(22, 40'000, kFinAck)).passed());
    EXPECT_EQ(scene.send(Packet().ip(kWeb4, kClient).tcp(443, 9'000, kSynAck)).reason,
              DropReason::NotFirstPacket)
        << "of a kind that is tracked";
  }
}

TEST(TableFull, of_untracked_flows_leaves_room_for_tracked_ones) {  // CT-29
  SceneOptions options;
  options.flow_capacity = kFlowCapacityMin;
  Scene scene(options);
  scene.allow_in(0, kTcp, 443, 443, "198.51.100.0/24");
  scene.allow_in(0, kUdp, 53, 53, "0.0.0.0/0");
  scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.publish();
  for (std::uint16_t port = 10'000; port < 12'000; ++port) {
    scene.send(Packet().ip(kClient, kWeb4).udp(port, 53));
  }
  for (std::uint16_t port = 10'000; port < 10'100; ++port) {
    ASSERT_TRUE(scene.send(Packet().ip(kClient, kWeb4).tcp(port, 443, kSyn)).passed()) << port;
  }
}

TEST(Transmit, drops_what_the_device_does_not_take) {
  Scene scene(Wiring::Replay);
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.publish();
  scene.io().limit_sends(2);
  const Bytes frame = Packet().ip(kClient, kWeb4).udp(5'000, 53).build();
  scene.send_together(0, {frame, frame, frame, frame, frame});
  EXPECT_EQ(scene.drops(DropReason::TransmitFull), 3u);
  EXPECT_EQ(scene.nic(0).tx_packets, 2u);
}

TEST(Transmit, drops_what_is_longer_than_the_mtu) {
  Scene scene(Wiring::Bump);
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.publish();
  const Packet fits = Packet().ip(kClient, kWeb4).udp(5'000, 53).payload(1'472);
  EXPECT_TRUE(scene.send(1, fits).passed());
  EXPECT_EQ(scene.send(1, Packet(fits).payload(1'473)).reason, DropReason::TooBig);
}

TEST(Malformed, drops_each_kind_under_its_own_reason_and_makes_no_state) {
  Scene scene(Wiring::Replay);
  for (const char* cidr : {"0.0.0.0/0", "::/0"}) scene.allow_in(0, kAll, 0, 0, cidr);
  scene.publish();
  const Packet udp = Packet().ip(kClient, kWeb4).udp(5'000, 53).payload(8);
  const Packet udp6 = Packet().ip(kClient6, kWeb6).udp(5'000, 53).payload(8);
  Bytes checksum = udp.build(), header = udp.build(), version6 = udp6.build(), length = udp.build();
  set8(checksum, 24, static_cast<std::uint8_t>(checksum[24] ^ 1));
  set8(header, 14, 0x44);
  set8(version6, 14, 0x40);
  set16(length, 38, 4);
  const Bytes six(6, 0);
  const struct {
    Bytes frame;
    DropReason reason;
  } rows[] = {
      {Bytes(13, 0), DropReason::MalformedEthernet},
      {Packet(udp).vlan(1).vlan(2).vlan(3).build(), DropReason::MalformedVlan},
      {Packet().ether_type(0x0800).payload(19).build(), DropReason::MalformedTruncated},
      {header, DropReason::MalformedIpv4Header},
      {checksum, DropReason::MalformedIpv4Checksum},
      {Packet(udp).options({7, 0, 0, 0}).build(), DropReason::MalformedIpv4Options},
      {version6, DropReason::MalformedIpv6Header},
      {Packet(udp6).extension(60, six).extension(0, six).build(),
       DropReason::MalformedIpv6Extension},
      {Packet().ip(kClient, kWeb4).proto(6).payload(19).build(), DropReason::MalformedTcp},
      {Packet().ip(kClient, kWeb4).tcp(1, 2, 0).build(), DropReason::MalformedTcpFlags},
      {length, DropReason::MalformedUdp},
      {Packet().ip(kClient, kWeb4).proto(1).payload(7).build(), DropReason::MalformedIcmp},
      {Packet(udp6).extension(43, six).build(), DropReason::Ipv6RoutingHeader},
      {Packet(udp6).extension(60, Bytes(262, 0)).build(), DropReason::Ipv6HeaderChain},
      {Packet(udp6).extension(135, six).build(), DropReason::Ipv6UnknownHeader},
      {Packet().ip("127.0.0.1", kWeb4).udp(1, 2).build(), DropReason::MalformedAddress},
  };
  std::set<DropReason> seen;
  for (const auto& row : rows) {
    const Outcome outcome = scene.send(0, row.frame);
    EXPECT_EQ(outcome.reason, row.reason) << name_of(row.reason);
    EXPECT_EQ(outcome.verdict, Verdict::Drop);
    EXPECT_EQ(scene.drops(row.reason), 1u) << name_of(row.reason);
    seen.insert(outcome.reason);
  }
  EXPECT_EQ(seen.size(), std::size(rows));
  EXPECT_EQ(scene.flow_count(), 0u);
  EXPECT_EQ(scene.nic(0).dropped(), std::size(rows));
  EXPECT_TRUE(scene.take_sent().empty());
}

TEST(Malformed, never_reaches_the_flow_log) {  // FL-21
  Scene scene(Wiring::Replay);
  scene.send(Packet().ip(kClient, kWeb4).tcp(1, 2, 0));
  scene.wait_s(60);
  for (const FlowDelta& delta : scene.take_deltas()) {
    EXPECT_EQ(delta.kind, FlowDelta::Kind::WindowClosed);
  }
}

TEST(Counters, of_a_device_and_an_interface_tell_what_came_and_went) {
  Scene scene(Wiring::Bump);
  scene.allow_in(0, kUdp, 53, 53, "198.51.100.0/24");
  scene.publish();
  scene.send(1, Packet().ip(kClient, kWeb4).udp(5'000, 53).payload(12));
  scene.send(1, Packet().ip(kClient, kWeb4).udp(5'000, 54));
  scene.send(0, Packet().ip(kWeb4, kClient).udp(53, 5'000));
  EXPECT_EQ(scene.nic(1).rx_packets, 2u);
  EXPECT_EQ(scene.nic(1).tx_packets, 1u);
  EXPECT_EQ(scene.nic(1).dropped(), 1u);
  EXPECT_EQ(scene.nic(0).rx_packets, 1u);
  EXPECT_EQ(scene.nic(0).tx_packets, 1u);
  const InterfaceCounters web = scene.counters(kWeb);
  EXPECT_EQ(web.accepted_packets[0], 1u);
  EXPECT_EQ(web.accepted_bytes[0], 40u);
  EXPECT_EQ(web.accepted_packets[1], 1u);
  EXPECT_EQ(web.dropped_packets[0], 1u);
  EXPECT_EQ(web.drops[static_cast<std::size_t>(DropReason::NoRule)], 1u);
  EXPECT_EQ(web.flows, 1u);
}

}  // namespace
}  // namespace sluice
