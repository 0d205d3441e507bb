#pragma once

// The conversations of a bench and their packets, 64 bytes each.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/address.h"
#include "base/proto.h"
#include "dataplane/wire.h"
#include "flowtable/flow_tuple.h"
#include "lookup/l7_app.h"
#include "lookup/l7_tools.h"

namespace sluice {

// Which way the packets of a run go.
enum class BenchWay : std::uint8_t {
  Bump,      // from outside to inside, on a bump in the wire
  Inbound,   // from the uplink to the ports of interfaces
  Outbound,  // from the port of an interface to the uplink
  Between,   // from the port of an interface to that of another
};

inline constexpr std::uint32_t kBenchInterfaces = 16;

struct BenchPlan {
  BenchWay way = BenchWay::Bump;
  Family family = Family::Ipv4;
  std::uint32_t flows = 4'096;
  std::uint32_t rules = 100;
  bool is_logged = false;
  bool has_tcp = true;  // every other conversation, else all are UDP
  bool has_udp = true;
  std::uint32_t flow_capacity = 0;  // 0: four times the flows
  bool is_judged_anew = false;      // each policy asks for every flow to be judged again
  std::uint32_t interfaces = kBenchInterfaces;  // more of them on a bump in the wire alone
  // The rules that admit none of them name everybody in 192.0.0.0/3, each for a port of its own.
  bool has_wide_rules = false;
  // 2: a second worker hands over all that it receives, as every conversation is the first one's.
  std::uint32_t workers = 1;
  // What the rules of TCP and of UDP demand, Unknown: nothing; and a name beside it, of what
  // carries one, or none. It is identified with `tools`.
  App tcp_app = App::Unknown;
  App udp_app = App::Unknown;
  std::string_view domain = {};
  std::shared_ptr<const L7Tools> tools = nullptr;

  bool has_demands() const { return tcp_app != App::Unknown || udp_app != App::Unknown; }
};

using BenchFrame = std::array<std::uint8_t, 64>;

// One conversation, as it lies between an interface and somebody remote.
struct Conversation {
  std::uint32_t interface;
  IpAddr local;
  IpAddr remote;
  std::uint16_t local_port;
  std::uint16_t remote_port;
  Proto proto;
};

// One packet of it: of a datagram only who sent it counts.
struct BenchSegment {
  bool is_from_remote = true;
  std::uint8_t flags = TcpFlags::kAck;
  std::uint32_t sent = 0;   // bytes of the sender before it, SYN and FIN counted
  std::uint32_t heard = 0;  // bytes of its peer that it acknowledges
  // What it carries, as far as the frame has room (ReplayIo::play has the rest); absent: as many
  // zeros as fit.
  std::optional<std::string_view> payload = std::nullopt;
};

MacAddr bench_mac(std::uint8_t kind, std::uint16_t number);
// Of the interface with this number, below plan.interfaces.
IpAddr bench_address(Family family, std::uint32_t interface);

// The i-th conversation; remote hosts jump about, so that neighbours in the replay are none in the
// flow table. Between interfaces all have the one that sends for their remote side.
Conversation conversation_of(const BenchPlan& plan, std::uint32_t i);

// Its flow at the interface.
FlowTuple tuple_of(const Conversation& talk);

// A packet as it comes from its sender's side of the appliance.
BenchFrame frame_of(const BenchPlan& plan, const Conversation& talk, const BenchSegment& segment);
// A segment in the middle of a connection (which CT-23 admits), or a datagram, sent the plan's way.
BenchFrame frame_of(const BenchPlan& plan, const Conversation& talk);
// The same with bytes that tell what it is, without a scan: SSH, or a question for DNS.
BenchFrame opening_frame_of(const BenchPlan& plan, const Conversation& talk);

}  // namespace sluice
