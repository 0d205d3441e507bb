// Versions of prefix lists as clients read and restore them, over edits, documents and restarts.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/control/control_room.h"

namespace sluice {
namespace {

using nlohmann::json;

std::string policy_with(std::string_view entries) {
  return std::string(kWebPolicy) + R"(
[[prefix_list]]
id = "pl-office"
family = "ipv4"
max_entries = 3
entries = [)" +
         std::string(entries) + R"(]

[[security_group]]
id = "sg-office"
vpc = "vpc-a"
ingress = [{ protocol = "tcp", ports = 80, source = "pl-office" }]
)";
}

constexpr const char* kHeadOffice = R"({ cidr = "203.0.113.0/24", description = "head office" })";

class PrefixLists : public ControlRoom {
 protected:
  PrefixLists() {
    EXPECT_FALSE(apply(policy_with(kHeadOffice)).error);
    start_server();
  }
  ~PrefixLists() override { stop_server(); }

  json call(const char* method, const json& params) {
    return RawClient(socket()).call(method, params);
  }
  json result_of(const char* method, json params) {
    params["list"] = "pl-office";
    const json answer = call(method, params);
    EXPECT_TRUE(answer.contains("result")) << answer.dump();
    return answer.value("result", json());
  }
  // The entries of a version, in words: `CIDR description`.
  std::vector<std::string> entries(int version = 0) {
    const json answer =
        result_of("prefix-list.show", version == 0 ? json::object() : json{{"version", version}});
    std::vector<std::string> words;
    for (const json& row : answer["entries"]) {
      words.push_back(row["cidr"].get<std::string>() + " " + row["description"].get<std::string>());
    }
    std::sort(words.begin(), words.end());
    return words;
  }
  void restart() {
    stop_server();
    restart_publisher();
    const ApplyOutcome outcome = publisher->restore();
    ASSERT_FALSE(outcome.error) << outcome.error->sentence;
    EXPECT_TRUE(outcome.warnings.empty());
    start_server();
  }
  bool would_allow(const char* source) {
    const json answer = call("explain", {{"interface", "eni-web"},
                                         {"direction", "ingress"},
                                         {"protocol", "tcp"},
                                         {"source", source},
                                         {"destination", "10.0.1.10"},
                                         {"destination_port", 80}});
    return answer["result"]["verdict"] == "accept";
  }
};

TEST_F(PrefixLists, grow_by_a_version_with_each_change) {  // PL-2
  result_of("prefix-list.add", {{"cidr", "198.51.100.0/24"}, {"comment", "branch"}});
  result_of("prefix-list.remove", {{"cidr", "203.0.113.0/24"}});
  EXPECT_EQ(entries(), std::vector<std::string>{"198.51.100.0/24 "});
  EXPECT_EQ(entries(3), entries());
  EXPECT_EQ(entries(2),
            (std::vector<std::string>{"198.51.100.0/24 ", "203.0.113.0/24 head office"}));
  EXPECT_EQ(entries(1), std::vector<std::string>{"203.0.113.0/24 head office"});
  const json history = result_of("prefix-list.history", json::object())["versions"];
  ASSERT_EQ(history.size(), 3u) << "the newest first";
  EXPECT_EQ(history[1]["version"], 2);
  EXPECT_EQ(history[1]["generation"], 2);
  EXPECT_EQ(history[1]["comment"], "branch");
  EXPECT_EQ(history[1]["added"], 1);
  EXPECT_EQ(history[1]["removed"], 0);
  EXPECT_EQ(history[1]["entries"], 2);
  EXPECT_TRUE(history[2]["added"].is_null()) << "the first one came as a whole";
  const json row = result_of("prefix-list.list", json::object())["prefix_lists"][0];
  EXPECT_EQ(row["version"], 3);
  EXPECT_EQ(row["oldest_version"], 1);
  EXPECT_EQ(row["rules"], 1);
}

TEST_F(PrefixLists, are_restored_as_a_new_version_that_rules_follow) {  // PL-2
  ASSERT_TRUE(call("interface.attach", {{"interface", "eni-web"}, {"group", "sg-office"}})
                  .contains("result"));
  result_of("prefix-list.remove", {{"cidr", "203.0.113.0/24"}});
  EXPECT_FALSE(would_allow("203.0.113.9"));
  result_of("prefix-list.restore", {{"version", 1}, {"comment", "back"}});
  EXPECT_TRUE(would_allow("203.0.113.9"));
  EXPECT_EQ(entries(), std::vector<std::string>{"203.0.113.0/24 head office"});
  EXPECT_EQ(entries(2), std::vector<std::string>{});
  const json newest = result_of("prefix-list.history", json::object())["versions"][0];
  EXPECT_EQ(newest["version"], 3);
  EXPECT_EQ(newest["comment"], "back");
}

TEST_F(PrefixLists, are_restored_to_the_letter_of_a_description) {
  result_of("prefix-list.remove", {{"cidr", "203.0.113.0/24"}});
  result_of("prefix-list.add", {{"cidr", "203.0.113.0/24"}, {"description", "other"}});
  result_of("prefix-list.restore", {{"version", 1}});
  EXPECT_EQ(entries(), std::vector<std::string>{"203.0.113.0/24 head office"});
  EXPECT_EQ(entries(3), std::vector<std::string>{"203.0.113.0/24 other"});
}

TEST_F(PrefixLists, keep_their_versions_over_documents_and_restarts) {
  result_of("prefix-list.add", {{"cidr", "198.51.100.0/24"}});
  restart();
  EXPECT_EQ(entries(1), std::vector<std::string>{"203.0.113.0/24 head office"});
  ASSERT_FALSE(apply(policy_with("")).error);
  restart();
  EXPECT_EQ(entries(), std::vector<std::string>{});
  EXPECT_EQ(entries(2),
            (std::vector<std::string>{"198.51.100.0/24 ", "203.0.113.0/24 head office"}));
  ASSERT_FALSE(apply(policy_with("")).error) << "the same again is no version";
  EXPECT_EQ(result_of("prefix-list.list", json::object())["prefix_lists"][0]["version"], 3);
}

TEST_F(PrefixLists, are_not_changed_by_a_policy_that_is_refused) {
  engine.publish_error = Error{ErrorKind::Failed, "no", "no", ""};
  EXPECT_TRUE(apply(policy_with("")).error);
  EXPECT_TRUE(call("prefix-list.add", {{"list", "pl-office"}, {"cidr", "198.51.100.0/24"}})
                  .contains("error"));
  engine.publish_error.reset();
  EXPECT_EQ(result_of("prefix-list.list", json::object())["prefix_lists"][0]["version"], 1);
}

TEST_F(PrefixLists, answer_for_what_is_not_there) {
  const auto code = [](const json& answer) {
    return answer.contains("error") ? answer["error"]["data"].value("code", "") : "none";
  };
  EXPECT_EQ(code(call("prefix-list.show", {{"list", "pl-x"}})), "unknown-prefix-list");
  EXPECT_EQ(code(call("prefix-list.history", {{"list", "pl-x"}})), "unknown-prefix-list");
  EXPECT_EQ(code(call("prefix-list.list", {{"list", "pl-x"}})), "unknown-prefix-list");
  const json unknown = call("prefix-list.show", {{"list", "pl-office"}, {"version", 2}});
  EXPECT_EQ(code(unknown), "unknown-version");
  EXPECT_NE(unknown["error"]["message"].get<std::string>().find("1 to 1"), std::string::npos);
  EXPECT_EQ(code(call("prefix-list.restore", {{"list", "pl-office"}, {"version", 0}})),
            "unknown-version");
  EXPECT_EQ(code(call("prefix-list.restore", {{"list", "pl-office"}, {"version", 1}})),
            "same-version");
  EXPECT_EQ(code(call("prefix-list.restore", {{"list", "pl-office"}})), "bad-params");
  EXPECT_TRUE(RawClient(monitor())
                  .call("prefix-list.restore", {{"list", "pl-office"}, {"version", 1}})
                  .contains("error"))
      << "reads only";
}

TEST_F(PrefixLists, come_page_by_page) {
  result_of("prefix-list.add", {{"cidr", "198.51.100.0/24"}});
  const json first = result_of("prefix-list.show", {{"limit", 1}});
  EXPECT_EQ(first["entries"][0]["cidr"], "203.0.113.0/24");
  ASSERT_TRUE(first["next_cursor"].is_string());
  const json next = {{"limit", 1}, {"cursor", first["next_cursor"]}};
  const json second = result_of("prefix-list.show", next);
  EXPECT_EQ(second["entries"][0]["cidr"], "198.51.100.0/24");
  EXPECT_TRUE(second["next_cursor"].is_null());
  EXPECT_EQ(second["version"], 2);
  const json newest = result_of("prefix-list.history", {{"limit", 1}});
  EXPECT_EQ(newest["versions"][0]["version"], 2);
  result_of("prefix-list.remove", {{"cidr", "198.51.100.0/24"}});
  const json oldest =
      result_of("prefix-list.history", {{"limit", 9}, {"cursor", newest["next_cursor"]}});
  ASSERT_EQ(oldest["versions"].size(), 1u) << "a newer one changes nothing behind the cursor";
  EXPECT_EQ(oldest["versions"][0]["version"], 1);
  json stale = next;
  stale["list"] = "pl-office";
  const json refused = call("prefix-list.show", stale);
  EXPECT_EQ(refused["error"]["data"]["code"], "changed-meanwhile");
}

TEST_F(PrefixLists, make_no_version_of_what_comes_back_as_it_was) {
  const json edits = {
      {{"do", "prefix-list.remove"}, {"list", "pl-office"}, {"cidr", "203.0.113.0/24"}},
      {{"do", "prefix-list.add"},
       {"list", "pl-office"},
       {"cidr", "203.0.113.0/24"},
       {"description", "head office"}}};
  ASSERT_TRUE(call("policy.edit", {{"edits", edits}}).contains("result"));
  EXPECT_EQ(result_of("prefix-list.list", json::object())["prefix_lists"][0]["version"], 1);
  result_of("prefix-list.remove", {{"cidr", "203.0.113.0/24"}});
  result_of("prefix-list.add", {{"cidr", "203.0.113.0/24"}, {"description", "head office"}});
  const json answer = call("prefix-list.restore", {{"list", "pl-office"}, {"version", 1}});
  EXPECT_EQ(answer["error"]["data"]["code"], "same-version");
}

TEST_F(PrefixLists, of_which_only_descriptions_change_leave_connections_alone) {
  ASSERT_TRUE(call("interface.attach", {{"interface", "eni-web"}, {"group", "sg-office"}})
                  .contains("result"));
  result_of("prefix-list.remove", {{"cidr", "203.0.113.0/24"}});
  result_of("prefix-list.add", {{"cidr", "203.0.113.0/24"}, {"description", "other"}});
  result_of("prefix-list.restore", {{"version", 1}, {"existing", "flush"}});
  const EniIndex web = *registry.interfaces.find("eni-web");
  EXPECT_EQ(engine.published()->find_interface(web)->flush_before, Generation(0));
}

// Whoever can write the state file can write its checksum: what cannot be understood is left out.
TEST_F(PrefixLists, begin_anew_where_what_was_kept_of_them_is_no_good) {
  const StateDirectory state(folder.file("state"));
  Result<std::optional<KeptPolicy>> kept = state.read();
  ASSERT_TRUE(kept && kept->has_value());
  EXPECT_FALSE((*kept)->list_versions.empty());
  (*kept)->list_versions = R"([{"list":"pl-office","versions":[]}])";
  ASSERT_TRUE(state.prepare(**kept));
  ASSERT_TRUE(state.commit());
  stop_server();
  restart_publisher();
  const ApplyOutcome outcome = publisher->restore();
  ASSERT_FALSE(outcome.error);
  ASSERT_EQ(outcome.warnings.size(), 1u);
  EXPECT_NE(outcome.warnings[0].find("versions of prefix lists"), std::string::npos);
  start_server();
  EXPECT_EQ(entries(1), std::vector<std::string>{"203.0.113.0/24 head office"});
}

// A directory in the place of the file: the policy is enforced, but the next start finds another.
TEST_F(PrefixLists, and_all_edits_wait_for_a_policy_that_is_kept) {
  const std::string path = folder.file("state/policy.state");
  std::filesystem::remove(path);
  std::filesystem::create_directories(path + "/in-the-way");
  const ApplyOutcome outcome = apply(policy_with(""));
  ASSERT_FALSE(outcome.error);
  ASSERT_EQ(outcome.warnings.size(), 1u) << "not kept";
  const json unkept = result_of("prefix-list.add", {{"cidr", "198.51.100.0/24"}});
  EXPECT_EQ(unkept["notices"].size(), 1u) << "nor is an edit of it";
  std::filesystem::remove_all(path);
  const json kept = result_of("prefix-list.add", {{"cidr", "192.0.2.0/24"}});
  EXPECT_TRUE(kept["notices"].empty());
  restart();
  EXPECT_EQ(entries(), (std::vector<std::string>{"192.0.2.0/24 ", "198.51.100.0/24 "}));
}

}  // namespace
}  // namespace sluice
