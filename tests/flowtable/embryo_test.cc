// Which flows nobody has answered yet, and how much room they may take.

#include "flowtable/embryo.h"

#include <array>

#include <gtest/gtest.h>

#include "flowtable/conntrack.h"

namespace sluice {
namespace {

TrackedPacket packet(Proto proto, Direction direction, std::uint8_t flags = 0,
                     std::uint32_t sequence = 0, std::uint32_t acknowledgment = 0) {
  TrackedPacket packet;
  packet.proto = proto;
  packet.direction = direction;
  packet.tcp_flags = flags;
  packet.sequence = sequence;
  packet.acknowledgment = acknowledgment;
  packet.window = 65'535;
  return packet;
}

TEST(Embryo, of_tcp_is_half_open_until_it_is_established) {
  FlowState state{};
  begin_flow(state, packet(Proto::Tcp, Direction::Ingress, TcpFlags::kSyn, 100));
  EXPECT_EQ(embryo_of(state), Embryo::HalfOpen);
  track(state, packet(Proto::Tcp, Direction::Egress, TcpFlags::kSyn | TcpFlags::kAck, 500, 101),
        false);
  EXPECT_EQ(embryo_of(state), Embryo::HalfOpen) << "a SYN flood is answered, too";
  track(state, packet(Proto::Tcp, Direction::Ingress, TcpFlags::kAck, 101, 501), false);
  EXPECT_EQ(embryo_of(state), Embryo::None);
}

TEST(Embryo, of_a_segment_in_its_middle_is_half_open_until_the_other_side_speaks) {
  FlowState state{};
  begin_flow(state, packet(Proto::Tcp, Direction::Ingress, TcpFlags::kAck, 100, 500));
  EXPECT_EQ(embryo_of(state), Embryo::HalfOpen) << "a flood of ACKs";
  EXPECT_EQ(embryo_of(state), embryo_of_first(Proto::Tcp));
  track(state, packet(Proto::Tcp, Direction::Egress, TcpFlags::kAck, 500, 100), false);
  EXPECT_EQ(embryo_of(state), Embryo::None);
}

TEST(Embryo, of_datagrams_is_unanswered_until_the_first_answer) {
  for (const Proto proto : {Proto::Udp, Proto::Icmp, Proto::Esp}) {
    FlowState state{};
    begin_flow(state, packet(proto, Direction::Egress));
    EXPECT_EQ(embryo_of(state), Embryo::Unanswered);
    EXPECT_EQ(embryo_of(state), embryo_of_first(proto));
    track(state, packet(proto, Direction::Egress), false);
    EXPECT_EQ(embryo_of(state), Embryo::Unanswered);
    track(state, packet(proto, Direction::Ingress), false);
    EXPECT_EQ(embryo_of(state), Embryo::None);
  }
}

TEST(Embryo, is_none_of_what_has_ended) {
  FlowState state{};
  begin_flow(state, packet(Proto::Tcp, Direction::Ingress, TcpFlags::kSyn, 100));
  revoke_flow(state);
  EXPECT_EQ(embryo_of(state), Embryo::None);
}

TEST(EmbryoShare, is_a_quarter_of_half_open_and_three_of_unanswered_flows) {
  EXPECT_EQ(embryo_share(Embryo::HalfOpen, 1'000), 250u);
  EXPECT_EQ(embryo_share(Embryo::Unanswered, 1'000), 750u);
  EXPECT_EQ(embryo_share(Embryo::None, 1'000), 1'000u);
}

TEST(EmbryoShare, of_a_small_room_is_all_of_it) {
  EXPECT_EQ(embryo_share(Embryo::HalfOpen, 5), 5u);
  EXPECT_EQ(embryo_share(Embryo::HalfOpen, 40), 16u);
  EXPECT_EQ(embryo_share(Embryo::Unanswered, 1), 1u);
  EXPECT_EQ(embryo_share(Embryo::Unanswered, 18), 16u);
}

TEST(EmbryoShare, never_exceeds_the_room) {
  for (std::uint32_t room = 0; room < 2'000; ++room) {
    EXPECT_LE(embryo_share(Embryo::HalfOpen, room), room);
    EXPECT_LE(embryo_share(Embryo::Unanswered, room), room);
  }
}

TEST(ShareOfWorker, gives_all_workers_together_no_less_than_all) {
  EXPECT_EQ(share_of_worker(10, 1), 10u);
  EXPECT_EQ(share_of_worker(10, 4), 3u);
  EXPECT_EQ(share_of_worker(1, 4), 1u);
  EXPECT_EQ(share_of_worker(0xffffffffu, 2), 0x80000000u);
}

}  // namespace
}  // namespace sluice
