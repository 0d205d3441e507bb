// Small changes of the policy in force: what they do, what they refuse, and that they are kept.

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "control/explain/explain.h"
#include "control/policy/policy_json.h"
#include "control/publish.h"
#include "tests/control/control_room.h"

namespace sluice {
namespace {

constexpr std::string_view kList = R"(
[[prefix_list]]
id = "pl-office"
family = "ipv4"
max_entries = 3
entries = [{ cidr = "203.0.113.0/24" }]
)";

constexpr const char* kAddHttp =
    R"({"do":"rule.add","group":"sg-web","direction":"ingress","protocol":"tcp","ports":80,)"
    R"("source":"0.0.0.0/0","description":"HTTP"})";
constexpr const char* kAddOffice =
    R"({"do":"rule.add","group":"sg-web","direction":"ingress","protocol":"tcp",)"
    R"("ports":"8000-8080",)"
    R"("source":"pl-office"})";

class Editing : public ControlRoom {
 protected:
  Editing() { EXPECT_FALSE(apply(std::string(kWebPolicy) + std::string(kList)).error); }

  ApplyOutcome edit(const std::string& edits, ExistingMode existing = ExistingMode::Keep) {
    EditRequest request;
    request.edits = "[" + edits + "]";
    request.existing = existing;
    request.comment = "why";
    request.author_uid = 7;
    return publisher->edit(std::move(request));
  }

  // What the policy in force says of a new connection to eni-web.
  std::string ask(const char* source, int port) {
    ExplainScope scope;
    scope.snapshot = publisher->active()->snapshot.get();
    scope.registry = &registry;
    const auto answer = explain({{"interface", "eni-web"},
                                 {"direction", "ingress"},
                                 {"protocol", "tcp"},
                                 {"source", source},
                                 {"destination", "10.0.1.10"},
                                 {"destination_port", port}},
                                scope);
    return answer["reason"];
  }

  // The model as it is in memory, and as a restart finds it.
  std::string model() { return policy_to_json_text(publisher->active()->policy); }
  std::string edits_file() const { return folder.file("state/policy.edits.1"); }
};

TEST_F(Editing, adds_a_rule_and_takes_it_away_again) {  // SG-19
  EXPECT_EQ(ask("192.0.9.1", 80), "no-rule");
  const ApplyOutcome added = edit(kAddHttp);
  ASSERT_FALSE(added.error) << added.error->sentence;
  EXPECT_EQ(added.generation, Generation(2));
  EXPECT_EQ(engine.published()->generation(), Generation(2));
  ASSERT_EQ(added.rules.size(), 1u);
  EXPECT_EQ(ask("192.0.9.1", 80), "rule");
  const ApplyOutcome removed = edit(R"({"do":"rule.remove","rule":")" + added.rules[0] + "\"}");
  ASSERT_FALSE(removed.error) << removed.error->sentence;
  EXPECT_EQ(removed.generation, Generation(3));
  EXPECT_EQ(ask("192.0.9.1", 80), "no-rule");
  EXPECT_EQ(ask("192.0.9.1", 443), "rule") << "the others are as they were";
}

TEST_F(Editing, changes_members_of_a_group_and_entries_of_a_list) {  // SG-27, PL-2
  EXPECT_EQ(ask("10.0.1.20", 22), "rule") << "eni-admin holds sg-admin";
  ASSERT_FALSE(edit(R"({"do":"interface.attach","interface":"eni-admin","group":"sg-web"},)"
                    R"({"do":"interface.detach","interface":"eni-admin","group":"sg-admin"})")
                   .error);
  EXPECT_EQ(ask("10.0.1.20", 22), "no-rule");
  ASSERT_FALSE(edit(kAddOffice).error);
  EXPECT_EQ(ask("203.0.113.9", 8080), "rule");
  EXPECT_EQ(ask("203.0.114.9", 8080), "no-rule");
  ASSERT_FALSE(
      edit(R"({"do":"prefix-list.add","list":"pl-office","cidr":"203.0.114.0/24"})").error);
  EXPECT_EQ(ask("203.0.114.9", 8080), "rule");
  ASSERT_FALSE(
      edit(R"({"do":"prefix-list.remove","list":"pl-office","cidr":"203.0.113.0/24"})").error);
  EXPECT_EQ(ask("203.0.113.9", 8080), "no-rule");
}

TEST_F(Editing, counts_all_edits_of_a_request_or_none) {
  const std::string before = model();
  const auto snapshot = engine.published();
  const ApplyOutcome outcome = edit(
      std::string(kAddHttp) + R"(,{"do":"interface.attach","interface":"eni-x","group":"sg-y"})");
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind, ErrorKind::Invalid);
  EXPECT_EQ(outcome.findings.size(), 2u) << "both names are missing";
  EXPECT_EQ(outcome.generation, Generation(1));
  EXPECT_EQ(engine.published(), snapshot);
  EXPECT_EQ(model(), before);
  EXPECT_FALSE(std::filesystem::exists(edits_file()));
}

