#include "control/policy/policy_json.h"

#include <nlohmann/json.hpp>

#include "base/proto.h"
#include "control/policy/rule_id.h"

namespace sluice {

namespace {

using Json = nlohmann::ordered_json;

Json cidrs_to_json(const std::vector<PlacedCidr>& blocks) {
  Json array = Json::array();
  for (const PlacedCidr& block : blocks) array.push_back(block.cidr.to_string());
  return array;
}

void put_text(Json& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = text;
}

void put_match(Json& object, ProtoMatch proto, PortMatch ports) {
  object["protocol"] = protocol_name(proto);
  if (proto.number == ProtoMatch::kAll) return;
  const auto number = static_cast<Proto>(proto.number);
  if (has_ports(number) && ports.low == ports.high) {
    object["ports"] = ports.low;
  } else if (has_ports(number)) {
    object["ports"] = std::to_string(ports.low) + "-" + std::to_string(ports.high);
  } else if (is_icmp(number)) {
    object["type"] = ports.low;
    object["code"] = ports.high;
  }
}

void put_tags(Json& object, const Tags& tags) {
  for (const auto& [key, value] : tags) object["tags"][key] = value;
}

Json rules_to_json(const std::vector<SecurityRule>& rules) {
  Json array = Json::array();
  for (const SecurityRule& rule : rules) {
    Json object;
    put_match(object, rule.proto, rule.ports);
    const bool is_ingress = rule.direction == Direction::Ingress;
    object[is_ingress ? "source" : "destination"] = peer_text(rule.peer);
    if (rule.condition.app != App::Unknown) object["app"] = name_of(rule.condition.app);
    const std::vector<std::string>& domains = rule.condition.domains.domains();
    if (!domains.empty()) object["domains"] = domains;
    put_text(object, "description", rule.description);
    put_tags(object, rule.tags);
    array.push_back(std::move(object));
  }
  return array;
}

Json to_json(const Signature& signature) {
  Json object = {{"id", signature.id}, {"pattern", signature.pattern}};
  put_text(object, "flags", signature.flags);
  object["action"] = signature.action == SignatureAction::Drop ? "drop" : "alert";
  return object;
}

Json to_json(const Vpc& vpc) { return {{"id", vpc.id}, {"cidrs", cidrs_to_json(vpc.cidrs)}}; }

Json to_json(const Subnet& subnet) {
  Json object = {{"id", subnet.id}, {"vpc", subnet.vpc}, {"cidrs", cidrs_to_json(subnet.cidrs)}};
  if (subnet.network_acl) object["network_acl"] = subnet.network_acl->id;
  return object;
}

Json to_json(const PrefixList& list) {
  Json object;
  object["id"] = list.id;
  put_text(object, "name", list.name);
  object["family"] = list.family == Family::Ipv4 ? "ipv4" : "ipv6";
  object["max_entries"] = list.max_entries;
  object["entries"] = Json::array();
  for (const PrefixListEntry& entry : list.entries) {
    Json row;
    row["cidr"] = entry.cidr.to_string();
    put_text(row, "description", entry.description);
    object["entries"].push_back(std::move(row));
  }
  return object;
}

Json to_json(const SecurityGroup& group) {
  Json object;
  object["id"] = group.id;
  put_text(object, "name", group.name);
  put_text(object, "description", group.description);
  object["vpc"] = group.vpc;
  put_tags(object, group.tags);
  object["ingress"] = rules_to_json(group.ingress);
  const bool egress_left_out = !group.egress.empty() && group.egress.front().implied;
  if (!egress_left_out) object["egress"] = rules_to_json(group.egress);
  return object;
}

Json to_json(const Eni& eni) {
  Json object;
  object["id"] = eni.id;
  object["subnet"] = eni.subnet;
  if (eni.mac) object["mac"] = eni.mac->to_string();
  object["addresses"] = Json::array();
  for (const EniAddress& each : eni.addresses) {
    object["addresses"].push_back(each.address.to_string());
  }
  for (const EniPrefix& each : eni.prefixes) object["prefixes"].push_back(each.cidr.to_string());
  if (!eni.groups_left_out) {
    object["security_groups"] = Json::array();
    for (const Reference& group : eni.security_groups) {
      object["security_groups"].push_back(group.id);
    }
  }
  put_text(object, "instance", eni.instance);
  object["tracking"] = {{"tcp_established", eni.tracking.tcp_established_s},
                        {"udp", eni.tracking.udp_s},
                        {"udp_stream", eni.tracking.udp_stream_s}};
  if (eni.tracking.allowance != 0) object["tracking"]["allowance"] = eni.tracking.allowance;
  if (eni.rejects) object["on_app_mismatch"] = "reject";
  return object;
}

Json to_json(const NetworkAcl& acl) {
  Json object = {{"id", acl.id}, {"vpc", acl.vpc}};
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    Json& rows = object[std::string(name_of(direction))] = Json::array();
    for (const AclEntry& entry : acl.entries(direction)) {
      Json row = {{"rule", entry.rule}, {"action", entry.allow ? "allow" : "deny"}};
      put_match(row, entry.proto, entry.ports);
      row["cidr"] = entry.cidr.to_string();
      rows.push_back(std::move(row));
    }
  }
  return object;
}

Json to_json(const Peering& peering) {
  Json object;
  object["vpcs"] = Json::array({peering.first.id, peering.second.id});
  return object;
}

Json to_json(const FlowLog& log) {
  static constexpr const char* kTraffic[] = {"all", "accept", "reject"};
  return {{"id", log.id},
          {"resource", log.resource},
          {"traffic", kTraffic[static_cast<std::size_t>(log.traffic)]},
          {"interval", log.interval_s},
          {"format", log.format},
          {"destination", "file:" + log.path},
          {"header", log.header},
          {"rotate_size_mb", log.rotate_size_mb},
          {"rotate_keep", log.rotate_keep}};
}

template <class Thing>
void put_all(Json& document, const char* key, const std::vector<Thing>& things) {
  if (things.empty()) return;
  Json& array = document[key] = Json::array();
  for (const Thing& thing : things) array.push_back(to_json(thing));
}

Json settings_to_json(const TrackingSettings& settings) {
  Json object = {
      {"mode", settings.mode == TcpMode::Loose ? "loose" : "strict"},
      {"icmp_errors", settings.icmp_errors == IcmpErrorMode::Related ? "related" : "documented"},
      {"syn", settings.syn_s},
      {"half_closed", settings.half_closed_s},
      {"time_wait", settings.time_wait_s},
      {"icmp", settings.icmp_s}};
  if (settings.allowance != 0) object["allowance"] = settings.allowance;
  return object;
}

Json settings_to_json(const Layer7Settings& settings) {
  return {{"action_on_unknown", settings.allow_unknown ? "allow" : "drop"},
          {"packets", settings.packets_max},
          {"seconds", settings.seconds_max},
          {"worker_budget", settings.worker_budget},
          {"interface_budget", settings.interface_budget}};
}

}  // namespace

nlohmann::ordered_json policy_to_json(const Policy& policy) {
  Json document = Json::object();
  put_text(document, "account", policy.account);
  document["tracking"] = settings_to_json(policy.tracking);
  document["exempt"]["profile"] = policy.exempt == ExemptProfile::None ? "none" : "aws";
  if (policy.layer7 != Layer7Settings()) document["layer7"] = settings_to_json(policy.layer7);
  put_all(document, "vpc", policy.vpcs);
  put_all(document, "subnet", policy.subnets);
  put_all(document, "prefix_list", policy.prefix_lists);
  std::vector<SecurityGroup> written;
  for (const SecurityGroup& group : policy.groups) {
    if (!group.implied) written.push_back(group);
  }
  put_all(document, "security_group", written);
  put_all(document, "interface", policy.interfaces);
  put_all(document, "network_acl", policy.acls);
  put_all(document, "peering", policy.peerings);
  put_all(document, "flow_log", policy.flow_logs);
  put_all(document, "signature", policy.signatures);
  return document;
}

std::string policy_to_json_text(const Policy& policy) {
  return policy_to_json(policy).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sluice
