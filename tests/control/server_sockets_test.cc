// The server as its clients meet it: real unix sockets, raw bytes, and a fake engine behind.

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "control/server/client.h"
#include "control/server/listener.h"
#include "control/server/rpc.h"
#include "control/server/version.h"
#include "tests/control/control_room.h"

namespace sluice {
namespace {

class Sockets : public ControlRoom {
 protected:
  // True once nothing comes any more because the other side closed.
  static bool is_cut(RawClient& client) {
    while (client.line()) {
    }
    pollfd one{client.fd(), POLLIN, 0};
    return ::poll(&one, 1, 0) == 1;
  }
};

TEST_F(Sockets, says_hello_with_product_version_protocol_and_generation) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  start_server();
  RawClient client(socket());
  EXPECT_EQ(client.call("hello")["result"], nlohmann::json({{"product", "sluice"},
                                                            {"version", kProductVersion},
                                                            {"protocol", kProtocolVersion},
                                                            {"generation", 1}}));
}

TEST_F(Sockets, opens_its_sockets_to_owner_and_group_only) {
  start_server();
  for (const std::string& path : {socket(), monitor()}) {
    struct stat facts {};
    ASSERT_EQ(::stat(path.c_str(), &facts), 0);
    EXPECT_TRUE(S_ISSOCK(facts.st_mode));
    EXPECT_EQ(facts.st_mode & 0777, 0660u) << path;
  }
  stop_server();
  EXPECT_FALSE(std::filesystem::exists(socket()));
  EXPECT_FALSE(std::filesystem::exists(monitor()));
}

TEST_F(Sockets, refuses_a_path_that_is_in_use_and_leaves_it_working) {
  start_server();
  const Result<Listener> second = Listener::open(socket());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, "socket-in-use");
  EXPECT_NE(second.error().sentence.find(socket()), std::string::npos);
  RawClient client(socket());
  EXPECT_TRUE(client.call("hello").contains("result"));
}

TEST_F(Sockets, replaces_a_socket_that_nobody_listens_on) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket().c_str(), socket().size() + 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
  start_server();
  RawClient client(socket());
  EXPECT_TRUE(client.call("hello").contains("result"));
}

TEST_F(Sockets, leaves_alone_what_is_no_socket) {
  folder.write("control.sock", "precious");
  const Result<Listener> listener = Listener::open(socket());
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code, "socket-path");
  EXPECT_EQ(read_text(socket()), "precious");
}

TEST_F(Sockets, names_a_path_that_is_too_long_and_a_folder_that_is_not_there) {
  const Result<Listener> too_long = Listener::open("/" + std::string(200, 'x'));
  ASSERT_FALSE(too_long);
  EXPECT_NE(too_long.error().sentence.find("107"), std::string::npos);
  EXPECT_FALSE(Listener::open(folder.file("no/such/folder/socket")));
  EXPECT_TRUE(Listener::open(folder.file("new/socket")));
}

TEST_F(Sockets, answers_requests_in_order_though_they_come_in_pieces) {
  start_server();
  RawClient client(socket());
  std::string all;
  for (int i = 0; i < 300; ++i) {
    all += R"({"jsonrpc":"2.0","id":)" + std::to_string(i) + R"(,"method":"hello"})" + "\n";
  }
  for (std::size_t at = 0; at < all.size(); at += 777)
    ASSERT_TRUE(client.send(all.substr(at, 777)));
  for (int i = 0; i < 300; ++i) ASSERT_EQ(client.answer()["id"], i);
}

TEST_F(Sockets, answers_the_last_request_of_a_client_that_ends_its_input) {
  start_server();
  RawClient client(socket());
  client.send(R"({"jsonrpc":"2.0","id":1,"method":"hello"})");  // and no newline
  client.end_input();
  EXPECT_EQ(client.answer()["id"], 1);
  EXPECT_FALSE(client.line());
}

TEST_F(Sockets, lives_on_after_garbage) {
  start_server();
  RawClient client(socket());
  EXPECT_EQ(client.ask("hello?")["error"]["code"], kParseError);
  EXPECT_EQ(client.ask(std::string("\0\xff\x1b", 3))["error"]["code"], kParseError);
  EXPECT_EQ(client.ask(std::string(100, '['))["error"]["code"], kInvalidRequest);
  EXPECT_EQ(client.ask(R"({"a":1,"a":2})")["error"]["code"], kInvalidRequest);
  client.send("\n  \n\r\n");
  EXPECT_TRUE(client.call("hello").contains("result"));
}