struct RefusedEdit {
  const char* name;
  const char* edits;
  const char* code;
};

class Refused : public Editing, public testing::WithParamInterface<RefusedEdit> {};

TEST_P(Refused, changes_nothing) {
  const std::string before = model();
  const ApplyOutcome outcome = edit(GetParam().edits);
  ASSERT_TRUE(outcome.error);
  const auto has_code = [](const Finding& finding) { return finding.code == GetParam().code; };
  EXPECT_TRUE(std::any_of(outcome.findings.begin(), outcome.findings.end(), has_code))
      << outcome.error->sentence;
  EXPECT_EQ(publisher->generation(), Generation(1));
  EXPECT_EQ(model(), before);
}

const RefusedEdit kRefused[] = {
    {"no_json", "{", "syntax"},
    {"no_object", "3", "wrong-type"},
    {"unknown_word", R"({"do":"rule.change"})", "bad-value"},
    {"unknown_key", R"({"do":"rule.remove","rule":"sgr-1","why":"x"})", "unknown-key"},
    {"no_peer",
     R"({"do":"rule.add","group":"sg-web","direction":"ingress","protocol":"tcp","ports":80})",
     "missing-key"},
    {"bad_port",
     R"({"do":"rule.add","group":"sg-web","direction":"ingress","protocol":"tcp",)"
     R"("ports":70000,"source":"0.0.0.0/0"})",
     "bad-ports"},
    {"same_rule",
     R"({"do":"rule.add","group":"sg-web","direction":"ingress","protocol":"tcp",)"
     R"("ports":443,"source":"0.0.0.0/0"})",
     "duplicate-rule"},
    {"rule_of_nobody",
     R"({"do":"rule.add","group":"sg-none","direction":"ingress","protocol":"tcp",)"
     R"("ports":80,"source":"0.0.0.0/0"})",
     "unknown-group"},
    {"peer_of_nobody",
     R"({"do":"rule.add","group":"sg-web","direction":"ingress","protocol":"tcp",)"
     R"("ports":80,"source":"sg-none"})",
     "unknown-group"},
    {"list_of_nobody",
     R"({"do":"rule.add","group":"sg-web","direction":"ingress","protocol":"tcp",)"
     R"("ports":80,"source":"pl-none"})",
     "unknown-prefix-list"},
    // SG-19: what is not there cannot be taken away.
    {"unknown_rule", R"({"do":"rule.remove","rule":"sgr-00000000000000000"})", "unknown-rule"},
    {"attached_already", R"({"do":"interface.attach","interface":"eni-web","group":"sg-web"})",
     "duplicate-group"},
    {"not_attached", R"({"do":"interface.detach","interface":"eni-web","group":"sg-admin"})",
     "not-attached"},
    {"entry_twice", R"({"do":"prefix-list.add","list":"pl-office","cidr":"203.0.113.0/24"})",
     "duplicate-entry"},
    {"entry_of_nobody", R"({"do":"prefix-list.remove","list":"pl-office","cidr":"203.0.99.0/24"})",
     "unknown-entry"},
    {"other_family", R"({"do":"prefix-list.add","list":"pl-office","cidr":"2001:db8::/32"})",
     "wrong-family"},
    {"too_many_entries",
     R"({"do":"prefix-list.add","list":"pl-office","cidr":"10.1.0.0/16"},)"
     R"({"do":"prefix-list.add","list":"pl-office","cidr":"10.2.0.0/16"},)"
     R"({"do":"prefix-list.add","list":"pl-office","cidr":"10.3.0.0/16"})",
     "too-many-entries"},
};
INSTANTIATE_TEST_SUITE_P(Editing, Refused, testing::ValuesIn(kRefused),
                         [](const auto& row) { return row.param.name; });

TEST_F(Editing, needs_a_policy_and_the_generation_that_was_meant) {
  EditRequest request;
  request.edits = std::string("[") + kAddHttp + "]";
  request.expected = Generation(9);
  EXPECT_EQ(publisher->edit(request).error->kind, ErrorKind::Conflict);
  Publisher empty(engine, registry, {});
  request.expected.reset();
  EXPECT_EQ(empty.edit(request).error->code, "no-policy");
}

