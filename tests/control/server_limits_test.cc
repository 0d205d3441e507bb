// What one request or one client may cost the appliance, and what it is told beyond that.

#include <chrono>
#include <new>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "control/server/rpc.h"
#include "tests/control/control_room.h"

namespace sluice {
namespace {

class ServerLimits : public ControlRoom {};

TEST_F(ServerLimits, ticks_at_once_and_then_about_once_a_second) {
  Handlers own({engine, *publisher, nullptr, {}});
  int ticks = 0;
  ServerOptions options;
  options.socket = socket();
  options.on_tick = [&] { ++ticks; };
  auto opened = Server::open(options, own);
  ASSERT_TRUE(opened) << opened.error().sentence;
  for (int i = 0; i < 5; ++i) (*opened)->run_once(0);
  EXPECT_EQ(ticks, 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(1'050));
  (*opened)->run_once(0);
  EXPECT_EQ(ticks, 2);
}

TEST_F(ServerLimits, explains_ten_thousand_packets_in_one_request_and_no_more) {
  start_server();
  RawClient client(monitor());
  nlohmann::json queries = nlohmann::json::array();
  for (std::size_t i = 0; i < kQueriesMax; ++i) queries.push_back(nlohmann::json::object());
  EXPECT_EQ(client.call("explain", {{"queries", queries}})["result"]["answers"].size(),
            kQueriesMax);
  queries.push_back(nlohmann::json::object());
  const nlohmann::json answer = client.call("explain", {{"queries", queries}});
  EXPECT_EQ(answer["error"]["data"]["code"], "too-many-queries");
  EXPECT_EQ(answer["error"]["data"]["exit"], 5);
}

TEST_F(ServerLimits, takes_names_and_comments_of_four_kibibytes) {
  start_server();
  RawClient client(socket());
  for (const char* name : {"file", "comment"}) {
    nlohmann::json params = {{"document", "account = 'a'"}, {name, std::string(4'096, 'x')}};
    EXPECT_TRUE(client.call("policy.apply", params).contains("result")) << name;
    params[name] = std::string(4'097, 'x');
    const nlohmann::json answer = client.call("policy.apply", params);
    EXPECT_EQ(answer["error"]["code"], kInvalidParams) << name;
    EXPECT_EQ(answer["error"]["data"]["exit"], 2) << name;
  }
}

TEST_F(ServerLimits, gives_eight_streams_to_one_connection) {
  start_server();
  RawClient client(socket());
  for (std::size_t i = 0; i < kStreamsPerConnectionMax; ++i) {
    EXPECT_TRUE(client.call("drop.watch").contains("result")) << i;
  }
  EXPECT_EQ(client.call("drop.watch")["error"]["data"]["code"], "too-many-streams");
  RawClient other(socket());
  EXPECT_TRUE(other.call("drop.watch").contains("result"));
}

TEST_F(ServerLimits, ends_a_page_of_groups_before_it_grows_out_of_a_message) {
  nlohmann::json groups = nlohmann::json::array();
  for (int g = 0; g < 30; ++g) {
    nlohmann::json rules = nlohmann::json::array();
    for (int i = 0; i < 1'000; ++i) {
      rules.push_back({{"protocol", "tcp"},
                       {"ports", 1 + i},
                       {"source", "0.0.0.0/0"},
                       {"description", std::string(250, 'd')}});
    }
    const std::string id = "sg-" + std::to_string(g);
    groups.push_back({{"id", id}, {"name", "g" + id}, {"vpc", "vpc-a"}, {"ingress", rules}});
  }
  const nlohmann::json policy = {{"vpc", {{{"id", "vpc-a"}, {"cidrs", {"10.0.0.0/16"}}}}},
                                 {"security_group", groups}};
  const ApplyOutcome outcome = apply(policy.dump());
  ASSERT_FALSE(outcome.error) << outcome.error->sentence;
  start_server();
  RawClient client(socket());
  std::size_t seen = 0;
  std::size_t pages = 0;
  nlohmann::json params = nlohmann::json::object();
  for (bool is_last = false; !is_last && pages < 10; ++pages) {
    const nlohmann::json answer = client.call("group.list", params);
    ASSERT_TRUE(answer.contains("result")) << answer.dump().substr(0, 200);
    EXPECT_LE(answer.dump().size(), (8u << 20) + 1'000);
    seen += answer["result"]["groups"].size();
    is_last = answer["result"]["next_cursor"].is_null();
    params["cursor"] = answer["result"]["next_cursor"];
  }
  EXPECT_EQ(seen, 31u);  // with the default group of the VPC
  EXPECT_GE(pages, 2u);
}

class Exhausted final : public RequestHandler {
 public:
  Answer handle(const RequestRow&, const nlohmann::json&, const Caller&) override {
    throw std::bad_alloc();
  }
};

TEST(RpcFailure, answers_a_request_that_throws_and_lives_on) {
  Exhausted handler;
  const nlohmann::json answer = nlohmann::json::parse(
      answer_line(R"({"jsonrpc":"2.0","id":7,"method":"hello"})", Caller(), handler));
  EXPECT_EQ(answer["id"], 7);
  EXPECT_EQ(answer["error"]["code"], kInternalError);
  EXPECT_EQ(answer["error"]["data"]["exit"], 1);
}

}  // namespace
}  // namespace sluice
