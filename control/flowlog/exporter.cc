#include "control/flowlog/exporter.h"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "control/flowlog/format_text.h"

namespace sluice {

namespace {

constexpr std::size_t kBatchSize = 1024;
// Lines are handed to a sink in blocks of about this many bytes.
constexpr std::size_t kBlockSize = 64 * 1024;
constexpr std::chrono::milliseconds kIdleSleep{5};

AggregatorConfig aggregator_config(const Engine& engine, const ExporterConfig& config) {
  AggregatorConfig result;
  result.worker_count =
      std::max<std::uint32_t>(1, static_cast<std::uint32_t>(engine.counters().workers.size()));
  result.records_max = config.records_max;
  result.key = config.key;
  return result;
}

}  // namespace

Exporter::Exporter(Engine& engine, const Registry& registry, const ExporterConfig& config)
    : engine_(engine),
      registry_(registry),
      aggregator_(aggregator_config(engine, config)),
      plan_(std::make_shared<const LogPlan>()),
      batch_(kBatchSize) {}

Exporter::~Exporter() { stop(); }

void Exporter::start() {
  thread_ = std::thread([this] { run(); });
}

void Exporter::set_plan(const std::shared_ptr<const LogPlan>& plan) {
  // plan_ is written by this thread alone, so it may be read without the lock.
  std::shared_ptr<const LogPlan> next = carry_over(*plan_, *plan);
  const std::lock_guard lock(mutex_);
  plan_ = next;
  aggregator_.set_plan(std::move(next));
}

void Exporter::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Exporter::run() {
  while (true) {
    const std::size_t taken = drain();
    write_closed(false);
    if (taken != 0) continue;
    std::unique_lock lock(mutex_);
    if (is_stopping_) break;
    wake_.wait_for(lock, kIdleSleep, [this] { return is_stopping_; });
  }
  while (drain() != 0) {
  }
  write_closed(true);
}

std::size_t Exporter::drain() {
  const std::size_t count = engine_.drain_deltas(batch_);
  if (count == 0) return 0;
  const std::lock_guard lock(mutex_);
  for (const FlowDelta& delta : std::span(batch_).first(count)) aggregator_.add(delta);
  stats_.deltas_received += count;
  return count;
}

void Exporter::write_closed(bool all) {
  std::vector<ClosedWindow> windows;
  {
    const std::lock_guard lock(mutex_);
    windows = aggregator_.take_closed(all);
  }
  for (ClosedWindow& window : windows) write_window(std::move(window));
  // A window of a former plan may have opened a file again.
  if (!windows.empty()) sinks_plan_.reset();
  drop_unused_sinks();
}

void Exporter::drop_unused_sinks() {
  {
    const std::lock_guard lock(mutex_);
    if (sinks_plan_ == plan_) return;
    sinks_plan_ = plan_;
  }
  std::erase_if(sinks_, [&](const auto& sink) {
    return std::none_of(sinks_plan_->logs.begin(), sinks_plan_->logs.end(),
                        [&](const LogSpec& log) { return log.path == sink.first; });
  });
}

void Exporter::write_window(ClosedWindow window) {
  std::shared_ptr<const LogPlan> plan;
  {
    const std::lock_guard lock(mutex_);
    plan = plan_;
  }
  const std::vector<LogRecord>& records = window.table.records();
  Sink& sink = sink_of(*window.log);
  std::string block;
  std::size_t first = 0;  // record that begins the block
  std::vector<std::size_t> line_ends;
  for (std::size_t i = 0; i < records.size(); ++i) {
    append_log_line(block, window.log->format, records[i], *plan, registry_);
    line_ends.push_back(block.size());
    if (block.size() < kBlockSize && i + 1 < records.size()) continue;
    const std::size_t kept = sink.write(block);
    const std::lock_guard lock(mutex_);
    for (std::size_t line = 0; line < line_ends.size(); ++line) {
      const bool is_written = line_ends[line] <= kept;
      aggregator_.settle(window, records[first + line], is_written);
      ++(is_written ? stats_.records_written : stats_.records_lost_sink);
    }
    first = i + 1;
    block.clear();
    line_ends.clear();
  }
  const std::lock_guard lock(mutex_);
  aggregator_.recycle(std::move(window));
}

Sink& Exporter::sink_of(const LogSpec& log) {
  FileSinkConfig config;
  config.path = log.path;
  if (log.header) append_log_header(config.header, log.format);
  config.rotate_size = log.rotate_size;
  config.rotate_keep = log.rotate_keep;
  std::unique_ptr<FileSink>& sink = sinks_[log.path];
  // A policy that changed how the file is kept gets a new hand on the same file.
  if (sink == nullptr || sink->config() != config) {
    sink = std::make_unique<FileSink>(std::move(config));
  }
  return *sink;
}

ExporterStats Exporter::stats() const {
  const std::lock_guard lock(mutex_);
  ExporterStats stats = stats_;
  for (const auto& directions : aggregator_.tallies()) {
    for (const ExportTally& tally : directions) {
      stats.packets_received += tally.received;
      stats.packets_pending += tally.pending;
      stats.packets_written += tally.written;
      stats.packets_lost += tally.lost;
      stats.packets_not_logged += tally.not_logged;
    }
  }
  stats.records_pending = aggregator_.records_pending();
  stats.records_lost_no_room = aggregator_.records_refused();
  return stats;
}

Result<std::vector<LogLawRow>> Exporter::law() {
  // The exporter's numbers first: what it has received by now the workers had sent before.
  std::vector<std::array<ExportTally, 2>> tallies;
  {
    const std::lock_guard lock(mutex_);
    tallies = aggregator_.tallies();
  }
  Result<std::vector<LogLaw>> workers = engine_.log_law();
  if (!workers) return workers.error();
  std::vector<LogLawRow> rows;
  for (const LogLaw& law : *workers) {
    const std::size_t eni = law.eni.value();
    const std::size_t way = static_cast<std::size_t>(law.direction);
    const ExportTally tally = eni < tallies.size() ? tallies[eni][way] : ExportTally{};
    rows.push_back(join_law(law, tally));
    if (eni >= ring_lost_.size()) ring_lost_.resize(eni + 1);
    if (law.lost > std::exchange(ring_lost_[eni][way], law.lost)) {
      const std::lock_guard lock(mutex_);
      aggregator_.note_loss(law.eni);
    }
  }
  return rows;
}

void Exporter::look_for_ring_losses() {
  std::uint64_t lost = 0;
  for (const WorkerCounters& worker : engine_.counters().workers) lost += worker.deltas_lost;
  if (lost == deltas_lost_) return;
  // A law that cannot be had now (a worker that is slow to answer) is asked for again.
  if (law().has_value()) deltas_lost_ = lost;
}

LogLawRow join_law(const LogLaw& law, const ExportTally& tally) {
  LogLawRow row;
  row.eni = law.eni;
  row.direction = law.direction;
  row.judged = law.judged;
  row.logged = tally.written;
  row.live = law.live;
  row.in_flight = law.sent - std::min(law.sent, tally.received);
  row.pending = tally.pending;
  row.lost = law.lost + tally.lost;
  row.not_logged = law.not_logged + tally.not_logged;
  row.unaccounted = static_cast<std::int64_t>(row.judged - row.logged - row.live - row.in_flight -
                                              row.pending - row.lost - row.not_logged);
  return row;
}

}  // namespace sluice
