#include "dataplane/dpdk_engine.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <pthread.h>
#include <rte_cycles.h>
#include <sys/random.h>

#include "dataplane/requests.h"

namespace sluice {
namespace {

constexpr std::chrono::milliseconds kHouseInterval{200};
constexpr std::chrono::seconds kAnswerMax{10};
// A page of flows is addressed by the worker and the place within it.
constexpr unsigned kCursorBits = 48;
constexpr std::uint64_t kPlaceMask = (std::uint64_t{1} << kCursorBits) - 1;

// Where a walk goes on that stopped at `place` of `worker`, 0 = at its end; 0: nowhere.
std::uint64_t cursor_behind(std::size_t worker, std::uint64_t place, std::size_t worker_count) {
  if (place == 0) ++worker;
  return worker < worker_count ? (std::uint64_t{worker} << kCursorBits) | place : 0;
}

HashKey random_key() {
  HashKey key;
  CHECK(getrandom(&key, sizeof(key), 0) == static_cast<ssize_t>(sizeof(key)));
  return key;
}

void add(NicCounters& sum, const NicCounters& more) {
  sum.rx_packets += more.rx_packets;
  sum.rx_bytes += more.rx_bytes;
  sum.tx_packets += more.tx_packets;
  sum.tx_bytes += more.tx_bytes;
  sum.generated += more.generated;
  sum.consumed += more.consumed;
  for (std::size_t i = 0; i < sum.drops.size(); ++i) sum.drops[i] += more.drops[i];
}

void add(LogLaw& sum, const LogLaw& more) {
  sum.eni = more.eni;
  sum.direction = more.direction;
  sum.judged += more.judged;
  sum.live += more.live;
  sum.sent += more.sent;
  sum.lost += more.lost;
  sum.not_logged += more.not_logged;
}

}  // namespace

// Pairing: the worker stores is_done_ with release when the answer is complete and never comes
// back to the request; the control thread loads it with acquire before it reads the answer.
class DpdkEngine::Mail final : public WorkerRequest {
 public:
  explicit Mail(std::unique_ptr<WorkerRequest> request) : request_(std::move(request)) {}
  bool step(WorkerContext& context) override {
    if (!request_->step(context)) return false;
    is_done_.store(true, std::memory_order_release);
    return true;
  }
  bool is_done() const { return is_done_.load(std::memory_order_acquire); }
  // Requires is_done() and the type that was posted.
  template <class Request>
  Request& answer() {
    return static_cast<Request&>(*request_);
  }

