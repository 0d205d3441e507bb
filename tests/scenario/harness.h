#pragma once

// The whole pipeline in memory: policy + packets + a clock of the test's own -> verdicts, frames,
// flow log deltas. No root, no huge pages, no NIC; workers take their turns one after the other.
//
// The little world of every scene (addresses of subnet-front in brackets):
//
//   web  eni 0  10.0.1.10  fd00:10:0:1::10  02:00:00:00:01:10   group 0     VPC 10.0.0.0/16
//   app  eni 1  10.0.1.20  fd00:10:0:1::20  02:00:00:00:01:20   group 1         fd00:10::/56
//   db   eni 2  10.0.2.30  fd00:10:0:2::30  02:00:00:00:02:30   group 2     subnets .1 and .2
//
// Groups begin without any rule. When a scene ends, its books must balance: packets of each device,
// the sum law of the flow log, and every buffer given back.

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "dataplane/burst.h"
#include "dataplane/memory_io.h"
#include "dataplane/requests.h"
#include "dataplane/turn_work.h"
#include "dataplane/worker.h"
#include "lookup/snapshot_builder.h"
#include "tests/packets/packet.h"

namespace sluice {

inline constexpr EniIndex kWeb{0};
inline constexpr EniIndex kApp{1};
inline constexpr EniIndex kDb{2};
inline constexpr const char* kWebMac = "02:00:00:00:01:10";
inline constexpr const char* kAppMac = "02:00:00:00:01:20";
inline constexpr const char* kDbMac = "02:00:00:00:02:30";
inline constexpr const char* kGatewayMac = "02:99:00:00:00:01";
inline constexpr const char* kClient = "198.51.100.7";
inline constexpr const char* kClient6 = "2001:db8:7::7";
inline constexpr const char* kWeb4 = "10.0.1.10";
inline constexpr const char* kWeb6 = "fd00:10:0:1::10";
inline constexpr const char* kApp4 = "10.0.1.20";
inline constexpr const char* kDb4 = "10.0.2.30";

inline constexpr int kTcp = 6;
inline constexpr int kUdp = 17;
inline constexpr int kIcmp = 1;
inline constexpr int kIcmpv6 = 58;
inline constexpr int kAll = -1;

enum class Wiring {
  Routed,  // devices 0, 1, 2: ports of web, app, db; 3: the uplink
  Bump,    // device 0: inside, 1: outside
  Replay,  // device 0: the capture
};

// What became of one packet.
struct Outcome {
  bool is_finished = false;  // false: it is held
  Verdict verdict = Verdict::None;
  DropReason reason = DropReason::None;
  EndResult egress;
  EndResult ingress;
  std::vector<MemoryIo::Sent> sent;  // in answer to it

  bool passed() const { return is_finished && verdict == Verdict::Accept && !sent.empty(); }
};

struct SceneOptions {
  Wiring wiring = Wiring::Replay;
  std::uint32_t workers = 1;
  std::uint32_t flow_capacity = 1u << 12;
  std::size_t delta_ring = 1u << 14;
  std::uint32_t interface_capacity = 16;
  bool observe = true;  // false: as the appliance runs, outcomes know only what was sent
  bool publish = true;
  bool forward_unknown = false;  // of a bump
  bool source_check = true;      // of a bump, or of ports of interfaces
  HashKey key{};
};

class Scene {
 public:
  explicit Scene(Wiring wiring) : Scene(SceneOptions{.wiring = wiring}) {}
  explicit Scene(const SceneOptions& options);
  ~Scene();
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  // Of all devices together, replayed captures apart.
  std::atomic<bool> link_up{true};

  // Policy. Changes take effect with publish(), which raises the generation.
  SnapshotInput policy;
  RuleIndex allow(std::uint32_t group, Direction direction, int proto, int low, int high,
                  PeerInput peer);
  RuleIndex allow_in(std::uint32_t group, int proto, int low, int high, std::string_view cidr);
  RuleIndex allow_out(std::uint32_t group, int proto, int low, int high, std::string_view cidr);
  RuleIndex allow_in_from(std::uint32_t group, int proto, int port, std::uint32_t peer_group);
  RuleIndex allow_out_to(std::uint32_t group, int proto, int port, std::uint32_t peer_group);
  void remove(RuleIndex rule);
  AclInput& add_acl(std::uint32_t subnet);
  static AclEntryInput acl_entry(std::uint32_t rule, bool allow, int proto, int low, int high,
                                 std::string_view cidr);
  void publish();
  InterfaceInput& interface(EniIndex eni) { return policy.interfaces[eni.value()]; }

