#include "control/cli/commands.h"

#include <algorithm>
#include <array>

namespace sluice {
namespace {

constexpr std::array kCheckExtra = {
    ParamRow{"aws_quotas", ParamType::Boolean, "", "would AWS take it? (exit 5 if not)"},
};
constexpr std::array kExplainExtra = {
    ParamRow{"policy", ParamType::String, "FILE", "ask this policy instead of the daemon's"},
    ParamRow{"batch", ParamType::Boolean, "", "one JSON query a line on stdin"},
    ParamRow{"fail_on_deny", ParamType::Boolean, "", "exit 1 if the verdict is drop"},
};
constexpr std::array kStatsExtra = {
    ParamRow{"watch", ParamType::Boolean, "", "again and again"},
    ParamRow{"stages", ParamType::Boolean, "", "cycles of each stage, measured for an interval"},
    ParamRow{"interval", ParamType::Number, "SECONDS",
             "with --watch: how often, with --stages: how long (default 1)"},
    ParamRow{"limit", ParamType::Number, "N", "with --watch: so many times"},
};

constexpr std::array<std::string_view, 1> kShowOperands = {"generation"};
constexpr std::array<std::string_view, 2> kRuleAddOperands = {"group", "direction"};
constexpr std::array<std::string_view, 1> kRuleOperands = {"rule"};
constexpr std::array<std::string_view, 2> kMemberOperands = {"interface", "group"};
constexpr std::array<std::string_view, 1> kListOperands = {"list"};
constexpr std::array<std::string_view, 2> kVersionOperands = {"list", "version"};
constexpr std::array<std::string_view, 2> kEntryOperands = {"list", "cidr"};

constexpr std::array kCommands = std::to_array<CommandRow>({
    {"policy", "check", "", "FILE", kCheckExtra,
     "says what is wrong with a policy file; needs no daemon"},
    {"policy",
     "apply",
     "policy.apply",
     "FILE",
     {},
     "enforces a policy file; returns when every worker does"},
    {"policy",
     "edit",
     "policy.edit",
     "FILE",
     {},
     "changes parts of the policy in force: JSON edits, one a line; all of them or none"},
    {"policy", "show", "policy.show", "[GENERATION]", {}, "the policy in force", kShowOperands},
    {"rule",
     "add",
     "rule.add",
     "GROUP ingress|egress",
     {},
     "adds a rule to a security group",
     kRuleAddOperands},
    {"rule", "remove", "rule.remove", "ID", {}, "takes a rule away", kRuleOperands},
    {"explain", "", "explain", "", kExplainExtra, "what the policy does with a packet, and why"},
    {"flow", "list", "flow.list", "", {}, "the flows that are remembered"},
    {"flow", "watch", "flow.watch", "", {}, "flows as they begin and end"},
    {"flow", "count", "flow.count", "", {}, "how many there are, by state and protocol"},
    {"flow", "top", "flow.top", "", {}, "who has most of them"},
    {"flow", "flush", "flow.flush", "", {}, "forgets flows; without a filter, all of them"},
    {"drop", "watch", "drop.watch", "", {}, "packets as they are dropped"},
    {"stats", "", "stats", "", kStatsExtra, "counters of ports, workers, interfaces and flow log"},
    {"interface", "list", "interface.list", "", {}, "interfaces with addresses and groups"},
    {"interface",
     "attach",
     "interface.attach",
     "ENI GROUP",
     {},
     "gives an interface a security group",
     kMemberOperands},
    {"interface",
     "detach",
     "interface.detach",
     "ENI GROUP",
     {},
     "takes a security group from an interface",
     kMemberOperands},
    {"prefix-list",
     "add",
     "prefix-list.add",
     "LIST CIDR",
     {},
     "adds an entry to a prefix list",
     kEntryOperands},
    {"prefix-list",
     "remove",
     "prefix-list.remove",
     "LIST CIDR",
     {},
     "takes an entry from a prefix list",
     kEntryOperands},
    {"prefix-list", "list", "prefix-list.list", "", {}, "prefix lists with size and version"},
    {"prefix-list",
     "show",
     "prefix-list.show",
     "LIST [VERSION]",
     {},
     "the entries of a prefix list, or of a version of it",
     kVersionOperands},
    {"prefix-list",
     "history",
     "prefix-list.history",
     "LIST",
     {},
     "the versions of a prefix list",
     kListOperands},
    {"prefix-list",
     "restore",
     "prefix-list.restore",
     "LIST VERSION",
     {},
     "gives a prefix list the entries of an old version again",
     kVersionOperands},
    {"group", "list", "group.list", "", {}, "security groups with their rules"},
    {"port", "list", "port.list", "", {}, "devices with role, driver and link"},
    {"worker", "list", "worker.list", "", {}, "workers with core, load and generation"},
});

constexpr std::array kGlobals = std::to_array<GlobalRow>({
    {"--json", "-j", "", "one JSON object; for streams one a line"},
    {"--socket", "-s", "PATH", "the daemon's socket (default /run/sluice/control.sock)"},
    {"--timeout", "", "T",
     "wait at most so long, such as 500ms, 2m (default 10s, and 1s for each MiB of a policy)"},
    {"--file", "-f", "FILE", "run the commands in FILE, one a line; - is stdin"},
    {"--no-color", "", "", "no colours (as with NO_COLOR, or when stdout is no terminal)"},
    {"--quiet", "-q", "", "no talk on stderr but errors"},
    {"--verbose", "-v", "", "more talk"},
    {"--help", "-h", "", "this"},
    {"--version", "-V", "", "version"},
});

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size() + 2, width), ' ');
  return text;
}

