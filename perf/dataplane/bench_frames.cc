#include "perf/dataplane/bench_frames.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "dataplane/parse.h"
#include "flowtable/flow_key.h"

namespace sluice {

namespace {

constexpr std::uint16_t kTcpPort = 443;
constexpr std::uint16_t kUdpPort = 4'433;
constexpr std::uint32_t kLocalSequence = 0x10000000;

// As long as what a frame carries else.
constexpr std::string_view kSshOpening = "SSH-2.0-b\n";
constexpr std::string_view kDnsOpening("\x12\x34\1\0\0\1\0\0\0\0\0\0\4abcd\0\0\1\0\1", 22);
static_assert(kSshOpening.size() ==
              sizeof(BenchFrame) - sizeof(EthernetHeader) - sizeof(Ipv4Header) - sizeof(TcpHeader));
static_assert(kDnsOpening.size() ==
              sizeof(BenchFrame) - sizeof(EthernetHeader) - sizeof(Ipv4Header) - sizeof(UdpHeader));

std::size_t write_ip(std::uint8_t* at, const IpAddr& source, const IpAddr& destination, Proto proto,
                     std::size_t length) {
  if (source.is_v4()) {
    Ipv4Header ip{};
    ip.version_ihl = 0x45;
    ip.total_length = Be16::from_host(static_cast<std::uint16_t>(sizeof ip + length));
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
  ip.payload_length = Be16::from_host(static_cast<std::uint16_t>(length));
  ip.next = static_cast<std::uint8_t>(proto);
  ip.hop_limit = 64;
  source.to_wire16(ip.source);
  destination.to_wire16(ip.destination);
  std::memcpy(at, &ip, sizeof ip);
  return sizeof ip;
}

// The first sequence number of the remote side.
std::uint32_t remote_sequence(const Conversation& talk) {
  return talk.remote_port * 2'654'435'761u;
}

void write_tcp(std::uint8_t* at, const Conversation& talk, const BenchSegment& segment, Be16 from,
               Be16 to) {
  const std::uint32_t remote = remote_sequence(talk);
  const std::uint32_t own = segment.is_from_remote ? remote : kLocalSequence;
  const std::uint32_t other = segment.is_from_remote ? kLocalSequence : remote;
  const bool acknowledges = (segment.flags & TcpFlags::kAck) != 0;
  TcpHeader tcp{};
  tcp.source_port = from;
  tcp.destination_port = to;
  tcp.sequence = Be32::from_host(own + segment.sent);
  tcp.acknowledgment = Be32::from_host(acknowledges ? other + segment.heard : 0);
  tcp.offset = 0x50;
  tcp.flags = segment.flags;
  tcp.window = Be16::from_host(0xffff);
  std::memcpy(at, &tcp, sizeof tcp);
}

void write_udp(std::uint8_t* at, Be16 from, Be16 to, std::size_t length) {
  UdpHeader udp{};
  udp.source_port = from;
  udp.destination_port = to;
  udp.length = Be16::from_host(static_cast<std::uint16_t>(length));
  std::memcpy(at, &udp, sizeof udp);
}

// The worker whose flow it is.
std::uint32_t owner_of(const Conversation& talk, std::uint32_t workers) {
  const std::uint64_t hash = owner_hash(HashKey{}, tuple_of(talk)) >> 32;
  return static_cast<std::uint32_t>(hash * workers >> 32);
}

}  // namespace

MacAddr bench_mac(std::uint8_t kind, std::uint16_t number) {
  const Be16 wire = Be16::from_host(number);
  MacAddr mac{{2, kind, 0, 0, 0, 0}};
  std::memcpy(mac.bytes.data() + 4, &wire, sizeof wire);
  return mac;
}

IpAddr bench_address(Family family, std::uint32_t interface) {
  if (family == Family::Ipv4) return IpAddr::v4(0x0a4d010au + interface);  // 10.77.1.10
  return IpAddr::v6(0xfd00'0077'0000'0001u, 10 + interface);
}

Conversation conversation_of(const BenchPlan& plan, std::uint32_t i) {
  Conversation talk;
  const std::uint32_t place = i * 0x9e3779b1u >> 8;
  const bool is_between = plan.way == BenchWay::Between;
  talk.interface = plan.way == BenchWay::Outbound ? 0 : is_between ? 1 : i % plan.interfaces;
  talk.local = bench_address(plan.family, talk.interface);
  // Behind an IPv6 header 64 bytes have no room for TCP.
  const bool is_turn_of_tcp = i % 2 == 0 || !plan.has_udp;
  const bool is_tcp = plan.has_tcp && is_turn_of_tcp && plan.family == Family::Ipv4;
  talk.proto = is_tcp ? Proto::Tcp : Proto::Udp;
  talk.local_port = is_between ? static_cast<std::uint16_t>(1'024 + i / 60'000)
                    : is_tcp   ? kTcpPort
                               : kUdpPort;
  talk.remote_port = static_cast<std::uint16_t>(1'024 + i % 60'000);
  if (is_between) {
    talk.remote = bench_address(plan.family, 0);
  } else if (plan.family == Family::Ipv4) {
    talk.remote = IpAddr::v4(0x14000000u | place);  // 20.0.0.0/8
  } else {
    talk.remote = IpAddr::v6(0x2001'0db8'0000'0000u, place);
  }
  while (plan.workers > 1 && owner_of(talk, plan.workers) != 0) ++talk.remote_port;
  return talk;
}

FlowTuple tuple_of(const Conversation& talk) {
  FlowTuple tuple;
  tuple.eni = EniIndex(talk.interface);
  tuple.proto = talk.proto;
  tuple.local = talk.local;
  tuple.remote = talk.remote;
  tuple.local_port = talk.local_port;
  tuple.remote_port = talk.remote_port;
  return tuple;
}

BenchFrame frame_of(const BenchPlan& plan, const Conversation& talk, const BenchSegment& segment) {
  const bool comes_from_uplink = segment.is_from_remote && plan.way != BenchWay::Between;
  BenchFrame frame{};
  EthernetHeader ethernet{};
  ethernet.source = comes_from_uplink ? bench_mac(9, 9) : bench_mac(1, 0);
  // The router at the device that they come by, see make_bench_nics().
  ethernet.destination = bench_mac(0xee, comes_from_uplink ? 0 : 1);
  ethernet.type =
      Be16::from_host(plan.family == Family::Ipv4 ? EtherType::kIpv4 : EtherType::kIpv6);
  std::memcpy(frame.data(), &ethernet, sizeof ethernet);
  std::uint8_t* at = frame.data() + sizeof ethernet;
  const IpAddr& source = segment.is_from_remote ? talk.remote : talk.local;
  const IpAddr& destination = segment.is_from_remote ? talk.local : talk.remote;
  const std::size_t header = talk.proto == Proto::Tcp ? sizeof(TcpHeader) : sizeof(UdpHeader);
  const std::size_t ip_header = source.is_v4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  const std::size_t length = segment.payload ? header + segment.payload->size()
                                             : frame.size() - sizeof ethernet - ip_header;
  at += write_ip(at, source, destination, talk.proto, length);
  const Be16 from = Be16::from_host(segment.is_from_remote ? talk.remote_port : talk.local_port);
  const Be16 to = Be16::from_host(segment.is_from_remote ? talk.local_port : talk.remote_port);
  if (talk.proto == Proto::Tcp) {
    write_tcp(at, talk, segment, from, to);
  } else {
    write_udp(at, from, to, length);
  }
  if (segment.payload) {
    at += header;
    const std::size_t room = static_cast<std::size_t>(frame.data() + frame.size() - at);
    std::memcpy(at, segment.payload->data(), std::min(room, segment.payload->size()));
  }
  return frame;
}

BenchFrame frame_of(const BenchPlan& plan, const Conversation& talk) {
  BenchSegment segment;
  segment.is_from_remote = plan.way != BenchWay::Outbound;
  return frame_of(plan, talk, segment);
}

BenchFrame opening_frame_of(const BenchPlan& plan, const Conversation& talk) {
  BenchSegment segment;
  segment.is_from_remote = plan.way != BenchWay::Outbound;
  segment.payload = talk.proto == Proto::Tcp ? kSshOpening : kDnsOpening;
  return frame_of(plan, talk, segment);
}

}  // namespace sluice
