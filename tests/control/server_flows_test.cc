// What clients ask of the flows: lists, counts, ranks, and flows that are flushed.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/control/control_room.h"

namespace sluice {
namespace {

using FlowSockets = ControlRoom;

TEST_F(FlowSockets, lists_all_flows_page_by_page_each_once) {
  for (std::uint32_t i = 0; i < 2'500; ++i) engine.shown_flows.push_back(numbered_flow(i));
  start_server();
  RawClient client(socket());
  std::vector<int> ports;
  nlohmann::json params = {{"limit", 700}};
  for (;;) {
    const nlohmann::json result = client.call("flow.list", params)["result"];
    for (const auto& row : result["flows"]) ports.push_back(row["remote_port"]);
    if (result["next_cursor"].is_null()) break;
    params["cursor"] = result["next_cursor"];
  }
  ASSERT_EQ(ports.size(), 2'500u);
  for (std::size_t i = 0; i < ports.size(); ++i) ASSERT_EQ(ports[i], 1'024 + static_cast<int>(i));
}

TEST_F(FlowSockets, filters_flows_by_every_filter) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  for (std::uint32_t i = 0; i < 60; ++i) engine.shown_flows.push_back(numbered_flow(i));
  start_server();
  RawClient client(socket());
  const auto count = [&](const nlohmann::json& params) {
    return client.call("flow.list", params)["result"]["flows"].size();
  };
  EXPECT_EQ(count(nlohmann::json::object()), 60u);
  EXPECT_EQ(count({{"interface", "eni-admin"}}), 30u);
  EXPECT_EQ(count({{"state", "established"}}), 20u);
  EXPECT_EQ(count({{"address", "198.51.100.0/28"}}), 16u);
  EXPECT_EQ(count({{"address", "198.51.100.5"}}), 1u);
  EXPECT_EQ(count({{"port", 1'030}}), 1u);
  EXPECT_EQ(count({{"port", 443}}), 60u);
  EXPECT_EQ(count({{"protocol", "udp"}}), 0u);
  EXPECT_EQ(count({{"direction", "egress"}}), 0u);
  EXPECT_EQ(count({{"limit", 7}}), 7u);
  EXPECT_EQ(count({{"interface", "eni-admin"}, {"limit", 7}}), 7u);
  EXPECT_EQ(count({{"idle_min", 50}}), 10u);
  EXPECT_EQ(count({{"idle_max", 9}}), 10u);
  EXPECT_EQ(count({{"idle_min", 20}, {"idle_max", 24}}), 5u);
  const auto error = [&](const nlohmann::json& params) {
    return client.call("flow.list", params)["error"]["data"]["code"];
  };
  EXPECT_EQ(error({{"interface", "eni-none"}}), "unknown-interface");
  EXPECT_EQ(error({{"address", "10.0.0"}}), "bad-address");
  EXPECT_EQ(error({{"state", "happy"}}), "bad-state");
  EXPECT_EQ(error({{"port", 70'000}}), "bad-port");
  EXPECT_EQ(error({{"idle_min", 1'000'001}}), "bad-idle");
  EXPECT_EQ(error({{"idle_min", 9}, {"idle_max", 8}}), "bad-idle");
  EXPECT_EQ(error({{"cursor", "x"}}), "bad-cursor");
}

TEST_F(FlowSockets, counts_flows_by_state_and_protocol) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  for (std::uint32_t i = 0; i < 1'200; ++i) engine.shown_flows.push_back(numbered_flow(i % 60));
  engine.shown_flows[0].tuple.proto = Proto::Udp;
  start_server();
  RawClient client(monitor());
  const nlohmann::json all = client.call("flow.count")["result"];
  EXPECT_EQ(all["flows"], 1'200);
  EXPECT_EQ(all["states"], nlohmann::json({{"syn-sent", 800}, {"established", 400}}));
  EXPECT_EQ(all["protocols"], nlohmann::json({{"tcp", 1'199}, {"udp", 1}}));
  EXPECT_TRUE(all["next_cursor"].is_null());
  const nlohmann::json some = client.call("flow.count", {{"protocol", "udp"}})["result"];
  EXPECT_EQ(some["flows"], 1);
  EXPECT_EQ(some["states"], nlohmann::json({{"established", 1}}));
  EXPECT_EQ(client.call("flow.count", {{"state", "happy"}})["error"]["data"]["code"], "bad-state");
}

TEST_F(FlowSockets, flushes_the_flows_that_match_and_only_for_who_may_change) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  for (std::uint32_t i = 0; i < 1'200; ++i) engine.shown_flows.push_back(numbered_flow(i % 60));
  start_server();
  RawClient watcher(monitor());
  EXPECT_EQ(watcher.call("flow.flush")["error"]["data"]["code"], "read-only");
  EXPECT_TRUE(engine.flushed_ports.empty());
  RawClient client(socket());
  EXPECT_EQ(client.call("flow.flush", {{"interface", "eni-none"}})["error"]["data"]["code"],
            "unknown-interface");
  EXPECT_TRUE(engine.flushed_ports.empty()) << "a name that is wrong flushes nothing";
  const nlohmann::json some =
      client.call("flow.flush", {{"address", "198.51.100.5"}, {"port", 443}})["result"];
  EXPECT_EQ(some, nlohmann::json({{"flushed", 20}, {"next_cursor", nullptr}}));
  EXPECT_EQ(engine.flushed_ports, std::vector<std::uint16_t>(20, 1'029));
  EXPECT_EQ(client.call("flow.flush")["result"]["flushed"], 1'200);
}

TEST_F(FlowSockets, ranks_who_has_most_flows_packets_and_bytes) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  for (std::uint32_t i = 0; i < 90; ++i) {
    FlowView view = numbered_flow(i);
    view.tuple.remote = IpAddr::v4(0xc6336400 + (i < 50 ? 1 : i < 80 ? 2 : 3));
    view.packets = {1, 0};
    view.bytes = {i < 50 ? 100u : 1'000u, i < 80 ? 0u : 9'000u};
    engine.shown_flows.push_back(view);
  }
  start_server();
  RawClient client(monitor());
  const auto ranked = [&](const nlohmann::json& params) {
    const nlohmann::json result = client.call("flow.top", params)["result"];
    EXPECT_EQ(result["is_complete"], true);
    std::vector<std::string> names;
    for (const auto& row : result["talkers"]) names.push_back(row["talker"]);
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(ranked({}), Names({"198.51.100.1", "198.51.100.2", "198.51.100.3"}));
  EXPECT_EQ(ranked({{"by", "bytes"}}), Names({"198.51.100.3", "198.51.100.2", "198.51.100.1"}));
  EXPECT_EQ(ranked({{"by", "packets"}, {"limit", 1}}), Names({"198.51.100.1"}));
  EXPECT_EQ(ranked({{"of", "interface"}}), Names({"eni-admin", "eni-web"}));
  EXPECT_EQ(ranked({{"of", "service"}}), Names({"tcp/443"}));
  EXPECT_EQ(ranked({{"of", "local"}, {"protocol", "udp"}}), Names());
  const nlohmann::json first = client.call("flow.top", {{"limit", 1}})["result"]["talkers"][0];
  EXPECT_EQ(first, nlohmann::json({{"talker", "198.51.100.1"},
                                   {"flows", 50},
                                   {"half_open", 33},
                                   {"packets", 50},
                                   {"bytes", 5'000}}));
  EXPECT_EQ(client.call("flow.top", {{"of", "weather"}})["error"]["data"]["code"], "bad-params");
}

}  // namespace
}  // namespace sluice
