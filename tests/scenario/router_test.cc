// The virtual router: interface ports and the uplink.

#include "tests/scenario/harness.h"

namespace sluice {
namespace {

constexpr std::uint16_t kUplink = 3;
const MacAddr kNic0Mac{{2, 0xee, 0, 0, 0, 0}};
const MacAddr kNic3Mac{{2, 0xee, 0, 0, 0, 3}};
constexpr const char* kWebPortMac = "02:ee:00:00:00:00";  // of the router at the port of web

MacAddr mac_at(const Bytes& frame, std::size_t at) {
  MacAddr mac;
  std::copy(frame.begin() + static_cast<std::ptrdiff_t>(at),
            frame.begin() + static_cast<std::ptrdiff_t>(at + 6), mac.bytes.begin());
  return mac;
}

// Everything may leave and come in; gateways are known.
struct RouterScene : Scene {
  RouterScene() : Scene(Wiring::Routed) {
    for (std::uint32_t group : {0u, 1u, 2u}) {
      for (const char* cidr : {"0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"}) {
        allow_out(group, kAll, 0, 0, cidr);
        allow_in(group, kAll, 0, 0, cidr);
      }
    }
    publish();
    turn();
    take_sent();
    learn_gateways();
  }
  Packet web_to(const char* destination) {
    return Packet().mac(kWebMac, "02:ee:00:00:00:00").ip(kWeb4, destination).udp(1'000, 53);
  }
  Packet outside_to(const char* destination) {
    return Packet().mac(kGatewayMac, "02:ee:00:00:00:03").ip(kClient, destination).udp(53, 1'000);
  }
};

TEST(Router, forwards_between_interfaces_with_the_ttl_unchanged) {
  RouterScene scene;
  const Outcome outcome = scene.send(0, scene.web_to(kDb4).ttl(1));
  ASSERT_TRUE(outcome.passed());
  EXPECT_EQ(outcome.sent[0].nic, NicIndex(2));
  const Bytes& frame = outcome.sent[0].bytes;
  EXPECT_EQ(mac_at(frame, 0).to_string(), kDbMac);
  EXPECT_EQ(mac_at(frame, 6).to_string(), "02:ee:00:00:00:02");
  EXPECT_EQ(frame[14 + 8], 1);
}

TEST(Router, sends_what_leaves_the_vpc_to_the_gateway_and_takes_one_off_the_ttl) {
  RouterScene scene;
  const Outcome outcome = scene.send(0, scene.web_to(kClient).ttl(9));
  ASSERT_TRUE(outcome.passed());
  EXPECT_EQ(outcome.sent[0].nic, NicIndex(kUplink));
  const Bytes& frame = outcome.sent[0].bytes;
  EXPECT_EQ(mac_at(frame, 0).to_string(), kGatewayMac);
  EXPECT_EQ(mac_at(frame, 6), kNic3Mac);
  EXPECT_EQ(frame[14 + 8], 8);
  EXPECT_EQ(checksum_sum(std::span(frame).subspan(14, 20)), 0xffff);
}

TEST(Router, takes_one_off_the_hop_limit_too) {
  RouterScene scene;
  const Outcome outcome = scene.send(
      0, Packet().mac(kWebMac, "02:ee:00:00:00:00").ip(kWeb6, kClient6).udp(1, 2).ttl(9));
  ASSERT_TRUE(outcome.passed());
  EXPECT_EQ(outcome.sent[0].bytes[14 + 7], 8);
}

TEST(Router, drops_what_would_leave_with_its_last_ttl) {
  RouterScene scene;
  EXPECT_EQ(scene.send(0, scene.web_to(kClient).ttl(1)).reason, DropReason::TtlExpired);
  EXPECT_EQ(scene.send(0, scene.web_to(kClient).ttl(0)).reason, DropReason::TtlExpired);
  EXPECT_EQ(scene.send(kUplink, scene.outside_to(kWeb4).ttl(1)).reason, DropReason::TtlExpired);
}

TEST(Router, delivers_what_comes_by_the_uplink) {
  RouterScene scene;
  const Outcome outcome = scene.send(kUplink, scene.outside_to(kWeb4));
  ASSERT_TRUE(outcome.passed());
  EXPECT_EQ(outcome.sent[0].nic, NicIndex(0));
  EXPECT_EQ(outcome.ingress.eni, kWeb);
  EXPECT_FALSE(outcome.egress.present);
  EXPECT_EQ(mac_at(outcome.sent[0].bytes, 0).to_string(), kWebMac);
  EXPECT_EQ(mac_at(outcome.sent[0].bytes, 6), kNic0Mac);
}

TEST(Router, drops_addresses_that_nobody_owns) {
  RouterScene scene;
  EXPECT_EQ(scene.send(0, scene.web_to("10.0.1.99")).reason, DropReason::UnknownAddress);
  EXPECT_EQ(scene.send(kUplink, scene.outside_to("10.0.1.99")).reason, DropReason::UnknownAddress);
  EXPECT_EQ(scene.send(kUplink, scene.outside_to("192.0.2.2")).reason, DropReason::ToAppliance);
  EXPECT_EQ(scene.send(0, scene.web_to("192.0.2.2")).reason, DropReason::ToAppliance);
  EXPECT_EQ(scene.send(0, scene.web_to("169.254.10.10")).reason, DropReason::NoRoute);
}

TEST(Router, judges_what_goes_nowhere_as_on_its_way) {
  RouterScene scene;
  const Outcome allowed = scene.send(0, scene.web_to("10.0.1.99"));
  EXPECT_EQ(allowed.reason, DropReason::UnknownAddress);
  EXPECT_EQ(allowed.egress.by, By::Rule);
  scene.policy.groups[0].rules.clear();
  scene.publish();
  for (const char* nowhere : {"10.0.1.98", "169.254.10.10", "192.0.2.2"}) {
    EXPECT_EQ(scene.send(0, scene.web_to(nowhere)).reason, DropReason::NoRule) << nowhere;
  }
  EXPECT_EQ(scene.send(0, scene.web_to(kClient).ttl(1)).reason, DropReason::NoRule);
  EXPECT_EQ(scene.counters(kWeb).drops[static_cast<std::size_t>(DropReason::NoRule)], 4u);
}

TEST(Router, takes_nothing_of_a_vpc_or_its_peers_by_the_uplink) {  // NA-5
  RouterScene scene;
  VpcInput peer;
  peer.index = VpcIndex(1);
  peer.cidrs = {*Cidr::parse("10.7.0.0/16")};
  peer.peers = {VpcIndex(0)};
  scene.policy.vpcs.push_back(peer);
  scene.policy.vpcs[0].peers = {VpcIndex(1)};
  scene.publish();
  for (const char* inside : {"10.0.9.9", "10.7.1.1", "fd00:10::9"}) {
    const bool is_v4 = IpAddr::parse(inside)->is_v4();
    const Packet packet =
        Packet().mac(kGatewayMac, kDbMac).ip(inside, is_v4 ? kWeb4 : kWeb6).udp(1, 2);
    EXPECT_EQ(scene.send(kUplink, packet).reason, DropReason::SourceCheck) << inside;
  }
  EXPECT_TRUE(scene.send(kUplink, scene.outside_to(kWeb4)).passed());
}

TEST(Router, knows_the_broadcast_address_of_a_subnet) {
  RouterScene scene;
  EXPECT_EQ(scene.send(0, scene.web_to("10.0.1.255")).reason, DropReason::Multicast);
  EXPECT_EQ(scene.send(0, scene.web_to("10.0.2.255")).reason, DropReason::UnknownAddress)
      << "of another subnet";
  scene.interface(kApp).addresses.push_back(*IpAddr::parse("10.0.1.255"));
  scene.publish();
  EXPECT_TRUE(scene.send(0, scene.web_to("10.0.1.255")).passed()) << "an interface has it";
}

TEST(Router, has_no_way_for_dhcp_that_is_exempt) {
  RouterScene scene;
  scene.policy.exempt = ExemptProfile::Aws;
  scene.policy.groups[0].rules.clear();
  scene.publish();
  const Packet discover =
      Packet().mac(kWebMac, "ff:ff:ff:ff:ff:ff").ip("0.0.0.0", "255.255.255.255").udp(68, 67);
  const Outcome outcome = scene.send(0, discover);
  EXPECT_EQ(outcome.reason, DropReason::NoRoute);
  EXPECT_EQ(outcome.egress.by, By::Exempt);
}

TEST(Router, drops_a_frame_that_is_longer_than_the_mtu_though_its_packet_is_not) {
  RouterScene scene;
  Bytes frame = scene.web_to(kDb4).build();
  frame.resize(3'000);
  EXPECT_EQ(scene.send(0, frame).reason, DropReason::TooBig);
  frame.resize(64);
  EXPECT_TRUE(scene.send(0, frame).passed()) << "padded";
}

TEST(Router, drops_what_leaves_a_vpc_without_uplink) {
  RouterScene scene;
  VpcInput lonely;
  lonely.index = VpcIndex(1);
  lonely.cidrs = {*Cidr::parse("10.9.0.0/16")};
  scene.policy.vpcs.push_back(lonely);
  SubnetInput subnet;
  subnet.index = SubnetIndex(2);
  subnet.vpc = VpcIndex(1);
  subnet.cidrs = lonely.cidrs;
  scene.policy.subnets.push_back(subnet);
  InterfaceInput& web = scene.interface(kWeb);
  web.vpc = VpcIndex(1);
  web.subnet = SubnetIndex(2);
  web.addresses = {*IpAddr::parse("10.9.0.10")};
  scene.publish();
  const Packet packet = Packet().mac(kWebMac, kWebPortMac).ip("10.9.0.10", kClient).udp(1, 2);
  EXPECT_EQ(scene.send(0, packet).reason, DropReason::NoRoute);
}

TEST(Router, drops_spoofed_sources) {  // SG-31
  RouterScene scene;
  const Packet foreign = Packet().mac(kWebMac, kDbMac).ip(kApp4, kDb4).udp(1, 2);
  EXPECT_EQ(scene.send(0, foreign).reason, DropReason::SourceCheck);
  const Packet stolen_mac = Packet().mac(kAppMac, kDbMac).ip(kWeb4, kDb4).udp(1, 2);
  EXPECT_EQ(scene.send(0, stolen_mac).reason, DropReason::SourceCheck);
  const Packet inside_out = Packet().mac(kGatewayMac, kDbMac).ip(kApp4, kWeb4).udp(1, 2);
  EXPECT_EQ(scene.send(kUplink, inside_out).reason, DropReason::SourceCheck);
  EXPECT_EQ(scene.counters(kWeb).drops[static_cast<std::size_t>(DropReason::SourceCheck)], 2u);
}

TEST(Router, carries_what_belongs_to_a_delegated_prefix) {  // SG-28
  constexpr const char* kDelegated = "10.0.1.200";
  RouterScene scene;
  EXPECT_EQ(scene.send(0, scene.web_to(kDelegated)).reason, DropReason::UnknownAddress);
  scene.interface(kApp).prefixes = {*Cidr::parse("10.0.1.192/28")};
  scene.publish();
  for (const auto& [nic, packet] : {std::pair(std::uint16_t{0}, scene.web_to(kDelegated)),
                                    std::pair(kUplink, scene.outside_to(kDelegated))}) {
    const Outcome to_it = scene.send(nic, packet);
    ASSERT_TRUE(to_it.passed()) << nic;
    EXPECT_EQ(to_it.sent[0].nic, NicIndex(1));
    EXPECT_EQ(to_it.ingress.eni, kApp);
    EXPECT_EQ(mac_at(to_it.sent[0].bytes, 0).to_string(), kAppMac);
  }
  EXPECT_EQ(scene.send(0, scene.web_to("10.0.1.208")).reason, DropReason::UnknownAddress);
  const Packet from_it = Packet().mac(kAppMac, "02:ee:00:00:00:01").ip(kDelegated, kDb4).udp(1, 2);
  EXPECT_TRUE(scene.send(1, from_it).passed());
  const Packet forged = Packet().mac(kWebMac, kWebPortMac).ip(kDelegated, kDb4).udp(1, 2);
  EXPECT_EQ(scene.send(0, forged).reason, DropReason::SourceCheck);
  const Packet inside_out =
      Packet().mac(kGatewayMac, "02:ee:00:00:00:03").ip(kDelegated, kWeb4).udp(1, 2);
  EXPECT_EQ(scene.send(kUplink, inside_out).reason, DropReason::SourceCheck);
}

// A piece of a datagram that was never sent whole: its first fragment is missing.
Packet later_piece(const Packet& whole, std::uint32_t id) {
  return Packet(whole).payload(192).id(id).fragment(80, 80, true);
}

TEST(Router, holds_no_fragment_of_a_spoofed_source) {
  RouterScene scene;
  const Packet foreign = Packet().mac(kWebMac, kDbMac).ip(kApp4, kDb4).udp(1, 2);
  const Packet stolen_mac = Packet().mac(kAppMac, kDbMac).ip(kWeb4, kDb4).udp(1, 2);
  const Packet inside_out = Packet().mac(kGatewayMac, kDbMac).ip(kApp4, kWeb4).udp(1, 2);
  EXPECT_EQ(scene.send(0, later_piece(foreign, 1)).reason, DropReason::SourceCheck);
  EXPECT_EQ(scene.send(0, later_piece(stolen_mac, 2)).reason, DropReason::SourceCheck);
  EXPECT_EQ(scene.send(kUplink, later_piece(inside_out, 3)).reason, DropReason::SourceCheck);
  EXPECT_FALSE(scene.send(0, later_piece(scene.web_to(kDb4), 4)).is_finished);
  EXPECT_EQ(scene.worker().counters().held, 1u);
}

// Everybody sends pieces without a first one, until no more are held.
void fill_held_places(RouterScene& scene, std::uint16_t nic, const Packet& ipv4,
                      const Packet& ipv6) {
  for (std::uint32_t id = 0; id < 300; ++id) {
    scene.send(nic, later_piece(ipv4, id));
    scene.send(nic, later_piece(ipv6, id));
  }
}

TEST(Router, holds_fragments_of_one_port_while_another_floods) {
  RouterScene scene;
  fill_held_places(scene, 0, scene.web_to(kDb4),
                   Packet().mac(kWebMac, kWebPortMac).ip(kWeb6, kClient6).udp(1, 2));
  EXPECT_EQ(scene.send(0, later_piece(scene.web_to(kDb4), 999)).reason,
            DropReason::FragmentTooMany);
  EXPECT_FALSE(scene.send(kUplink, later_piece(scene.outside_to(kWeb4), 999)).is_finished);
}

TEST(Router, passes_fragments_in_order_though_no_more_can_be_held) {
  RouterScene scene;
  const auto fill = [&](std::uint16_t nic, const char* mac, const char* ipv4, const char* to_ipv4,
                        const char* ipv6, const char* to_ipv6) {
    const std::string port_mac = "02:ee:00:00:00:0" + std::to_string(nic);
    const Packet from = Packet().mac(mac, port_mac);
    fill_held_places(scene, nic, Packet(from).ip(ipv4, to_ipv4).udp(1, 2),
                     Packet(from).ip(ipv6, to_ipv6).udp(1, 2));
  };
  fill(0, kWebMac, kWeb4, kDb4, kWeb6, kClient6);
  fill(1, kAppMac, kApp4, kDb4, "fd00:10:0:1::20", kClient6);
  fill(2, kDbMac, kDb4, kWeb4, "fd00:10:0:2::30", "2001:db8:7::8");
  fill(kUplink, kGatewayMac, kClient, kWeb4, kClient6, kWeb6);
  ASSERT_EQ(scene.worker().counters().held, 1'024u) << "no place is left";
  const Packet whole = scene.web_to(kDb4).payload(192).id(5'000);
  EXPECT_TRUE(scene.send(0, Packet(whole).fragment(0, 80, true)).passed());
  EXPECT_TRUE(scene.send(0, Packet(whole).fragment(80, 120, false)).passed());
}

TEST(Router, routes_no_frame_that_is_for_another_station) {
  RouterScene scene;
  for (const char* destination : {kDb4, kClient}) {
    const Packet packet = scene.web_to(destination);
    EXPECT_EQ(scene.send(0, Packet(packet).mac(kWebMac, kDbMac)).reason, DropReason::ForeignMac);
    EXPECT_EQ(scene.send(0, Packet(packet).mac(kWebMac, "02:ee:00:00:00:02")).reason,
              DropReason::ForeignMac)
        << "of another port of the router";
    EXPECT_TRUE(scene.send(0, packet).passed());
  }
  const Packet from_outside = scene.outside_to(kWeb4);
  EXPECT_EQ(scene.send(kUplink, Packet(from_outside).mac(kGatewayMac, kWebMac)).reason,
            DropReason::ForeignMac);
  EXPECT_TRUE(scene.send(kUplink, from_outside).passed());
  const Packet piece = later_piece(Packet(from_outside).mac(kGatewayMac, kWebMac), 1);
  EXPECT_EQ(scene.send(kUplink, piece).reason, DropReason::ForeignMac) << "and holds none";
  EXPECT_EQ(scene.worker().counters().held, 0u);
}

TEST(Router, takes_every_frame_where_addresses_are_not_checked) {
  SceneOptions options;
  options.wiring = Wiring::Routed;
  options.source_check = false;
  Scene scene(options);
  scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.allow_in(2, kAll, 0, 0, "0.0.0.0/0");
  scene.publish();
  EXPECT_TRUE(scene.send(0, Packet().mac(kWebMac, kDbMac).ip(kWeb4, kDb4).udp(1, 2)).passed());
}

TEST(Router, drops_impossible_addresses_and_what_is_for_many) {  // SG-63
  RouterScene scene;
  EXPECT_EQ(scene.send(0, Packet().mac(kWebMac, kDbMac).ip("127.0.0.1", kDb4).udp(1, 2)).reason,
            DropReason::MalformedAddress);
  EXPECT_EQ(scene.send(kUplink, Packet().ip("224.0.0.5", kWeb4).udp(1, 2)).reason,
            DropReason::MalformedAddress);
  EXPECT_EQ(scene.send(0, scene.web_to("127.0.0.1")).reason, DropReason::MalformedAddress);
  EXPECT_EQ(scene.send(0, scene.web_to("224.0.0.5")).reason, DropReason::Multicast);
  EXPECT_EQ(scene.send(0, scene.web_to("255.255.255.255")).reason, DropReason::Multicast);
  EXPECT_EQ(scene.send(0, scene.web_to(kDb4).mac(kWebMac, "ff:ff:ff:ff:ff:ff")).reason,
            DropReason::Multicast);
  EXPECT_EQ(scene.send(kUplink, scene.outside_to("224.0.0.5")).reason, DropReason::Multicast);
  EXPECT_EQ(scene.send(0, scene.web_to(kDb4).mac("03:00:00:00:01:10", kDbMac)).reason,
            DropReason::MalformedEthernet);
  EXPECT_EQ(scene.send(0, Packet().ether_type(0x88cc).payload(50)).reason, DropReason::NotIp);
}

TEST(Router, calls_multicast_so_whoever_sends_it) {  // SG-63
  RouterScene scene;
  const auto to_many = [](const char* mac, const char* source, const char* destination) {
    return Packet().mac(mac, "33:33:00:00:00:16").ip(source, destination).udp(5353, 5353);
  };
  // MLD of a host that has no address yet, RFC 3810.
  const Packet report = Packet().mac(kWebMac, "33:33:00:00:00:16").ip("::", "ff02::16");
  EXPECT_EQ(scene.send(0, Packet(report).icmp(143, 0)).reason, DropReason::Multicast);
  EXPECT_EQ(scene.send(0, to_many(kWebMac, "0.0.0.0", "224.0.0.251")).reason,
            DropReason::Multicast);
  EXPECT_EQ(scene.send(0, to_many(kAppMac, kApp4, "224.0.0.251")).reason, DropReason::Multicast);
  EXPECT_EQ(scene.send(kUplink, to_many(kGatewayMac, kApp4, "224.0.0.251")).reason,
            DropReason::Multicast);
  EXPECT_EQ(scene.counters(kWeb).dropped_packets[1], 3u);
  EXPECT_TRUE(scene.take_deltas().empty()) << "none is in the log of web, who sent none";
}

TEST(Router, drops_vlan_tags_whatever_they_carry) {
  RouterScene scene;
  EXPECT_EQ(scene.send(0, scene.web_to(kClient).vlan(7)).reason, DropReason::Vlan);
  EXPECT_EQ(scene.send(0, scene.web_to(kClient).vlan(0)).reason, DropReason::Vlan)
      << "a mere priority would be the gateway's to obey";
  EXPECT_EQ(scene.send(0, scene.web_to(kClient).vlan(0).vlan(7)).reason, DropReason::Vlan);
  EXPECT_EQ(scene.send(kUplink, scene.outside_to(kWeb4).vlan(7, 0x88a8)).reason, DropReason::Vlan);
  EXPECT_EQ(scene.send(0, Packet().ether_type(0x0806).vlan(7).payload(28)).reason,
            DropReason::Vlan);
  EXPECT_EQ(scene.flow_count(), 0u);
  EXPECT_TRUE(scene.send(0, scene.web_to(kClient)).passed());
}

TEST(Router, drops_until_the_gateway_is_known) {
  Scene scene(Wiring::Routed);
  scene.allow_out(0, kAll, 0, 0, "0.0.0.0/0");
  scene.publish();
  scene.turn();
  const auto asked = scene.take_sent();
  ASSERT_EQ(asked.size(), 2u) << "one request of each family";
  EXPECT_EQ(asked[0].nic, NicIndex(kUplink));
  EXPECT_EQ(get16(asked[0].bytes, 12), 0x0806);
  EXPECT_EQ(get16(asked[0].bytes, 20), 1) << "a request";
  EXPECT_EQ(asked[0].bytes[38 + 3], 1) << "for 192.0.2.1";
  EXPECT_EQ(get16(asked[1].bytes, 12), 0x86dd);
  EXPECT_EQ(asked[1].bytes[54], 135);
  const Packet out = Packet().mac(kWebMac, kWebPortMac).ip(kWeb4, kClient).udp(1, 2);
  EXPECT_EQ(scene.send(0, out).reason, DropReason::NoNeighbor);
  scene.learn_gateways();
  EXPECT_TRUE(scene.send(0, out).passed());
  EXPECT_EQ(scene.worker().neighbor(NicIndex(3), Family::Ipv4).to_string(), kGatewayMac);
  EXPECT_EQ(scene.worker().neighbor(NicIndex(3), Family::Ipv6).to_string(), kGatewayMac);
}

TEST(Router, asks_for_the_gateway_every_second_and_later_every_half_minute) {
  Scene scene(Wiring::Routed);
  scene.turn(10);
  EXPECT_EQ(scene.take_sent().size(), 2u);
  scene.wait_s(3);
  EXPECT_EQ(scene.take_sent().size(), 6u);
  scene.learn_gateways();
  scene.take_sent();
  scene.wait_s(25);
  EXPECT_EQ(scene.take_sent().size(), 0u);
  scene.wait_s(5.5);
  EXPECT_EQ(scene.take_sent().size(), 2u);
  scene.learn_gateways();
  scene.take_sent();
  scene.wait_s(25);
  EXPECT_EQ(scene.take_sent().size(), 0u);
}

TEST(Router, forgets_a_gateway_that_answers_no_more) {
  RouterScene scene;
  scene.wait_s(30);
  EXPECT_FALSE(scene.worker().neighbor(NicIndex(3), Family::Ipv4).is_zero()) << "asked again";
  scene.wait_s(6);
  EXPECT_TRUE(scene.worker().neighbor(NicIndex(3), Family::Ipv4).is_zero());
  EXPECT_EQ(scene.send(0, scene.web_to(kClient)).reason, DropReason::NoNeighbor);
  scene.learn_gateways();
  EXPECT_TRUE(scene.send(0, scene.web_to(kClient)).passed());
}

TEST(Router, follows_a_gateway_that_makes_itself_known) {
  RouterScene scene;
  scene.send(kUplink, arp(1, "02:99:00:00:00:02", "192.0.2.1", "192.0.2.1"));
  EXPECT_EQ(scene.worker().neighbor(NicIndex(3), Family::Ipv4).to_string(), "02:99:00:00:00:02");
}

TEST(Router, learns_the_gateway_from_nobody_else) {
  Scene scene(Wiring::Routed);
  scene.send(kUplink, arp(2, kAppMac, "192.0.2.3", "192.0.2.2"));
  scene.send(kUplink, arp(1, kAppMac, "192.0.2.1", "192.0.2.2"));
  scene.send(0, arp(2, kWebMac, "192.0.2.1", kWeb4));
  EXPECT_TRUE(scene.worker().neighbor(NicIndex(3), Family::Ipv4).is_zero());
}

TEST(Arp, is_answered_for_every_address_of_the_vpc_but_the_own) {  // SG-62
  RouterScene scene;
  for (const char* target : {kApp4, kDb4, "10.0.1.1", "10.0.77.7"}) {
    const Outcome outcome = scene.send(0, arp(1, kWebMac, kWeb4, target));
    ASSERT_EQ(outcome.sent.size(), 1u) << target;
    const Bytes& frame = outcome.sent[0].bytes;
    EXPECT_EQ(outcome.sent[0].nic, NicIndex(0));
    EXPECT_EQ(outcome.verdict, Verdict::None);
    EXPECT_EQ(mac_at(frame, 0).to_string(), kWebMac);
    EXPECT_EQ(mac_at(frame, 6), kNic0Mac);
    EXPECT_EQ(get16(frame, 20), 2) << "a reply";
    EXPECT_EQ(mac_at(frame, 22), kNic0Mac);
    EXPECT_EQ(IpAddr::v4(static_cast<std::uint32_t>(get16(frame, 28)) << 16 | get16(frame, 30)),
              *IpAddr::parse(target));
    EXPECT_EQ(mac_at(frame, 32).to_string(), kWebMac);
  }
  EXPECT_EQ(scene.send(0, arp(1, kWebMac, kWeb4, "172.16.0.1")).sent.size(), 0u);
}

TEST(Arp, of_link_local_addresses_is_not_answered_though_the_vpc_is_everything) {
  RouterScene scene;
  scene.policy.vpcs[0].cidrs = {*Cidr::parse("0.0.0.0/0"), *Cidr::parse("::/0")};
  scene.publish();
  EXPECT_EQ(scene.send(0, arp(1, kWebMac, "0.0.0.0", "169.254.7.7")).sent.size(), 0u);
  EXPECT_EQ(scene.send(0, arp(1, kWebMac, kWeb4, "172.16.0.1")).sent.size(), 1u);
}

TEST(Arp, probe_for_the_own_address_is_not_answered) {
  RouterScene scene;
  EXPECT_EQ(scene.send(0, arp(1, kWebMac, "0.0.0.0", kWeb4)).sent.size(), 0u) << "a probe (DAD)";
  EXPECT_EQ(scene.send(0, arp(1, kWebMac, kWeb4, kWeb4)).sent.size(), 0u) << "gratuitous";
  EXPECT_EQ(scene.send(0, arp(1, kWebMac, "0.0.0.0", kApp4)).sent.size(), 1u) << "taken";
  EXPECT_EQ(scene.drops(DropReason::SourceCheck), 0u);
}

TEST(Arp, of_a_liar_is_dropped) {  // SG-62
  RouterScene scene;
  EXPECT_EQ(scene.send(0, arp(1, kWebMac, kApp4, kDb4)).reason, DropReason::SourceCheck);
  EXPECT_EQ(scene.send(0, arp(1, kAppMac, kWeb4, kDb4)).reason, DropReason::SourceCheck);
  EXPECT_EQ(scene.send(0, arp(1, kAppMac, kWeb4, kDb4, kWebMac)).reason, DropReason::SourceCheck);
  EXPECT_EQ(scene.send(0, arp(2, kWebMac, kApp4, kDb4)).reason, DropReason::SourceCheck);
  EXPECT_EQ(scene.send(kUplink, arp(1, kGatewayMac, kApp4, kWeb4)).reason, DropReason::SourceCheck);
}

TEST(Arp, that_is_malformed_is_dropped) {
  RouterScene scene;
  const Bytes good = arp(1, kWebMac, kWeb4, kDb4);
  for (std::size_t at : {14u, 16u, 18u, 19u, 20u}) {
    Bytes bad = good;
    bad[at] ^= 0x40;
    EXPECT_EQ(scene.send(0, bad).reason, DropReason::MalformedArp) << at;
  }
  for (std::size_t size = 14; size < 42; ++size) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(scene.send(0, cut).reason, DropReason::MalformedArp) << size;
  }
}

TEST(Arp, on_the_uplink_is_answered_for_own_and_interface_addresses) {
  RouterScene scene;
  for (const char* target : {"192.0.2.2", kWeb4, kDb4}) {
    const Outcome outcome = scene.send(kUplink, arp(1, kGatewayMac, "192.0.2.1", target));
    ASSERT_EQ(outcome.sent.size(), 1u) << target;
    EXPECT_EQ(mac_at(outcome.sent[0].bytes, 22), kNic3Mac);
  }
  EXPECT_EQ(scene.send(kUplink, arp(1, kGatewayMac, "192.0.2.1", "10.0.1.99")).sent.size(), 0u);
}

TEST(NeighborDiscovery, is_answered_with_a_sound_advertisement) {  // SG-62
  RouterScene scene;
  const Outcome outcome = scene.send(0, solicitation(kWebMac, kWeb6, "fd00:10:0:2::30"));
  ASSERT_EQ(outcome.sent.size(), 1u);
  const Bytes& frame = outcome.sent[0].bytes;
  ASSERT_EQ(frame.size(), 14u + 40 + 32);
  EXPECT_EQ(frame[14 + 7], 255);
  EXPECT_EQ(frame[54], 136);
  EXPECT_EQ(frame[58], 0xe0) << "router, solicited, override";
  EXPECT_EQ(IpAddr::v6_from_wire(&frame[62]).to_string(), "fd00:10:0:2::30");
  EXPECT_EQ(frame[78], 2) << "target's MAC address";
  EXPECT_EQ(mac_at(frame, 80), kNic0Mac);
  // The receiver's own check: pseudo header and message sum up to 0xffff.
  const std::uint32_t pseudo = checksum_sum(std::span(frame).subspan(22, 32)) + 32u + 58u;
  EXPECT_EQ(checksum_sum(std::span(frame).subspan(54), pseudo), 0xffff);
  EXPECT_EQ(scene.send(0, solicitation(kWebMac, kWeb6, "fe80::1")).sent.size(), 1u);
  EXPECT_EQ(scene.send(0, solicitation(kWebMac, kWeb6, "2001:db8::1")).sent.size(), 0u);
}

TEST(NeighborDiscovery, probe_for_the_own_address_is_not_answered) {
  RouterScene scene;
  EXPECT_EQ(scene.send(0, solicitation(kWebMac, "::", kWeb6)).sent.size(), 0u);
  EXPECT_EQ(scene.send(0, solicitation(kWebMac, "::", "fe80::aa")).sent.size(), 0u);
  const Outcome taken = scene.send(0, solicitation(kWebMac, "::", "fd00:10:0:2::30"));
  // The probe has no option, and in a buffer without room no answer can be written.
  EXPECT_EQ(taken.verdict, Verdict::None);
  EXPECT_EQ(scene.drops(DropReason::SourceCheck), 0u);
}

TEST(NeighborDiscovery, of_a_liar_is_dropped) {  // SG-62
  RouterScene scene;
  EXPECT_EQ(scene.send(0, solicitation(kWebMac, "fd00:10:0:1::20", "fd00:10:0:2::30")).reason,
            DropReason::SourceCheck);
  EXPECT_EQ(scene.send(0, solicitation(kAppMac, kWeb6, "fd00:10:0:2::30")).reason,
            DropReason::SourceCheck);
  EXPECT_EQ(scene.send(0, advertisement(kWebMac, kWeb6, kWeb6, "fd00:10:0:1::20")).reason,
            DropReason::SourceCheck);
  EXPECT_EQ(
      scene.send(kUplink, advertisement(kGatewayMac, kClient6, "2001:db8:f::2", kWeb6)).reason,
      DropReason::SourceCheck);
}

TEST(NeighborDiscovery, must_be_sound) {
  RouterScene scene;
  const Bytes good = solicitation(kWebMac, kWeb6, "fd00:10:0:2::30");
  ASSERT_EQ(scene.send(0, good).sent.size(), 1u);
  for (std::size_t at : {21u /* hop limit */, 55u /* code */, 56u /* checksum */, 65u /* target */,
                         79u /* option length */}) {
    Bytes bad = good;
    bad[at] ^= 1;
    EXPECT_EQ(scene.send(0, bad).reason, DropReason::MalformedNeighborDiscovery) << at;
  }
}

}  // namespace
}  // namespace sluice
