#include "control/server/rpc.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "control/server/exit_code.h"
#include "control/server/message.h"

namespace sluice {
namespace {

// Answers with what it was asked.
class EchoHandler : public RequestHandler {
 public:
  Answer handle(const RequestRow& row, const nlohmann::json& params, const Caller&) override {
    methods.push_back(std::string(row.method));
    if (fails) {
      Answer answer = Answer::failed({ErrorKind::LimitExceeded, "too-much", "it is too much", "x"});
      answer.findings.push_back({Severity::Error, "p.toml", 3, 4, "code", "message", true});
      return answer;
    }
    if (size != 0) return Answer{std::string(size, 'x'), std::nullopt, {}};
    return Answer{nlohmann::ordered_json(params), std::nullopt, {}};
  }
  std::vector<std::string> methods;
  bool fails = false;
  std::size_t size = 0;
};

class Rpc : public ::testing::Test {
 protected:
  std::string line(std::string_view text, bool is_monitor = false) {
    Caller caller;
    caller.peer.is_monitor = is_monitor;
    return answer_line(text, caller, handler);
  }
  nlohmann::json ask(std::string_view text, bool is_monitor = false) {
    return nlohmann::json::parse(line(text, is_monitor), nullptr, false);
  }
  int code(std::string_view text) {
    const nlohmann::json answer = ask(text);
    return answer.contains("error") ? answer["error"]["code"].get<int>() : 0;
  }
  EchoHandler handler;
};

TEST_F(Rpc, answers_with_the_id_of_the_request) {
  const nlohmann::json answer = ask(R"({"jsonrpc":"2.0","id":"q-1","method":"hello"})");
  EXPECT_EQ(answer["id"], "q-1");
  EXPECT_EQ(answer["jsonrpc"], "2.0");
  EXPECT_TRUE(answer.contains("result"));
  EXPECT_EQ(handler.methods, std::vector<std::string>{"hello"});
}

TEST_F(Rpc, says_nothing_to_a_notification_but_carries_it_out) {
  EXPECT_EQ(line(R"({"jsonrpc":"2.0","method":"hello"})"), "");
  EXPECT_EQ(handler.methods.size(), 1u);
}

TEST_F(Rpc, tells_the_kinds_of_wrong_requests_apart) {
  EXPECT_EQ(code("{"), kParseError);
  EXPECT_EQ(code("[]"), kInvalidRequest);
  EXPECT_EQ(code("7"), kInvalidRequest);
  EXPECT_EQ(code(R"({"id":1,"method":"hello"})"), kInvalidRequest);
  EXPECT_EQ(code(R"({"jsonrpc":"1.0","id":1,"method":"hello"})"), kInvalidRequest);
  EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1})"), kInvalidRequest);
  EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":7})"), kInvalidRequest);
  EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":[],"method":"hello"})"), kInvalidRequest);
  EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":"hello","params":3})"), kInvalidRequest);
  EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"id":2,"method":"hello"})"), kInvalidRequest);
  EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":"no.such"})"), kMethodNotFound);
  EXPECT_TRUE(handler.methods.empty());
}

TEST_F(Rpc, checks_parameters_by_the_table) {
  EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":"hello","params":{"a":1}})"), kInvalidParams);
  EXPECT_EQ(code(R"({"jsonrpc":"2.0","id":1,"method":"hello","params":[1]})"), kInvalidParams);
  const std::string begin = R"({"jsonrpc":"2.0","id":1,"method":"flow.list","params":)";
  EXPECT_EQ(code(begin + R"({"limit":"7"}})"), kInvalidParams);
  EXPECT_EQ(code(begin + R"({"limit":-7}})"), kInvalidParams);
  EXPECT_EQ(code(begin + R"({"limit":1.5}})"), kInvalidParams);
  EXPECT_EQ(code(begin + R"({"limit":9007199254740993}})"), kInvalidParams);
  EXPECT_EQ(code(begin + R"({"direction":"sideways"}})"), kInvalidParams);
  EXPECT_EQ(code(begin + R"({"direction":"egress","protocol":6,"limit":3}})"), 0);
  EXPECT_EQ(code(begin + R"({"protocol":"tcp","address":"10.0.0.0/8"}})"), 0);
}

TEST_F(Rpc, names_what_is_wrong_with_a_parameter) {
  const nlohmann::json answer =
      ask(R"({"jsonrpc":"2.0","id":1,"method":"policy.apply","params":{"existing":"maybe"}})");
  const std::string message = answer["error"]["message"];
  EXPECT_NE(message.find("existing"), std::string::npos);
  EXPECT_NE(message.find("maybe"), std::string::npos);
  EXPECT_NE(message.find("keep|reevaluate|flush"), std::string::npos);
  EXPECT_EQ(answer["error"]["data"]["exit"], 2);
}

