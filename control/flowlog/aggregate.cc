#include "control/flowlog/aggregate.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace sluice {

namespace {

// After a longer silence (a suspended machine) the intervals in between are not made up for.
constexpr std::uint32_t kGapWindowsMax = 10;
constexpr std::size_t kSpareTablesMax = 8;

// The delta as a record of its own.
LogRecord record_of(const FlowDelta& delta, const LoggedInterface& interface) {
  const FlowTuple& tuple = delta.tuple;
  const bool is_in = delta.direction == Direction::Ingress;
  const IpAddr shown = interface.shown_address(tuple.local, delta.direction);
  LogRecord record;
  record.direction = delta.direction;
  record.action = delta.action;
  record.reason = delta.reason;
  record.app = delta.app;
  record.proto = tuple.proto;
  record.tcp_flags = tuple.proto == Proto::Tcp ? delta.tcp_flags : std::uint8_t{0};
  if (!is_icmp(tuple.proto)) {
    record.source_port = is_in ? tuple.remote_port : tuple.local_port;
    record.destination_port = is_in ? tuple.local_port : tuple.remote_port;
  }
  record.start_s = delta.first_s;
  record.end_s = delta.last_s;
  record.eni = tuple.eni;
  record.rule = delta.rule;
  record.generation = delta.generation;
  record.packet_source = is_in ? tuple.remote : tuple.local;
  record.packet_destination = is_in ? tuple.local : tuple.remote;
  record.source = is_in ? tuple.remote : shown;
  record.destination = is_in ? shown : tuple.remote;
  return record;
}

void merge(LogRecord& into, const LogRecord& more) {
  into.start_s = std::min(into.start_s, more.start_s);
  into.end_s = std::max(into.end_s, more.end_s);
  into.tcp_flags |= more.tcp_flags;
  // Whichever worker's delta comes first: the smallest rule that is one, the newest policy.
  into.rule = std::min(into.rule, more.rule);
  into.generation = std::max(into.generation, more.generation);
  if (into.reason == DropReason::None) into.reason = more.reason;
  if (into.app == 0) into.app = more.app;
}

LogRecord gap_record(LogStatus status, EniIndex eni, std::uint32_t start_s, std::uint32_t size_s) {
  LogRecord record;
  record.status = status;
  record.eni = eni;
  record.start_s = start_s;
  record.end_s = start_s + size_s - 1;
  return record;
}

bool has_bit(const std::vector<bool>& bits, EniIndex eni) {
  return eni.value() < bits.size() && bits[eni.value()];
}

void set_bit(std::vector<bool>& bits, EniIndex eni) {
  if (eni.value() >= bits.size()) bits.resize(eni.value() + 1);
  bits[eni.value()] = true;
}

}  // namespace

Aggregator::Aggregator(const AggregatorConfig& config)
    : config_(config),
      plan_(std::make_shared<const LogPlan>()),
      closed_until_s_(config.worker_count, 0) {
  CHECK(config.worker_count > 0);
}

void Aggregator::set_plan(std::shared_ptr<const LogPlan> plan) {
  std::vector<Log> former = std::exchange(logs_, {});
  for (const LogSpec& spec : plan->logs) {
    const auto same = std::find_if(former.begin(), former.end(), [&](const Log& log) {
      return log.spec != nullptr && *log.spec == spec;
    });
    if (same != former.end()) {
      logs_.push_back(std::move(*same));
      same->spec = nullptr;
      logs_.back().covered.clear();
    } else {
      logs_.emplace_back();
      logs_.back().spec = std::make_shared<const LogSpec>(spec);
      logs_.back().by_packet =
          spec.format.has(RecordField::PktSrcAddr) || spec.format.has(RecordField::PktDstAddr);
    }
  }
  plan_ = std::move(plan);
  for (std::size_t i = 0; i < plan_->interfaces.size(); ++i) {
    if (!plan_->interfaces[i].present) continue;
    for (const std::uint32_t log : plan_->interfaces[i].logs) {
      logs_[log].covered.push_back(EniIndex(static_cast<std::uint32_t>(i)));
    }
  }
  for (Log& log : former) {
    if (log.spec == nullptr) continue;
    for (Window& window : log.windows) close_window(log, std::move(window), false, closed_);
  }
}

