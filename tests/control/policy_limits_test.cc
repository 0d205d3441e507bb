// Our own limits of a policy (SG-46): what just fits is taken, one more is refused with the number
// there is and the limit.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "control/compile/compiler.h"
#include "control/compile/staged_edits.h"
#include "control/policy/check_policy.h"
#include "control/policy/rule_id.h"
#include "lookup/snapshot_builder.h"
#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

// A policy that has `count` of something.
struct LimitCase {
  std::string name;
  std::size_t most;
  std::string code;
  std::string sentence;  // with {} for the number
  std::function<void(Policy&, std::size_t count)> fill;
};

std::string numbered(const char* prefix, std::size_t i) { return prefix + std::to_string(i); }

Vpc vpc(std::size_t i) {
  Vpc made;
  made.id = numbered("vpc-", i);
  made.cidrs = {{*Cidr::parse("10.0.0.0/8"), {}}, {*Cidr::parse("fd00::/16"), {}}};
  return made;
}

Subnet subnet(std::size_t i) {
  Subnet made;
  made.id = numbered("subnet-", i);
  made.vpc = "vpc-0";
  made.cidrs = {{Cidr(IpAddr::v4(0x0a00'0000u + static_cast<std::uint32_t>(i) * 256), 24), {}}};
  return made;
}

SecurityGroup group(std::size_t i) {
  SecurityGroup made;
  made.id = numbered("sg-", i);
  made.vpc = "vpc-0";
  return made;
}

// One VPC, subnet, group and interface.
Policy small_policy() {
  Policy policy;
  policy.vpcs = {vpc(0)};
  policy.subnets = {subnet(0)};
  policy.groups = {group(0)};
  Eni eni;
  eni.id = "eni-0";
  eni.subnet = "subnet-0";
  eni.addresses = {{*IpAddr::parse("10.0.0.9"), {}}};
  policy.interfaces = {eni};
  return policy;
}

template <class Thing>
void append(std::vector<Thing>& things, std::size_t count,
            const std::function<Thing(std::size_t)>& make) {
  for (std::size_t i = things.size(); i < count; ++i) things.push_back(make(i));
}

void fill_cidrs(std::vector<PlacedCidr>& cidrs, std::size_t count, std::uint32_t step) {
  cidrs.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    cidrs.push_back({Cidr(IpAddr::v4(0x0a00'0000u + i * step), 28), {}});
  }
}

void fill_rules(Policy& policy, Direction direction, std::size_t count) {
  std::vector<SecurityRule>& rules =
      direction == Direction::Ingress ? policy.groups[0].ingress : policy.groups[0].egress;
  for (std::size_t i = 0; i < count; ++i) {
    SecurityRule rule;
    rule.direction = direction;
    rule.peer = *Cidr::parse("0.0.0.0/0");
    rule.canonical = numbered("rule ", i);
    rules.push_back(rule);
  }
}

void fill_acl(Policy& policy, Direction direction, std::size_t count) {
  NetworkAcl acl;
  acl.id = "acl-0";
  acl.vpc = "vpc-0";
  std::vector<AclEntry>& entries = direction == Direction::Ingress ? acl.ingress : acl.egress;
  for (std::uint32_t i = 1; i <= count; ++i) {
    AclEntry entry;
    entry.rule = i;
    entries.push_back(entry);
  }
  policy.acls = {acl};
}

std::vector<LimitCase> limit_cases() {
  return {
      {"vpcs", kVpcsMax, "limit-vpcs", "the policy has {} VPCs",
       [](Policy& policy, std::size_t count) { append<Vpc>(policy.vpcs, count, vpc); }},
      {"cidrs_of_a_vpc", kCidrsPerVpcMax, "limit-cidrs-per-vpc", "vpc \"vpc-1\" has {} cidrs",
       [](Policy& policy, std::size_t count) {
         policy.vpcs.push_back(vpc(1));
         fill_cidrs(policy.vpcs[1].cidrs, count, 16);
       }},
      {"peers_of_a_vpc", kPeersPerVpcMax, "limit-peers-per-vpc",
       "vpc \"vpc-0\" is joined to {} others",
       [](Policy& policy, std::size_t count) {
         append<Vpc>(policy.vpcs, count + 1, vpc);
         for (std::size_t i = 1; i <= count; ++i) {
           policy.peerings.push_back({{"vpc-0", {}}, {numbered("vpc-", i), {}}, {}});
         }
       }},
      {"subnets", kSubnetsMax, "limit-subnets", "the policy has {} subnets",
       [](Policy& policy, std::size_t count) {
         policy.vpcs[0].cidrs[0].cidr = *Cidr::parse("8.0.0.0/5");
         append<Subnet>(policy.subnets, count, subnet);
       }},
      {"cidrs_of_a_subnet", kCidrsPerSubnetMax, "limit-cidrs-per-subnet",
       "subnet \"subnet-0\" has {} cidrs",
       [](Policy& policy, std::size_t count) { fill_cidrs(policy.subnets[0].cidrs, count, 16); }},
      {"prefix_lists", kPrefixListsMax, "limit-prefix-lists", "the policy has {} prefix lists",
       [](Policy& policy, std::size_t count) {
         append<PrefixList>(policy.prefix_lists, count, [](std::size_t i) {
           PrefixList list;
           list.id = numbered("pl-", i);
           return list;
         });
       }},
      {"groups", kGroupsMax, "limit-groups",
       "the policy has {} security groups, default groups included",
       [](Policy& policy, std::size_t count) {
         append<SecurityGroup>(policy.groups, count, group);
       }},
      {"ingress_rules", kRulesPerGroupMax, "limit-rules-per-group",
       "security_group \"sg-0\" has {} ingress rules",
       [](Policy& policy, std::size_t count) { fill_rules(policy, Direction::Ingress, count); }},
      {"egress_rules", kRulesPerGroupMax, "limit-rules-per-group",
       "security_group \"sg-0\" has {} egress rules",
       [](Policy& policy, std::size_t count) { fill_rules(policy, Direction::Egress, count); }},
      {"groups_of_an_interface", kGroupsPerInterfaceMax, "limit-groups-per-interface",
       "interface \"eni-0\" holds {} security groups",
       [](Policy& policy, std::size_t count) {
         append<SecurityGroup>(policy.groups, count, group);
         for (std::size_t i = 0; i < count; ++i) {
           policy.interfaces[0].security_groups.push_back({numbered("sg-", i), {}});
         }
       }},
      {"addresses_of_an_interface", kAddressesPerInterfaceMax, "limit-addresses-per-interface",
       "interface \"eni-0\" has {} addresses and prefixes",
       [](Policy& policy, std::size_t count) {
         policy.subnets[0].cidrs = {{*Cidr::parse("10.0.0.0/16"), {}}};
         policy.interfaces[0].addresses.clear();
         policy.interfaces[0].prefixes = {{*Cidr::parse("10.0.255.0/28"), {}}};
         for (std::uint32_t i = 1; i < count; ++i) {
           policy.interfaces[0].addresses.push_back({IpAddr::v4(0x0a00'0000u + i), {}});
         }
       }},
      {"acls", kAclsMax, "limit-acls", "the policy has {} network ACLs",
       [](Policy& policy, std::size_t count) {
         append<NetworkAcl>(policy.acls, count, [](std::size_t i) {
           NetworkAcl acl;
           acl.id = numbered("acl-", i);
           acl.vpc = "vpc-0";
           return acl;
         });
       }},
      {"ingress_entries_of_an_acl", kEntriesPerAclMax, "limit-entries-per-acl",
       "network_acl \"acl-0\" has {} ingress entries",
       [](Policy& policy, std::size_t count) { fill_acl(policy, Direction::Ingress, count); }},
      {"egress_entries_of_an_acl", kEntriesPerAclMax, "limit-entries-per-acl",
       "network_acl \"acl-0\" has {} egress entries",
       [](Policy& policy, std::size_t count) { fill_acl(policy, Direction::Egress, count); }},
      {"flow_logs", kFlowLogsMax, "limit-flow-logs", "the policy has {} flow logs",
       [](Policy& policy, std::size_t count) {
         append<FlowLog>(policy.flow_logs, count, [](std::size_t i) {
           FlowLog log;
           log.id = numbered("fl-", i);
           log.resource = "vpc-0";
           log.path = numbered("/var/log/", i);
           return log;
         });
       }},
      {"signatures", kSignaturesMax, "limit-signatures", "the policy has {} signatures",
       [](Policy& policy, std::size_t count) {
         append<Signature>(policy.signatures, count, [](std::size_t i) {
           Signature signature;
           signature.id = numbered("sig-", i);
           signature.pattern = numbered("x", i);
           return signature;
         });
       }},
  };
}

std::vector<Finding> errors_with(const LimitCase& limit, std::size_t count) {
  Policy policy = small_policy();
  limit.fill(policy, count);
  Findings findings("p");
  check_policy(policy, findings);
  std::vector<Finding> errors;
  for (const Finding& finding : findings.take()) {
    if (finding.severity == Severity::Error) errors.push_back(finding);
  }
  return errors;
}

class OwnLimits : public testing::TestWithParam<LimitCase> {};

TEST_P(OwnLimits, take_what_just_fits) {  // SG-46
  const std::vector<Finding> errors = errors_with(GetParam(), GetParam().most);
  EXPECT_TRUE(errors.empty()) << errors.front().message;
}

TEST_P(OwnLimits, refuse_one_more_with_both_numbers) {  // SG-46
  const std::vector<Finding> errors = errors_with(GetParam(), GetParam().most + 1);
  ASSERT_EQ(errors.size(), 1u);
  std::string sentence = GetParam().sentence;
  sentence.replace(sentence.find("{}"), 2, std::to_string(GetParam().most + 1));
  EXPECT_EQ(errors[0].message, sentence + "; at most " + std::to_string(GetParam().most) + " fit");
  EXPECT_EQ(errors[0].code, GetParam().code);
  EXPECT_EQ(error_of(errors).kind, ErrorKind::LimitExceeded) << "exit code 5";
}
INSTANTIATE_TEST_SUITE_P(of, OwnLimits, testing::ValuesIn(limit_cases()),
                         [](const auto& row) { return row.param.name; });

// 16,000,000 entries are not written down here; a list says its size in advance (PL-1).
TEST(LimitOfEntries, is_that_of_what_a_list_may_say) {
  const auto text = [](std::size_t max_entries) {
    return "[[prefix_list]]\nid = 'pl-a'\nfamily = 'ipv4'\nmax_entries = " +
           std::to_string(max_entries) + "\nentries = []\n";
  };
  EXPECT_TRUE(load_policy_text(text(kEntriesPerListMax), "p").policy);
  const LoadedPolicy refused = load_policy_text(text(kEntriesPerListMax + 1), "p");
  ASSERT_FALSE(refused.policy);
  EXPECT_NE(refused.error().sentence.find("16000001"), std::string::npos);
  EXPECT_NE(refused.error().sentence.find("16000000"), std::string::npos);
}

// What is counted while it is read.
TEST(LimitOfLayer7, is_exit_code_5_with_both_numbers) {
  const auto names = [](std::size_t count) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i) list += "'h" + std::to_string(i) + ".test',";
    return "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\ningress=[{protocol='tcp', ports=443, "
           "source='0.0.0.0/0', domains=[" +
           list + "]}]\n";
  };
  const auto pattern = [](const std::string& text) {
    return "[[signature]]\nid='x'\naction='drop'\npattern='" + text + "'\n";
  };
  const auto expect = [](const LoadedPolicy& loaded, const std::string& code,
                         const std::string& numbers) {
    ASSERT_FALSE(loaded.policy);
    EXPECT_NE(loaded.error().sentence.find(numbers), std::string::npos) << loaded.error().sentence;
    EXPECT_EQ(loaded.error().kind, ErrorKind::LimitExceeded) << loaded.error().sentence;
    ASSERT_FALSE(loaded.findings.empty());
    EXPECT_EQ(loaded.findings.front().code, code);
  };
  EXPECT_TRUE(load_with_base(names(kDomainsPerRuleMax)).policy);
  expect(load_with_base(names(kDomainsPerRuleMax + 1)), "limit-domains-per-rule",
         "10001 names; at most 10000 fit");
  EXPECT_TRUE(load_with_base(pattern(std::string(kPatternSizeMax, 'x'))).policy);
  expect(load_with_base(pattern(std::string(kPatternSizeMax + 1, 'x'))), "limit-pattern-size",
         "2049 bytes; at most 2048 fit");
  expect(load_with_base(pattern("(a{100}){100}")), "limit-pattern-positions",
         "10000 positions, at most 4096");
}

// -- the same for single changes of a policy in force ---------------------------------------------

// A policy with so many rules in its one group, and what it was compiled to.
class LimitOfEdits : public testing::Test {
 protected:
  void make(std::size_t rules) {
    policy_ = small_policy();
    for (std::size_t i = 0; i < rules; ++i) policy_.groups[0].ingress.push_back(rule(i));
    input_ = *compile(policy_, registry_, Generation(1));
    snapshot_ = *build_snapshot(input_);
  }
  static SecurityRule rule(std::size_t i) {
    SecurityRule made;
    made.proto = {17};
    made.ports = {static_cast<std::int32_t>(i), static_cast<std::int32_t>(i)};
    made.peer = *Cidr::parse("0.0.0.0/0");
    name_rule("sg-0", made);
    return made;
  }
  std::vector<Finding> stage(const std::vector<PolicyEdit>& edits) {
    const PolicyPlaces places(policy_);
    StagedEdits staged(policy_, input_, *snapshot_, places, registry_);
    Findings findings("edits");
    for (const PolicyEdit& edit : edits) staged.stage(edit, findings);
    return findings.take();
  }

  Registry registry_;
  Policy policy_;
  SnapshotInput input_;
  std::shared_ptr<const PolicySnapshot> snapshot_;
};

TEST_F(LimitOfEdits, is_that_of_documents_for_rules_of_a_group) {  // SG-46
  make(kRulesPerGroupMax - 1);
  EXPECT_TRUE(stage({RuleAddition{"sg-0", rule(40'000)}}).empty());
  const std::vector<Finding> refused =
      stage({RuleAddition{"sg-0", rule(40'000)}, RuleAddition{"sg-0", rule(40'001)}});
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].message,
            "security_group \"sg-0\" has 16385 ingress rules; at most 16384 fit");
  EXPECT_TRUE(refused[0].over_limit);
  SecurityRule out = rule(40'001);
  out.direction = Direction::Egress;
  name_rule("sg-0", out);
  EXPECT_TRUE(stage({RuleAddition{"sg-0", rule(40'000)}, RuleAddition{"sg-0", out}}).empty())
      << "each direction has its own";
}

TEST_F(LimitOfEdits, is_that_of_documents_for_groups_of_an_interface) {  // SG-46
  make(0);
  std::vector<PolicyEdit> edits;
  for (std::size_t i = 1; i <= kGroupsPerInterfaceMax; ++i) {
    policy_.groups.push_back(group(i));
    edits.push_back(MemberChange{"eni-0", numbered("sg-", i), true});
  }
  EXPECT_TRUE(stage(edits).empty());
  edits.push_back(MemberChange{"eni-0", "sg-0", true});
  const std::vector<Finding> refused = stage(edits);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].message,
            "interface \"eni-0\" would hold 65 security groups; at most 64 fit");
  EXPECT_TRUE(refused[0].over_limit);
}

}  // namespace
}  // namespace sluice
