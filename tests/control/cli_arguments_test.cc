#include "control/cli/arguments.h"

#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "control/cli/escape.h"
#include "control/cli/table.h"

namespace sluice {
namespace {

using Words = std::vector<std::string>;

Invocation parsed(const Words& words) {
  Result<Invocation> invocation = parse_arguments(words);
  EXPECT_TRUE(invocation) << invocation.error().sentence;
  return invocation ? std::move(*invocation) : Invocation();
}

std::string refusal(const Words& words) {
  const Result<Invocation> invocation = parse_arguments(words);
  if (invocation) return "taken";
  EXPECT_EQ(invocation.error().kind, ErrorKind::Usage);
  return invocation.error().sentence;
}

TEST(Arguments, takes_global_flags_wherever_they_stand) {
  for (const Words& words : {Words{"-j", "-s", "/x.sock", "flow", "list"},
                             Words{"flow", "--json", "--socket=/x.sock", "list"},
                             Words{"flow", "list", "--socket", "/x.sock", "-j"}}) {
    const Invocation invocation = parsed(words);
    EXPECT_EQ(invocation.globals.socket, "/x.sock");
    EXPECT_TRUE(invocation.globals.is_json);
    EXPECT_EQ(invocation.command->method, "flow.list");
  }
}

TEST(Arguments, asks_the_documented_socket_by_default) {
  EXPECT_EQ(parsed({"stats"}).globals.socket, "/run/sluice/control.sock");
}

TEST(Arguments, turns_flags_into_parameters_of_the_request) {
  const Invocation invocation = parsed({"explain", "--interface", "eni-1", "--direction=ingress",
                                        "--protocol", "6", "--source", "10.0.0.1", "--destination",
                                        "10.0.0.2", "--destination-port", "443", "--fail-on-deny"});
  EXPECT_EQ(invocation.params["interface"], "eni-1");
  EXPECT_EQ(invocation.params["protocol"], "6");
  EXPECT_EQ(invocation.params["destination_port"], 443);
  EXPECT_EQ(invocation.params["fail_on_deny"], true);
}

TEST(Arguments, leave_out_the_word_in_brackets_only) {
  const Invocation version = parsed({"prefix-list", "show", "pl-a", "3"});
  EXPECT_EQ(version.params["list"], "pl-a");
  EXPECT_EQ(version.params["version"], 3);
  EXPECT_FALSE(parsed({"prefix-list", "show", "pl-a"}).params.contains("version"));
  EXPECT_NE(refusal({"prefix-list", "show"}).find("needs LIST [VERSION]"), std::string::npos);
  EXPECT_NE(refusal({"prefix-list", "restore", "pl-a"}), "taken");
  EXPECT_EQ(parsed({"policy", "show"}).command->method, "policy.show");
}

TEST(Arguments, takes_a_file_where_the_command_needs_one) {
  EXPECT_EQ(parsed({"policy", "check", "a.toml"}).operand, "a.toml");
  EXPECT_EQ(parsed({"policy", "check", "-"}).operand, "-");
  EXPECT_EQ(parsed({"policy", "apply", "--existing", "flush", "-m", "why", "--", "-x"}).operand,
            "-x");
  EXPECT_NE(refusal({"policy", "check"}), "taken");
  EXPECT_NE(refusal({"policy", "check", "a", "b"}), "taken");
  EXPECT_NE(refusal({"flow", "list", "a"}), "taken");
}

TEST(Arguments, names_what_it_does_not_understand) {
  EXPECT_NE(refusal({"flwo", "list"}).find("flwo"), std::string::npos);
  EXPECT_NE(refusal({"flow", "lsit"}).find("lsit"), std::string::npos);
  EXPECT_NE(refusal({"flow"}).find("flow"), std::string::npos);
  EXPECT_NE(refusal({"flow", "list", "--colour"}).find("--colour"), std::string::npos);
  EXPECT_NE(refusal({"flow", "list", "--limit", "many"}).find("many"), std::string::npos);
  EXPECT_NE(refusal({"flow", "list", "--limit"}).find("--limit"), std::string::npos);
  EXPECT_NE(refusal({"policy", "apply", "f", "--existing", "maybe"}).find("maybe"),
            std::string::npos);
  EXPECT_NE(refusal({"policy", "apply", "f", "-m", "a", "--comment", "b"}), "taken");
  EXPECT_NE(refusal({"stats", "--watch=yes"}), "taken");
  EXPECT_NE(refusal({}), "taken");
}

TEST(Arguments, offers_no_parameter_that_is_the_programs_own_affair) {
  EXPECT_NE(refusal({"flow", "list", "--cursor", "7"}), "taken");
  EXPECT_NE(refusal({"policy", "apply", "f", "--document", "x"}), "taken");
  EXPECT_NE(refusal({"explain", "--queries", "x"}), "taken");
}

TEST(Arguments, reads_times_with_their_units) {
  EXPECT_EQ(parse_duration_ms("500ms"), 500u);
  EXPECT_EQ(parse_duration_ms("10"), 10'000u);
  EXPECT_EQ(parse_duration_ms("10s"), 10'000u);
  EXPECT_EQ(parse_duration_ms("2m"), 120'000u);
  EXPECT_EQ(parse_duration_ms("24h"), 86'400'000u);
  for (const char* bad : {"", "s", "-1s", "1.5s", "25h", "1d", "99999999999999999999ms"}) {
    EXPECT_FALSE(parse_duration_ms(bad)) << bad;
  }
  EXPECT_NE(refusal({"stats", "--timeout", "soon"}), "taken");
  EXPECT_NE(refusal({"stats", "--timeout", "0"}), "taken");
}

TEST(Arguments, give_a_policy_more_time_the_larger_it_is) {
  const Result<Invocation> said_nothing = parse_arguments({"policy", "apply", "f"});
  ASSERT_TRUE(said_nothing);
  const GlobalOptions& globals = said_nothing->globals;
  EXPECT_EQ(answer_timeout_ms(globals), 10'000u);
  EXPECT_EQ(answer_timeout_ms(globals, 1), 11'000u);
  EXPECT_EQ(answer_timeout_ms(globals, 1u << 20), 11'000u);
  EXPECT_EQ(answer_timeout_ms(globals, (1u << 20) + 1), 12'000u);
  EXPECT_EQ(answer_timeout_ms(globals, 1u << 30), 1'034'000u);
  EXPECT_EQ(answer_timeout_ms(globals, ~std::uint64_t{0}), 86'400'000u);

  const Result<Invocation> said = parse_arguments({"policy", "apply", "f", "--timeout", "2s"});
  ASSERT_TRUE(said);
  EXPECT_EQ(answer_timeout_ms(said->globals, 1u << 30), 2'000u);
}

TEST(Arguments, splits_lines_of_a_command_file_like_a_shell) {
  EXPECT_EQ(*split_line("policy apply  'a b.toml' -m \"it's \\\"so\\\"\" # why"),
            (Words{"policy", "apply", "a b.toml", "-m", "it's \"so\""}));
  EXPECT_EQ(*split_line("a\\ b ''"), (Words{"a b", ""}));
  EXPECT_TRUE(split_line("   # nothing")->empty());
  EXPECT_EQ(*split_line("a#b\r"), Words{"a#b"});
  EXPECT_FALSE(split_line("'open"));
}

TEST(Arguments, shows_help_for_everything_a_noun_and_a_command) {
  const std::string all = help_text("", nullptr);
  for (const CommandRow& row : commands()) {
    EXPECT_NE(all.find(std::string(row.sentence)), std::string::npos) << row.noun;
    const std::string page = help_text(row.noun, &row);
    for (const ParamRow& flag : flags_of(row)) {
      EXPECT_NE(page.find(flag_of(flag.name)), std::string::npos) << flag.name;
      EXPECT_FALSE(flag.sentence.empty());
    }
  }
  EXPECT_EQ(help_text("flow", nullptr).find("policy apply"), std::string::npos);
}

TEST(Arguments, has_a_request_behind_every_command_that_asks_the_daemon) {
  for (const CommandRow& row : commands()) {
    if (row.method.empty()) continue;
    EXPECT_NE(find_request(row.method), nullptr) << row.method;
  }
}

TEST(Escape, leaves_no_control_byte_for_the_terminal) {
  EXPECT_EQ(escape_control("a\x1b[31m\n\t\x7f"), "a\\x1b[31m\\x0a\\x09\\x7f");
  EXPECT_EQ(escape_control("\xc2\x9b"
                           "1m"),
            "\\x9b1m");
  EXPECT_EQ(escape_control("Gr\xc3\xbc\xc3\x9f"
                           "e \xe2\x82\xac"),
            "Gr\xc3\xbc\xc3\x9f"
            "e \xe2\x82\xac");
}

TEST(TextTable, aligns_columns_and_escapes_cells) {
  std::istringstream in;
  std::ostringstream out;
  TextTable table({"NAME", "COUNT"});
  table.add({"a\x1b", "7"});
  table.add({"longer \xc3\xbc", "1200"});
  table.print({in, out, out, false});
  EXPECT_EQ(out.str(), "NAME      COUNT\na\\x1b         7\nlonger \xc3\xbc   1200\n");
}

}  // namespace
}  // namespace sluice
