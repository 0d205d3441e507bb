#include "dataplane/parse.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "dataplane/wire.h"
#include "tests/packets/packet.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

// A copy as long as the frame and no longer, so that sanitizers see the first byte read beyond it.
DropReason parse(const Bytes& frame, PacketFacts& facts) {
  const Bytes exact(frame);
  return parse_frame(exact, static_cast<std::uint32_t>(exact.size()), facts);
}
DropReason reason_of(const Bytes& frame) {
  PacketFacts facts;
  return parse(frame, facts);
}

Packet tcp4() { return Packet().ip("10.0.0.1", "10.0.0.2").tcp(40'000, 443, kSyn); }
Packet tcp6() { return Packet().ip("fd00::1", "fd00::2").tcp(40'000, 443, kSyn); }
Packet udp4() { return Packet().ip("10.0.0.1", "10.0.0.2").udp(5'000, 53).payload(20); }
Packet udp6() { return Packet().ip("fd00::1", "fd00::2").udp(5'000, 53).payload(20); }
Packet echo4() { return Packet().ip("10.0.0.1", "10.0.0.2").icmp(8, 0, 77, 1).payload(16); }

constexpr std::size_t kIp = 14;

TEST(Parse, takes_every_fact_of_a_tcp_segment) {
  PacketFacts facts;
  const Bytes frame = Packet()
                          .ip("10.1.2.3", "192.0.2.9")
                          .tcp(40'000, 443, kSynAck)
                          .numbers(0x01020304, 0xfffefdfc)
                          .window(0x1234)
                          .tcp_options(window_scale_option(7))
                          .payload(11)
                          .build();
  ASSERT_EQ(parse(frame, facts), DropReason::None);
  EXPECT_EQ(facts.source().to_string(), "10.1.2.3");
  EXPECT_EQ(facts.destination().to_string(), "192.0.2.9");
  EXPECT_EQ(facts.family(), Family::Ipv4);
  EXPECT_EQ(facts.proto, Proto::Tcp);
  EXPECT_EQ(facts.source_port, 40'000);
  EXPECT_EQ(facts.destination_port, 443);
  EXPECT_EQ(facts.sequence, 0x01020304u);
  EXPECT_EQ(facts.acknowledgment, 0xfffefdfcu);
  EXPECT_EQ(facts.window, 0x1234);
  EXPECT_EQ(facts.window_scale, 7);
  EXPECT_EQ(facts.tcp_flags, kSynAck);
  EXPECT_EQ(facts.payload_size, 11);
  EXPECT_EQ(facts.ip_length, 20u + 24 + 11);
  EXPECT_EQ(facts.transport_offset(), 34u);
}

TEST(Parse, takes_ipv6_addresses_and_ports) {
  PacketFacts facts;
  ASSERT_EQ(parse(udp6().build(), facts), DropReason::None);
  EXPECT_EQ(facts.source().to_string(), "fd00::1");
  EXPECT_EQ(facts.destination().to_string(), "fd00::2");
  EXPECT_EQ(facts.source_port, 5'000);
  EXPECT_EQ(facts.destination_port, 53);
  EXPECT_EQ(facts.ip_length, 40u + 8 + 20);
  EXPECT_EQ(facts.window_scale, -1);
}

TEST(Parse, shows_icmp_type_code_and_identifier_as_ports) {
  PacketFacts facts;
  ASSERT_EQ(parse(echo4().build(), facts), DropReason::None);
  EXPECT_EQ(facts.icmp_type(), 8);
  EXPECT_EQ(facts.icmp_code(), 0);
  EXPECT_EQ(facts.source_port, 77);
  EXPECT_FALSE(facts.has(PacketFacts::kIcmpError));
  const Packet unreachable = Packet().ip("10.0.0.1", "10.0.0.2").icmp(3, 4, 5, 1'400);
  ASSERT_EQ(parse(unreachable.build(), facts), DropReason::None);
  EXPECT_EQ(facts.destination_port, 3 << 8 | 4);
  EXPECT_EQ(facts.source_port, 0) << "an error has no identifier";
  EXPECT_TRUE(facts.has(PacketFacts::kIcmpError));
}

TEST(Parse, ignores_padding_behind_the_ip_length) {
  PacketFacts facts;
  Bytes frame = tcp4().build();
  frame.resize(60);
  ASSERT_EQ(parse(frame, facts), DropReason::None);
  EXPECT_EQ(facts.ip_length, 40u);
  EXPECT_EQ(facts.payload_size, 0);
}

TEST(Parse, never_passes_a_frame_cut_anywhere_before_its_ip_length) {
  for (const Packet& packet :
       {tcp4(), tcp6(), udp4(), udp6(), echo4(), tcp4().vlan(5), tcp4().options({1, 1, 1, 1}),
        udp6().extension(60, {1, 4, 0, 0, 0, 0})}) {
    const Bytes whole = packet.build();
    ASSERT_EQ(reason_of(whole), DropReason::None);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      const DropReason reason = reason_of(cut);
      EXPECT_TRUE(is_malformed(reason)) << size << " of " << whole.size();
    }
  }
}

TEST(Parse, reads_only_what_is_contiguous) {
  // The frame goes on in another segment: as long as headers are contiguous that is fine.
  const Bytes whole = tcp4().payload(1'000).build();
  for (std::size_t size = 0; size <= 80; ++size) {
    const Bytes first(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    PacketFacts facts;
    const DropReason reason = parse_frame(first, static_cast<std::uint32_t>(whole.size()), facts);
    EXPECT_EQ(reason == DropReason::None, size >= 54) << size;
  }
}

TEST(Parse, passes_two_vlan_tags_and_no_third) {
  PacketFacts facts;
  ASSERT_EQ(parse(udp4().vlan(7).build(), facts), DropReason::None);
  EXPECT_EQ(facts.network_offset, 18);
  EXPECT_EQ(facts.destination_port, 53);
  ASSERT_EQ(parse(udp4().vlan(7, 0x88a8).vlan(8).build(), facts), DropReason::None);
  EXPECT_EQ(facts.network_offset, 22);
  EXPECT_EQ(facts.transport_offset(), 42u);
  EXPECT_EQ(reason_of(udp4().vlan(7).vlan(8).vlan(9).build()), DropReason::MalformedVlan);
}

TEST(Parse, lets_other_ether_types_be) {
  PacketFacts facts;
  EXPECT_EQ(parse(Packet().ether_type(0x88cc).payload(40).build(), facts), DropReason::None);
  EXPECT_EQ(facts.bits, 0);
  EXPECT_EQ(parse(Packet().ether_type(0x0806).payload(3).build(), facts), DropReason::None);
  EXPECT_TRUE(facts.has(PacketFacts::kArp));
}

// One header field spoiled, and what is said about it.
struct Spoiled {
  std::string what;
  Bytes frame;
  DropReason reason;
};

Bytes with8(Bytes frame, std::size_t at, std::uint8_t value, bool mend = true) {
  set8(frame, at, value);
  if (mend) mend_ipv4(frame);
  return frame;
}
Bytes with16(Bytes frame, std::size_t at, std::uint16_t value, bool mend = true) {
  set16(frame, at, value);
  if (mend) mend_ipv4(frame);
  return frame;
}

TEST(Parse, judges_every_ipv4_field_one_off) {
  const Bytes good = udp4().build();  // 48 bytes of IP
  const Spoiled rows[] = {
      {"version 3", with8(good, kIp, 0x35), DropReason::MalformedIpv4Header},
      {"version 6", with8(good, kIp, 0x65), DropReason::MalformedIpv4Header},
      {"header of 4 words", with8(good, kIp, 0x44, false), DropReason::MalformedIpv4Header},
      {"header of 0 words", with8(good, kIp, 0x40, false), DropReason::MalformedIpv4Header},
      {"total length 49", with16(good, kIp + 2, 49), DropReason::MalformedTruncated},
      {"total length 65535", with16(good, kIp + 2, 65'535), DropReason::MalformedTruncated},
      {"total length 47", with16(good, kIp + 2, 47), DropReason::MalformedUdp},
      {"total length 20", with16(good, kIp + 2, 20), DropReason::MalformedUdp},
      {"total length 19", with16(good, kIp + 2, 19), DropReason::MalformedIpv4Header},
      {"checksum one off",
       with16(good, kIp + 10, static_cast<std::uint16_t>(get16(good, kIp + 10) + 1), false),
       DropReason::MalformedIpv4Checksum},
      {"checksum zero", with16(good, kIp + 10, 0, false), DropReason::MalformedIpv4Checksum},
  };
  for (const Spoiled& row : rows) EXPECT_EQ(reason_of(row.frame), row.reason) << row.what;
}

TEST(Parse, walks_ipv4_options) {
  EXPECT_EQ(reason_of(udp4().options({7, 3, 4, 0}).build()), DropReason::None);
  EXPECT_EQ(reason_of(udp4().options({1, 1, 1, 0}).build()), DropReason::None);
  EXPECT_EQ(reason_of(udp4().options({0, 9, 9, 9}).build()), DropReason::None) << "end of list";
  EXPECT_EQ(reason_of(udp4().options({7, 4, 4, 4}).build()), DropReason::None);
  EXPECT_EQ(reason_of(udp4().options({7, 5, 4, 4}).build()), DropReason::MalformedIpv4Options);
  EXPECT_EQ(reason_of(udp4().options({7, 1, 4, 4}).build()), DropReason::MalformedIpv4Options);
  EXPECT_EQ(reason_of(udp4().options({7, 0, 0, 0}).build()), DropReason::MalformedIpv4Options);
  EXPECT_EQ(reason_of(udp4().options({1, 1, 1, 7}).build()), DropReason::MalformedIpv4Options);
}

TEST(Parse, judges_every_ipv6_field_one_off) {
  const Bytes good = udp6().build();  // 28 bytes of payload
  auto spoil16 = [&](std::size_t at, std::uint16_t value) {
    return with16(good, at, value, false);
  };
  EXPECT_EQ(reason_of(with8(good, kIp, 0x50, false)), DropReason::MalformedIpv6Header);
  EXPECT_EQ(reason_of(with8(good, kIp, 0x45, false)), DropReason::MalformedIpv6Header);
  EXPECT_EQ(reason_of(spoil16(kIp + 4, 29)), DropReason::MalformedTruncated);
  EXPECT_EQ(reason_of(spoil16(kIp + 4, 28)), DropReason::None);
  EXPECT_EQ(reason_of(spoil16(kIp + 4, 27)), DropReason::MalformedUdp);
  EXPECT_EQ(reason_of(spoil16(kIp + 4, 7)), DropReason::MalformedUdp);
  EXPECT_EQ(reason_of(spoil16(kIp + 4, 0)), DropReason::MalformedUdp);
}

TEST(Parse, walks_ipv6_extension_headers) {
  const Bytes six(6, 0), fourteen(14, 0);
  PacketFacts facts;
  const Packet packet = udp6().extension(0, six).extension(60, fourteen);
  ASSERT_EQ(parse(packet.build(), facts), DropReason::None);
  EXPECT_EQ(facts.proto, Proto::Udp);
  EXPECT_EQ(facts.destination_port, 53);
  EXPECT_EQ(facts.transport_offset(), 14u + 40 + 8 + 16);
  EXPECT_EQ(reason_of(udp6().extension(60, six).extension(0, six).build()),
            DropReason::MalformedIpv6Extension)
      << "hop-by-hop options stand first or nowhere";
}

TEST(Parse, stops_at_eight_extension_headers_and_256_bytes) {
  const Bytes six(6, 0);
  Packet eight = udp6();
  for (int i = 0; i < 8; ++i) eight.extension(60, six);
  EXPECT_EQ(reason_of(eight.build()), DropReason::None);
  EXPECT_EQ(reason_of(eight.extension(60, six).build()), DropReason::Ipv6HeaderChain);
  EXPECT_EQ(reason_of(udp6().extension(60, Bytes(254, 0)).build()), DropReason::None);
  EXPECT_EQ(reason_of(udp6().extension(60, Bytes(262, 0)).build()), DropReason::Ipv6HeaderChain);
}

TEST(Parse, refuses_headers_that_change_the_way_or_cannot_be_walked) {
  const Bytes six(6, 0);
  Bytes segment_routing(6, 0);
  segment_routing[0] = 4;
  EXPECT_EQ(reason_of(udp6().extension(43, six).build()), DropReason::Ipv6RoutingHeader);
  EXPECT_EQ(reason_of(udp6().extension(43, segment_routing).build()),
            DropReason::Ipv6UnknownHeader);
  for (std::uint8_t unknown : {135, 139, 140, 253, 254}) {
    EXPECT_EQ(reason_of(udp6().extension(unknown, six).build()), DropReason::Ipv6UnknownHeader);
  }
}

TEST(Parse, takes_ah_esp_and_no_next_header_as_protocols) {
  for (std::uint8_t number : {50, 51, 59, 47, 132}) {
    PacketFacts facts;
    const Packet packet = Packet().ip("fd00::1", "fd00::2").proto(number).payload(24);
    ASSERT_EQ(parse(packet.build(), facts), DropReason::None) << int{number};
    EXPECT_EQ(facts.proto, static_cast<Proto>(number));
    EXPECT_EQ(facts.destination_port, 0);
  }
}

TEST(Parse, refuses_an_extension_header_longer_than_the_packet) {
  Bytes frame = udp6().extension(60, Bytes(6, 0)).build();
  set8(frame, kIp + 41, 4);  // 40 bytes, but only 36 are there
  EXPECT_EQ(reason_of(frame), DropReason::MalformedIpv6Extension);
}

TEST(Parse, judges_the_tcp_data_offset) {
  const std::size_t at = tcp4().transport_offset() + 12;
  const Bytes good = tcp4().tcp_options({1, 1, 1, 1}).build();
  EXPECT_EQ(reason_of(good), DropReason::None);
  EXPECT_EQ(reason_of(with8(good, at, 0x50)), DropReason::None) << "options become payload";
  EXPECT_EQ(reason_of(with8(good, at, 0x70)), DropReason::MalformedTcp);
  EXPECT_EQ(reason_of(with8(good, at, 0x40)), DropReason::MalformedTcp);
  EXPECT_EQ(reason_of(with8(good, at, 0x00)), DropReason::MalformedTcp);
  EXPECT_EQ(reason_of(with8(good, at, 0xf0)), DropReason::MalformedTcp);
}

TEST(Parse, judges_all_256_combinations_of_tcp_flags) {
  for (int flags = 0; flags < 256; ++flags) {
    const bool syn = (flags & TcpFlags::kSyn) != 0;
    const bool fin = (flags & TcpFlags::kFin) != 0;
    const bool rst = (flags & TcpFlags::kRst) != 0;
    const bool ack = (flags & TcpFlags::kAck) != 0;
    const bool sound = (syn || ack || rst) && !(syn && (fin || rst));
    const Bytes frame =
        Packet().ip("10.0.0.1", "10.0.0.2").tcp(1, 2, static_cast<std::uint8_t>(flags)).build();
    EXPECT_EQ(reason_of(frame), sound ? DropReason::None : DropReason::MalformedTcpFlags) << flags;
  }
}

TEST(Parse, finds_the_window_scale_only_where_it_can_be_walked_to) {
  auto scale_of = [](Bytes options, std::uint8_t flags = kSyn) {
    PacketFacts facts;
    EXPECT_EQ(parse(Packet()
                        .ip("10.0.0.1", "10.0.0.2")
                        .tcp(1, 2, flags)
                        .tcp_options(std::move(options))
                        .build(),
                    facts),
              DropReason::None);
    return int{facts.window_scale};
  };
  EXPECT_EQ(scale_of({3, 3, 7, 0}), 7);
  EXPECT_EQ(scale_of({1, 3, 3, 7}), 7);
  EXPECT_EQ(scale_of({2, 4, 5, 180, 1, 3, 3, 0}), 0);
  EXPECT_EQ(scale_of({3, 3, 255, 0}), 14) << "RFC 7323: no more than 14";
  EXPECT_EQ(scale_of({0, 3, 3, 7}), -1) << "behind the end of the list";
  EXPECT_EQ(scale_of({3, 2, 7, 0}), -1) << "wrong length";
  EXPECT_EQ(scale_of({5, 0, 3, 3}), -1) << "an option of no length";
  EXPECT_EQ(scale_of({1, 1, 3, 3}), -1) << "cut short";
  EXPECT_EQ(scale_of({1, 1, 1, 3}), -1) << "cut shorter";
  EXPECT_EQ(scale_of({3, 3, 7, 0}, kAck), -1) << "only a SYN's counts";
}

TEST(Parse, judges_the_udp_length) {
  const Bytes good = udp4().build();  // 28
  const std::size_t at = udp4().transport_offset() + 4;
  EXPECT_EQ(reason_of(with16(good, at, 28)), DropReason::None);
  EXPECT_EQ(reason_of(with16(good, at, 8)), DropReason::None) << "bytes behind it are padding";
  EXPECT_EQ(reason_of(with16(good, at, 29)), DropReason::MalformedUdp);
  EXPECT_EQ(reason_of(with16(good, at, 7)), DropReason::MalformedUdp);
  EXPECT_EQ(reason_of(with16(good, at, 0)), DropReason::MalformedUdp);
}

TEST(Parse, wants_eight_bytes_of_icmp) {
  auto icmp = [](std::size_t size) {
    return Packet().ip("10.0.0.1", "10.0.0.2").proto(1).payload(size).build();
  };
  EXPECT_EQ(reason_of(icmp(8)), DropReason::None);
  EXPECT_EQ(reason_of(icmp(7)), DropReason::MalformedIcmp);
  EXPECT_EQ(reason_of(icmp(0)), DropReason::MalformedIcmp);
}

TEST(Parse, takes_the_facts_of_fragments) {
  const Packet whole = Packet().ip("10.0.0.1", "10.0.0.2").udp(5'000, 53).payload(100).id(9);
  PacketFacts facts;
  ASSERT_EQ(parse(Packet(whole).fragment(0, 64, true).build(), facts), DropReason::None);
  EXPECT_TRUE(facts.has(PacketFacts::kFragment));
  EXPECT_TRUE(facts.has(PacketFacts::kMoreFragments));
  EXPECT_EQ(facts.fragment_id, 9u);
  EXPECT_EQ(facts.fragment_offset, 0);
  EXPECT_EQ(facts.payload_size, 64);
  EXPECT_EQ(facts.destination_port, 53) << "the first fragment has the ports";
  ASSERT_EQ(parse(Packet(whole).fragment(64, 64, false).build(), facts), DropReason::None);
  EXPECT_EQ(facts.fragment_offset, 64);
  EXPECT_EQ(facts.payload_size, 108 - 64);
  EXPECT_FALSE(facts.has(PacketFacts::kMoreFragments));
  EXPECT_EQ(facts.destination_port, 0) << "a later one has none";
}

TEST(Parse, takes_the_facts_of_ipv6_fragments) {
  const Packet whole = Packet().ip("fd00::1", "fd00::2").udp(5'000, 53).payload(100).id(0x12345678);
  PacketFacts facts;
  ASSERT_EQ(parse(Packet(whole).fragment(0, 64, true).build(), facts), DropReason::None);
  EXPECT_EQ(facts.fragment_id, 0x12345678u);
  EXPECT_EQ(facts.destination_port, 53);
  EXPECT_EQ(facts.payload_size, 64);
  ASSERT_EQ(parse(Packet(whole).fragment(64, 64, false).build(), facts), DropReason::None);
  EXPECT_EQ(facts.fragment_offset, 64);
  EXPECT_EQ(facts.payload_size, 44);
}

TEST(Parse, takes_a_whole_packet_with_fragment_header_as_an_ordinary_one) {
  PacketFacts facts;
  ASSERT_EQ(parse(udp6().fragment(0, 1'000, false).build(), facts), DropReason::None);
  EXPECT_FALSE(facts.has(PacketFacts::kFragment));
  EXPECT_EQ(facts.destination_port, 53);
}

TEST(Parse, refuses_a_second_fragment_header) {
  const Bytes body(6, 0);
  EXPECT_EQ(reason_of(udp6().extension(44, body).extension(44, body).build()),
            DropReason::FragmentMalformed);
}

TEST(Parse, calls_a_first_fragment_without_its_whole_transport_header_tiny) {
  EXPECT_EQ(reason_of(tcp4().payload(64).fragment(0, 16, true).build()), DropReason::FragmentTiny);
  EXPECT_EQ(reason_of(tcp4().payload(64).fragment(0, 24, true).build()), DropReason::None);
  EXPECT_EQ(reason_of(echo4().fragment(0, 0, true).build()), DropReason::FragmentTiny);
  EXPECT_EQ(reason_of(udp6().fragment(0, 0, true).build()), DropReason::FragmentTiny);
}

TEST(Parse, reads_the_quote_of_an_icmp_error) {
  const Packet quoted = Packet().ip("10.0.0.2", "10.0.0.1").udp(53, 5'000).payload(30);
  const Packet error = Packet().ip("10.9.9.9", "10.0.0.2").icmp(11, 0);
  auto quote_of = [&](const Packet& packet, std::size_t size) {
    const Bytes frame = Packet(error).quote(packet, size).build();
    PacketFacts facts;
    EXPECT_EQ(parse(frame, facts), DropReason::None);
    return parse_quote(frame, facts);
  };
  const auto whole = quote_of(quoted, SIZE_MAX);
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->source().to_string(), "10.0.0.2");
  EXPECT_EQ(whole->source_port, 53);
  EXPECT_EQ(whole->destination_port, 5'000);
  EXPECT_TRUE(quote_of(quoted, 24).has_value()) << "the ports are enough";
  EXPECT_FALSE(quote_of(quoted, 23).has_value());
  EXPECT_FALSE(quote_of(quoted, 0).has_value());
  EXPECT_FALSE(quote_of(Packet(quoted).fragment(16, 16, true), SIZE_MAX).has_value());
  EXPECT_FALSE(
      quote_of(Packet().ip("10.0.0.2", "10.0.0.1").icmp(3, 3).payload(8), SIZE_MAX).has_value())
      << "an error quotes no error";
}

TEST(Parse, takes_one_off_ttl_and_mends_the_checksum) {
  for (int ttl = 2; ttl < 256; ++ttl) {
    Bytes frame = udp4().ttl(static_cast<std::uint8_t>(ttl)).build();
    PacketFacts facts;
    ASSERT_EQ(parse(frame, facts), DropReason::None);
    decrement_ttl(frame.data(), facts);
    EXPECT_EQ(frame[kIp + 8], ttl - 1);
    EXPECT_EQ(reason_of(frame), DropReason::None) << "the checksum must be right, ttl " << ttl;
  }
  Bytes frame = udp6().ttl(9).build();
  PacketFacts facts;
  ASSERT_EQ(parse(frame, facts), DropReason::None);
  decrement_ttl(frame.data(), facts);
  EXPECT_EQ(frame[kIp + 7], 8);
}

// A VLAN tag leads a frame past the short way that plain ones take, so the same frame with a tag
// and without is a twin: but for where its headers begin, all must be the same.
TEST(Parse, says_the_same_of_plain_frames_with_a_tag_and_without) {
  std::mt19937_64 draw(20'261'126);
  std::size_t sound = 0;
  const std::size_t rounds = scaled_count(200'000);
  for (std::size_t round = 0; round < rounds; ++round) {
    Packet packet = draw() % 2 == 0 ? udp4() : tcp4().numbers(7, 9).payload(draw() % 40);
    Bytes frame = packet.build();
    if (draw() % 2 == 0) set8(frame, kIp + 33, kAck);
    if (draw() % 8 == 0) frame.resize(frame.size() + draw() % 30);
    for (std::uint64_t turns = draw() % 3; turns > 0; --turns) {
      const std::size_t at = kIp + draw() % std::min<std::size_t>(frame.size() - kIp, 44);
      set8(frame, at, static_cast<std::uint8_t>(frame[at] ^ 1u << draw() % 8));
    }
    const bool holds_header = (frame[kIp] & 15u) * 4 <= frame.size() - kIp;
    if (holds_header && draw() % 4 != 0) mend_ipv4(frame);
    if (draw() % 8 == 0) frame.resize(kIp + draw() % (frame.size() - kIp));
    Bytes tagged = frame;
    const Bytes tag = {0x81, 0, 0, 7};
    tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
    PacketFacts plain, twin;
    const DropReason reason = parse(frame, plain);
    ASSERT_EQ(reason, parse(tagged, twin)) << "round " << round;
    if (reason == DropReason::None) ++sound;
    ASSERT_EQ(plain.network_offset + 4, twin.network_offset) << "round " << round;
    twin.network_offset = plain.network_offset;
    ASSERT_EQ(std::memcmp(&plain, &twin, sizeof plain), 0) << "round " << round;
  }
  EXPECT_GT(sound, rounds / 4);
}

TEST(Parse, survives_random_bytes_behind_an_ether_type) {
  std::uint64_t state = 1;
  for (int round = 0; round < 20'000; ++round) {
    Bytes frame = Packet().ether_type(round % 2 == 0 ? 0x0800 : 0x86dd).payload(60).build();
    for (std::size_t i = 14; i < frame.size(); ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      frame[i] = static_cast<std::uint8_t>(state >> 56);
    }
    frame[14] = round % 2 == 0 ? 0x45 : 0x60;
    if (round % 2 == 0) {
      set16(frame, 16, 60);
      mend_ipv4(frame);
    } else {
      set16(frame, 18, 20);
    }
    PacketFacts facts;
    const DropReason reason = parse(frame, facts);
    if (reason == DropReason::None) {
      EXPECT_LE(facts.transport_offset(), frame.size());
    }
  }
}

}  // namespace
}  // namespace sluice