// An interface that names no group has the default one; without that it has none, now and later.
TEST_F(Editing, leaves_an_interface_without_groups_rather_than_with_the_default_one) {  // SG-33
  ASSERT_FALSE(apply(std::string(kWebPolicy) +
                     "\n[[interface]]\nid = 'eni-plain'\nsubnet = 'subnet-front'\n"
                     "addresses = ['10.0.1.30']\n")
                   .error);
  const auto groups = [this] {
    const Eni& eni = publisher->active()->policy.interfaces.back();
    return eni.id == "eni-plain" ? eni.security_groups.size() : ~std::size_t{0};
  };
  EXPECT_EQ(groups(), 1u);
  const ApplyOutcome outcome =
      edit(R"({"do":"interface.detach","interface":"eni-plain","group":"sg-default-a"})");
  ASSERT_FALSE(outcome.error) << outcome.error->sentence;
  EXPECT_EQ(groups(), 0u);
  EXPECT_FALSE(publisher->active()->policy.interfaces.back().groups_left_out);
  restart_publisher();
  ASSERT_FALSE(publisher->restore().error);
  EXPECT_EQ(groups(), 0u) << "after a restart too";
}

TEST_F(Editing, ends_with_the_last_generation_instead_of_beginning_again) {
  const StateDirectory state(folder.file("state"));
  KeptPolicy kept;
  kept.generation = Generation(0xffff'fffeu);
  kept.file = "policy.toml";
  kept.document = std::string(kWebPolicy);
  ASSERT_TRUE(state.prepare(kept));
  ASSERT_TRUE(state.commit());
  restart_publisher();
  ASSERT_FALSE(publisher->restore().error);
  for (const ApplyOutcome& refused : {apply(kWebPolicy), edit(kAddHttp)}) {
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, ErrorKind::LimitExceeded);
    EXPECT_EQ(refused.error->code, "limit-generations");
    EXPECT_NE(refused.error->sentence.find("4294967294"), std::string::npos);
  }
  EXPECT_EQ(publisher->generation(), kept.generation);
}

TEST_F(Editing, judges_live_connections_by_the_mode_asked_for) {
  const EniIndex web = *registry.interfaces.find("eni-web");
  const EniIndex admin = *registry.interfaces.find("eni-admin");
  ASSERT_FALSE(edit(kAddHttp, ExistingMode::Flush).error);
  EXPECT_EQ(engine.published()->find_interface(web)->flush_before, Generation(2));
  EXPECT_EQ(engine.published()->find_interface(admin)->flush_before, Generation(0));
  // sg-web names sg-admin: its members matter to eni-web too (SG-27).
  ASSERT_FALSE(edit(R"({"do":"interface.detach","interface":"eni-admin","group":"sg-admin"})",
                    ExistingMode::Reevaluate)
                   .error);
  EXPECT_EQ(engine.published()->find_interface(web)->rejudge_before, Generation(3));
  EXPECT_EQ(engine.published()->find_interface(admin)->rejudge_before, Generation(3));
  ASSERT_FALSE(edit(kAddOffice).error);
  ASSERT_FALSE(edit(R"({"do":"prefix-list.add","list":"pl-office","cidr":"10.9.0.0/16"})",
                    ExistingMode::Reevaluate)
                   .error);
  EXPECT_EQ(engine.published()->find_interface(web)->rejudge_before, Generation(5));
  EXPECT_EQ(engine.published()->find_interface(admin)->rejudge_before, Generation(3));
}

TEST_F(Editing, is_enforced_again_after_a_restart) {
  ASSERT_FALSE(edit(kAddHttp).error);
  ASSERT_FALSE(edit(kAddOffice).error);
  ASSERT_FALSE(edit(R"({"do":"interface.attach","interface":"eni-admin","group":"sg-web"})").error);
  ASSERT_FALSE(
      edit(R"({"do":"prefix-list.add","list":"pl-office","cidr":"203.0.114.0/24"})").error);
  const std::string before = model();
  restart_publisher();
  const ApplyOutcome outcome = publisher->restore();
  ASSERT_FALSE(outcome.error) << outcome.error->sentence;
  EXPECT_EQ(outcome.generation, Generation(5));
  EXPECT_EQ(engine.published()->generation(), Generation(5));
  EXPECT_EQ(model(), before);
  EXPECT_EQ(ask("203.0.114.9", 8080), "rule");
  EXPECT_EQ(publisher->active()->kept.comment, "why");
  EXPECT_EQ(publisher->active()->kept.author_uid, 7u);
  ASSERT_FALSE(edit(R"({"do":"interface.detach","interface":"eni-admin","group":"sg-web"})").error);
  EXPECT_EQ(publisher->generation(), Generation(6));
}

