#include "lookup/match_range.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

PortRange range_of(int proto, PortMatch ports, bool icmp_counts = true) {
  const Result<MatchRange> match = match_range({proto}, ports, icmp_counts);
  EXPECT_TRUE(match.has_value());
  return match.has_value() ? match->range : PortRange{1, 0};
}

TEST(MatchRange, takes_ports_of_tcp_and_udp_as_they_are) {
  EXPECT_EQ(range_of(6, {443, 443}), (PortRange{443, 443}));
  EXPECT_EQ(range_of(17, {0, 65535}), PortRange());
}

TEST(MatchRange, makes_types_and_codes_a_range) {
  EXPECT_EQ(range_of(1, {-1, -1}), PortRange());
  EXPECT_EQ(range_of(1, {8, -1}), (PortRange{8 << 8, 8 << 8 | 255})) << "SG-14";
  EXPECT_EQ(range_of(1, {3, 4}), (PortRange{3 << 8 | 4, 3 << 8 | 4}));
  EXPECT_EQ(range_of(58, {128, -1}), (PortRange{128 << 8, 128 << 8 | 255})) << "SG-15";
}

TEST(MatchRange, ignores_ports_where_they_do_not_count) {
  EXPECT_EQ(range_of(47, {80, 80}), PortRange()) << "SG-13";
  EXPECT_EQ(range_of(-1, {80, 80}), PortRange()) << "SG-13";
  EXPECT_EQ(range_of(58, {128, 0}, false), PortRange()) << "NA-10";
}

TEST(MatchRange, refuses_what_makes_no_sense) {
  for (const auto& [proto, ports] : {std::pair<int, PortMatch>{6, {-1, 80}},
                                     {6, {80, 65536}},
                                     {17, {90, 80}},
                                     {1, {-1, 0}},
                                     {1, {256, 0}},
                                     {58, {1, 256}},
                                     {256, {}},
                                     {-2, {}}}) {
    const auto match = match_range({proto}, ports, true);
    ASSERT_FALSE(match.has_value()) << proto << " " << ports.low;
    EXPECT_EQ(match.error().kind, ErrorKind::Invalid);
  }
}

}  // namespace
}  // namespace sluice
