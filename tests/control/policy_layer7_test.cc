// Rules that demand an application or names, signatures, and what a policy says of looking.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control/policy/policy_json.h"
#include "control/policy/quotas.h"
#include "control/policy/rule_id.h"
#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

using Row = FoundRow;

// A group whose only rule begins at 4:10, its demands at 4:71.
std::string rule(const std::string& demands) {
  return "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\n"
         "ingress=[{protocol='tcp', ports=443, source='0.0.0.0/0', description='1234', " +
         demands + "}]\n";
}
std::string signature(const std::string& lines) { return "[[signature]]\nid='x'\n" + lines + "\n"; }

class Layer7Input : public testing::TestWithParam<Row> {};

TEST_P(Layer7Input, is_found_with_its_place) {
  const LoadedPolicy loaded = load_with_base(GetParam().snippet);
  EXPECT_EQ(short_findings(loaded), GetParam().found) << messages_of(loaded);
}

const Row kRows[] = {
    {"an_unknown_app", rule("app='sssh'"), {"4:82 error unknown-app"}},
    {"an_app_that_is_no_string", rule("app=22"), {"4:82 error wrong-type"}},
    {"domains_of_an_app_without_names",
     rule("app='ssh', domains=['a.test']"),
     {"4:97 error key-without-meaning"}},
    {"no_domain", rule("domains=[]"), {"4:86 error empty"}},
    {"an_empty_domain", rule("domains=['']"), {"4:87 error bad-domain"}},
    {"an_empty_part", rule("domains=['a..test']"), {"4:87 error bad-domain"}},
    {"an_asterisk_inside", rule("domains=['a.*.test']"), {"4:87 error bad-domain"}},
    {"an_asterisk_alone", rule("domains=['*']"), {"4:87 error bad-domain"}},
    {"a_final_dot", rule("domains=['a.test.']"), {"4:87 error bad-domain"}},
    {"a_hyphen_in_front", rule("domains=['-a.test']"), {"4:87 error bad-domain"}},
    {"a_hyphen_behind", rule("domains=['a-.test']"), {"4:87 error bad-domain"}},
    {"a_blank", rule("domains=['a test']"), {"4:87 error bad-domain"}},
    {"another_alphabet", rule("domains=['b\u00fccher.test']"), {"4:87 error bad-domain"}},
    {"a_long_part",
     rule("domains=['" + std::string(64, 'a') + ".test']"),
     {"4:87 error bad-domain"}},
    {"the_same_domain_twice",
     rule("domains=['a.test', 'A.Test']"),
     {"4:97 error duplicate-domain"}},
    {"a_number_as_a_domain", rule("domains=[1]"), {"4:87 error wrong-type"}},
    {"domains_that_are_a_number", rule("domains=1"), {"4:86 error wrong-type"}},
    {"an_app_of_every_protocol",
     "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\n"
     "ingress=[{protocol='-1', source='0.0.0.0/0', app='ssh'}]\n",
     {"4:50 error key-without-meaning"}},
    {"a_signature_without_a_pattern", signature("action='drop'"), {"1:1 error missing-key"}},
    {"a_signature_without_an_action", signature("pattern='x'"), {"1:1 error missing-key"}},
    {"a_signature_of_another_action",
     signature("pattern='x'\naction='deny'"),
     {"4:8 error bad-value"}},
    {"a_signature_of_an_empty_pattern",
     signature("pattern=''\naction='drop'"),
     {"3:9 error empty"}},
    {"a_signature_of_another_flag",
     signature("pattern='x'\naction='drop'\nflags='ix'"),
     {"5:7 error bad-flags"}},
    {"a_signature_of_a_flag_twice",
     signature("pattern='x'\naction='drop'\nflags='ii'"),
     {"5:7 error bad-flags"}},
    {"a_signature_of_a_long_pattern",
     signature("pattern='" + std::string(2'049, 'x') + "'\naction='drop'"),
     {"3:9 error limit-pattern-size"}},
    {"patterns_beside_other_errors",
     "[tracking]\nmode='lax'\n" + signature("pattern='a('\naction='drop'\nflags='x'") +
         "[[signature]]\nid='y'\npattern='b)'\naction='drop'\n",
     {"2:6 error bad-value", "5:9 error bad-pattern", "7:7 error bad-flags",
      "10:9 error bad-pattern"}},
    {"two_signatures_of_one_name",
     "[[signature]]\nid='x'\npattern='a'\naction='drop'\n"
     "[[signature]]\nid='x'\npattern='b'\naction='drop'\n",
     {"6:4 error duplicate-id"}},
    {"another_action_on_unknown",
     "[layer7]\naction_on_unknown='reject'\n",
     {"2:19 error bad-value"}},
    {"no_packet_to_look_at", "[layer7]\npackets=0\n", {"2:9 error out-of-range"}},
    {"an_unknown_key_of_layer7", "[layer7]\nwindow=1\n", {"2:1 error unknown-key"}},
};
INSTANTIATE_TEST_SUITE_P(rows, Layer7Input, testing::ValuesIn(kRows),
                         [](const auto& row) { return row.param.name; });

const SecurityRule& first_rule(const LoadedPolicy& loaded) {
  for (const SecurityGroup& group : loaded.policy->groups) {
    if (group.id == "sg-x") return group.ingress.front();
  }
  ADD_FAILURE() << "no group";
  return loaded.policy->groups.front().ingress.front();
}

TEST(Layer7Policy, names_its_rules_by_what_they_demand_too) {
  const LoadedPolicy loaded =
      load_with_base(rule("app='tls', domains=['www.Shop.test', '*.api.test']"));
  ASSERT_TRUE(loaded.policy.has_value()) << messages_of(loaded);
  const SecurityRule& first = first_rule(loaded);
  EXPECT_EQ(first.condition.app, App::Tls);
  EXPECT_EQ(first.canonical,
            "sg-x|ingress|tcp|443-443|0.0.0.0/0|app=tls|domains=*.api.test,www.shop.test");
  EXPECT_EQ(first.id, rule_id_of(first.canonical));
  const LoadedPolicy names = load_with_base(rule("domains=['a.test']"));
  ASSERT_TRUE(names.policy.has_value());
  EXPECT_EQ(first_rule(names).canonical, "sg-x|ingress|tcp|443-443|0.0.0.0/0|domains=a.test");
  const LoadedPolicy text = load_with_base(rule("app='tls', domains='*.api.test,www.shop.test'"));
  ASSERT_TRUE(text.policy.has_value());
  EXPECT_EQ(first_rule(text).id, first.id);
}

TEST(Layer7Policy, tells_rules_that_differ_only_in_their_demands_apart) {
  const LoadedPolicy loaded = load_with_base(
      "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\ningress=[\n"
      "{protocol='tcp', ports=443, source='0.0.0.0/0'},\n"
      "{protocol='tcp', ports=443, source='0.0.0.0/0', app='ssh'},\n"
      "{protocol='tcp', ports=443, source='0.0.0.0/0', app='tls'},\n"
      "{protocol='tcp', ports=443, source='0.0.0.0/0', app='tls'}]\n");
  EXPECT_EQ(short_findings(loaded), (std::vector<std::string>{"8:1 error duplicate-rule"}));
}

TEST(Layer7Policy, is_the_same_after_it_was_written_as_json) {
  const LoadedPolicy loaded =
      load_with_base(rule("app='tls', domains=['a.test']") +
                     signature("pattern='(?i)root:[^:]*:0:'\nflags='ms'\naction='alert'") +
                     "[layer7]\naction_on_unknown='allow'\npackets=7\nseconds=3\nworker_budget=5\n"
                     "interface_budget=4\n" +
                     "[[interface]]\nid='eni-x'\nsubnet='subnet-a'\naddresses=['10.0.1.77']\n"
                     "on_app_mismatch='reject'\n");
  ASSERT_TRUE(loaded.policy.has_value()) << messages_of(loaded);
  const std::string text = policy_to_json_text(*loaded.policy);
  const LoadedPolicy again = load_policy_json(text, "again");
  ASSERT_TRUE(again.policy.has_value()) << messages_of(again);
  EXPECT_EQ(policy_to_json_text(*again.policy), text);
  EXPECT_EQ(again.policy->layer7, (Layer7Settings{true, 7, 3, 5, 4}));
  ASSERT_EQ(again.policy->signatures.size(), 1u);
  EXPECT_EQ(again.policy->signatures[0].pattern, "(?i)root:[^:]*:0:");
  EXPECT_EQ(again.policy->signatures[0].flags, "ms");
  EXPECT_EQ(first_rule(again).id, first_rule(loaded).id);
}

TEST(Layer7Policy, is_nothing_that_aws_would_take) {
  const LoadedPolicy loaded = load_with_base(rule("app='tls'"));
  ASSERT_TRUE(loaded.policy.has_value());
  const std::vector<Finding> quotas = aws_quota_findings(*loaded.policy, "x");
  ASSERT_EQ(quotas.size(), 1u);
  EXPECT_EQ(quotas[0].code, "quota-app-rules");
  EXPECT_EQ(quotas[0].line, 4u);
}

TEST(Layer7Policy, says_what_is_wrong_with_a_domain_and_where) {
  const LoadedPolicy loaded = load_with_base(rule("domains=['shop.exa$mple']"));
  EXPECT_NE(messages_of(loaded).find("\"shop.exa$mple\" is not a host name, at character 9"),
            std::string::npos)
      << messages_of(loaded);
  const LoadedPolicy app = load_with_base(rule("app='sssh'"));
  EXPECT_NE(messages_of(app).find("there are http, "), std::string::npos) << messages_of(app);
}

}  // namespace
}  // namespace sluice
