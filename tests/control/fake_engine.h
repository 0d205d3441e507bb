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
    counters.dropped_packets[0] = 7;
    return counters;
  }
  // A cursor is the number of flows shown so far, moved to where it does not fit 53 bits.
  Result<FlowPage> flows(std::uint64_t cursor, std::size_t max) override {
    const std::size_t begin = static_cast<std::size_t>(cursor >> kCursorShift);
    const std::size_t end = std::min(begin + max, shown_flows.size());
    FlowPage page;
    page.flows.assign(shown_flows.begin() + static_cast<std::ptrdiff_t>(begin),
                      shown_flows.begin() + static_cast<std::ptrdiff_t>(end));
    if (end < shown_flows.size()) page.next_cursor = std::uint64_t{end} << kCursorShift;
    return page;
  }
  Result<std::vector<LogLaw>> log_law() override { return shown_law; }
  std::size_t drain_deltas(std::span<FlowDelta>) override { return 0; }
  void watch(bool flows, bool drops) override {
    watches_flows = flows;
    watches_drops = drops;
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
  std::vector<NicStatus> shown_nics;
  std::vector<FlowView> shown_flows;
  std::vector<LogLaw> shown_law;
  std::vector<WatchEvent> events;
  std::atomic<bool> watches_flows = false;
  std::atomic<bool> watches_drops = false;

 private:
  std::shared_ptr<const PolicySnapshot> snapshot_;
};

}  // namespace sluice
