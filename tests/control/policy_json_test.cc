#include "control/policy/policy_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "control/policy/document.h"
#include "control/policy/toml_document.h"
#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

TEST(PolicyJson, has_a_golden_form) {
  const LoadedPolicy loaded = load_policy_text(
      "account = 'a1'\n[[vpc]]\nid='vpc-a'\ncidrs=['10.0.0.0/8']\n[[subnet]]\nid='s'\nvpc='vpc-a'\n"
      "cidrs=['10.1.0.0/16']\n[[security_group]]\nid='sg-a'\nvpc='vpc-a'\n"
      "ingress=[{protocol=6,ports='80-80',source='10.9.9.9/8',description='web'}]\n"
      "[[interface]]\nid='eni-a'\nsubnet='s'\naddresses=['10.1.0.5']\nsecurity_groups=['sg-a']\n",
      "p");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  EXPECT_EQ(
      policy_to_json_text(*loaded.policy),
      R"({"account":"a1","tracking":{"mode":"loose","icmp_errors":"related","syn":20,)"
      R"("half_closed":60,"time_wait":60,"icmp":30},"exempt":{"profile":"none"},)"
      R"("vpc":[{"id":"vpc-a","cidrs":["10.0.0.0/8"]}],)"
      R"("subnet":[{"id":"s","vpc":"vpc-a","cidrs":["10.1.0.0/16"]}],)"
      R"("security_group":[{"id":"sg-a","vpc":"vpc-a","ingress":[{"protocol":"tcp","ports":80,)"
      R"("source":"10.0.0.0/8","description":"web"}]}],)"
      R"("interface":[{"id":"eni-a","subnet":"s","addresses":["10.1.0.5"],)"
      R"("security_groups":["sg-a"],"tracking":{"tcp_established":350,"udp":30,)"
      R"("udp_stream":180}}]})");
}

TEST(PolicyJson, keeps_the_allowances_that_are_set) {
  const std::string document =
      "{\"tracking\":{\"allowance\":7},\"vpc\":[{\"id\":\"vpc-a\",\"cidrs\":[\"10.0.0.0/8\"]}],"
      "\"subnet\":[{\"id\":\"s\",\"vpc\":\"vpc-a\",\"cidrs\":[\"10.1.0.0/16\"]}],"
      "\"interface\":[{\"id\":\"eni-a\",\"subnet\":\"s\",\"addresses\":[\"10.1.0.5\"],"
      "\"tracking\":{\"allowance\":9}}]}";
  const LoadedPolicy first = load_policy_json(document, "p");
  ASSERT_TRUE(first.policy) << messages_of(first);
  const LoadedPolicy again = load_policy_json(policy_to_json_text(*first.policy), "p");
  ASSERT_TRUE(again.policy) << messages_of(again);
  EXPECT_EQ(again.policy->tracking.allowance, 7u);
  EXPECT_EQ(again.policy->interfaces[0].tracking.allowance, 9u);
}

TEST(PolicyJson, of_the_whole_example_loads_as_the_same_policy) {
  const LoadedPolicy from_toml = load_policy_text(kShopPolicy, "shop.toml");
  ASSERT_TRUE(from_toml.policy) << messages_of(from_toml);
  const std::string text = policy_to_json_text(*from_toml.policy);
  const LoadedPolicy from_json = load_policy_json(text, "shop.json");
  ASSERT_TRUE(from_json.policy) << messages_of(from_json);
  EXPECT_EQ(policy_to_json_text(*from_json.policy), text);
  ASSERT_EQ(from_json.policy->groups.size(), from_toml.policy->groups.size());
  for (std::size_t i = 0; i < from_json.policy->groups.size(); ++i) {
    const SecurityGroup& a = from_json.policy->groups[i];
    const SecurityGroup& b = from_toml.policy->groups[i];
    EXPECT_EQ(a.id, b.id);
    EXPECT_EQ(a.implied, b.implied);
    ASSERT_EQ(a.egress.size(), b.egress.size());
    for (std::size_t j = 0; j < a.egress.size(); ++j) EXPECT_EQ(a.egress[j].id, b.egress[j].id);
  }
}

