#include "control/main/replay_worker.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/limits.h"
#include "dataplane/requests.h"

namespace sluice {

namespace {

constexpr std::size_t kDeltaRingSize = 1u << 16;
constexpr std::size_t kBatchSize = 4'096;
constexpr UnixNanos kWindowNs = std::uint64_t{kLogWindowS} * kNanosPerSecond;
// Ticks are compared by differences of less than 24 days.
constexpr UnixNanos kLeapMaxNs =
    std::uint64_t{12} * 24 * 3600 * kNanosPerSecond / kWindowNs * kWindowNs;
// Timers are served before a packet that comes this long after the last one.
constexpr UnixNanos kPauseNs = 100 * kNanosPerMilli;
// A bound on turns that wait for the same thing, far above what the largest table needs.
constexpr std::uint64_t kTurnsMax = 100'000'000;
// No device of a replay is too small for a packet of the capture.
constexpr std::uint32_t kMtu = 1u << 20;

NicInfo device(std::string id, NicRole role, NicIndex peer) {
  NicInfo nic;
  nic.config.id = std::move(id);
  nic.config.device = "replay";
  nic.config.role = role;
  nic.config.peer = peer;
  nic.config.forward_unknown = true;
  nic.config.source_check = false;
  nic.mac = MacAddr{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(peer.value() + 16)}};
  nic.mtu = kMtu;
  return nic;
}

WorkerConfig worker_config(const ReplayWorkerConfig& config, BurstObserver& observer) {
  WorkerConfig result;
  result.flow_capacity = config.flow_capacity;
  result.interface_capacity = config.interface_capacity;
  result.start_ns = config.start_ns;
  result.nics = {device("inside", NicRole::Inside, kReplayOutside),
                 device("outside", NicRole::Outside, kReplayInside)};
  result.observer = &observer;
  return result;
}

}  // namespace

ReplayWorker::ReplayWorker(const ReplayWorkerConfig& config, ReplayIo& io, VerdictWriter& verdicts,
                           ReplayFlowLog& log)
    : io_(io),
      log_(log),
      epoch_(1),
      snapshot_(config.snapshot),
      deltas_(kDeltaRingSize),
      watch_(64),
      mail_(1),
      batch_(kBatchSize),
      clock_ns_(config.start_ns) {
  policy_.swap(snapshot_.get());
  WorkerLinks links;
  links.inbox = {nullptr};
  links.outbox = {nullptr};
  links.deltas = &deltas_;
  links.watch = &watch_;
  links.mail = &mail_;
  links.watching = &watching_;
  links.epoch = &epoch_;
  links.policy = &policy_;
  worker_ = std::make_unique<Worker>(worker_config(config, verdicts), links, io_);
  epoch_.enter(0);
}

ReplayWorker::~ReplayWorker() { epoch_.leave(0); }

void ReplayWorker::drain() {
  while (const std::size_t count = deltas_.pop(batch_)) {
    for (const FlowDelta& delta : std::span(batch_).first(count)) {
      if (delta.kind != FlowDelta::Kind::WindowClosed) continue;
      closed_until_s_ = std::max(closed_until_s_, delta.last_s);
    }
    log_.add(std::span(batch_).first(count));
  }
}

bool ReplayWorker::is_idle() const {
  const WorkerCounters counters = worker_->counters();
  return counters.flows == 0 && counters.held == 0;
}

void ReplayWorker::rest() {
  for (std::uint64_t turn = 0; turn < kTurnsMax; ++turn) {
    const std::uint64_t flows = worker_->counters().flows;
    const std::size_t packets = worker_->turn(clock_ns_);
    drain();
    if (packets == 0 && worker_->counters().flows == flows) return;
  }
  CHECK(false);  // the pipeline does not come to rest
}

void ReplayWorker::close_window(std::uint32_t boundary_s) {
  rest();
  for (std::uint64_t turn = 0; closed_until_s_ < boundary_s; ++turn) {
    CHECK(turn < kTurnsMax);  // the pipeline never closes the window
    worker_->turn(clock_ns_);
    drain();
  }
}

void ReplayWorker::advance(UnixNanos to) {
  if (to <= clock_ns_) return;
  const bool was_pause = to - clock_ns_ >= kPauseNs;
  while (clock_ns_ / kWindowNs < to / kWindowNs) {
    UnixNanos boundary_ns = (clock_ns_ / kWindowNs + 1) * kWindowNs;
    const UnixNanos last_ns = to / kWindowNs * kWindowNs;
    if (clock_ns_ % kWindowNs == 0 && is_idle()) {
      boundary_ns = std::min(last_ns, clock_ns_ + kLeapMaxNs);
    }
    clock_ns_ = boundary_ns;
    close_window(static_cast<std::uint32_t>(boundary_ns / kNanosPerSecond));
  }
  clock_ns_ = to;
  if (was_pause) rest();
}

void ReplayWorker::judge() {
  io_.load();
  worker_->turn(clock_ns_);
  drain();
  if (io_.held() != 0) rest();
}

void ReplayWorker::finish() {
  bool is_done = false;
  for (std::uint64_t turn = 0; !is_done; ++turn) {
    CHECK(turn < kTurnsMax);
    is_done = worker_->finish(clock_ns_);
    drain();
  }
}

std::vector<LogLaw> ReplayWorker::law() {
  LogLawRequest request(worker_->interface_end());
  while (!request.step(worker_->context())) {
  }
  return {request.rows().begin(), request.rows().end()};
}

}  // namespace sluice
