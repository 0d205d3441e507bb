#include "dataplane/neighbor_messages.h"

#include <gtest/gtest.h>

#include "dataplane/parse.h"
#include "tests/packets/packet.h"

namespace sluice {
namespace {

constexpr const char* kMac = "02:00:00:00:01:10";
const MacAddr kOurs{{2, 0xee, 0, 0, 0, 1}};

// A frame in a buffer with room behind it.
struct Buffer {
  explicit Buffer(Bytes content) : bytes(std::move(content)) {
    frame.length = frame.contiguous = static_cast<std::uint32_t>(bytes.size());
    bytes.resize(256);
    frame.data = bytes.data();
    frame.capacity = 256;
    EXPECT_EQ(parse_frame({frame.data, frame.contiguous}, frame.length, facts), DropReason::None);
  }
  std::span<const std::uint8_t> content() const { return {frame.data, frame.contiguous}; }
  Bytes bytes;
  Frame frame;
  PacketFacts facts;
};

TEST(NeighborMessages, answer_to_a_probe_goes_to_all_nodes) {
  Buffer probe(solicitation(kMac, "::", "fd00::20"));
  ASSERT_TRUE(read_discovery(probe.content(), probe.facts).has_value());
  ASSERT_TRUE(answer_solicitation(probe.frame, probe.facts, kOurs));
  ASSERT_EQ(parse_frame(probe.content(), probe.frame.length, probe.facts), DropReason::None);
  EXPECT_EQ(probe.facts.destination().to_string(), "ff02::1");
  const auto answer = read_discovery(probe.content(), probe.facts);
  ASSERT_TRUE(answer.has_value()) << "our own answer passes every check";
  EXPECT_EQ(answer->kind, NeighborQuery::Kind::Reply);
  EXPECT_EQ(answer->target.to_string(), "fd00::20");
  EXPECT_EQ(answer->sender_mac, kOurs);
}

TEST(NeighborMessages, answer_needs_room) {
  Buffer probe(solicitation(kMac, "::", "fd00::20"));
  probe.frame.capacity = probe.frame.length;
  EXPECT_FALSE(answer_solicitation(probe.frame, probe.facts, kOurs));
}

TEST(NeighborMessages, requests_of_ours_are_sound) {
  Buffer buffer(arp(1, kMac, "10.0.0.1", "10.0.0.2"));
  write_arp_request(buffer.frame, kOurs, *IpAddr::parse("192.0.2.2"), *IpAddr::parse("192.0.2.1"));
  EXPECT_EQ(buffer.frame.length, 60u);
  parse_frame(buffer.content(), buffer.frame.length, buffer.facts);
  const auto request = read_arp(buffer.content(), buffer.facts);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->target.to_string(), "192.0.2.1");
  EXPECT_EQ(request->sender.to_string(), "192.0.2.2");
  write_solicitation(buffer.frame, kOurs, *IpAddr::parse("fd00::2"), *IpAddr::parse("fd00::1"));
  ASSERT_EQ(parse_frame(buffer.content(), buffer.frame.length, buffer.facts), DropReason::None);
  const auto solicited = read_discovery(buffer.content(), buffer.facts);
  ASSERT_TRUE(solicited.has_value());
  EXPECT_EQ(solicited->target.to_string(), "fd00::1");
  EXPECT_EQ(solicited->sender_mac, kOurs);
  EXPECT_TRUE(solicited->is_told);
}

TEST(NeighborMessages, any_byte_of_a_solicitation_that_is_wrong_is_noticed) {
  const Bytes good = solicitation(kMac, "fd00::10", "fd00::20");
  for (std::size_t at = 22; at < good.size(); ++at) {  // addresses and message, by the checksum
    Buffer bad(good);
    bad.bytes[at] ^= 4;
    if (parse_frame(bad.content(), bad.frame.length, bad.facts) != DropReason::None) continue;
    if (!bad.facts.has(PacketFacts::kNeighbor)) continue;
    EXPECT_FALSE(read_discovery(bad.content(), bad.facts).has_value()) << at;
  }
}

TEST(NeighborMessages, survive_being_cut_anywhere) {
  const Bytes good = solicitation(kMac, "fd00::10", "fd00::20");
  PacketFacts facts;
  ASSERT_EQ(parse_frame(good, static_cast<std::uint32_t>(good.size()), facts), DropReason::None);
  for (std::size_t size = 0; size < good.size(); ++size) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(read_discovery(cut, facts).has_value()) << size;
  }
}

}  // namespace
}  // namespace sluice
