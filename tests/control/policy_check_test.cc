// Takes one thing out of a correct policy and looks that nothing that named it goes unnoticed.

#include "control/policy/check_policy.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

Policy shop() {
  LoadedPolicy loaded = load_policy_text(kShopPolicy, "shop.toml");
  EXPECT_TRUE(loaded.policy) << messages_of(loaded);
  return *std::move(loaded.policy);
}

// The codes found, each once, in order of the alphabet.
std::string codes_of(const Policy& policy) {
  Findings findings("p");
  check_policy(policy, findings);
  std::vector<std::string> codes;
  for (const Finding& finding : findings.take()) codes.push_back(finding.code);
  std::sort(codes.begin(), codes.end());
  codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  std::string text;
  for (const std::string& code : codes) text += code + " ";
  return text;
}

template <class Thing>
void remove(std::vector<Thing>& things, std::string_view id) {
  std::erase_if(things, [&](const Thing& thing) { return thing.id == id; });
}

TEST(PolicyCheck, finds_nothing_in_a_correct_policy) { EXPECT_EQ(codes_of(shop()), ""); }

TEST(PolicyCheck, finds_what_named_a_vpc_that_is_gone) {
  Policy policy = shop();
  remove(policy.vpcs, "vpc-office");
  EXPECT_EQ(codes_of(policy), "not-peered unknown-vpc ");
}

TEST(PolicyCheck, finds_what_named_a_subnet_that_is_gone) {
  Policy policy = shop();
  remove(policy.subnets, "subnet-back");
  EXPECT_EQ(codes_of(policy), "unknown-subnet ");
}

TEST(PolicyCheck, finds_rules_that_named_a_group_that_is_gone) {  // SG-8
  Policy policy = shop();
  remove(policy.groups, "sg-lb");
  EXPECT_EQ(codes_of(policy), "unknown-group ");
}

TEST(PolicyCheck, finds_interfaces_that_named_a_group_that_is_gone) {  // SG-8
  Policy policy = shop();
  remove(policy.groups, "sg-web");
  EXPECT_EQ(codes_of(policy), "unknown-group ");
}

TEST(PolicyCheck, finds_rules_that_named_a_list_that_is_gone) {  // PL-4
  Policy policy = shop();
  remove(policy.prefix_lists, "pl-office");
  EXPECT_EQ(codes_of(policy), "unknown-prefix-list ");
}

TEST(PolicyCheck, finds_subnets_that_named_an_acl_that_is_gone) {
  Policy policy = shop();
  remove(policy.acls, "acl-front");
  EXPECT_EQ(codes_of(policy), "unknown-acl ");
}

TEST(PolicyCheck, finds_rules_that_needed_a_peering_that_is_gone) {
  Policy policy = shop();
  policy.peerings.clear();
  EXPECT_EQ(codes_of(policy), "not-peered ");
}

TEST(PolicyCheck, finds_flow_logs_of_what_is_gone) {
  Policy policy = shop();
  policy.flow_logs[0].resource = "eni-gone";
  EXPECT_EQ(codes_of(policy), "unknown-resource ");
}

TEST(PolicyCheck, finds_overlaps_however_the_subnets_are_ordered) {
  Policy policy = shop();
  policy.subnets[1].cidrs[0].cidr = *Cidr::parse("10.0.0.0/22");
  EXPECT_EQ(codes_of(policy), "overlap ");
  std::swap(policy.subnets[0], policy.subnets[1]);
  EXPECT_EQ(codes_of(policy), "overlap ");
}

TEST(PolicyCheck, finds_every_subnet_inside_one_wide_one) {
  LoadedPolicy loaded = load_policy_text(
      "[[vpc]]\nid='vpc-a'\ncidrs=['10.0.0.0/8']\n"
      "[[subnet]]\nid='a'\nvpc='vpc-a'\ncidrs=['10.1.0.0/24']\n"
      "[[subnet]]\nid='b'\nvpc='vpc-a'\ncidrs=['10.0.0.0/9']\n"
      "[[subnet]]\nid='c'\nvpc='vpc-a'\ncidrs=['10.2.0.0/24']\n"
      "[[subnet]]\nid='d'\nvpc='vpc-a'\ncidrs=['10.200.0.0/24']\n",
      "p");
  EXPECT_EQ(short_findings(loaded),
            (std::vector<std::string>{"11:8 error overlap", "15:8 error overlap"}));
}

// ::a00:1 lies between the two IPv4 blocks where the bits alone are compared.
TEST(PolicyCheck, finds_overlaps_with_blocks_of_the_other_family_in_between) {
  LoadedPolicy loaded = load_policy_text(
      "[[vpc]]\nid='vpc-a'\ncidrs=['0.0.0.0/0', '::/0']\n"
      "[[subnet]]\nid='a'\nvpc='vpc-a'\ncidrs=['10.0.0.0/8']\n"
      "[[subnet]]\nid='b'\nvpc='vpc-a'\ncidrs=['::a00:1/128']\n"
      "[[subnet]]\nid='c'\nvpc='vpc-a'\ncidrs=['10.0.1.0/24']\n",
      "p");
  EXPECT_EQ(short_findings(loaded), std::vector<std::string>{"15:8 error overlap"});
}

}  // namespace
}  // namespace sluice
