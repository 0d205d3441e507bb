#include "flowtable/track_plain.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

FlowState random_state(std::mt19937_64& draw) {
  FlowState state{};
  const auto byte = [&] { return static_cast<std::uint8_t>(draw()); };
  state.phase = static_cast<std::uint8_t>(draw() % 12);
  if (draw() % 2 == 0) state.phase = static_cast<std::uint8_t>(FlowPhase::Established);
  state.bits = byte();
  // Most open connections have seen no FIN.
  if (draw() % 4 != 0) {
    state.bits =
        static_cast<std::uint8_t>(state.bits & ~(FlowState::kFinIngress | FlowState::kFinEgress));
  }
  state.window_scales = byte();
  state.tcp_marks = byte();
  const auto base = static_cast<std::uint32_t>(draw());
  for (int at = 0; at < 2; ++at) {
    state.sequence_end[at] = base + static_cast<std::uint32_t>(draw() % 5'000);
    state.window_end[at] = base + static_cast<std::uint32_t>(draw() % 100'000);
  }
  return state;
}

TrackedPacket random_packet(std::mt19937_64& draw, const FlowState& state) {
  TrackedPacket packet;
  packet.proto = draw() % 4 == 0 ? Proto::Udp : draw() % 8 == 0 ? Proto::Icmp : Proto::Tcp;
  packet.direction = draw() % 2 == 0 ? Direction::Ingress : Direction::Egress;
  const std::size_t own = static_cast<std::size_t>(packet.direction);
  if (packet.proto == Proto::Tcp) {
    packet.tcp_flags = TcpFlags::kAck;
    if (draw() % 4 == 0) packet.tcp_flags = static_cast<std::uint8_t>(draw());
    packet.window = static_cast<std::uint16_t>(draw());
    packet.sequence = state.sequence_end[own] + static_cast<std::uint32_t>(draw() % 3'000) - 1'500;
    packet.acknowledgment =
        state.sequence_end[1 - own] + static_cast<std::uint32_t>(draw() % 3'000) - 1'500;
    if (draw() % 8 == 0) packet.sequence = static_cast<std::uint32_t>(draw());
    packet.payload_size = static_cast<std::uint32_t>(draw() % 1'461);
    packet.is_cut = draw() % 16 == 0;
  }
  return packet;
}

TEST(TrackPlain, says_what_track_says_or_changes_nothing) {
  std::mt19937_64 draw(20'261'126);
  std::size_t plain = 0;
  const std::size_t rounds = scaled_count(200'000);
  for (std::size_t round = 0; round < rounds; ++round) {
    const FlowState before = random_state(draw);
    const TrackedPacket packet = random_packet(draw, before);
    FlowState quick = before;
    FlowState whole = before;
    if (!track_plain(quick, packet)) {
      ASSERT_EQ(std::memcmp(&quick, &before, sizeof quick), 0) << "round " << round;
      continue;
    }
    ++plain;
    for (const bool strict : {false, true}) {
      whole = before;
      const TrackOutcome outcome = track(whole, packet, strict);
      ASSERT_TRUE(outcome.passes && outcome.refreshes) << "round " << round;
      ASSERT_FALSE(outcome.rearm || outcome.reopen || outcome.restarts || outcome.out_of_window)
          << "round " << round;
      ASSERT_EQ(std::memcmp(&quick, &whole, sizeof quick), 0) << "round " << round;
    }
  }
  EXPECT_GT(plain, rounds / 10);
}

}  // namespace
}  // namespace sluice