TEST_F(Sockets, skips_a_message_over_16_mib_and_says_so) {
  start_server();
  RawClient client(socket());
  std::thread writer([&] {
    const std::string piece(1u << 20, 'x');
    for (int i = 0; i < 17; ++i) client.send(piece);
    client.send("\n");
    client.send("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"hello\"}\n");
  });
  const nlohmann::json refused = client.answer();
  EXPECT_EQ(refused["error"]["code"], kInvalidRequest);
  EXPECT_NE(refused["error"]["message"].get<std::string>().find("16777216"), std::string::npos);
  EXPECT_EQ(client.answer()["id"], 2);
  writer.join();
}

TEST_F(Sockets, keeps_half_of_64_connections_for_each_socket) {
  start_server();
  std::vector<std::unique_ptr<RawClient>> monitors;
  for (std::size_t i = 0; i < kClientsMax / 2; ++i) {
    monitors.push_back(std::make_unique<RawClient>(monitor()));
    ASSERT_TRUE(monitors.back()->call("hello").contains("result")) << i;
  }
  RawClient one_more(monitor());
  const nlohmann::json answer = one_more.answer();
  EXPECT_EQ(answer["error"]["data"]["code"], "too-many-clients");
  EXPECT_EQ(answer["error"]["data"]["exit"], 5);
  EXPECT_TRUE(is_cut(one_more));
  std::vector<std::unique_ptr<RawClient>> controls;
  for (std::size_t i = 0; i < kClientsMax / 2; ++i) {
    controls.push_back(std::make_unique<RawClient>(socket()));
    ASSERT_TRUE(controls.back()->call("hello").contains("result")) << i;
  }
  RawClient another(socket());
  EXPECT_EQ(another.answer()["error"]["data"]["code"], "too-many-clients");
  controls.pop_back();
  // The server sees the closed one at its next turn.
  bool is_in = false;
  for (int i = 0; i < 100 && !is_in; ++i) {
    RawClient again(socket());
    is_in = again.call("hello").contains("result");
  }
  EXPECT_TRUE(is_in);
}

TEST_F(Sockets, cuts_a_monitor_that_never_asks_anything_and_nobody_else) {
  ConnectionLimits limits;
  limits.unasked_max_ms = 200;
  start_server(limits);
  RawClient operator_client(socket());
  RawClient asked(monitor());
  ASSERT_TRUE(asked.call("hello").contains("result"));
  RawClient idle(monitor());
  ASSERT_TRUE(idle.send("{\"jsonrpc\":"));  // half a line is no question
  EXPECT_TRUE(is_cut(idle));
  EXPECT_TRUE(asked.call("hello").contains("result"));
  EXPECT_TRUE(operator_client.call("hello").contains("result"));
}