ExportTally& Aggregator::tally(EniIndex eni, Direction direction) {
  if (eni.value() >= tallies_.size()) tallies_.resize(eni.value() + 1);
  return tallies_[eni.value()][static_cast<std::size_t>(direction)];
}

void Aggregator::add(const FlowDelta& delta) {
  if (delta.kind == FlowDelta::Kind::WindowClosed) {
    CHECK(delta.worker.value() < closed_until_s_.size());
    std::uint32_t& until_s = closed_until_s_[delta.worker.value()];
    until_s = std::max(until_s, delta.last_s);
    return;
  }
  CHECK(delta.tuple.eni.value() < kInterfacesMax);
  add_packets(delta);
}

void Aggregator::add_packets(const FlowDelta& delta) {
  ExportTally& sums = tally(delta.tuple.eni, delta.direction);
  sums.received += delta.packets;
  const LoggedInterface* interface = plan_->find(delta.tuple.eni);
  if (interface == nullptr || interface->logs.empty()) {
    sums.not_logged += delta.packets;
    return;
  }
  const LogRecord record = record_of(delta, *interface);
  bool is_counted = false;
  for (const std::uint32_t index : interface->logs) {
    Log& log = logs_[index];
    Window& window = window_of(log, delta.first_s / log.spec->interval_s * log.spec->interval_s);
    set_bit(window.seen, delta.tuple.eni);
    if (!covers(log.spec->traffic, delta.action)) continue;
    LogRecord* place = place_for(log, window, record);
    const bool counts = !std::exchange(is_counted, true);
    if (counts) (place != nullptr ? sums.pending : sums.lost) += delta.packets;
    if (place == nullptr) continue;
    place->packets += delta.packets;
    place->bytes += delta.bytes;
    if (counts) place->law_packets += delta.packets;
  }
  if (!is_counted) sums.not_logged += delta.packets;
}

bool Aggregator::has_room(Verdict action) const {
  if (records_pending_ >= config_.records_max) return false;
  return action == Verdict::Accept || rejects_pending_ < config_.records_max / 2;
}

LogRecord* Aggregator::place_for(Log& log, Window& window, const LogRecord& record) {
  if (LogRecord* place = window.table.find(record)) {
    merge(*place, record);
    return place;
  }
  if (!has_room(record.action)) {
    ++records_refused_;
    mark_skipped(log, record.eni);
    return nullptr;
  }
  ++records_pending_;
  if (record.action != Verdict::Accept) ++rejects_pending_;
  return &window.table.add(record);
}

Aggregator::Window& Aggregator::window_of(Log& log, std::uint32_t start_s) {
  auto place = log.windows.end();
  while (place != log.windows.begin() && std::prev(place)->start_s >= start_s) --place;
  if (place != log.windows.end() && place->start_s == start_s) return *place;
  return *log.windows.insert(place, Window{start_s, fresh_table(log.by_packet), {}});
}

RecordTable Aggregator::fresh_table(bool by_packet) {
  if (spare_tables_.empty()) return RecordTable(config_.key, by_packet);
  RecordTable table = std::move(spare_tables_.back());
  spare_tables_.pop_back();
  table.clear(by_packet);
  return table;
}

void Aggregator::mark_skipped(Log& log, EniIndex eni) {
  if (has_bit(log.is_skipped, eni)) return;
  set_bit(log.is_skipped, eni);
  log.skipped.push_back(eni);
}

void Aggregator::note_loss(EniIndex eni) {
  const LoggedInterface* interface = plan_->find(eni);
  if (interface == nullptr) return;
  for (const std::uint32_t index : interface->logs) mark_skipped(logs_[index], eni);
}

std::uint32_t Aggregator::closed_until_s() const {
  return *std::min_element(closed_until_s_.begin(), closed_until_s_.end());
}

void Aggregator::sort(std::vector<LogRecord>& records) const {
  const auto name_of = [this](EniIndex eni) {
    const LoggedInterface* interface = plan_->find(eni);
    return interface == nullptr ? std::string_view() : std::string_view(interface->name);
  };
  std::sort(records.begin(), records.end(),
            [&](const LogRecord& a, const LogRecord& b) { return comes_before(a, b, name_of); });
}

