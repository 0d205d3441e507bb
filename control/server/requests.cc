#include "control/server/requests.h"

#include <algorithm>
#include <utility>

namespace sluice {
namespace {

constexpr ParamRow kInterface{"interface", ParamType::String, "ENI", "only this interface"};
constexpr ParamRow kAddress{"address", ParamType::String, "ADDRESS|CIDR",
                            "only where one end has an address of these"};
constexpr ParamRow kPort{"port", ParamType::Number, "N", "only where one end has this port"};
constexpr ParamRow kProtocol{"protocol", ParamType::Word, "P",
                             "tcp, udp, icmp, icmpv6 or a number"};
constexpr ParamRow kLimit{"limit", ParamType::Number, "N", "at most so many"};
constexpr ParamRow kCursor{"cursor", ParamType::Word, "CURSOR",
                           "go on where the answer before ended", false};
constexpr ParamRow kDirection{"direction", ParamType::String, "ingress|egress",
                              "seen from the interface"};

constexpr std::array kPolicyCheck = {
    ParamRow{"document", ParamType::Document, "", "the policy; else a descriptor is sent along",
             false},
    ParamRow{"file", ParamType::String, "NAME", "what messages call the document", false},
    ParamRow{"aws_quotas", ParamType::Boolean, "", "would AWS take it? (exit 5 if not)"},
};
constexpr std::array kPolicyApply = {
    ParamRow{"document", ParamType::Document, "", "the policy; else a descriptor is sent along",
             false},
    ParamRow{"file", ParamType::String, "NAME", "what messages call the document", false},
    ParamRow{"existing", ParamType::String, "keep|reevaluate|flush",
             "what becomes of live connections (default keep)"},
    ParamRow{"comment", ParamType::String, "COMMENT", "why; kept with the policy"},
    ParamRow{"expected_generation", ParamType::Number, "N",
             "only if this generation is still in force (exit 6 if not)"},
};
constexpr ParamRow kExisting{"existing", ParamType::String, "keep|reevaluate|flush",
                             "what becomes of live connections (default keep)"};
constexpr ParamRow kComment{"comment", ParamType::String, "COMMENT", "why; kept with the policy"};
constexpr ParamRow kExpected{"expected_generation", ParamType::Number, "N",
                             "only if this generation is still in force (exit 6 if not)"};
constexpr std::array kPolicyEdit = {
    ParamRow{"edits", ParamType::Array, "", "changes, all of which count or none", false},
    kExisting, kComment, kExpected};
constexpr std::array kRuleAdd = {
    ParamRow{"group", ParamType::String, "GROUP", "the group that gets it", false},
    ParamRow{"direction", ParamType::String, "ingress|egress", "seen from the interface", false},
    kProtocol,
    ParamRow{"ports", ParamType::Word, "PORTS", "tcp and udp: 443, or 8000-8080"},
    ParamRow{"type", ParamType::Number, "T", "icmp and icmpv6; left out: every type"},
    ParamRow{"code", ParamType::Number, "C", "icmp and icmpv6; left out: every code"},
    ParamRow{"source", ParamType::String, "CIDR|sg-|pl-", "of an ingress rule"},
    ParamRow{"destination", ParamType::String, "CIDR|sg-|pl-", "of an egress rule"},
    ParamRow{"app", ParamType::String, "APP", "what the connection must be, such as ssh"},
    ParamRow{"domains", ParamType::String, "NAME,NAME", "for which host; *.example.org: below it"},
    ParamRow{"description", ParamType::String, "TEXT", "what it is for"},
    kExisting,
    kComment,
    kExpected};
constexpr std::array kRuleRemove = {
    ParamRow{"rule", ParamType::String, "ID", "sgr- and 17 hex digits", false}, kExisting, kComment,
    kExpected};
constexpr std::array kMember = {
    ParamRow{"interface", ParamType::String, "ENI", "the interface", false},
    ParamRow{"group", ParamType::String, "GROUP", "the group", false}, kExisting, kComment,
    kExpected};
constexpr ParamRow kList{"list", ParamType::String, "LIST", "the prefix list", false};
constexpr std::array kEntryAdd = {
    kList,
    ParamRow{"cidr", ParamType::String, "CIDR", "the entry", false},
    ParamRow{"description", ParamType::String, "TEXT", "what it is for"},
    kExisting,
    kComment,
    kExpected};
constexpr std::array kEntryRemove = {
    kList, ParamRow{"cidr", ParamType::String, "CIDR", "the entry", false}, kExisting, kComment,
    kExpected};
constexpr std::array kListList = {
    ParamRow{"list", ParamType::String, "LIST", "only this prefix list"}, kLimit, kCursor};
constexpr std::array kListShow = {
    kList,
    ParamRow{"version", ParamType::Number, "VERSION", "as it was then (default the newest)", false},
    kLimit, kCursor};
constexpr std::array kListHistory = {kList, kLimit, kCursor};
constexpr std::array kListRestore = {
    kList, ParamRow{"version", ParamType::Number, "VERSION", "one that is kept", false}, kExisting,
    kComment, kExpected};
constexpr std::array kPolicyShow = {
    ParamRow{"generation", ParamType::Number, "GENERATION",
             "only if it is this one, the one in force", false},
    ParamRow{"as_written", ParamType::Boolean, "", "the text that was applied, comments included",
             false},
};
constexpr std::array kExplain = {
    ParamRow{"interface", ParamType::String, "ENI", "at which interface"},
    ParamRow{"direction", ParamType::String, "ingress|egress", "seen from the interface"},
    kProtocol,
    ParamRow{"source", ParamType::String, "ADDRESS", "of the packet"},
    ParamRow{"destination", ParamType::String, "ADDRESS", "of the packet"},
    ParamRow{"source_port", ParamType::Number, "N", "tcp and udp; may be left out"},
    ParamRow{"destination_port", ParamType::Number, "N", "tcp and udp"},
    ParamRow{"type", ParamType::Number, "T", "icmp and icmpv6"},
    ParamRow{"code", ParamType::Number, "C", "icmp and icmpv6 (default 0)"},
    ParamRow{"state", ParamType::String, "new|established", "of its connection (default new)"},
    ParamRow{"app", ParamType::String, "APP", "what the connection turned out to be, or unknown"},
    ParamRow{"domain", ParamType::String, "NAME", "the host that its client asked for"},
    ParamRow{"queries", ParamType::Array, "", "many questions in one request", false},
};
constexpr ParamRow kState{"state", ParamType::String, "STATE",
                          "only flows in this state, such as established"};
constexpr ParamRow kIdleMin{"idle_min", ParamType::Number, "SECONDS",
                            "only flows that were silent for so long, or longer"};
constexpr ParamRow kIdleMax{"idle_max", ParamType::Number, "SECONDS",
                            "only flows that were silent for so long at most"};
constexpr std::array kFlowList = {kInterface, kAddress, kPort,    kProtocol, kState,
                                  kDirection, kIdleMin, kIdleMax, kLimit,    kCursor};
constexpr std::array kFlowCount = {kInterface, kAddress, kPort,    kProtocol, kState,
                                   kDirection, kIdleMin, kIdleMax, kCursor};
constexpr std::array kFlowTop = {
    ParamRow{"of", ParamType::String, "remote|local|interface|service",
             "whom to rank (default remote)"},
    ParamRow{"by", ParamType::String, "flows|packets|bytes",
             "by what; packets and bytes are those of this minute, at interfaces with a flow log "
             "(default flows)"},
    kInterface,
    kAddress,
    kPort,
    kProtocol,
    kState,
    kDirection,
    kIdleMin,
    kIdleMax,
    ParamRow{"limit", ParamType::Number, "N", "so many of them (default 10)"},
};
constexpr std::array kFlowWatch = {kInterface, kAddress, kPort, kProtocol, kDirection, kLimit};
constexpr std::array kDropWatch = {
    kInterface, kAddress,
    kPort,      kProtocol,
    kDirection, ParamRow{"reason", ParamType::String, "REASON", "only drops for this reason"},
    kLimit,
};
constexpr std::array kStatsWatch = {
    ParamRow{"interval", ParamType::Number, "SECONDS", "how often (default 1)"},
    kLimit,
};
constexpr std::array kInterfaceList = {kInterface, kLimit, kCursor};
constexpr std::array kGroupList = {ParamRow{"group", ParamType::String, "GROUP", "only this group"},
                                   kLimit, kCursor};
constexpr std::array kStreamStop = {
    ParamRow{"stream", ParamType::Number, "N", "the number that the watch answered"},
};

constexpr std::array kRequests = std::to_array<RequestRow>({
    {"hello", Effect::Reads, {}, "product, version, protocol and generation"},
    {"rpc.list", Effect::Reads, {}, "this table"},
    {"policy.check", Effect::Works, kPolicyCheck, "says what is wrong with a policy"},
    {"policy.apply", Effect::Changes, kPolicyApply,
     "enforces a policy; returns when every worker does"},
    {"policy.edit", Effect::Changes, kPolicyEdit, "changes parts of the policy in force"},
    {"rule.add", Effect::Changes, kRuleAdd, "adds a rule to a security group"},
    {"rule.remove", Effect::Changes, kRuleRemove, "takes a rule away"},
    {"interface.attach", Effect::Changes, kMember, "gives an interface a security group"},
    {"interface.detach", Effect::Changes, kMember, "takes a security group from an interface"},
    {"prefix-list.add", Effect::Changes, kEntryAdd, "adds an entry to a prefix list"},
    {"prefix-list.remove", Effect::Changes, kEntryRemove, "takes an entry from a prefix list"},
    {"prefix-list.list", Effect::Reads, kListList, "prefix lists with size and version"},
    {"prefix-list.show", Effect::Reads, kListShow, "the entries of a prefix list, or of a version"},
    {"prefix-list.history", Effect::Reads, kListHistory, "the versions of a prefix list"},
    {"prefix-list.restore", Effect::Changes, kListRestore,
     "gives a prefix list the entries of an old version again"},
    {"policy.show", Effect::Reads, kPolicyShow, "the policy in force"},
    {"explain", Effect::Reads, kExplain, "what the policy does with a packet, and why"},
    {"flow.list", Effect::Reads, kFlowList, "the flows that are remembered"},
    {"flow.count", Effect::Reads, kFlowCount, "how many there are, by state and protocol"},
    {"flow.top", Effect::Reads, kFlowTop, "who has most of them"},
    {"flow.flush", Effect::Changes, kFlowCount, "forgets flows; without a filter, all of them"},
    {"flow.watch", Effect::Streams, kFlowWatch, "flows as they begin and end"},
    {"drop.watch", Effect::Streams, kDropWatch, "packets as they are dropped"},
    {"stats", Effect::Reads, {}, "counters of ports, workers, interfaces and flow log"},
    {"stats.watch", Effect::Streams, kStatsWatch, "the same, again and again"},
    {"stats.stages", Effect::Streams, kStatsWatch,
     "cycles of each stage of the packets' journey; measured while somebody asks"},
    {"interface.list", Effect::Reads, kInterfaceList, "interfaces with addresses and groups"},
    {"group.list", Effect::Reads, kGroupList, "security groups with their rules"},
    {"port.list", Effect::Reads, {}, "devices with role, driver and link"},
    {"worker.list", Effect::Reads, {}, "workers with core, load and generation"},
    {"stream.stop", Effect::Reads, kStreamStop, "ends a stream of this connection"},
});

constexpr std::uint64_t kExactNumberMax = std::uint64_t{1} << 53;  // what every JSON reader keeps

bool has_type(const nlohmann::json& value, ParamType type) {
  switch (type) {
    case ParamType::String:
      return value.is_string();
    case ParamType::Word:
      return value.is_string() || value.is_number_unsigned();
    case ParamType::Number:
      return value.is_number_unsigned();
    case ParamType::Boolean:
      return value.is_boolean();
    case ParamType::Document:
      return value.is_object() || value.is_string();
    case ParamType::Array:
      return value.is_array();
  }
  return false;
}

// True if `word` is one of "a|b|c". Capital letters name a kind of value and take anything.
bool is_choice(std::string_view choices, std::string_view word) {
  if (choices.find('|') == std::string_view::npos) return true;
  if (choices.front() >= 'A' && choices.front() <= 'Z') return true;
  while (!choices.empty()) {
    const std::size_t end = std::min(choices.find('|'), choices.size());
    if (choices.substr(0, end) == word) return true;
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return false;
}

Error usage(std::string sentence) {
  return Error{ErrorKind::Usage, "bad-params", std::move(sentence), ""};
}

std::optional<Error> check_value(const ParamRow& row, const nlohmann::json& value) {
  const std::string name(row.name);
  if (!has_type(value, row.type)) {
    return usage("parameter '" + name + "' is no " + std::string(name_of(row.type)));
  }
  if (row.type == ParamType::String || row.type == ParamType::Word) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text != nullptr && text->size() > kStringParamMax) {
      return usage("parameter '" + name + "' has " + std::to_string(text->size()) +
                   " bytes, more than " + std::to_string(kStringParamMax));
    }
  }
  if (row.type == ParamType::Number && value.get<std::uint64_t>() > kExactNumberMax) {
    return usage("parameter '" + name + "' exceeds 2^53");
  }
  if (const auto* word = value.get_ptr<const std::string*>();
      word != nullptr && row.type == ParamType::String && !is_choice(row.value, *word)) {
    return usage("parameter '" + name + "' is '" + word->substr(0, 80) + "', not one of " +
                 std::string(row.value));
  }
  return std::nullopt;
}

}  // namespace

