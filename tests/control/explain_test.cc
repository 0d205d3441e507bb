#include "control/explain/explain.h"

#include <memory>
#include <string>
#include <unordered_set>

#include <gtest/gtest.h>

#include "control/compile/compiler.h"
#include "control/explain/rule_words.h"
#include "control/policy/load.h"
#include "lookup/snapshot_builder.h"
#include "tests/control/control_room.h"

namespace sluice {
namespace {

// The web policy of the control room, sealed.
class Explain : public ::testing::Test {
 protected:
  Explain() {
    const LoadedPolicy loaded = load_policy_text(kWebPolicy, "web.toml");
    CHECK(loaded.policy.has_value());
    snapshot = *build_snapshot(*compile(*loaded.policy, registry, Generation(1)));
    words = std::make_unique<RuleWords>(*loaded.policy, registry);
    scope.snapshot = snapshot.get();
    scope.registry = &registry;
    scope.describe_rule = [this](RuleIndex rule) { return words->of(rule); };
  }
  nlohmann::ordered_json ask(const nlohmann::json& changes = nlohmann::json::object()) {
    nlohmann::json query = {{"interface", "eni-web"},     {"direction", "ingress"},
                            {"protocol", "tcp"},          {"source", "198.51.100.7"},
                            {"destination", "10.0.1.10"}, {"source_port", 40'000},
                            {"destination_port", 443},    {"state", "new"}};
    query.update(changes);
    return explain(query, scope);
  }
  std::string error_of_query(const nlohmann::json& changes) {
    const nlohmann::ordered_json answer = ask(changes);
    return answer.contains("error") ? answer["error"]["code"].get<std::string>() : "none";
  }
  static std::string all_steps(const nlohmann::ordered_json& answer) {
    std::string text;
    for (const auto& step : answer["steps"]) text += step.get<std::string>() + "\n";
    return text;
  }

  Registry registry;
  std::shared_ptr<const PolicySnapshot> snapshot;
  std::unique_ptr<RuleWords> words;
  ExplainScope scope;
};

TEST_F(Explain, names_the_rule_that_accepts) {
  const nlohmann::ordered_json answer = ask();
  EXPECT_EQ(answer["verdict"], "accept");
  EXPECT_EQ(answer["reason"], "rule");
  // The example of the documented rule id: sg-web|ingress|tcp|443-443|0.0.0.0/0.
  EXPECT_EQ(answer["rule"], "sgr-04cb58c6a96c73fa3");
  EXPECT_EQ(answer["group"], "sg-web");
  EXPECT_EQ(answer["tracked"], true);
  EXPECT_EQ(answer["acl"].dump(), R"({"id":"acl-front","rule":100,"action":"allow"})");
}

// A rule that demands nothing admits whatever it is; groups are not asked of a live flow.
TEST_F(Explain, asks_what_it_is_only_where_that_decides) {
  EXPECT_EQ(ask({{"app", "ssh"}}), ask());
  EXPECT_EQ(ask({{"app", "ssh"}, {"state", "established"}}), ask({{"state", "established"}}));
}

TEST_F(Explain, has_exactly_the_documented_keys_in_their_order) {
  std::vector<std::string> keys;
  const nlohmann::ordered_json answer = ask();
  for (const auto& item : answer.items()) keys.push_back(item.key());
  EXPECT_EQ(keys, (std::vector<std::string>{"verdict", "reason", "rule", "group", "tracked", "acl",
                                            "steps"}));
}

TEST_F(Explain, says_no_rule_with_nulls_where_nothing_allows) {
  const nlohmann::ordered_json answer = ask({{"destination_port", 80}});
  EXPECT_EQ(answer["verdict"], "drop");
  EXPECT_EQ(answer["reason"], "no-rule");
  EXPECT_TRUE(answer["rule"].is_null());
  EXPECT_TRUE(answer["group"].is_null());
  EXPECT_TRUE(answer["tracked"].is_null());
  EXPECT_EQ(answer["acl"]["rule"], 100);
}

TEST_F(Explain, names_the_acl_entry_that_denies) {
  const nlohmann::ordered_json answer = ask({{"source", "192.0.2.1"}});
  EXPECT_EQ(answer["verdict"], "drop");
  EXPECT_EQ(answer["reason"], "acl-deny");
  EXPECT_EQ(answer["acl"]["rule"], 90);
  EXPECT_EQ(answer["acl"]["action"], "deny");
}

TEST_F(Explain, names_the_final_deny_of_each_family) {  // NA-3
  const nlohmann::ordered_json answer =
      ask({{"source", "2001:db8::1"}, {"destination", "fd00:10:0:1::10"}});
  EXPECT_EQ(answer["reason"], "acl-deny");
  EXPECT_EQ(answer["acl"]["rule"], 32'768);
}

TEST_F(Explain, asks_no_acl_of_a_neighbour_in_the_subnet) {  // NA-5
  const nlohmann::ordered_json answer = ask({{"source", "10.0.1.20"}, {"destination_port", 22}});
  EXPECT_EQ(answer["verdict"], "accept");
  EXPECT_TRUE(answer["acl"].is_null());
  const std::string steps = all_steps(answer);
  EXPECT_NE(steps.find("network ACL not asked"), std::string::npos) << steps;
  EXPECT_NE(steps.find("eni-admin"), std::string::npos) << steps;
}

TEST_F(Explain, asks_no_acl_on_egress_where_the_groups_refuse) {  // NA-19
  const nlohmann::ordered_json answer =
      ask({{"direction", "egress"}, {"source", "10.0.1.10"}, {"destination", "198.51.100.7"}});
  EXPECT_EQ(answer["reason"], "no-rule");
  EXPECT_TRUE(answer["acl"].is_null());
}

TEST_F(Explain, matches_icmp_by_type_and_code) {
  const nlohmann::json echo = {{"protocol", "icmp"}, {"type", 8}, {"code", 0}};
  EXPECT_EQ(ask(echo)["verdict"], "accept");
  nlohmann::json reply = echo;
  reply["type"] = 0;
  EXPECT_EQ(ask(reply)["verdict"], "drop");
}

TEST_F(Explain, tells_rules_groups_and_prefixes_in_the_steps) {
  const std::string steps = all_steps(ask());
  for (const char* word :
       {"ingress tcp 198.51.100.7:40000 -> 10.0.1.10:443 at eni-web", "acl-front", "sg-web",
        "sgr-04cb58c6a96c73fa3", "0.0.0.0/0", "tcp 443 from 0.0.0.0/0, HTTPS", "accept, rule"}) {
    EXPECT_NE(steps.find(word), std::string::npos) << word << " is not in\n" << steps;
  }
}

TEST_F(Explain, asks_only_the_acl_of_an_established_flow) {
  const nlohmann::ordered_json answer = ask({{"destination_port", 80}, {"state", "established"}});
  EXPECT_EQ(answer["verdict"], "accept");
  EXPECT_EQ(answer["reason"], "flow");
  EXPECT_TRUE(answer["rule"].is_null());
  EXPECT_EQ(answer["acl"]["rule"], 100);
  EXPECT_EQ(ask({{"source", "192.0.2.1"}, {"state", "established"}})["reason"], "acl-deny");
}

TEST_F(Explain, drops_multicast_and_broadcast) {  // SG-63
  const nlohmann::json out = {{"direction", "egress"},
                              {"source", "10.0.1.10"},
                              {"protocol", "udp"},
                              {"destination_port", 53}};
  for (const char* destination : {"224.0.0.251", "255.255.255.255", "10.0.1.255"}) {
    nlohmann::json query = out;
    query["destination"] = destination;
    EXPECT_EQ(ask(query)["reason"], "multicast") << destination;
  }
  EXPECT_EQ(ask({{"destination", "224.0.0.1"}})["reason"], "multicast");
}

TEST_F(Explain, exempts_neighbour_discovery_of_every_type) {  // SG-62
  nlohmann::json query = {{"protocol", "icmpv6"},
                          {"direction", "egress"},
                          {"source", "fd00:10:0:1::10"},
                          {"destination", "ff02::1:ff00:1"},
                          {"code", 0}};
  for (int type = 133; type <= 137; ++type) {
    query["type"] = type;
    for (const char* source : {"fd00:10:0:1::10", "fe80::10", "::"}) {
      query["source"] = source;
      const nlohmann::ordered_json answer = ask(query);
      EXPECT_EQ(answer["verdict"], "accept") << type << source;
      EXPECT_EQ(answer["reason"], "exempt") << type << source;
      EXPECT_TRUE(answer["rule"].is_null());
      EXPECT_TRUE(answer["acl"].is_null());
    }
  }
  const nlohmann::ordered_json in = ask({{"protocol", "icmpv6"},
                                         {"type", 136},
                                         {"source", "fe80::1"},
                                         {"destination", "fd00:10:0:1::10"}});
  EXPECT_EQ(in["reason"], "exempt");
  EXPECT_NE(all_steps(in).find("neighbour discovery"), std::string::npos);
  query["source"] = "fd00:10:0:1::99";
  EXPECT_EQ(error_of_query(query), "source-check");
  query["source"] = "fd00:10:0:1::10";
  query["code"] = 1;
  EXPECT_EQ(ask(query)["reason"], "malformed-neighbor-discovery");
  query["code"] = 0;
  for (const int type : {132, 138}) {
    query["type"] = type;
    EXPECT_EQ(ask(query)["reason"], "multicast") << type;
  }
}

TEST_F(Explain, drops_addresses_that_no_packet_has) {
  for (const char* source : {"127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0"}) {
    EXPECT_EQ(ask({{"source", source}})["reason"], "malformed-address") << source;
  }
  EXPECT_EQ(ask({{"destination", "127.0.0.1"}})["reason"], "malformed-address");
}

TEST_F(Explain, answers_errors_with_their_codes) {
  EXPECT_EQ(error_of_query({{"interface", "eni-none"}}), "unknown-interface");
  EXPECT_EQ(error_of_query({{"destination", "10.0.1.11"}}), "unknown-address");
  EXPECT_EQ(error_of_query({{"direction", "egress"}}), "source-check");
  EXPECT_EQ(error_of_query({{"protocol", "tcpp"}}), "bad-protocol");
  EXPECT_EQ(error_of_query({{"protocol", "-1"}}), "bad-protocol");
  EXPECT_EQ(error_of_query({{"protocol", 256}}), "bad-protocol");
  EXPECT_EQ(error_of_query({{"direction", "in"}}), "bad-direction");
  EXPECT_EQ(error_of_query({{"source", "198.51.100.07"}}), "bad-address");
  EXPECT_EQ(error_of_query({{"source", "10.0.0.0/8"}}), "bad-address");
  EXPECT_EQ(error_of_query({{"source", "fd00::1"}}), "mixed-families");
  EXPECT_EQ(error_of_query({{"destination_port", 65'536}}), "bad-port");
  EXPECT_EQ(error_of_query({{"destination_port", -1}}), "bad-port");
  EXPECT_EQ(error_of_query({{"destination_port", nullptr}}), "missing-destination-port");
  EXPECT_EQ(error_of_query({{"protocol", "icmp"}}), "missing-type");
  EXPECT_EQ(error_of_query({{"protocol", "icmp"}, {"type", 256}}), "bad-icmp");
  EXPECT_EQ(error_of_query({{"state", "old"}}), "bad-state");
  EXPECT_EQ(error_of_query({{"colour", "red"}}), "unknown-key");
  EXPECT_EQ(explain(nlohmann::json::array(), scope)["error"]["code"], "bad-query");
}

TEST_F(Explain, takes_protocols_by_number_and_does_without_a_source_port) {
  EXPECT_EQ(ask({{"protocol", 6}})["verdict"], "accept");
  EXPECT_EQ(ask({{"protocol", "6"}})["verdict"], "accept");
  EXPECT_EQ(ask({{"source_port", nullptr}, {"state", nullptr}})["verdict"], "accept");
}

TEST_F(Explain, asks_for_foreign_addresses_where_the_port_does_not_check) {
  const std::unordered_set<EniIndex> unchecked = {*registry.interfaces.find("eni-web")};
  scope.unchecked = &unchecked;
  EXPECT_EQ(ask({{"destination", "10.0.1.11"}})["verdict"], "accept");
}

TEST_F(Explain, drops_everything_where_there_is_no_policy) {
  scope.snapshot = nullptr;
  EXPECT_EQ(ask()["verdict"], "drop");
  EXPECT_EQ(ask()["reason"], "no-policy");
}

TEST_F(Explain, forgets_no_interface_name_but_knows_that_it_left_the_policy) {
  registry.interfaces.intern("eni-former");
  EXPECT_EQ(error_of_query({{"interface", "eni-former"}}), "unknown-interface");
}

TEST(RuleText, says_what_a_rule_allows) {
  SecurityRule rule;
  rule.proto.number = 6;
  rule.ports = {8'000, 8'080};
  rule.peer = GroupName{"sg-lb"};
  EXPECT_EQ(rule_text(rule), "tcp 8000-8080 from sg-lb");
  rule.direction = Direction::Egress;
  rule.proto.number = ProtoMatch::kAll;
  rule.peer = Cidr(IpAddr::v6(0, 0), 0);
  EXPECT_EQ(rule_text(rule), "everything to ::/0");
  rule.proto.number = 1;
  rule.ports = {8, -1};
  rule.description = "ping";
  EXPECT_EQ(rule_text(rule), "icmp type 8 to ::/0, ping");
}

}  // namespace
}  // namespace sluice
