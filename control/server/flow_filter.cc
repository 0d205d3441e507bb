#include "control/server/flow_filter.h"

#include <array>
#include <utility>

#include "control/explain/query.h"

namespace sluice {
namespace {

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

bool is_proto_with_ports(const FlowTuple& tuple) { return has_ports(tuple.proto); }

void add_tuple(nlohmann::ordered_json& out, const FlowTuple& tuple, const Registry& registry) {
  out["interface"] = registry.interfaces.name_of(tuple.eni);
  out["protocol"] = protocol_word(tuple.proto);
  out["local"] = tuple.local.to_string();
  out["remote"] = tuple.remote.to_string();
  if (is_proto_with_ports(tuple)) {
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

}  // namespace

bool FlowFilter::matches_tuple(const FlowTuple& tuple) const {
  if (interface && tuple.eni != *interface) return false;
  if (proto && tuple.proto != *proto) return false;
  if (address && !address->contains(tuple.local) && !address->contains(tuple.remote)) return false;
  if (!port) return true;
  return is_proto_with_ports(tuple) && (tuple.local_port == *port || tuple.remote_port == *port);
}

bool FlowFilter::matches(const FlowView& flow) const {
  if (phase && flow.phase != *phase) return false;
  if (direction && flow.initiator != *direction) return false;
  return matches_tuple(flow.tuple);
}

bool FlowFilter::matches(const WatchEvent& event) const {
  if (reason && event.reason != *reason) return false;
  if (event.has_tuple) {
    if (direction && event.direction != *direction) return false;
    return matches_tuple(event.tuple);
  }
  return !interface && !address && !port && !proto && !direction;
}

Result<FlowFilter> read_filter(const nlohmann::json& params, const Registry& registry) {
  FlowFilter filter;
  if (const auto name = text_of(params, "interface")) {
    filter.interface = registry.interfaces.find(*name);
    if (!filter.interface) {
      return Error{ErrorKind::Failed, "unknown-interface",
                   "no policy named an interface '" + *name + "'", ""};
    }
  }
  if (std::optional<Error> error = read_ends(params, filter)) return *error;
  if (const auto word = text_of(params, "state")) {
    filter.phase = parse_phase(*word);
    if (!filter.phase) return usage("bad-state", "there is no flow state '" + *word + "'");
  }
  if (const auto word = text_of(params, "direction")) {
    filter.direction = *word == "ingress" ? Direction::Ingress : Direction::Egress;
  }
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
  out["idle_ms"] = flow.idle_ms;
  out["expires_in_ms"] = flow.expires_in_ms;
  out["worker"] = flow.worker.value();
  return out;
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
  out["worker"] = event.worker.value();
  return out;
}

}  // namespace sluice
