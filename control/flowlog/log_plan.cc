#include "control/flowlog/log_plan.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "control/policy/policy.h"
#include "control/policy/registry.h"

namespace sluice {

namespace {

RecordFormat format_of(const FlowLog& log) {
  Result<RecordFormat> format = parse_record_format(log.format);
  // The policy's own check lets through only what can be written; its default stands in here so
  // that a difference between the two tables costs fields, not the log.
  return format.has_value() ? std::move(format).value() : default_record_format();
}

LogSpec spec_of(const FlowLog& log) {
  LogSpec spec;
  spec.id = log.id;
  spec.format = format_of(log);
  spec.traffic = log.traffic;
  spec.interval_s = log.interval_s;
  spec.path = log.path;
  spec.header = log.header;
  spec.rotate_size = std::uint64_t{log.rotate_size_mb} << 20;
  spec.rotate_keep = log.rotate_keep;
  return spec;
}

template <class T>
T& at_index(std::vector<T>& items, std::uint32_t index) {
  if (index >= items.size()) items.resize(index + 1);
  return items[index];
}

}  // namespace

std::optional<IpAddr> LoggedInterface::primary(Family family) const {
  for (const IpAddr& address : addresses) {
    if (address.family() == family) return address;
  }
  return std::nullopt;
}

IpAddr LoggedInterface::shown_address(const IpAddr& local, Direction direction) const {
  const std::optional<IpAddr> first = primary(local.family());
  if (!first || local == *first) return local;
  const bool is_own = std::find(addresses.begin(), addresses.end(), local) != addresses.end() ||
                      std::any_of(prefixes.begin(), prefixes.end(),
                                  [&](const Cidr& prefix) { return prefix.contains(local); });
  const bool is_shown = is_own && (direction == Direction::Egress || !local.is_v4());
  return is_shown ? local : *first;
}

std::shared_ptr<const LogPlan> make_log_plan(const Policy& policy, Registry& registry) {
  auto plan = std::make_shared<LogPlan>();
  std::unordered_map<std::string_view, std::vector<std::uint32_t>> logs_of;  // by resource
  for (const FlowLog& log : policy.flow_logs) {
    logs_of[log.resource].push_back(static_cast<std::uint32_t>(plan->logs.size()));
    plan->logs.push_back(spec_of(log));
  }
  std::unordered_map<std::string_view, std::string_view> vpc_of_subnet;
  for (const Subnet& subnet : policy.subnets) vpc_of_subnet[subnet.id] = subnet.vpc;

  for (const Eni& eni : policy.interfaces) {
    LoggedInterface& row = at_index(plan->interfaces, registry.interfaces.intern(eni.id).value());
    row.present = true;
    row.name = eni.id;
    if (!policy.account.empty()) row.account = policy.account;
    row.vpc = vpc_of_subnet[eni.subnet];
    row.subnet = eni.subnet;
    if (!eni.instance.empty()) row.instance = eni.instance;
    for (const EniAddress& address : eni.addresses) row.addresses.push_back(address.address);
    for (const EniPrefix& prefix : eni.prefixes) row.prefixes.push_back(prefix.cidr);
    for (const std::string_view resource :
         {std::string_view(row.vpc), std::string_view(row.subnet), std::string_view(row.name)}) {
      const auto covering = logs_of.find(resource);
      if (covering == logs_of.end()) continue;
      row.logs.insert(row.logs.end(), covering->second.begin(), covering->second.end());
    }
    std::sort(row.logs.begin(), row.logs.end());
  }
  return plan;
}

std::shared_ptr<const LogPlan> carry_over(const LogPlan& former, const LogPlan& next) {
  auto plan = std::make_shared<LogPlan>(next);
  std::vector<std::optional<std::uint32_t>> new_index(former.logs.size());
  for (std::size_t i = 0; i < former.logs.size(); ++i) {
    const auto same = std::find(next.logs.begin(), next.logs.end(), former.logs[i]);
    if (same != next.logs.end()) {
      new_index[i] = static_cast<std::uint32_t>(same - next.logs.begin());
    }
  }
  if (plan->interfaces.size() < former.interfaces.size()) {
    plan->interfaces.resize(former.interfaces.size());
  }
  for (std::size_t i = 0; i < former.interfaces.size(); ++i) {
    LoggedInterface& row = plan->interfaces[i];
    if (row.present || former.interfaces[i].name.empty()) continue;
    row = former.interfaces[i];
    row.present = false;
    row.logs.clear();
    for (const std::uint32_t log : former.interfaces[i].logs) {
      if (new_index[log]) row.logs.push_back(*new_index[log]);
    }
    std::sort(row.logs.begin(), row.logs.end());
  }
  return plan;
}

}  // namespace sluice
