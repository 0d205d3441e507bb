// What a turn costs in a flood, beyond one that works on a burst of established connections: CPU
// time of the thread, microseconds, at the median, the 99th percentile and the worst. Both kinds of
// turn are taken one after the other, so that they meet the same neighbours on the machine; turns
// in which another program had the core do not count.
//
//      syn, udp, icmp    first packets of strangers until their share of the table is full, and on:
//                        refused at first, then in the place of those that nobody answered
//      ack, error        the same of segments in the middle of a connection (CT-23), and of ICMP
//                        errors, which quote packets of no flow
//      syn6              the same of SYNs over IPv6
//      handed            the same of SYNs that another worker received and handed over
//      interfaces        the same of SYNs to 4,096 interfaces, one after the other
//      rst               RSTs of no connection
//      ports             SYNs to ports of chance, where more rules name the stranger than an entry
//                        of the cache of verdicts holds: each asks the rules themselves
//      quic              Initials of QUIC, each of a stranger, where rules demand a name that none
//                        of them has
//      first, later      first fragments; fragments whose first never comes
//      refused           what the rules refuse, logged
//      collisions        datagrams whose first buckets are the same 16, as if the key had leaked
//      expiry            flows whose time came all at once, 64 a turn beside the burst
//      policy            each flow of the burst judged anew, after a change
//      window            the sweep of a log window over all flows, beside the burst

#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "control/compile/build_patterns.h"
#include "dataplane/parse.h"
#include "dataplane/turn_work.h"
#include "dataplane/wire.h"
#include "flowtable/flow_bucket.h"
#include "flowtable/flow_key.h"
#include "lookup/l7_tools.h"
#include "perf/dataplane/bench_world.h"
#include "tests/lookup/quic_sealer.h"