TEST_F(Rpc, refuses_on_the_monitor_socket_whatever_changes_or_is_much_work) {
  std::size_t changing = 0;
  for (const RequestRow& row : requests()) {
    const std::string text =
        R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(row.method) + "\"}";
    const nlohmann::json answer = ask(text, true);
    const bool is_refused =
        answer.contains("error") && answer["error"]["data"]["code"] == "read-only";
    const bool is_watching = row.effect == Effect::Reads || row.effect == Effect::Streams;
    EXPECT_EQ(is_refused, !is_watching) << row.method;
    changing += is_refused ? 1 : 0;
  }
  EXPECT_GE(changing, 1u);
  EXPECT_EQ(handler.methods.size(), requests().size() - changing);
}

TEST_F(Rpc, sends_kind_and_findings_with_an_error) {
  handler.fails = true;
  const nlohmann::json answer = ask(R"({"jsonrpc":"2.0","id":1,"method":"hello"})");
  EXPECT_EQ(answer["error"]["code"], kApplicationError);
  const nlohmann::json& data = answer["error"]["data"];
  EXPECT_EQ(data["code"], "too-much");
  EXPECT_EQ(data["exit"], 5);
  EXPECT_EQ(data["where"], "x");
  EXPECT_EQ(data["errors"][0]["line"], 3);
  EXPECT_EQ(data["errors"][0]["message"], "message");
}

TEST_F(Rpc, answers_a_batch_in_its_order_without_notifications) {
  const nlohmann::json answers = ask(R"([{"jsonrpc":"2.0","id":1,"method":"hello"},
      {"jsonrpc":"2.0","method":"hello"},{"jsonrpc":"2.0","id":2,"method":"no.such"},5])");
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0]["id"], 1);
  EXPECT_EQ(answers[1]["error"]["code"], kMethodNotFound);
  EXPECT_EQ(answers[2]["error"]["code"], kInvalidRequest);
  EXPECT_TRUE(answers[2]["id"].is_null());
}

TEST_F(Rpc, says_nothing_to_a_batch_of_notifications) {
  EXPECT_EQ(line(R"([{"jsonrpc":"2.0","method":"hello"}])"), "");
}

TEST_F(Rpc, bounds_a_batch_by_count_and_by_what_it_answers) {
  std::string many = "[1";
  for (std::size_t i = 1; i <= kBatchMax; ++i) many += ",1";
  EXPECT_EQ(code(many + "]"), kInvalidRequest);
  handler.size = 9u << 20;
  std::string heavy = "[";
  for (int i = 0; i < 10; ++i) {
    heavy += std::string(i == 0 ? "" : ",") + R"({"jsonrpc":"2.0","id":1,"method":"hello"})";
  }
  const nlohmann::json answers = ask(heavy + "]");
  ASSERT_EQ(answers.size(), 10u);
  EXPECT_TRUE(answers[1].contains("result"));
  EXPECT_EQ(answers[2]["error"]["data"]["code"], "batch-too-big");
  EXPECT_EQ(handler.methods.size(), 2u);
}

TEST_F(Rpc, lists_every_request_with_its_parameters) {
  const nlohmann::ordered_json list = requests_to_json();
  ASSERT_EQ(list.size(), requests().size());
  for (const auto& row : list) {
    EXPECT_FALSE(row["sentence"].get<std::string>().empty());
    const RequestRow* request = find_request(row["method"].get<std::string>());
    ASSERT_NE(request, nullptr);
    EXPECT_EQ(row["params"].size(), request->params.size());
  }
}

TEST_F(Rpc, answers_one_line_to_any_bytes) {
  std::mt19937_64 random(11);
  const std::string alphabet = "{}[]\":,0123456789.eE+-truefalsnc \\u\"jsonrpcmethodid\xc3\xff";
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::size_t k = random() % 60; k > 0; --k) text += alphabet[random() % alphabet.size()];
    const std::string answer = line(text);
    ASSERT_EQ(answer.find('\n'), std::string::npos);
    ASSERT_TRUE(answer.empty() || nlohmann::json::accept(answer)) << text;
  }
}

TEST(ExitCode, is_the_same_after_a_round_trip) {
  for (int code = 1; code <= 7; ++code) EXPECT_EQ(exit_code_of(error_kind_of(code)), code);
  EXPECT_EQ(error_kind_of(99), ErrorKind::Failed);
}

}  // namespace
}  // namespace sluice