void Aggregator::close_window(Log& log, Window window, bool has_gaps,
                              std::vector<ClosedWindow>& out) {
  std::vector<LogRecord>& records = window.table.records();
  const std::uint32_t size_s = log.spec->interval_s;
  for (const EniIndex eni : log.skipped) {
    records.push_back(gap_record(LogStatus::SkipData, eni, window.start_s, size_s));
  }
  if (has_gaps) {
    for (const EniIndex eni : log.covered) {
      if (has_bit(window.seen, eni) || has_bit(log.is_skipped, eni)) continue;
      records.push_back(gap_record(LogStatus::NoData, eni, window.start_s, size_s));
    }
  }
  for (const EniIndex eni : log.skipped) log.is_skipped[eni.value()] = false;
  log.skipped.clear();
  sort(records);
  out.push_back(ClosedWindow{log.spec, window.start_s, std::move(window.table)});
}

void Aggregator::begin_gaps(Log& log, std::uint32_t until_s) const {
  const std::uint32_t size_s = log.spec->interval_s;
  // A log that has just begun has seen at least the last minute before the first boundary.
  if (log.gaps_from_s == 0) log.gaps_from_s = (until_s - kLogWindowS) / size_s * size_s;
  const std::uint32_t end_s = until_s / size_s * size_s;
  if (end_s > log.gaps_from_s && (end_s - log.gaps_from_s) / size_s > kGapWindowsMax) {
    log.gaps_from_s = end_s - size_s;
  }
}

void Aggregator::close_log(Log& log, std::uint32_t until_s, std::vector<ClosedWindow>& out) {
  const std::uint32_t size_s = log.spec->interval_s;
  const auto is_over = [&](std::uint32_t start_s) {
    return std::uint64_t{start_s} + size_s <= until_s;
  };
  // Intervals before this one have had their gaps written; what comes late for them has none.
  const std::uint32_t first_gap_s = log.gaps_from_s;
  if (config_.writes_nodata && until_s >= kLogWindowS &&
      until_s != std::numeric_limits<std::uint32_t>::max()) {
    begin_gaps(log, until_s);
    for (; is_over(log.gaps_from_s); log.gaps_from_s += size_s) {
      if (!log.covered.empty()) window_of(log, log.gaps_from_s);
    }
  }
  std::size_t count = 0;
  while (count < log.windows.size() && is_over(log.windows[count].start_s)) {
    const bool has_gaps = config_.writes_nodata && log.windows[count].start_s >= first_gap_s;
    close_window(log, std::move(log.windows[count]), has_gaps, out);
    ++count;
  }
  log.windows.erase(log.windows.begin(), log.windows.begin() + static_cast<std::ptrdiff_t>(count));
}

std::vector<ClosedWindow> Aggregator::take_closed(bool all) {
  std::vector<ClosedWindow> out = std::exchange(closed_, {});
  const std::uint32_t until_s = all ? std::numeric_limits<std::uint32_t>::max() : closed_until_s();
  for (Log& log : logs_) close_log(log, until_s, out);
  std::stable_sort(out.begin(), out.end(), [](const ClosedWindow& a, const ClosedWindow& b) {
    return a.start_s < b.start_s;
  });
  return out;
}

void Aggregator::settle(const ClosedWindow& window, const LogRecord& record, bool is_written) {
  if (record.status == LogStatus::Ok) {
    ExportTally& sums = tally(record.eni, record.direction);
    sums.pending -= record.law_packets;
    (is_written ? sums.written : sums.lost) += record.law_packets;
    --records_pending_;
    if (record.action != Verdict::Accept) --rejects_pending_;
  }
  if (is_written || record.status == LogStatus::NoData) return;
  for (Log& log : logs_) {
    if (log.spec == window.log) mark_skipped(log, record.eni);
  }
}

void Aggregator::recycle(ClosedWindow window) {
  if (spare_tables_.size() >= kSpareTablesMax) return;
  window.table.clear(false);
  spare_tables_.push_back(std::move(window.table));
}

}  // namespace sluice
