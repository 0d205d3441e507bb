// CidrTrie beside rte_lpm6 and rte_fib6 (its trie, scalar and AVX-512) on the same prefixes and
// addresses of IPv6; see routes.h. Memory is what each holds, as its allocator counts it.

#include <benchmark/benchmark.h>
#include <rte_fib6.h>
#include <rte_lpm6.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lookup/cidr_trie.h"
#include "perf/lookup/dpdk_memory.h"
#include "perf/lookup/routes.h"

namespace sluice {
namespace {

// Tables of 256 that prefixes of these need beyond the first 24 bits: 13 each at most, and so many
// for the largest table.
std::uint32_t tbl8_count(const std::vector<Cidr>& prefixes) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(13 * prefixes.size() + 1, 1u << 18));
}

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

rte_lpm6* make_lpm6(const char* name, const std::vector<Cidr>& prefixes) {
  rte_lpm6_config config{};
  config.max_rules = static_cast<std::uint32_t>(prefixes.size());
  config.number_tbl8s = tbl8_count(prefixes);
  rte_lpm6* lpm = rte_lpm6_create(name, -1, &config);
  CHECK(lpm != nullptr);
  std::uint32_t next_hop = 0;
  for (const Cidr& cidr : prefixes) {
    WireAddress wire = wire_address(cidr.address());
    CHECK(rte_lpm6_add(lpm, wire.data(), cidr.length(), next_hop++ & 0xfffff) == 0);
  }
  return lpm;
}

rte_fib6* make_fib6(const char* name, const std::vector<Cidr>& prefixes) {
  rte_fib6_conf config{};
  config.type = RTE_FIB6_TRIE;
  config.max_routes = static_cast<int>(prefixes.size()) + 1;
  config.trie.nh_sz = RTE_FIB6_TRIE_4B;
  config.trie.num_tbl8 = tbl8_count(prefixes);
  rte_fib6* fib = rte_fib6_create(name, -1, &config);
  CHECK(fib != nullptr);
  std::uint64_t next_hop = 0;
  for (const Cidr& cidr : prefixes) {
    const WireAddress wire = wire_address(cidr.address());
    CHECK(rte_fib6_add(fib, wire.data(), cidr.length(), next_hop++) == 0);
  }
  return fib;
}

// A peer's table of these prefixes; one is held at a time.
template <class Peer>
struct Held {
  Peer* peer = nullptr;
  Table table;
  std::size_t memory = 0;

  // make(), unless it is the one that is held; `free` ends the former one.
  template <class Make, class Free>
  Held& of(Table wanted, Make make, Free free) {
    start_dpdk_memory();
    if (peer != nullptr && table == wanted) return *this;
    free(peer);
    const std::size_t before = dpdk_memory_in_use();
    peer = make("lookup", prefixes_of(wanted));
    memory = dpdk_memory_in_use() - before;
    table = wanted;
    return *this;
  }
};

const Held<rte_lpm6>& lpm6_of(Table table) {
  static Held<rte_lpm6> held;
  return held.of(table, make_lpm6, rte_lpm6_free);
}

const Held<rte_fib6>& fib6_of(Table table) {
  static Held<rte_fib6> held;
  return held.of(table, make_fib6, rte_fib6_free);
}

void bench_lpm6(benchmark::State& state, Table table, Stream stream) {
  if (is_missing(state, table)) return;
  const Held<rte_lpm6>& lpm = lpm6_of(table);
  const Addresses& addresses = addresses_of(table, stream);
  std::array<std::int32_t, kBulk> found;
  run(state, lpm.memory, [&](std::size_t at) {
    auto* wire = const_cast<std::uint8_t(*)[16]>(
        reinterpret_cast<const std::uint8_t(*)[16]>(addresses.wire.data() + at));
    rte_lpm6_lookup_bulk_func(lpm.peer, wire, found.data(), kBulk);
    benchmark::DoNotOptimize(found);
  });
}

