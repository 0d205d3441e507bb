// Delegated prefixes (SG-28) on their way from a document to what is enforced and shown.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "control/compile/compiler.h"
#include "control/explain/explain.h"
#include "control/flowlog/log_plan.h"
#include "control/policy/policy_json.h"
#include "control/policy/shared_address.h"
#include "lookup/snapshot_builder.h"
#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

// Two interfaces of vpc-a, and one of vpc-b, which overlaps it; lines are added to the first two.
std::string document(const std::string& first, const std::string& second = "",
                     const std::string& other = "") {
  return "[[vpc]]\nid='vpc-a'\ncidrs=['10.0.0.0/16','fd00::/56']\n"
         "[[vpc]]\nid='vpc-b'\ncidrs=['10.0.0.0/16']\n"
         "[[subnet]]\nid='subnet-a'\nvpc='vpc-a'\ncidrs=['10.0.1.0/24','fd00::/64']\n"
         "[[subnet]]\nid='subnet-b'\nvpc='vpc-b'\ncidrs=['10.0.1.0/24']\n"
         "[[security_group]]\nid='sg-a'\nvpc='vpc-a'\n"
         "ingress=[{protocol='tcp',ports=80,source='sg-a'}]\n"
         "[[interface]]\nid='eni-1'\nsubnet='subnet-a'\nsecurity_groups=['sg-a']\n"
         "addresses=['10.0.1.5','fd00::5']\n" +
         first +
         "\n[[interface]]\nid='eni-2'\nsubnet='subnet-a'\nsecurity_groups=['sg-a']\n"
         "addresses=['10.0.1.6']\n" +
         second + "\n[[interface]]\nid='eni-b'\nsubnet='subnet-b'\naddresses=['10.0.1.77']\n" +
         other + "\n";
}

Policy load(const std::string& text) {
  LoadedPolicy loaded = load_policy_text(text, "p");
  EXPECT_TRUE(loaded.policy) << messages_of(loaded);
  return loaded.policy ? *std::move(loaded.policy) : Policy();
}

constexpr const char* kPrefixes = "prefixes=['10.0.1.16/28','fd00:0:0:0:7::/80']";

TEST(DelegatedPrefix, is_read_and_written_in_both_spellings) {  // SG-28
  const Policy policy = load(document(kPrefixes));
  ASSERT_EQ(policy.interfaces[0].prefixes.size(), 2u);
  EXPECT_EQ(policy.interfaces[0].prefixes[0].cidr.to_string(), "10.0.1.16/28");
  EXPECT_EQ(policy.interfaces[0].prefixes[1].cidr.to_string(), "fd00::7:0:0:0/80");
  const std::string text = policy_to_json_text(policy);
  EXPECT_NE(text.find(R"("prefixes":["10.0.1.16/28","fd00::7:0:0:0/80"])"), std::string::npos);
  const LoadedPolicy again = load_policy_json(text, "p");
  ASSERT_TRUE(again.policy) << messages_of(again);
  EXPECT_EQ(policy_to_json_text(*again.policy), text);
  EXPECT_EQ(policy_to_json_text(load(document(""))).find("prefixes"), std::string::npos);
}

struct BadPrefix {
  const char* name;
  const char* first;
  const char* second;
  const char* message;
};

