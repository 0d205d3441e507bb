#include "dataplane/plain_columns.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "dataplane/host_address.h"
#include "dataplane/packet_naming.h"
#include "dataplane/parse.h"
#include "dataplane/plain_headers.h"
#include "tests/packets/packet.h"
#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

std::string random_address(std::mt19937_64& draw) {
  switch (draw() % 8) {
    case 0:
      return "0.0.0.1";
    case 1:
      return "224.1.2.3";
    case 2:
      return "127.0.0.1";
    default:
      return std::to_string(1 + draw() % 223) + ".0.0." + std::to_string(draw() % 3);
  }
}

// A frame as it comes, or with one thing wrong.
Bytes random_frame(std::mt19937_64& draw) {
  constexpr std::array<std::uint8_t, 6> kFlags = {kAck, kAck, kAck | 8, kSyn, kFinAck, kRst};
  Packet packet;
  packet.mac("02:00:00:00:01:10", "02:ee:00:00:00:01")
      .ip(random_address(draw), random_address(draw));
  if (draw() % 8 == 0) packet.ip("2001:db8::1", "2001:db8::2");
  const auto from = static_cast<std::uint16_t>(draw() % 4),
             to = static_cast<std::uint16_t>(draw() % 4);
  if (draw() % 2 == 0) {
    packet.udp(from, to);
  } else {
    packet.tcp(from, to, kFlags[draw() % kFlags.size()]);
  }
  if (draw() % 16 == 0) packet.proto(static_cast<std::uint8_t>(draw()));
  if (draw() % 16 == 0) packet.vlan(3);
  packet.payload(std::size_t{draw() % 60});
  Bytes bytes = packet.build();
  if (draw() % 4 == 0) bytes[draw() % bytes.size()] ^= static_cast<std::uint8_t>(1u << draw() % 8);
  if (draw() % 3 == 0 && bytes.size() > 50) {
    mend_ipv4(bytes);
    bytes[16 + draw() % 34] ^= static_cast<std::uint8_t>(1u << draw() % 8);
    mend_ipv4(bytes);
  }
  if (draw() % 8 == 0) bytes.resize(draw() % bytes.size());
  return bytes;
}

// What the columns say of a frame, by the headers one after the other.
std::uint32_t kind_of(const Frame& frame) {
  const PlainFrame<Family::Ipv4> plain{frame};
  if (!plain.has_ports()) return PlainColumns::kOther;
  const bool is_whole = plain.is_plain() && is_host(plain.source()) && is_host(plain.destination());
  return is_whole ? PlainColumns::kPlain : PlainColumns::kNamed;
}

void compare(const Frame& frame, const PlainColumns& columns, std::size_t i) {
  ASSERT_EQ(columns.kind[i], kind_of(frame));
  if (columns.kind[i] == PlainColumns::kOther) return;
  PacketFacts facts;
  const DropReason reason = parse_frame({frame.data, frame.contiguous}, frame.length, facts);
  EXPECT_EQ(columns.source[i], facts.source_low);
  EXPECT_EQ(columns.destination[i], facts.destination_low);
  EXPECT_EQ(columns.proto[i], static_cast<std::uint32_t>(facts.proto));
  if (columns.kind[i] != PlainColumns::kPlain) return;
  EXPECT_EQ(reason, DropReason::None);
  EXPECT_EQ(facts.bits, PacketFacts::kIpv4);
  EXPECT_EQ(columns.ports[i] >> 16, facts.source_port);
  EXPECT_EQ(columns.ports[i] & 0xffff, facts.destination_port);
  const auto words = owner_words(facts);
  EXPECT_EQ(columns.first[i], words[0]);
  EXPECT_EQ(columns.second[i], words[1]);
  const PlainFrame<Family::Ipv4> plain{frame};
  EXPECT_EQ(plain.ip_length(), facts.ip_length);
  EXPECT_EQ(plain.is_tcp() ? plain.tcp_payload_size() : 0, facts.payload_size);
}