namespace sluice {
namespace {

enum class Flood : std::uint8_t {
  Syn,
  Udp,
  Icmp,
  Ack,
  Error,
  Syn6,
  Handed,
  Interfaces,
  Rst,
  Ports,
  Quic,
  First,
  Later,
  Refused,
  Collisions,
  Expiry,
  Policy,
  Window,
};

constexpr NicIndex kOutside{0};
constexpr NicIndex kInside{1};

struct Size {
  std::uint32_t established;
  std::uint32_t flood;  // packets, each of a stranger
  std::uint32_t turns;
};

// Of a datagram's payload, what lies in its frame.
constexpr std::size_t kInFrame =
    sizeof(BenchFrame) - sizeof(EthernetHeader) - sizeof(Ipv4Header) - sizeof(UdpHeader);

// Made once: compiling takes a while.
std::shared_ptr<const L7Tools> tools() {
  static const std::shared_ptr<const L7Tools> kTools =
      L7Tools::create(build_patterns({}, "").value(), 1).value();
  return kTools;
}

std::uint32_t capacity_of(const Size& size) { return size.established + size.flood; }

// Strangers that want an entry each, and get their share of the table.
bool fills_its_share(Flood flood) {
  switch (flood) {
    case Flood::Syn:
    case Flood::Udp:
    case Flood::Icmp:
    case Flood::Ack:
    case Flood::Error:
    case Flood::Syn6:
    case Flood::Handed:
    case Flood::Interfaces:
    case Flood::Quic:
      return true;
    case Flood::Rst:
    case Flood::Ports:
    case Flood::First:
    case Flood::Later:
    case Flood::Refused:
    case Flood::Collisions:
    case Flood::Expiry:
    case Flood::Policy:
    case Flood::Window:
      return false;
  }
  return false;
}

// Of those that are not, packets are datagrams.
bool is_of_tcp(Flood flood) {
  return flood == Flood::Syn || flood == Flood::Ack || flood == Flood::Handed ||
         flood == Flood::Interfaces || flood == Flood::Rst || flood == Flood::Ports ||
         flood == Flood::Refused;
}

// Of strangers whom no rule admits.
bool is_refused(Flood flood) { return flood == Flood::Refused || flood == Flood::Ports; }

// How many strangers there are.
std::uint32_t strangers_of(Flood flood, const Size& size) {
  if (fills_its_share(flood)) return 2 * size.flood;
  // Computed ones take long to find.
  return flood == Flood::Collisions ? size.flood / 16 : size.flood;
}

std::uint64_t thread_cpu_ns() {
  timespec now{};
  CHECK(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(now.tv_nsec);
}

long preemptions() {
  rusage usage{};
  CHECK(::getrusage(RUSAGE_THREAD, &usage) == 0);
  return usage.ru_nivcsw;
}

void finish_ip(BenchFrame& frame, Ipv4Header& ip, std::size_t payload) {
  std::uint8_t* at = frame.data() + sizeof(EthernetHeader);
  ip.total_length = Be16::from_host(static_cast<std::uint16_t>(sizeof ip + payload));
  ip.checksum = Be16{};
  std::memcpy(at, &ip, sizeof ip);
  ip.checksum = Be16::from_host(static_cast<std::uint16_t>(~ones_sum({at, sizeof ip})));
  std::memcpy(at, &ip, sizeof ip);
}

void make_ping(BenchFrame& frame, std::uint32_t number) {
  constexpr std::size_t kPayload = 24;
  std::uint8_t* at = frame.data() + sizeof(EthernetHeader);
  Ipv4Header ip;
  std::memcpy(&ip, at, sizeof ip);
  ip.proto = static_cast<std::uint8_t>(Proto::Icmp);
  finish_ip(frame, ip, kPayload);
  std::uint8_t* icmp = at + sizeof ip;
  std::memset(icmp, 0, kPayload);
  icmp[0] = 8;
  const Be16 id = Be16::from_host(static_cast<std::uint16_t>(number));
  std::memcpy(icmp + 4, &id, sizeof id);
  const auto sum = Be16::from_host(static_cast<std::uint16_t>(~ones_sum({icmp, kPayload})));
  std::memcpy(icmp + 2, &sum, sizeof sum);
}

// An error about a datagram that the interface has never sent: its last bytes are kErrorTail.
void make_error(BenchFrame& frame, const Conversation& talk) {
  constexpr std::size_t kPayload = 8 + sizeof(Ipv4Header) + 8;
  Ipv4Header ip;
  std::memcpy(&ip, frame.data() + sizeof(EthernetHeader), sizeof ip);
  ip.proto = static_cast<std::uint8_t>(Proto::Icmp);
  finish_ip(frame, ip, kPayload);
  std::uint8_t* icmp = frame.data() + sizeof(EthernetHeader) + sizeof ip;
  std::memset(icmp, 0, 8);
  icmp[0] = 3;
  icmp[1] = 1;
  ip.proto = static_cast<std::uint8_t>(Proto::Udp);
  ip.total_length = Be16::from_host(sizeof ip + 8);
  ip.source = Be32::from_host(talk.local.v4_value());
  ip.destination = Be32::from_host(talk.remote.v4_value());
  ip.checksum = Be16{};
  std::memcpy(icmp + 8, &ip, sizeof ip);
  const Be16 port = Be16::from_host(talk.local_port);
  std::memcpy(icmp + 8 + sizeof ip, &port, sizeof port);
}
// Port 9, eight bytes, no checksum.
constexpr std::string_view kErrorTail("\0\x09\0\x08\0\0", 6);

// A SYN in the place of a datagram: its last bytes are kSyn6Tail.
void make_syn6(BenchFrame& frame, std::uint32_t number) {
  std::uint8_t* at = frame.data() + sizeof(EthernetHeader);
  Ipv6Header ip;
  std::memcpy(&ip, at, sizeof ip);
  ip.next = static_cast<std::uint8_t>(Proto::Tcp);
  ip.payload_length = Be16::from_host(sizeof(TcpHeader));
  std::memcpy(at, &ip, sizeof ip);
  const Be32 sequence = Be32::from_host(number);
  std::memset(at + sizeof ip + 4, 0, 6);
  std::memcpy(at + sizeof ip + 4, &sequence, sizeof sequence);
}
// No acknowledgment, 20 bytes, SYN, a window of 65,535, neither checksum nor urgent pointer.
constexpr std::string_view kSyn6Tail("\0\0\x50\x02\xff\xff\0\0\0\0", 10);

// What each stranger of Flood::Quic says: the hello of one and the same client, whose connection id
// the keys follow from.
std::string_view initial() {
  static const ByteList kInitial = [] {
    const auto scratch = L7Scratch::create(tools()->patterns());
    const ByteList hello = HelloBuilder().server_name("a.example").handshake();
    return InitialPacket().seal(crypto_frame(0, hello), (*scratch)->crypto());
  }();
  return {reinterpret_cast<const char*>(kInitial.data()), kInitial.size()};
}

std::string_view tail_of(Flood flood) {
  if (flood == Flood::Quic) return initial().substr(kInFrame);
  if (flood == Flood::Error) return kErrorTail;
  return flood == Flood::Syn6 ? kSyn6Tail : std::string_view();
}

// Not one of those that rules name.
std::uint16_t port_of_chance(std::uint32_t number) {
  const auto port = static_cast<std::uint16_t>(number * 0x9e37u);
  return port >= 1'000 && port < 2'000 ? static_cast<std::uint16_t>(port + 10'000) : port;
}

std::uint8_t flags_of(Flood flood) {
  if (flood == Flood::Ack) return TcpFlags::kAck;
  return flood == Flood::Rst ? TcpFlags::kRst : TcpFlags::kSyn;
}

void make_fragment(BenchFrame& frame, std::uint32_t number, bool is_first) {
  Ipv4Header ip;
  std::memcpy(&ip, frame.data() + sizeof(EthernetHeader), sizeof ip);
  ip.id = Be16::from_host(static_cast<std::uint16_t>(number));
  ip.fragment = Be16::from_host(static_cast<std::uint16_t>(0x2000 | (is_first ? 0 : 100)));
  finish_ip(frame, ip, 24);
}

bool collides(const Conversation& talk, std::uint32_t capacity) {
  constexpr std::uint32_t kBuckets = 16;
  const std::uint64_t hash = owner_hash(HashKey{}, tuple_of(talk));
  return FlowPlace::of(place_hash(hash, EniIndex(talk.interface)), capacity / 5 + 2).first <
         kBuckets;
}

std::vector<BenchFrame> flood_frames(const BenchPlan& plan, Flood flood, const Size& size) {
  std::vector<BenchFrame> frames;
  const std::uint32_t wanted = strangers_of(flood, size);
  for (std::uint32_t i = size.established; frames.size() < wanted; ++i) {
    Conversation talk = conversation_of(plan, i);
    talk.proto = is_of_tcp(flood) ? Proto::Tcp : Proto::Udp;
    if (is_refused(flood)) talk.remote = IpAddr::v4(0xc8000000u | i);
    if (flood == Flood::Ports) talk.local_port = port_of_chance(i);
    if (flood == Flood::Collisions && !collides(talk, capacity_of(size))) continue;
    BenchSegment segment{true, flags_of(flood), 0, 0};
    if (flood == Flood::Quic) segment.payload = initial();
    BenchFrame frame = frame_of(plan, talk, segment);
    if (flood == Flood::Icmp) make_ping(frame, i);
    if (flood == Flood::Error) make_error(frame, talk);
    if (flood == Flood::Syn6) make_syn6(frame, i);
    if (flood == Flood::First || flood == Flood::Later) {
      make_fragment(frame, i, flood == Flood::First);
    }
    frames.push_back(frame);
  }
  return frames;
}

// Answers of the established connections' own side.
std::vector<BenchFrame> answers(const BenchPlan& plan, std::uint32_t count) {
  std::vector<BenchFrame> frames;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t scattered = i * 0x9e3779b1u & (count - 1);
    frames.push_back(
        frame_of(plan, conversation_of(plan, scattered), {false, TcpFlags::kAck, 0, 0}));
  }
  return frames;
}

class FloodedWorld {
 public:
  FloodedWorld(Flood flood, const Size& size)
      : flood_(flood),
        size_(size),
        plan_(plan_of(flood, size)),
        world_(plan_),
        flood_frames_(flood_frames(plan_, flood, size)),
        answers_(answers(plan_, size.established)) {
    world_.admit_all();
    world_.io().play(kInside, answers_, 0);
    world_.io().play(kOutside, flood_frames_, 0, tail_of(flood));
    world_.other_io().play(kOutside, flood_frames_, 0);
    for (std::uint32_t i = 0; i < size.established / kBurstMax; ++i) calm_turn();
    prepare();
    before_ = world_.counters();
    filled_before_ = world_.filled_verdicts();
    calm_turns_ = 0;
    has_logged_ = false;
  }

  // CPU time of a turn with a burst of established connections.
  double calm_turn() {
    ++calm_turns_;
    return timed_turn(0, kBurstMax);
  }

  // CPU time of a turn in the flood.
  double flooded_turn() {
    switch (flood_) {
      case Flood::Syn:
      case Flood::Udp:
      case Flood::Icmp:
      case Flood::Ack:
      case Flood::Error:
      case Flood::Syn6:
      case Flood::Interfaces:
      case Flood::Quic:
        pass_time_of_a_share();
        return timed_turn(kBurstMax, 0);
      case Flood::Handed:
        pass_time_of_a_share();
        world_.other_io().set_burst(kOutside, kBurstMax);
        world_.turn_of_other();
        return timed_turn(0, 0);
      case Flood::Rst:
      case Flood::Ports:
      case Flood::First:
      case Flood::Later:
      case Flood::Refused:
      case Flood::Collisions:
        return timed_turn(kBurstMax, 0);
      case Flood::Expiry:
      case Flood::Window:
        return timed_turn(0, kBurstMax);
      case Flood::Policy:
        // Calm turns in between have judged some of them.
        if (turns_++ % (size_.established / kBurstMax / 2) == 0) world_.commit();
        return timed_turn(0, kBurstMax);
    }
    return 0;
  }
  // A calm turn beside these would be none.
  bool has_calm_turns_between() const {
    return flood_ != Flood::Expiry && flood_ != Flood::Window && flood_ != Flood::Policy;
  }
  bool was_preempted() const { return was_preempted_; }

  // True if the flood was what its name says, and none of the established connections was lost.
  bool is_sound() {
    if (!did_what_it_should()) return false;
    const std::uint64_t sent = world_.io().sent();
    for (std::uint32_t i = 0; i < size_.established / kBurstMax; ++i) calm_turn();
    return world_.io().sent() - sent == size_.established;
  }

 private:
  bool did_what_it_should() const {
    const WorkerCounters now = world_.counters();
    const auto dropped = [&](DropReason reason) {
      return now.packets.drops[static_cast<std::size_t>(reason)];
    };
    const bool has_ended = now.flows_ended > before_.flows_ended;
    const bool had_no_room = dropped(DropReason::EmbryonicFull) > 0 && has_ended;
    const std::uint64_t packets = now.packets.rx_packets - before_.packets.rx_packets -
                                  std::uint64_t{calm_turns_} * kBurstMax;
    switch (flood_) {
      case Flood::Syn:
      case Flood::Udp:
      case Flood::Icmp:
      case Flood::Syn6:
        return had_no_room;
      case Flood::Ack:
        return had_no_room && dropped(DropReason::NotFirstPacket) == 0;
      case Flood::Error:
        // For itself, and for what it quotes.
        return had_no_room && most_asked_ == 2 * kBurstMax;
      case Flood::Handed:
        return had_no_room && packets == 0;
      case Flood::Interfaces:
        return had_no_room && world_.interface_end() == plan_.interfaces;
      case Flood::Quic:
        return has_ended && most_opened_ == kOpenedPerTurn && now.layer7_put_off > 0 &&
               now.apps[static_cast<std::size_t>(App::Quic)] > 0;
      case Flood::Rst:
        return packets > 0 && dropped(DropReason::NotFirstPacket) == packets;
      case Flood::Ports:
        return packets > 0 && dropped(DropReason::NoRule) == packets &&
               world_.filled_verdicts() - filled_before_ > packets / 2;
      case Flood::First:
      case Flood::Collisions:
        return now.flows_begun > before_.flows_begun;
      case Flood::Later:
        return dropped(DropReason::FragmentTooMany) > 0;
      case Flood::Refused:
        return dropped(DropReason::NoRule) == packets;
      case Flood::Expiry:
        return has_ended;
      case Flood::Policy:
        return now.generation > before_.generation;
      case Flood::Window:
        return has_logged_;
    }
    return false;
  }

  static BenchPlan plan_of(Flood flood, const Size& size) {
    BenchPlan plan;
    plan.flows = size.established;
    plan.flow_capacity = capacity_of(size);
    plan.is_logged = flood == Flood::Refused || flood == Flood::Window || flood == Flood::Expiry;
    plan.is_judged_anew = flood == Flood::Policy;
    // Exchanges of datagrams would be over when the strangers' are.
    plan.has_udp = flood != Flood::Expiry && flood != Flood::Window && flood != Flood::Quic;
    if (flood == Flood::Quic) {
      plan.tcp_app = App::Ssh;
      plan.udp_app = App::Quic;
      plan.domain = "other.example";
      plan.tools = tools();
    }
    if (flood == Flood::Syn6) plan.family = Family::Ipv6;
    if (flood == Flood::Interfaces) plan.interfaces = 4'096;
    plan.has_wide_rules = flood == Flood::Ports;
    if (flood == Flood::Handed) {
      plan.workers = 2;
      plan.has_udp = false;  // whose flow it is depends on the protocol
    }
    return plan;
  }

  // What nobody answered has had its time when the share is full.
  void pass_time_of_a_share() {
    world_.pass_ms(6'000 / (strangers_of(flood_, size_) / kBurstMax) + 1);
  }

  void prepare() {
    if (flood_ != Flood::Expiry && flood_ != Flood::Window) return;
    // Three quarters: what nobody answers has no more.
    for (std::uint32_t i = 0; i < size_.flood / kBurstMax; ++i) timed_turn(kBurstMax, 0);
    if (flood_ == Flood::Expiry) world_.pass_ms(31'000);
    if (flood_ == Flood::Window) world_.pass_to_next_window();
  }

  double timed_turn(std::size_t outside, std::size_t inside) {
    world_.io().set_burst(kOutside, outside);
    world_.io().set_burst(kInside, inside);
    const long preempted_before = preemptions();
    const std::uint64_t begin = thread_cpu_ns();
    world_.turn();
    const std::uint64_t took = thread_cpu_ns() - begin;
    was_preempted_ = preemptions() != preempted_before;
    most_opened_ = std::max(most_opened_, world_.last_work().opened);
    most_asked_ = std::max(most_asked_, world_.last_work().asked);
    if (plan_.is_logged && world_.take_logged_packets() != 0) has_logged_ = true;
    return static_cast<double>(took) * 1e-3;
  }

  const Flood flood_;
  const Size size_;
  const BenchPlan plan_;
  BenchWorld world_;
  const std::vector<BenchFrame> flood_frames_;
  const std::vector<BenchFrame> answers_;
  WorkerCounters before_;  // as the measured turns began
  std::uint64_t filled_before_ = 0;
  std::uint64_t most_asked_ = 0;  // by one turn
  std::uint64_t most_opened_ = 0;
  std::uint32_t turns_ = 0;
  std::uint32_t calm_turns_ = 0;  // measured
  bool has_logged_ = false;       // meanwhile
  bool was_preempted_ = false;
};

// A sweep is over when it has passed all flows; whoever wants an entry comes once.
std::uint32_t turns_of(Flood flood, const Size& size) {
  if (fills_its_share(flood) || flood == Flood::Collisions) {
    return strangers_of(flood, size) / static_cast<std::uint32_t>(kBurstMax);
  }
  if (flood != Flood::Window) return size.turns;
  return std::min<std::uint32_t>(size.turns, capacity_of(size) / kSweptPerTurn);
}

double percentile(std::vector<double>& sorted, double part) {
  return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

void run(benchmark::State& state, Flood flood, const Size& size) {
  for (auto _ : state) {
    FloodedWorld world(flood, size);
    std::vector<double> calm;
    std::vector<double> flooded;
    const auto note = [&](std::vector<double>& samples, double took) {
      if (!world.was_preempted()) samples.push_back(took);
    };
    for (std::uint32_t turn = 0; turn < turns_of(flood, size); ++turn) {
      if (world.has_calm_turns_between()) note(calm, world.calm_turn());
      note(flooded, world.flooded_turn());
    }
    if (!world.is_sound())
      return state.SkipWithError("it was no such flood, or established connections were lost");
    for (std::uint32_t i = 0; i < size.turns && calm.size() < size.turns / 4; ++i) {
      note(calm, world.calm_turn());
    }
    if (calm.empty() || flooded.size() < turns_of(flood, size) / 4)
      return state.SkipWithError("every turn was interrupted");
    std::sort(calm.begin(), calm.end());
    std::sort(flooded.begin(), flooded.end());
    const double normal = percentile(calm, 0.5);
    state.counters["normal_us"] = normal;
    state.counters["beyond_p50_us"] = percentile(flooded, 0.5) - normal;
    state.counters["beyond_p99_us"] = percentile(flooded, 0.99) - normal;
    state.counters["beyond_worst_us"] = flooded.back() - normal;
    state.counters["turns"] = static_cast<double>(flooded.size());
  }
}

void add(const std::string& name, const Size& size) {
  struct Named {
    const char* name;
    Flood flood;
  };
  for (const Named& named :
       {Named{"syn", Flood::Syn}, Named{"udp", Flood::Udp}, Named{"icmp", Flood::Icmp},
        Named{"ack", Flood::Ack}, Named{"error", Flood::Error}, Named{"syn6", Flood::Syn6},
        Named{"handed", Flood::Handed}, Named{"interfaces", Flood::Interfaces},
        Named{"rst", Flood::Rst}, Named{"ports", Flood::Ports}, Named{"quic", Flood::Quic},
        Named{"first", Flood::First}, Named{"later", Flood::Later},
        Named{"refused", Flood::Refused}, Named{"collisions", Flood::Collisions},
        Named{"expiry", Flood::Expiry}, Named{"policy", Flood::Policy},
        Named{"window", Flood::Window}}) {
    if (named.flood == Flood::Quic && !SLUICE_HAS_HYPERSCAN) continue;
    benchmark::RegisterBenchmark(
        ("flood/" + std::string(named.name) + "/" + name).c_str(),
        [flood = named.flood, size](benchmark::State& state) { run(state, flood, size); })
        ->Iterations(1);
  }
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  sluice::add("64k", {.established = 1u << 16, .flood = 3u << 16, .turns = 3'000});
  sluice::add("tiny", {.established = 1u << 10, .flood = 3u << 10, .turns = 64});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
