// CidrTrie beside rte_lpm6 and rte_fib6 (its trie, scalar and AVX-512) on the same prefixes and
// addresses of IPv6; see routes.h. Memory is what each holds, as its allocator counts it.

#include <benchmark/benchmark.h>
#include <rte_fib6.h>
#include <rte_lpm6.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lookup/cidr_trie.h"
#include "perf/lookup/dpdk_memory.h"
#include "perf/lookup/routes.h"

namespace sluice {
namespace {

constexpr std::uint32_t kTbl8Max = 1u << 18;

using WireAddress = std::array<std::uint8_t, 16>;

WireAddress wire_address(const IpAddr& address) {
  WireAddress wire;
  address.to_wire16(wire.data());
  return wire;
}

const std::vector<Cidr>& prefixes_of(Table table) {
  return routes_of(Family::Ipv6, table).prefixes;
}

struct Addresses {
  std::vector<IpAddr> ours;
  std::vector<WireAddress> wire;
};

const Addresses& addresses_of(Table table, Stream stream) {
  static Addresses held;
  static const Routes* held_routes = nullptr;
  static Stream held_stream;
  const Routes& routes = routes_of(Family::Ipv6, table);
  if (held_routes == &routes && held_stream == stream) return held;
  held.ours = routes.addresses(stream);
  held.wire.clear();
  for (const IpAddr& address : held.ours) held.wire.push_back(wire_address(address));
  held_routes = &routes;
  held_stream = stream;
  return held;
}

// Calls lookup(first address of one bulk) until the time is over.
template <class Lookup>
void run(benchmark::State& state, std::size_t memory, Lookup lookup) {
  std::size_t at = 0;
  for (auto _ : state) {
    lookup(at);
    at = (at + kBulk) % kAddresses;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBulk));
  state.counters["MiB"] = static_cast<double>(memory) / (1 << 20);
}

bool is_missing(benchmark::State& state, Table table) {
  if (!prefixes_of(table).empty()) return false;
  state.SkipWithError("SLUICE_PREFIXES names no file with IPv6 prefixes");
  return true;
}

void bench_trie(benchmark::State& state, Table table, Stream stream) {
  if (is_missing(state, table)) return;
  static std::unique_ptr<CidrTrie> trie;
  static Table held;
  if (trie == nullptr || held != table) {
    trie = std::make_unique<CidrTrie>(Family::Ipv6, std::span<const Cidr>(prefixes_of(table)));
    held = table;
  }
  const Addresses& addresses = addresses_of(table, stream);
  std::array<PrefixId, kBulk> found;
  run(state, trie->size(), [&](std::size_t at) {
    trie->find_burst(std::span(addresses.ours).subspan(at, kBulk), found);
    benchmark::DoNotOptimize(found);
  });
}

void bench_lpm6(benchmark::State& state, Table table, Stream stream) {
  if (is_missing(state, table)) return;
  static rte_lpm6* lpm = nullptr;
  static std::size_t memory = 0;
  static Table held;
  start_dpdk_memory();
  if (lpm == nullptr || held != table) {
    rte_lpm6_free(lpm);
    const std::size_t before = dpdk_memory_in_use();
    rte_lpm6_config config{};
    config.max_rules = static_cast<std::uint32_t>(prefixes_of(table).size());
    config.number_tbl8s = kTbl8Max;
    lpm = rte_lpm6_create("bench", -1, &config);
    CHECK(lpm != nullptr);
    std::uint32_t next_hop = 0;
    for (const Cidr& cidr : prefixes_of(table)) {
      WireAddress wire = wire_address(cidr.address());
      CHECK(rte_lpm6_add(lpm, wire.data(), cidr.length(), next_hop++ & 0xfffff) == 0);
    }
    memory = dpdk_memory_in_use() - before;
    held = table;
  }
  const Addresses& addresses = addresses_of(table, stream);
  std::array<std::int32_t, kBulk> found;
  run(state, memory, [&](std::size_t at) {
    auto* wire = const_cast<std::uint8_t(*)[16]>(
        reinterpret_cast<const std::uint8_t(*)[16]>(addresses.wire.data() + at));
    rte_lpm6_lookup_bulk_func(lpm, wire, found.data(), kBulk);
    benchmark::DoNotOptimize(found);
  });
}

void bench_fib6(benchmark::State& state, Table table, Stream stream, rte_fib6_lookup_type type) {
  if (is_missing(state, table)) return;
  static rte_fib6* fib = nullptr;
  static std::size_t memory = 0;
  static Table held;
  start_dpdk_memory();
  if (fib == nullptr || held != table) {
    rte_fib6_free(fib);
    const std::size_t before = dpdk_memory_in_use();
    rte_fib6_conf config{};
    config.type = RTE_FIB6_TRIE;
    config.max_routes = static_cast<int>(prefixes_of(table).size()) + 1;
    config.trie.nh_sz = RTE_FIB6_TRIE_4B;
    config.trie.num_tbl8 = kTbl8Max;
    fib = rte_fib6_create("bench", -1, &config);
    CHECK(fib != nullptr);
    std::uint64_t next_hop = 0;
    for (const Cidr& cidr : prefixes_of(table)) {
      const WireAddress wire = wire_address(cidr.address());
      CHECK(rte_fib6_add(fib, wire.data(), cidr.length(), next_hop++) == 0);
    }
    memory = dpdk_memory_in_use() - before;
    held = table;
  }
  if (rte_fib6_select_lookup(fib, type) != 0) {
    state.SkipWithError("this processor has not the vectors that this lookup needs");
    return;
  }
  const Addresses& addresses = addresses_of(table, stream);
  std::array<std::uint64_t, kBulk> found;
  run(state, memory, [&](std::size_t at) {
    auto* wire = const_cast<std::uint8_t(*)[16]>(
        reinterpret_cast<const std::uint8_t(*)[16]>(addresses.wire.data() + at));
    rte_fib6_lookup_bulk(fib, wire, found.data(), kBulk);
    benchmark::DoNotOptimize(found);
  });
}

// PEER/TABLE_STREAM, as in trie6/full_biased.
void register_all() {
  for (const auto& [table, table_name] :
       {std::pair(Table::Tiny, "tiny"), {Table::File, "file"}, {Table::Full, "full"}}) {
    for (const auto& [stream, stream_name] : {std::pair(Stream::Uniform, "uniform"),
                                              {Stream::Biased, "biased"},
                                              {Stream::Zipf, "zipf"}}) {
      const std::string end = std::string("/") + table_name + "_" + stream_name;
      benchmark::RegisterBenchmark(("trie6" + end).c_str(), bench_trie, table, stream);
      benchmark::RegisterBenchmark(("fib6_scalar" + end).c_str(), bench_fib6, table, stream,
                                   RTE_FIB6_LOOKUP_TRIE_SCALAR);
      benchmark::RegisterBenchmark(("fib6_avx512" + end).c_str(), bench_fib6, table, stream,
                                   RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512);
      benchmark::RegisterBenchmark(("lpm6" + end).c_str(), bench_lpm6, table, stream);
    }
  }
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
