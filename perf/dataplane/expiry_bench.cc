// What a worker spends on flows that nobody sends for any more, with all that it does about them:
// CPU time of the thread beyond turns in which no time passes, as a share of a core, and for each
// flow that ends. flow_shard_bench has the same of the table alone.
//
//      in it         the wheel; for each flow visited, its timeout by the policy in force; for each
//                    that ends, the record of what the flow log has not been told, the counters of
//                    its interface and of the worker, what it held of shares and allowances, and
//                    what was kept to identify it
//      not in it     packets, and the sweep at the end of a log window, which is over when the
//                    measured seconds begin
//
// TCP flows (350 s) have been told of by a sweep long before they end: their end sends no record.
// About half of the UDP flows (30 s) end in the window of their last packet, with two.

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "dataplane/turn_work.h"
#include "flowtable/timeouts.h"
#include "perf/dataplane/bench_world.h"

namespace sluice {
namespace {

constexpr NicIndex kOutside{0};
constexpr NicIndex kInside{1};
constexpr std::uint32_t kTurnsPerMs = 10;
constexpr std::uint32_t kTurnsPerSecond = 1'000 * kTurnsPerMs;
constexpr int kSeconds = 40;
// Of a log window, where the measured ones begin: its sweep takes two, or somewhat more.
constexpr std::uint64_t kFirstSecond = 15;
static_assert(kFirstSecond + kSeconds < kLogWindowS);

double thread_cpu_s() {
  timespec now{};
  CHECK(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// As many answered flows as the table holds, begun evenly over one timeout; what ends begins anew.
class ExpiringWorld {
 public:
  ExpiringWorld(Proto proto, std::uint32_t flows) : plan_(plan_of(proto, flows)), world_(plan_, 0) {
    const TimeoutTable timeouts;
    const std::uint32_t seconds =
        (proto == Proto::Tcp ? timeouts.tcp_established_ms : timeouts.udp_ms) / 1'000;
    for (std::uint32_t second = 0; second < seconds; ++second) {
      begin_until(static_cast<std::uint32_t>(std::uint64_t{flows} * (second + 1) / seconds));
      live_second();
    }
    do {
      live_second();
      begin_until(flows);
    } while (world_.second_of_window() != kFirstSecond);
  }

  // A second, in which the log takes what it is told.
  void live_second() {
    for (std::uint32_t turn = 0; turn < kTurnsPerSecond; ++turn) {
      take_turn(turn);
      if (turn % kTurnsPerMs == 0) world_.take_logged_packets();
    }
  }
  // The CPU time of a second's turns, of which the log has room for all that they tell.
  double pass_second() {
    const double before = thread_cpu_s();
    for (std::uint32_t turn = 0; turn < kTurnsPerSecond; ++turn) take_turn(turn);
    return thread_cpu_s() - before;
  }
  // And of as many in which no time passes.
  double stand_second() {
    const double before = thread_cpu_s();
    for (std::uint32_t turn = 0; turn < kTurnsPerSecond; ++turn) world_.turn();
    return thread_cpu_s() - before;
  }

  // Answered flows, until so many are there.
  void begin_until(std::uint32_t wanted) {
    for (std::uint64_t now = counters().flows; now < wanted; now = counters().flows) {
      begin_burst(std::min<std::size_t>(kBurstMax, wanted - now));
    }
    world_.take_logged_packets();
  }

  WorkerCounters counters() const { return world_.counters(); }
  std::uint64_t visits() const { return visits_; }
  std::uint64_t swept() const { return swept_; }
  // Packets in records that the log was told since the last call.
  std::uint64_t take_logged() { return world_.take_logged_packets(); }

 private:
  static BenchPlan plan_of(Proto proto, std::uint32_t flows) {
    BenchPlan plan;
    plan.flows = kBurstMax;
    plan.flow_capacity = flows;
    plan.is_logged = true;
    plan.has_tcp = proto == Proto::Tcp;
    plan.has_udp = proto == Proto::Udp;
    return plan;
  }

  void take_turn(std::uint32_t turn_of_second) {
    if (turn_of_second % kTurnsPerMs == 0) world_.pass_ms(1);
    world_.turn();
    visits_ += world_.last_work().visited;
    swept_ += world_.last_work().swept;
  }

  void begin_burst(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const Conversation talk = conversation_of(plan_, next_++);
      first_packets_[i] = frame_of(plan_, talk);
      answers_[i] = frame_of(plan_, talk, {false, TcpFlags::kAck, 0, 0});
    }
    world_.io().play(kOutside, first_packets_, count);
    world_.io().play(kInside, answers_, 0);
    world_.turn();
    world_.io().set_burst(kOutside, 0);
    world_.io().set_burst(kInside, count);
    world_.turn();
    world_.io().set_burst(kInside, 0);
  }

  const BenchPlan plan_;
  BenchWorld world_;
  std::uint32_t next_ = 0;
  std::array<BenchFrame, kBurstMax> first_packets_;
  std::array<BenchFrame, kBurstMax> answers_;
  std::uint64_t visits_ = 0;
  std::uint64_t swept_ = 0;
};

void expire(benchmark::State& state, Proto proto, std::uint32_t flows) {
  for (auto _ : state) {
    ExpiringWorld world(proto, flows);
    const std::uint64_t visits_before = world.visits();
    const std::uint64_t swept_before = world.swept();
    const WorkerCounters before = world.counters();
    double cpu_s = 0;
    std::uint64_t logged = 0;
    for (int second = 0; second < kSeconds; ++second) {
      cpu_s += world.pass_second() - world.stand_second();
      logged += world.take_logged();
      world.begin_until(flows);
    }
    const WorkerCounters now = world.counters();
    const auto ended = static_cast<double>(now.flows_ended - before.flows_ended);
    if (ended == 0 || now.flows_begun - now.flows_ended != now.flows || now.tracked != now.flows) {
      return state.SkipWithError("no flow has ended, or one is counted that has");
    }
    if ((logged != 0) != (proto == Proto::Udp) || now.deltas_lost != before.deltas_lost) {
      return state.SkipWithError("the log was told too much or too little");
    }
    if (world.swept() != swept_before) return state.SkipWithError("a sweep was under way");
    state.counters["core_%"] = 100 * cpu_s / kSeconds;
    state.counters["end_ns"] = 1e9 * cpu_s / ended;
    state.counters["visits_per_s"] = static_cast<double>(world.visits() - visits_before) / kSeconds;
    state.counters["ended_per_s"] = ended / kSeconds;
    state.counters["records_per_s"] = static_cast<double>(logged) / kSeconds;
  }
}

void add(const std::string& name, Proto proto, std::uint32_t flows) {
  benchmark::RegisterBenchmark(("expire/worker/" + name).c_str(), [proto,
                                                                   flows](benchmark::State& state) {
    expire(state, proto, flows);
  })->Iterations(1);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::add("tcp/tiny", sluice::Proto::Tcp, 1u << 13);
  sluice::add("udp/tiny", sluice::Proto::Udp, 1u << 13);
  sluice::add("tcp/1M", sluice::Proto::Tcp, 1'000'000);
  sluice::add("udp/1M", sluice::Proto::Udp, 1'000'000);
  sluice::add("tcp/10M", sluice::Proto::Tcp, 10'000'000);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