TEST_F(Sockets, cuts_a_client_that_does_not_read_and_serves_the_others) {
  for (std::uint32_t i = 0; i < 2'000; ++i) engine.shown_flows.push_back(numbered_flow(i));
  ConnectionLimits limits;
  limits.output_calm = 10'000;
  limits.stall_max_ms = 200;
  start_server(limits);
  RawClient slow(socket());
  // Enough answers to fill every buffer between us, none of which is read.
  for (int i = 0; i < 40; ++i) {
    if (!slow.send(R"({"jsonrpc":"2.0","id":1,"method":"flow.list"})"
                   "\n")) {
      break;
    }
  }
  RawClient other(socket());
  for (int i = 0; i < 8; ++i) {
    EXPECT_TRUE(other.call("hello").contains("result"));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_TRUE(is_cut(slow));
  EXPECT_TRUE(other.call("hello").contains("result"));
}

TEST_F(Sockets, refuses_changes_on_the_monitor_socket) {
  start_server();
  RawClient client(monitor());
  const nlohmann::json answer =
      client.call("policy.apply", {{"document", std::string(kWebPolicy)}});
  EXPECT_EQ(answer["error"]["data"]["code"], "read-only");
  EXPECT_EQ(engine.publish_count, 0);
  EXPECT_TRUE(client.call("stats").contains("result"));
}

TEST_F(Sockets, applies_a_document_sent_inline_as_json_or_as_text) {
  start_server();
  RawClient client(socket());
  nlohmann::json answer =
      client.call("policy.apply", {{"document", std::string(kWebPolicy)}, {"comment", "first"}});
  EXPECT_EQ(answer["result"]["generation"], 1);
  answer = client.call("policy.apply",
                       {{"document", {{"vpc", {{{"id", "vpc-x"}, {"cidrs", {"10.0.0.0/8"}}}}}}}});
  EXPECT_EQ(answer["result"]["generation"], 2) << answer;
  EXPECT_EQ(client.call("policy.show")["result"]["document"]["vpc"][0]["id"], "vpc-x");
  EXPECT_EQ(client.call("hello")["result"]["generation"], 2);
}

TEST_F(Sockets, applies_a_document_from_a_descriptor_whatever_its_offset) {
  start_server();
  const std::string path = folder.write("policy.toml", kWebPolicy);
  const int fd = ::open(path.c_str(), O_RDONLY);
  ASSERT_GE(::lseek(fd, 100, SEEK_SET), 0);
  RawClient client(socket());
  ASSERT_TRUE(client.send_with_descriptor(
      R"({"jsonrpc":"2.0","id":1,"method":"policy.apply","params":{"file":"p.toml"}})"
      "\n",
      fd));
  ::close(fd);
  const nlohmann::json answer = client.answer();
  EXPECT_EQ(answer["result"]["generation"], 1) << answer;
  EXPECT_EQ(client.call("policy.show")["result"]["file"], "p.toml");
}

TEST_F(Sockets, writes_the_uid_of_the_peer_down) {
  start_server();
  // As root another user asks, so that an uid of 0 cannot pass for one that was never read.
  constexpr uid_t kNobody = 65'534;
  const uid_t uid = ::getuid() == 0 ? kNobody : ::getuid();
  std::filesystem::permissions(folder.file(""), std::filesystem::perms::all);
  ASSERT_EQ(::chmod(socket().c_str(), 0666), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::getuid() == 0 && ::setuid(kNobody) != 0) ::_exit(2);
    RawClient client(socket());
    const nlohmann::json params = {{"document", std::string(kWebPolicy)}};
    ::_exit(client.call("policy.apply", params).contains("result") ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  RawClient client(socket());
  EXPECT_EQ(client.call("policy.show")["result"]["author_uid"], uid);
}

TEST_F(Sockets, refuses_descriptors_that_are_no_files) {
  start_server();
  RawClient client(socket());
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const std::string request = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"policy.check\"}\n";
  client.send_with_descriptor(request, pipe[0]);
  EXPECT_EQ(client.answer()["error"]["data"]["code"], "not-a-file");
  // Regular by name, but whoever serves it may keep the reader waiting, as on FUSE.
  const int kernel_file = ::open("/proc/self/limits", O_RDONLY);
  ASSERT_GE(kernel_file, 0);
  client.send_with_descriptor(request, kernel_file);
  EXPECT_EQ(client.answer()["error"]["data"]["code"], "not-a-file");
  ::close(kernel_file);
  const int null = ::open("/dev/zero", O_RDONLY);
  client.send_with_descriptor(request, null);
  EXPECT_EQ(client.answer()["error"]["data"]["code"], "not-a-file");
  const int write_only = ::open(folder.file("w").c_str(), O_WRONLY | O_CREAT, 0600);
  client.send_with_descriptor(request, write_only);
  EXPECT_EQ(client.answer()["error"]["data"]["code"], "file-unreadable");
  EXPECT_EQ(client.ask(request)["error"]["data"]["code"], "no-document");
  for (const int fd : {pipe[0], pipe[1], null, write_only}) ::close(fd);
}

TEST_F(Sockets, refuses_a_file_over_1_gib_without_reading_it) {
  start_server();
  const int fd = ::memfd_create("big", 0);
  ASSERT_EQ(::ftruncate(fd, (off_t{1} << 30) + 1), 0);
  RawClient client(socket());
  client.send_with_descriptor("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"policy.apply\"}\n", fd);
  ::close(fd);
  const nlohmann::json answer = client.answer();
  EXPECT_EQ(answer["error"]["data"]["code"], "file-too-big");
  EXPECT_EQ(answer["error"]["data"]["exit"], 5);
}

TEST_F(Sockets, keeps_no_descriptor_of_clients_that_send_many) {
  start_server();
  const auto open_count = [] {
    const auto begin = std::filesystem::directory_iterator("/proc/self/fd");
    return std::distance(begin, std::filesystem::directory_iterator());
  };
  const auto before = open_count();
  {
    RawClient client(socket());
    const int fd = ::open("/dev/null", O_RDONLY);
    for (int i = 0; i < 100; ++i) {
      client.send_with_descriptor("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\"}\n", fd);
      ASSERT_TRUE(client.answer().contains("result"));
    }
    EXPECT_LT(open_count(), before + 12);
    ::close(fd);
  }
  for (int i = 0; i < 100 && open_count() > before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(open_count(), before);
}

TEST_F(Sockets, lists_every_error_of_a_document_with_its_place) {
  start_server();
  RawClient client(socket());
  const nlohmann::json answer =
      client.call("policy.apply",
                  {{"document", "[[vpc]]\nid = 3\n[[subnet]]\nid = 4\n"}, {"file", "bad.toml"}});
  EXPECT_EQ(answer["error"]["data"]["exit"], 4);
  const nlohmann::json& errors = answer["error"]["data"]["errors"];
  ASSERT_GE(errors.size(), 2u);
  EXPECT_EQ(errors[0]["file"], "bad.toml");
  EXPECT_GE(errors[0]["line"], 1);
  EXPECT_EQ(client.call("hello")["result"]["generation"], 0);
}

TEST_F(Sockets, checks_a_document_without_enforcing_it) {
  start_server();
  RawClient client(socket());
  const nlohmann::json good = client.call("policy.check", {{"document", std::string(kWebPolicy)}});
  EXPECT_EQ(good["result"]["exit"], 0);
  EXPECT_TRUE(good["result"]["errors"].empty());
  const nlohmann::json bad = client.call("policy.check", {{"document", "[[vpc]]\nid = 3\n"}});
  EXPECT_EQ(bad["result"]["exit"], 4);
  EXPECT_FALSE(bad["result"]["errors"].empty());
  EXPECT_EQ(engine.publish_count, 0);
}

TEST_F(Sockets, explains_one_question_or_many) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  start_server();
  RawClient client(monitor());
  nlohmann::json query = {{"interface", "eni-web"},     {"direction", "ingress"},
                          {"protocol", "tcp"},          {"source", "198.51.100.7"},
                          {"destination", "10.0.1.10"}, {"destination_port", 443}};
  EXPECT_EQ(client.call("explain", query)["result"]["verdict"], "accept");
  nlohmann::json other = query;
  other["interface"] = "eni-none";
  EXPECT_EQ(client.call("explain", other)["error"]["data"]["code"], "unknown-interface");
  const nlohmann::json many = client.call("explain", {{"queries", {query, other, 7}}});
  const nlohmann::json& answers = many["result"]["answers"];
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0]["verdict"], "accept");
  EXPECT_EQ(answers[1]["error"]["code"], "unknown-interface");
  EXPECT_EQ(answers[2]["error"]["code"], "bad-query");
}

TEST_F(Sockets, shows_no_policy_as_an_error) {
  start_server();
  RawClient client(socket());
  EXPECT_EQ(client.call("policy.show")["error"]["data"]["code"], "no-policy");
}

TEST_F(Sockets, shows_the_policy_as_it_was_written) {
  ASSERT_FALSE(apply(std::string("# mine\n") + std::string(kWebPolicy)).error);
  start_server();
  RawClient client(socket());
  const std::string text = client.call("policy.show", {{"as_written", true}})["result"]["text"];
  EXPECT_TRUE(text.starts_with("# mine\n"));
}

#if SLUICE_HAS_HYPERSCAN
// Signatures that take a good second to compile.
std::string policy_with_slow_signatures() {
  std::string text(kWebPolicy);
  for (int i = 0; i < 5; ++i) {
    const std::string number = std::to_string(i);
    text += "[[signature]]\nid='s" + number + "'\npattern='x" + number +
            "(a[bc]){500}'\naction='alert'\n";
  }
  return text;
}

TEST_F(Sockets, answers_others_while_signatures_are_compiled) {
  start_server();
  RawClient slow(socket());
  RawClient other(socket());
  const nlohmann::json request = {
      {"jsonrpc", "2.0"},
      {"id", 7},
      {"method", "policy.apply"},
      {"params", {{"document", policy_with_slow_signatures()}, {"file", "policy.toml"}}}};
  ASSERT_TRUE(
      slow.send(request.dump() + "\n" + R"({"jsonrpc":"2.0","id":8,"method":"hello"})" + "\n"));
  slow.end_input();
  EXPECT_EQ(other.call("hello")["result"]["generation"], 0);
  pollfd one{slow.fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&one, 1, 0), 0) << "there is no answer yet";
  EXPECT_EQ(other.call("hello")["result"]["generation"], 0);
  const nlohmann::json applied = slow.answer();
  EXPECT_EQ(applied["id"], 7) << applied;
  EXPECT_EQ(applied["result"]["generation"], 1) << applied;
  const nlohmann::json behind = slow.answer();
  EXPECT_EQ(behind["id"], 8) << "its own requests keep their order";
  EXPECT_EQ(behind["result"]["generation"], 1);
  EXPECT_EQ(other.call("hello")["result"]["generation"], 1);
}
#endif