const BadPrefix kBadPrefixes[] = {
    {"no_block", "prefixes=['10.0.1.16']", "", "10.0.1.16"},
    {"no_string", "prefixes=[28]", "", "integer"},
    {"no_array", "prefixes='10.0.1.16/28'", "", "array"},
    {"multicast", "prefixes=['224.0.0.0/28']", "", "224.0.0.0/28 is of multicast addresses"},
    {"outside_of_the_subnet", "prefixes=['10.0.2.16/28']", "",
     "10.0.2.16/28 is not inside subnet \"subnet-a\""},
    {"larger_than_the_subnet", "prefixes=['10.0.0.0/16']", "", "10.0.0.0/16 is not inside subnet"},
    {"address_of_its_own_inside", "prefixes=['10.0.1.0/28']", "",
     "the prefix 10.0.1.0/28 overlaps the address 10.0.1.5 of \"eni-1\" in vpc \"vpc-a\""},
    {"address_of_another_inside", "prefixes=['10.0.1.6/32']", "",
     "interface \"eni-2\": the address 10.0.1.6 overlaps the prefix 10.0.1.6/32 of \"eni-1\""},
    {"twice", "prefixes=['10.0.1.16/28','10.0.1.16/28']", "",
     "the prefix 10.0.1.16/28 overlaps the prefix 10.0.1.16/28 of \"eni-1\""},
    {"of_two_interfaces", "prefixes=['10.0.1.16/28']", "prefixes=['10.0.1.16/28']",
     "interface \"eni-2\": the prefix 10.0.1.16/28 overlaps the prefix 10.0.1.16/28 of \"eni-1\""},
    {"inside_of_another", "prefixes=['10.0.1.64/27']", "prefixes=['10.0.1.80/28']",
     "interface \"eni-2\": the prefix 10.0.1.80/28 overlaps the prefix 10.0.1.64/27 of \"eni-1\""},
    {"around_another", "prefixes=['10.0.1.80/28']", "prefixes=['10.0.1.64/27']",
     "interface \"eni-2\": the prefix 10.0.1.64/27 overlaps the prefix 10.0.1.80/28 of \"eni-1\""},
};

class BadPrefixes : public testing::TestWithParam<BadPrefix> {};

TEST_P(BadPrefixes, are_an_error) {  // SG-28
  const LoadedPolicy loaded = load_policy_text(document(GetParam().first, GetParam().second), "p");
  ASSERT_FALSE(loaded.policy);
  EXPECT_EQ(loaded.error().kind, ErrorKind::Invalid);
  bool is_said = false;
  for (const Finding& finding : loaded.findings) {
    is_said = is_said || (finding.severity == Severity::Error && finding.line != 0 &&
                          finding.message.find(GetParam().message) != std::string::npos);
  }
  EXPECT_TRUE(is_said) << messages_of(loaded);
}
INSTANTIATE_TEST_SUITE_P(of, BadPrefixes, testing::ValuesIn(kBadPrefixes),
                         [](const auto& row) { return row.param.name; });

TEST(DelegatedPrefix, may_be_that_of_another_vpc_as_well) {
  load(document(kPrefixes, "", "prefixes=['10.0.1.16/28']"));
}

TEST(DelegatedPrefix, loses_its_host_bits_with_a_note) {  // SG-18
  const LoadedPolicy loaded = load_policy_text(document("prefixes=['10.0.1.20/28']"), "p");
  ASSERT_TRUE(loaded.policy);
  EXPECT_EQ(loaded.policy->interfaces[0].prefixes[0].cidr.to_string(), "10.0.1.16/28");
  EXPECT_EQ(loaded.findings.size(), 1u);
}

TEST(DelegatedPrefix, over_addresses_that_aws_keeps_is_a_warning_with_its_profile) {  // SG-61
  const std::string aws = "[exempt]\nprofile='aws'\n";
  const auto warnings = [&](const std::string& prefix) {
    const LoadedPolicy loaded =
        load_policy_text(aws + document("prefixes=['" + prefix + "']"), "p");
    EXPECT_TRUE(loaded.policy) << messages_of(loaded);
    return loaded.findings.size();
  };
  EXPECT_EQ(warnings("10.0.1.16/28"), 0u);
  EXPECT_EQ(warnings("10.0.1.240/28"), 1u) << "the last address";
  EXPECT_EQ(warnings("10.0.1.0/31"), 2u) << "the first two";
}

// -- what two VPCs share
// ---------------------------------------------------------------------------

