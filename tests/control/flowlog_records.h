#pragma once

// Deltas and plans for the tests of flow logs, built in one line each.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "control/flowlog/log_plan.h"
#include "flowtable/flow_event.h"

namespace sluice {

inline IpAddr address_of(std::string_view text) { return *IpAddr::parse(text); }

// A plan of interfaces eni-0, eni-1 …, each with the addresses 10.0.0.<n> and fd00::<n>, n from 1,
// all covered by every log.
inline std::shared_ptr<LogPlan> plan_of(std::vector<LogSpec> logs, std::size_t interface_count) {
  auto plan = std::make_shared<LogPlan>();
  for (std::size_t i = 0; i < interface_count; ++i) {
    LoggedInterface row;
    row.name = "eni-" + std::to_string(i);
    row.account = "123456789010";
    row.present = true;
    row.addresses = {IpAddr::v4(0x0a000001u + static_cast<std::uint32_t>(i)),
                     IpAddr::v6(0xfd00000000000000u, i + 1)};
    for (std::uint32_t log = 0; log < logs.size(); ++log) row.logs.push_back(log);
    plan->interfaces.push_back(row);
  }
  plan->logs = std::move(logs);
  return plan;
}

inline LogSpec log_of(std::string id, std::uint32_t interval_s,
                      LogTraffic traffic = LogTraffic::All) {
  LogSpec spec;
  spec.id = std::move(id);
  spec.format = default_record_format();
  spec.interval_s = interval_s;
  spec.traffic = traffic;
  return spec;
}

inline FlowDelta packets_of(std::uint32_t eni, Direction direction, std::uint32_t first_s,
                            std::uint64_t packets) {
  FlowDelta delta;
  delta.direction = direction;
  delta.worker = WorkerIndex(0);
  delta.generation = Generation(1);
  delta.tuple.eni = EniIndex(eni);
  delta.tuple.proto = Proto::Tcp;
  delta.tuple.local = IpAddr::v4(0x0a000001u + eni);
  delta.tuple.local_port = 443;
  delta.tuple.remote = address_of("198.51.100.7");
  delta.tuple.remote_port = 40000;
  delta.first_s = first_s;
  delta.last_s = first_s;
  delta.packets = packets;
  delta.bytes = packets * 100;
  return delta;
}

inline FlowDelta closed_until(std::uint32_t until_s, std::uint16_t worker = 0) {
  FlowDelta delta;
  delta.kind = FlowDelta::Kind::WindowClosed;
  delta.worker = WorkerIndex(worker);
  delta.first_s = until_s;
  delta.last_s = until_s;
  return delta;
}

}  // namespace sluice
