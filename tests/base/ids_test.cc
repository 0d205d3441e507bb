#include "base/ids.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <unordered_set>

namespace sluice {
namespace {

static_assert(!std::is_convertible_v<std::uint32_t, EniIndex>);
static_assert(!std::is_convertible_v<EniIndex, GroupIndex>);
static_assert(!std::is_constructible_v<EniIndex, GroupIndex>);
static_assert(std::is_trivially_copyable_v<EniIndex> && sizeof(EniIndex) == 4);
static_assert(sizeof(WorkerIndex) == 2);

TEST(Ids, are_none_until_given_a_number) {
  EXPECT_TRUE(EniIndex().is_none());
  EXPECT_EQ(EniIndex(), EniIndex::none());
  EXPECT_FALSE(EniIndex(0).is_none());
  EXPECT_TRUE(WorkerIndex(0xffff).is_none());
}

TEST(Ids, are_ordered_and_hashed_by_number) {
  EXPECT_LT(RuleIndex(1), RuleIndex(2));
  const std::unordered_set<RuleIndex> rules{RuleIndex(1), RuleIndex(2), RuleIndex(1)};
  EXPECT_EQ(rules.size(), 2u);
}

TEST(Generation, counts_up_from_none) {
  EXPECT_EQ(Generation().value(), 0u);
  EXPECT_EQ(Generation().next(), Generation(1));
  EXPECT_LT(Generation(1), Generation(2));
}

}  // namespace
}  // namespace sluice