TEST(PlainColumns, say_what_the_parser_says_whatever_the_vectors) {
  std::mt19937_64 draw(5);
  std::array<std::size_t, 4> kinds{};
  auto columns = std::make_unique<PlainColumns>();
  for (std::size_t round = 0; round < scaled_count(1'500) && !HasFailure(); ++round) {
    std::vector<std::vector<std::uint8_t>> exact;  // so that reading beyond is seen
    std::vector<Frame> frames(draw() % (kBurstMax + 1));
    exact.reserve(frames.size());
    for (Frame& frame : frames) {
      const Bytes bytes = random_frame(draw);
      frame.length = static_cast<std::uint32_t>(bytes.size());
      // The rest lies in another segment.
      frame.contiguous =
          draw() % 8 == 0 ? static_cast<std::uint32_t>(draw() % (bytes.size() + 1)) : frame.length;
      exact.emplace_back(bytes.begin(), bytes.begin() + frame.contiguous);
      exact.back().shrink_to_fit();
      frame.data = exact.back().data();
    }
    for (const HashVectors vectors : {HashVectors::None, HashVectors::Avx2}) {
      if (vectors > widest_hash_vectors()) continue;
      fill_columns(frames, *columns, vectors);
      for (std::size_t i = 0; i < frames.size() && !HasFailure(); ++i) {
        SCOPED_TRACE("frame " + std::to_string(i) + " of " + std::to_string(frames.size()));
        compare(frames[i], *columns, i);
        ++kinds[columns->kind[i]];
      }
    }
  }
  for (const std::uint32_t kind :
       {PlainColumns::kOther, PlainColumns::kNamed, PlainColumns::kPlain}) {
    EXPECT_GT(kinds[kind], scaled_count(1'000)) << kind;
  }
}

TEST(PlainFrame, says_what_the_parser_says_of_ipv6) {
  std::mt19937_64 draw(6);
  std::size_t plain_count = 0;
  for (std::size_t round = 0; round < scaled_count(20'000) && !HasFailure(); ++round) {
    Packet packet;
    packet.ip("2001:db8::1", "2001:db8:1::2").payload(std::size_t{draw() % 40});
    if (draw() % 2 == 0) {
      packet.udp(1, 2);
    } else {
      packet.tcp(1, 2, draw() % 4 == 0 ? kSyn : kAck);
    }
    if (draw() % 8 == 0) packet.extension(60, Bytes(6));
    Bytes bytes = packet.build();
    if (draw() % 2 == 0) {
      bytes[12 + draw() % 62 % (bytes.size() - 12)] ^= static_cast<std::uint8_t>(1u << draw() % 8);
    }
    if (draw() % 8 == 0) bytes.resize(draw() % bytes.size());
    bytes.shrink_to_fit();
    Frame frame;
    frame.data = bytes.data();
    frame.contiguous = frame.length = static_cast<std::uint32_t>(bytes.size());
    const PlainFrame<Family::Ipv6> plain{frame};
    if (!plain.has_ports() || !plain.is_plain()) continue;
    ++plain_count;
    PacketFacts facts;
    ASSERT_EQ(parse_frame({frame.data, frame.contiguous}, frame.length, facts), DropReason::None);
    EXPECT_EQ(facts.bits, PacketFacts::kIpv6);
    EXPECT_EQ(facts.source(), plain.source());
    EXPECT_EQ(facts.destination(), plain.destination());
    EXPECT_EQ(facts.proto, plain.proto());
    EXPECT_EQ(facts.ip_length, plain.ip_length());
    EXPECT_EQ(facts.source_port, plain.udp().source_port.host());
    EXPECT_EQ(facts.tcp_flags & (kSyn | TcpFlags::kFin | kRst), 0);
    EXPECT_EQ(plain.is_tcp() ? plain.tcp_payload_size() : 0, facts.payload_size);
  }
  EXPECT_GT(plain_count, scaled_count(1'000));
}

}  // namespace
}  // namespace sluice
