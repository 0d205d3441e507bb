// Names of conversations: found while there is room, forgotten in order.

#include "flowtable/flow_names.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice {
namespace {

TEST(FlowNames, are_found_changed_and_erased) {
  FlowNames names(64);
  int keys[2] = {};
  EXPECT_EQ(names.find(&keys[0]), nullptr);
  names.remember(&keys[0]).set_name("shop.example");
  names.remember(&keys[1]).set_signature(7);
  ASSERT_NE(names.find(&keys[0]), nullptr);
  EXPECT_EQ(names.find(&keys[0])->name(), "shop.example");
  EXPECT_EQ(names.find(&keys[0])->ja4(), "");
  EXPECT_EQ(names.find(&keys[0])->signature(), FlowFacts::kNoSignature);
  EXPECT_EQ(names.find(&keys[1])->signature(), 7);
  EXPECT_EQ(names.find(&keys[1])->name(), "");
  names.remember(&keys[0]).set_ja4("t13d1516h2_8daaf6152771_e5627efa2ab1");
  EXPECT_EQ(names.find(&keys[0])->name(), "shop.example") << "what was known stays";
  EXPECT_EQ(names.find(&keys[0])->ja4(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
  names.remember(&keys[0]).set_name("b.example");
  EXPECT_EQ(names.find(&keys[0])->name(), "b.example");
  EXPECT_EQ(names.size(), 2u);
  names.erase(&keys[0]);
  names.erase(&keys[0]);
  EXPECT_EQ(names.find(&keys[0]), nullptr);
  EXPECT_EQ(names.size(), 1u);
}

TEST(FlowNames, cut_what_is_longer_than_a_name_may_be) {
  FlowNames names(1);
  int key = 0;
  names.remember(&key).set_name(std::string(10'000, 'n'));
  names.remember(&key).set_ja4(std::string(10'000, 'j'));
  EXPECT_EQ(names.find(&key)->name(), std::string(FlowFacts::kNameMax, 'n'));
  EXPECT_EQ(names.find(&key)->ja4(), std::string(FlowFacts::kJa4Size, 'j'));
}

TEST(FlowNames, of_a_full_set_forget_the_one_put_there_first) {
  FlowNames names(1);  // one set
  int keys[6] = {};
  for (int i = 0; i < 4; ++i) names.remember(&keys[i]).set_name(std::to_string(i));
  names.remember(&keys[0]).set_name("again");
  names.remember(&keys[4]).set_signature(9);
  EXPECT_EQ(names.find(&keys[1]), nullptr);
  EXPECT_EQ(names.find(&keys[4])->name(), "") << "nothing is left of the one before";
  EXPECT_NE(names.find(&keys[0]), nullptr);
  names.erase(&keys[2]);
  names.remember(&keys[5]).set_name("5");
  for (const int i : {0, 3, 4, 5}) EXPECT_NE(names.find(&keys[i]), nullptr) << i;
  EXPECT_EQ(names.size(), 4u);
}

}  // namespace
}  // namespace sluice