TEST_F(Sockets, streams_drops_that_match_and_ends_with_a_line) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  NicStatus nic;
  nic.nic = NicIndex(0);
  nic.id = "up";
  engine.shown_nics.push_back(nic);
  for (int i = 0; i < 6; ++i) {
    WatchEvent event;
    event.nic = NicIndex(0);
    event.reason = i % 2 == 0 ? DropReason::NoRule : DropReason::NotIp;
    event.has_tuple = i % 2 == 0;
    event.tuple = numbered_flow(0).tuple;
    event.length = static_cast<std::uint32_t>(60 + i);
    engine.events.push_back(event);
  }
  start_server();
  RawClient client(monitor());
  const nlohmann::json begin = client.call("drop.watch", {{"reason", "no-rule"}, {"limit", 3}});
  const auto stream = begin["result"]["stream"].get<std::uint64_t>();
  for (int i = 0; i < 3; ++i) {
    const nlohmann::json line = client.answer();
    EXPECT_EQ(line["method"], "drop.watch");
    EXPECT_FALSE(line.contains("id"));
    EXPECT_EQ(line["params"]["stream"], stream);
    EXPECT_EQ(line["params"]["reason"], "no-rule");
    EXPECT_EQ(line["params"]["length"], 60 + 2 * i);
    EXPECT_EQ(line["params"]["port"], "up");
    EXPECT_EQ(line["params"]["interface"], "eni-web");
  }
  const nlohmann::json end = client.answer();
  EXPECT_EQ(end["params"]["end"], true);
  EXPECT_EQ(end["params"]["reason"], "limit");
  EXPECT_TRUE(client.call("hello").contains("result"));
}

