#include "perf/dataplane/bench_world.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <utility>

#include "base/cache_line.h"
#include "base/check.h"
#include "dataplane/parse.h"
#include "dataplane/wire.h"
#include "dataplane/worker_context.h"
#include "lookup/snapshot_builder.h"

namespace sluice {

namespace {

constexpr std::uint32_t kInterfaces = 16;
constexpr UnixNanos kStartNs = 1'718'000'010 * kNanosPerSecond;
constexpr std::uint16_t kTcpPort = 443;
constexpr std::uint16_t kUdpPort = 4'433;

constexpr MacAddr mac_of(std::uint8_t kind, std::uint8_t number) {
  return MacAddr{{2, kind, 0, 0, 0, number}};
}

// One conversation, as it lies between an interface and somebody remote.
struct Conversation {
  std::uint32_t interface;
  IpAddr local;
  IpAddr remote;
  std::uint16_t local_port;
  std::uint16_t remote_port;
  Proto proto;
};

IpAddr local_address(Family family, std::uint32_t interface) {
  if (family == Family::Ipv4) return IpAddr::v4(0x0a4d010au + interface);  // 10.77.1.10
  return IpAddr::v6(0xfd00'0077'0000'0001u, 10 + interface);
}

// The i-th conversation; remote hosts jump about, so that neighbours in the replay are none in the
// flow table. Between interfaces all have the one that sends for their remote side.
Conversation conversation_of(const BenchPlan& plan, std::uint32_t i) {
  Conversation talk;
  const std::uint32_t place = i * 0x9e3779b1u >> 8;
  const bool is_between = plan.way == BenchWay::Between;
  talk.interface = plan.way == BenchWay::Outbound ? 0 : is_between ? 1 : i % kInterfaces;
  talk.local = local_address(plan.family, talk.interface);
  // Behind an IPv6 header 64 bytes have no room for TCP.
  const bool is_tcp = i % 2 == 0 && plan.family == Family::Ipv4;
  talk.proto = is_tcp ? Proto::Tcp : Proto::Udp;
  talk.local_port = is_between ? static_cast<std::uint16_t>(1'024 + i / 60'000)
                    : is_tcp   ? kTcpPort
                               : kUdpPort;
  talk.remote_port = static_cast<std::uint16_t>(1'024 + i % 60'000);
  if (is_between) {
    talk.remote = local_address(plan.family, 0);
  } else if (plan.family == Family::Ipv4) {
    talk.remote = IpAddr::v4(0x14000000u | place);  // 20.0.0.0/8
  } else {
    talk.remote = IpAddr::v6(0x2001'0db8'0000'0000u, place);
  }
  return talk;
}

std::size_t write_ip(std::uint8_t* at, const IpAddr& source, const IpAddr& destination,
                     Proto proto) {
  if (source.is_v4()) {
    Ipv4Header ip{};
    ip.version_ihl = 0x45;
    ip.total_length = Be16::from_host(sizeof(BenchFrame) - sizeof(EthernetHeader));
    ip.ttl = 64;
    ip.proto = static_cast<std::uint8_t>(proto);
    ip.source = Be32::from_host(source.v4_value());
    ip.destination = Be32::from_host(destination.v4_value());
    std::memcpy(at, &ip, sizeof ip);
    ip.checksum = Be16::from_host(static_cast<std::uint16_t>(~ones_sum({at, sizeof ip})));
    std::memcpy(at, &ip, sizeof ip);
    return sizeof ip;
  }
  Ipv6Header ip{};
  ip.version_class_label = Be32::from_host(6u << 28);
  const std::size_t headers = sizeof(EthernetHeader) + sizeof(Ipv6Header);
  ip.payload_length = Be16::from_host(static_cast<std::uint16_t>(sizeof(BenchFrame) - headers));
  ip.next = static_cast<std::uint8_t>(proto);
  ip.hop_limit = 64;
  source.to_wire16(ip.source);
  destination.to_wire16(ip.destination);
  std::memcpy(at, &ip, sizeof ip);
  return sizeof ip;
}

// A segment in the middle of a connection (which CT-23 admits), or a datagram.
BenchFrame frame_of(const BenchPlan& plan, const Conversation& talk) {
  BenchFrame frame{};
  const bool is_inbound = plan.way == BenchWay::Bump || plan.way == BenchWay::Inbound;
  const bool goes_to_local = is_inbound || plan.way == BenchWay::Between;
  EthernetHeader ethernet{};
  ethernet.source = is_inbound ? mac_of(9, 9) : mac_of(1, 0);
  ethernet.destination = mac_of(0xee, 0);
  ethernet.type =
      Be16::from_host(plan.family == Family::Ipv4 ? EtherType::kIpv4 : EtherType::kIpv6);
  std::memcpy(frame.data(), &ethernet, sizeof ethernet);
  const IpAddr& source = goes_to_local ? talk.remote : talk.local;
  const IpAddr& destination = goes_to_local ? talk.local : talk.remote;
  std::uint8_t* at = frame.data() + sizeof ethernet;
  at += write_ip(at, source, destination, talk.proto);
  const Be16 from = Be16::from_host(goes_to_local ? talk.remote_port : talk.local_port);
  const Be16 to = Be16::from_host(goes_to_local ? talk.local_port : talk.remote_port);
  const auto left = static_cast<std::size_t>(frame.data() + frame.size() - at);
  if (talk.proto == Proto::Udp) {
    UdpHeader udp{};
    udp.source_port = from;
    udp.destination_port = to;
    udp.length = Be16::from_host(static_cast<std::uint16_t>(left));
    std::memcpy(at, &udp, sizeof udp);
    return frame;
  }
  TcpHeader tcp{};
  tcp.source_port = from;
  tcp.destination_port = to;
  tcp.sequence = Be32::from_host(talk.remote_port * 2'654'435'761u);
  tcp.acknowledgment = Be32::from_host(0x10000000);
  tcp.offset = 0x50;
  tcp.flags = TcpFlags::kAck;
  tcp.window = Be16::from_host(0xffff);
  std::memcpy(at, &tcp, sizeof tcp);
  return frame;
}

RuleInput rule(std::uint32_t number, Direction direction, int proto, int port, PeerInput peer) {
  RuleInput result;
  result.index = RuleIndex(number);
  char text[32];
  std::snprintf(text, sizeof text, "sgr-%017u", number);
  result.id = text;
  result.direction = direction;
  result.proto.number = proto;
  result.ports = {port, port};
  result.peer = std::move(peer);
  return result;
}

// plan.rules rules each way, of which one admits every conversation.
GroupInput make_group(const BenchPlan& plan) {
  GroupInput group;
  group.index = GroupIndex(0);
  group.vpc = VpcIndex(0);
  std::uint32_t number = 0;
  const Cidr all = *Cidr::parse(plan.family == Family::Ipv4 ? "0.0.0.0/1" : "::/1");
  for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
    // Not everything from anywhere: such flows would not be tracked (CT-4). One way is enough.
    const bool opens = (direction == Direction::Egress) == (plan.way == BenchWay::Outbound);
    if (opens || plan.way == BenchWay::Between) {
      group.rules.push_back(rule(number++, direction, ProtoMatch::kAll, 0, all));
    }
    for (std::uint32_t i = 1; i < plan.rules; ++i) {
      const Cidr other = *Cidr::parse("172.16." + std::to_string(i % 256) + ".0/24");
      group.rules.push_back(rule(number++, direction, 6, static_cast<int>(1'000 + i), other));
    }
  }
  return group;
}

SnapshotInput make_policy(const BenchPlan& plan) {
  SnapshotInput policy;
  policy.generation = Generation(1);
  VpcInput vpc;
  vpc.index = VpcIndex(0);
  vpc.cidrs = {*Cidr::parse("10.77.0.0/16"), *Cidr::parse("fd00:77::/32")};
  policy.vpcs = {vpc};
  SubnetInput subnet;
  subnet.index = SubnetIndex(0);
  subnet.vpc = VpcIndex(0);
  subnet.cidrs = {*Cidr::parse("10.77.1.0/24"), *Cidr::parse("fd00:77:0:1::/64")};
  policy.subnets = {subnet};
  policy.groups = {make_group(plan)};
  for (std::uint32_t i = 0; i < kInterfaces; ++i) {
    InterfaceInput interface;
    interface.index = EniIndex(i);
    interface.vpc = VpcIndex(0);
    interface.subnet = SubnetIndex(0);
    interface.mac = mac_of(1, static_cast<std::uint8_t>(i));
    interface.addresses = {local_address(Family::Ipv4, i), local_address(Family::Ipv6, i)};
    interface.groups = {GroupIndex(0)};
    interface.logged = plan.is_logged;
    policy.interfaces.push_back(interface);
  }
  return policy;
}

NicInfo nic_of(NicRole role, std::uint8_t number) {
  NicInfo nic;
  nic.config.role = role;
  nic.mac = mac_of(0xee, number);
  return nic;
}

// The device that packets come from is the first.
std::vector<NicInfo> make_nics(const BenchPlan& plan) {
  if (plan.way == BenchWay::Bump) {
    std::vector<NicInfo> nics = {nic_of(NicRole::Outside, 0), nic_of(NicRole::Inside, 1)};
    nics[0].config.peer = NicIndex(1);
    nics[1].config.peer = NicIndex(0);
    return nics;
  }
  NicInfo uplink = nic_of(NicRole::Uplink, 0);
  uplink.config.vpcs = {VpcIndex(0)};
  uplink.config.addresses = {{*IpAddr::parse("192.0.2.2"), 30},
                             {*IpAddr::parse("2001:db8:f::2"), 64}};
  uplink.config.gateways = {*IpAddr::parse("192.0.2.1"), *IpAddr::parse("2001:db8:f::1")};
  constexpr std::uint64_t kResolved = std::uint64_t{3} << 48 | 0x0299'0000'0001u;
  uplink.gateways->ipv4.store(kResolved);
  uplink.gateways->ipv6.store(kResolved);
  std::vector<NicInfo> nics;
  if (plan.way == BenchWay::Inbound) nics.push_back(uplink);
  for (std::uint32_t i = 0; i < kInterfaces; ++i) {
    NicInfo nic = nic_of(NicRole::Interface, static_cast<std::uint8_t>(i + 1));
    nic.config.interface = EniIndex(i);
    nics.push_back(nic);
  }
  if (plan.way != BenchWay::Inbound) nics.push_back(uplink);
  return nics;
}

}  // namespace

std::size_t ReplayIo::receive(NicIndex nic, std::span<Frame> frames) {
  if (nic != source_ || rests_) return 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    buffers_[i] = frames_[next_];
    next_ = next_ + 1 == frames_.size() ? 0 : next_ + 1;
    Frame& frame = frames[i];
    frame.data = buffers_[i].data();
    frame.contiguous = frame.length = frame.capacity = sizeof(BenchFrame);
  }
  return frames.size();
}

BenchWorld::BenchWorld(const BenchPlan& plan) : plan_(plan), now_ns_(kStartNs) {
  for (std::uint32_t i = 0; i < plan.flows; ++i) {
    frames_.push_back(frame_of(plan, conversation_of(plan, i)));
  }
  auto snapshot = build_snapshot(make_policy(plan));
  CHECK(snapshot.has_value());
  policy_ = *snapshot;
  published_.swap(policy_.get());
  io_ = std::make_unique<ReplayIo>(NicIndex(0), frames_);
  WorkerConfig config;
  config.flow_capacity = std::max<std::uint32_t>(1u << 16, 4 * plan.flows);
  config.interface_capacity = kInterfaces;
  config.start_ns = now_ns_;
  config.nics = make_nics(plan);
  WorkerLinks links;
  links.policy = &published_;
  worker_ = std::make_unique<Worker>(config, links, *io_);
}

BenchWorld::~BenchWorld() = default;

void BenchWorld::admit_all() {
  std::vector<BenchFrame> shuffled = frames_;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(2'026));
  ReplayIo once(NicIndex(0), shuffled);
  std::swap(*io_, once);
  for (std::size_t done = 0; done < shuffled.size();) done += turn();
  std::swap(*io_, once);
  CHECK(is_sound());
}

std::size_t BenchWorld::turn() {
  now_ns_ += 1'000;
  return worker_->turn(now_ns_);
}

std::size_t BenchWorld::bare_turn() {
  const std::size_t count = io_->receive(NicIndex(0), bare_frames_);
  return io_->send(NicIndex(1), std::span(bare_frames_).first(count));
}

bool BenchWorld::is_sound() const {
  const WorkerCounters counters = worker_->counters();
  std::uint64_t dropped = 0;
  for (const std::uint64_t drops : counters.packets.drops) dropped += drops;
  const std::uint64_t ends = plan_.way == BenchWay::Between ? 2 : 1;
  return dropped == 0 && counters.packets.tx_packets == counters.packets.rx_packets &&
         counters.flows == ends * plan_.flows && counters.flows_ended == 0;
}

}  // namespace sluice
