// Short connections: a TCP handshake and close of six packets, or one UDP datagram and its answer,
// the flow log on and off. A connection's cost is that of all its packets, of its end by timeout
// and of its record on the way to the exporter.
//
// And such that say something, with rules that demand what they are and with rules that do not:
// TLS (a hello of 517 bytes, the name and the fingerprint read), Redis (told by a scan), DNS.

#include <benchmark/benchmark.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/compile/build_patterns.h"
#include "dataplane/wire.h"
#include "lookup/l7_tools.h"
#include "perf/dataplane/bench_world.h"
#include "perf/lookup/openings.h"

namespace sluice {
namespace {

// One packet of every connection, and how many turns after its first it is sent.
struct Sent {
  std::uint32_t delay;
  BenchSegment segment;
};

struct Kind {
  std::vector<Sent> packets;
  std::uint64_t lingers_s;  // after its last packet (CT-12, CT-17)
  // What packets of each side carry beyond their frame.
  std::string_view outside_tail = {};
  std::string_view inside_tail = {};
};

constexpr std::uint8_t kSyn = TcpFlags::kSyn;
constexpr std::uint8_t kAck = TcpFlags::kAck;
constexpr std::uint8_t kFin = TcpFlags::kFin;

Kind tcp() {
  return {{{0, {true, kSyn, 0, 0}},
           {1, {false, kSyn | kAck, 0, 1}},
           {2, {true, kAck, 1, 1}},
           {3, {true, kFin | kAck, 1, 1}},
           {4, {false, kFin | kAck, 1, 2}},
           {5, {true, kAck, 2, 2}}},
          60};
}

Kind udp() { return {{{0, {true, 0, 0, 0}}, {1, {false, 0, 0, 0}}}, 30}; }

// A handshake, what each side says, and a close: eight packets.
Kind talking_tcp(std::string_view client, std::string_view server) {
  constexpr std::size_t kRoom =
      sizeof(BenchFrame) - sizeof(EthernetHeader) - sizeof(Ipv4Header) - sizeof(TcpHeader);
  const auto asked = 1 + static_cast<std::uint32_t>(client.size());
  const auto answered = 1 + static_cast<std::uint32_t>(server.size());
  return {{{0, {true, kSyn, 0, 0, ""}},
           {1, {false, kSyn | kAck, 0, 1, ""}},
           {2, {true, kAck, 1, 1, ""}},
           {3, {true, kAck, 1, 1, client}},
           {4, {false, kAck, 1, asked, server}},
           {5, {true, kFin | kAck, asked, answered, ""}},
           {6, {false, kFin | kAck, answered, asked + 1, ""}},
           {7, {true, kAck, asked + 1, answered + 1, ""}}},
          60,
          client.substr(std::min(kRoom, client.size())),
          server.substr(std::min(kRoom, server.size()))};
}

Kind talking_udp(std::string_view client, std::string_view server) {
  constexpr std::size_t kRoom =
      sizeof(BenchFrame) - sizeof(EthernetHeader) - sizeof(Ipv4Header) - sizeof(UdpHeader);
  return {{{0, {true, 0, 0, 0, client}}, {1, {false, 0, 0, 0, server}}},
          30,
          client.substr(std::min(kRoom, client.size())),
          server.substr(std::min(kRoom, server.size()))};
}

constexpr NicIndex kOutside{0};
constexpr NicIndex kInside{1};

// Connections that begin, live and end for ever: each turn begins a group of them and sends the
// later packets of the groups before it, so that a burst holds all sorts, as on a wire.
class Connections {
 public:
  // Half of all conversations live at any time: so fast does the clock go.
  Connections(const BenchPlan& plan, Kind kind)
      : plan_(plan),
        kind_(std::move(kind)),
        group_(kBurstMax / count_of(true)),
        groups_(plan.flows / group_),
        world_(plan, kind_.lingers_s * kNanosPerSecond * group_ / (plan.flows / 2)) {
    begin();
    for (std::uint32_t turn = 0; turn < groups_; ++turn) {
      append(outside_, turn + last_delay(), true);
      append(inside_, turn + last_delay(), false);
    }
    world_.io().play(kOutside, outside_, group_ * count_of(true), kind_.outside_tail);
    world_.io().play(kInside, inside_, group_ * count_of(false), kind_.inside_tail);
    for (std::uint32_t turn = 0; turn < groups_; ++turn) this->turn();
  }

  // The connections begun (and as many ended).
  std::uint32_t turn() {
    world_.turn();
    if (plan_.is_logged) logged_ += world_.take_logged_packets();
    return group_;
  }

  // Lets all of them end. True if no packet and no record was lost.
  bool ends_well() {
    world_.io().set_burst(kOutside, 0);
    world_.io().set_burst(kInside, 0);
    // The last begun may have to wait for the timeout of an open connection.
    for (std::uint32_t turn = 0; turn < 4 * groups_; ++turn) this->turn();
    const WorkerCounters counters = world_.counters();
    return world_.lost_nothing() && counters.flows == 0 && counters.deltas_lost == 0 &&
           counters.flows_refused == 0 && (!plan_.has_demands() || are_identified(counters)) &&
           (!plan_.is_logged || logged_ == counters.packets.rx_packets);
  }

