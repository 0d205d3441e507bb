// One worker, two, and more where there are the cores, each on a thread of its own with a generator
// of its own inside. Rates are those of a core for each: packets of all for each second of CPU time
// of the slowest, so that other programs on the machine count less.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "dataplane/ring_sizes.h"
#include "dataplane/worker.h"
#include "flowtable/flow_key.h"
#include "perf/dataplane/bench_frames.h"
#include "perf/dataplane/bench_policy.h"

namespace sluice {
namespace {

constexpr UnixNanos kStartNs = 1'718'000'010 * kNanosPerSecond;
constexpr std::uint32_t kFlowsOfWorker = 32'768;
constexpr unsigned kTurns = 20'000;

enum class Steering : std::uint8_t {
  ByFlow,  // each worker gets the packets of the flows that it owns, as from a NIC that knows them
  Blind,   // each gets packets of all flows, and hands over those that are not its own
};

// Gives frames where they lie: nobody writes to them on a bump in the wire, so another worker may
// hold them as long as it likes.
class SharedReplay final : public PacketIo {
 public:
  explicit SharedReplay(std::span<BenchFrame> frames) : frames_(frames) {}
  void rest(bool rests) { rests_ = rests; }

  std::size_t receive(NicIndex nic, std::span<Frame> frames) override {
    if (nic != NicIndex(0) || rests_) return 0;
    for (Frame& frame : frames) {
      frame.data = frames_[next_].data();
      frame.contiguous = frame.length = frame.capacity = sizeof(BenchFrame);
      next_ = next_ + 1 == frames_.size() ? 0 : next_ + 1;
    }
    return frames.size();
  }
  std::size_t send(NicIndex, std::span<const Frame> frames) override { return frames.size(); }
  void release(std::span<const Frame>) override {}
  bool allocate(Frame&) override { return false; }

