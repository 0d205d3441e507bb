#include "control/server/flow_filter.h"

#include <array>
#include <utility>

#include "control/explain/query.h"
#include "control/server/listing.h"
#include "lookup/rule_condition.h"

namespace sluice {
namespace {

// No flow is silent for longer (CT-11), with room to ask for more.
constexpr std::uint64_t kIdleMaxS = 1'000'000;

Error usage(std::string code, std::string sentence) {
  return Error{ErrorKind::Usage, std::move(code), std::move(sentence), ""};
}

// The parameter as text, if it was given.
std::optional<std::string> text_of(const nlohmann::json& params, const char* name) {
  const auto place = params.find(name);
  if (place == params.end()) return std::nullopt;
  if (const auto* text = place->get_ptr<const std::string*>()) return *text;
  return place->dump();
}

std::optional<FlowPhase> parse_phase(std::string_view word) {
  for (int i = 1; i <= static_cast<int>(FlowPhase::Accounted); ++i) {
    const auto phase = static_cast<FlowPhase>(i);
    if (name_of(phase) == word) return phase;
  }
  return std::nullopt;
}

std::optional<DropReason> parse_reason(std::string_view word) {
  for (const DropReasonRow& row : kDropReasons) {
    if (row.name == word && row.reason != DropReason::None) return row.reason;
  }
  return std::nullopt;
}

std::optional<Cidr> parse_block(std::string_view text) {
  if (const std::optional<IpAddr> address = IpAddr::parse(text)) return Cidr::host(*address);
  return Cidr::parse(text);
}

std::optional<Error> read_ends(const nlohmann::json& params, FlowFilter& filter) {
  if (const auto text = text_of(params, "address")) {
    filter.address = parse_block(*text);
    if (!filter.address) {
      return usage("bad-address", "address '" + *text + "' is neither an address nor a CIDR");
    }
  }
  if (const auto text = text_of(params, "port")) {
    const std::optional<std::uint64_t> port = parse_number(*text, 65'535);
    if (!port) return usage("bad-port", "port " + *text + " exceeds 65535");
    filter.port = static_cast<std::uint16_t>(*port);
  }
  if (const auto text = text_of(params, "protocol")) {
    filter.proto = parse_protocol(*text);
    if (!filter.proto) {
      return usage("bad-protocol",
                   "protocol '" + *text + "' is none of tcp, udp, icmp, icmpv6 and 0 to 255");
    }
  }
  return std::nullopt;
}

// Seconds as milliseconds of the clock of flows.
std::optional<Error> read_idle_time(const nlohmann::json& params, const char* name,
                                    std::optional<std::uint32_t>& idle_ms) {
  const auto place = params.find(name);
  if (place == params.end()) return std::nullopt;
  const auto seconds = place->get<std::uint64_t>();
  if (seconds > kIdleMaxS) {
    return usage("bad-idle", std::string(name) + " " + std::to_string(seconds) + " exceeds " +
                                 std::to_string(kIdleMaxS) + " seconds");
  }
  idle_ms = static_cast<std::uint32_t>(seconds * 1'000);
  return std::nullopt;
}

std::optional<Error> read_idle(const nlohmann::json& params, FlowFilter& filter) {
  if (auto error = read_idle_time(params, "idle_min", filter.idle_min_ms)) return error;
  if (auto error = read_idle_time(params, "idle_max", filter.idle_max_ms)) return error;
  if (filter.idle_min_ms && filter.idle_max_ms && *filter.idle_min_ms > *filter.idle_max_ms) {
    return usage("bad-idle", "idle_min " + std::to_string(*filter.idle_min_ms / 1'000) +
                                 " exceeds idle_max " +
                                 std::to_string(*filter.idle_max_ms / 1'000));
  }
  return std::nullopt;
}

void add_tuple(nlohmann::ordered_json& out, const FlowTuple& tuple, const Registry& registry) {
  out["interface"] = registry.interfaces.name_of(tuple.eni);
  out["protocol"] = protocol_word(tuple.proto);
  out["local"] = tuple.local.to_string();
  out["remote"] = tuple.remote.to_string();
  if (has_ports(tuple.proto)) {
    out["local_port"] = tuple.local_port;
    out["remote_port"] = tuple.remote_port;
  } else if (is_icmp(tuple.proto)) {
    out["icmp_type"] = tuple.icmp_type;
    out["icmp_id"] = tuple.local_port;
  }
}

nlohmann::ordered_json name_or_null(bool is_known, std::string name) {
  return is_known ? nlohmann::ordered_json(std::move(name)) : nlohmann::ordered_json(nullptr);
}

std::string_view name_of(WatchEvent::Kind kind) {
  switch (kind) {
    case WatchEvent::Kind::FlowBegin:
      return "begin";
    case WatchEvent::Kind::FlowEnd:
      return "end";
    case WatchEvent::Kind::Drop:
      return "drop";
  }
  return "";
}

void add_facts(nlohmann::ordered_json& out, const FlowFacts& facts, const Registry& registry) {
  if (!facts.name().empty()) out["domain"] = facts.name();
  if (!facts.ja4().empty()) out["ja4"] = facts.ja4();
  if (facts.signature() != FlowFacts::kNoSignature) {
    out["signature"] = registry.signature_name(facts.signature());
  }
}

}  // namespace

bool EventFilter::matches(const WatchEvent& event) const {
  if (reason && event.reason != *reason) return false;
  if (event.has_tuple) {
    if (flow.direction && event.direction != *flow.direction) return false;
    return flow.matches(event.tuple);
  }
  return !flow.interface && !flow.address && !flow.port && !flow.proto && !flow.direction;
}

Result<EventFilter> read_filter(const nlohmann::json& params, const Registry& registry) {
  EventFilter filter;
  FlowFilter& flow = filter.flow;
  if (const auto name = text_of(params, "interface")) {
    flow.interface = registry.interfaces.find(*name);
    if (!flow.interface) {
      return Error{ErrorKind::Failed, "unknown-interface",
                   "no policy named an interface '" + *name + "'", ""};
    }
  }
  if (std::optional<Error> error = read_ends(params, flow)) return *error;
  if (const auto word = text_of(params, "state")) {
    flow.phase = parse_phase(*word);
    if (!flow.phase) return usage("bad-state", "there is no flow state '" + *word + "'");
  }
  if (const auto word = text_of(params, "direction")) {
    flow.direction = *word == "ingress" ? Direction::Ingress : Direction::Egress;
  }
  if (std::optional<Error> error = read_idle(params, flow)) return *error;
  if (const auto word = text_of(params, "reason")) {
    filter.reason = parse_reason(*word);
    if (!filter.reason) return usage("bad-reason", "there is no drop reason '" + *word + "'");
  }
  return filter;
}

nlohmann::ordered_json flow_to_json(const FlowView& flow, const Registry& registry) {
  nlohmann::ordered_json out;
  add_tuple(out, flow.tuple, registry);
  out["direction"] = name_of(flow.initiator);
  out["state"] = name_of(flow.phase);
  out["tracked"] = flow.tracked;
  out["rule"] = name_or_null(!flow.rule.is_none(), registry.rules.name_of(flow.rule));
  out["generation"] = flow.generation.value();
  if (flow.is_watched) out["app"] = "looking";
  if (flow.app != 0) out["app"] = app_word(App{flow.app});
  add_facts(out, flow.facts, registry);
  out["idle_ms"] = flow.idle_ms;
  out["expires_in_ms"] = flow.expires_in_ms;
  out["packets"] = std::uint64_t{flow.packets[0]} + flow.packets[1];
  out["bytes"] = flow.bytes[0] + flow.bytes[1];
  out["worker"] = flow.worker.value();
  return out;
}

nlohmann::ordered_json flow_counts_to_json(const FlowCounts& counts) {
  nlohmann::ordered_json states = nlohmann::ordered_json::object();
  nlohmann::ordered_json protocols = nlohmann::ordered_json::object();
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < counts.by_phase.size(); ++i) {
    if (counts.by_phase[i] == 0) continue;
    states[std::string(name_of(static_cast<FlowPhase>(i)))] = counts.by_phase[i];
    all += counts.by_phase[i];
  }
  for (std::size_t i = 0; i < counts.by_proto.size(); ++i) {
    if (counts.by_proto[i] == 0) continue;
    protocols[protocol_word(static_cast<Proto>(i))] = counts.by_proto[i];
  }
  return {{"flows", all},
          {"states", std::move(states)},
          {"protocols", std::move(protocols)},
          {"next_cursor", cursor_to_json(counts.next_cursor)}};
}

nlohmann::ordered_json event_to_json(const WatchEvent& event, const std::string& port_id,
                                     const Registry& registry) {
  nlohmann::ordered_json out;
  out["event"] = name_of(event.kind);
  out["time"] = static_cast<double>(event.time_ns / 1'000) / 1e6;
  if (event.kind == WatchEvent::Kind::Drop) {
    out["reason"] = name_of(event.reason);
    out["port"] = name_or_null(!port_id.empty(), port_id);
    out["length"] = event.length;
  }
  if (event.has_tuple) {
    out["direction"] = name_of(event.direction);
    add_tuple(out, event.tuple, registry);
  }
  if (event.kind != WatchEvent::Kind::Drop) {
    out["rule"] = name_or_null(!event.rule.is_none(), registry.rules.name_of(event.rule));
  }
  if (event.app != 0) out["app"] = app_word(App{event.app});
  add_facts(out, event.facts, registry);
  out["worker"] = event.worker.value();
  return out;
}

}  // namespace sluice
