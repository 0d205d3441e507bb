#include "control/server/stage_report.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sluice {
namespace {

using OrderedJson = nlohmann::ordered_json;

StageTimes difference(const StageTimes& now, const StageTimes& former) {
  StageTimes result = now;
  result.packets -= former.packets;
  result.bursts -= former.bursts;
  result.idle_polls -= former.idle_polls;
  for (std::size_t i = 0; i < kStageCount; ++i) result.cycles[i] -= former.cycles[i];
  for (std::size_t i = 0; i < CycleBuckets::kCount; ++i) {
    result.burst_cycles[i] -= former.burst_cycles[i];
  }
  return result;
}

// A hundredth is as fine as it is worth.
OrderedJson ratio(std::uint64_t amount, std::uint64_t count) {
  if (count == 0) return nullptr;
  return std::round(100.0 * static_cast<double>(amount) / static_cast<double>(count)) / 100.0;
}

OrderedJson burst_times(const StageTimes& times, std::uint64_t cycles_per_second) {
  if (times.bursts == 0) return nullptr;
  OrderedJson row = OrderedJson::object();
  const auto add = [&](const char* name, double part) {
    const auto cycles = static_cast<double>(percentile(times.burst_cycles, part));
    row[name] = std::llround(cycles * 1e9 / static_cast<double>(cycles_per_second));
  };
  add("p50", 0.5);
  add("p99", 0.99);
  add("p999", 0.999);
  add("max", 1.0);
  return row;
}

OrderedJson worker_row(std::size_t worker, const StageTimes& times,
                       std::uint64_t cycles_per_second) {
  OrderedJson stages = OrderedJson::array();
  std::uint64_t busy = 0;
  for (std::size_t i = 0; i < kStageCount; ++i) {
    const auto stage = static_cast<StageName>(i);
    const bool is_idle = stage == StageName::Idle;
    if (!is_idle) busy += times.cycles[i];
    stages.push_back({{"stage", name_of(stage)},
                      {"cycles", times.cycles[i]},
                      {"cycles_per_packet",
                       is_idle ? OrderedJson(nullptr) : ratio(times.cycles[i], times.packets)}});
  }
  return {{"worker", worker},
          {"packets", times.packets},
          {"bursts", times.bursts},
          {"idle_polls", times.idle_polls},
          {"packets_per_burst", ratio(times.packets, times.bursts)},
          {"cycles_per_packet", ratio(busy, times.packets)},
          {"stages", std::move(stages)},
          {"burst_ns", burst_times(times, cycles_per_second)}};
}

}  // namespace

OrderedJson stages_to_json(std::span<const StageTimes> former, std::span<const StageTimes> now,
                           std::uint64_t cycles_per_second) {
  OrderedJson workers = OrderedJson::array();
  for (std::size_t i = 0; i < now.size(); ++i) {
    const StageTimes times = i < former.size() ? difference(now[i], former[i]) : now[i];
    workers.push_back(worker_row(i, times, cycles_per_second));
  }
  return {{"cycles_per_second", cycles_per_second}, {"workers", std::move(workers)}};
}

std::uint64_t percentile(std::span<const std::uint64_t, CycleBuckets::kCount> counts, double part) {
  const std::uint64_t all = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (all == 0) return 0;
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(all))));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < counts.size(); ++bucket) {
    seen += counts[bucket];
    if (seen >= wanted) return CycleBuckets::last_of(bucket);
  }
  return CycleBuckets::last_of(counts.size() - 1);
}

}  // namespace sluice
