// How long a burst stays inside: from when the worker takes it until its last packet is sent, at
// the 50th, 99th and 99.9th percentile, in microseconds. Devices, and waiting for a turn, add to
// it.

#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <x86intrin.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "perf/dataplane/bench_world.h"

namespace sluice {
namespace {

constexpr NicIndex kSource{0};

enum class Load : std::uint8_t {
  Idle,     // one packet at a time, 20 microseconds apart
  Half,     // packets arrive evenly, half as fast as they could be worked on
  Full,     // a burst of kBurstMax is always there
  Commits,  // as before, and every 10 ms a new policy
};

double clocks_per_microsecond() {
  using Clock = std::chrono::steady_clock;
  const auto since = Clock::now();
  const std::uint64_t begin = __rdtsc();
  while (Clock::now() - since < std::chrono::milliseconds(20)) _mm_pause();
  const std::chrono::duration<double, std::micro> took = Clock::now() - since;
  return static_cast<double>(__rdtsc() - begin) / took.count();
}

// True if another program had this thread's core since the last call.
bool was_preempted() {
  thread_local long before = 0;
  rusage usage{};
  CHECK(::getrusage(RUSAGE_THREAD, &usage) == 0);
  const bool result = usage.ru_nivcsw != before;
  before = usage.ru_nivcsw;
  return result;
}

// How many packets have arrived and were not yet taken.
class Arrivals {
 public:
  Arrivals(Load load, double clocks_per_packet, double clocks_per_us)
      : load_(load), begin_(__rdtsc()) {
    gap_ = load == Load::Idle ? 20 * clocks_per_us : 2 * clocks_per_packet;
  }
  std::size_t take() {
    if (load_ == Load::Full || load_ == Load::Commits) return kBurstMax;
    const auto due = static_cast<std::uint64_t>(static_cast<double>(__rdtsc() - begin_) / gap_);
    const std::uint64_t count = std::min<std::uint64_t>(due - taken_, kBurstMax);
    // What came while this thread did not run is forgotten: it would be a load of its own.
    taken_ = due;
    return count;
  }

 private:
  Load load_;
  std::uint64_t begin_;
  std::uint64_t taken_ = 0;
  double gap_;
};

// Commits every 10 ms while it lives.
class Committer {
 public:
  explicit Committer(BenchWorld& world) : world_(world), thread_([this] { run(); }) {}
  ~Committer() {
    is_over_.store(true);
    thread_.join();
  }
  std::uint64_t commits() const { return commits_.load(); }

 private:
  void run() {
    while (!is_over_.load()) {
      world_.commit();
      commits_.fetch_add(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  BenchWorld& world_;
  std::atomic<bool> is_over_{false};
  std::atomic<std::uint64_t> commits_{0};
  std::thread thread_;
};

double busy_clocks_per_packet(BenchWorld& world) {
  constexpr unsigned kTurns = 2'000;
  world.io().set_burst(kSource, kBurstMax);
  std::vector<std::uint64_t> samples(kTurns);
  for (std::uint64_t& sample : samples) {
    const std::uint64_t begin = __rdtsc();
    world.turn();
    sample = __rdtsc() - begin;
  }
  std::nth_element(samples.begin(), samples.begin() + kTurns / 2, samples.end());
  return static_cast<double>(samples[kTurns / 2]) / kBurstMax;
}

void report(benchmark::State& state, std::vector<std::uint64_t>& samples, double clocks_per_us) {
  if (samples.empty()) return state.SkipWithError("every burst was interrupted");
  std::sort(samples.begin(), samples.end());
  const auto at = [&](double part) {
    const auto place = static_cast<std::size_t>(part * static_cast<double>(samples.size() - 1));
    return static_cast<double>(samples[place]) / clocks_per_us;
  };
  state.counters["p50_us"] = benchmark::Counter(at(0.5));
  state.counters["p99_us"] = benchmark::Counter(at(0.99));
  state.counters["p999_us"] = benchmark::Counter(at(0.999));
}

// An iteration is a burst, however long it takes to come.
void run(benchmark::State& state, const BenchPlan& plan, Load load) {
  BenchWorld world(plan);
  world.admit_all();
  const double clocks_per_us = clocks_per_microsecond();
  world.enter();
  Arrivals arrivals(load, busy_clocks_per_packet(world), clocks_per_us);
  std::vector<std::uint64_t> samples;
  samples.reserve(1u << 20);
  std::uint64_t interrupted = 0;
  std::uint64_t packets = 0;
  was_preempted();
  {
    std::unique_ptr<Committer> committer;
    if (load == Load::Commits) committer = std::make_unique<Committer>(world);
    for (auto _ : state) {
      std::size_t count = 0;
      while ((count = arrivals.take()) == 0) {
        world.io().set_burst(kSource, 0);
        world.turn();
      }
      world.io().set_burst(kSource, count);
      was_preempted();
      const std::uint64_t begin = __rdtsc();
      packets += world.turn();
      const std::uint64_t clocks = __rdtsc() - begin;
      // An interruption's time is not Sluice's; only long turns can have had one.
      const bool is_long = static_cast<double>(clocks) > 20 * clocks_per_us;
      if (is_long && was_preempted()) {
        ++interrupted;
      } else if (samples.size() < samples.capacity()) {
        samples.push_back(clocks);
      }
    }
    world.leave();
    if (committer) {
      state.counters["commits"] = benchmark::Counter(static_cast<double>(committer->commits()));
    }
  }
  if (!world.is_sound()) state.SkipWithError("packets or flows were lost");
  state.SetItemsProcessed(static_cast<std::int64_t>(packets));
  state.counters["interrupted"] = benchmark::Counter(static_cast<double>(interrupted));
  report(state, samples, clocks_per_us);
}

void add(const std::string& name, const BenchPlan& plan) {
  struct Named {
    const char* name;
    Load load;
  };
  for (const Named& named : {Named{"idle/", Load::Idle}, Named{"half/", Load::Half},
                             Named{"full/", Load::Full}, Named{"commits/", Load::Commits}}) {
    benchmark::RegisterBenchmark(
        ("burst/" + (named.name + name)).c_str(),
        [plan, load = named.load](benchmark::State& state) { run(state, plan, load); });
  }
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::add("64k", {.flows = 65'536});
  sluice::add("tiny", {.flows = 256, .rules = 4});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
