// Which packets may begin a conversation: all TCP flag combinations, and the other protocols.

#include <gtest/gtest.h>

#include <string>

#include "flowtable/conntrack.h"
#include "flowtable/tcp_states.h"

namespace sluice {
namespace {

// The rule of product, section 11, in its own words, flag by flag.
FirstPacket by_the_book(unsigned flags, bool strict) {
  const bool fin = (flags & 1) != 0;
  const bool syn = (flags & 2) != 0;
  const bool rst = (flags & 4) != 0;
  const bool ack = (flags & 16) != 0;
  if (!syn && !ack && !rst) return FirstPacket::Never;  // impossible
  if (syn && (fin || rst)) return FirstPacket::Never;   // impossible
  if (syn && ack) return FirstPacket::Never;
  if (fin || rst) return FirstPacket::Never;
  if (syn) return FirstPacket::MayBegin;
  return strict ? FirstPacket::Never : FirstPacket::MidStream;
}

class FirstTcpPacket : public testing::TestWithParam<unsigned> {};

// Eight low bits with each setting of the four that decide, in both modes: 512 cases in 16 tests.
TEST_P(FirstTcpPacket, may_begin_what_the_book_says) {
  const unsigned deciding = GetParam();
  constexpr unsigned kDecidingBits[] = {1, 2, 4, 16};
  constexpr unsigned kOtherBits[] = {8, 32, 64, 128};
  unsigned flags = 0;
  for (unsigned i = 0; i < 4; ++i) {
    if ((deciding >> i & 1) != 0) flags |= kDecidingBits[i];
  }
  for (unsigned others = 0; others < 16; ++others) {
    unsigned all = flags;
    for (unsigned i = 0; i < 4; ++i) {
      if ((others >> i & 1) != 0) all |= kOtherBits[i];
    }
    for (const bool strict : {false, true}) {
      TrackedPacket packet;
      packet.tcp_flags = static_cast<std::uint8_t>(all);
      packet.payload_size = 100;
      EXPECT_EQ(first_packet(packet, strict), by_the_book(all, strict))
          << "flags " << all << (strict ? " strict" : " loose");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(AllFlags, FirstTcpPacket, testing::Range(0u, 16u));

TEST(TcpFlagsCheck, names_exactly_the_impossible_combinations) {
  unsigned impossible = 0;
  for (unsigned flags = 0; flags < 256; ++flags) {
    const bool syn = (flags & 2) != 0;
    const bool none = (flags & (2 | 4 | 16)) == 0;
    const bool expected = none || (syn && (flags & (1 | 4)) != 0);
    EXPECT_EQ(tcp_flags_are_impossible(static_cast<std::uint8_t>(flags)), expected) << flags;
    impossible += expected ? 1 : 0;
  }
  EXPECT_EQ(impossible, 128u);  // 32 without any of the three, 96 of the 128 with SYN
}

TEST(FirstPacket, may_be_anything_of_udp_and_other_protocols) {
  for (const Proto proto : {Proto::Udp, Proto::Esp, Proto::Ah, static_cast<Proto>(132)}) {
    TrackedPacket packet;
    packet.proto = proto;
    EXPECT_EQ(first_packet(packet, true), FirstPacket::MayBegin);
  }
}

TEST(FirstPacket, may_be_any_icmp_for_rules_to_judge) {
  for (unsigned type = 0; type < 256; ++type) {
    TrackedPacket packet;
    packet.proto = type % 2 == 0 ? Proto::Icmp : Proto::Icmpv6;
    packet.icmp_type = static_cast<std::uint8_t>(type);
    EXPECT_EQ(first_packet(packet, true), FirstPacket::MayBegin) << type;
  }
}

}  // namespace
}  // namespace sluice
