// What a packet of an established flow costs in the pipeline, beside the same packets received and
// sent by nobody. The figure that counts is the difference, in time stamp clocks a packet.

#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <cstdint>
#include <memory>
#include <string>

#include "perf/dataplane/bench_world.h"

namespace sluice {
namespace {

void run(benchmark::State& state, const BenchPlan& plan, bool is_bare) {
  BenchWorld world(plan);
  world.admit_all();
  std::uint64_t packets = 0;
  const std::uint64_t begin = __rdtsc();
  for (auto _ : state) packets += is_bare ? world.bare_turn() : world.turn();
  const std::uint64_t clocks = __rdtsc() - begin;
  if (!is_bare && !world.is_sound()) state.SkipWithError("packets or flows were lost");
  state.SetItemsProcessed(static_cast<std::int64_t>(packets));
  state.counters["clocks"] =
      benchmark::Counter(static_cast<double>(clocks) / static_cast<double>(packets));
}

// First packets alone, each of a flow of its own.
void run_new(benchmark::State& state, const BenchPlan& plan) {
  std::uint64_t packets = 0;
  std::uint64_t clocks = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto world = std::make_unique<BenchWorld>(plan);
    state.ResumeTiming();
    const std::uint64_t begin = __rdtsc();
    for (std::uint64_t done = 0; done < plan.flows;) done += world->turn();
    clocks += __rdtsc() - begin;
    packets += plan.flows;
    state.PauseTiming();
    if (!world->is_sound()) state.SkipWithError("packets or flows were lost");
    world.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(packets));
  state.counters["clocks"] =
      benchmark::Counter(static_cast<double>(clocks) / static_cast<double>(packets));
}

void add_new(const std::string& name, const BenchPlan& plan) {
  benchmark::RegisterBenchmark(("new/" + name).c_str(),
                               [plan](benchmark::State& state) { run_new(state, plan); });
}

void add(const std::string& name, const BenchPlan& plan) {
  benchmark::RegisterBenchmark(("pipeline/" + name).c_str(),
                               [plan](benchmark::State& state) { run(state, plan, false); });
  benchmark::RegisterBenchmark(("bare/" + name).c_str(),
                               [plan](benchmark::State& state) { run(state, plan, true); });
}

// The same, and the rules of all flows demand an application; each was told by its first packet.
// No database is needed for that: these openings are known without a scan.
void add_demanding(const std::string& name, BenchPlan plan) {
  plan.tcp_app = App::Ssh;
  plan.udp_app = App::Dns;
  plan.tools = L7Tools::create(L7Patterns::load({}, {}).value(), 1).value();
  add(name + "/app", plan);
}

void add_all() {
  struct Way {
    const char* name;
    BenchWay way;
  };
  for (const Way& way : {Way{"bump", BenchWay::Bump}, Way{"inbound", BenchWay::Inbound},
                         Way{"outbound", BenchWay::Outbound}, Way{"between", BenchWay::Between}}) {
    const std::string name = way.name;
    add(name + "/4k", {.way = way.way});
    add(name + "/tiny", {.way = way.way, .flows = 256, .rules = 4});
    add(name + "/4k/logged", {.way = way.way, .is_logged = true});
    add(name + "/4k/ipv6", {.way = way.way, .family = Family::Ipv6});
  }
  add_new("bump/tiny", {.flows = 256, .rules = 4});
  add_new("bump/512k", {.flows = 1u << 19});
  add_new("bump/512k/udp", {.flows = 1u << 19, .has_tcp = false});
  add_new("bump/512k/1000-rules", {.flows = 1u << 19, .rules = 1'000});
  add_new("bump/512k/logged", {.flows = 1u << 19, .is_logged = true});
  add("bump/64k", {.flows = 65'536});
  add_demanding("bump/64k", {.flows = 65'536});
  add_demanding("bump/tiny", {.flows = 256, .rules = 4});
  add("bump/500k", {.flows = 500'000});
  add("inbound/500k", {.way = BenchWay::Inbound, .flows = 500'000});
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