TEST_F(Sockets, ends_streams_on_request_and_when_the_appliance_stops) {
  start_server();
  RawClient client(socket());
  const auto first = client.call("flow.watch")["result"]["stream"].get<std::uint64_t>();
  const auto second = client.call("drop.watch")["result"]["stream"].get<std::uint64_t>();
  EXPECT_NE(first, second);
  client.send(R"({"jsonrpc":"2.0","id":9,"method":"stream.stop","params":{"stream":)" +
              std::to_string(first) + "}}\n");
  const nlohmann::json end = client.answer();
  EXPECT_EQ(end["method"], "flow.watch");
  EXPECT_EQ(end["params"]["end"], true);
  EXPECT_EQ(client.answer()["id"], 9);
  EXPECT_EQ(client.call("stream.stop", {{"stream", first}})["error"]["data"]["code"],
            "unknown-stream");
  stop_server();
  const nlohmann::json last = client.answer();
  EXPECT_EQ(last["method"], "drop.watch");
  EXPECT_EQ(last["params"]["end"], true);
}

TEST_F(Sockets, makes_workers_tell_events_only_while_somebody_watches) {
  start_server();
  {
    RawClient client(socket());
    ASSERT_TRUE(client.call("flow.watch").contains("result"));
    EXPECT_TRUE(engine.watches_flows);
    EXPECT_FALSE(engine.watches_drops);
  }
  for (int i = 0; i < 100; ++i) {
    RawClient other(socket());
    ASSERT_TRUE(other.call("hello").contains("result"));
    if (!engine.watches_flows) break;
  }
  stop_server();
  EXPECT_FALSE(engine.watches_flows);
}

