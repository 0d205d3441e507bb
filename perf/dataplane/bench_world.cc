#include "perf/dataplane/bench_world.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <random>
#include <utility>

#include "base/check.h"
#include "dataplane/ring_sizes.h"
#include "dataplane/worker_context.h"
#include "perf/dataplane/bench_policy.h"

namespace sluice {

namespace {

constexpr UnixNanos kStartNs = 1'718'000'010 * kNanosPerSecond;
constexpr std::size_t kDeltas = 1u << 16;

// As its header says; 0: it is not of IP.
std::size_t ip_length_of(const Frame& frame) {
  const std::uint8_t* at = frame.data + sizeof(EthernetHeader);
  Ipv4Header ipv4;
  std::memcpy(&ipv4, at, sizeof ipv4);
  if (ipv4.version_ihl == 0x45) return ipv4.total_length.host();
  Ipv6Header ipv6;
  std::memcpy(&ipv6, at, sizeof ipv6);
  if (ipv6.version_class_label.host() >> 28 != 6) return 0;
  return sizeof ipv6 + ipv6.payload_length.host();
}

}  // namespace

void ReplayIo::play(NicIndex nic, std::span<const BenchFrame> frames, std::size_t burst,
                    std::string_view tail) {
  CHECK(tail.size() <= kTailMax);
  Source& source = sources_.at(nic.value());
  source.tail = tail;
  source.long_buffers.resize(tail.empty() ? 0 : kBurstMax);
  source.frames = frames;
  source.next = 0;
  source.burst = burst;
}

void ReplayIo::set_burst(NicIndex nic, std::size_t burst) {
  sources_.at(nic.value()).burst = burst;
}

std::size_t ReplayIo::receive(NicIndex nic, std::span<Frame> frames) {
  if (nic.value() >= kSources) return 0;
  Source& source = sources_[nic.value()];
  const std::size_t count = std::min(source.burst, frames.size());
  for (std::size_t i = 0; i < count; ++i) {
    source.buffers[i] = source.frames[source.next];
    source.next = source.next + 1 == source.frames.size() ? 0 : source.next + 1;
    Frame& frame = frames[i];
    frame.data = source.buffers[i].data();
    frame.contiguous = frame.length = frame.capacity = sizeof(BenchFrame);
  }
  if (!source.tail.empty()) lengthen(source, frames.first(count));
  return count;
}

void ReplayIo::lengthen(Source& source, std::span<Frame> frames) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const std::size_t length = sizeof(EthernetHeader) + ip_length_of(frames[i]);
    if (length <= sizeof(BenchFrame)) continue;
    CHECK(length - sizeof(BenchFrame) <= source.tail.size());
    std::uint8_t* buffer = source.long_buffers[i].data();
    std::memcpy(buffer, frames[i].data, sizeof(BenchFrame));
    std::memcpy(buffer + sizeof(BenchFrame), source.tail.data(), length - sizeof(BenchFrame));
    frames[i].data = buffer;
    frames[i].contiguous = frames[i].length = frames[i].capacity =
        static_cast<std::uint32_t>(length);
  }
}

BenchWorld::BenchWorld(const BenchPlan& plan, std::uint64_t turn_ns)
    : plan_(plan),
      turn_ns_(turn_ns),
      policy_(make_bench_policy(plan, generation_)),
      deltas_(kDeltas),
      now_ns_(kStartNs) {
  frames_.reserve(plan.flows);
  for (std::uint32_t i = 0; i < plan.flows; ++i) {
    frames_.push_back(frame_of(plan, conversation_of(plan, i)));
  }
  io_.play(NicIndex(0), frames_);
  published_.swap(policy_.get());
  WorkerConfig config;
  config.worker_count = plan.workers;
  config.flow_capacity = plan.flow_capacity != 0
                             ? plan.flow_capacity
                             : std::max<std::uint32_t>(1u << 16, 4 * plan.flows);
  config.interface_capacity = plan.interfaces;
  config.touch_memory = true;
  config.start_ns = now_ns_;
  config.nics = make_bench_nics(plan);
  WorkerLinks links;
  links.policy = &published_;
  links.epoch = &epoch_;
  if (plan.is_logged) links.deltas = &deltas_;
  if (plan.workers > 1) {
    handed_ = std::make_unique<SpscRing<Handoff>>(handoff_ring_size(plan.workers));
    links.inbox = {nullptr, handed_.get()};
    links.outbox = {nullptr, nullptr};
  }
  worker_ = std::make_unique<Worker>(config, links, io_);
  if (plan.workers > 1) make_other(config);
}