TEST(PolicyJson, is_what_the_toml_document_is_with_the_same_keys) {
  Findings findings("f");
  const auto tree = parse_toml_document(kShopPolicy, findings);
  ASSERT_TRUE(tree);
  const LoadedPolicy from_toml = load_policy_text(kShopPolicy, "p");
  const LoadedPolicy from_json = load_policy_json(document_to_json(*tree), "p");
  ASSERT_TRUE(from_toml.policy && from_json.policy) << messages_of(from_json);
  EXPECT_EQ(policy_to_json_text(*from_json.policy), policy_to_json_text(*from_toml.policy));
}

TEST(PolicyJson, keeps_an_empty_egress_and_empty_groups_apart_from_left_out_ones) {
  const LoadedPolicy loaded = load_with_base(
      "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\negress=[]\n"
      "[[interface]]\nid='eni-x'\nsubnet='subnet-a'\naddresses=['10.0.1.9']\nsecurity_groups=[]\n"
      "[[interface]]\nid='eni-y'\nsubnet='subnet-a'\naddresses=['10.0.1.8']\n");
  ASSERT_TRUE(loaded.policy) << messages_of(loaded);
  const auto document = policy_to_json(*loaded.policy);
  EXPECT_EQ(document["security_group"][0]["egress"].dump(), "[]");
  EXPECT_FALSE(document["security_group"][1].contains("egress"));
  EXPECT_EQ(document["interface"][0]["security_groups"].dump(), "[]");
  EXPECT_FALSE(document["interface"][1].contains("security_groups"));
}

// A random correct policy, as text in the file's own words.
class RandomPolicy {
 public:
  explicit RandomPolicy(unsigned seed) : random_(seed) {}

  std::string text() {
    std::string text = "[tracking]\nsyn=" + number(1, 3600) + "\nmode='" +
                       pick({"loose", "strict"}) + "'\n[exempt]\nprofile='" +
                       pick({"none", "aws"}) + "'\n[[vpc]]\nid='vpc-r'\n" +
                       "cidrs=['10.0.0.0/8','fd00::/16']\n";
    for (int i = 0; i < 4; ++i) {
      const std::string n = std::to_string(i);
      text += "[[subnet]]\nid='subnet-" + n + "'\nvpc='vpc-r'\ncidrs=['10." + n +
              ".0.0/16','fd00:" + n + "::/32']\n" +
              pick({"", "network_acl='acl-" + pick({"0", "1"}) + "'\n"});
    }
    for (int i = 0; i < 2; ++i) text += acl(i) + prefix_list(i);
    for (int i = 0; i < 6; ++i) text += group(i);
    for (int i = 0; i < 12; ++i) text += interface(i);
    return text + "[[flow_log]]\nid='fl-r'\nresource='" + pick({"vpc-r", "subnet-1", "eni-3"}) +
           "'\ninterval=" + pick({"60", "600"}) +
           "\ndestination='file:/x'\nheader=" + pick({"true", "false"}) + "\n";
  }

