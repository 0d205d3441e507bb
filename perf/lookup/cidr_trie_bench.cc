// CidrTrie beside rte_lpm and rte_fib (DIR-24-8, every way of its lookup) on the same prefixes and
// addresses of IPv4; see routes.h. Memory is what each holds, as its allocator counts it.

#include <benchmark/benchmark.h>
#include <rte_fib.h>
#include <rte_lpm.h>

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "lookup/cidr_trie.h"
#include "perf/lookup/dpdk_memory.h"
#include "perf/lookup/routes.h"

namespace sluice {
namespace {

constexpr std::uint32_t kTbl8Max = 8192;

const std::vector<Cidr>& prefixes_of(Table table) {
  return routes_of(Family::Ipv4, table).prefixes;
}

// The stream in host order, as all three take it.
const std::vector<std::uint32_t>& addresses_of(Table table, Stream stream) {
  static std::vector<std::uint32_t> held;
  static const Routes* held_routes = nullptr;
  static Stream held_stream;
  const Routes& routes = routes_of(Family::Ipv4, table);
  if (held_routes == &routes && held_stream == stream) return held;
  held.clear();
  for (const IpAddr& address : routes.addresses(stream)) held.push_back(address.v4_value());
  held_routes = &routes;
  held_stream = stream;
  return held;
}

// Calls lookup(addresses of one bulk) until the time is over.
template <class Lookup>
void run(benchmark::State& state, Table table, Stream stream, std::size_t memory, Lookup lookup) {
  const std::vector<std::uint32_t>& addresses = addresses_of(table, stream);
  std::size_t at = 0;
  for (auto _ : state) {
    lookup(addresses.data() + at);
    at = (at + kBulk) % kAddresses;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBulk));
  state.counters["MiB"] = static_cast<double>(memory) / (1 << 20);
}

bool is_missing(benchmark::State& state, Table table) {
  if (!prefixes_of(table).empty()) return false;
  state.SkipWithError("SLUICE_PREFIXES names no file with IPv4 prefixes");
  return true;
}

void bench_trie(benchmark::State& state, Table table, Stream stream) {
  if (is_missing(state, table)) return;
  static std::unique_ptr<CidrTrie> trie;
  static Table held;
  if (trie == nullptr || held != table) {
    trie = std::make_unique<CidrTrie>(Family::Ipv4, std::span<const Cidr>(prefixes_of(table)));
    held = table;
  }
  std::array<PrefixId, kBulk> found;
  run(state, table, stream, trie->size(), [&](const std::uint32_t* addresses) {
    trie->find_burst(std::span(addresses, kBulk), found);
    benchmark::DoNotOptimize(found);
  });
}

struct Lpm {
  rte_lpm* table = nullptr;
  std::size_t memory = 0;
};

rte_lpm* make_lpm(const char* name, const std::vector<Cidr>& prefixes) {
  const rte_lpm_config config{static_cast<std::uint32_t>(prefixes.size()), kTbl8Max, 0};
  rte_lpm* lpm = rte_lpm_create(name, -1, &config);
  CHECK(lpm != nullptr);
  std::uint32_t next_hop = 0;
  for (const Cidr& cidr : prefixes) {
    if (cidr.length() == 0) continue;  // rte_lpm has none of that length
    CHECK(rte_lpm_add(lpm, cidr.address().v4_value(), cidr.length(), next_hop++ & 0xffffff) == 0);
  }
  return lpm;
}

const Lpm& lpm_of(Table table) {
  static Lpm lpm;
  static Table held;
  start_dpdk_memory();
  if (lpm.table != nullptr && held == table) return lpm;
  rte_lpm_free(lpm.table);
  const std::size_t before = dpdk_memory_in_use();
  lpm.table = make_lpm("lookup", prefixes_of(table));
  lpm.memory = dpdk_memory_in_use() - before;
  held = table;
  return lpm;
}

void bench_lpm(benchmark::State& state, Table table, Stream stream) {
  if (is_missing(state, table)) return;
  const Lpm& lpm = lpm_of(table);
  std::array<std::uint32_t, kBulk> found;
  run(state, table, stream, lpm.memory, [&](const std::uint32_t* addresses) {
    rte_lpm_lookup_bulk(lpm.table, addresses, found.data(), kBulk);
    benchmark::DoNotOptimize(found);
  });
}

struct Fib {
  rte_fib* table = nullptr;
  std::size_t memory = 0;
};

rte_fib* make_fib(const char* name, const std::vector<Cidr>& prefixes) {
  rte_fib_conf config{};
  config.type = RTE_FIB_DIR24_8;
  config.default_nh = 0;
  config.max_routes = static_cast<int>(prefixes.size()) + 1;
  config.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
  config.dir24_8.num_tbl8 = kTbl8Max;
  rte_fib* fib = rte_fib_create(name, -1, &config);
  CHECK(fib != nullptr);
  std::uint64_t next_hop = 0;
  for (const Cidr& cidr : prefixes) {
    CHECK(rte_fib_add(fib, cidr.address().v4_value(), cidr.length(), next_hop++) == 0);
  }
  return fib;
}

const Fib& fib_of(Table table) {
  static Fib fib;
  static Table held;
  start_dpdk_memory();
  if (fib.table != nullptr && held == table) return fib;
  rte_fib_free(fib.table);
  const std::size_t before = dpdk_memory_in_use();
  fib.table = make_fib("lookup", prefixes_of(table));
  fib.memory = dpdk_memory_in_use() - before;
  held = table;
  return fib;
}

void bench_fib(benchmark::State& state, Table table, Stream stream, rte_fib_lookup_type type) {
  if (is_missing(state, table)) return;
  const Fib& fib = fib_of(table);
  if (rte_fib_select_lookup(fib.table, type) != 0) {
    state.SkipWithError("this processor has not the vectors that this lookup needs");
    return;
  }
  std::array<std::uint64_t, kBulk> found;
  run(state, table, stream, fib.memory, [&](const std::uint32_t* addresses) {
    rte_fib_lookup_bulk(fib.table, const_cast<std::uint32_t*>(addresses), found.data(), kBulk);
    benchmark::DoNotOptimize(found);
  });
}

void build_trie(benchmark::State& state, Table table) {
  if (is_missing(state, table)) return;
  const std::vector<Cidr>& prefixes = prefixes_of(table);
  for (auto _ : state) {
    const CidrTrie trie(Family::Ipv4, std::span<const Cidr>(prefixes));
    benchmark::DoNotOptimize(trie.node_count());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(prefixes.size()));
}

void build_fib(benchmark::State& state, Table table) {
  if (is_missing(state, table)) return;
  start_dpdk_memory();
  const std::vector<Cidr>& prefixes = prefixes_of(table);
  for (auto _ : state) rte_fib_free(make_fib("build", prefixes));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(prefixes.size()));
}

