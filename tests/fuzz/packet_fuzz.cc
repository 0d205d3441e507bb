// libFuzzer: bytes as one frame into the parser, and as a sequence of frames and pauses through the
// whole pipeline, over every kind of port. Nothing may be read beyond a frame (buffers are exactly
// as long as it), no buffer may get lost, the books must balance.
//
// The input is a sequence of records: one byte says what (0 to 3: a frame by that device, 4 to 7:
// the same over the replay device, 8: a pause), two bytes how long the frame is.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/check.h"
#include "dataplane/memory_io.h"
#include "dataplane/parse.h"
#include "dataplane/requests.h"
#include "dataplane/worker.h"
#include "lookup/snapshot_builder.h"

namespace sluice {
namespace {

IpAddr address(const char* text) { return *IpAddr::parse(text); }

InterfaceInput interface(std::uint32_t index, const char* v4, const char* v6, const char* mac) {
  InterfaceInput result;
  result.index = EniIndex(index);
  result.vpc = VpcIndex(0);
  result.subnet = SubnetIndex(0);
  result.addresses = {address(v4), address(v6)};
  result.mac = *MacAddr::parse(mac);
  result.groups = {GroupIndex(0)};
  result.logged = true;
  return result;
}

std::shared_ptr<const PolicySnapshot> make_policy() {
  SnapshotInput input;
  input.generation = Generation(1);
  VpcInput vpc;
  vpc.index = VpcIndex(0);
  vpc.cidrs = {*Cidr::parse("10.0.0.0/16"), *Cidr::parse("fd00:10::/56")};
  input.vpcs = {vpc};
  SubnetInput subnet;
  subnet.index = SubnetIndex(0);
  subnet.vpc = VpcIndex(0);
  subnet.cidrs = vpc.cidrs;
  input.subnets = {subnet};
  GroupInput group;
  group.index = GroupIndex(0);
  group.vpc = VpcIndex(0);
  std::uint32_t next = 0;
  for (const char* cidr : {"0.0.0.0/1", "128.0.0.0/1", "::/0"}) {
    for (Direction direction : {Direction::Ingress, Direction::Egress}) {
      RuleInput rule;
      rule.index = RuleIndex(next);
      rule.id = "sgr-0000000000000000" + std::to_string(next++);  // 17 digits: next is below 10
      rule.direction = direction;
      rule.peer = *Cidr::parse(cidr);
      group.rules.push_back(rule);
    }
  }
  input.groups = {group};
  input.interfaces = {interface(0, "10.0.1.10", "fd00:10:0:1::10", "02:00:00:00:01:10"),
                      interface(1, "10.0.1.20", "fd00:10:0:1::20", "02:00:00:00:01:20")};
  auto sealed = build_snapshot(input);
  CHECK(sealed.has_value());
  return *sealed;
}

NicInfo nic(NicRole role, std::uint16_t peer) {
  NicInfo result;
  result.config.role = role;
  result.config.interface = EniIndex(peer);
  result.config.peer = NicIndex(peer);
  result.mac.bytes = {2, 0xee, 0, 0, 0, 1};
  if (role != NicRole::Uplink) return result;
  result.config.vpcs = {VpcIndex(0)};
  result.config.addresses = {{address("192.0.2.2"), 30}, {address("2001:db8:f::2"), 64}};
  result.config.gateways = {address("192.0.2.1"), address("2001:db8:f::1")};
  return result;
}

// One worker with its world.
class World {
 public:
  explicit World(std::vector<NicInfo> nics) : io_(nics.size()) {
    pointer_.swap(policy_.get());
    WorkerConfig config;
    config.flow_capacity = 1'024;
    config.interface_capacity = 4;
    config.start_ns = now_ns_;
    config.nics = std::move(nics);
    WorkerLinks links;
    links.deltas = &deltas_;
    links.policy = &pointer_;
    worker_ = std::make_unique<Worker>(config, links, io_);
  }

  void frame(std::uint16_t nic_index, std::span<const std::uint8_t> bytes) {
    io_.push(NicIndex(nic_index), bytes);
    turn(kNanosPerMilli);
  }
  void turn(UnixNanos passed_ns) {
    now_ns_ += passed_ns;
    worker_->turn(now_ns_);
    io_.take_sent();
    FlowDelta delta;
    while (deltas_.pop(std::span(&delta, 1)) == 1) {
    }
  }
  void check_books() {
    const WorkerCounters counters = worker_->counters();
    CHECK(counters.packets.rx_packets + counters.packets.generated ==
          counters.packets.tx_packets + counters.packets.dropped() + counters.packets.consumed +
              counters.held);
    CHECK(io_.outstanding() == counters.held);
    LogLawRequest request(worker_->interface_end());
    CHECK(request.step(worker_->context()));
    for (const LogLaw& law : request.rows()) {
      CHECK(law.judged == law.live + law.sent + law.lost + law.not_logged);
    }
  }
  // The last turn gives everything back, held fragments too.
  void finish() {
    while (!worker_->finish(now_ns_)) turn(0);
    CHECK(io_.outstanding() == 0);
  }

 private:
  UnixNanos now_ns_ = 1'718'000'000 * kNanosPerSecond;
  std::shared_ptr<const PolicySnapshot> policy_ = make_policy();
  Published<PolicySnapshot> pointer_;
  SpscRing<FlowDelta> deltas_{256};
  MemoryIo io_;
  std::unique_ptr<Worker> worker_;
};

void parse_alone(std::span<const std::uint8_t> bytes) {
  PacketFacts facts;
  const auto length = static_cast<std::uint32_t>(bytes.size());
  if (parse_frame(bytes, length, facts) != DropReason::None) return;
  CHECK(!facts.is_ip() || facts.network_offset + facts.ip_length <= bytes.size());
  CHECK(!facts.is_ip() || facts.transport_offset() <= facts.network_offset + facts.ip_length);
  if (facts.has(PacketFacts::kIcmpError)) parse_quote(bytes, facts);
}

void run(std::span<const std::uint8_t> input) {
  World ports({nic(NicRole::Interface, 0), nic(NicRole::Uplink, 0), nic(NicRole::Inside, 3),
               nic(NicRole::Outside, 2)});
  World capture({replay_nic()});
  while (!input.empty()) {
    const std::uint8_t what = input[0];
    if (what >= 8 || input.size() < 3) {
      ports.turn(what * kNanosPerSecond);
      capture.turn(what * kNanosPerSecond);
      input = input.subspan(1);
      continue;
    }
    const std::size_t size = std::min<std::size_t>(input[1] << 8 | input[2], input.size() - 3);
    const auto bytes = input.subspan(3, size);
    parse_alone(bytes);
    if (what < 4) {
      ports.frame(what, bytes);
    } else {
      capture.frame(0, bytes);
    }
    input = input.subspan(3 + size);
  }
  for (World* world : {&ports, &capture}) {
    world->check_books();
    world->finish();
  }
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  sluice::parse_alone({data, size});
  sluice::run({data, size});
  return 0;
}
