#include "flowtable/datagram_states.h"

#include <gtest/gtest.h>

#include <string_view>

#include "flowtable/conntrack.h"

namespace sluice {
namespace {

// Plays UDP packets, '>' of the first side and '<' of the other, and says where that leads.
FlowPhase phase_after_packets(std::string_view sides) {
  FlowState state{};
  bool first = true;
  for (const char side : sides) {
    TrackedPacket packet;
    packet.proto = Proto::Udp;
    packet.direction = side == '>' ? Direction::Ingress : Direction::Egress;
    if (first) {
      begin_flow(state, packet);
    } else {
      EXPECT_TRUE(track(state, packet, true).passes);
    }
    first = false;
  }
  return state.flow_phase();
}

struct UdpRow {
  const char* name;
  const char* sides;
  FlowPhase phase;
};
class UdpConversation : public testing::TestWithParam<UdpRow> {};

TEST_P(UdpConversation, stands_where_ct_12_and_ct_20_say) {  // CT-20
  EXPECT_EQ(name_of(phase_after_packets(GetParam().sides)), name_of(GetParam().phase));
}

INSTANTIATE_TEST_SUITE_P(
    Rows, UdpConversation,
    testing::Values(UdpRow{"one_packet", ">", FlowPhase::Single},
                    UdpRow{"one_direction", ">>>>>>>>", FlowPhase::Single},
                    UdpRow{"one_exchange", "><", FlowPhase::Replied},
                    UdpRow{"many_replies_to_one_request", "><<<<<<", FlowPhase::Replied},
                    UdpRow{"many_requests_one_reply", ">>>>><", FlowPhase::Replied},
                    UdpRow{"second_request_unanswered", "><>", FlowPhase::Replied},
                    UdpRow{"second_requests_unanswered", "><>>>>", FlowPhase::Replied},
                    UdpRow{"two_exchanges", "><><", FlowPhase::Stream},
                    UdpRow{"late_second_answer", "><<>>><", FlowPhase::Stream},
                    UdpRow{"stream_stays_stream", "><><>>>>", FlowPhase::Stream}),
    [](const auto& row) { return row.param.name; });

TEST(DatagramStates, never_leave_the_stream) {
  EXPECT_EQ(udp_step(DatagramStep::Stream, DatagramSide::Original), DatagramStep::Stream);
  EXPECT_EQ(udp_step(DatagramStep::Stream, DatagramSide::Reply), DatagramStep::Stream);
}

}  // namespace
}  // namespace sluice