void build_lpm(benchmark::State& state, Table table) {
  if (is_missing(state, table)) return;
  start_dpdk_memory();
  const std::vector<Cidr>& prefixes = prefixes_of(table);
  for (auto _ : state) rte_lpm_free(make_lpm("build", prefixes));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(prefixes.size()));
}

// One prefix taken away and put back, each as a commit: the former trie stays as it was.
void change_trie(benchmark::State& state, Table table) {
  if (is_missing(state, table)) return;
  const std::vector<Cidr>& prefixes = prefixes_of(table);
  CidrTrie current(Family::Ipv4, std::span<const Cidr>(prefixes));
  std::mt19937_64 random(3);
  for (auto _ : state) {
    const Cidr& cidr = prefixes[random() % prefixes.size()];
    CidrTrie without(current);
    const PrefixId id = without.erase(cidr);
    CidrTrie with(without);
    with.insert(cidr, id);
    current = std::move(with);
  }
  state.SetItemsProcessed(state.iterations() * 2);
}

// The same, in place: readers may see a table between two.
void change_fib(benchmark::State& state, Table table) {
  if (is_missing(state, table)) return;
  rte_fib* fib = fib_of(table).table;
  const std::vector<Cidr>& prefixes = prefixes_of(table);
  std::mt19937_64 random(3);
  for (auto _ : state) {
    const Cidr& cidr = prefixes[random() % prefixes.size()];
    CHECK(rte_fib_delete(fib, cidr.address().v4_value(), cidr.length()) == 0);
    if (rte_fib_add(fib, cidr.address().v4_value(), cidr.length(), 1) != 0) {
      state.SkipWithError("rte_fib does not take back a prefix that it gave up");
      return;
    }
  }
  state.SetItemsProcessed(state.iterations() * 2);
}

void change_lpm(benchmark::State& state, Table table) {
  if (is_missing(state, table)) return;
  rte_lpm* lpm = lpm_of(table).table;
  const std::vector<Cidr>& prefixes = prefixes_of(table);
  std::mt19937_64 random(3);
  for (auto _ : state) {
    const Cidr& cidr = prefixes[random() % prefixes.size()];
    if (cidr.length() == 0) continue;
    CHECK(rte_lpm_delete(lpm, cidr.address().v4_value(), cidr.length()) == 0);
    CHECK(rte_lpm_add(lpm, cidr.address().v4_value(), cidr.length(), 1) == 0);
  }
  state.SetItemsProcessed(state.iterations() * 2);
}

constexpr struct {
  const char* name;
  rte_fib_lookup_type type;
} kFibLookups[] = {{"fib_macro", RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO},
                   {"fib_inline", RTE_FIB_LOOKUP_DIR24_8_SCALAR_INLINE},
                   {"fib_uni", RTE_FIB_LOOKUP_DIR24_8_SCALAR_UNI},
                   {"fib_avx512", RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512}};

// PEER/TABLE_STREAM, as in trie/full_biased.
void register_all() {
  for (const auto& [table, table_name] :
       {std::pair(Table::Tiny, "tiny"), {Table::File, "file"}, {Table::Full, "full"}}) {
    for (const auto& [stream, stream_name] : {std::pair(Stream::Uniform, "uniform"),
                                              {Stream::Biased, "biased"},
                                              {Stream::Zipf, "zipf"}}) {
      const std::string end = std::string("/") + table_name + "_" + stream_name;
      benchmark::RegisterBenchmark(("trie" + end).c_str(), bench_trie, table, stream);
      for (const auto& lookup : kFibLookups) {
        benchmark::RegisterBenchmark((lookup.name + end).c_str(), bench_fib, table, stream,
                                     lookup.type);
      }
      benchmark::RegisterBenchmark(("lpm" + end).c_str(), bench_lpm, table, stream);
    }
    const std::string end = std::string("/") + table_name;
    benchmark::RegisterBenchmark(("build_trie" + end).c_str(), build_trie, table);
    benchmark::RegisterBenchmark(("build_fib" + end).c_str(), build_fib, table);
    benchmark::RegisterBenchmark(("build_lpm" + end).c_str(), build_lpm, table);
    benchmark::RegisterBenchmark(("change_trie" + end).c_str(), change_trie, table);
    benchmark::RegisterBenchmark(("change_fib" + end).c_str(), change_fib, table);
    benchmark::RegisterBenchmark(("change_lpm" + end).c_str(), change_lpm, table);
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