 private:
  std::unique_ptr<WorkerRequest> request_;
  std::atomic<bool> is_done_{false};
};

DpdkEngine::DpdkEngine(const EngineConfig& config, CorePlan cores)
    : config_(config),
      cores_(std::move(cores)),
      epoch_(static_cast<unsigned>(cores_.workers.size())) {}

DpdkEngine::~DpdkEngine() {
  stop();
  // Workers hold packets and the pool holds their memory, so the order counts.
  for (auto& seat : seats_) seat->worker.reset();
  seats_.clear();
  nics_.clear();
  pool_.reset();
  eal_.reset();
}

Status DpdkEngine::start() {
  block_packet_signals();
  leave_worker_cores(cores_, usable_cores());
  if (Status started = start_nics(); !started) return started;
  make_rings();
  make_workers();
  return start_threads();
}

Status DpdkEngine::start_nics() {
  const std::size_t worker_count = cores_.workers.size();
  const std::size_t buffer_count = packet_buffers_needed(config_, worker_count);
  EalOptions options;
  options.main_core = cores_.main;
  options.huge_pages = config_.huge_pages;
  options.memory_size = memory_needed(buffer_count);
  options.further_arguments = config_.eal_arguments;
  options.needs_pci = std::any_of(config_.nics.begin(), config_.nics.end(),
                                  [](const NicConfig& nic) { return is_pci_device(nic.device); });
  Result<std::unique_ptr<Eal>> eal = Eal::start(options);
  if (!eal) return eal.error();
  eal_ = std::move(*eal);
  std::size_t mtu_max = 0;
  for (const NicConfig& config : config_.nics) {
    Result<std::unique_ptr<Nic>> nic = Nic::probe(config, *eal_);
    if (!nic) return nic.error();
    mtu_max = std::max<std::size_t>(mtu_max, (*nic)->mtu());
    nics_.push_back(std::move(*nic));
  }
  Result<PacketPool> pool = make_packet_pool(buffer_count, mtu_max);
  if (!pool) return pool.error();
  pool_ = std::move(*pool);
  for (auto& nic : nics_) {
    Status started = nic->start(pool_.get(), static_cast<unsigned>(worker_count), *eal_);
    if (!started) return started;
  }
  return Ok();
}

void DpdkEngine::make_rings() {
  const std::size_t worker_count = cores_.workers.size();
  const std::size_t handoff_size = handoff_ring_size(worker_count);
  for (std::size_t to = 0; to < worker_count; ++to) {
    auto seat = std::make_unique<Seat>();
    seat->core = cores_.workers[to];
    for (std::size_t from = 0; from < worker_count; ++from) {
      seat->inbox.push_back(from == to ? nullptr
                                       : std::make_unique<SpscRing<Handoff>>(handoff_size));
    }
    seats_.push_back(std::move(seat));
  }
  transmit_rings_.resize(nics_.size());
  for (std::size_t nic = 0; nic < nics_.size(); ++nic) {
    for (std::size_t worker = 0; worker < worker_count; ++worker) {
      const bool has_queue = worker < nics_[nic]->tx_queues();
      transmit_rings_[nic].push_back(has_queue ? nullptr
                                               : std::make_unique<MbufRing>(kTransmitRing));
    }
  }
}

// Queue q belongs to worker q where there are enough of them, so that with symmetric scaling both
// directions of a connection reach one worker; devices with fewer are spread over the workers.
std::vector<NicAccess> DpdkEngine::accesses_of(std::size_t worker) {
  const std::size_t worker_count = seats_.size();
  std::vector<NicAccess> accesses;
  for (std::size_t index = 0; index < nics_.size(); ++index) {
    const Nic& nic = *nics_[index];
    NicAccess access;
    access.dpdk_port = nic.dpdk_port();
    const std::size_t shift = nic.rx_queues() < worker_count ? index : 0;
    for (std::size_t queue = 0; queue < nic.rx_queues(); ++queue) {
      if ((queue + shift) % worker_count == worker) {
        access.rx_queues.push_back(static_cast<std::uint16_t>(queue));
      }
    }
    access.outbox = transmit_rings_[index][worker].get();
    access.tx_queue = static_cast<std::uint16_t>(worker % nic.tx_queues());
    for (std::size_t other = nic.tx_queues(); other < worker_count; ++other) {
      if (other % nic.tx_queues() != worker) continue;
      TransmitBacklog backlog;
      backlog.ring = transmit_rings_[index][other].get();
      backlog.from = WorkerIndex(static_cast<std::uint16_t>(other));
      access.backlogs.push_back(backlog);
    }
    accesses.push_back(std::move(access));
  }
  return accesses;
}

void DpdkEngine::make_workers() {
  const auto worker_count = static_cast<std::uint32_t>(seats_.size());
  WorkerConfig config;
  config.touch_memory = true;
  config.worker_count = worker_count;
  config.flow_capacity =
      std::max(kFlowCapacityMin, (config_.flow_capacity + worker_count - 1) / worker_count);
  config.interface_capacity = config_.interface_capacity;
  config.key = random_key();
  config.start_ns = unix_now();
  for (const auto& nic : nics_) config.nics.push_back(nic->info());
  for (std::size_t index = 0; index < seats_.size(); ++index) {
    Seat& seat = *seats_[index];
    config.index = WorkerIndex(static_cast<std::uint16_t>(index));
    config.core = seat.core;
    WorkerLinks links;
    for (std::size_t other = 0; other < seats_.size(); ++other) {
      links.inbox.push_back(seat.inbox[other].get());
      links.outbox.push_back(seats_[other]->inbox[index].get());
    }
    links.deltas = &seat.deltas;
    links.watch = &seat.watch;
    links.mail = &seat.mail;
    links.watching = &watching_;
    links.epoch = &epoch_;
    links.policy = &policy_;
    seat.io = std::make_unique<DpdkIo>(accesses_of(index), pool_.get());
    seat.worker = std::make_unique<Worker>(config, links, *seat.io);
  }
}

Status DpdkEngine::start_threads() {
  Status status = Ok();
  for (std::size_t index = 0; index < seats_.size(); ++index) {
    Seat& seat = *seats_[index];
    WorkerThread thread;
    thread.worker = seat.worker.get();
    thread.epoch = &epoch_;
    thread.index = WorkerIndex(static_cast<std::uint16_t>(index));
    thread.idle_sleep_us = config_.idle_sleep_us;
    thread.phase = &phase_;
    seat.thread = std::thread(run_worker, thread);
    if (Status pinned = pin_to_core(seat.thread.native_handle(), seat.core); !pinned) {
      status = pinned;
    }
  }
  if (!status) return status;
  phase_.store(WorkerPhase::Running, std::memory_order_release);
  phase_.notify_all();
  housekeeper_ = std::thread([this] { keep_house(); });
  return Ok();
}

void DpdkEngine::keep_house() {
  pthread_setname_np(pthread_self(), "sluice-house");
  std::unique_lock lock(house_mutex_);
  while (!house_wakes_.wait_for(lock, kHouseInterval, [this] { return is_closing_; })) {
    for (auto& nic : nics_) nic->poll_link();
    const std::unique_lock policy_lock(policy_mutex_, std::try_to_lock);
    if (policy_lock.owns_lock()) free_retired();
  }
}

void DpdkEngine::free_retired() {
  std::erase_if(retired_, [this](const Retired& old) { return epoch_.is_over(old.token); });
}

std::string DpdkEngine::late_workers(Generation generation) const {
  std::string names;
  for (std::size_t index = 0; index < seats_.size(); ++index) {
    if (seats_[index]->worker->counters().generation == generation) continue;
    if (!names.empty()) names += ", ";
    names += std::to_string(index) + " (core " + std::to_string(seats_[index]->core) + ")";
  }
  return names.empty() ? "unknown" : names;
}

Status DpdkEngine::publish(std::shared_ptr<const PolicySnapshot> snapshot,
                           std::uint32_t timeout_ms) {
  CHECK(snapshot != nullptr);
  const std::lock_guard lock(policy_mutex_);
  std::shared_ptr<const PolicySnapshot> former = std::exchange(current_, std::move(snapshot));
  policy_.swap(current_.get());
  const std::uint64_t token = epoch_.start();
  const bool is_over = epoch_.wait(token, std::chrono::milliseconds(timeout_ms));
  free_retired();
  if (is_over) return Ok();
  if (former != nullptr) retired_.push_back({token, std::move(former)});
  return Error{ErrorKind::TimedOut, "worker-late",
               "generation " + std::to_string(current_->generation().value()) +
                   " is published, but not enforced after " + std::to_string(timeout_ms) +
                   " ms by worker " + late_workers(current_->generation()),
               ""};
}

std::shared_ptr<const PolicySnapshot> DpdkEngine::published() const {
  const std::lock_guard lock(policy_mutex_);
  return current_;
}

EngineCounters DpdkEngine::counters() const {
  EngineCounters sum;
  sum.nics.resize(nics_.size());
  for (const auto& seat : seats_) {
    WorkerCounters own = seat->worker->counters();
    own.core = seat->core;
    sum.workers.push_back(own);
    for (std::size_t nic = 0; nic < nics_.size(); ++nic) {
      add(sum.nics[nic], seat->worker->nic_counters(NicIndex(static_cast<std::uint16_t>(nic))));
    }
  }
  return sum;
}

std::vector<NicStatus> DpdkEngine::nics() const {
  std::vector<NicStatus> list;
  for (std::size_t index = 0; index < nics_.size(); ++index) {
    NicStatus status = nics_[index]->status();
    status.nic = NicIndex(static_cast<std::uint16_t>(index));
    for (const IpAddr& gateway : nics_[index]->config().gateways) {
      MacAddr mac;
      for (const auto& seat : seats_) {
        mac = seat->worker->neighbor(status.nic, gateway.family());
        if (!mac.is_zero()) break;
      }
      status.neighbors.emplace_back(gateway, mac);
    }
    list.push_back(std::move(status));
  }
  return list;
}

InterfaceCounters DpdkEngine::interface_counters(EniIndex eni) const {
  InterfaceCounters sum;
  sum.eni = eni;
  if (eni.is_none() || eni.value() >= config_.interface_capacity) return sum;
  for (const auto& seat : seats_) sum.add(seat->worker->interface_counters(eni));
  return sum;
}

std::vector<std::uint64_t> DpdkEngine::signature_hits() const {
  std::vector<std::uint64_t> hits(FlowFacts::kNoSignature);
  for (const auto& seat : seats_) seat->worker->add_signature_hits(hits);
  return hits;
}

std::vector<StageTimes> DpdkEngine::stage_times() const {
  std::vector<StageTimes> times;
  for (const auto& seat : seats_) times.push_back(seat->worker->stage_times());
  return times;
}

std::uint64_t DpdkEngine::cycles_per_second() const { return rte_get_tsc_hz(); }

std::shared_ptr<DpdkEngine::Mail> DpdkEngine::post(Seat& seat,
                                                   std::unique_ptr<WorkerRequest> request) {
  std::erase_if(late_mail_, [](const auto& mail) { return mail->is_done(); });
  auto mail = std::make_shared<Mail>(std::move(request));
  return seat.mail.try_push(mail.get()) ? mail : nullptr;
}

Status DpdkEngine::wait_for(const std::shared_ptr<Mail>& mail, std::size_t worker) {
  const auto deadline = std::chrono::steady_clock::now() + kAnswerMax;
  while (mail != nullptr && !mail->is_done()) {
    if (phase_.load(std::memory_order_relaxed) != WorkerPhase::Running) {
      late_mail_.push_back(mail);
      return Error{ErrorKind::Failed, "stopped", "the appliance is stopping", ""};
    }
    if (std::chrono::steady_clock::now() > deadline) break;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  if (mail != nullptr && mail->is_done()) return Ok();
  // The worker may still come to it, so it must live on.
  if (mail != nullptr) late_mail_.push_back(mail);
  return Error{ErrorKind::TimedOut, "worker-late",
               "worker " + std::to_string(worker) + " does not answer", ""};
}

template <class Request>
Result<std::shared_ptr<DpdkEngine::Mail>> DpdkEngine::ask(std::size_t worker,
                                                          std::unique_ptr<Request> request) {
  std::shared_ptr<Mail> mail = post(*seats_[worker], std::move(request));
  if (Status answered = wait_for(mail, worker); !answered) return answered.error();
  return mail;
}

// Each of the three asks one worker once.
Result<FlowPage> DpdkEngine::flows(std::uint64_t cursor, std::size_t max,
                                   const FlowFilter& filter) {
  const std::size_t worker = cursor >> kCursorBits;
  FlowPage page;
  if (worker >= seats_.size()) return page;
  auto mail = ask(worker, std::make_unique<ListFlowsRequest>(cursor & kPlaceMask, max, filter));
  if (!mail) return mail.error();
  auto& answer = (*mail)->answer<ListFlowsRequest>();
  page.flows = answer.take_flows();
  page.next_cursor = cursor_behind(worker, answer.next_cursor(), seats_.size());
  return page;
}

Result<FlowCounts> DpdkEngine::count_flows(std::uint64_t cursor, const FlowFilter& filter) {
  const std::size_t worker = cursor >> kCursorBits;
  if (worker >= seats_.size()) return FlowCounts();
  auto mail = ask(worker, std::make_unique<CountFlowsRequest>(cursor & kPlaceMask, filter));
  if (!mail) return mail.error();
  const auto& answer = (*mail)->answer<CountFlowsRequest>();
  FlowCounts counts = answer.counts();
  counts.next_cursor = cursor_behind(worker, answer.next_cursor(), seats_.size());
  return counts;
}

Result<FlushedFlows> DpdkEngine::flush_flows(std::uint64_t cursor, const FlowFilter& filter) {
  const std::size_t worker = cursor >> kCursorBits;
  FlushedFlows flushed;
  if (worker >= seats_.size()) return flushed;
  auto mail = ask(worker, std::make_unique<FlushFlowsRequest>(cursor & kPlaceMask, filter));
  if (!mail) return mail.error();
  const auto& answer = (*mail)->answer<FlushFlowsRequest>();
  flushed.count = answer.count();
  flushed.next_cursor = cursor_behind(worker, answer.next_cursor(), seats_.size());
  return flushed;
}

Result<std::vector<LogLaw>> DpdkEngine::log_law() {
  std::vector<std::shared_ptr<Mail>> mails;
  std::size_t interface_end = 0;
  for (auto& seat : seats_) {
    const std::size_t end = seat->worker->interface_end();
    interface_end = std::max(interface_end, end);
    mails.push_back(post(*seat, std::make_unique<LogLawRequest>(end)));
  }
  Status all = Ok();
  std::vector<LogLaw> sums(2 * interface_end);
  for (std::size_t worker = 0; worker < mails.size(); ++worker) {
    if (Status answered = wait_for(mails[worker], worker); !answered) {
      all = answered;
      continue;
    }
    for (const LogLaw& row : mails[worker]->answer<LogLawRequest>().rows()) {
      add(sums[2 * row.eni.value() + static_cast<std::size_t>(row.direction)], row);
    }
  }
  if (!all) return all.error();
  std::erase_if(sums, [](const LogLaw& row) { return row.eni.is_none(); });
  return sums;
}

std::size_t DpdkEngine::drain_deltas(std::span<FlowDelta> out) {
  // Begins with another worker each time, so that a busy one does not starve the rest.
  const std::size_t first = drained_first_++;
  std::size_t count = 0;
  for (std::size_t i = 0; i < seats_.size(); ++i) {
    count += seats_[(first + i) % seats_.size()]->deltas.pop(out.subspan(count));
  }
  return count;
}

void DpdkEngine::watch(Watching what) {
  const unsigned bits = (what.flows ? 1u : 0u) | (what.drops ? 2u : 0u) | (what.stages ? 4u : 0u);
  watching_.store(bits, std::memory_order_relaxed);
}

std::size_t DpdkEngine::drain_watch(std::span<WatchEvent> out) {
  std::size_t count = 0;
  for (auto& seat : seats_) count += seat->watch.pop(out.subspan(count));
  return count;
}

std::string DpdkEngine::description() const {
  std::string text = eal_->description() + ", ";
  text += std::to_string(seats_.size()) +
          (seats_.size() == 1 ? " worker on core " : " workers on cores ");
  text += list_of_cores(cores_.workers) + ", " + std::to_string(nics_.size());
  text += nics_.size() == 1 ? " port" : " ports";
  return text + ", room for " + std::to_string(config_.flow_capacity) + " flows";
}

// Workers stop one after the other: what the last ones gave to those that were gone already lies on
// the rings. All threads have been joined.
void DpdkEngine::settle_rings() {
  for (auto& seat : seats_) seat->worker->drop_handed_over();
  for (auto& seat : seats_) {
    for (const Unsent& packet : seat->io->finish()) {
      seats_[packet.from.value()]->worker->count_unsent(packet.in, packet.out, packet.bytes);
    }
  }
}

void DpdkEngine::stop() {
  phase_.store(WorkerPhase::Stopping, std::memory_order_release);
  phase_.notify_all();
  bool was_running = false;
  for (auto& seat : seats_) {
    if (!seat->thread.joinable()) continue;
    seat->thread.join();
    was_running = true;
  }
  if (housekeeper_.joinable()) {
    {
      const std::lock_guard lock(house_mutex_);
      is_closing_ = true;
    }
    house_wakes_.notify_all();
    housekeeper_.join();
  }
  if (was_running) settle_rings();
  for (auto& nic : nics_) nic->close();
}

}  // namespace sluice