void bench_fib6(benchmark::State& state, Table table, Stream stream, rte_fib6_lookup_type type) {
  if (is_missing(state, table)) return;
  const Held<rte_fib6>& fib = fib6_of(table);
  if (rte_fib6_select_lookup(fib.peer, type) != 0) {
    state.SkipWithError("this processor has not the vectors that this lookup needs");
    return;
  }
  const Addresses& addresses = addresses_of(table, stream);
  std::array<std::uint64_t, kBulk> found;
  run(state, fib.memory, [&](std::size_t at) {
    auto* wire = const_cast<std::uint8_t(*)[16]>(
        reinterpret_cast<const std::uint8_t(*)[16]>(addresses.wire.data() + at));
    rte_fib6_lookup_bulk(fib.peer, wire, found.data(), kBulk);
    benchmark::DoNotOptimize(found);
  });
}

// Calls build(prefixes) until the time is over.
template <class Build>
void build(benchmark::State& state, Table table, Build make) {
  if (is_missing(state, table)) return;
  start_dpdk_memory();
  const std::vector<Cidr>& prefixes = prefixes_of(table);
  for (auto _ : state) make(prefixes);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(prefixes.size()));
}

void build_trie6(benchmark::State& state, Table table) {
  build(state, table, [](const std::vector<Cidr>& prefixes) {
    const CidrTrie trie(Family::Ipv6, std::span<const Cidr>(prefixes));
    benchmark::DoNotOptimize(trie.node_count());
  });
}

void build_fib6(benchmark::State& state, Table table) {
  build(state, table,
        [](const std::vector<Cidr>& prefixes) { rte_fib6_free(make_fib6("build", prefixes)); });
}

void build_lpm6(benchmark::State& state, Table table) {
  build(state, table,
        [](const std::vector<Cidr>& prefixes) { rte_lpm6_free(make_lpm6("build", prefixes)); });
}

// Calls change(prefix of the table), which takes it away and puts it back; false: it cannot.
template <class Change>
void change(benchmark::State& state, Table table, Change one) {
  const std::vector<Cidr>& prefixes = prefixes_of(table);
  std::mt19937_64 random(3);
  for (auto _ : state) {
    if (one(prefixes[random() % prefixes.size()])) continue;
    state.SkipWithError("the table does not take back a prefix that it gave up");
    return;
  }
  state.SetItemsProcessed(state.iterations() * 2);
}

// Each as a commit: the former trie stays as it was.
void change_trie6(benchmark::State& state, Table table) {
  if (is_missing(state, table)) return;
  CidrTrie current(Family::Ipv6, std::span<const Cidr>(prefixes_of(table)));
  change(state, table, [&](const Cidr& cidr) {
    CidrTrie without(current);
    const PrefixId id = without.erase(cidr);
    CidrTrie with(without);
    with.insert(cidr, id);
    current = std::move(with);
    return true;
  });
}

// In place, both: readers may see a table between two.
void change_fib6(benchmark::State& state, Table table) {
  if (is_missing(state, table)) return;
  rte_fib6* fib = fib6_of(table).peer;
  change(state, table, [&](const Cidr& cidr) {
    const WireAddress wire = wire_address(cidr.address());
    CHECK(rte_fib6_delete(fib, wire.data(), cidr.length()) == 0);
    return rte_fib6_add(fib, wire.data(), cidr.length(), 1) == 0;
  });
}

void change_lpm6(benchmark::State& state, Table table) {
  if (is_missing(state, table)) return;
  rte_lpm6* lpm = lpm6_of(table).peer;
  change(state, table, [&](const Cidr& cidr) {
    WireAddress wire = wire_address(cidr.address());
    CHECK(rte_lpm6_delete(lpm, wire.data(), cidr.length()) == 0);
    return rte_lpm6_add(lpm, wire.data(), cidr.length(), 1) == 0;
  });
}

// PEER/TABLE_STREAM, as in trie6/full_biased, and build_ or change_PEER/TABLE.
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
    const std::string end = std::string("/") + table_name;
    benchmark::RegisterBenchmark(("build_trie6" + end).c_str(), build_trie6, table);
    benchmark::RegisterBenchmark(("build_fib6" + end).c_str(), build_fib6, table);
    benchmark::RegisterBenchmark(("build_lpm6" + end).c_str(), build_lpm6, table);
    benchmark::RegisterBenchmark(("change_trie6" + end).c_str(), change_trie6, table);
    benchmark::RegisterBenchmark(("change_fib6" + end).c_str(), change_fib6, table);
    benchmark::RegisterBenchmark(("change_lpm6" + end).c_str(), change_lpm6, table);
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
