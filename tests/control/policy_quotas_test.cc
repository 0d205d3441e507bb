#include "control/policy/quotas.h"

#include <gtest/gtest.h>

#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

std::string rules(int count, const std::string& peer) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "{protocol='tcp',ports=" + std::to_string(i) + ",source='" + peer + "'},";
  }
  return text;
}

std::string group(const std::string& ingress) {
  return "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\ningress=[" + ingress + "]\n";
}

// Codes and messages of a correct policy's quota findings.
std::string quotas_of(const std::string& snippet) {
  const LoadedPolicy loaded = load_with_base(snippet);
  EXPECT_TRUE(loaded.policy) << messages_of(loaded);
  std::string text;
  for (const Finding& finding : aws_quota_findings(*loaded.policy, "p")) {
    EXPECT_TRUE(finding.over_limit);
    text += finding.code + ": " + finding.message + "\n";
  }
  return text;
}

TEST(AwsQuotas, are_kept_by_the_example) {
  const LoadedPolicy loaded = load_policy_text(kShopPolicy, "p");
  ASSERT_TRUE(loaded.policy);
  EXPECT_TRUE(aws_quota_findings(*loaded.policy, "p").empty());
}

TEST(AwsQuotas, allow_sixty_rules_of_each_family_and_direction) {
  EXPECT_EQ(quotas_of(group(rules(60, "10.0.0.0/8") + rules(60, "::/0"))), "");
}

TEST(AwsQuotas, refuse_sixty_one_rules_of_a_family) {
  EXPECT_EQ(quotas_of(group(rules(61, "10.0.0.0/8"))),
            "quota-rules-per-group: AWS quota: security_group \"sg-x\" needs 61 ingress IPv4 rules "
            "(a prefix list counts its max_entries); a group has room for 60\n");
}

TEST(AwsQuotas, count_a_group_reference_once_for_each_family) {
  const std::string found = quotas_of(group(rules(61, "sg-a")));
  EXPECT_NE(found.find("61 ingress IPv4"), std::string::npos);
  EXPECT_NE(found.find("61 ingress IPv6"), std::string::npos);
}

TEST(AwsQuotas, count_a_prefix_list_by_its_max_entries) {
  const std::string list = "[[prefix_list]]\nid='pl-x'\nfamily='ipv6'\nmax_entries=31\n";
  EXPECT_EQ(quotas_of(list + group(rules(1, "pl-x"))), "");
  EXPECT_NE(quotas_of(list + group(rules(2, "pl-x"))).find("62 ingress IPv6"), std::string::npos);
}

TEST(AwsQuotas, refuse_six_groups_on_an_interface) {
  std::string text;
  std::string names;
  for (int i = 0; i < 6; ++i) {
    text += "[[security_group]]\nid='sg-n" + std::to_string(i) + "'\nvpc='vpc-a'\n";
    names += "'sg-n" + std::to_string(i) + "',";
  }
  text +=
      "[[interface]]\nid='eni-x'\nsubnet='subnet-a'\naddresses=['10.0.1.9']\nsecurity_groups=[" +
      names + "]\n";
  EXPECT_EQ(
      quotas_of(text),
      "quota-groups-per-interface: AWS quota: interface \"eni-x\" needs 6 security groups; an "
      "interface has room for 5\n");
}

TEST(AwsQuotas, bound_the_product_of_rules_and_groups) {
  // 201 rules x 5 groups = 1,005.
  const std::string found = quotas_of(group(rules(201, "10.0.0.0/8")));
  EXPECT_NE(found.find("quota-rules-times-groups"), std::string::npos);
  EXPECT_NE(found.find("201 x 5 = 1005; the product is at most 1000"), std::string::npos);
  EXPECT_EQ(quotas_of(group(rules(200, "10.0.0.0/8"))).find("times"), std::string::npos);
}

TEST(AwsQuotas, bound_the_entries_of_a_prefix_list) {
  EXPECT_NE(quotas_of("[[prefix_list]]\nid='pl-x'\nfamily='ipv4'\nmax_entries=1001\n")
                .find("needs room for 1001 entries; a list has room for 1000"),
            std::string::npos);
}

TEST(AwsQuotas, bound_the_rules_of_an_acl) {
  std::string entries;
  for (int i = 1; i <= 21; ++i) {
    entries += "{rule=" + std::to_string(i) + ",action='allow',protocol='-1',cidr='10.0.0.0/8'},";
  }
  EXPECT_NE(quotas_of("[[network_acl]]\nid='acl-x'\nvpc='vpc-a'\negress=[" + entries + "]\n")
                .find("needs 21 egress rules; an ACL has room for 20"),
            std::string::npos);
}

TEST(AwsQuotas, bound_the_groups_of_a_region) {
  std::string text;
  for (int i = 0; i < 2500; ++i) {
    text += "[[security_group]]\nid='sg-n" + std::to_string(i) + "'\nvpc='vpc-a'\n";
  }
  // The two of the base and two default groups count too.
  EXPECT_NE(quotas_of(text).find("needs 2504 security groups; a Region has room for 2500"),
            std::string::npos);
}

TEST(AwsQuotas, bound_the_prefix_lists_of_a_region) {
  std::string text;
  for (int i = 0; i < 100; ++i) {
    text += "[[prefix_list]]\nid='pl-n" + std::to_string(i) + "'\nfamily='ipv4'\nmax_entries=1\n";
  }
  EXPECT_NE(quotas_of(text).find("needs 101 prefix lists; a Region has room for 100"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice
