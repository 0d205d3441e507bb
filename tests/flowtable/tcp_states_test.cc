#include "flowtable/tcp_states.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr FlowPhase kTcpPhases[] = {
    FlowPhase::SynSent, FlowPhase::SynReceived, FlowPhase::Established, FlowPhase::FinWait,
    FlowPhase::Closing, FlowPhase::TimeWait,    FlowPhase::Closed};
constexpr TcpSide kSides[] = {TcpSide::Original, TcpSide::Reply};

template <class Check>
void for_all_steps(Check&& check) {
  for (const FlowPhase phase : kTcpPhases) {
    for (const TcpSide side : kSides) {
      for (std::size_t event = 0; event < kTcpEventCount; ++event) {
        const auto its_event = static_cast<TcpEvent>(event);
        check(phase, side, its_event, tcp_step(phase, side, its_event));
      }
    }
  }
}

TEST(TcpStates, lead_to_closed_by_an_exact_reset_from_everywhere_open) {
  for (const FlowPhase phase : kTcpPhases) {
    for (const TcpSide side : kSides) {
      const TcpStep step = tcp_step(phase, side, TcpEvent::Rst);
      EXPECT_EQ(step, phase == FlowPhase::Closed ? TcpStep::Invalid : TcpStep::ToClosed);
    }
  }
}

TEST(TcpStates, reopen_by_a_syn_only_when_over) {
  for_all_steps([](FlowPhase phase, TcpSide, TcpEvent event, TcpStep step) {
    const bool over = phase == FlowPhase::TimeWait || phase == FlowPhase::Closed;
    EXPECT_EQ(step == TcpStep::Reopen, over && event == TcpEvent::Syn);
  });
}

TEST(TcpStates, never_go_back_towards_the_beginning) {
  for_all_steps([](FlowPhase phase, TcpSide, TcpEvent, TcpStep step) {
    const FlowPhase next = phase_after(step);
    if (next == FlowPhase::Free) return;
    EXPECT_GT(static_cast<int>(next), static_cast<int>(phase));
  });
}

TEST(TcpStates, change_nothing_by_a_syn_in_an_open_connection) {
  for (const FlowPhase phase : {FlowPhase::Established, FlowPhase::FinWait, FlowPhase::Closing}) {
    for (const TcpSide side : kSides) {
      EXPECT_EQ(tcp_step(phase, side, TcpEvent::Syn), TcpStep::Stay);
      EXPECT_EQ(tcp_step(phase, side, TcpEvent::SynAck), TcpStep::Stay);
    }
  }
}

TEST(TcpStates, establish_only_what_both_sides_have_begun) {
  for_all_steps([](FlowPhase phase, TcpSide, TcpEvent event, TcpStep step) {
    if (step != TcpStep::ToEstablished) return;
    EXPECT_EQ(phase, FlowPhase::SynReceived);
    EXPECT_EQ(event, TcpEvent::Ack);
  });
}

TEST(TcpStates, know_nothing_of_datagrams) {
  for (const FlowPhase phase : {FlowPhase::Free, FlowPhase::Single, FlowPhase::Replied,
                                FlowPhase::Stream, FlowPhase::Accounted}) {
    for (const TcpSide side : kSides) {
      EXPECT_EQ(tcp_step(phase, side, TcpEvent::Ack), TcpStep::Invalid);
    }
  }
}

}  // namespace
}  // namespace sluice