  // Packets.
  Outcome send(const Packet& packet) { return send(0, packet.build()); }
  Outcome send(std::uint16_t nic, const Packet& packet) { return send(nic, packet.build()); }
  Outcome send(std::uint16_t nic, const Bytes& frame, std::uint32_t worker = 0);
  // Handshakes of so many connections to port 443 of web, from ports 10,000 on of kClient: as far
  // as rules and room allow.
  void connect_many(std::uint32_t count);
  // Group 0 serves the world: HTTPS to everybody, DNS and pings to the upper half of it. Publishes.
  void serve_the_world();
  // All of them in one burst.
  std::vector<Outcome> send_together(std::uint16_t nic, const std::vector<Bytes>& frames);
  // What was said of a packet that was held when send() returned; by its number, from 1.
  const Outcome& outcome(std::uint64_t number) { return outcomes_[number]; }
  std::uint64_t last_number() const { return next_tag_ - 1; }
  // Frames sent since the last send() without being asked (gateway resolution, held fragments).
  std::vector<MemoryIo::Sent> take_sent();

  // The test's clock. Turns are taken meanwhile, so that timers work.
  void wait_s(double seconds);
  // The same without a turn: the next packet finds everything as it was left.
  void jump_s(double seconds) { now_ns_ += static_cast<UnixNanos>(seconds * 1e9); }
  void turn(std::size_t times = 1);
  std::uint32_t now_s() const { return static_cast<std::uint32_t>(now_ns_ / kNanosPerSecond); }
  void learn_gateways();

  // What workers told.
  std::vector<FlowDelta> take_deltas();
  std::vector<WatchEvent> take_watch();
  void watch(std::uint32_t bits) { watching_.store(bits, std::memory_order_relaxed); }
  std::vector<FlowView> flows();
  std::size_t flow_count();
  NicCounters nic(std::uint16_t index);
  std::uint64_t drops(DropReason reason);
  InterfaceCounters counters(EniIndex eni);
  std::vector<LogLaw> log_law();
  Worker& worker(std::uint32_t index = 0) { return *workers_[index]; }
  MemoryIo& io(std::uint32_t index = 0) { return *ios_[index]; }
  void mail(WorkerRequest* request) { mail_[0]->try_push(request); }
  // Lets the first worker answer it.
  void ask(WorkerRequest& request);
  bool finish();
  // The most of each unit that a turn did since the scene, or the last call, began. That no turn
  // passes the bounds of turn_work.h is part of every scene.
  TurnWork take_most_work() { return std::exchange(most_work_, {}); }
  std::uint32_t worker_count() const { return options_.workers; }

 private:
  class Recorder;
  void make_policy();
  std::vector<NicInfo> make_nics() const;
  void make_workers();
  void settle();
  std::size_t take_turn(Worker& worker);
  void check_books();
  void check_live(Worker& worker);

  SceneOptions options_;
  UnixNanos now_ns_ = 1'718'000'010 * kNanosPerSecond;
  std::uint32_t next_rule_ = 0;
  std::uint64_t next_tag_ = 1;
  std::map<std::uint64_t, Outcome> outcomes_;
  std::vector<MemoryIo::Sent> unasked_;
  bool is_finished_ = false;
  TurnWork most_work_;

  std::shared_ptr<const PolicySnapshot> published_;
  std::vector<std::shared_ptr<const PolicySnapshot>> retired_;
  Published<PolicySnapshot> pointer_;
  std::atomic<std::uint32_t> watching_{0};
  std::vector<std::unique_ptr<SpscRing<Handoff>>> handoffs_;  // from * workers + to
  std::vector<std::unique_ptr<SpscRing<FlowDelta>>> deltas_;
  std::vector<std::unique_ptr<SpscRing<WatchEvent>>> watch_;
  std::vector<std::unique_ptr<SpscRing<WorkerRequest*>>> mail_;
  std::unique_ptr<Recorder> recorder_;
  std::vector<std::unique_ptr<MemoryIo>> ios_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace sluice