TEST_F(Sockets, repeats_stats_at_the_interval) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  start_server();
  RawClient client(socket());
  ASSERT_TRUE(client.call("stats.watch", {{"interval", 1}, {"limit", 2}}).contains("result"));
  EXPECT_EQ(client.answer()["params"]["generation"], 1);
  EXPECT_EQ(client.answer()["params"]["generation"], 1);
  EXPECT_EQ(client.answer()["params"]["end"], true);
  EXPECT_EQ(client.call("stats.watch", {{"interval", 0}})["error"]["data"]["code"], "bad-interval");
}

TEST_F(Sockets, measures_stages_only_while_somebody_asks_and_tells_of_that_time) {
  start_server();
  StageTimes before;
  before.packets = 1'000'000;
  before.cycles[static_cast<std::size_t>(StageName::Parse)] = 77'000'000;
  engine.shown_times = {before};
  RawClient client(socket());
  EXPECT_FALSE(engine.watches_stages);
  ASSERT_TRUE(client.call("stats.stages", {{"interval", 1}, {"limit", 1}}).contains("result"));
  EXPECT_TRUE(engine.watches_stages);
  // What the worker had counted before is not told.
  const nlohmann::json event = client.answer()["params"];
  EXPECT_EQ(event["cycles_per_second"], 2'000'000'000);
  EXPECT_EQ(event["workers"][0]["packets"], 0);
  const auto& parse = event["workers"][0]["stages"][static_cast<std::size_t>(StageName::Parse)];
  EXPECT_EQ(parse["stage"], "parse");
  EXPECT_EQ(parse["cycles"], 0);
  EXPECT_TRUE(event["workers"][0]["cycles_per_packet"].is_null());
  EXPECT_TRUE(event["workers"][0]["burst_ns"].is_null());
  EXPECT_EQ(client.answer()["params"]["end"], true);
  ASSERT_TRUE(client.call("hello").contains("result"));
  EXPECT_FALSE(engine.watches_stages);
}

TEST_F(Sockets, sums_up_what_the_workers_count) {  // CT-28
  ASSERT_FALSE(apply(kWebPolicy).error);
  NicStatus nic;
  nic.nic = NicIndex(0);
  nic.id = "web-1";
  engine.shown_nics.push_back(nic);
  NicCounters counters;
  counters.rx_packets = 100;
  counters.generated = 5;
  counters.tx_packets = 90;
  counters.consumed = 4;
  counters.drops[static_cast<std::size_t>(DropReason::NoRule)] = 8;
  engine.shown_counters.nics.push_back(counters);
  WorkerCounters worker;
  worker.packets = counters;
  worker.held = 2;
  worker.flows = 11;
  worker.flow_capacity = 1'000;
  engine.shown_counters.workers.push_back(worker);
  start_server();
  RawClient client(socket());
  const nlohmann::json stats = client.call("stats")["result"];
  EXPECT_EQ(stats["generation"], 1);
  EXPECT_EQ(stats["totals"]["dropped"], 8);
  EXPECT_EQ(stats["totals"]["unaccounted"], 1);  // 100 + 5 - 90 - 8 - 4 - 2
  EXPECT_EQ(stats["flows"]["live"], 11);
  EXPECT_EQ(stats["flows"]["available"], 989);
  EXPECT_EQ(stats["flows"]["conntrack_allowance_available"], 1'000);
  EXPECT_EQ(stats["ports"][0]["port"], "web-1");
  EXPECT_EQ(stats["ports"][0]["drops"], nlohmann::json({{"no-rule", 8}}));
  EXPECT_EQ(stats["interfaces"][0]["drops"], nlohmann::json({{"no-rule", 7}}));
  EXPECT_GT(stats["policy"]["snapshot_bytes"], 0);
  EXPECT_EQ(stats["policy"]["interfaces"], 2);
}

TEST_F(Sockets, tells_the_allowance_of_each_interface_as_aws_names_it) {  // CT-28
  std::string policy(kWebPolicy);
  const std::string groups = "security_groups = [\"sg-web\"]\n";
  policy.insert(policy.find(groups), "tracking = { allowance = 100 }\n");
  ASSERT_FALSE(apply(policy).error);
  WorkerCounters worker;
  worker.flow_capacity = 1'000;
  worker.tracked = 950;
  worker.flows = 990;
  worker.flows_refused = 33;
  worker.half_open = 5;
  worker.unanswered = 6;
  engine.shown_counters.workers.push_back(worker);
  engine.exceeded_of_each_kind = 11;
  start_server();
  RawClient client(socket());
  const nlohmann::json stats = client.call("stats")["result"];
  EXPECT_EQ(stats["flows"]["conntrack_allowance_exceeded"], 33);
  EXPECT_EQ(stats["flows"]["conntrack_allowance_available"], 50);
  EXPECT_EQ(stats["flows"]["half_open"], 5);
  EXPECT_EQ(stats["flows"]["unanswered"], 6);
  const nlohmann::json listed = client.call("interface.list")["result"]["interfaces"];
  for (const nlohmann::json& rows : {stats["interfaces"], listed}) {
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0]["interface"], "eni-web");
    EXPECT_EQ(rows[0]["allowance"], 100);
    EXPECT_EQ(rows[0]["tracked"], 40);
    EXPECT_EQ(rows[0]["half_open"], 3);
    EXPECT_EQ(rows[0]["unanswered"], 2);
    EXPECT_EQ(rows[0]["conntrack_allowance_exceeded"], 33);
    EXPECT_EQ(rows[0]["conntrack_allowance_available"], 50) << "the table has no more";
    EXPECT_TRUE(rows[1]["allowance"].is_null());
  }
}

