#include "flowtable/timeouts.h"

#include <gtest/gtest.h>

#include "flowtable/conntrack.h"

namespace sluice {
namespace {

struct TimeoutRow {
  const char* name;
  Proto proto;
  FlowPhase phase;
  std::uint32_t seconds;
};
class Timeout : public testing::TestWithParam<TimeoutRow> {};

FlowState state_in(FlowPhase phase) {
  FlowState state{};
  state.phase = static_cast<std::uint8_t>(phase);
  return state;
}

TEST_P(Timeout, is_the_documented_one) {  // CT-11, CT-12, CT-13, CT-14, CT-18
  const TimeoutTable defaults;
  EXPECT_EQ(timeout_of(state_in(GetParam().phase), GetParam().proto, defaults),
            GetParam().seconds * 1'000);
}

INSTANTIATE_TEST_SUITE_P(
    Defaults, Timeout,
    testing::Values(TimeoutRow{"ct11_established", Proto::Tcp, FlowPhase::Established, 350},
                    TimeoutRow{"ct12_udp_one_way", Proto::Udp, FlowPhase::Single, 30},
                    TimeoutRow{"ct12_udp_one_exchange", Proto::Udp, FlowPhase::Replied, 30},
                    TimeoutRow{"ct13_udp_stream", Proto::Udp, FlowPhase::Stream, 180},
                    TimeoutRow{"ct14_esp", Proto::Esp, FlowPhase::Single, 600},
                    TimeoutRow{"ct14_sctp", static_cast<Proto>(132), FlowPhase::Single, 600},
                    TimeoutRow{"ct18_syn_sent", Proto::Tcp, FlowPhase::SynSent, 20},
                    TimeoutRow{"ct18_syn_received", Proto::Tcp, FlowPhase::SynReceived, 20},
                    TimeoutRow{"ct18_half_closed", Proto::Tcp, FlowPhase::FinWait, 60},
                    TimeoutRow{"ct18_closing", Proto::Tcp, FlowPhase::Closing, 60},
                    TimeoutRow{"ct18_time_wait", Proto::Tcp, FlowPhase::TimeWait, 60},
                    TimeoutRow{"ct18_reset", Proto::Tcp, FlowPhase::Closed, 10},
                    TimeoutRow{"ct18_icmp", Proto::Icmp, FlowPhase::Single, 30},
                    TimeoutRow{"ct18_icmpv6", Proto::Icmpv6, FlowPhase::Single, 30},
                    TimeoutRow{"accounted_tcp", Proto::Tcp, FlowPhase::Accounted, 350},
                    TimeoutRow{"accounted_udp", Proto::Udp, FlowPhase::Accounted, 30}),
    [](const auto& row) { return row.param.name; });

TEST(Timeouts, follow_the_table_of_the_interface) {
  TimeoutTable own;
  own.tcp_established_ms = 432'000'000;
  own.udp_ms = 60'000;
  EXPECT_EQ(timeout_of(state_in(FlowPhase::Established), Proto::Tcp, own), 432'000'000u);
  EXPECT_EQ(timeout_of(state_in(FlowPhase::Replied), Proto::Udp, own), 60'000u);
}

TEST(Timeouts, of_a_connection_that_rules_cut_is_as_long_as_it_lived_on) {
  FlowState state = state_in(FlowPhase::Established);
  state.bits = FlowState::kUntracked;
  revoke_flow(state);
  EXPECT_EQ(state.flow_phase(), FlowPhase::Closed);
  EXPECT_FALSE(state.has(FlowState::kUntracked));
  EXPECT_EQ(timeout_of(state, Proto::Tcp, TimeoutTable{}), 350'000u);
}

TEST(Timeouts, of_datagrams_that_rules_cut_are_those_of_datagrams) {
  FlowState state = state_in(FlowPhase::Stream);
  revoke_flow(state);
  EXPECT_EQ(timeout_of(state, Proto::Udp, TimeoutTable{}), 30'000u);
}

TEST(Timeouts, are_over_exactly_when_the_silence_is_as_long) {
  FlowState state = state_in(FlowPhase::Single);
  state.last_seen_ms = 0xffffff00u;
  EXPECT_FALSE(has_expired(state, Proto::Udp, TimeoutTable{}, 0xffffff00u + 29'999u));
  EXPECT_TRUE(has_expired(state, Proto::Udp, TimeoutTable{}, 0xffffff00u + 30'000u));
}

}  // namespace
}  // namespace sluice
