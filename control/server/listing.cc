#include "control/server/listing.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "control/explain/rule_words.h"
#include "control/flowlog/exporter.h"
#include "control/server/message.h"

namespace sluice {
namespace {

using OrderedJson = nlohmann::ordered_json;

using DropCounts = std::array<std::uint64_t, kDropReasonCount>;

// Reasons that occurred, by their words.
OrderedJson drops_to_json(const DropCounts& drops) {
  OrderedJson out = OrderedJson::object();
  for (std::size_t i = 0; i < drops.size(); ++i) {
    if (drops[i] != 0) out[std::string(kDropReasons[i].name)] = drops[i];
  }
  return out;
}

void add_counters(OrderedJson& out, const NicCounters& counters) {
  out["rx_packets"] = counters.rx_packets;
  out["rx_bytes"] = counters.rx_bytes;
  out["tx_packets"] = counters.tx_packets;
  out["tx_bytes"] = counters.tx_bytes;
  out["generated"] = counters.generated;
  out["consumed"] = counters.consumed;
  out["dropped"] = counters.dropped();
  out["drops"] = drops_to_json(counters.drops);
}

OrderedJson port_counters(const Engine& engine, const EngineCounters& counters) {
  OrderedJson out = OrderedJson::array();
  for (const NicStatus& status : engine.nics()) {
    OrderedJson row = {{"port", status.id},
                       {"role", name_of(status.role)},
                       {"link", status.link_up ? "up" : "down"}};
    if (status.nic.value() < counters.nics.size()) {
      add_counters(row, counters.nics[status.nic.value()]);
    }
    out.push_back(std::move(row));
  }
  return out;
}

OrderedJson worker_row(const WorkerCounters& worker, std::size_t index) {
  OrderedJson out = {
      {"worker", index}, {"core", worker.core}, {"generation", worker.generation.value()}};
  add_counters(out, worker.packets);
  out["held"] = worker.held;
  out["express"] = worker.express;
  out["flows"] = worker.flows;
  out["flow_capacity"] = worker.flow_capacity;
  out["flows_begun"] = worker.flows_begun;
  out["flows_ended"] = worker.flows_ended;
  out["flows_refused"] = worker.flows_refused;
  out["tracked"] = worker.tracked;
  out["half_open"] = worker.half_open;
  out["unanswered"] = worker.unanswered;
  out["handed_over"] = worker.handed_over;
  out["deltas_lost"] = worker.deltas_lost;
  out["watch_lost"] = worker.watch_lost;
  out["turns"] = worker.turns;
  out["idle_turns"] = worker.idle_turns;
  return out;
}

OrderedJson worker_counters(const EngineCounters& counters) {
  OrderedJson out = OrderedJson::array();
  for (std::size_t i = 0; i < counters.workers.size(); ++i) {
    out.push_back(worker_row(counters.workers[i], i));
  }
  return out;
}

// Of all workers together, with the law of product.md section 8.
OrderedJson totals_of(const EngineCounters& counters) {
  NicCounters sum;
  std::uint64_t held = 0;
  for (const WorkerCounters& worker : counters.workers) {
    sum.rx_packets += worker.packets.rx_packets;
    sum.rx_bytes += worker.packets.rx_bytes;
    sum.tx_packets += worker.packets.tx_packets;
    sum.tx_bytes += worker.packets.tx_bytes;
    sum.generated += worker.packets.generated;
    sum.consumed += worker.packets.consumed;
    for (std::size_t i = 0; i < sum.drops.size(); ++i) sum.drops[i] += worker.packets.drops[i];
    held += worker.held;
  }
  OrderedJson out = OrderedJson::object();
  add_counters(out, sum);
  out["held"] = held;
  out["unaccounted"] =
      static_cast<std::int64_t>(sum.rx_packets + sum.generated) -
      static_cast<std::int64_t>(sum.tx_packets + sum.dropped() + sum.consumed + held);
  return out;
}

// How many flows more may be tracked: untracked ones make room where it is needed (CT-29).
std::uint64_t trackable_flows(const EngineCounters& counters) {
  std::uint64_t room = 0;
  for (const WorkerCounters& worker : counters.workers) {
    room += worker.flow_capacity - std::min(worker.tracked, worker.flow_capacity);
  }
  return room;
}

OrderedJson flow_counters(const EngineCounters& counters) {
  std::uint64_t live = 0;
  std::uint64_t capacity = 0;
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
  std::uint64_t refused = 0;
  std::uint64_t tracked = 0;
  std::uint64_t half_open = 0;
  std::uint64_t unanswered = 0;
  for (const WorkerCounters& worker : counters.workers) {
    live += worker.flows;
    capacity += worker.flow_capacity;
    begun += worker.flows_begun;
    ended += worker.flows_ended;
    refused += worker.flows_refused;
    tracked += worker.tracked;
    half_open += worker.half_open;
    unanswered += worker.unanswered;
  }
  return {{"live", live},
          {"capacity", capacity},
          {"available", capacity - std::min(live, capacity)},
          {"begun", begun},
          {"ended", ended},
          {"refused", refused},
          {"tracked", tracked},
          {"half_open", half_open},
          {"unanswered", unanswered},
          {"conntrack_allowance_exceeded", refused},
          {"conntrack_allowance_available", trackable_flows(counters)}};
}

// Of all workers together; applications and signatures that were seen, by name.
OrderedJson layer7_counters(const Engine& engine, const EngineCounters& counters,
                            const Registry& registry) {
  std::uint64_t looks = 0;
  std::uint64_t put_off = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t hits = 0;
  OrderedJson apps = OrderedJson::object();
  for (const WorkerCounters& worker : counters.workers) {
    looks += worker.layer7_looks;
    put_off += worker.layer7_put_off;
    conflicts += worker.layer7_conflicts;
    hits += worker.signature_hits;
  }
  for (std::size_t app = 1; app < kApps; ++app) {
    std::uint64_t flows = 0;
    for (const WorkerCounters& worker : counters.workers) flows += worker.apps[app];
    if (flows != 0) apps[std::string(kAppNames[app])] = flows;
  }
  OrderedJson signatures = OrderedJson::object();
  const std::vector<std::uint64_t> by_number = engine.signature_hits();
  for (std::size_t i = 0; i < by_number.size(); ++i) {
    if (by_number[i] == 0) continue;
    signatures[registry.signature_name(static_cast<std::uint16_t>(i))] = by_number[i];
  }
  return {{"packets_looked_at", looks}, {"packets_put_off", put_off},
          {"conflicts", conflicts},     {"signature_hits", hits},
          {"flows", std::move(apps)},   {"signatures", std::move(signatures)}};
}

OrderedJson flow_log_counters(Exporter& exporter) {
  const ExporterStats stats = exporter.stats();
  OrderedJson out = {{"deltas_received", stats.deltas_received},
                     {"packets_received", stats.packets_received},
                     {"packets_pending", stats.packets_pending},
                     {"packets_written", stats.packets_written},
                     {"packets_lost", stats.packets_lost},
                     {"packets_not_logged", stats.packets_not_logged},
                     {"records_written", stats.records_written},
                     {"records_pending", stats.records_pending},
                     {"records_lost_no_room", stats.records_lost_no_room},
                     {"records_lost_sink", stats.records_lost_sink}};
  const Result<std::vector<LogLawRow>> law = exporter.law();
  if (!law) {
    // Not zero: a law that could not be looked at has not been shown to hold.
    out["unaccounted"] = nullptr;
    out["law_error"] = law.error().sentence;
    return out;
  }
  std::uint64_t judged = 0;
  std::uint64_t unaccounted = 0;
  for (const LogLawRow& row : *law) {
    judged += row.judged;
    const std::int64_t gap = row.unaccounted;
    unaccounted += static_cast<std::uint64_t>(gap < 0 ? -gap : gap);
  }
  out["packets_judged"] = judged;
  out["unaccounted"] = unaccounted;
  return out;
}

// `allowance`: of the interface, 0 where it has none; `trackable`: what the table has room for.
void add_tracking_counters(OrderedJson& out, const InterfaceCounters& counters,
                           std::uint32_t allowance, std::uint64_t trackable) {
  out["tracked"] = counters.tracked;
  out["half_open"] = counters.half_open;
  out["unanswered"] = counters.unanswered;
  out["allowance"] = allowance == 0 ? OrderedJson(nullptr) : OrderedJson(allowance);
  std::uint64_t room = trackable;
  if (allowance != 0) {
    room = std::min(room, allowance - std::min<std::uint64_t>(counters.tracked, allowance));
  }
  out["conntrack_allowance_exceeded"] = counters.allowance_exceeded();
  out["conntrack_allowance_available"] = room;
}

void add_interface_counters(OrderedJson& out, const InterfaceCounters& counters) {
  constexpr std::size_t kIn = static_cast<std::size_t>(Direction::Ingress);
  constexpr std::size_t kOut = static_cast<std::size_t>(Direction::Egress);
  out["flows"] = counters.flows;
  for (const auto& [word, at] : {std::pair("ingress", kIn), std::pair("egress", kOut)}) {
    out[word] = {{"accepted_packets", counters.accepted_packets[at]},
                 {"accepted_bytes", counters.accepted_bytes[at]},
                 {"dropped_packets", counters.dropped_packets[at]}};
  }
  out["out_of_window"] = counters.out_of_window;
  out["applications"] = {{"identified", counters.app_identified},
                         {"unknown", counters.app_unknown},
                         {"uninspected", counters.app_uninspected},
                         {"refused", counters.app_refused}};
  out["drops"] = drops_to_json(counters.drops);
}

OrderedJson interface_counters(const Engine& engine, const Publisher& publisher,
                               std::uint64_t trackable) {
  OrderedJson out = OrderedJson::array();
  const std::shared_ptr<const ActivePolicy> active = publisher.active();
  if (!active) return out;
  const InterfaceRow* row = active->snapshot->next_interface(EniIndex(0));
  while (row != nullptr && out.size() < kStatsInterfacesMax) {
    OrderedJson one = {{"interface", publisher.registry().interfaces.name_of(row->eni)}};
    const InterfaceCounters counters = engine.interface_counters(row->eni);
    add_interface_counters(one, counters);
    add_tracking_counters(one, counters, active->snapshot->allowance_of(*row), trackable);
    out.push_back(std::move(one));
    row = active->snapshot->next_interface(EniIndex(row->eni.value() + 1));
  }
  return out;
}

OrderedJson policy_numbers(const Publisher& publisher) {
  const std::shared_ptr<const ActivePolicy> active = publisher.active();
  if (!active) return nullptr;
  std::size_t rules = 0;
  for (const SecurityGroup& group : active->policy.groups) {
    rules += group.ingress.size() + group.egress.size();
  }
  return {{"file", active->kept.file},
          {"applied_unix_s", active->kept.applied_unix_s},
          {"author_uid", active->kept.author_uid},
          {"comment", active->kept.comment},
          {"interfaces", active->policy.interfaces.size()},
          {"groups", active->policy.groups.size()},
          {"rules", rules},
          {"snapshot_bytes", active->snapshot->size()}};
}

OrderedJson texts(const auto& things, const auto& text_of) {
  OrderedJson out = OrderedJson::array();
  for (const auto& thing : things) out.push_back(text_of(thing));
  return out;
}

OrderedJson interface_row(const Eni& eni, const Engine& engine, const Publisher& publisher,
                          const std::string& vpc, std::uint64_t trackable) {
  OrderedJson out = {{"interface", eni.id}, {"vpc", vpc}, {"subnet", eni.subnet}};
  out["mac"] = eni.mac ? OrderedJson(eni.mac->to_string()) : OrderedJson(nullptr);
  out["addresses"] =
      texts(eni.addresses, [](const EniAddress& one) { return one.address.to_string(); });
  out["prefixes"] = texts(eni.prefixes, [](const EniPrefix& one) { return one.cidr.to_string(); });
  out["security_groups"] = texts(eni.security_groups, [](const Reference& one) { return one.id; });
  out["instance"] = eni.instance.empty() ? OrderedJson(nullptr) : OrderedJson(eni.instance);
  const std::optional<EniIndex> index = publisher.registry().interfaces.find(eni.id);
  if (!index) return out;
  const InterfaceCounters counters = engine.interface_counters(*index);
  add_interface_counters(out, counters);
  const std::shared_ptr<const ActivePolicy> active = publisher.active();
  const InterfaceRow* row = active ? active->snapshot->find_interface(*index) : nullptr;
  if (row == nullptr) return out;
  add_tracking_counters(out, counters, active->snapshot->allowance_of(*row), trackable);
  return out;
}

OrderedJson tags_to_json(const Tags& tags) {
  OrderedJson object = OrderedJson::object();
  for (const auto& [key, value] : tags) object[key] = value;
  return object;
}

OrderedJson rules_to_json(const std::vector<SecurityRule>& rules) {
  return texts(rules, [](const SecurityRule& rule) {
    return OrderedJson{{"rule", rule.id},
                       {"text", rule_text(rule)},
                       {"tags", tags_to_json(rule.tags)},
                       {"implied", rule.implied}};
  });
}

OrderedJson group_row(const SecurityGroup& group, std::size_t member_count) {
  return {{"group", group.id},
          {"name", group.name},
          {"description", group.description},
          {"tags", tags_to_json(group.tags)},
          {"vpc", group.vpc},
          {"interfaces", member_count},
          {"ingress", rules_to_json(group.ingress)},
          {"egress", rules_to_json(group.egress)}};
}

}  // namespace

OrderedJson stats_to_json(const Engine& engine, const Publisher& publisher, Exporter* exporter) {
  const EngineCounters counters = engine.counters();
  OrderedJson out;
  out["generation"] = publisher.generation().value();
  out["policy"] = policy_numbers(publisher);
  out["totals"] = totals_of(counters);
  out["flows"] = flow_counters(counters);
  out["applications"] = layer7_counters(engine, counters, publisher.registry());
  out["ports"] = port_counters(engine, counters);
  out["workers"] = worker_counters(counters);
  out["interfaces"] = interface_counters(engine, publisher, trackable_flows(counters));
  if (exporter != nullptr) out["flow_log"] = flow_log_counters(*exporter);
  return out;
}

OrderedJson ports_to_json(const Engine& engine) {
  OrderedJson ports = OrderedJson::array();
  for (const NicStatus& status : engine.nics()) {
    OrderedJson neighbors = OrderedJson::array();
    for (const auto& [address, mac] : status.neighbors) {
      neighbors.push_back(
          {{"address", address.to_string()},
           {"mac", mac.is_zero() ? OrderedJson(nullptr) : OrderedJson(mac.to_string())}});
    }
    ports.push_back({{"port", status.id},
                     {"device", status.device},
                     {"driver", status.driver},
                     {"role", name_of(status.role)},
                     {"mac", status.mac.to_string()},
                     {"link", status.link_up ? "up" : "down"},
                     {"speed_mbps", status.speed_mbps},
                     {"mtu", status.mtu},
                     {"rx_queues", status.rx_queues},
                     {"tx_queues", status.tx_queues},
                     {"gateways", std::move(neighbors)}});
  }
  return {{"ports", std::move(ports)}};
}

OrderedJson workers_to_json(const Engine& engine) {
  return {{"workers", worker_counters(engine.counters())}};
}

Result<OrderedJson> interfaces_to_json(const Engine& engine, const Publisher& publisher,
                                       const std::string& name, const ListPage& page) {
  const std::shared_ptr<const ActivePolicy> active = publisher.active();
  static const std::vector<Eni> kNone;
  std::unordered_map<std::string, std::string> vpc_of_subnet;
  if (active) {
    for (const Subnet& subnet : active->policy.subnets) vpc_of_subnet[subnet.id] = subnet.vpc;
  }
  const std::uint64_t trackable = trackable_flows(engine.counters());
  return page_of_named(active ? active->policy.interfaces : kNone, "interfaces", "interface", name,
                       page, [&](const Eni& eni) {
                         return interface_row(eni, engine, publisher, vpc_of_subnet[eni.subnet],
                                              trackable);
                       });
}

Result<OrderedJson> groups_to_json(const Publisher& publisher, const std::string& name,
                                   const ListPage& page) {
  const std::shared_ptr<const ActivePolicy> active = publisher.active();
  static const std::vector<SecurityGroup> kNone;
  std::unordered_map<std::string, std::size_t> member_counts;
  if (active) {
    for (const Eni& eni : active->policy.interfaces) {
      for (const Reference& group : eni.security_groups) ++member_counts[group.id];
    }
  }
  return page_of_named(
      active ? active->policy.groups : kNone, "groups", "group", name, page,
      [&](const SecurityGroup& group) { return group_row(group, member_counts[group.id]); });
}

}  // namespace sluice