TEST_F(Sockets, lists_interfaces_groups_ports_and_workers) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  engine.shown_nics.resize(1);
  engine.shown_counters.workers.resize(3);
  start_server();
  RawClient client(socket());
  const nlohmann::json interfaces = client.call("interface.list")["result"]["interfaces"];
  ASSERT_EQ(interfaces.size(), 2u);
  EXPECT_EQ(interfaces[0]["interface"], "eni-web");
  EXPECT_EQ(interfaces[0]["vpc"], "vpc-a");
  EXPECT_EQ(interfaces[0]["addresses"], nlohmann::json({"10.0.1.10", "fd00:10:0:1::10"}));
  EXPECT_EQ(interfaces[0]["security_groups"], nlohmann::json({"sg-web"}));
  const nlohmann::json page = client.call("interface.list", {{"limit", 1}})["result"];
  EXPECT_EQ(page["next_cursor"], "1");
  EXPECT_EQ(
      client.call("interface.list", {{"cursor", "1"}})["result"]["interfaces"][0]["interface"],
      "eni-admin");
  const nlohmann::json groups =
      client.call("group.list", {{"group", "sg-web"}})["result"]["groups"];
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0]["interfaces"], 1);
  EXPECT_EQ(groups[0]["ingress"][0]["text"], "tcp 443 from 0.0.0.0/0, HTTPS");
  EXPECT_EQ(groups[0]["ingress"][1]["tags"], nlohmann::json({{"ticket", "NET-7"}}));  // SG-17
  EXPECT_EQ(client.call("group.list", {{"group", "sg-x"}})["error"]["data"]["code"],
            "unknown-group");
  EXPECT_EQ(client.call("port.list")["result"]["ports"].size(), 1u);
  EXPECT_EQ(client.call("worker.list")["result"]["workers"].size(), 3u);
}

TEST_F(Sockets, serves_the_client_of_the_command_line) {
  start_server();
  Result<Client> client = Client::connect(socket());
  ASSERT_TRUE(client);
  Result<Reply> reply = client->call("hello", nlohmann::json::object(), 5'000);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->result["product"], "sluice");
  reply = client->call("policy.apply", {{"expected_generation", 9}, {"document", "x"}}, 5'000);
  ASSERT_TRUE(reply);
  ASSERT_TRUE(reply->error);
  EXPECT_EQ(reply->error->kind, ErrorKind::Conflict);
}

TEST_F(Sockets, tells_a_client_that_nobody_listens_or_nobody_answers) {
  const Result<Client> nobody = Client::connect(folder.file("none.sock"));
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, ErrorKind::NoDaemon);
  const Result<Listener> silent = Listener::open(folder.file("silent.sock"));
  ASSERT_TRUE(silent);
  Result<Client> client = Client::connect(folder.file("silent.sock"));
  ASSERT_TRUE(client);
  const Result<Reply> reply = client->call("hello", nlohmann::json::object(), 50);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::TimedOut);
}

}  // namespace
}  // namespace sluice
