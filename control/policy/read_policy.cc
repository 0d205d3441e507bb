#include "control/policy/read_policy.h"

#include <array>

#include "base/limits.h"
#include "control/policy/read_layer7.h"
#include "control/policy/read_match.h"
#include "control/policy/read_rules.h"
#include "control/policy/table_reader.h"

namespace sluice {

namespace {

// The blocks of a VPC or subnet; sets `incomplete` if some could not be read.
std::vector<PlacedCidr> read_cidrs(TableReader& table, bool& incomplete) {
  std::vector<PlacedCidr> blocks;
  const Node::Array* elements = table.required_array("cidrs");
  if (elements == nullptr) {
    incomplete = true;
    return blocks;
  }
  if (elements->empty()) {
    incomplete = true;
    table.error(table.place_of("cidrs"), "empty", "cidrs is empty; it needs one block or more");
  }
  for (const Node& element : *elements) {
    const std::optional<Cidr> cidr = read_cidr(element, table.what(), table.findings());
    if (cidr) {
      blocks.push_back({*cidr, element.at()});
    } else {
      incomplete = true;
    }
  }
  return blocks;
}

Vpc read_vpc(const Node& node, Findings& findings) {
  TableReader table(node, "vpc", findings);
  const std::optional<std::string> id = table.required_id("id");
  if (id) table.set_what("vpc " + quoted(*id));
  Vpc vpc;
  vpc.id = id.value_or("");
  vpc.at = table.place_of("id");
  vpc.cidrs = read_cidrs(table, vpc.cidrs_incomplete);
  table.finish();
  return vpc;
}

Subnet read_subnet(const Node& node, Findings& findings) {
  TableReader table(node, "subnet", findings);
  const std::optional<std::string> id = table.required_id("id");
  if (id) table.set_what("subnet " + quoted(*id));
  Subnet subnet;
  subnet.id = id.value_or("");
  subnet.at = table.place_of("id");
  subnet.vpc = table.required_id("vpc").value_or("");
  subnet.vpc_at = table.place_of("vpc");
  subnet.cidrs = read_cidrs(table, subnet.cidrs_incomplete);
  if (const std::optional<std::string> acl = table.string("network_acl")) {
    subnet.network_acl = Reference{*acl, table.place_of("network_acl")};
  }
  table.finish();
  return subnet;
}

void read_mac(TableReader& table, Eni& eni) {
  eni.mac_at = table.place_of("mac");
  const std::optional<std::string> text = table.string("mac");
  if (!text) return;
  const std::optional<MacAddr> mac = MacAddr::parse(*text);
  if (!mac) {
    table.error(eni.mac_at, "bad-mac",
                "mac = " + quoted(*text) + " is not of the form 02:00:00:00:01:10");
  } else if (mac->is_group() || mac->is_zero()) {
    table.error(eni.mac_at, "bad-mac",
                "mac = " + quoted(*text) + " is not the address of one interface");
  } else {
    eni.mac = mac;
  }
}

void read_addresses(TableReader& table, Eni& eni) {
  const Node::Array* elements = table.required_array("addresses");
  if (elements == nullptr) return;
  if (elements->empty()) {
    table.error(table.place_of("addresses"), "empty", "addresses is empty; one is needed");
  }
  for (const Node& element : *elements) {
    if (element.string() == nullptr) {
      table.wrong_type(element, "an address", "a string");
      continue;
    }
    const std::string& text = *element.string();
    const std::optional<IpAddr> address = IpAddr::parse(text);
    if (!address) {
      table.error(element.at(), "bad-address", quoted(text) + " is not an IPv4 or IPv6 address");
      continue;
    }
    if (address->is_multicast() || address->is_limited_broadcast()) {
      table.error(element.at(), "bad-address",
                  text + " is a multicast or broadcast address; no interface can have it");
      continue;
    }
    if (address->is_unspecified()) {
      table.findings().warning(element.at(), "unspecified-address",
                               table.what() + ": " + text + " stands for no address in packets");
    }
    eni.addresses.push_back({*address, element.at()});
  }
}

// SG-28. AWS delegates /28s and /80s; here any length will do.
void read_prefixes(TableReader& table, Eni& eni) {
  const Node::Array* elements = table.array("prefixes");
  if (elements == nullptr) return;
  for (const Node& element : *elements) {
    const std::optional<Cidr> cidr = read_cidr(element, table.what(), table.findings());
    if (!cidr) continue;
    if (cidr->address().is_multicast()) {
      table.error(element.at(), "bad-prefix",
                  cidr->to_string() + " is of multicast addresses; no interface can have them");
      continue;
    }
    eni.prefixes.push_back({*cidr, element.at()});
  }
}

void read_groups_of(TableReader& table, Eni& eni) {
  eni.groups_at = table.place_of("security_groups");
  eni.groups_left_out = table.find("security_groups") == nullptr;
  const Node::Array* elements = table.array("security_groups");
  if (elements == nullptr) return;
  for (const Node& element : *elements) {
    if (element.string() == nullptr) {
      table.wrong_type(element, "a security group", "a string");
      continue;
    }
    eni.security_groups.push_back({*element.string(), element.at()});
  }
  if (elements->empty()) {
    table.findings().warning(eni.groups_at, "no-security-groups",
                             table.what() + ": it holds no security group: nothing passes");
  }
}

constexpr IntegerRange kAllowanceRange{1, kFlowCapacityMax, "flows (CT-28)"};

// CT-11 to CT-13, CT-28.
void read_tracking_of(TableReader& table, Eni& eni) {
  const Node* node = table.find("tracking");
  if (node == nullptr) return;
  TableReader tracking(*node, "tracking of " + table.what(), table.findings());
  const auto read = [&](std::string_view key, IntegerRange range, std::uint32_t& member) {
    const std::optional<std::int64_t> value = tracking.integer(key, range);
    if (value) member = static_cast<std::uint32_t>(*value);
  };
  read("tcp_established", {60, 432'000, "s (CT-11)"}, eni.tracking.tcp_established_s);
  read("udp", {30, 60, "s (CT-12)"}, eni.tracking.udp_s);
  read("udp_stream", {60, 180, "s (CT-13)"}, eni.tracking.udp_stream_s);
  read("allowance", kAllowanceRange, eni.tracking.allowance);
  tracking.finish();
}

Eni read_interface(const Node& node, Findings& findings) {
  TableReader table(node, "interface", findings);
  const std::optional<std::string> id = table.required_id("id");
  if (id) table.set_what("interface " + quoted(*id));
  Eni eni;
  eni.id = id.value_or("");
  eni.at = table.place_of("id");
  eni.subnet = table.required_id("subnet").value_or("");
  eni.subnet_at = table.place_of("subnet");
  read_mac(table, eni);
  read_addresses(table, eni);
  read_prefixes(table, eni);
  read_groups_of(table, eni);
  eni.instance = table.string("instance").value_or("");
  read_tracking_of(table, eni);
  static constexpr std::array<std::string_view, 2> kActions = {"drop", "reject"};
  eni.rejects = table.choice("on_app_mismatch", kActions).value_or(0) == 1;
  table.finish();
  return eni;
}

std::optional<Peering> read_peering(const Node& node, Findings& findings) {
  TableReader table(node, "peering", findings);
  const Node::Array* elements = table.required_array("vpcs");
  table.finish();
  if (elements == nullptr) return std::nullopt;
  if (elements->size() != 2) {
    table.error(table.place_of("vpcs"), "bad-peering",
                "vpcs must name two VPCs, not " + std::to_string(elements->size()));
    return std::nullopt;
  }
  for (const Node& element : *elements) {
    if (element.string() != nullptr) continue;
    table.wrong_type(element, "a VPC", "a string");
    return std::nullopt;
  }
  const Node& first = elements->front();
  const Node& second = elements->back();
  return Peering{{*first.string(), first.at()}, {*second.string(), second.at()}, node.at()};
}

void read_log_format(TableReader& table, FlowLog& log) {
  log.format = table.string("format").value_or(std::string(kDefaultLogFormat));
  const Position at = table.place_of("format");
  LogFormat format = parse_log_format(log.format);
  if (!format.bad_part.empty()) {
    table.error(at, "bad-format",
                quoted(format.bad_part) + " in format is not of the form ${field}; fields are " +
                    "separated by blanks");
  } else if (format.fields.empty()) {
    table.error(at, "bad-format", "format names no field");
  }
  for (const std::string& name : format.fields) {
    switch (classify_log_field(name)) {
      case LogField::Supported:
        break;
      case LogField::Unsupported:
        table.error(at, "unsupported-field",
                    "the field ${" + name + "} is not supported; fields of version 2 and " +
                        "vpc-id, subnet-id, instance-id, tcp-flags, type, pkt-srcaddr, " +
                        "pkt-dstaddr, flow-direction, rule-id, group-id, generation, " +
                        "drop-reason, app are");
        break;
      case LogField::Unknown:
        table.error(at, "unknown-field", "there is no field " + quoted("${" + name + "}"));
        break;
    }
  }
  log.fields = std::move(format.fields);
}

void read_destination(TableReader& table, FlowLog& log) {
  static constexpr std::string_view kScheme = "file:";
  const std::optional<std::string> text = table.required_string("destination");
  if (!text) return;
  log.path_at = table.place_of("destination");
  const std::string path = text->starts_with(kScheme) ? text->substr(kScheme.size()) : "";
  if (!path.starts_with('/') || path.ends_with('/') || path.find('\0') != std::string::npos) {
    table.error(log.path_at, "bad-destination",
                "destination = " + quoted(*text) +
                    " must be a file by its whole path, such as file:/var/log/sluice/flow.log");
    return;
  }
  log.path = path;
}

FlowLog read_flow_log(const Node& node, Findings& findings) {
  static constexpr std::array<std::string_view, 3> kTraffic = {"all", "accept", "reject"};
  TableReader table(node, "flow_log", findings);
  const std::optional<std::string> id = table.required_id("id");
  if (id) table.set_what("flow_log " + quoted(*id));
  FlowLog log;
  log.id = id.value_or("");
  log.at = table.place_of("id");
  log.resource = table.required_id("resource").value_or("");
  log.resource_at = table.place_of("resource");
  log.traffic = static_cast<LogTraffic>(table.choice("traffic", kTraffic).value_or(0));
  const std::optional<std::int64_t> interval = table.integer("interval", {60, 600, "s (FL-11)"});
  if (interval && *interval != 60 && *interval != 600) {
    table.error(table.place_of("interval"), "out-of-range",
                "interval = " + std::to_string(*interval) + " must be 60 or 600 s (FL-11)");
  }
  log.interval_s = static_cast<std::uint32_t>(interval.value_or(600));
  read_log_format(table, log);
  read_destination(table, log);
  log.header = table.boolean("header").value_or(false);
  log.rotate_size_mb = static_cast<std::uint32_t>(
      table.integer("rotate_size_mb", {1, 1'048'576, "MB"}).value_or(log.rotate_size_mb));
  log.rotate_keep = static_cast<std::uint32_t>(
      table.integer("rotate_keep", {0, 10'000, "files"}).value_or(log.rotate_keep));
  table.finish();
  return log;
}

// Product, section 3; CT-18.
void read_tracking(TableReader& top, TrackingSettings& settings) {
  static constexpr std::array<std::string_view, 2> kModes = {"loose", "strict"};
  static constexpr std::array<std::string_view, 2> kIcmpErrors = {"related", "documented"};
  const Node* node = top.find("tracking");
  if (node == nullptr) return;
  TableReader table(*node, "tracking", top.findings());
  settings.mode = static_cast<TcpMode>(table.choice("mode", kModes).value_or(0));
  settings.icmp_errors =
      static_cast<IcmpErrorMode>(table.choice("icmp_errors", kIcmpErrors).value_or(0));
  const auto read = [&](std::string_view key, IntegerRange range, std::uint32_t& member) {
    const std::optional<std::int64_t> value = table.integer(key, range);
    if (value) member = static_cast<std::uint32_t>(*value);
  };
  read("syn", {1, 3600, "s"}, settings.syn_s);
  read("half_closed", {1, 3600, "s"}, settings.half_closed_s);
  read("time_wait", {10, 60, "s (CT-18)"}, settings.time_wait_s);
  read("icmp", {1, 3600, "s"}, settings.icmp_s);
  read("allowance", kAllowanceRange, settings.allowance);
  table.finish();
}

void read_exempt(TableReader& top, ExemptProfile& profile) {
  static constexpr std::array<std::string_view, 2> kProfiles = {"none", "aws"};
  const Node* node = top.find("exempt");
  if (node == nullptr) return;
  TableReader table(*node, "exempt", top.findings());
  profile = static_cast<ExemptProfile>(table.choice("profile", kProfiles).value_or(0));
  table.finish();
}

void read_account(TableReader& top, std::string& account) {
  const std::optional<std::string> text = top.string("account");
  if (!text) return;
  if (is_valid_id(*text)) {
    account = *text;
    return;
  }
  top.error(top.place_of("account"), "bad-account",
            "account = " + quoted(*text) + " must be letters and digits, such as 123456789012");
}

// Reads each table of the array. One without a usable id is kept with an empty one, so that the
// names in it are checked too.
template <class Thing, class Read>
void read_all(TableReader& top, std::string_view key, std::vector<Thing>& things, Read read) {
  for_each_table(top, key, [&](const Node& node) { things.push_back(read(node, top.findings())); });
}

}  // namespace

Policy read_policy(const Node& root, Findings& findings) {
  Policy policy;
  TableReader top(root, "policy", findings);
  read_account(top, policy.account);
  read_tracking(top, policy.tracking);
  read_exempt(top, policy.exempt);
  read_layer7_settings(top, policy.layer7);
  read_all(top, "vpc", policy.vpcs, read_vpc);
  read_all(top, "subnet", policy.subnets, read_subnet);
  read_all(top, "prefix_list", policy.prefix_lists, read_prefix_list);
  read_all(top, "security_group", policy.groups, read_security_group);
  read_all(top, "interface", policy.interfaces, read_interface);
  read_all(top, "network_acl", policy.acls, read_network_acl);
  for_each_table(top, "peering", [&](const Node& node) {
    std::optional<Peering> peering = read_peering(node, findings);
    if (peering) policy.peerings.push_back(*std::move(peering));
  });
  read_all(top, "flow_log", policy.flow_logs, read_flow_log);
  read_all(top, "signature", policy.signatures, read_signature);
  top.finish();
  return policy;
}

}  // namespace sluice
