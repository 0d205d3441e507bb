#include "control/cli/show.h"

#include <array>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <utility>

#include "control/cli/escape.h"
#include "control/cli/table.h"

namespace sluice {
namespace {

using OrderedJson = nlohmann::ordered_json;

const OrderedJson& at(const OrderedJson& object, const char* key) {
  static const OrderedJson kNull;
  if (!object.is_object()) return kNull;
  const auto place = object.find(key);
  return place == object.end() ? kNull : *place;
}

// A value as a cell: "-" for nothing, lists joined by commas.
std::string cell(const OrderedJson& value) {
  if (const auto* text = value.get_ptr<const std::string*>()) return text->empty() ? "-" : *text;
  if (value.is_null()) return "-";
  if (!value.is_array()) return value.dump();
  std::string all;
  for (const OrderedJson& one : value) all += (all.empty() ? "" : ",") + cell(one);
  return all.empty() ? "-" : all;
}

std::string cell_at(const OrderedJson& object, const char* key) { return cell(at(object, key)); }

// Single ones, then delegated prefixes.
std::string addresses_text(const OrderedJson& row) {
  const OrderedJson& prefixes = at(row, "prefixes");
  const std::string addresses = cell_at(row, "addresses");
  return prefixes.empty() ? addresses : addresses + "," + cell(prefixes);
}

std::string end_text(const OrderedJson& object, const char* address, const char* port) {
  const std::string text = cell_at(object, address);
  const OrderedJson& number = at(object, port);
  if (number.is_null()) return text;
  const bool is_v6 = text.find(':') != std::string::npos;
  return (is_v6 ? "[" + text + "]" : text) + ":" + cell(number);
}

std::string seconds_text(const OrderedJson& ms) {
  if (!ms.is_number()) return "-";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1fs", ms.get<double>() / 1e3);
  return text.data();
}

std::string drops_text(const OrderedJson& drops) {
  std::string all;
  for (const auto& item : drops.items()) {
    all += (all.empty() ? "" : " ") + item.key() + "=" + cell(item.value());
  }
  return all.empty() ? "-" : all;
}

// The application, what it was asked for, and the signature that matched: `tls shop.example`.
std::string application_text(const OrderedJson& row) {
  std::string text = row.contains("app") ? cell_at(row, "app") : std::string("-");
  if (row.contains("domain")) text += " " + cell_at(row, "domain");
  if (row.contains("signature")) text += " !" + cell_at(row, "signature");
  return text;
}

void show_flows(const OrderedJson& rows, const Terminal& terminal) {
  TextTable table({"INTERFACE", "DIRECTION", "PROTOCOL", "LOCAL", "REMOTE", "STATE", "IDLE",
                   "EXPIRES", "APP", "RULE"});
  for (const OrderedJson& row : rows) {
    table.add({cell_at(row, "interface"), cell_at(row, "direction"), cell_at(row, "protocol"),
               end_text(row, "local", "local_port"), end_text(row, "remote", "remote_port"),
               cell_at(row, "state"), seconds_text(at(row, "idle_ms")),
               seconds_text(at(row, "expires_in_ms")), application_text(row),
               cell_at(row, "rule")});
  }
  table.print(terminal);
}

void show_interfaces(const OrderedJson& rows, const Terminal& terminal) {
  TextTable table({"INTERFACE", "SUBNET", "ADDRESSES", "GROUPS", "FLOWS", "ROOM", "EXCEEDED", "IN",
                   "OUT", "DROPPED"});
  for (const OrderedJson& row : rows) {
    const OrderedJson& in = at(row, "ingress");
    const OrderedJson& out = at(row, "egress");
    std::string dropped = "-";
    if (in.is_object() && out.is_object()) {
      dropped = std::to_string(in.value("dropped_packets", std::uint64_t{0}) +
                               out.value("dropped_packets", std::uint64_t{0}));
    }
    table.add({cell_at(row, "interface"), cell_at(row, "subnet"), addresses_text(row),
               cell_at(row, "security_groups"), cell_at(row, "flows"),
               cell_at(row, "conntrack_allowance_available"),
               cell_at(row, "conntrack_allowance_exceeded"), cell_at(in, "accepted_packets"),
               cell_at(out, "accepted_packets"), std::move(dropped)});
  }
  table.print(terminal);
}

void show_groups(const OrderedJson& rows, const Terminal& terminal) {
  TextTable table({"GROUP", "NAME", "VPC", "INTERFACES", "DIRECTION", "RULE", "ALLOWS"});
  for (const OrderedJson& row : rows) {
    bool is_first = true;
    const auto add = [&](const char* direction, const std::string& id, const std::string& text) {
      const auto once = [&](const char* key) {
        return is_first ? cell_at(row, key) : std::string();
      };
      table.add(
          {once("group"), once("name"), once("vpc"), once("interfaces"), direction, id, text});
      is_first = false;
    };
    for (const char* direction : {"ingress", "egress"}) {
      for (const OrderedJson& rule : at(row, direction)) {
        add(direction, cell_at(rule, "rule"), cell_at(rule, "text"));
      }
    }
    if (is_first) add("-", "-", "nothing");
  }
  table.print(terminal);
}

void show_prefix_lists(const OrderedJson& rows, const Terminal& terminal) {
  TextTable table({"PREFIX LIST", "NAME", "FAMILY", "ENTRIES", "MAX", "VERSION", "RULES"});
  for (const OrderedJson& row : rows) {
    table.add({cell_at(row, "prefix_list"), cell_at(row, "name"), cell_at(row, "family"),
               cell_at(row, "entries"), cell_at(row, "max_entries"), cell_at(row, "version"),
               cell_at(row, "rules")});
  }
  table.print(terminal);
}

void show_prefix_list_entries(const OrderedJson& rows, const Terminal& terminal) {
  TextTable table({"CIDR", "DESCRIPTION"});
  for (const OrderedJson& row : rows) {
    table.add({cell_at(row, "cidr"), cell_at(row, "description")});
  }
  table.print(terminal);
}

std::string date_text(const OrderedJson& unix_s) {
  if (!unix_s.is_number_unsigned()) return "-";
  const auto whole = static_cast<std::time_t>(unix_s.get<std::uint64_t>());
  std::tm parts{};
  ::localtime_r(&whole, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return text.data();
}

void show_prefix_list_versions(const OrderedJson& rows, const Terminal& terminal) {
  TextTable table(
      {"VERSION", "GENERATION", "APPLIED", "UID", "ENTRIES", "ADDED", "REMOVED", "COMMENT"});
  for (const OrderedJson& row : rows) {
    table.add({cell_at(row, "version"), cell_at(row, "generation"),
               date_text(at(row, "applied_unix_s")), cell_at(row, "author_uid"),
               cell_at(row, "entries"), cell_at(row, "added"), cell_at(row, "removed"),
               cell_at(row, "comment")});
  }
  table.print(terminal);
}

void show_ports(const OrderedJson& rows, const Terminal& terminal) {
  TextTable table({"PORT", "ROLE", "LINK", "MAC", "MTU", "DRIVER", "DEVICE", "GATEWAYS"});
  for (const OrderedJson& row : rows) {
    std::string gateways;
    for (const OrderedJson& gateway : at(row, "gateways")) {
      const OrderedJson& mac = at(gateway, "mac");
      gateways += (gateways.empty() ? "" : ",") + cell_at(gateway, "address") + "=" +
                  (mac.is_null() ? std::string("unresolved") : cell(mac));
    }
    table.add({cell_at(row, "port"), cell_at(row, "role"), cell_at(row, "link"),
               cell_at(row, "mac"), cell_at(row, "mtu"), cell_at(row, "driver"),
               cell_at(row, "device"), gateways.empty() ? "-" : gateways});
  }
  table.print(terminal);
}

void show_workers(const OrderedJson& rows, const Terminal& terminal) {
  TextTable table(
      {"WORKER", "CORE", "GENERATION", "RX", "TX", "DROPPED", "HELD", "FLOWS", "CAPACITY", "BUSY"});
  for (const OrderedJson& row : rows) {
    const double turns = row.value("turns", 0.0);
    const double idle = row.value("idle_turns", 0.0);
    std::array<char, 32> busy{};
    std::snprintf(busy.data(), busy.size(), "%.1f%%", turns > 0 ? 100 * (1 - idle / turns) : 0);
    table.add({cell_at(row, "worker"), cell_at(row, "core"), cell_at(row, "generation"),
               cell_at(row, "rx_packets"), cell_at(row, "tx_packets"), cell_at(row, "dropped"),
               cell_at(row, "held"), cell_at(row, "flows"), cell_at(row, "flow_capacity"),
               busy.data()});
  }
  table.print(terminal);
}

void show_port_counters(const OrderedJson& stats, const Terminal& terminal) {
  TextTable table({"PORT", "LINK", "RX", "TX", "GENERATED", "CONSUMED", "DROPPED", "DROPS"});
  for (const OrderedJson& row : at(stats, "ports")) {
    table.add({cell_at(row, "port"), cell_at(row, "link"), cell_at(row, "rx_packets"),
               cell_at(row, "tx_packets"), cell_at(row, "generated"), cell_at(row, "consumed"),
               cell_at(row, "dropped"), drops_text(at(row, "drops"))});
  }
  table.print(terminal);
}

void show_interface_counters(const OrderedJson& stats, const Terminal& terminal) {
  TextTable table({"INTERFACE", "FLOWS", "ROOM", "EXCEEDED", "IN", "OUT", "DROPS"});
  for (const OrderedJson& row : at(stats, "interfaces")) {
    table.add({cell_at(row, "interface"), cell_at(row, "flows"),
               cell_at(row, "conntrack_allowance_available"),
               cell_at(row, "conntrack_allowance_exceeded"),
               cell_at(at(row, "ingress"), "accepted_packets"),
               cell_at(at(row, "egress"), "accepted_packets"), drops_text(at(row, "drops"))});
  }
  if (table.row_count() == 0) return;
  terminal.out << '\n';
  table.print(terminal);
}

// Members of an object that are plain values, as `key value` words.
std::string plain_words(const OrderedJson& object) {
  std::string words;
  for (const auto& item : object.items()) {
    if (item.value().is_structured()) continue;
    words += (words.empty() ? "" : "  ") + item.key() + " " + cell(item.value());
  }
  return escape_control(words);
}

std::string fixed(double value, int digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

// Cycles of each stage for a packet, and as a part of the worker's time.
void show_worker_stages(const OrderedJson& worker, const Terminal& terminal) {
  std::ostream& out = terminal.out;
  out << "worker " << cell_at(worker, "worker") << ": " << cell_at(worker, "packets")
      << " packets in " << cell_at(worker, "bursts") << " bursts, " << cell_at(worker, "idle_polls")
      << " empty polls\n";
  double all = 0;
  for (const OrderedJson& stage : at(worker, "stages")) all += stage.value("cycles", 0.0);
  TextTable table({"STAGE", "CYCLES/PACKET", "OF TIME"});
  for (const OrderedJson& stage : at(worker, "stages")) {
    const OrderedJson& each = at(stage, "cycles_per_packet");
    const double part = all > 0 ? 100 * stage.value("cycles", 0.0) / all : 0;
    table.add({cell_at(stage, "stage"), each.is_number() ? fixed(each.get<double>(), 1) : "-",
               fixed(part, 1) + "%"});
  }
  const OrderedJson& sum = at(worker, "cycles_per_packet");
  if (sum.is_number()) table.add({"but idle", fixed(sum.get<double>(), 1), ""});
  table.print(terminal);
  const OrderedJson& burst = at(worker, "burst_ns");
  if (burst.is_object()) {
    out << "a burst takes " << cell_at(burst, "p50") << " ns (median), " << cell_at(burst, "p99")
        << " ns (99 %), " << cell_at(burst, "p999") << " ns (99.9 %), at most "
        << cell_at(burst, "max") << " ns\n";
  }
  out << '\n';
}

std::string clock_text(const OrderedJson& time) {
  if (!time.is_number()) return "-";
  const double unix_s = time.get<double>();
  const auto whole = static_cast<std::time_t>(unix_s);
  std::tm parts{};
  ::localtime_r(&whole, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%H:%M:%S", &parts);
  std::snprintf(text.data() + size, text.size() - size, ".%03d",
                static_cast<int>((unix_s - static_cast<double>(whole)) * 1e3));
  return text.data();
}

}  // namespace

std::string list_key(const std::string& method) {
  if (method == "prefix-list.list") return "prefix_lists";
  if (method == "prefix-list.show") return "entries";
  if (method == "prefix-list.history") return "versions";
  return method.substr(0, method.find('.')) + "s";
}

void show_list(const std::string& method, const OrderedJson& rows, const Terminal& terminal) {
  if (method == "flow.list") show_flows(rows, terminal);
  if (method == "interface.list") show_interfaces(rows, terminal);
  if (method == "group.list") show_groups(rows, terminal);
  if (method == "prefix-list.list") show_prefix_lists(rows, terminal);
  if (method == "prefix-list.show") show_prefix_list_entries(rows, terminal);
  if (method == "prefix-list.history") show_prefix_list_versions(rows, terminal);
  if (method == "port.list") show_ports(rows, terminal);
  if (method == "worker.list") show_workers(rows, terminal);
}

void show_flow_counts(const OrderedJson& counts, const Terminal& terminal) {
  TextTable states({"STATE", "FLOWS"});
  for (const auto& item : at(counts, "states").items()) {
    states.add({item.key(), cell(item.value())});
  }
  states.add({"all", cell_at(counts, "flows")});
  states.print(terminal);
  terminal.out << '\n';
  TextTable protocols({"PROTOCOL", "FLOWS"});
  for (const auto& item : at(counts, "protocols").items()) {
    protocols.add({item.key(), cell(item.value())});
  }
  protocols.print(terminal);
}

void show_flow_top(const OrderedJson& top, const Terminal& terminal) {
  std::string head = cell_at(top, "of");
  for (char& letter : head) letter = static_cast<char>(std::toupper(letter));
  TextTable table({std::move(head), "FLOWS", "HALF OPEN", "PACKETS", "BYTES"});
  for (const OrderedJson& row : at(top, "talkers")) {
    table.add({cell_at(row, "talker"), cell_at(row, "flows"), cell_at(row, "half_open"),
               cell_at(row, "packets"), cell_at(row, "bytes")});
  }
  table.print(terminal);
}

// One line each; nothing of what nobody has asked to look at.
void show_applications(const OrderedJson& counters, const Terminal& terminal) {
  if (!counters.is_object() || at(counters, "packets_looked_at") == 0) return;
  terminal.out << "inspected  " << plain_words(counters) << '\n';
  for (const auto& [key, head] :
       {std::pair{"flows", "apps       "}, std::pair{"signatures", "signatures "}}) {
    const std::string words = plain_words(at(counters, key));
    if (!words.empty()) terminal.out << head << words << '\n';
  }
}

void show_stats(const OrderedJson& stats, const Terminal& terminal) {
  std::ostream& out = terminal.out;
  out << "generation " << cell_at(stats, "generation") << '\n';
  const OrderedJson& policy = at(stats, "policy");
  out << "policy     " << (policy.is_object() ? plain_words(policy) : "none, so nothing passes")
      << '\n';
  out << "packets    " << plain_words(at(stats, "totals")) << '\n';
  out << "flows      " << plain_words(at(stats, "flows")) << '\n';
  show_applications(at(stats, "applications"), terminal);
  if (at(stats, "flow_log").is_object()) {
    out << "flow log   " << plain_words(at(stats, "flow_log")) << '\n';
  }
  out << '\n';
  show_port_counters(stats, terminal);
  out << '\n';
  show_workers(at(stats, "workers"), terminal);
  show_interface_counters(stats, terminal);
}

void show_stages(const OrderedJson& event, const Terminal& terminal) {
  for (const OrderedJson& worker : at(event, "workers")) show_worker_stages(worker, terminal);
}

void show_event(const OrderedJson& event, const Terminal& terminal) {
  const std::string kind = cell_at(event, "event");
  std::string line = clock_text(at(event, "time")) + "  ";
  const std::string word = kind == "drop" ? cell_at(event, "reason") : kind;
  line += terminal.paint(escape_control(word), kind == "drop" ? kRed : kGreen);
  if (kind == "drop") line += "  port " + escape_control(cell_at(event, "port"));
  if (at(event, "interface").is_string()) {
    const bool is_ingress = at(event, "direction") == "ingress";
    const std::string local = end_text(event, "local", "local_port");
    const std::string remote = end_text(event, "remote", "remote_port");
    line += "  " +
            escape_control(cell_at(event, "interface") + " " + cell_at(event, "direction") + " " +
                           cell_at(event, "protocol") + " " + (is_ingress ? remote : local) +
                           " -> " + (is_ingress ? local : remote));
  }
  if (at(event, "rule").is_string()) line += "  " + escape_control(cell_at(event, "rule"));
  if (event.contains("app")) line += "  " + escape_control(application_text(event));
  terminal.out << line << '\n';
}

}  // namespace sluice
