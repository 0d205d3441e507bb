#pragma once

// An engine without packets: it enforces what it is given at once, and shows the counters, flows
// and events that a test puts into it. The seam of control's tests.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/engine.h"

namespace sluice {

class FakeEngine : public Engine {
 public:
  Status publish(std::shared_ptr<const PolicySnapshot> snapshot, std::uint32_t) override {
    ++publish_count;
    if (on_publish) on_publish();
    if (publish_error && publish_error->kind != ErrorKind::TimedOut) return *publish_error;
    snapshot_ = std::move(snapshot);
    if (publish_error) return *publish_error;
    return Ok();
  }
  std::shared_ptr<const PolicySnapshot> published() const override { return snapshot_; }
  EngineCounters counters() const override { return shown_counters; }
  std::vector<NicStatus> nics() const override { return shown_nics; }
  InterfaceCounters interface_counters(EniIndex eni) const override {
    InterfaceCounters counters;
    counters.eni = eni;
    counters.accepted_packets[0] = 100 + eni.value();
    counters.drops[static_cast<std::size_t>(DropReason::NoRule)] = 7;
    counters.tracked = 40;
    counters.half_open = 3;
    counters.unanswered = 2;
    for (const DropReason reason :
         {DropReason::TableFull, DropReason::AllowanceExceeded, DropReason::EmbryonicFull}) {
      counters.drops[static_cast<std::size_t>(reason)] = exceeded_of_each_kind;
    }
    counters.dropped_packets[0] = 7;
    return counters;
  }
  std::vector<std::uint64_t> signature_hits() const override { return shown_signature_hits; }
  std::vector<StageTimes> stage_times() const override { return shown_times; }
  std::uint64_t cycles_per_second() const override { return 2'000'000'000; }
  // A cursor is the number of flows shown so far, moved to where it does not fit 53 bits.
  Result<FlowPage> flows(std::uint64_t cursor, std::size_t max, const FlowFilter& filter) override {
    FlowPage page;
    page.next_cursor =
        walk(cursor, max, filter, [&](const FlowView& flow) { page.flows.push_back(flow); });
    return page;
  }
  Result<FlowCounts> count_flows(std::uint64_t cursor, const FlowFilter& filter) override {
    FlowCounts counts;
    counts.next_cursor = walk(cursor, kStretch, filter, [&](const FlowView& flow) {
      ++counts.by_phase[static_cast<std::size_t>(flow.phase)];
      ++counts.by_proto[static_cast<std::size_t>(flow.tuple.proto)];
    });
    return counts;
  }
  Result<FlushedFlows> flush_flows(std::uint64_t cursor, const FlowFilter& filter) override {
    FlushedFlows flushed;
    flushed.next_cursor = walk(cursor, kStretch, filter, [&](const FlowView& flow) {
      flushed_ports.push_back(flow.tuple.remote_port);
      ++flushed.count;
    });
    return flushed;
  }
  Result<std::vector<LogLaw>> log_law() override { return shown_law; }
  std::size_t drain_deltas(std::span<FlowDelta>) override { return 0; }
  void watch(Watching what) override {
    watches_flows = what.flows;
    watches_drops = what.drops;
    watches_stages = what.stages;
  }
  std::size_t drain_watch(std::span<WatchEvent> out) override {
    const std::size_t count = std::min(out.size(), events.size());
    std::copy_n(events.begin(), count, out.begin());
    events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  std::string description() const override { return "a fake engine"; }
  void stop() override {}

  static constexpr unsigned kCursorShift = 40;
  int publish_count = 0;
  std::function<void()> on_publish;
  std::optional<Error> publish_error;
  EngineCounters shown_counters;
  std::uint64_t exceeded_of_each_kind = 0;
  std::vector<std::uint64_t> shown_signature_hits;
  std::vector<NicStatus> shown_nics;
  std::vector<FlowView> shown_flows;
  std::vector<std::uint16_t> flushed_ports;  // in order
  std::vector<LogLaw> shown_law;
  std::vector<WatchEvent> events;
  std::vector<StageTimes> shown_times;
  std::atomic<bool> watches_flows = false;
  std::atomic<bool> watches_drops = false;
  std::atomic<bool> watches_stages = false;

 private:
  static constexpr std::size_t kStretch = 500;  // of a count or flush

  // The flows among the next `max` that match; returns the cursor behind them.
  template <class Visit>
  std::uint64_t walk(std::uint64_t cursor, std::size_t max, const FlowFilter& filter,
                     Visit&& visit) {
    const std::size_t begin = static_cast<std::size_t>(cursor >> kCursorShift);
    const std::size_t end = std::min(begin + max, shown_flows.size());
    for (std::size_t i = begin; i < end; ++i) {
      if (filter.matches(shown_flows[i])) visit(shown_flows[i]);
    }
    return end < shown_flows.size() ? std::uint64_t{end} << kCursorShift : 0;
  }

  std::shared_ptr<const PolicySnapshot> snapshot_;
};

}  // namespace sluice
