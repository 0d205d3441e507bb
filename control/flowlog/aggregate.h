#pragma once

// Deltas of all workers in, one record per flow, direction, action and interval out (FL-10, FL-24).
//
// Intervals are aligned to Unix time. A delta never spans a boundary of kLogWindowS, so it belongs
// to exactly one interval of 60 or 600 s. An interval is over when every worker has said that it
// sent everything before its end (FlowDelta::Kind::WindowClosed); until then several may be open.
//
// The exporter's half of the sum law is kept here, per interface and direction, in packets:
//
//     received = pending + written + lost + not_logged
//
// exactly and at all times: each delta is pending until settle() says what became of its record. A
// packet that several flow logs hold is counted in the first that takes it.
//
// What was lost shows as a SKIPDATA record at the end of the interval in which the loss was found;
// an interface without any traffic in an interval shows as NODATA (FL-13). One thread at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/flow_hash.h"
#include "base/ids.h"
#include "control/flowlog/log_plan.h"
#include "control/flowlog/record_table.h"
#include "flowtable/flow_event.h"

namespace sluice {

struct AggregatorConfig {
  std::uint32_t worker_count = 1;
  // Of all logs and open intervals together. REJECT records take at most half of it: their flows
  // are made up by whoever is refused, and must not leave accepted ones without a record.
  std::size_t records_max = 1u << 20;
  HashKey key;
  bool writes_nodata = true;
};

// Packets of one interface and direction on their way into flow logs.
struct ExportTally {
  std::uint64_t received = 0;
  std::uint64_t pending = 0;
  std::uint64_t written = 0;
  std::uint64_t lost = 0;
  std::uint64_t not_logged = 0;  // no flow log covers them, or none asks for their action
};

// One interval of one flow log that is over, its records in the order of lines.
struct ClosedWindow {
  std::shared_ptr<const LogSpec> log;
  std::uint32_t start_s = 0;
  RecordTable table;
};

class Aggregator {
 public:
  explicit Aggregator(const AggregatorConfig& config);

  // From now on deltas are judged by this plan. Logs that it no longer has are closed: their open
  // intervals come out of the next take_closed(). Logs that it still has, word for word, go on.
  void set_plan(std::shared_ptr<const LogPlan> plan);
  const LogPlan& plan() const { return *plan_; }

  // Constant time, save that tables grow.
  void add(const FlowDelta& delta);
  // Marks something of the interface as lost before it came here: SKIPDATA in every log of it.
  void note_loss(EniIndex eni);

  // The intervals that are over, earlier ones first; with `all`, also those that are not.
  std::vector<ClosedWindow> take_closed(bool all = false);
  // What became of one record of a closed window.
  void settle(const ClosedWindow& window, const LogRecord& record, bool is_written);
  // Gives the memory of a settled window back for later ones.
  void recycle(ClosedWindow window);

  // Records that found no room.
  std::uint64_t records_refused() const { return records_refused_; }
  std::uint64_t records_pending() const { return records_pending_; }
  // By EniIndex, then Direction.
  const std::vector<std::array<ExportTally, 2>>& tallies() const { return tallies_; }

 private:
  struct Window {
    std::uint32_t start_s = 0;
    RecordTable table;
    std::vector<bool> seen;  // by EniIndex: there was traffic, logged or not
  };
  struct Log {
    std::shared_ptr<const LogSpec> spec;
    bool by_packet = false;
    std::vector<EniIndex> covered;  // interfaces of the policy
    std::vector<Window> windows;    // open, by start
    std::vector<EniIndex> skipped;  // interfaces that owe a SKIPDATA record
    std::vector<bool> is_skipped;   // the same by EniIndex
    std::uint32_t gaps_from_s = 0;  // the next interval to look for gaps in; 0: not known yet
  };

  void add_packets(const FlowDelta& delta);
  bool has_room(Verdict action) const;
  // Where the delta is to be added up, or null: there is no room.
  LogRecord* place_for(Log& log, Window& window, const LogRecord& record);
  Window& window_of(Log& log, std::uint32_t start_s);
  RecordTable fresh_table(bool by_packet);
  static void mark_skipped(Log& log, EniIndex eni);
  std::uint32_t closed_until_s() const;
  void close_window(Log& log, Window window, bool has_gaps, std::vector<ClosedWindow>& out);
  void close_log(Log& log, std::uint32_t until_s, std::vector<ClosedWindow>& out);
  void begin_gaps(Log& log, std::uint32_t until_s) const;
  void sort(std::vector<LogRecord>& records) const;
  ExportTally& tally(EniIndex eni, Direction direction);

  AggregatorConfig config_;
  std::shared_ptr<const LogPlan> plan_;
  std::vector<Log> logs_;             // as LogPlan::logs
  std::vector<ClosedWindow> closed_;  // of logs that are gone
  std::vector<RecordTable> spare_tables_;
  std::vector<std::uint32_t> closed_until_s_;  // by worker
  std::vector<std::array<ExportTally, 2>> tallies_;
  std::uint64_t records_pending_ = 0;
  std::uint64_t rejects_pending_ = 0;  // those of them that are REJECT
  std::uint64_t records_refused_ = 0;
};

}  // namespace sluice