std::string flag_words(const ParamRow& row) {
  std::string words = flag_of(row.name);
  if (row.name == "comment") words = "-m, " + words;
  if (!row.value.empty()) words += " " + std::string(row.value);
  return words;
}

std::string command_words(const CommandRow& command) {
  std::string words(command.noun);
  if (!command.verb.empty()) words += " " + std::string(command.verb);
  if (!command.operand.empty()) words += " " + std::string(command.operand);
  return words;
}

std::string global_help() {
  std::string text = "\nflags that stand anywhere:\n";
  for (const GlobalRow& row : kGlobals) {
    std::string words = row.short_flag.empty() ? "    " : std::string(row.short_flag) + ", ";
    words += row.flag;
    if (!row.value.empty()) words += " " + std::string(row.value);
    text += "  " + padded(std::move(words), 26) + std::string(row.sentence) + "\n";
  }
  return text;
}

}  // namespace

std::span<const CommandRow> commands() { return kCommands; }

const CommandRow* find_command(std::string_view noun, std::string_view verb) {
  for (const CommandRow& row : kCommands) {
    if (row.noun == noun && (row.verb.empty() || row.verb == verb)) return &row;
  }
  return nullptr;
}

std::size_t operand_count(const CommandRow& command) {
  if (command.operand.empty()) return 0;
  return std::max<std::size_t>(1, command.operand_params.size());
}

bool is_noun(std::string_view word) {
  return std::any_of(kCommands.begin(), kCommands.end(),
                     [&](const CommandRow& row) { return row.noun == word; });
}

bool is_whole_command(std::string_view noun) {
  return std::any_of(kCommands.begin(), kCommands.end(),
                     [&](const CommandRow& row) { return row.noun == noun && row.verb.empty(); });
}

std::vector<ParamRow> flags_of(const CommandRow& command) {
  std::vector<ParamRow> flags;
  if (const RequestRow* request = find_request(command.method)) {
    for (const ParamRow& row : request->params) {
      if (row.is_flag) flags.push_back(row);
    }
  }
  flags.insert(flags.end(), command.extra.begin(), command.extra.end());
  return flags;
}

std::string flag_of(std::string_view param) {
  std::string flag = "--" + std::string(param);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::span<const GlobalRow> global_flags() { return kGlobals; }

std::string help_text(std::string_view noun, const CommandRow* command) {
  if (command != nullptr) {
    std::string text = "usage: sluicectl [flags] " + command_words(*command) + " [flags]\n\n" +
                       std::string(command->sentence) + "\n";
    const std::vector<ParamRow> flags = flags_of(*command);
    if (!flags.empty()) text += "\n";
    for (const ParamRow& row : flags) {
      text += "  " + padded(flag_words(row), 34) + std::string(row.sentence) + "\n";
    }
    return text + global_help();
  }
  std::string text = "usage: sluicectl [flags] NOUN VERB [flags]\n\n";
  for (const CommandRow& row : kCommands) {
    if (!noun.empty() && row.noun != noun) continue;
    text += "  " + padded(command_words(row), 32) + std::string(row.sentence) + "\n";
  }
  return text + "  " + padded("help [NOUN [VERB]]", 32) + "more about one of them\n" +
         global_help() +
         "\nexit status: 0 done, 1 failed (or denied, with --fail-on-deny), 2 usage, 3 no "
         "daemon,\n4 invalid policy, 5 over a limit, 6 somebody else committed in between, "
         "7 timed out\n";
}

}  // namespace sluice
