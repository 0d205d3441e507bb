// Identification of new connections by their first bytes, beside plain PCRE2.
//
// A connection is one opening of each side: requests, hellos, banners and queries of a mix of
// applications, and one in eight that nobody knows (bytes without form). Ours: dispatch, Hyperscan,
// shape tests, and the host name where there is one. The peer: the same expressions, each by itself
// with PCRE2, compiled by its JIT or interpreted, on the same first bytes; it looks at no shapes
// and no names, so it does less.

#include <benchmark/benchmark.h>
#include <pcre2.h>
#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "control/compile/app_patterns.h"
#include "control/compile/build_patterns.h"
#include "lookup/l7_identify.h"
#include "lookup/l7_names.h"
#include "perf/lookup/openings.h"

namespace sluice {
namespace {

struct Connection {
  L7Transport transport = L7Transport::Tcp;
  Bytes sides[2];
};

std::vector<Connection> connections(std::size_t count) {
  std::mt19937_64 random(1);
  std::vector<Connection> all(count);
  const std::string cookie(300, 'c');
  for (std::size_t i = 0; i < count; ++i) {
    Connection& c = all[i];
    const std::string number = std::to_string(random() % 100'000);
    switch (random() % 8) {
      case 0:
        c.sides[0] =
            bytes_of("GET /page/" + number +
                     " HTTP/1.1\r\nHost: www.example.com\r\nCookie: " + cookie + "\r\n\r\n");
        c.sides[1] = bytes_of("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n");
        break;
      case 1:
      case 2:
        c.sides[0] = client_hello("host-" + number + ".example.com");
        c.sides[1] = bytes_of(std::string_view("\x16\3\3\0\x7a\2\0\0\x76\3\3", 11));
        break;
      case 3:
        c.transport = L7Transport::Udp;
        c.sides[0] = dns_message(static_cast<std::uint16_t>(i), false);
        c.sides[1] = dns_message(static_cast<std::uint16_t>(i), true);
        break;
      case 4:
        c.sides[1] = bytes_of("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
        c.sides[0] = bytes_of("SSH-2.0-OpenSSH_8.9\r\n");
        break;
      case 5:
        c.sides[1] = bytes_of("220 mx" + number + ".example.com ESMTP Postfix\r\n");
        c.sides[0] = bytes_of("EHLO client.example.com\r\n");
        break;
      case 6:
        c.sides[0] = bytes_of("*3\r\n$3\r\nSET\r\n$8\r\nkey:" + number + "\r\n$5\r\nvalue\r\n");
        c.sides[1] = bytes_of("+OK\r\n");
        break;
      default:
        for (Bytes& side : c.sides) {
          side.resize(kL7ScanBytes);
          for (std::uint8_t& byte : side) byte = static_cast<std::uint8_t>(random());
        }
    }
  }
  return all;
}

// Of the time stamp counter, in a second.
double clocks_per_second() {
  static const double kRate = [] {
    const auto begin = std::chrono::steady_clock::now();
    const std::uint64_t clocks = __rdtsc();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const std::uint64_t passed = __rdtsc() - clocks;
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    return static_cast<double>(passed) / time.count();
  }();
  return kRate;
}

// Clocks are of CPU time: what others on the core take does not count.
void count_work(benchmark::State& state, std::size_t items, std::size_t bytes) {
  state.SetItemsProcessed(static_cast<std::int64_t>(items));
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.counters["clocks"] =
      benchmark::Counter(static_cast<double>(items) / clocks_per_second(),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

struct World {
  std::shared_ptr<const L7Patterns> patterns = build_patterns({}, "").value();
  std::unique_ptr<L7Scratch> scratch = std::move(L7Scratch::create(*patterns).value());
};

// Calls `inspect` for each connection again and again; it says how many bytes it saw.
template <class Inspect>
void run(benchmark::State& state, std::size_t count, Inspect inspect) {
  const std::vector<Connection> all = connections(count);
  std::size_t items = 0;
  std::size_t bytes = 0;
  for (auto _ : state) {
    for (const Connection& connection : all) bytes += inspect(connection);
    items += all.size();
  }
  count_work(state, items, bytes);
}

// What a worker does for a new connection until it is marked done: both sides, at worst.
void identify_connection(benchmark::State& state, std::size_t count) {
  World world;
  run(state, count, [&](const Connection& c) {
    AppSet left = AppSet::all();
    L7Answer answer;
    std::size_t bytes = 0;
    for (const L7Side side : {L7Side::Initiator, L7Side::Responder}) {
      const Bytes& there = c.sides[static_cast<std::size_t>(side)];
      bytes += std::min(there.size(), kL7ScanBytes);
      answer = identify(*world.patterns, *world.scratch, {c.transport, side, there, true, left});
      left = answer.candidates;
      if (answer.app != App::Unknown) break;
    }
    if (carries_name(answer.app)) {
      benchmark::DoNotOptimize(find_name(answer.app, c.transport, c.sides[0], *world.scratch));
    }
    return bytes;
  });
}

void scan_hyperscan(benchmark::State& state, std::size_t count) {
  World world;
  run(state, count, [&](const Connection& c) {
    std::size_t bytes = 0;
    for (const L7Side side : {L7Side::Initiator, L7Side::Responder}) {
      const Bytes& there = c.sides[static_cast<std::size_t>(side)];
      bytes += std::min(there.size(), kL7ScanBytes);
      benchmark::DoNotOptimize(world.patterns->scan(c.transport, side, there, *world.scratch));
    }
    return bytes;
  });
}

struct Pcre {
  L7Transport transport;
  L7Side side;
  pcre2_code* code;
};

std::vector<Pcre> compile_pcre(bool with_jit) {
  std::vector<Pcre> all;
  for (const AppPattern& pattern : app_patterns()) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code* code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.expression.data()),
                      pattern.expression.size(), PCRE2_DOTALL, &error, &offset, nullptr);
    CHECK(code != nullptr);
    if (with_jit) CHECK(pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0);
    all.push_back({pattern.transport, pattern.side, code});
  }
  return all;
}

void scan_pcre2(benchmark::State& state, std::size_t count, bool with_jit) {
  const std::vector<Pcre> all = compile_pcre(with_jit);
  pcre2_match_data* match = pcre2_match_data_create(32, nullptr);
  run(state, count, [&](const Connection& c) {
    std::size_t bytes = 0;
    int matched = 0;
    for (const L7Side side : {L7Side::Initiator, L7Side::Responder}) {
      const Bytes& there = c.sides[static_cast<std::size_t>(side)];
      const std::size_t size = std::min(there.size(), kL7ScanBytes);
      bytes += size;
      for (const Pcre& pcre : all) {
        if (pcre.transport != c.transport || pcre.side != side) continue;
        const int code = with_jit
                             ? pcre2_jit_match(pcre.code, there.data(), size, 0, 0, match, nullptr)
                             : pcre2_match(pcre.code, there.data(), size, 0, 0, match, nullptr);
        matched += code > 0 ? 1 : 0;
      }
    }
    benchmark::DoNotOptimize(matched);
    return bytes;
  });
  pcre2_match_data_free(match);
  for (const Pcre& pcre : all) pcre2_code_free(pcre.code);
}

// The scan finds what PCRE2 finds, so that the two are comparable.
void same_answers(benchmark::State& state) {
  World world;
  const std::vector<Pcre> all = compile_pcre(true);
  pcre2_match_data* match = pcre2_match_data_create(32, nullptr);
  const auto patterns = app_patterns();
  for (auto _ : state) {
    for (const Connection& c : connections(64)) {
      for (const L7Side side : {L7Side::Initiator, L7Side::Responder}) {
        const Bytes& there = c.sides[static_cast<std::size_t>(side)];
        const std::size_t size = std::min(there.size(), kL7ScanBytes);
        L7Nominees expected;
        for (std::size_t i = 0; i < all.size(); ++i) {
          if (all[i].transport != c.transport || all[i].side != side) continue;
          if (pcre2_jit_match(all[i].code, there.data(), size, 0, 0, match, nullptr) <= 0) continue;
          (patterns[i].is_weak ? expected.weak : expected.strong).insert(patterns[i].app);
        }
        const L7Nominees found = world.patterns->scan(c.transport, side, there, *world.scratch);
        CHECK(found.strong == expected.strong && found.weak == expected.weak);
      }
    }
  }
  pcre2_match_data_free(match);
  for (const Pcre& pcre : all) pcre2_code_free(pcre.code);
}

void register_size(const std::string& name, std::size_t count) {
  benchmark::RegisterBenchmark(("identify/" + name).c_str(), identify_connection, count);
  benchmark::RegisterBenchmark(("hyperscan/" + name).c_str(), scan_hyperscan, count);
  benchmark::RegisterBenchmark(("pcre2_jit/" + name).c_str(), scan_pcre2, count, true);
  benchmark::RegisterBenchmark(("pcre2/" + name).c_str(), scan_pcre2, count, false);
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::register_size("tiny", 64);
  sluice::register_size("full", 4096);
  benchmark::RegisterBenchmark("same_answers/tiny", sluice::same_answers);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
