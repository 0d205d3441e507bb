// A group whose rules come and go, beside the obvious way of doing it.

#include "control/compile/staged_group.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

SecurityRule rule(Direction direction, std::size_t number) {
  SecurityRule made;
  made.direction = direction;
  made.id =
      "sgr-" + std::string(direction == Direction::Ingress ? "in" : "out") + std::to_string(number);
  return made;
}

std::vector<std::string> ids_of(const std::vector<SecurityRule>& rules) {
  std::vector<std::string> ids;
  for (const SecurityRule& one : rules) ids.push_back(one.id);
  return ids;
}

// Both directions, in the order in which the rules came.
using Ids = std::array<std::vector<std::string>, 2>;

void expect_holds(const StagedGroup& staged, const Ids& ids) {
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    const std::vector<std::string>& wanted = ids[static_cast<std::size_t>(direction)];
    EXPECT_EQ(staged.rule_count(direction), wanted.size());
    for (std::size_t number = 0; number < 30; ++number) {
      const std::string id = rule(direction, number).id;
      EXPECT_EQ(staged.has_rule(id), std::ranges::find(wanted, id) != wanted.end()) << id;
    }
  }
}

TEST(StagedGroup, is_what_its_edits_leave_in_their_order) {
  std::mt19937_64 random(1);
  for (std::size_t turn = 0; turn < scaled_count(200); ++turn) {
    SecurityGroup group;
    group.id = "sg-a";
    Ids ids;
    for (std::size_t number = 0; number < random() % 10; ++number) {
      group.ingress.push_back(rule(Direction::Ingress, number));
      group.egress.push_back(rule(Direction::Egress, number));
    }
    ids = {ids_of(group.ingress), ids_of(group.egress)};
    StagedGroup staged(group);
    for (std::size_t edit = 0; edit < random() % 60; ++edit) {
      const auto direction = static_cast<Direction>(random() % 2);
      const SecurityRule one = rule(direction, random() % 30);
      std::vector<std::string>& there = ids[static_cast<std::size_t>(direction)];
      if (std::erase(there, one.id) != 0) {
        staged.remove_rule(one.id);
      } else {
        staged.add_rule(one);
        there.push_back(one.id);
      }
    }
    expect_holds(staged, ids);
    const SecurityGroup& settled = staged.settle();
    EXPECT_EQ(ids_of(settled.ingress), ids[0]);
    EXPECT_EQ(ids_of(settled.egress), ids[1]);
    EXPECT_EQ(settled.id, "sg-a");
    ASSERT_FALSE(HasFailure()) << "turn " << turn;
  }
}

// Its rules stood for something that was left out; left out again, they would come back.
SecurityGroup implied_group() {
  SecurityGroup group;
  group.id = "sg-default-a";
  group.implied = true;
  group.ingress = {rule(Direction::Ingress, 0)};
  group.egress = {rule(Direction::Egress, 0), rule(Direction::Egress, 1)};
  for (SecurityRule& one : group.egress) one.implied = true;
  return group;
}

TEST(StagedGroup, implies_nothing_any_more_once_it_is_edited) {  // SG-4, SG-5
  StagedGroup staged(implied_group());
  staged.remove_rule(rule(Direction::Egress, 0).id);
  const SecurityGroup& settled = staged.settle();
  EXPECT_FALSE(settled.implied);
  ASSERT_EQ(settled.egress.size(), 1u);
  EXPECT_FALSE(settled.egress[0].implied);
}

TEST(StagedGroup, stays_as_it_is_without_edits) {
  StagedGroup staged(implied_group());
  const SecurityGroup& settled = staged.settle();
  EXPECT_TRUE(settled.implied);
  EXPECT_EQ(settled.egress.size(), 2u);
  EXPECT_TRUE(settled.egress[1].implied);
}

}  // namespace
}  // namespace sluice