void BenchWorld::make_other(WorkerConfig config) {
  CHECK(plan_.workers == 2);
  config.index = WorkerIndex(1);
  config.flow_capacity = kFlowCapacityMin;
  WorkerLinks links;
  links.policy = &published_;
  links.inbox = {nullptr, nullptr};
  links.outbox = {handed_.get(), nullptr};
  other_ = std::make_unique<Worker>(config, links, other_io_);
}

BenchWorld::~BenchWorld() = default;

void BenchWorld::admit_all() {
  std::vector<BenchFrame> shuffled = frames_;
  if (plan_.has_demands()) {
    for (std::uint32_t i = 0; i < plan_.flows; ++i) {
      shuffled[i] = opening_frame_of(plan_, conversation_of(plan_, i));
    }
  }
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(2'026));
  io_.play(NicIndex(0), shuffled);
  for (std::size_t done = 0; done < shuffled.size();) done += turn();
  io_.play(NicIndex(0), frames_);
  CHECK(is_sound());
}

std::size_t BenchWorld::turn() {
  now_ns_ += turn_ns_;
  return worker_->turn(now_ns_);
}

std::size_t BenchWorld::turn_of_other() { return other_->turn(now_ns_); }

const TurnWork& BenchWorld::last_work() const { return worker_->context().work; }

std::uint64_t BenchWorld::filled_verdicts() const { return worker_->context().verdicts.filled(); }

std::size_t BenchWorld::bare_turn() {
  const std::size_t count = io_.receive(NicIndex(0), bare_frames_);
  return io_.send(NicIndex(1), std::span(bare_frames_).first(count));
}

bool BenchWorld::lost_nothing() const {
  const WorkerCounters counters = worker_->counters();
  std::uint64_t dropped = 0;
  for (const std::uint64_t drops : counters.packets.drops) dropped += drops;
  return dropped == 0 && counters.packets.tx_packets == counters.packets.rx_packets;
}

bool BenchWorld::is_sound() const {
  const WorkerCounters counters = worker_->counters();
  const std::uint64_t ends = plan_.way == BenchWay::Between ? 2 : 1;
  const bool are_known = !plan_.has_demands() || identified() == counters.flows;
  return lost_nothing() && are_known && counters.flows == ends * plan_.flows &&
         counters.flows_ended == 0;
}

std::uint64_t BenchWorld::identified() const {
  const WorkerCounters counters = worker_->counters();
  return std::accumulate(counters.apps.begin(), counters.apps.end(), std::uint64_t{0});
}

std::uint64_t BenchWorld::take_logged_packets() {
  std::array<FlowDelta, kBurstMax> taken;
  std::uint64_t packets = 0;
  while (const std::size_t count = deltas_.pop(taken)) {
    for (const FlowDelta& delta : std::span(taken).first(count)) packets += delta.packets;
  }
  return packets;
}

void BenchWorld::commit() {
  generation_ = Generation(generation_.value() + 1);
  auto next = make_bench_policy(plan_, generation_);
  published_.swap(next.get());
  CHECK(epoch_.wait(epoch_.start(), std::chrono::milliseconds(20'000)));
  policy_ = std::move(next);  // frees the former one, which nobody looks at any more
}

}  // namespace sluice