std::span<const RequestRow> requests() { return kRequests; }

const RequestRow* find_request(std::string_view method) {
  const auto place = std::find_if(kRequests.begin(), kRequests.end(),
                                  [&](const RequestRow& row) { return row.method == method; });
  return place == kRequests.end() ? nullptr : &*place;
}

std::string_view name_of(ParamType type) {
  switch (type) {
    case ParamType::String:
      return "string";
    case ParamType::Word:
      return "string or whole number";
    case ParamType::Number:
      return "whole number";
    case ParamType::Boolean:
      return "boolean";
    case ParamType::Document:
      return "policy document (object or string)";
    case ParamType::Array:
      return "array";
  }
  return "";
}

std::string_view name_of(Effect effect) {
  switch (effect) {
    case Effect::Reads:
      return "reads";
    case Effect::Works:
      return "works";
    case Effect::Changes:
      return "changes";
    case Effect::Streams:
      return "streams";
  }
  return "";
}

std::optional<Error> check_params(const RequestRow& row, const nlohmann::json& params) {
  if (params.is_null()) return std::nullopt;
  if (!params.is_object()) return usage("params are an object, by name");
  for (const auto& item : params.items()) {
    const auto param = std::find_if(row.params.begin(), row.params.end(),
                                    [&](const ParamRow& one) { return one.name == item.key(); });
    if (param == row.params.end()) {
      return usage(std::string(row.method) + " has no parameter '" + item.key().substr(0, 80) +
                   "'");
    }
    if (std::optional<Error> error = check_value(*param, item.value())) return error;
  }
  return std::nullopt;
}

nlohmann::ordered_json requests_to_json() {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const RequestRow& row : kRequests) {
    nlohmann::ordered_json params = nlohmann::ordered_json::array();
    for (const ParamRow& param : row.params) {
      params.push_back({{"name", param.name},
                        {"type", name_of(param.type)},
                        {"value", param.value},
                        {"sentence", param.sentence}});
    }
    list.push_back({{"method", row.method},
                    {"effect", name_of(row.effect)},
                    {"sentence", row.sentence},
                    {"params", std::move(params)}});
  }
  return list;
}

}  // namespace sluice
