#include "lookup/snapshot_builder.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "lookup/snapshot_tables.h"
#include "tests/lookup/small_policy.h"

namespace sluice {
namespace {

TEST(SnapshotBuilder, seals_an_empty_policy) {
  const auto sealed = build_snapshot(SnapshotInput());
  ASSERT_TRUE(sealed.has_value());
  EXPECT_EQ((*sealed)->interface_count(), 0u);
  EXPECT_EQ((*sealed)->next_interface(EniIndex(0)), nullptr);
}

TEST(SnapshotBuilder, carries_settings_and_generation) {
  SnapshotInput input;
  input.generation = Generation(42);
  input.tracking.mode = TcpMode::Strict;
  input.tracking.icmp_s = 12;
  input.exempt = ExemptProfile::Aws;
  const auto sealed = build_snapshot(input);
  ASSERT_TRUE(sealed.has_value());
  EXPECT_EQ((*sealed)->generation(), Generation(42));
  EXPECT_EQ((*sealed)->tracking().mode, TcpMode::Strict);
  EXPECT_EQ((*sealed)->tracking().icmp_s, 12u);
  EXPECT_EQ((*sealed)->exempt(), ExemptProfile::Aws);
}

struct BrokenCase {
  std::string name;
  std::function<void(SmallPolicy&)> damage;
  ErrorKind kind;
  std::string word;  // must occur in the sentence
};

RuleInput& first_rule(SmallPolicy& policy) { return policy.input().groups[0].rules[0]; }

std::vector<BrokenCase> broken_cases() {
  const auto invalid = ErrorKind::Invalid;
  const auto limit = ErrorKind::LimitExceeded;
  return {
      {"vpc_twice", [](SmallPolicy& p) { p.input().vpcs.push_back(p.input().vpcs[0]); }, invalid,
       "VPC number 0 is there twice"},
      {"unknown_peer_vpc", [](SmallPolicy& p) { p.input().vpcs[0].peers = {VpcIndex(5)}; }, invalid,
       "VPC number 5"},
      {"subnet_twice", [](SmallPolicy& p) { p.input().subnets.push_back(p.input().subnets[1]); },
       invalid, "subnet number 1 is there twice"},
      {"subnet_of_unknown_vpc", [](SmallPolicy& p) { p.input().subnets[0].vpc = VpcIndex(5); },
       invalid, "VPC number 5"},
      {"subnet_of_unknown_acl", [](SmallPolicy& p) { p.input().subnets[0].acl = AclIndex(5); },
       invalid, "network ACL number 5"},
      {"interface_twice",
       [](SmallPolicy& p) { p.input().interfaces.push_back(p.input().interfaces[0]); }, invalid,
       "interface number 0 is there twice"},
      {"interface_in_unknown_subnet",
       [](SmallPolicy& p) { p.input().interfaces[0].subnet = SubnetIndex(9); }, invalid,
       "subnet number 9"},
      {"interface_with_unknown_group",
       [](SmallPolicy& p) { p.input().interfaces[0].groups = {GroupIndex(9)}; }, invalid,
       "group number 9"},
      {"interface_in_another_vpc_than_its_subnet",
       [](SmallPolicy& p) { p.input().interfaces[0].vpc = VpcIndex(1); }, invalid, "two VPCs"},
      {"address_twice", [](SmallPolicy& p) { p.add_interface(0, {"10.0.1.10"}, {}); }, invalid,
       "10.0.1.10"},
      {"interface_number_beyond_the_limit",
       [](SmallPolicy& p) { p.input().interfaces[0].index = EniIndex(kInterfacesMax); }, limit,
       "16777217 needed, 16777216 possible"},
      // Numbers that keys and tables have no room for are refused, and never wrap.
      {"vpc_number_beyond_the_limit",
       [](SmallPolicy& p) { p.input().vpcs[0].index = VpcIndex(PeerKey::kNumbersMax); }, limit,
       "VPC numbers: 1073741824 needed, 1073741823 possible"},
      {"subnet_number_beyond_the_limit",
       [](SmallPolicy& p) { p.input().subnets[0].index = SubnetIndex(PeerKey::kNumbersMax); },
       limit, "subnet numbers: 1073741824 needed, 1073741823 possible"},
      {"group_number_beyond_the_limit",
       [](SmallPolicy& p) { p.input().groups[0].index = GroupIndex(PeerKey::kNumbersMax); }, limit,
       "group numbers: 1073741824 needed, 1073741823 possible"},
      {"acl_number_beyond_the_limit",
       [](SmallPolicy& p) {
         p.add_acl(0);
         p.input().acls[0].index = AclIndex(PeerKey::kNumbersMax);
       },
       limit, "network ACL numbers: 1073741824 needed, 1073741823 possible"},
      {"list_number_beyond_the_limit",
       [](SmallPolicy& p) {
         p.add_list(Family::Ipv4, {"10.0.0.0/8"});
         p.input().prefix_lists[0].index = PrefixListIndex(PeerKey::kNumbersMax);
       },
       limit, "prefix list numbers: 1073741824 needed, 1073741823 possible"},
      {"rule_number_beyond_the_limit",
       [](SmallPolicy& p) { first_rule(p).index = RuleIndex(kRulesMax); }, limit,
       "rule numbers: 16777216 needed, 16777215 possible"},
      {"no_number_at_all", [](SmallPolicy& p) { first_rule(p).index = RuleIndex(); }, limit,
       "rule numbers"},
      {"too_many_groups_on_an_interface",
       [](SmallPolicy& p) {
         for (std::size_t i = 0; i < kGroupsPerInterfaceMax; ++i) p.add_own_group();
       },
       limit, "65 needed, 64 possible"},
      {"group_twice", [](SmallPolicy& p) { p.input().groups.push_back(p.input().groups[0]); },
       invalid, "group number 0 is there twice"},
      {"rule_id_twice", [](SmallPolicy& p) { p.input().groups[0].rules.push_back(first_rule(p)); },
       invalid, "is there twice"},
      {"protocol_256", [](SmallPolicy& p) { first_rule(p).proto.number = 256; }, invalid, "256"},
      {"port_beyond_65535",
       [](SmallPolicy& p) {
         first_rule(p).ports = {80, 70'000};
       },
       invalid, "80-70000"},
      {"ports_upside_down",
       [](SmallPolicy& p) {
         first_rule(p).ports = {90, 80};
       },
       invalid, "90-80"},
      {"icmp_code_without_a_type",
       [](SmallPolicy& p) {
         first_rule(p).proto.number = 1;
         first_rule(p).ports = {-1, 4};
       },
       invalid, "type -1"},
      {"icmp_type_256",
       [](SmallPolicy& p) {
         first_rule(p).proto.number = 58;
         first_rule(p).ports = {256, -1};
       },
       invalid, "type 256"},
      {"list_entry_of_the_other_family",
       [](SmallPolicy& p) { p.add_list(Family::Ipv6, {"10.0.0.0/8"}); }, invalid, "10.0.0.0/8"},
      // NA-2: 1 to 32766.
      {"acl_entry_0",
       [](SmallPolicy& p) {
         p.input().acls[p.add_acl(0).value()].ingress.push_back(AclEntryInput());
       },
       invalid, "numbered 0"},
      {"acl_entry_32767",
       [](SmallPolicy& p) {
         AclEntryInput entry;
         entry.rule = 32767;
         p.input().acls[p.add_acl(0).value()].egress.push_back(entry);
       },
       invalid, "32767"},
  };
}

class BrokenInput : public testing::TestWithParam<BrokenCase> {};

TEST_P(BrokenInput, is_refused_with_the_number_at_fault) {
  SmallPolicy policy;
  const GroupIndex group = policy.add_own_group();
  policy.allow_in(group, 6, {80, 80}, "0.0.0.0/0");
  ASSERT_TRUE(policy.try_seal().has_value());
  GetParam().damage(policy);
  const auto sealed = policy.try_seal();
  ASSERT_FALSE(sealed.has_value());
  EXPECT_EQ(sealed.error().kind, GetParam().kind);
  EXPECT_NE(sealed.error().sentence.find(GetParam().word), std::string::npos)
      << sealed.error().sentence;
}
INSTANTIATE_TEST_SUITE_P(SnapshotBuilder, BrokenInput, testing::ValuesIn(broken_cases()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace sluice
