#include "control/policy/quotas.h"

#include <gtest/gtest.h>

#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

std::string rules(int count, const std::string& peer, const std::string& key = "source") {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "{protocol='tcp',ports=" + std::to_string(i) + "," + key + "='" + peer + "'},";
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

TEST(AwsQuotas, allow_sixty_rules_of_each_family_and_direction) {  // SG-41
  EXPECT_EQ(
      quotas_of(group(rules(60, "10.0.0.0/8") + rules(60, "::/0")) + "egress=[" +
                rules(60, "10.0.0.0/8", "destination") + rules(60, "::/0", "destination") + "]\n"),
      "");
}

TEST(AwsQuotas, refuse_sixty_one_rules_of_a_family) {  // SG-41
  EXPECT_EQ(quotas_of(group(rules(61, "10.0.0.0/8"))),
            "quota-rules-per-group: AWS quota: security_group \"sg-x\" needs 61 ingress IPv4 rules "
            "(a prefix list counts its max_entries); a group has room for 60\n");
}

TEST(AwsQuotas, refuse_sixty_one_rules_of_a_family_on_egress_too) {  // SG-41
  const std::string peers[][2] = {{"10.0.0.0/8", "IPv4"}, {"::/0", "IPv6"}};
  for (const auto& [peer, family] : peers) {
    const std::string found = quotas_of("[[security_group]]\nid='sg-x'\nvpc='vpc-a'\negress=[" +
                                        rules(61, peer, "destination") + "]\n");
    EXPECT_EQ(found.find("quota-rules-per-group: AWS quota: security_group \"sg-x\" needs 61 "
                         "egress " +
                         family),
              0u)
        << found;
  }
}

TEST(AwsQuotas, count_a_group_reference_once_for_each_family) {  // SG-30, SG-45
  const std::string found = quotas_of(group(rules(61, "sg-a")));
  EXPECT_NE(found.find("61 ingress IPv4"), std::string::npos);
  EXPECT_NE(found.find("61 ingress IPv6"), std::string::npos);
}

TEST(AwsQuotas, count_a_prefix_list_by_its_max_entries) {  // SG-45, PL-3
  const std::string list = "[[prefix_list]]\nid='pl-x'\nfamily='ipv6'\nmax_entries=31\n";
  EXPECT_EQ(quotas_of(list + group(rules(1, "pl-x"))), "");
  EXPECT_NE(quotas_of(list + group(rules(2, "pl-x"))).find("62 ingress IPv6"), std::string::npos);
}

// An interface that holds so many groups.
std::string interface_with_groups(int count) {
  std::string text;
  std::string names;
  for (int i = 0; i < count; ++i) {
    text += "[[security_group]]\nid='sg-n" + std::to_string(i) + "'\nvpc='vpc-a'\n";
    names += "'sg-n" + std::to_string(i) + "',";
  }
  return text +
         "[[interface]]\nid='eni-x'\nsubnet='subnet-a'\naddresses=['10.0.1.9']\n"
         "security_groups=[" +
         names + "]\n";
}

TEST(AwsQuotas, refuse_six_groups_on_an_interface_and_tell_how_far_that_is_raised) {  // SG-42
  EXPECT_EQ(quotas_of(interface_with_groups(5)), "");
  for (const int count : {6, 16}) {
    EXPECT_EQ(quotas_of(interface_with_groups(count)),
              "quota-groups-per-interface: AWS quota: interface \"eni-x\" needs " +
                  std::to_string(count) +
                  " security groups; an interface has room for 5, and for 16 where AWS raises the "
                  "quota\n");
  }
}

TEST(AwsQuotas, tell_of_seventeen_groups_that_no_raise_will_do) {  // SG-42
  const std::string found = quotas_of(interface_with_groups(17));
  EXPECT_NE(found.find("needs 17 security groups; an interface has room for 16, however far AWS "
                       "raises the quota\n"),
            std::string::npos)
      << found;
}

TEST(AwsQuotas, bound_the_product_of_rules_and_groups) {  // SG-43
  // 201 rules x 5 groups = 1,005.
  const std::string found = quotas_of(group(rules(201, "10.0.0.0/8")));
  EXPECT_NE(found.find("quota-rules-times-groups"), std::string::npos);
  EXPECT_NE(found.find("201 x 5 = 1005; the product is at most 1000"), std::string::npos);
  EXPECT_EQ(quotas_of(group(rules(200, "10.0.0.0/8"))).find("times"), std::string::npos);
}

TEST(AwsQuotas, bound_the_entries_of_a_prefix_list) {  // SG-44
  EXPECT_NE(quotas_of("[[prefix_list]]\nid='pl-x'\nfamily='ipv4'\nmax_entries=1001\n")
                .find("needs room for 1001 entries; a list has room for 1000"),
            std::string::npos);
}

TEST(AwsQuotas, bound_the_references_to_a_prefix_list) {  // SG-44
  const std::string list = "[[prefix_list]]\nid='pl-x'\nfamily='ipv4'\nmax_entries=1\n";
  EXPECT_EQ(quotas_of(list + group(rules(10'000, "pl-x"))).find("is named by"), std::string::npos);
  EXPECT_NE(quotas_of(list + group(rules(10'001, "pl-x")))
                .find("prefix_list \"pl-x\" is named by 10001 rules; it may be by 10000"),
            std::string::npos);
}

std::string acl_with_entries(int count) {
  std::string entries;
  for (int i = 1; i <= count; ++i) {
    entries += "{rule=" + std::to_string(i) + ",action='allow',protocol='-1',cidr='10.0.0.0/8'},";
  }
  return "[[network_acl]]\nid='acl-x'\nvpc='vpc-a'\negress=[" + entries + "]\n";
}

TEST(AwsQuotas, bound_the_rules_of_an_acl) {  // NA-15
  EXPECT_EQ(quotas_of(acl_with_entries(20)), "");
  for (const int count : {21, 40}) {
    EXPECT_EQ(quotas_of(acl_with_entries(count)),
              "quota-acl-rules: AWS quota: network_acl \"acl-x\" needs " + std::to_string(count) +
                  " egress rules; an ACL has room for 20, and for 40 where AWS raises the quota\n");
  }
  EXPECT_NE(quotas_of(acl_with_entries(41))
                .find("needs 41 egress rules; an ACL has room for 40, however far AWS raises the "
                      "quota\n"),
            std::string::npos);
}

TEST(AwsQuotas, bound_the_acls_of_a_vpc) {  // NA-15
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += "[[network_acl]]\nid='acl-n" + std::to_string(i) + "'\nvpc='vpc-a'\n";
  }
  EXPECT_EQ(quotas_of(text), "");
  EXPECT_EQ(
      quotas_of(text + "[[network_acl]]\nid='acl-x'\nvpc='vpc-a'\n"),
      "quota-acls: AWS quota: vpc \"vpc-a\" needs 201 network ACLs; a VPC has room for 200\n");
}

TEST(AwsQuotas, bound_the_groups_of_a_region) {
  // SG-40. The two of the base and two default groups count too.
  std::string text;
  for (int i = 0; i < 2496; ++i) {
    text += "[[security_group]]\nid='sg-n" + std::to_string(i) + "'\nvpc='vpc-a'\n";
  }
  EXPECT_EQ(quotas_of(text), "");
  text += "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\n";
  EXPECT_NE(quotas_of(text).find("needs 2501 security groups; a Region has room for 2500"),
            std::string::npos);
}

TEST(AwsQuotas, bound_the_prefix_lists_of_a_region) {  // SG-44
  std::string text;
  for (int i = 0; i < 100; ++i) {
    text += "[[prefix_list]]\nid='pl-n" + std::to_string(i) + "'\nfamily='ipv4'\nmax_entries=1\n";
  }
  EXPECT_NE(quotas_of(text).find("needs 101 prefix lists; a Region has room for 100"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice
