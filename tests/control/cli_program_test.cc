// sluicectl as people run it: the built program in a process of its own, with and without a
// daemon to talk to.

#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "control/cli/escape.h"
#include "tests/control/control_room.h"

namespace sluice {
namespace {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

class Program : public ControlRoom {
 protected:
  // Runs sluicectl with stdin from a text, and with nothing of our environment that matters.
  Outcome run(const std::vector<std::string>& words, const std::string& in = "") {
    const std::string in_path = folder.write("stdin", in);
    const std::string out_path = folder.file("stdout");
    const std::string err_path = folder.file("stderr");
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(::open(in_path.c_str(), O_RDONLY), STDIN_FILENO);
      ::dup2(::open(out_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
      ::dup2(::open(err_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      std::vector<char*> arguments = {const_cast<char*>(SLUICECTL)};
      for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
      arguments.push_back(nullptr);
      ::execv(SLUICECTL, arguments.data());
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(out_path), read_text(err_path)};
  }
  // The same against the daemon of this test.
  Outcome ask(std::vector<std::string> words, const std::string& in = "") {
    words.insert(words.begin(), {"-s", socket()});
    return run(words, in);
  }
  std::string web_policy() const { return folder.write("web.toml", kWebPolicy); }
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

const std::string kQuery =
    R"({"interface":"eni-web","direction":"ingress","protocol":"tcp","source":"198.51.100.7",)"
    R"("destination":"10.0.1.10","source_port":40000,"destination_port":443,"state":"new"})";

std::vector<std::string> explain_words(const std::string& port) {
  return {"explain",    "--interface",   "eni-web",  "--direction",        "ingress",
          "--protocol", "tcp",           "--source", "198.51.100.7",       "--destination",
          "10.0.1.10",  "--source-port", "40000",    "--destination-port", port};
}

std::vector<std::string> joined(std::vector<std::string> first,
                                const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST_F(Program, ends_with_2_and_talks_on_stderr_when_the_words_make_no_sense) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"nonsense"},
                                                {"policy"},
                                                {"policy", "check"},
                                                {"flow", "list", "--nonsense"},
                                                {"policy", "apply", "x", "--shadow", "10m"}}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_TRUE(outcome.err.starts_with("sluicectl: ")) << outcome.err;
  }
}

TEST_F(Program, shows_help_and_version_on_stdout) {
  EXPECT_EQ(run({"--version"}).out, "sluicectl 0.1.0\n");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"help"}, {"-h"}, {"help", "flow"}, {"flow", "list", "--help"}}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.status, 0);
    EXPECT_NE(outcome.out.find("usage: sluicectl"), std::string::npos);
    EXPECT_EQ(outcome.err, "");
  }
}

TEST_F(Program, ends_with_3_where_no_daemon_is) {
  const Outcome outcome = run({"-s", folder.file("no.sock"), "stats"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find(folder.file("no.sock")), std::string::npos);
  EXPECT_EQ(run({"-s", folder.file("no.sock"), "policy", "apply", web_policy()}).status, 3);
}

TEST_F(Program, checks_a_good_policy_without_a_daemon) {
  const Outcome outcome = run({"policy", "check", web_policy()});
  EXPECT_EQ(outcome.status, 0) << outcome.err << outcome.out;
  EXPECT_EQ(outcome.out.find("error"), std::string::npos);
  EXPECT_EQ(run({"-q", "policy", "check", web_policy()}).err, "");
}

TEST_F(Program, lists_every_error_as_file_line_column) {
  const std::string path =
      folder.write("bad.toml",
                   "[[vpc]]\nid = 3\ncidrs = []\n[[subnet]]\nid = \"subnet-a\"\n"
                   "vpc = \"vpc-none\"\ncidrs = [\"10.0.0.0/33\"]\n");
  const Outcome outcome = run({"policy", "check", path});
  EXPECT_EQ(outcome.status, 4);
  const std::vector<std::string> lines = lines_of(outcome.out);
  ASSERT_GE(lines.size(), 3u) << outcome.out;
  EXPECT_TRUE(outcome.out.find(path + ":2:6: error: ") != std::string::npos) << outcome.out;
  for (const std::string& line : lines) {
    EXPECT_TRUE(line.starts_with(path + ":")) << line;
  }
}

TEST_F(Program, lists_errors_and_warnings_as_json) {
  const std::string path = folder.write("bad.toml", "[[vpc]]\nid = 3\n");
  const Outcome outcome = run({"-j", "policy", "check", path});
  EXPECT_EQ(outcome.status, 4);
  const nlohmann::json findings = nlohmann::json::parse(outcome.out);
  ASSERT_GE(findings["errors"].size(), 1u);
  for (const char* key : {"file", "line", "column", "code", "message"}) {
    EXPECT_TRUE(findings["errors"][0].contains(key)) << key;
  }
  EXPECT_TRUE(findings["warnings"].is_array());
}

TEST_F(Program, ends_with_0_where_there_are_only_warnings) {
  std::string text(kWebPolicy);
  text.replace(text.find("[\"sg-admin\"]"), 12, "[]");
  const Outcome outcome = run({"policy", "check", folder.write("warn.toml", text)});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.out.find(": warning: "), std::string::npos) << outcome.out;
}

