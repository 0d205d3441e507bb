#pragma once

// CONTRACT between the engine, which asks, and the pipeline, which answers: requests to one worker,
// worked on in bounded steps between bursts. The worker writes the answer, the engine reads it when
// step() has returned true.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "dataplane/engine.h"
#include "dataplane/worker.h"
#include "flowtable/flow_event.h"

namespace sluice {

// Flows of one worker from a cursor (0 = begin) on, at most `max`.
// Stops early after kStepsMax steps, so that nobody waits long for the answer in an empty table.
class ListFlowsRequest final : public WorkerRequest {
 public:
  static constexpr std::size_t kStepsMax = 4'096;

  // Takes room for `max` flows now: steps never allocate.
  ListFlowsRequest(std::uint64_t cursor, std::size_t max) : cursor_(cursor), max_(max) {
    flows_.reserve(max);
  }
  bool step(WorkerContext& context) override;

  std::vector<FlowView> take_flows() { return std::move(flows_); }
  // Where the next page begins; 0 when the walk of this worker is complete. Below 2^48.
  std::uint64_t next_cursor() const { return cursor_; }

 private:
  std::uint64_t cursor_;
  std::size_t max_;
  std::size_t steps_ = 0;
  std::vector<FlowView> flows_;
};

// The worker's part of the sum law, one row per interface and direction that it knows anything of,
// in that order. A copy of counters, some interfaces a step: each row is of one moment between two
// bursts, rows of one interface are of the same.
class LogLawRequest final : public WorkerRequest {
 public:
  // For the interfaces before `interface_end` (Worker::interface_end()). Takes room for their rows
  // now: steps never allocate.
  explicit LogLawRequest(std::size_t interface_end) : rows_(2 * interface_end) {}
  bool step(WorkerContext& context) override;

  std::span<const LogLaw> rows() const { return std::span(rows_).first(count_); }

 private:
  std::size_t cursor_ = 0;
  std::size_t count_ = 0;
  std::vector<LogLaw> rows_;
};

}  // namespace sluice