TEST(SharedPrefix, is_described_where_only_the_address_tells_the_interface) {
  const auto shared = [](const std::string& first, const std::string& other) {
    return describe_shared_address(load(document(first, "", other)), "p");
  };
  EXPECT_EQ(shared(kPrefixes, ""), "");
  EXPECT_EQ(shared(kPrefixes, "prefixes=['10.0.1.32/28']"), "");
  const std::string equal = shared(kPrefixes, "prefixes=['10.0.1.16/28']");
  EXPECT_NE(equal.find("'eni-1' at p:"), std::string::npos) << equal;
  EXPECT_NE(equal.find("'eni-b' at p:"), std::string::npos) << equal;
  EXPECT_NE(equal.find(" share the addresses of 10.0.1.16/28"), std::string::npos) << equal;
  const std::string inside = shared("prefixes=['10.0.1.64/27']", "");
  EXPECT_NE(inside.find(" share the addresses of 10.0.1.77/32"), std::string::npos) << inside;
  const Policy policy = load(document("prefixes=['10.0.1.64/27']"));
  const std::vector<std::string> one_vpc{"vpc-a"};
  EXPECT_EQ(describe_shared_address(policy, "p", one_vpc), "");
}

// -- compiled, explained, logged
// -------------------------------------------------------------------

class CompiledPrefix : public testing::Test {
 protected:
  CompiledPrefix() : policy_(load(document(kPrefixes))) {
    input_ = *compile(policy_, registry_, Generation(1));
    snapshot_ = *build_snapshot(input_);
  }

  nlohmann::ordered_json ask(const char* interface, const char* source, const char* destination) {
    ExplainScope scope;
    scope.snapshot = snapshot_.get();
    scope.registry = &registry_;
    return explain({{"interface", interface},
                    {"direction", "ingress"},
                    {"protocol", "tcp"},
                    {"source", source},
                    {"destination", destination},
                    {"destination_port", 80}},
                   scope);
  }

  Registry registry_;
  Policy policy_;
  SnapshotInput input_;
  std::shared_ptr<const PolicySnapshot> snapshot_;
};

TEST_F(CompiledPrefix, is_explained_on_both_sides) {  // SG-28
  const auto to_it = ask("eni-1", "10.0.1.6", "10.0.1.20");
  EXPECT_EQ(to_it["verdict"], "accept") << to_it.dump();
  EXPECT_EQ(ask("eni-1", "10.0.1.6", "10.0.1.40")["error"]["code"], "unknown-address");
  const auto from_it = ask("eni-2", "10.0.1.20", "10.0.1.6");
  EXPECT_EQ(from_it["verdict"], "accept") << from_it.dump();
  EXPECT_NE(
      from_it["steps"].dump().find("10.0.1.20 is an address of eni-1, in its prefix 10.0.1.16/28"),
      std::string::npos)
      << from_it["steps"].dump();
  EXPECT_EQ(ask("eni-2", "10.0.1.40", "10.0.1.6")["verdict"], "drop");
}

// A prefix that comes or goes is a change for its interface and for those whose rules name it.
TEST_F(CompiledPrefix, that_changes_lets_live_connections_be_judged_again) {  // SG-27
  Policy next = policy_;
  next.interfaces[0].prefixes.pop_back();
  const auto after =
      compile_after(input_, ExistingMode::Reevaluate, next, registry_, Generation(2));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->interfaces[0].rejudge_before, Generation(2));
  EXPECT_EQ(after->interfaces[1].rejudge_before, Generation(2));
  EXPECT_EQ(after->interfaces[2].rejudge_before, Generation(0));
}

TEST_F(CompiledPrefix, is_a_secondary_address_in_flow_logs) {  // FL-20, SG-28
  const std::shared_ptr<const LogPlan> plan = make_log_plan(policy_, registry_);
  const LoggedInterface& row = *plan->find(input_.interfaces[0].index);
  const auto shown = [&row](const char* address, Direction direction) {
    return row.shown_address(*IpAddr::parse(address), direction).to_string();
  };
  EXPECT_EQ(shown("10.0.1.20", Direction::Ingress), "10.0.1.5");
  EXPECT_EQ(shown("10.0.1.20", Direction::Egress), "10.0.1.20");
  EXPECT_EQ(shown("10.0.1.40", Direction::Egress), "10.0.1.5") << "not its own";
  EXPECT_EQ(shown("fd00:0:0:0:7::9", Direction::Ingress), "fd00::7:0:0:9");
}

}  // namespace
}  // namespace sluice
