#include "base/drop_reason.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string>

namespace sluice {
namespace {

class DropReasonRows : public testing::TestWithParam<DropReasonRow> {};

TEST_P(DropReasonRows, have_a_word_a_culprit_and_a_sentence) {
  const DropReasonRow& row = GetParam();
  ASSERT_FALSE(row.name.empty());
  for (const char letter : row.name) {
    const bool is_word = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
    EXPECT_TRUE(is_word || letter == '-') << row.name;
  }
  const std::set<std::string_view> faults{"policy", "sender", "network", "appliance"};
  EXPECT_TRUE(faults.contains(row.fault)) << row.fault;
  EXPECT_TRUE(row.sentence.ends_with('.'));
  EXPECT_TRUE(std::isupper(static_cast<unsigned char>(row.sentence.front())) != 0);
  EXPECT_EQ(name_of(row.reason), row.name);
  EXPECT_EQ(sentence_of(row.reason), row.sentence);
}
INSTANTIATE_TEST_SUITE_P(DropReason, DropReasonRows, testing::ValuesIn(kDropReasons),
                         [](const auto& row) {
                           std::string name(row.param.name);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(DropReason, gives_every_reason_its_own_word) {
  std::set<std::string_view> names;
  for (const DropReasonRow& row : kDropReasons) EXPECT_TRUE(names.insert(row.name).second);
}

TEST(DropReason, knows_the_words_that_the_product_names) {
  const std::set<std::string_view> promised{"no-rule",
                                            "acl-deny",
                                            "source-check",
                                            "unknown-address",
                                            "not-first-packet",
                                            "closed",
                                            "out-of-window",
                                            "table-full",
                                            "multicast",
                                            "not-ip",
                                            "fragment-timeout",
                                            "malformed-truncated",
                                            "malformed-ipv4-checksum"};
  for (const std::string_view word : promised) {
    EXPECT_TRUE(std::ranges::any_of(kDropReasons, [word](const DropReasonRow& row) {
      return row.name == word;
    })) << word;
  }
}

TEST(DropReason, tells_malformed_packets_from_refused_ones) {
  EXPECT_TRUE(is_malformed(DropReason::MalformedTcpFlags));
  EXPECT_FALSE(is_malformed(DropReason::NoRule));
  EXPECT_FALSE(is_malformed(DropReason::FragmentMalformed));
}

}  // namespace
}  // namespace sluice
