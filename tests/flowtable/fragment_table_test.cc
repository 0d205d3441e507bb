#include "flowtable/fragment_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "tests/reference/slow_reassembly.h"

namespace sluice {
namespace {

using Kind = FragmentAnswer::Kind;

FragmentKey key(std::uint32_t id = 1, std::uint32_t source = 0x0a000001) {
  return {.source = IpAddr::v4(source),
          .destination = IpAddr::v4(0x0a000002),
          .id = id,
          .nic = 0,
          .proto = Proto::Udp};
}

FragmentKey ipv6_key(std::uint32_t id = 1) {
  return {.source = IpAddr::v6(0xfd00u << 16, 1),
          .destination = IpAddr::v6(0xfd00u << 16, 2),
          .id = id,
          .nic = 0,
          .proto = Proto::NoNext};
}

FragmentPiece first(std::uint32_t size = 1'480, Proto proto = Proto::Udp) {
  return {.offset = 0,
          .size = size,
          .last = false,
          .proto = proto,
          .source_port = 1'234,
          .destination_port = 53};
}
FragmentPiece middle(std::uint32_t offset, std::uint32_t size = 1'480) {
  return {.offset = offset, .size = size, .last = false};
}
FragmentPiece last(std::uint32_t offset, std::uint32_t size = 100) {
  return {.offset = offset, .size = size, .last = true};
}

std::vector<FragmentTable::Released> released(FragmentTable& table, TickMs now) {
  std::vector<FragmentTable::Released> result;
  std::array<FragmentTable::Released, 3> some;
  while (const std::size_t count = table.release(now, some)) {
    result.insert(result.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return result;
}

void expect_drop(const FragmentAnswer& answer, DropReason reason) {
  EXPECT_EQ(answer.kind, Kind::Drop);
  EXPECT_EQ(name_of(answer.reason), name_of(reason));
}

void expect_follow(const FragmentAnswer& answer, bool passed) {
  EXPECT_EQ(answer.kind, Kind::Follow);
  EXPECT_EQ(answer.first_passed, passed);
  EXPECT_EQ(answer.reason, passed ? DropReason::None : DropReason::FragmentRefused);
  EXPECT_EQ(answer.proto, Proto::Udp);
  EXPECT_EQ(answer.source_port, 1'234);
  EXPECT_EQ(answer.destination_port, 53);
}

TEST(FragmentTable, lets_pieces_follow_the_first_in_order) {
  FragmentTable table({});
  const FragmentAnswer answer = table.add(key(), first(), 1, 0);
  EXPECT_EQ(answer.kind, Kind::Judge);
  EXPECT_EQ(answer.destination_port, 53);
  table.set_verdict(key(), true, 0);
  expect_follow(table.add(key(), middle(1'480), 2, 1), true);
  EXPECT_EQ(table.trains(), 1u);
  expect_follow(table.add(key(), last(2'960), 3, 2), true);
  EXPECT_EQ(table.trains(), 0u);
  EXPECT_EQ(table.held(), 0u);
}

TEST(FragmentTable, tells_followers_of_a_refused_first_so) {
  FragmentTable table({});
  table.add(key(), first(), 1, 0);
  table.set_verdict(key(), false, 0);
  expect_follow(table.add(key(), last(1'480), 2, 1), false);
  EXPECT_EQ(table.trains(), 0u);
}

TEST(FragmentTable, holds_what_comes_before_the_first_and_gives_it_back_in_order) {
  FragmentTable table({});
  EXPECT_EQ(table.add(key(), last(2'960), 30, 0).kind, Kind::Hold);
  EXPECT_EQ(table.add(key(), middle(1'480), 20, 0).kind, Kind::Hold);
  EXPECT_TRUE(released(table, 1).empty());
  EXPECT_EQ(table.held(), 2u);
  EXPECT_EQ(table.add(key(), first(), 10, 2).kind, Kind::Judge);
  EXPECT_TRUE(released(table, 2).empty());
  table.set_verdict(key(), true, 2);
  const auto back = released(table, 2);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].held, 30u);
  EXPECT_EQ(back[1].held, 20u);
  expect_follow(back[0].answer, true);
  EXPECT_EQ(table.held(), 0u);
  EXPECT_EQ(table.trains(), 0u);
}

TEST(FragmentTable, holds_a_piece_while_the_first_is_being_judged) {
  FragmentTable table({});
  table.add(key(), first(), 1, 0);
  EXPECT_EQ(table.add(key(), last(1'480), 2, 0).kind, Kind::Hold);
  table.set_verdict(key(), false, 0);
  const auto back = released(table, 0);
  ASSERT_EQ(back.size(), 1u);
  expect_follow(back[0].answer, false);
}

TEST(FragmentTable, judges_a_whole_packet_alone_and_remembers_nothing) {
  FragmentTable table({});
  FragmentPiece whole = first();
  whole.last = true;
  EXPECT_EQ(table.add(ipv6_key(), whole, 1, 0).kind, Kind::Judge);
  EXPECT_EQ(table.trains(), 0u);
  table.set_verdict(ipv6_key(), true, 0);
  EXPECT_EQ(table.trains(), 0u);
}

TEST(FragmentTable, never_mixes_trains_that_differ_in_any_part_of_the_key) {
  FragmentTable table({});
  table.add(key(), first(), 1, 0);
  table.set_verdict(key(), true, 0);
  for (int part = 0; part < 5; ++part) {
    FragmentKey other = key();
    if (part == 0) other.source = IpAddr::v4(9);
    if (part == 1) other.destination = IpAddr::v4(9);
    if (part == 2) other.id = 2;
    if (part == 3) other.nic = 1;
    if (part == 4) other.proto = Proto::Tcp;
    EXPECT_EQ(table.add(other, last(1'480), 2, 0).kind, Kind::Hold) << part;
  }
}

TEST(FragmentTable, drops_an_exact_duplicate_alone) {
  FragmentTable table({});
  table.add(key(), first(), 1, 0);
  table.set_verdict(key(), true, 0);
  expect_drop(table.add(key(), first(), 2, 0), DropReason::FragmentDuplicate);
  expect_follow(table.add(key(), middle(1'480), 3, 0), true);
  expect_drop(table.add(key(), middle(1'480), 4, 0), DropReason::FragmentDuplicate);
  expect_follow(table.add(key(), last(2'960), 5, 0), true);
}

TEST(FragmentTable, uses_a_number_again_once_its_datagram_is_whole) {
  FragmentTable table({});
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(table.add(key(), first(), 1, 0).kind, Kind::Judge);
    table.set_verdict(key(), true, 0);
    expect_follow(table.add(key(), last(1'480), 2, 0), true);
  }
}

TEST(FragmentTable, knows_no_verdict_for_a_train_that_it_does_not_know) {
  FragmentTable table({});
  table.set_verdict(key(), true, 0);
  EXPECT_EQ(table.add(key(), last(1'480), 2, 0).kind, Kind::Hold);
  table.set_verdict(key(), true, 0);
  EXPECT_TRUE(released(table, 0).empty());
}

struct OverlapRow {
  const char* name;
  FragmentPiece piece;
};
class FragmentOverlap : public testing::TestWithParam<OverlapRow> {};

// Known: 0-1480 (first), 2960-4440.
TEST_P(FragmentOverlap, ends_the_train) {
  FragmentTable table({});
  table.add(key(), first(), 1, 0);
  table.set_verdict(key(), true, 0);
  table.add(key(), middle(2'960), 2, 0);
  expect_drop(table.add(key(), GetParam().piece, 3, 0), DropReason::FragmentOverlap);
  expect_drop(table.add(key(), middle(1'480), 4, 1), DropReason::FragmentOverlap);
  expect_drop(table.add(key(), first(), 5, 2), DropReason::FragmentOverlap);
  expect_drop(table.add(key(), last(4'440), 6, 29'999), DropReason::FragmentOverlap);
  EXPECT_EQ(table.add(key(), first(), 7, 30'000).kind, Kind::Judge);
}

INSTANTIATE_TEST_SUITE_P(Shapes, FragmentOverlap,
                         testing::Values(OverlapRow{"header_written_over", middle(8, 16)},
                                         OverlapRow{"first_with_another_size", first(1'488)},
                                         OverlapRow{"first_shorter", first(1'472)},
                                         OverlapRow{"tail_of_the_first", middle(1'472, 16)},
                                         OverlapRow{"head_of_the_next", middle(1'480, 1'488)},
                                         OverlapRow{"within_the_next", middle(3'000, 8)},
                                         OverlapRow{"over_the_next", middle(2'952, 1'496)},
                                         OverlapRow{"longer_at_the_same_place",
                                                    middle(2'960, 1'488)},
                                         OverlapRow{"last_over_the_end", last(4'432, 9)}),
                         [](const auto& row) { return row.param.name; });

TEST(FragmentTable, gives_back_what_is_held_when_an_overlap_ends_the_train) {
  FragmentTable table({});
  table.add(key(), middle(1'480), 20, 0);
  table.add(key(), middle(2'960), 30, 0);
  expect_drop(table.add(key(), middle(2'968), 40, 0), DropReason::FragmentOverlap);
  const auto back = released(table, 0);
  ASSERT_EQ(back.size(), 2u);
  expect_drop(back[0].answer, DropReason::FragmentOverlap);
  expect_drop(back[1].answer, DropReason::FragmentOverlap);
}

TEST(FragmentTable, ends_the_train_when_a_late_first_overlaps_what_is_held) {
  FragmentTable table({});
  EXPECT_EQ(table.add(key(), middle(8, 16), 20, 0).kind, Kind::Hold);
  expect_drop(table.add(key(), first(), 10, 0), DropReason::FragmentOverlap);
  EXPECT_EQ(released(table, 0).size(), 1u);
}

struct MalformedRow {
  const char* name;
  FragmentPiece piece;
};
class FragmentMalformed : public testing::TestWithParam<MalformedRow> {};

TEST_P(FragmentMalformed, is_dropped_and_leaves_no_trace) {
  FragmentTable table({});
  expect_drop(table.add(key(), GetParam().piece, 1, 0), DropReason::FragmentMalformed);
  EXPECT_EQ(table.trains(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Shapes, FragmentMalformed,
                         testing::Values(MalformedRow{"empty", middle(1'480, 0)},
                                         MalformedRow{"empty_last", last(1'480, 0)},
                                         MalformedRow{"odd_length_in_the_middle",
                                                      middle(1'480, 1'479)},
                                         MalformedRow{"odd_offset", middle(1'481, 8)},
                                         MalformedRow{"first_of_odd_length", first(1'479)},
                                         MalformedRow{"one_byte_too_long", last(65'528, 8)},
                                         MalformedRow{"far_too_long", last(65'528, 65'535)},
                                         MalformedRow{"offset_beyond_all", last(65'536, 8)},
                                         MalformedRow{"sum_that_wraps", last(8, 0xffffffffu)}),
                         [](const auto& row) { return row.param.name; });

TEST(FragmentTable, takes_the_longest_datagram_there_can_be) {
  FragmentTable table({});
  table.add(key(), first(), 1, 0);
  table.set_verdict(key(), true, 0);
  expect_follow(table.add(key(), last(65'528, 7), 2, 0), true);
}

TEST(FragmentTable, ends_a_train_with_two_different_ends) {
  FragmentTable table({});
  table.add(key(), first(), 1, 0);
  table.set_verdict(key(), true, 0);
  table.add(key(), last(2'960), 2, 0);
  expect_drop(table.add(key(), last(4'440), 3, 0), DropReason::FragmentMalformed);
  expect_drop(table.add(key(), middle(1'480), 4, 0), DropReason::FragmentMalformed);
}

TEST(FragmentTable, ends_a_train_that_goes_on_behind_its_end) {
  FragmentTable table({});
  table.add(key(), first(), 1, 0);
  table.set_verdict(key(), true, 0);
  table.add(key(), last(2'960), 2, 0);
  expect_drop(table.add(key(), middle(4'440), 3, 0), DropReason::FragmentMalformed);
}

TEST(FragmentTable, ends_a_train_whose_last_piece_ends_too_early) {
  FragmentTable table({});
  table.add(key(), middle(4'440), 1, 0);
  expect_drop(table.add(key(), last(1'480), 2, 0), DropReason::FragmentMalformed);
  EXPECT_EQ(released(table, 0).size(), 1u);
}

struct TinyRow {
  const char* name;
  Proto proto;
  std::uint32_t size;
  bool tiny;
};
class FragmentTiny : public testing::TestWithParam<TinyRow> {};

TEST_P(FragmentTiny, is_what_holds_no_whole_transport_header) {
  FragmentTable table({});
  const FragmentAnswer answer = table.add(key(), first(GetParam().size, GetParam().proto), 1, 0);
  if (!GetParam().tiny) {
    EXPECT_EQ(answer.kind, Kind::Judge);
    return;
  }
  expect_drop(answer, DropReason::FragmentTiny);
  expect_drop(table.add(key(), last(GetParam().size), 2, 0), DropReason::FragmentTiny);
}

INSTANTIATE_TEST_SUITE_P(Sizes, FragmentTiny,
                         testing::Values(TinyRow{"tcp_8", Proto::Tcp, 8, true},
                                         TinyRow{"tcp_16", Proto::Tcp, 16, true},
                                         TinyRow{"tcp_24", Proto::Tcp, 24, false},
                                         TinyRow{"udp_8", Proto::Udp, 8, false},
                                         TinyRow{"icmp_8", Proto::Icmp, 8, false},
                                         TinyRow{"esp_8", Proto::Esp, 8, false}),
                         [](const auto& row) { return row.param.name; });

TEST(FragmentTable, drops_what_is_held_when_the_first_is_tiny) {
  FragmentTable table({});
  table.add(key(), middle(8, 1'480), 20, 0);
  expect_drop(table.add(key(), first(8, Proto::Tcp), 10, 0), DropReason::FragmentTiny);
  const auto back = released(table, 0);
  ASSERT_EQ(back.size(), 1u);
  expect_drop(back[0].answer, DropReason::FragmentTiny);
}

TEST(FragmentTable, gives_up_waiting_after_30_seconds_for_ipv4) {
  FragmentTable table({});
  table.add(key(), middle(1'480), 20, 1'000);
  table.add(key(), middle(2'960), 30, 20'000);
  EXPECT_TRUE(released(table, 30'999).empty());
  const auto back = released(table, 31'000);
  ASSERT_EQ(back.size(), 2u);
  expect_drop(back[0].answer, DropReason::FragmentTimeout);
  EXPECT_EQ(table.trains(), 0u);
}

TEST(FragmentTable, gives_up_waiting_after_60_seconds_for_ipv6) {  // CT-22
  FragmentTable table({});
  table.add(ipv6_key(), middle(1'480), 20, 0xffffff00u);
  EXPECT_TRUE(released(table, 0xffffff00u + 59'999u).empty());
  EXPECT_EQ(released(table, 0xffffff00u + 60'000u).size(), 1u);
}

TEST(FragmentTable, takes_a_piece_after_the_time_for_one_of_a_new_train) {
  FragmentTable table({});
  table.add(key(), first(), 1, 0);
  table.set_verdict(key(), true, 0);
  EXPECT_EQ(table.add(key(), last(1'480), 2, 30'000).kind, Kind::Hold);
}

TEST(FragmentTable, ignores_a_verdict_that_comes_after_the_time) {
  FragmentTable table({});
  table.add(key(), first(), 1, 0);
  table.add(key(), last(1'480), 2, 0);
  table.set_verdict(key(), true, 30'000);
  const auto back = released(table, 30'000);
  ASSERT_EQ(back.size(), 1u);
  expect_drop(back[0].answer, DropReason::FragmentTimeout);
}

TEST(FragmentTable, holds_no_more_of_a_train_than_its_limit) {
  FragmentTable table({.held_per_train_max = 3});
  for (std::uint32_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(table.add(key(), middle(i * 8, 8), i, 0).kind, Kind::Hold);
  }
  expect_drop(table.add(key(), middle(4 * 8, 8), 4, 0), DropReason::FragmentTooMany);
  EXPECT_EQ(table.add(key(2), middle(8, 8), 5, 0).kind, Kind::Hold);
}

TEST(FragmentTable, holds_no_more_of_a_source_than_its_limit) {  // CT-22
  FragmentTable table({.held_per_source_max = 5});
  for (std::uint32_t id = 1; id <= 5; ++id) {
    EXPECT_EQ(table.add(key(id), middle(8, 8), id, 0).kind, Kind::Hold);
  }
  expect_drop(table.add(key(6), middle(8, 8), 6, 0), DropReason::FragmentTooMany);
  EXPECT_EQ(table.add(key(6, 0x0a0000ff), middle(8, 8), 7, 0).kind, Kind::Hold);
  EXPECT_EQ(table.trains(), 6u);
}

TEST(FragmentTable, holds_no_more_of_a_device_than_its_limit) {
  FragmentTable table({.held_per_nic_max = 4});
  const auto by_nic = [](std::uint16_t nic, std::uint32_t id) {
    FragmentKey result = key(id, 0x0a010000 + id);  // a source of its own each
    result.nic = nic;
    return result;
  };
  for (std::uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(table.add(by_nic(1, i), middle(8, 8), i, 0).kind, Kind::Hold) << i;
  }
  expect_drop(table.add(by_nic(1, 9), middle(8, 8), 9, 0), DropReason::FragmentTooMany);
  EXPECT_EQ(table.add(by_nic(2, 9), middle(8, 8), 9, 0).kind, Kind::Hold);
  EXPECT_EQ(table.add(by_nic(1, 0), first(8), kNoHeld, 0).kind, Kind::Judge);
  table.set_verdict(by_nic(1, 0), true, 0);
  EXPECT_EQ(released(table, 0).size(), 1u);
  EXPECT_EQ(table.add(by_nic(1, 9), middle(8, 8), 8, 0).kind, Kind::Hold) << "room again";
}

// A train of its own source for each id.
FragmentKey from_anywhere(std::uint32_t id, std::uint32_t destination, std::uint16_t nic = 0) {
  FragmentKey result = key(id, 0x0b000000 + id);
  result.destination = IpAddr::v4(destination);
  result.nic = nic;
  return result;
}

TEST(FragmentTable, holds_no_more_for_a_destination_than_its_limit) {  // CT-22
  FragmentTable table({.held_per_destination_max = 4});
  for (std::uint32_t id = 0; id < 4; ++id) {
    EXPECT_EQ(table.add(from_anywhere(id, 0x0a000002), middle(8, 8), id, 0).kind, Kind::Hold);
  }
  expect_drop(table.add(from_anywhere(9, 0x0a000002), middle(8, 8), 9, 0),
              DropReason::FragmentTooMany);
  EXPECT_EQ(table.add(from_anywhere(9, 0x0a000003), middle(8, 8), 9, 0).kind, Kind::Hold);
}

TEST(FragmentTable, lets_the_oldest_train_of_a_source_make_way_for_its_next) {  // CT-22
  FragmentTable table({.trains_max = 16, .trains_per_source_max = 3});
  table.add(key(100, 0x0a0000ff), middle(8, 8), 100, 0);
  for (std::uint32_t id = 1; id <= 40; ++id) table.add(key(id), first(), kNoHeld, id);
  EXPECT_EQ(table.trains(), 4u) << "three of the flood, and the honest one, which is older";
  EXPECT_EQ(table.add(key(100, 0x0a0000ff), first(8), kNoHeld, 50).kind, Kind::Judge);
  for (const std::uint32_t id : {38u, 39u, 40u}) {
    table.set_verdict(key(id), true, 50);
    expect_follow(table.add(key(id), middle(1'480), 1, 50), true);
  }
  EXPECT_EQ(table.add(key(37), middle(1'480), 37, 50).kind, Kind::Hold) << "its first is forgotten";
}

TEST(FragmentTable, lets_the_oldest_train_to_a_destination_make_way_for_the_next) {
  FragmentTable table({.trains_max = 16, .trains_per_destination_max = 3});
  table.add(from_anywhere(100, 0x0a000003), middle(8, 8), 100, 0);
  for (std::uint32_t id = 1; id <= 40; ++id) {
    table.add(from_anywhere(id, 0x0a000002), first(), kNoHeld, id);
  }
  EXPECT_EQ(table.trains(), 4u);
  EXPECT_EQ(table.add(from_anywhere(100, 0x0a000003), first(8), kNoHeld, 50).kind, Kind::Judge);
}

TEST(FragmentTable, lets_the_oldest_train_by_a_device_make_way_for_the_next) {
  FragmentTable table({.trains_max = 16, .trains_per_nic_max = 3});
  table.add(from_anywhere(100, 0x0a000100, 1), middle(8, 8), 100, 0);
  for (std::uint32_t id = 1; id <= 40; ++id) {
    table.add(from_anywhere(id, 0x0a000200 + id), first(), kNoHeld, id);
  }
  EXPECT_EQ(table.trains(), 4u);
  EXPECT_EQ(table.add(from_anywhere(100, 0x0a000100, 1), first(8), kNoHeld, 50).kind, Kind::Judge);
}

TEST(FragmentTable, keeps_to_every_limit_at_once_and_loses_no_packet) {
  FragmentTable table({.trains_max = 48,
                       .held_max = 64,
                       .held_per_source_max = 8,
                       .held_per_destination_max = 20,
                       .held_per_nic_max = 30,
                       .trains_per_source_max = 6,
                       .trains_per_destination_max = 15,
                       .trains_per_nic_max = 25});
  std::mt19937 random(7);
  const auto below = [&](std::uint32_t end) { return static_cast<std::uint32_t>(random() % end); };
  std::size_t held = 0, given_back = 0;
  TickMs now = 0;
  for (int i = 0; i < 200'000; ++i) {
    FragmentKey one = key(below(40), 0x0a000000 + below(12));
    one.destination = IpAddr::v4(0x0c000000 + below(5));
    one.nic = static_cast<std::uint16_t>(below(3));
    now += below(200);
    if (below(4) == 0) {
      if (table.add(one, first(8), kNoHeld, now).kind == Kind::Judge && below(3) != 0) {
        table.set_verdict(one, below(2) == 0, now);
      }
    } else if (table.add(one, middle(8 + 8 * below(6), 8), 1, now).kind == Kind::Hold) {
      ++held;
    }
    given_back += released(table, now).size();
    ASSERT_LE(table.trains(), 48u);
    ASSERT_LE(table.held(), 64u);
  }
  std::array<FragmentTable::Released, 64> rest;
  while (const std::size_t count = table.release_all(rest)) given_back += count;
  EXPECT_EQ(held, given_back);
  EXPECT_EQ(table.trains(), 0u);
  EXPECT_EQ(table.held(), 0u);
}

TEST(FragmentTable, gives_a_source_its_room_back) {
  FragmentTable table({.held_per_source_max = 2});
  for (int round = 0; round < 50; ++round) {
    const TickMs now = static_cast<TickMs>(round) * 40'000;
    EXPECT_EQ(table.add(key(1), middle(8, 8), 1, now).kind, Kind::Hold);
    EXPECT_EQ(table.add(key(2), middle(8, 8), 2, now).kind, Kind::Hold);
    EXPECT_EQ(table.add(key(3), middle(8, 8), 3, now).kind, Kind::Drop);
    EXPECT_EQ(released(table, now + 30'000).size(), 2u);
  }
}

TEST(FragmentTable, holds_no_more_in_all_than_its_limit) {
  FragmentTable table({.held_max = 10});
  for (std::uint32_t i = 0; i < 10; ++i) {
    EXPECT_EQ(table.add(key(i, i), middle(8, 8), i, 0).kind, Kind::Hold);
  }
  expect_drop(table.add(key(99, 99), middle(8, 8), 99, 0), DropReason::FragmentTooMany);
  EXPECT_EQ(table.held(), 10u);
  EXPECT_EQ(table.add(key(99, 99), first(), 99, 0).kind, Kind::Judge);
}

TEST(FragmentTable, ends_a_train_of_too_many_pieces) {
  FragmentTable table({.pieces_max = 4});
  table.add(key(), first(8), 1, 0);
  table.set_verdict(key(), true, 0);
  for (std::uint32_t i = 1; i <= 3; ++i)
    expect_follow(table.add(key(), middle(i * 8, 8), 1, 0), true);
  expect_drop(table.add(key(), middle(32, 8), 1, 0), DropReason::FragmentTooMany);
  expect_drop(table.add(key(), last(40, 8), 1, 0), DropReason::FragmentTooMany);
}

TEST(FragmentTable, lets_the_oldest_train_make_way_for_a_new_one) {
  FragmentTable table({.trains_max = 4});
  for (std::uint32_t id = 1; id <= 4; ++id) table.add(key(id), middle(8, 8), id, id);
  EXPECT_EQ(table.add(key(5), first(), 5, 5).kind, Kind::Judge);
  EXPECT_EQ(table.trains(), 4u);
  const auto back = released(table, 5);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].held, 1u);
  expect_drop(back[0].answer, DropReason::FragmentTooMany);
}

TEST(FragmentTable, gives_everything_back_at_the_end_of_a_run) {
  FragmentTable table({});
  for (std::uint32_t i = 0; i < 100; ++i) table.add(key(i), middle(8, 8), i, 0);
  std::array<FragmentTable::Released, 7> some;
  std::size_t total = 0;
  while (const std::size_t count = table.release_all(some)) {
    for (std::size_t i = 0; i < count; ++i) {
      expect_drop(some[i].answer, DropReason::FragmentTimeout);
    }
    total += count;
  }
  EXPECT_EQ(total, 100u);
  EXPECT_EQ(table.held(), 0u);
  EXPECT_EQ(table.trains(), 0u);
}

TEST(FragmentTable, passes_a_datagram_whatever_the_order_of_its_pieces) {
  std::vector<FragmentPiece> pieces = {first(80), middle(80, 80), middle(160, 80), last(240, 3)};
  std::vector<std::size_t> order = {0, 1, 2, 3};
  do {
    FragmentTable table({});
    std::vector<HeldIndex> passed;
    for (const std::size_t i : order) {
      const auto handle = static_cast<HeldIndex>(i);
      const FragmentAnswer answer = table.add(key(), pieces[i], handle, 0);
      ASSERT_NE(answer.kind, Kind::Drop);
      if (answer.kind == Kind::Judge) table.set_verdict(key(), true, 0);
      if (answer.kind != Kind::Hold) passed.push_back(handle);
      for (const auto& back : released(table, 0)) {
        expect_follow(back.answer, true);
        passed.push_back(back.held);
      }
    }
    std::sort(passed.begin(), passed.end());
    EXPECT_EQ(passed, (std::vector<HeldIndex>{0, 1, 2, 3}));
    EXPECT_EQ(table.trains(), 0u);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(FragmentTable, agrees_with_its_twin_about_random_shapes) {
  std::mt19937_64 draw(31);
  FragmentTable table({});
  for (std::uint32_t id = 0; id < 20'000; ++id) {
    SlowReassembly twin;
    for (int i = 0; i < 12; ++i) {
      FragmentPiece piece = middle(static_cast<std::uint32_t>(draw() % 6) * 24,
                                   static_cast<std::uint32_t>(1 + draw() % 10) * 8);
      if (draw() % 2 == 0) piece.size = 24;
      if (draw() % 6 == 0) {
        piece.last = true;
        if (piece.offset == 0) piece.offset = 24;
      }
      piece.proto = Proto::Udp;
      const FragmentAnswer answer = table.add(key(id), piece, 0, 0);
      const DropReason expected = twin.add(piece);
      ASSERT_EQ(answer.kind == Kind::Drop, expected != DropReason::None) << id << " " << i;
      if (answer.kind == Kind::Drop) {
        ASSERT_EQ(name_of(answer.reason), name_of(expected)) << id;
      }
      if (answer.kind == Kind::Judge) table.set_verdict(key(id), true, 0);
      released(table, 0);
      if (twin.is_whole()) break;
    }
    if (id % 100 != 0) continue;
    std::array<FragmentTable::Released, 64> rest;
    while (table.release_all(rest) != 0) {
    }
  }
}

TEST(FragmentTable, gives_every_held_packet_back_exactly_once_in_a_flood) {
  std::mt19937_64 draw(32);
  FragmentTable table({.trains_max = 64, .held_max = 100, .held_per_source_max = 20});
  std::vector<int> state(1, 0);  // by handle: 1 while held
  std::size_t held = 0;
  TickMs now = 0;
  const auto give_back = [&](const FragmentTable::Released& back) {
    ASSERT_EQ(state[back.held], 1);
    ASSERT_NE(back.answer.kind, Kind::Hold);
    state[back.held] = 2;
    --held;
  };
  for (int step = 0; step < 100'000; ++step) {
    now += static_cast<TickMs>(draw() % 50);
    const FragmentKey its_key =
        key(static_cast<std::uint32_t>(draw() % 40), static_cast<std::uint32_t>(draw() % 4));
    FragmentPiece piece = draw() % 5 == 0 ? first(80) : middle(80 * (1 + draw() % 5), 80);
    piece.last = piece.offset == 400;
    const auto handle = static_cast<HeldIndex>(state.size());
    state.push_back(0);
    const FragmentAnswer answer = table.add(its_key, piece, handle, now);
    if (answer.kind == Kind::Hold) {
      state[handle] = 1;
      ++held;
    }
    if (answer.kind == Kind::Judge && draw() % 4 != 0) {
      table.set_verdict(its_key, draw() % 2 == 0, now);
    }
    if (draw() % 3 == 0) {
      for (const auto& back : released(table, now)) give_back(back);
    }
    ASSERT_EQ(table.held(), held);
    ASSERT_LE(table.held(), 100u);
    ASSERT_LE(table.trains(), 64u);
  }
  std::array<FragmentTable::Released, 16> rest;
  while (const std::size_t count = table.release_all(rest)) {
    for (std::size_t i = 0; i < count; ++i) give_back(rest[i]);
  }
  EXPECT_EQ(held, 0u);
  EXPECT_EQ(table.held(), 0u);
}

TEST(FragmentTableDeathTest, refuses_a_limit_of_zero) {
  EXPECT_DEATH(FragmentTable({.held_max = 0}), "CHECK failed");
}

}  // namespace
}  // namespace sluice