 private:
  std::uint32_t count_of(bool is_from_remote) const {
    std::uint32_t count = 0;
    for (const Sent& sent : kind_.packets) count += sent.segment.is_from_remote == is_from_remote;
    return count;
  }
  std::uint32_t last_delay() const { return kind_.packets.back().delay; }

  // All but the last begun, which had no time to say anything.
  bool are_identified(const WorkerCounters& counters) const {
    return world_.identified() + group_ * last_delay() >= counters.flows_begun;
  }

  // What one side sends in a turn.
  void append(std::vector<BenchFrame>& frames, std::uint32_t turn, bool is_from_remote) const {
    for (std::uint32_t i = 0; i < group_; ++i) {
      for (const Sent& sent : kind_.packets) {
        if (sent.segment.is_from_remote != is_from_remote || turn < sent.delay) continue;
        const std::uint32_t connection = (turn - sent.delay) % groups_ * group_ + i;
        frames.push_back(frame_of(plan_, conversation_of(plan_, connection), sent.segment));
      }
    }
  }

  // The first turns have no groups before them.
  void begin() {
    for (std::uint32_t turn = 0; turn < last_delay(); ++turn) {
      std::vector<BenchFrame> outside, inside;
      append(outside, turn, true);
      append(inside, turn, false);
      world_.io().play(kOutside, outside, outside.size(), kind_.outside_tail);
      world_.io().play(kInside, inside, inside.size(), kind_.inside_tail);
      this->turn();
    }
  }

  BenchPlan plan_;
  Kind kind_;
  std::uint32_t group_;
  std::uint32_t groups_;
  BenchWorld world_;
  std::vector<BenchFrame> outside_;
  std::vector<BenchFrame> inside_;
  std::uint64_t logged_ = 0;
};

void run(benchmark::State& state, const BenchPlan& plan, const Kind& kind) {
  Connections connections(plan, kind);
  std::uint64_t count = 0;
  const std::uint64_t begin = __rdtsc();
  for (auto _ : state) count += connections.turn();
  const std::uint64_t clocks = __rdtsc() - begin;
  if (!connections.ends_well()) state.SkipWithError("packets, flows or records were lost");
  state.SetItemsProcessed(static_cast<std::int64_t>(count));
  state.counters["clocks"] =
      benchmark::Counter(static_cast<double>(clocks) / static_cast<double>(count));
}

void add(const std::string& name, std::uint32_t flows, bool is_logged) {
  for (const bool is_tcp : {true, false}) {
    BenchPlan plan{.flows = flows, .is_logged = is_logged};
    plan.has_tcp = is_tcp;
    plan.has_udp = !is_tcp;
    const std::string kind = is_tcp ? "tcp/" : "udp/";
    benchmark::RegisterBenchmark(
        ("connections/" + kind + name).c_str(),
        [plan, is_tcp](benchmark::State& state) { run(state, plan, is_tcp ? tcp() : udp()); });
  }
}

std::string_view text_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Made once: compiling takes a while.
std::shared_ptr<const L7Tools> tools() {
  static const std::shared_ptr<const L7Tools> kTools =
      L7Tools::create(build_patterns({}, "").value(), 1).value();
  return kTools;
}

// With and without rules that demand what the connections are. `name` is that of the size.
void add_talking(const std::string& name, std::uint32_t flows) {
  static const Bytes kHello = client_hello("host-1.example.com");
  static const Bytes kQuestion = dns_message(1, false);
  static const Bytes kAnswer = dns_message(1, true);
  struct Talk {
    const char* name;
    App app;
    std::string_view domain;
    Kind kind;
  };
  for (const Talk& talk :
       {Talk{"tls", App::Tls, "*.example.com",
             talking_tcp(text_of(kHello), std::string_view("\x16\3\3\0\x7a\2\0\0\x76\3\3", 11))},
        Talk{"redis", App::Redis, "", talking_tcp("*1\r\n$4\r\nPING\r\n", "+PONG\r\n")},
        Talk{"dns", App::Dns, "", talking_udp(text_of(kQuestion), text_of(kAnswer))}}) {
    for (const bool has_demands : {true, false}) {
      BenchPlan plan{.flows = flows};
      plan.has_udp = talk.app == App::Dns;
      plan.has_tcp = !plan.has_udp;
      if (has_demands) {
        (plan.has_udp ? plan.udp_app : plan.tcp_app) = talk.app;
        plan.domain = talk.domain;
      }
      benchmark::RegisterBenchmark(
          ("connections/" + std::string(talk.name) + (has_demands ? "/app/" : "/plain/") + name)
              .c_str(),
          [plan, kind = talk.kind](benchmark::State& state) {
            BenchPlan with_tools = plan;
            if (plan.has_demands()) with_tools.tools = tools();
            run(state, with_tools, kind);
          });
    }
  }
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::add("logged", 1u << 18, true);
  sluice::add("unlogged", 1u << 18, false);
  sluice::add("tiny", 1u << 10, true);
  if (SLUICE_HAS_HYPERSCAN) {
    sluice::add_talking("full", 1u << 17);
    sluice::add_talking("tiny", 1u << 10);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
