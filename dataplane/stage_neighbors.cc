#include "dataplane/stage_neighbors.h"

#include <cstring>

#include "dataplane/flow_report.h"
#include "dataplane/neighbor_messages.h"
#include "dataplane/stage_emit.h"
#include "dataplane/wire.h"

namespace sluice {
namespace {

constexpr std::uint64_t kCellIsSet = std::uint64_t{1} << 48;
constexpr std::uint64_t kCellIsFresh = std::uint64_t{1} << 49;  // heard since it was asked last
constexpr std::uint64_t kUnresolvedMs = 1'000;
constexpr std::uint64_t kRefreshMs = 30'000;
constexpr unsigned kUnansweredMax = 3;  // then the gateway is taken for gone
constexpr IpAddr kRouterLinkLocal = IpAddr::v6(0xfe80000000000000u, 1);

std::atomic<std::uint64_t>& cell_of(const NicInfo& nic, Family family) {
  return family == Family::Ipv4 ? nic.gateways->ipv4 : nic.gateways->ipv6;
}

std::uint64_t cell_value(const MacAddr& mac) {
  std::uint64_t word = 0;
  for (std::uint8_t byte : mac.bytes) word = word << 8 | byte;
  return word | kCellIsSet | kCellIsFresh;
}

const MacAddr& frame_source(const Burst& burst, std::size_t i) {
  const std::uint8_t* bytes = burst.frames[i].data;
  return wire_at<EthernetHeader>(bytes).source;
}

void answer(WorkerContext& context, Burst& burst, std::size_t i) {
  const MacAddr& mac = context.nic(burst.packets[i].in).mac;
  Frame& frame = burst.frames[i];
  if (burst.facts[i].has(PacketFacts::kArp)) {
    answer_arp(frame, burst.facts[i], mac);
  } else if (!answer_solicitation(frame, burst.facts[i], mac)) {
    burst.packets[i].fate = Fate::Consume;
    return;
  }
  burst.packets[i].fate = Fate::Answer;
}

// The sender is the interface: its MAC address in frame and message, and one of its addresses (a
// probe has none yet, and an interface makes up its link-local address by itself).
bool is_from_interface(const WorkerContext& context, const Burst& burst, std::size_t i,
                       const InterfaceRow& row, const NeighborQuery& query) {
  if (frame_source(burst, i) != row.mac || query.sender_mac != row.mac) return false;
  const auto is_own = [&](const IpAddr& address) {
    return address.is_link_local() || context.policy->owner_of(row.vpc, address) == row.eni;
  };
  if (query.kind == NeighborQuery::Kind::Reply && !is_own(query.target)) return false;
  return query.sender.is_unspecified() || is_own(query.sender);
}

void meet_interface(WorkerContext& context, Burst& burst, std::size_t i,
                    const NeighborQuery& query) {
  const NicConfig& config = context.nic(burst.packets[i].in).config;
  const InterfaceRow* row = context.policy->find_interface(config.interface);
  if (row == nullptr) return drop(context, burst, i, DropReason::UnknownAddress);
  burst.packets[i].ends[static_cast<std::size_t>(Direction::Egress)].eni = row->eni;
  if (config.source_check && !is_from_interface(context, burst, i, *row, query)) {
    return drop(context, burst, i, DropReason::SourceCheck);
  }
  const bool is_answered =
      query.kind == NeighborQuery::Kind::Request && query.sender != query.target &&
      context.policy->owner_of(row->vpc, query.target) != row->eni &&
      (query.target == kRouterLinkLocal ||
       (!query.target.is_link_local() && context.policy->vpc_contains(row->vpc, query.target)));
  if (is_answered) return answer(context, burst, i);
  burst.packets[i].fate = Fate::Consume;
}

bool is_interface_of(const WorkerContext& context, const NicConfig& config, const IpAddr& address) {
  for (VpcIndex vpc : config.vpcs) {
    if (!context.policy->owner_of(vpc, address).is_none()) return true;
  }
  return false;
}

// A reply, or the request by which a gateway makes itself known (RFC 5227, 3: it asks for its own
// address).
bool tells_gateway(const NeighborQuery& query) {
  return query.kind == NeighborQuery::Kind::Reply ||
         (query.kind == NeighborQuery::Kind::Request && query.sender == query.target);
}

void learn(const NicInfo& nic, const NeighborQuery& query) {
  if (!query.is_told || query.sender_mac.is_group() || query.sender_mac.is_zero()) return;
  for (const IpAddr& gateway : nic.config.gateways) {
    if (gateway != query.target) continue;
    cell_of(nic, gateway.family()).store(cell_value(query.sender_mac), std::memory_order_relaxed);
  }
}

void meet_uplink(WorkerContext& context, Burst& burst, std::size_t i, const NeighborQuery& query) {
  const NicInfo& nic = context.nic(burst.packets[i].in);
  const bool is_spoofed = is_interface_of(context, nic.config, query.sender) ||
                          (query.kind == NeighborQuery::Kind::Reply &&
                           is_interface_of(context, nic.config, query.target));
  if (nic.config.source_check && is_spoofed) {
    return drop(context, burst, i, DropReason::SourceCheck);
  }
  burst.packets[i].fate = Fate::Consume;
  if (tells_gateway(query)) return learn(nic, query);
  if (query.kind != NeighborQuery::Kind::Request) return;
  if (nic.config.holds(query.target) || is_interface_of(context, nic.config, query.target))
    answer(context, burst, i);
}

void cross_bump(WorkerContext& context, Burst& burst, std::size_t i, const NeighborQuery& query) {
  const NicConfig& config = context.nic(burst.packets[i].in).config;
  if (config.role == NicRole::Outside && config.source_check) {
    const bool is_spoofed = !context.policy->owner_of(query.sender).is_none() ||
                            (query.kind == NeighborQuery::Kind::Reply &&
                             !context.policy->owner_of(query.target).is_none());
    if (is_spoofed) return drop(context, burst, i, DropReason::SourceCheck);
  }
  burst.packets[i].out = config.peer;
}

void meet(WorkerContext& context, Burst& burst, std::size_t i) {
  const PacketFacts& facts = burst.facts[i];
  const Frame& frame = burst.frames[i];
  const NicConfig& config = context.nic(burst.packets[i].in).config;
  const bool is_arp = facts.has(PacketFacts::kArp);
  const bool is_bump = config.role == NicRole::Inside || config.role == NicRole::Outside;
  const std::span<const std::uint8_t> bytes(frame.data, frame.contiguous);
  const auto query = is_arp ? read_arp(bytes, facts) : read_discovery(bytes, facts);
  if (!query) {
    // Without a source check nothing of ARP is ours to judge: it is not IP.
    if (is_arp && is_bump && !config.source_check) {
      burst.packets[i].out = config.peer;
      return;
    }
    return drop(context, burst, i,
                is_arp ? DropReason::MalformedArp : DropReason::MalformedNeighborDiscovery);
  }
  switch (config.role) {
    case NicRole::Interface:
      return meet_interface(context, burst, i, *query);
    case NicRole::Uplink:
      return meet_uplink(context, burst, i, *query);
    case NicRole::Inside:
    case NicRole::Outside:
      return cross_bump(context, burst, i, *query);
  }
}

// The uplink's own address of the family, to ask with.
std::optional<IpAddr> own_address(const NicConfig& config, Family family) {
  for (const InterfaceAddress& own : config.addresses) {
    if (own.address.family() == family) return own.address;
  }
  return std::nullopt;
}

void ask_gateway(WorkerContext& context, NicIndex index, const IpAddr& gateway) {
  const NicInfo& nic = context.nic(index);
  const bool is_v4 = gateway.is_v4();
  GatewayTimer& timer = context.gateway_timers[index.value()];
  std::uint64_t& asked_ms = timer.asked_ms[is_v4 ? 0 : 1];
  unsigned& unanswered = timer.unanswered[is_v4 ? 0 : 1];
  std::atomic<std::uint64_t>& cell = cell_of(nic, gateway.family());
  std::uint64_t known = cell.load(std::memory_order_relaxed);
  if ((known & kCellIsFresh) != 0) unanswered = 0;
  const bool is_sure = known != 0 && unanswered == 0;
  // One is added so that "never" differs from "in the first millisecond".
  const std::uint64_t now_ms = context.clock.now_ms() + 1;
  if (asked_ms != 0 && now_ms - asked_ms < (is_sure ? kRefreshMs : kUnresolvedMs)) return;
  // What an answer stores meanwhile stays: then the exchange fails.
  const std::uint64_t stale = unanswered < kUnansweredMax ? known & ~kCellIsFresh : 0;
  cell.compare_exchange_strong(known, stale, std::memory_order_relaxed);
  const auto own = own_address(nic.config, gateway.family());
  Frame frame;
  if (!own || !context.io.allocate(frame)) return;
  asked_ms = now_ms;
  ++unanswered;
  if (is_v4) {
    write_arp_request(frame, nic.mac, *own, gateway);
  } else {
    write_solicitation(frame, nic.mac, *own, gateway);
  }
  emit_generated(context, index, frame);
}

}  // namespace

void neighbors(WorkerContext& context, Burst& burst) {
  if (context.policy == nullptr) return;
  constexpr std::uint8_t kOurs = PacketFacts::kArp | PacketFacts::kNeighbor;
  if ((burst.bits & kOurs) == 0) return;
  for (std::size_t i = 0; i < burst.count; ++i) {
    if (burst.is_pending(i) && burst.facts[i].has(kOurs)) meet(context, burst, i);
  }
}

void resolve_gateways(WorkerContext& context) {
  if (context.config.index.value() != 0) return;
  for (std::size_t i = 0; i < context.config.nics.size(); ++i) {
    const NicInfo& nic = context.config.nics[i];
    if (nic.config.role != NicRole::Uplink) continue;
    for (const IpAddr& gateway : nic.config.gateways) {
      ask_gateway(context, NicIndex(static_cast<std::uint16_t>(i)), gateway);
    }
  }
}

MacAddr gateway_mac(const NicInfo& nic, Family family) {
  const std::uint64_t word = cell_of(nic, family).load(std::memory_order_relaxed);
  const std::uint64_t in_wire_order = __builtin_bswap64(word << 16);
  MacAddr mac;
  std::memcpy(mac.bytes.data(), &in_wire_order, sizeof mac.bytes);
  return mac;
}

}  // namespace sluice
