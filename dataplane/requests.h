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
#include "flowtable/flow_filter.h"

namespace sluice {

// A walk over the flows of one worker that match, from a cursor (0 = begin) on. Stops early after
// kStepsMax steps, so that nobody waits long for the answer in a large table.
class WalkFlowsRequest : public WorkerRequest {
 public:
  static constexpr std::size_t kStepsMax = 4'096;

  // Where the next stretch begins; 0 when the walk of this worker is complete. Below 2^48.
  std::uint64_t next_cursor() const { return cursor_; }

 protected:
  WalkFlowsRequest(std::uint64_t cursor, const FlowFilter& filter)
      : cursor_(cursor), filter_(filter) {}
  // Looks at `budget` slots, calls visit(const FlowTuple&, FlowState&) for the flows that match;
  // true when the walk is complete or long enough. The visitor may not insert or remove.
  template <class Visit>
  bool walk(WorkerContext& context, std::size_t budget, Visit&& visit);

 private:
  std::uint64_t cursor_;
  const FlowFilter filter_;
  std::size_t steps_ = 0;
};

// The flows themselves, at most `max`.
class ListFlowsRequest final : public WalkFlowsRequest {
 public:
  // Takes room for `max` flows now: steps never allocate.
  ListFlowsRequest(std::uint64_t cursor, std::size_t max, const FlowFilter& filter = {})
      : WalkFlowsRequest(cursor, filter), max_(max) {
    flows_.reserve(max);
  }
  bool step(WorkerContext& context) override;

  std::vector<FlowView> take_flows() { return std::move(flows_); }

 private:
  std::size_t max_;
  std::vector<FlowView> flows_;
};

// How many there are, by state and by protocol.
class CountFlowsRequest final : public WalkFlowsRequest {
 public:
  CountFlowsRequest(std::uint64_t cursor, const FlowFilter& filter)
      : WalkFlowsRequest(cursor, filter) {}
  bool step(WorkerContext& context) override;

  const FlowCounts& counts() const { return counts_; }

 private:
  FlowCounts counts_;
};

// Ends them, see Engine::flush_flows().
class FlushFlowsRequest final : public WalkFlowsRequest {
 public:
  FlushFlowsRequest(std::uint64_t cursor, const FlowFilter& filter)
      : WalkFlowsRequest(cursor, filter) {}
  bool step(WorkerContext& context) override;

  std::uint64_t count() const { return count_; }

 private:
  std::uint64_t count_ = 0;
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
