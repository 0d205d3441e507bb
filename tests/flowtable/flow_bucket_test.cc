#include "flowtable/flow_bucket.h"

#include <gtest/gtest.h>

#include <random>

namespace sluice {
namespace {

unsigned match_by_hand(const FlowBucket& bucket, std::uint16_t tag) {
  unsigned mask = 0;
  for (unsigned i = 0; i < FlowBucket::kPlaces; ++i) {
    if (bucket.tags[i] == tag) mask |= 1u << i;
  }
  return mask;
}

TEST(FlowBucket, matches_tags_as_a_loop_would) {
  std::mt19937_64 draw(1);
  for (int round = 0; round < 20'000; ++round) {
    FlowBucket bucket{};
    for (std::uint16_t& tag : bucket.tags) {
      constexpr std::uint16_t kEdges[] = {0, 1, 0x7fff, 0x8000, 0xffff};
      tag = kEdges[draw() % 5];
    }
    for (const std::uint16_t tag : {0, 1, 0x7fff, 0x8000, 0xffff, 0x1234}) {
      ASSERT_EQ(bucket.match(tag), match_by_hand(bucket, tag));
    }
  }
}

TEST(FlowBucket, fills_every_place_and_gives_back_what_it_was_given) {
  FlowBucket bucket{};
  for (std::uint32_t i = 0; i < FlowBucket::kPlaces; ++i) bucket.put(7, 100 + i);
  EXPECT_EQ(bucket.used(), FlowBucket::kPlaces);
  EXPECT_EQ(bucket.free_places(), 0u);
  EXPECT_FALSE(bucket.take(8, 103));
  EXPECT_TRUE(bucket.take(7, 103));
  EXPECT_FALSE(bucket.take(7, 103));
  EXPECT_EQ(bucket.free_places(), 1u << 3);
}

TEST(FlowPlace, names_two_different_buckets_in_range_and_no_free_tag) {
  std::mt19937_64 draw(2);
  for (const std::uint32_t count : {2u, 3u, 207u, 200'002u}) {
    for (int round = 0; round < 10'000; ++round) {
      const FlowPlace place = FlowPlace::of(draw() << (round % 3 == 0 ? 16 : 0), count);
      ASSERT_LT(place.first, count);
      ASSERT_LT(place.second(count), count);
      ASSERT_NE(place.first, place.second(count));
      ASSERT_NE(place.tag, FlowBucket::kFreeTag);
    }
  }
}

}  // namespace
}  // namespace sluice
