#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sluice {
namespace {

Result<int> half_of(int value) {
  if (value % 2 != 0) {
    return Error{ErrorKind::Invalid, "odd", std::to_string(value) + " is odd", ""};
  }
  return value / 2;
}

TEST(Result, holds_a_value_or_the_reason_why_not) {
  const Result<int> good = half_of(8);
  ASSERT_TRUE(good.has_value());
  EXPECT_TRUE(static_cast<bool>(good));
  EXPECT_EQ(*good, 4);
  const Result<int> bad = half_of(7);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().kind, ErrorKind::Invalid);
  EXPECT_EQ(bad.error().code, "odd");
  EXPECT_EQ(bad.error().sentence, "7 is odd");
}

TEST(Result, gives_up_what_can_only_be_moved) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 5);
}

TEST(ResultDeathTest, dies_when_asked_for_what_it_does_not_hold) {
  EXPECT_DEATH(static_cast<void>(half_of(7).value()), "CHECK failed");
  EXPECT_DEATH(static_cast<void>(half_of(8).error()), "CHECK failed");
}

}  // namespace
}  // namespace sluice
