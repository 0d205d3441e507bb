#pragma once

// The export thread: deltas from the workers' rings -> aggregate -> text -> files.
//
// It alone drains the rings and writes. The control thread hands it plans and asks it for numbers,
// both under a lock that is held for a batch of deltas at a time, never while a file is written.
// Its half of the sum law of product.md section 7 is exact at every moment; joined with the
// workers' half it reads zero.

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "control/flowlog/aggregate.h"
#include "control/flowlog/log_plan.h"
#include "control/flowlog/sink_file.h"
#include "control/policy/registry.h"
#include "dataplane/engine.h"

namespace sluice {

struct ExporterConfig {
  std::size_t records_max = 1u << 20;  // held at once, see AggregatorConfig
  HashKey key;
};

// Records, and the packets in them, since the start.
struct ExporterStats {
  std::uint64_t deltas_received = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t packets_pending = 0;
  std::uint64_t packets_written = 0;
  std::uint64_t packets_lost = 0;
  std::uint64_t packets_not_logged = 0;
  std::uint64_t records_written = 0;  // lines, gaps included
  std::uint64_t records_pending = 0;
  std::uint64_t records_lost_no_room = 0;  // found no place among records_max (counted each time)
  std::uint64_t records_lost_sink = 0;     // the file did not take them
};

// The sum law of one interface and direction, in packets:
// judged = logged + live + in_flight + pending + lost + not_logged + unaccounted.
struct LogLawRow {
  EniIndex eni;
  Direction direction = Direction::Ingress;
  std::uint64_t judged = 0;
  std::uint64_t logged = 0;     // in lines that were written
  std::uint64_t live = 0;       // in flow entries and refusal caches
  std::uint64_t in_flight = 0;  // in deltas on the rings
  std::uint64_t pending = 0;    // in records of open intervals
  std::uint64_t lost = 0;       // ring full, no room, file failed
  std::uint64_t not_logged = 0;
  std::int64_t unaccounted = 0;  // 0, or there is a bug
};

// One row from both halves. Requires that `tally` was taken before `law`, or that all rests.
LogLawRow join_law(const LogLaw& law, const ExportTally& tally);

class Exporter {
 public:
  // Both outlive the exporter. Starts nothing.
  Exporter(Engine& engine, const Registry& registry, const ExporterConfig& config);
  // As stop().
  ~Exporter();
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  // Control thread. Starts the thread. Once.
  void start();
  // Control thread; call it before the policy is published. Takes effect at the next batch.
  void set_plan(const std::shared_ptr<const LogPlan>& plan);
  // Control thread. Takes what is left on the rings, writes every open interval, ends the thread.
  // Call it after Engine::stop(), so that the last deltas are there. Idempotent.
  void stop();

  // Any thread.
  ExporterStats stats() const;
  // Control thread: asks every worker, so it costs what Engine::log_law() costs. Losses on the
  // rings that it finds become SKIPDATA records of their interfaces.
  Result<std::vector<LogLawRow>> law();
  // Control thread, now and then: where a ring has lost deltas since the last call, finds out whose
  // they were, as law() does. Costs a look at the counters while nothing is lost.
  void look_for_ring_losses();

 private:
  void run();
  // Deltas taken from the rings.
  std::size_t drain();
  void write_closed(bool all);
  void write_window(ClosedWindow window);
  Sink& sink_of(const LogSpec& log);
  // Closes the files that no log of the plan writes to any more.
  void drop_unused_sinks();

  Engine& engine_;
  const Registry& registry_;

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  Aggregator aggregator_;
  std::shared_ptr<const LogPlan> plan_;
  ExporterStats stats_;
  bool is_stopping_ = false;

  std::vector<FlowDelta> batch_;                            // export thread only
  std::map<std::string, std::unique_ptr<FileSink>> sinks_;  // export thread only, by path
  std::shared_ptr<const LogPlan> sinks_plan_;  // export thread only: sinks_ was held against it
  std::vector<std::array<std::uint64_t, 2>> ring_lost_;  // control thread only, by EniIndex
  std::uint64_t deltas_lost_ = 0;                        // control thread only
  std::thread thread_;
};

}  // namespace sluice
