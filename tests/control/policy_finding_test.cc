#include "control/policy/finding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sluice {
namespace {

TEST(Finding, is_printed_as_compilers_do) {
  Findings findings("shop.toml");
  findings.error({12, 3}, "bad-cidr", "no");
  findings.warning({13, 1}, "family-mismatch", "hm");
  findings.note({14, 2}, "host-bits-cut", "so");
  findings.error({}, "file-missing", "gone");
  std::string text;
  for (const Finding& finding : findings.take()) text += to_string(finding) + "\n";
  EXPECT_EQ(text,
            "shop.toml:1:1: error: gone\n"
            "shop.toml:12:3: error: no\n"
            "shop.toml:13:1: warning: hm\n"
            "shop.toml:14:2: note: so\n");
}

TEST(Finding, becomes_json_with_errors_and_warnings_apart) {
  Findings findings("f");
  findings.warning({2, 1}, "w", "warned");
  findings.error({1, 7}, "e", "erred");
  findings.note({3, 1}, "n", "noted");
  EXPECT_EQ(findings_to_json(findings.take()).dump(),
            R"({"errors":[{"file":"f","line":1,"column":7,"code":"e","message":"erred"}],)"
            R"("warnings":[{"file":"f","line":2,"column":1,"code":"w","message":"warned"}]})");
  EXPECT_EQ(findings_to_json({}).dump(), R"({"errors":[],"warnings":[]})");
}

TEST(Finding, are_sorted_by_place_and_stable_within_one) {
  Findings findings("f");
  findings.error({2, 1}, "b", "");
  findings.error({1, 9}, "a", "");
  findings.error({2, 1}, "c", "");
  std::string order;
  for (const Finding& finding : findings.take()) order += finding.code;
  EXPECT_EQ(order, "abc");
}

TEST(Finding, sums_up_as_one_error_of_the_first_and_the_count) {
  Findings findings("f");
  findings.warning({1, 1}, "w", "warned");
  findings.error({3, 4}, "unknown-group", "there is no sg-x");
  findings.error({9, 1}, "other", "more");
  const Error error = error_of(findings.take());
  EXPECT_EQ(error.kind, ErrorKind::Invalid);
  EXPECT_EQ(error.code, "unknown-group");
  EXPECT_EQ(error.sentence, "there is no sg-x (and 1 more errors)");
  EXPECT_EQ(error.where, "f:3:4");
}

TEST(Finding, is_a_limit_only_if_every_error_is_one) {
  Findings only("f");
  only.over_limit({1, 1}, "limit", "too much");
  EXPECT_EQ(error_of(only.take()).kind, ErrorKind::LimitExceeded);
  Findings mixed("f");
  mixed.over_limit({1, 1}, "limit", "too much");
  mixed.error({2, 1}, "bad", "wrong");
  EXPECT_EQ(error_of(mixed.take()).kind, ErrorKind::Invalid);
}

TEST(Finding, of_a_whole_file_stands_at_its_beginning_in_json_too) {
  Findings findings("f");
  findings.error({}, "file-missing", "gone");
  EXPECT_EQ(findings_to_json(findings.take())["errors"].dump(),
            R"([{"file":"f","line":1,"column":1,"code":"file-missing","message":"gone"}])");
}

TEST(Finding, becomes_json_of_a_bounded_size_that_tells_what_is_left_out) {
  Findings findings("f");
  for (int i = 0; i < 100; ++i) findings.error({1, 1}, "e", std::string(1'000, 'x'));
  const auto json = findings_to_json(findings.take(), 10'000);
  EXPECT_LE(json.dump().size(), 11'000u);
  ASSERT_EQ(json["errors"].size(), 10u);
  EXPECT_EQ(json["errors"][9]["code"], "more-findings");
  EXPECT_EQ(json["errors"][9]["message"], "91 more findings are not listed");
}

TEST(Finding, lists_every_error_however_many_notes_came_before) {
  Findings findings("f");
  for (std::size_t i = 0; i < Findings::kFindingsMax + 5; ++i) findings.note({1, 1}, "n", "");
  for (int i = 0; i < 7; ++i) findings.error({2, 2}, "e", "");
  const std::vector<Finding> all = findings.take();
  EXPECT_EQ(
      std::count_if(all.begin(), all.end(), [](const Finding& one) { return one.code == "e"; }), 7);
  EXPECT_EQ(all.back().severity, Severity::Warning);
}

TEST(Finding, tells_errors_that_are_not_listed_by_an_error) {
  Findings findings("f");
  for (std::size_t i = 0; i < Findings::kFindingsMax + 2; ++i) findings.over_limit({1, 1}, "e", "");
  const std::vector<Finding> all = findings.take();
  EXPECT_EQ(all.back().severity, Severity::Error);
  EXPECT_EQ(all.back().message, "2 more findings are not listed");
  EXPECT_EQ(error_of(all).kind, ErrorKind::LimitExceeded);
}

TEST(Finding, does_not_fill_the_memory_and_never_loses_that_there_is_an_error) {
  Findings findings("f");
  for (std::size_t i = 0; i < Findings::kFindingsMax + 5; ++i) findings.warning({1, 1}, "w", "");
  findings.error({2, 2}, "e", "");
  EXPECT_TRUE(findings.has_errors());
  const std::vector<Finding> all = findings.take();
  EXPECT_EQ(all.size(), Findings::kFindingsMax + 2);
  EXPECT_TRUE(has_errors(all));
  EXPECT_EQ(all.back().message, "5 more findings are not listed");
}

}  // namespace
}  // namespace sluice
