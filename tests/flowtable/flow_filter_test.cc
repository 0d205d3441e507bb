// Which flows a filter means, asked of a view and of the flow itself: both answers are the same.

#include "flowtable/flow_filter.h"

#include <functional>
#include <string>

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr TickMs kNow = 100'000;

FlowTuple web_tuple() {
  FlowTuple tuple;
  tuple.eni = EniIndex(3);
  tuple.proto = Proto::Tcp;
  tuple.local_port = 443;
  tuple.remote_port = 40'000;
  tuple.local = *IpAddr::parse("10.0.1.10");
  tuple.remote = *IpAddr::parse("198.51.100.7");
  return tuple;
}

// Established, begun from outside, silent for 30 s.
FlowState web_state() {
  FlowState state{};
  state.phase = static_cast<std::uint8_t>(FlowPhase::Established);
  state.last_seen_ms = kNow - 30'000;
  return state;
}

FlowView view_of(const FlowTuple& tuple, const FlowState& state) {
  FlowView view;
  view.tuple = tuple;
  view.phase = state.flow_phase();
  view.initiator = state.initiator();
  view.idle_ms = kNow - state.last_seen_ms;
  return view;
}

struct FilterRow {
  std::string name;
  std::function<void(FlowFilter&)> set;
  bool matches;
};

class FlowFilterRow : public ::testing::TestWithParam<FilterRow> {};

TEST_P(FlowFilterRow, means_the_flow_or_not) {
  FlowFilter filter;
  GetParam().set(filter);
  const FlowTuple tuple = web_tuple();
  const FlowState state = web_state();
  EXPECT_EQ(filter.matches(tuple, state, kNow), GetParam().matches);
  EXPECT_EQ(filter.matches(view_of(tuple, state)), GetParam().matches);
}

INSTANTIATE_TEST_SUITE_P(
    Web, FlowFilterRow,
    ::testing::Values(
        FilterRow{"nothing_asked", [](FlowFilter&) {}, true},
        FilterRow{"its_interface", [](FlowFilter& f) { f.interface = EniIndex(3); }, true},
        FilterRow{"other_interface", [](FlowFilter& f) { f.interface = EniIndex(4); }, false},
        FilterRow{"local_block", [](FlowFilter& f) { f.address = Cidr::parse("10.0.0.0/8"); },
                  true},
        FilterRow{"remote_host", [](FlowFilter& f) { f.address = Cidr::parse("198.51.100.7/32"); },
                  true},
        FilterRow{"other_host", [](FlowFilter& f) { f.address = Cidr::parse("198.51.100.8/32"); },
                  false},
        FilterRow{"all_of_other_family", [](FlowFilter& f) { f.address = Cidr::parse("::/0"); },
                  false},
        FilterRow{"local_port", [](FlowFilter& f) { f.port = 443; }, true},
        FilterRow{"remote_port", [](FlowFilter& f) { f.port = 40'000; }, true},
        FilterRow{"other_port", [](FlowFilter& f) { f.port = 80; }, false},
        FilterRow{"its_protocol", [](FlowFilter& f) { f.proto = Proto::Tcp; }, true},
        FilterRow{"other_protocol", [](FlowFilter& f) { f.proto = Proto::Udp; }, false},
        FilterRow{"its_state", [](FlowFilter& f) { f.phase = FlowPhase::Established; }, true},
        FilterRow{"other_state", [](FlowFilter& f) { f.phase = FlowPhase::SynSent; }, false},
        FilterRow{"its_direction", [](FlowFilter& f) { f.direction = Direction::Ingress; }, true},
        FilterRow{"other_direction", [](FlowFilter& f) { f.direction = Direction::Egress; }, false},
        FilterRow{"silent_long_enough", [](FlowFilter& f) { f.idle_min_ms = 30'000; }, true},
        FilterRow{"not_silent_enough", [](FlowFilter& f) { f.idle_min_ms = 30'001; }, false},
        FilterRow{"seen_lately_enough", [](FlowFilter& f) { f.idle_max_ms = 30'000; }, true},
        FilterRow{"too_long_ago", [](FlowFilter& f) { f.idle_max_ms = 29'999; }, false},
        FilterRow{"all_at_once",
                  [](FlowFilter& f) {
                    f.interface = EniIndex(3);
                    f.address = Cidr::parse("198.51.100.0/24");
                    f.port = 443;
                    f.proto = Proto::Tcp;
                    f.phase = FlowPhase::Established;
                    f.idle_min_ms = 1;
                    f.idle_max_ms = 60'000;
                  },
                  true}),
    [](const auto& row) { return row.param.name; });

TEST(FlowFilter, finds_no_port_in_the_identifier_of_a_ping) {
  FlowTuple ping = web_tuple();
  ping.proto = Proto::Icmp;
  ping.local_port = ping.remote_port = 443;
  FlowFilter filter;
  filter.port = 443;
  EXPECT_FALSE(filter.matches(ping));
}

TEST(FlowFilter, knows_how_long_a_flow_is_silent_when_the_clock_wraps) {
  FlowState state = web_state();
  state.last_seen_ms = 0u - 5'000u;
  FlowFilter filter;
  filter.idle_min_ms = 10'000;
  EXPECT_TRUE(filter.matches(web_tuple(), state, 5'000));
  filter.idle_min_ms = 10'001;
  EXPECT_FALSE(filter.matches(web_tuple(), state, 5'000));
}

}  // namespace
}  // namespace sluice