 private:
  std::span<BenchFrame> frames_;
  std::size_t next_ = 0;
  bool rests_ = false;
};

double thread_seconds() {
  timespec now{};
  CHECK(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class Crew {
 public:
  Crew(const BenchPlan& plan, std::uint32_t count, Steering steering)
      : policy_(make_bench_policy(plan, Generation(1))) {
    published_.swap(policy_.get());
    for (std::uint32_t i = 0; i < count; ++i) seats_.push_back(std::make_unique<Seat>());
    deal(plan, steering);
    for (std::uint32_t i = 0; i < count * count; ++i) {
      rings_.push_back(std::make_unique<SpscRing<Handoff>>(handoff_ring_size(count)));
    }
    WorkerConfig config;
    config.worker_count = count;
    config.flow_capacity = 4 * plan.flows;
    config.interface_capacity = kBenchInterfaces;
    config.start_ns = kStartNs;
    config.nics = make_bench_nics(plan);
    for (std::uint32_t i = 0; i < count; ++i) {
      Seat& seat = *seats_[i];
      WorkerLinks links;
      links.policy = &published_;
      for (std::uint32_t other = 0; other < count; ++other) {
        links.inbox.push_back(other == i ? nullptr : rings_[other * count + i].get());
        links.outbox.push_back(other == i ? nullptr : rings_[i * count + other].get());
      }
      config.index = WorkerIndex(static_cast<std::uint16_t>(i));
      seat.io = std::make_unique<SharedReplay>(seat.frames);
      seat.worker = std::make_unique<Worker>(config, links, *seat.io);
    }
    work();  // makes every flow
  }

  // Every worker takes kTurns bursts; the CPU time of the one that took longest, in seconds.
  double work() {
    std::atomic<std::size_t> ready{0}, over{0};
    std::vector<double> seconds(seats_.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < seats_.size(); ++i) {
      threads.emplace_back([this, &ready, &over, &seconds, i] {
        Seat& seat = *seats_[i];
        seat.io->rest(false);
        ready.fetch_add(1);
        while (ready.load() < seats_.size()) std::this_thread::yield();
        const double begin = thread_seconds();
        for (unsigned turn = 0; turn < kTurns; ++turn) {
          while (is_far_ahead(i)) std::this_thread::yield();
          seat.turn();
        }
        seconds[i] = thread_seconds() - begin;
        over.fetch_add(1);
        // Others may still hand over.
        seat.io->rest(true);
        while (over.load() < seats_.size()) seat.turn();
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (auto& seat : seats_) {
      while (seat->worker->counters().held != 0) seat->turn();
    }
    return *std::max_element(seconds.begin(), seconds.end());
  }

  struct Sums {
    std::uint64_t received = 0, sent = 0, handed_over = 0, dropped = 0, flows = 0;
  };
  Sums sums() const {
    Sums sums;
    for (const auto& seat : seats_) {
      const WorkerCounters counters = seat->worker->counters();
      sums.received += counters.packets.rx_packets;
      sums.sent += counters.packets.tx_packets;
      sums.handed_over += counters.handed_over;
      sums.flows += counters.flows;
      for (const std::uint64_t drops : counters.packets.drops) sums.dropped += drops;
    }
    return sums;
  }

 private:
  struct Seat {
    std::vector<BenchFrame> frames;
    std::unique_ptr<SharedReplay> io;
    std::unique_ptr<Worker> worker;
    UnixNanos now_ns = kStartNs;
    void turn() { worker->turn(now_ns += 1'000); }
  };

  // True if another worker has much to take from this one: programs beside it have its core.
  bool is_far_ahead(std::size_t worker) const {
    for (std::size_t other = 0; other < seats_.size(); ++other) {
      const auto& ring = *rings_[worker * seats_.size() + other];
      if (ring.size() > ring.capacity() / 2) return true;
    }
    return false;
  }

  void deal(const BenchPlan& plan, Steering steering) {
    for (std::uint32_t i = 0; i < plan.flows; ++i) {
      const Conversation talk = conversation_of(plan, i);
      const std::uint64_t hash = owner_hash(HashKey{}, tuple_of(talk)) >> 32;
      const auto owner = static_cast<std::uint32_t>(hash * seats_.size() >> 32);
      for (std::uint32_t seat = 0; seat < seats_.size(); ++seat) {
        if (steering == Steering::Blind || seat == owner) {
          seats_[seat]->frames.push_back(frame_of(plan, talk));
        }
      }
    }
  }

  std::shared_ptr<const PolicySnapshot> policy_;
  Published<PolicySnapshot> published_;
  std::vector<std::unique_ptr<Seat>> seats_;
  std::vector<std::unique_ptr<SpscRing<Handoff>>> rings_;
};

void run(benchmark::State& state, std::uint32_t count, Steering steering) {
  const BenchPlan plan{.flows = kFlowsOfWorker * count};
  Crew crew(plan, count, steering);
  const Crew::Sums before = crew.sums();
  for (auto _ : state) state.SetIterationTime(crew.work());
  const Crew::Sums after = crew.sums();
  const std::uint64_t packets = after.received - before.received;
  const bool hands_over = steering == Steering::Blind && count > 1;
  if (after.received != after.sent || after.dropped != 0 || after.flows != plan.flows ||
      (after.handed_over != 0) != hands_over) {
    state.SkipWithError("packets or flows were lost, or came to the wrong worker");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(packets));
  state.counters["handed_over"] = benchmark::Counter(
      static_cast<double>(after.handed_over - before.handed_over) / static_cast<double>(packets));
}

void add(const std::string& name, std::uint32_t count, Steering steering) {
  benchmark::RegisterBenchmark(
      (name + "/" + std::to_string(count)).c_str(),
      [count, steering](benchmark::State& state) { run(state, count, steering); })
      ->UseManualTime();
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const std::uint32_t cores = std::max(2u, std::thread::hardware_concurrency());
  for (std::uint32_t count = 1; count <= cores; count *= 2) {
    sluice::add("workers", count, sluice::Steering::ByFlow);
    if (count > 1) sluice::add("workers_handing_over", count, sluice::Steering::Blind);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