 private:
  int below(int bound) { return std::uniform_int_distribution<int>(0, bound - 1)(random_); }
  std::string number(int low, int high) { return std::to_string(low + below(high - low + 1)); }
  std::string pick(const std::vector<std::string>& words) {
    return words[static_cast<std::size_t>(below(static_cast<int>(words.size())))];
  }
  std::string v4() {
    return number(1, 223) + "." + number(0, 255) + "." + number(0, 255) + "." + number(0, 255) +
           "/" + number(0, 32);
  }
  std::string v6() {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    for (int i = 0; i < 8; ++i) text += std::string(i == 0 ? "" : ":") + kHex[below(16)] + "0";
    return text + "/" + number(0, 128);
  }
  // Protocol with what it needs.
  std::string match() {
    switch (below(5)) {
      case 0:
        return "protocol='" + pick({"tcp", "udp"}) + "',ports=" + number(0, 65535);
      case 1: {
        const int low = below(60000);
        return "protocol=6,ports='" + std::to_string(low) + "-" + number(low, 65535) + "'";
      }
      case 2:
        return "protocol='icmp',type=" + number(0, 255) + ",code=" + number(-1, 255);
      case 3:
        return "protocol=" + pick({"-1", "'all'", "47", "'50'"});
      default:
        return "protocol='icmpv6',type=" + number(-1, 255);
    }
  }
  std::string rules(const std::string& key, const std::string& peer_key) {
    std::string text = key + "=[";
    const int count = below(6);
    for (int i = 0; i < count; ++i) {
      const std::string peer = pick({v4(), v6(), "sg-" + number(0, 5), "pl-" + number(0, 1)});
      text += "{" + match() + "," + peer_key + "='" + peer + "'" +
              pick({"", ",description='d " + number(0, 9) + "'"}) +
              pick({"", ",tags={t='" + number(0, 9) + "'}"}) + "},";
    }
    return text + "]\n";
  }
  std::string group(int i) {
    return "[[security_group]]\nid='sg-" + std::to_string(i) + "'\nvpc='vpc-r'\n" +
           pick({"", "name='n" + std::to_string(i) + "'\n"}) +
           pick({"", "tags={a='b',c='" + number(0, 9) + "'}\n"}) + rules("ingress", "source") +
           pick({"", rules("egress", "destination")});
  }
  std::string prefix_list(int i) {
    const bool is_v4 = below(2) == 0;
    return "[[prefix_list]]\nid='pl-" + std::to_string(i) + "'\nfamily='" +
           (is_v4 ? "ipv4" : "ipv6") + "'\nmax_entries=" + number(1, 100) + "\nentries=[{cidr='" +
           (is_v4 ? v4() : v6()) + "'}]\n";
  }
  std::string acl(int i) {
    std::string text =
        "[[network_acl]]\nid='acl-" + std::to_string(i) + "'\nvpc='vpc-r'\ningress=[";
    for (int rule = 1; rule < 5; ++rule) {
      text += "{rule=" + std::to_string(rule * 100) + ",action='" + pick({"allow", "deny"}) + "'," +
              match() + ",cidr='" + pick({v4(), v6()}) + "'},";
    }
    return text + "]\n";
  }
  std::string interface(int i) {
    const std::string n = std::to_string(i);
    const std::string subnet = std::to_string(i % 4);
    return "[[interface]]\nid='eni-" + n + "'\nsubnet='subnet-" + subnet + "'\naddresses=['10." +
           subnet + ".0." + n + "','fd00:" + subnet + "::" + n + "']\n" +
           pick({"", "mac='02:00:00:00:00:" + number(10, 99) + "'\n"}) +
           pick({"", "security_groups=['sg-" + number(0, 2) + "','sg-" + number(3, 5) + "']\n"}) +
           pick({"", "tracking={udp=" + number(30, 60) + "}\n"}) + pick({"", "instance='i-1'\n"});
  }

  std::mt19937 random_;
};

TEST(PolicyJson, of_random_policies_loads_as_the_same_policy) {
  int correct = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    const std::string toml = RandomPolicy(seed).text();
    const LoadedPolicy from_toml = load_policy_text(toml, "p");
    bool has_other_errors = false;
    for (const Finding& finding : from_toml.findings) {
      // Chance may write the same rule twice; nothing else may be wrong.
      if (finding.severity == Severity::Error && finding.code != "duplicate-rule") {
        has_other_errors = true;
      }
    }
    ASSERT_FALSE(has_other_errors) << toml << messages_of(from_toml);
    if (!from_toml.policy) continue;
    ++correct;
    const std::string text = policy_to_json_text(*from_toml.policy);
    const LoadedPolicy from_json = load_policy_json(text, "p");
    ASSERT_TRUE(from_json.policy) << messages_of(from_json);
    ASSERT_EQ(policy_to_json_text(*from_json.policy), text);
  }
  EXPECT_GT(correct, 200);
}

}  // namespace
}  // namespace sluice