TEST_F(Program, ends_with_5_only_over_a_quota_that_was_asked_for) {
  std::string rules;
  for (int i = 0; i < 61; ++i) {
    rules += "  { protocol = \"tcp\", ports = " + std::to_string(1'000 + 2 * i) +
             ", source = \"0.0.0.0/0\" },\n";
  }
  const std::string path =
      folder.write("many.toml",
                   "[[vpc]]\nid = \"vpc-a\"\ncidrs = [\"10.0.0.0/16\"]\n[[security_group]]\n"
                   "id = \"sg-a\"\nname = \"a\"\nvpc = \"vpc-a\"\ningress = [\n" +
                       rules + "]\n");
  EXPECT_EQ(run({"policy", "check", path}).status, 0);
  const Outcome outcome = run({"policy", "check", path, "--aws-quotas"});
  EXPECT_EQ(outcome.status, 5) << outcome.out;
  EXPECT_NE(outcome.out.find("60"), std::string::npos);
}

TEST_F(Program, reads_a_policy_from_stdin) {
  EXPECT_EQ(run({"policy", "check", "-"}, std::string(kWebPolicy)).status, 0);
  const Outcome outcome =
      run({"policy", "check", "-"}, "[[vpc]]\nid = 3\ncidrs = [\"10.0.0.0/8\"]\n");
  EXPECT_EQ(outcome.status, 4);
  EXPECT_TRUE(outcome.out.starts_with("-:2:6: error: ")) << outcome.out;
}

TEST_F(Program, escapes_what_a_policy_holds) {
  const Outcome outcome = run({"policy", "check", "-"}, "[[vpc]]\n\"\\u001b[31m\" = 3\n");
  EXPECT_EQ(outcome.status, 4);
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
}

TEST_F(Program, explains_by_a_policy_file) {
  const Outcome outcome = run(joined(explain_words("443"), {"--policy", web_policy(), "--json"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const nlohmann::json answer = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(answer["verdict"], "accept");
  EXPECT_EQ(answer["rule"], "sgr-04cb58c6a96c73fa3");
  const Outcome words = run(joined(explain_words("443"), {"--policy", web_policy()}));
  EXPECT_TRUE(words.out.starts_with("accept (rule)\n")) << words.out;
  EXPECT_EQ(words.out.find('\x1b'), std::string::npos);
}

TEST_F(Program, ends_with_1_on_a_denial_only_if_asked_to) {
  const std::vector<std::string> words = joined(explain_words("80"), {"--policy", web_policy()});
  const Outcome outcome = run(words);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(outcome.out.starts_with("drop (no-rule)\n")) << outcome.out;
  EXPECT_EQ(run(joined(words, {"--fail-on-deny"})).status, 1);
  EXPECT_EQ(run(joined(explain_words("443"), {"--policy", web_policy(), "--fail-on-deny"})).status,
            0);
}

TEST_F(Program, tells_a_wrong_question_from_wrong_words) {
  const std::vector<std::string> file = {"--policy", web_policy()};
  std::vector<std::string> words = explain_words("443");
  words[2] = "eni-none";
  EXPECT_EQ(run(joined(words, file)).status, 1);
  EXPECT_EQ(run(joined({"explain", "--interface", "eni-web"}, file)).status, 2);
  EXPECT_EQ(
      run({"explain", "--policy", folder.write("bad.toml", "[[vpc]]\nid = 3\n"), "--batch"}).status,
      4);
}

TEST_F(Program, answers_a_batch_line_by_line_in_order) {
  std::string other = kQuery;
  other.replace(other.find("443"), 3, "444");
  const std::string in = kQuery + "\n" + other + "\n\nnonsense\n{\"interface\":1}\n" + kQuery;
  const Outcome outcome = run({"explain", "--policy", web_policy(), "--batch"}, in);
  EXPECT_EQ(outcome.status, 1);
  const std::vector<std::string> lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 5u) << outcome.out;
  EXPECT_EQ(nlohmann::json::parse(lines[0])["verdict"], "accept");
  EXPECT_EQ(nlohmann::json::parse(lines[1])["verdict"], "drop");
  EXPECT_EQ(nlohmann::json::parse(lines[2])["error"]["code"], "syntax");
  EXPECT_TRUE(nlohmann::json::parse(lines[3]).contains("error"));
  EXPECT_EQ(lines[4], lines[0]);
  EXPECT_EQ(run({"explain", "--policy", web_policy(), "--batch"}, kQuery + "\n" + other).status, 0);
}

TEST_F(Program, answers_a_large_batch_in_seconds) {
  std::string in;
  for (int i = 0; i < 20'000; ++i) in += kQuery + "\n";
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = run({"explain", "--policy", web_policy(), "--batch"}, in);
  const auto spent = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(lines_of(outcome.out).size(), 20'000u);
  EXPECT_LT(spent, std::chrono::seconds(30));
}

TEST_F(Program, changes_rules_members_and_files_of_edits) {
  start_server();
  ASSERT_EQ(ask({"policy", "apply", web_policy()}).status, 0);
  const Outcome added = ask({"rule", "add", "sg-web", "ingress", "--protocol", "tcp", "--ports",
                             "8000-8080", "--source", "198.51.100.0/24"});
  EXPECT_EQ(added.status, 0) << added.err;
  const std::vector<std::string> lines = lines_of(added.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].starts_with("sgr-")) << lines[0];
  EXPECT_EQ(lines[1], "generation 2 is in force");
  EXPECT_EQ(ask({"rule", "remove", lines[0]}).out, "generation 3 is in force\n");
  EXPECT_EQ(ask({"rule", "remove", lines[0]}).status, 4) << "it is gone";
  EXPECT_EQ(ask({"interface", "attach", "eni-admin", "sg-web"}).status, 0);
  EXPECT_EQ(ask({"interface", "attach", "eni-admin"}).status, 2) << "a word is missing";
  const std::string edits = folder.write(
      "edits",
      "{\"do\":\"interface.detach\",\"interface\":\"eni-admin\",\"group\":\"sg-web\"}\n"
      "{\"do\":\"interface.attach\",\"interface\":\"eni-web\",\"group\":\"sg-admin\"}\n");
  EXPECT_EQ(ask({"policy", "edit", edits}).out, "generation 5 is in force\n");
  EXPECT_EQ(ask({"policy", "edit", edits}).status, 4) << "done already";
}

TEST_F(Program, applies_shows_and_lists_through_the_daemon) {
  start_server();
  const Outcome applied = ask({"policy", "apply", web_policy(), "-m", "first"});
  EXPECT_EQ(applied.status, 0) << applied.err;
  EXPECT_EQ(applied.out, "generation 1 is in force\n");
  EXPECT_EQ(ask({"policy", "show"}).out, kWebPolicy);
  EXPECT_EQ(ask({"policy", "show", "1"}).out, kWebPolicy);
  EXPECT_EQ(ask({"policy", "show", "9"}).status, 1) << "not kept";
  EXPECT_EQ(ask({"policy", "show", "x"}).status, 2);
  const nlohmann::json shown = nlohmann::json::parse(ask({"-j", "policy", "show"}).out);
  EXPECT_EQ(shown["comment"], "first");
  EXPECT_EQ(shown["document"]["vpc"][0]["id"], "vpc-a");
  const Outcome interfaces = ask({"interface", "list"});
  EXPECT_NE(interfaces.out.find("10.0.1.10,fd00:10:0:1::10"), std::string::npos) << interfaces.out;
  EXPECT_EQ(lines_of(ask({"-j", "interface", "list"}).out).size(), 2u);
  EXPECT_EQ(lines_of(ask({"-j", "interface", "list", "--limit", "1"}).out).size(), 1u);
  EXPECT_NE(ask({"group", "list"}).out.find("tcp 443 from 0.0.0.0/0, HTTPS"), std::string::npos);
  EXPECT_EQ(ask({"port", "list"}).status, 0);
  EXPECT_EQ(ask({"worker", "list"}).status, 0);
  EXPECT_NE(ask({"stats"}).out.find("generation 1"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(ask({"-j", "stats"}).out)["generation"], 1);
}

TEST_F(Program, applies_from_stdin) {
  start_server();
  const Outcome outcome = ask({"-j", "policy", "apply", "-"}, std::string(kWebPolicy));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["generation"], 1);
}

TEST_F(Program, applies_what_comes_through_a_pipe) {
  start_server();
  const std::string path = folder.file("pipe");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(path) << kWebPolicy; });
  const Outcome outcome = ask({"-j", "policy", "apply", path});
  writer.join();
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(ask({"policy", "show"}).out, kWebPolicy);
}

TEST(EscapeText, keeps_lines_and_tabs_and_nothing_else_that_drives_a_terminal) {
  EXPECT_EQ(escape_text("one\n\ttwo \x1b[31m\r\n\n"), "one\n\ttwo \\x1b[31m\\x0d\n\n");
  EXPECT_EQ(escape_text(""), "");
}

TEST_F(Program, ends_with_4_and_the_findings_when_the_daemon_refuses) {
  start_server();
  const std::string path = folder.write("bad.toml", "[[vpc]]\nid = 3\n[[subnet]]\nid = 4\n");
  const Outcome outcome = ask({"policy", "apply", path});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find(path + ":2:6: error: "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(path + ":4:6: error: "), std::string::npos) << outcome.err;
  const nlohmann::json json = nlohmann::json::parse(ask({"-j", "policy", "apply", path}).out);
  EXPECT_TRUE(json.contains("error"));
  EXPECT_GE(json["errors"].size(), 2u);
  EXPECT_EQ(ask({"policy", "apply", folder.file("none.toml")}).status, 4);
}

TEST_F(Program, ends_with_6_when_somebody_else_applied_in_between) {
  start_server();
  EXPECT_EQ(ask({"policy", "apply", web_policy()}).status, 0);
  EXPECT_EQ(ask({"policy", "apply", web_policy(), "--expected-generation", "7"}).status, 6);
  EXPECT_EQ(ask({"policy", "apply", web_policy(), "--expected-generation", "1"}).status, 0);
}

TEST_F(Program, ends_with_5_when_the_policy_takes_more_memory_than_there_is) {
  restart_publisher(1'000);
  start_server();
  const Outcome outcome = ask({"policy", "apply", web_policy()});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.err.find(" bytes needed, 1000 possible by policy_memory_mib"),
            std::string::npos)
      << outcome.err;
  RawClient client(socket());
  const nlohmann::json check = client.call("policy.check", {{"document", kWebPolicy}});
  EXPECT_EQ(check["result"]["exit"], 5) << check.dump();
}

TEST_F(Program, ends_with_7_when_the_daemon_does_not_answer) {
  const Result<Listener> silent = Listener::open(socket());
  ASSERT_TRUE(silent);
  const Outcome outcome = ask({"--timeout", "50ms", "stats"});
  EXPECT_EQ(outcome.status, 7);
  EXPECT_NE(outcome.err.find("--timeout"), std::string::npos);
}

TEST_F(Program, explains_by_the_daemon_one_by_one_and_in_a_batch) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  start_server();
  EXPECT_TRUE(ask(explain_words("443")).out.starts_with("accept (rule)\n"));
  EXPECT_EQ(ask(joined(explain_words("80"), {"--fail-on-deny"})).status, 1);
  std::string in;
  std::string other = kQuery;
  other.replace(other.find("443"), 3, "444");
  for (int i = 0; i < 2'500; ++i) {
    in += i == 1'200 ? "nonsense\n" : (i % 3 == 0 ? kQuery : other) + "\n";
  }
  const Outcome outcome = ask({"explain", "--batch"}, in);
  EXPECT_EQ(outcome.status, 1);
  const std::vector<std::string> lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 2'500u);
  EXPECT_NE(lines[1'200].find("\"syntax\""), std::string::npos);
  const Outcome offline = run({"explain", "--policy", web_policy(), "--batch"}, in);
  EXPECT_EQ(offline.out, outcome.out);
}

TEST_F(Program, gives_an_error_to_the_one_query_that_a_daemon_cannot_take) {
  ASSERT_FALSE(apply(kWebPolicy).error);
  start_server();
  const std::string deep = "{\"interface\":" + std::string(30, '[') + std::string(30, ']') + "}";
  const std::string long_name = "{\"interface\":\"" + std::string(16'777'180, 'x') + "\"}";
  std::string in;
  for (int i = 0; i < 50; ++i) in += (i == 7 ? deep : i == 31 ? long_name : kQuery) + "\n";
  const Outcome outcome = ask({"explain", "--batch"}, in);
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  const std::vector<std::string> lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 50u);
  EXPECT_NE(lines[7].find("\"too-deep\""), std::string::npos) << lines[7];
  EXPECT_NE(lines[31].find("\"too-long\""), std::string::npos) << lines[31].substr(0, 100);
  for (const std::size_t i : {6u, 8u, 30u, 32u, 49u}) {
    EXPECT_NE(lines[i].find("\"accept\""), std::string::npos) << i;
  }
}

TEST_F(Program, ends_with_five_where_every_connection_is_taken) {
  start_server({}, 2);
  RawClient one(socket());
  ASSERT_TRUE(one.call("hello").contains("result"));
  const Outcome outcome = ask({"stats"});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_NE(outcome.err.find("1 connections of this socket are open"), std::string::npos)
      << outcome.err;
}

TEST_F(Program, applies_a_file_that_the_daemon_would_not_read_itself) {
  start_server();
  // A regular file, but of the kernel's making: read here and sent as memory.
  const Outcome outcome = ask({"policy", "apply", "/proc/self/limits"});
  EXPECT_EQ(outcome.status, 4) << outcome.err;
  EXPECT_NE(outcome.err.find("not valid TOML"), std::string::npos) << outcome.err;
}

TEST_F(Program, lists_all_pages_of_a_long_list) {
  engine.shown_flows.resize(2'500);
  start_server();
  EXPECT_EQ(lines_of(ask({"-j", "flow", "list"}).out).size(), 2'500u);
  EXPECT_EQ(lines_of(ask({"-j", "flow", "list", "--limit", "1700"}).out).size(), 1'700u);
  EXPECT_EQ(lines_of(ask({"flow", "list"}).out).size(), 2'501u);
}

// A connection of which three things were found out.
constexpr const char* kJa4 = "t13d1516h2_8daaf6152771_e5627efa2ab1";

FlowView flow_with_facts(Registry& registry) {
  FlowView flow;
  flow.app = static_cast<std::uint8_t>(App::Tls);
  flow.facts.set_name("shop.example");
  flow.facts.set_ja4(kJa4);
  flow.facts.set_signature(static_cast<std::uint16_t>(registry.signatures.intern("evil").value()));
  return flow;
}

WatchEvent end_of(const FlowView& flow) {
  WatchEvent end;
  end.kind = WatchEvent::Kind::FlowEnd;
  end.has_tuple = true;
  end.app = flow.app;
  end.facts = flow.facts;
  return end;
}

TEST_F(Program, shows_what_a_flow_turned_out_to_be) {
  const FlowView flow = flow_with_facts(registry);
  FlowView other = flow;
  other.facts = {};
  FlowView unnamed = other;
  unnamed.facts.set_signature(FlowFacts::kUnnamedSignature);
  engine.shown_flows = {flow, other, unnamed};
  engine.events = {end_of(flow)};
  start_server();
  const std::vector<std::string> rows = lines_of(ask({"-j", "flow", "list"}).out);
  ASSERT_EQ(rows.size(), 3u);
  const auto first = nlohmann::json::parse(rows[0]);
  EXPECT_EQ(first["domain"], "shop.example");
  EXPECT_EQ(first["ja4"], kJa4);
  EXPECT_EQ(first["signature"], "evil");
  for (const char* key : {"domain", "ja4", "signature"}) {
    EXPECT_FALSE(nlohmann::json::parse(rows[1]).contains(key)) << key;
  }
  EXPECT_EQ(nlohmann::json::parse(rows[2])["signature"], "-")
      << "another one's name would be worse";
  EXPECT_NE(ask({"flow", "list"}).out.find("tls shop.example !evil"), std::string::npos);
  const Outcome watched = ask({"-j", "flow", "watch", "--limit", "1"});
  EXPECT_EQ(nlohmann::json::parse(watched.out)["ja4"], kJa4) << watched.out;
}

TEST_F(Program, tells_a_watcher_in_words_what_a_flow_turned_out_to_be) {
  engine.events = {end_of(flow_with_facts(registry))};
  start_server();
  EXPECT_NE(ask({"flow", "watch", "--limit", "1"}).out.find("tls shop.example !evil"),
            std::string::npos);
}

TEST_F(Program, counts_the_hits_of_each_signature) {
  engine.shown_counters.workers.resize(1);
  engine.shown_counters.workers[0].layer7_looks = 9;
  engine.shown_counters.workers[0].layer7_put_off = 5;
  engine.shown_counters.workers[0].apps[static_cast<std::size_t>(App::Ssh)] = 4;
  engine.shown_signature_hits.assign(FlowFacts::kNoSignature, 0);
  registry.signatures.intern("quiet");
  engine.shown_signature_hits[registry.signatures.intern("evil").value()] = 3;
  engine.shown_signature_hits[FlowFacts::kUnnamedSignature] = 2;
  start_server();
  const auto stats = nlohmann::json::parse(ask({"-j", "stats"}).out);
  EXPECT_EQ(stats["applications"]["packets_put_off"], 5);
  EXPECT_EQ(stats["applications"]["signatures"], nlohmann::json({{"evil", 3}, {"-", 2}}));
  const std::string text = ask({"stats"}).out;
  EXPECT_NE(text.find("\nsignatures evil 3  - 2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\napps       ssh 4\n"), std::string::npos) << text;
}

TEST_F(Program, counts_ranks_and_flushes_flows) {
  engine.shown_flows.resize(2'500);
  for (std::size_t i = 0; i < engine.shown_flows.size(); ++i) {
    FlowView& view = engine.shown_flows[i];
    view.phase = i < 2'000 ? FlowPhase::Established : FlowPhase::SynSent;
    view.tuple.remote = IpAddr::v4(0xc6336400 + (i < 600 ? 1 : 2));
  }
  ASSERT_FALSE(apply(kWebPolicy).error);
  start_server();
  const Outcome counts = ask({"-j", "flow", "count"});
  EXPECT_EQ(counts.status, 0);
  EXPECT_EQ(nlohmann::json::parse(counts.out),
            nlohmann::json({{"flows", 2'500},
                            {"states", {{"established", 2'000}, {"syn-sent", 500}}},
                            {"protocols", {{"tcp", 2'500}}}}));
  EXPECT_NE(ask({"flow", "count"}).out.find("syn-sent"), std::string::npos);
  const Outcome top = ask({"flow", "top", "--limit", "1"});
  EXPECT_EQ(top.status, 0) << top.err;
  EXPECT_EQ(lines_of(top.out).size(), 2u) << top.out;
  EXPECT_NE(top.out.find("198.51.100.2"), std::string::npos) << top.out;
  EXPECT_NE(top.out.find("1900"), std::string::npos) << top.out;
  const Outcome flushed = ask({"flow", "flush", "--state", "syn-sent"});
  EXPECT_EQ(flushed.status, 0) << flushed.err;
  EXPECT_EQ(flushed.out, "500 flows flushed\n");
  EXPECT_EQ(nlohmann::json::parse(ask({"-j", "flow", "flush"}).out)["flushed"], 2'500);
  EXPECT_EQ(ask({"flow", "flush", "--interface", "eni-none"}).status, 1);
  EXPECT_EQ(ask({"flow", "flush", "--idle-min", "long"}).status, 2);
  stop_server();
  EXPECT_EQ(engine.flushed_ports.size(), 500u + 2'500u);
}

TEST_F(Program, watches_until_the_limit) {
  for (int i = 0; i < 5; ++i) {
    WatchEvent event;
    event.reason = DropReason::NotIp;
    event.length = 60;
    engine.events.push_back(event);
  }
  engine.shown_times.resize(1);
  start_server();
  const Outcome outcome = ask({"-j", "drop", "watch", "--limit", "3"});
  EXPECT_EQ(outcome.status, 0);
  const std::vector<std::string> lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["reason"], "not-ip");
  EXPECT_EQ(lines_of(ask({"-j", "stats", "--watch", "--limit", "1"}).out).size(), 1u);
  EXPECT_EQ(ask({"stats", "--limit", "1"}).status, 2);
  EXPECT_EQ(ask({"stats", "--interval", "1"}).status, 2);
  const Outcome stages = ask({"stats", "--stages"});
  EXPECT_EQ(stages.status, 0);
  EXPECT_NE(stages.out.find("find-flow"), std::string::npos) << stages.out;
  EXPECT_EQ(lines_of(ask({"-j", "stats", "--stages"}).out).size(), 1u);
}

TEST_F(Program, runs_the_lines_of_a_file_and_stops_at_the_first_that_fails) {
  start_server();
  const std::string file =
      folder.write("commands", "# two that work\npolicy apply '" + web_policy() +
                                   "'\n\ninterface list -j\nflow lsit\ninterface list -j\n");
  const Outcome outcome = ask({"-f", file});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(lines_of(outcome.out).size(), 3u) << outcome.out;
  EXPECT_NE(outcome.err.find(file + ":5"), std::string::npos) << outcome.err;
  const std::string bad = folder.write("bad.toml", "[[vpc]]\nid = 3\n");
  EXPECT_EQ(run({"-f", "-"}, "policy check " + bad + "\nhelp\n").status, 4);
  EXPECT_EQ(run({"-f", "-"}, "policy check '" + web_policy() + "'\n").status, 0);
  EXPECT_EQ(run({"-f", folder.file("none")}).status, 1);
}

TEST_F(Program, fails_when_its_output_cannot_be_written) {
  const std::string in = folder.write("q", kQuery + "\n");
  const std::string command = std::string(SLUICECTL) + " explain --batch --policy " + web_policy() +
                              " < " + in + " > /dev/full";
  FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  const int status = ::pclose(pipe);
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

}  // namespace
}  // namespace sluice