TEST_F(Editing, leaves_out_a_last_line_that_was_not_written_to_its_end) {
  ASSERT_FALSE(edit(kAddHttp).error);
  const std::string first = read_text(edits_file());
  ASSERT_FALSE(edit(kAddOffice).error);
  const std::string both = read_text(edits_file());
  folder.write("state/policy.edits.1", both.substr(0, both.size() - 20));
  restart_publisher();
  ASSERT_FALSE(publisher->restore().error);
  EXPECT_EQ(publisher->generation(), Generation(2));
  EXPECT_EQ(read_text(edits_file()), first) << "nothing may stand behind half a line";
  ASSERT_FALSE(edit(kAddOffice).error);
  restart_publisher();
  ASSERT_FALSE(publisher->restore().error);
  EXPECT_EQ(publisher->generation(), Generation(3));
}

TEST_F(Editing, enforces_nothing_of_edits_that_somebody_changed) {
  ASSERT_FALSE(edit(kAddHttp).error);
  ASSERT_FALSE(edit(kAddOffice).error);
  std::string text = read_text(edits_file());
  text[100] = static_cast<char>(text[100] ^ 1);
  folder.write("state/policy.edits.1", text);
  engine.publish_count = 0;
  restart_publisher();
  const ApplyOutcome outcome = publisher->restore();
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, "state-corrupt");
  EXPECT_NE(outcome.error->sentence.find("line 1"), std::string::npos);
  EXPECT_EQ(engine.publish_count, 0);
}

TEST_F(Editing, is_forgotten_when_a_whole_policy_is_applied) {
  ASSERT_FALSE(edit(kAddHttp).error);
  ASSERT_FALSE(apply(kWebPolicy).error);
  EXPECT_FALSE(std::filesystem::exists(edits_file()));
  restart_publisher();
  ASSERT_FALSE(publisher->restore().error);
  EXPECT_EQ(publisher->generation(), Generation(3));
  EXPECT_EQ(ask("192.0.9.1", 80), "no-rule");
}

TEST_F(Editing, writes_what_was_implied_down) {
  // sg-admin's egress was left out, so it stands for everything (SG-4).
  ASSERT_FALSE(edit(R"({"do":"rule.add","group":"sg-admin","direction":"egress","protocol":"tcp",)"
                    R"("ports":25,"destination":"192.0.2.1/32"})")
                   .error);
  const std::string text = model();
  EXPECT_NE(text.find("192.0.2.1/32"), std::string::npos);
  ASSERT_FALSE(apply(text).error);
  EXPECT_EQ(model(), text) << "a document of the same policy";
}

TEST_F(Editing, becomes_a_document_when_there_are_many) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 4'200; ++i) {
    const bool is_even = i % 2 == 0;
    const std::string word = is_even ? "interface.attach" : "interface.detach";
    ASSERT_FALSE(
        edit(R"({"do":")" + word + R"(","interface":"eni-admin","group":"sg-web"})").error);
  }
  EXPECT_FALSE(std::filesystem::exists(edits_file()));
  const std::string before = model();
  restart_publisher();
  ASSERT_FALSE(publisher->restore().error);
  EXPECT_EQ(publisher->generation(), Generation(4'201));
  EXPECT_EQ(model(), before);
}

TEST_F(Editing, goes_through_the_socket_and_its_answers_name_the_rules) {
  start_server();
  RawClient client(socket());
  const nlohmann::json added = client.call("rule.add", {{"group", "sg-web"},
                                                        {"direction", "ingress"},
                                                        {"protocol", "tcp"},
                                                        {"ports", "80"},
                                                        {"source", "0.0.0.0/0"},
                                                        {"comment", "open it"}});
  ASSERT_TRUE(added.contains("result")) << added;
  EXPECT_EQ(added["result"]["generation"], 2);
  const std::string rule = added["result"]["rules"][0];
  EXPECT_EQ(
      client.call("rule.remove", {{"rule", rule}, {"existing", "flush"}})["result"]["generation"],
      3);
  const nlohmann::json refused =
      client.call("interface.attach", {{"interface", "eni-x"}, {"group", "sg-web"}});
  EXPECT_EQ(refused["error"]["data"]["errors"][0]["code"], "unknown-interface");
  const nlohmann::json many = client.call(
      "policy.edit",
      {{"edits",
        {{{"do", "prefix-list.add"}, {"list", "pl-office"}, {"cidr", "10.1.0.0/16"}},
         {{"do", "prefix-list.add"}, {"list", "pl-office"}, {"cidr", "10.2.0.0/16"}}}}});
  EXPECT_EQ(many["result"]["generation"], 4);
  RawClient watcher(monitor());
  EXPECT_TRUE(watcher.call("rule.remove", {{"rule", rule}}).contains("error")) << "reads only";
}

}  // namespace
}  // namespace sluice
