#include "dataplane/stage_express.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
#include <utility>

#include "base/cache_line.h"
#include "base/flow_hash_burst.h"
#include "dataplane/entry_counts.h"
#include "dataplane/flow_report.h"
#include "dataplane/host_address.h"
#include "dataplane/parse.h"
#include "dataplane/plain_headers.h"
#include "dataplane/stage_emit.h"
#include "dataplane/stage_neighbors.h"
#include "dataplane/wire.h"
#include "flowtable/track_plain.h"

namespace sluice {
namespace {

// Copied whole: made anew for each packet it is written in small pieces, which the processor then
// has to wait for before it can read them in large ones.
const PacketState kFresh;

// The way out, for all packets of a burst that do not go to the port of an interface.
struct Route {
  NicIndex out;
  std::uint32_t size_max = 0;  // of a packet, bytes; 0: closed
  MacAddr gateway;
};

// What is the same for all packets of the burst.
struct Gate {
  WorkerContext& context;
  Burst& burst;
  const NicInfo& in;
  NicRole role;
  bool is_router;                        // takes a hop, and writes MAC addresses
  bool judges_senders;                   // of a bump in the wire
  bool judges_receivers;                 // the same
  const InterfaceRow* sender = nullptr;  // whose port it is
  std::array<Route, 2> routes;           // IPv4, IPv6
  TickMs age_max;                        // of the last packet of a flow, ms
  std::uint64_t taken = 0;               // by place
  std::uint64_t left_behind = 0;         // conversations, by six bits of their hashes

  const Route& route(Family family) const { return routes[family == Family::Ipv4 ? 0 : 1]; }
};

template <Family kFamily>
auto& lane_of(WorkerContext& context) {
  if constexpr (kFamily == Family::Ipv4) {
    return context.express.ipv4;
  } else {
    return context.express.ipv6;
  }
}

std::uint32_t size_max_of(const NicInfo& nic) { return is_up(nic) ? nic.mtu : 0; }

Route route_to_uplink(const WorkerContext& context, VpcIndex vpc, Family family) {
  Route route;
  route.out = context.topology.uplink_of(vpc);
  if (route.out.is_none()) return route;
  const NicInfo& uplink = context.nic(route.out);
  route.gateway = gateway_mac(uplink, family);
  if (uplink.config.has_gateway(family) && !route.gateway.is_zero())
    route.size_max = size_max_of(uplink);
  return route;
}

Gate gate_of(WorkerContext& context, Burst& burst) {
  const NicInfo& in = context.nic(burst.in);
  const NicConfig& config = in.config;
  const bool is_outside = config.role == NicRole::Outside;
  Gate gate{.context = context,
            .burst = burst,
            .in = in,
            .role = config.role,
            .is_router = config.role == NicRole::Interface || config.role == NicRole::Uplink,
            .judges_senders = !is_outside || !config.source_check,
            .judges_receivers = is_outside || !config.source_check,
            .routes = {},
            .age_max = context.clock.age_max_in_window(kShortestTimeoutMs - 1)};
  if (!gate.is_router) {
    const Route route{config.peer, size_max_of(context.nic(config.peer)), MacAddr()};
    gate.routes = {route, route};
  } else if (config.role == NicRole::Interface) {
    gate.sender = context.policy->find_interface(config.interface);
    if (gate.sender != nullptr) {
      gate.routes = {route_to_uplink(context, gate.sender->vpc, Family::Ipv4),
                     route_to_uplink(context, gate.sender->vpc, Family::Ipv6)};
    }
  }
  return gate;
}

// Of two hosts, exactly one is an interface.
[[gnu::always_inline]] inline bool find_end_on_bump(Gate& gate, const IpAddr& source,
                                                    const IpAddr& destination,
                                                    ExpressPacket& packet) {
  AddressBook& addresses = gate.context.addresses;
  const InterfaceRow* sender = addresses.owner_of(source);
  const InterfaceRow* receiver = addresses.owner_of(destination);
  if (sender == nullptr) {
    packet.row = gate.judges_receivers ? receiver : nullptr;
    packet.direction = Direction::Ingress;
    return packet.row != nullptr;
  }
  packet.row = sender;
  packet.direction = Direction::Egress;
  return gate.judges_senders && receiver == nullptr && !addresses.may_be_inside(destination);
}

// From outside of every VPC to the port of an interface.
[[gnu::always_inline]] inline bool find_end_from_uplink(Gate& gate, const IpAddr& source,
                                                        const IpAddr& destination,
                                                        ExpressPacket& packet) {
  AddressBook& addresses = gate.context.addresses;
  if (addresses.may_be_inside(source) || gate.in.config.vpcs.size() != 1) return false;
  if (gate.in.config.holds(destination)) return false;
  packet.row = addresses.owner_of(gate.in.config.vpcs[0], destination);
  packet.direction = Direction::Ingress;
  if (packet.row == nullptr) return false;
  packet.out = gate.context.topology.nic_of(packet.row->eni);
  return !packet.out.is_none();
}

// From the port of an interface, with its addresses, out of every VPC.
[[gnu::always_inline]] inline bool find_end_from_interface(Gate& gate, const MacAddr& mac,
                                                           const IpAddr& source,
                                                           const IpAddr& destination,
                                                           ExpressPacket& packet) {
  AddressBook& addresses = gate.context.addresses;
  packet.row = gate.sender;
  packet.direction = Direction::Egress;
  return packet.row != nullptr && addresses.owner_of(packet.row->vpc, source) == packet.row &&
         mac == packet.row->mac && !addresses.may_be_inside(destination) &&
         !destination.is_link_local() && gate.route(source.family()).size_max != 0 &&
         !gate.context.nic(packet.out).config.holds(destination);
}

// Where the packet is judged and where it goes, from one host to another. False: locate() has to
// say.
template <Family kFamily>
[[gnu::always_inline]] inline bool find_way(Gate& gate, const PlainFrame<kFamily>& plain,
                                            const IpAddr& source, const IpAddr& destination,
                                            ExpressPacket& packet) {
  const auto& ethernet = wire_at<EthernetHeader>(plain.bytes());
  if (((ethernet.source.bytes[0] | ethernet.destination.bytes[0]) & 1) != 0) return false;
  const Route& route = gate.route(kFamily);
  packet.out = route.out;
  std::uint32_t size_max = route.size_max;
  bool has_end = false;
  if (!gate.is_router) {
    has_end = find_end_on_bump(gate, source, destination, packet);
  } else {
    if (ethernet.destination != gate.in.mac || plain.hop_limit() <= 1) return false;
    if (gate.role == NicRole::Interface) {
      has_end = find_end_from_interface(gate, ethernet.source, source, destination, packet);
    } else {
      has_end = find_end_from_uplink(gate, source, destination, packet);
      if (has_end) size_max = size_max_of(gate.context.nic(packet.out));
    }
  }
  return has_end && packet.row->acl.is_none() &&
         plain.frame.length - PlainFrame<kFamily>::kNetwork <= size_max;
}

// A plain packet between two hosts.
[[gnu::always_inline]] inline void board_ipv4(Gate& gate, const PlainColumns& columns,
                                              std::size_t i) {
  auto& lane = gate.context.express.ipv4;
  const std::uint64_t bit = std::uint64_t{1} << i;
  lane.named |= bit;
  const PlainFrame<Family::Ipv4> plain{gate.burst.frames[i]};
  const IpAddr source = IpAddr::v4(columns.source[i]);
  const IpAddr destination = IpAddr::v4(columns.destination[i]);
  ExpressPacket packet;
  packet.place = static_cast<std::uint8_t>(i);
  if (!find_way(gate, plain, source, destination, packet)) return;
  const std::uint32_t eni_proto =
      pack_eni_proto(packet.row->eni, static_cast<Proto>(columns.proto[i]));
  const std::uint32_t ports = columns.ports[i];
  lane.keys[i] =
      packet.direction == Direction::Ingress
          ? Ipv4FlowKey::from(columns.destination[i], columns.source[i], ports, eni_proto)
          : Ipv4FlowKey::from(columns.source[i], columns.destination[i], std::rotl(ports, 16),
                              eni_proto);
  lane.packets[i] = packet;
  lane.candidates |= bit;
}

// Any sound packet with two ports.
void board_ipv6(Gate& gate, const PlainFrame<Family::Ipv6>& plain, std::size_t i) {
  ExpressLanes& lanes = gate.context.express;
  auto& lane = lanes.ipv6;
  const std::size_t k = lanes.ipv6_count++;
  const std::uint64_t bit = std::uint64_t{1} << k;
  lane.named |= bit;
  const IpAddr source = plain.source(), destination = plain.destination();
  const FlowEnd from{source.high(), source.low(), plain.udp().source_port.host()};
  const FlowEnd to{destination.high(), destination.low(), plain.udp().destination_port.host()};
  const auto words = owner_words(from, to, plain.proto());
  for (std::size_t w = 0; w < words.size(); ++w) lanes.ipv6_words[w][k] = words[w];
  ExpressPacket packet;
  packet.place = static_cast<std::uint8_t>(i);
  if (!plain.is_plain() || !is_host(source) || !is_host(destination)) return;
  if (!find_way(gate, plain, source, destination, packet)) return;
  const bool is_ingress = packet.direction == Direction::Ingress;
  const FlowEnd& local = is_ingress ? to : from;
  const FlowEnd& remote = is_ingress ? from : to;
  lane.keys[k] = {{local.high, local.low},
                  {remote.high, remote.low},
                  local.port,
                  remote.port,
                  pack_eni_proto(packet.row->eni, plain.proto())};
  lane.packets[k] = packet;
  lane.candidates |= bit;
}

// What is not plain IPv4. False: nobody knows yet whose conversation it belongs to.
[[gnu::noinline]] bool board_other(Gate& gate, std::size_t i) {
  const Frame& frame = gate.burst.frames[i];
  if (const PlainFrame<Family::Ipv6> ipv6{frame}; ipv6.has_ports()) {
    board_ipv6(gate, ipv6, i);
    return true;
  }
  if (gate.context.express.columns.kind[i] == PlainColumns::kNamed) {
    gate.context.express.ipv4.named |= std::uint64_t{1} << i;
    return true;
  }
  return is_aside(frame);
}

void board_all(Gate& gate) {
  ExpressLanes& lanes = gate.context.express;
  lanes.ipv4.named = lanes.ipv4.candidates = 0;
  lanes.ipv6.named = lanes.ipv6.candidates = 0;
  lanes.ipv6_count = 0;
  const std::size_t count = gate.burst.count;
  fill_columns(std::span(gate.burst.frames).first(count), lanes.columns);
  for (std::size_t i = 0; i < count; ++i) {
    if (lanes.columns.kind[i] == PlainColumns::kPlain) [[likely]] {
      board_ipv4(gate, lanes.columns, i);
    } else if (!board_other(gate, i)) {
      return;  // all behind it stay, too
    }
  }
}

// The flow stands as it is: see find_flow(), admit() and account().
[[gnu::always_inline]] inline bool is_current(const Gate& gate, const FlowState& state,
                                              const InterfaceRow& row) {
  return static_cast<TickMs>(gate.burst.now.tick_ms - state.last_seen_ms) <= gate.age_max &&
         state.generation >= row.flush_before.value() &&
         state.generation >= row.rejudge_before.value() && !state.looks_closer() &&
         !state.has(FlowState::kUntracked);
}

template <Family kFamily>
[[gnu::always_inline]] inline TrackedPacket tracked_packet_of(const PlainFrame<kFamily>& plain,
                                                              Direction direction) {
  TrackedPacket packet;
  packet.proto = plain.proto();
  packet.direction = direction;
  if (!plain.is_tcp()) return packet;
  packet.tcp_flags = plain.tcp().flags;
  packet.window = plain.tcp().window.host();
  packet.sequence = plain.tcp().sequence.host();
  packet.acknowledgment = plain.tcp().acknowledgment.host();
  packet.payload_size = plain.tcp_payload_size();
  return packet;
}

// As account() counts a packet that its flow let pass.
[[gnu::always_inline]] inline void count_passed(Gate& gate, const ExpressPacket& packet,
                                                FlowState& state, std::uint32_t bytes) {
  const auto at = static_cast<std::size_t>(packet.direction);
  auto& row = gate.context.counters.known_interface(packet.row->eni);
  row.judged[at].add(1);
  row.accepted_packets[at].add(1);
  row.accepted_bytes[at].add(bytes);
  if (packet.row->logged) {
    row.live[at].add(1);
    count_in_entry(state, packet.direction, bytes, gate.context.clock.second_of_window());
  } else {
    row.not_logged[at].add(1);
  }
  state.last_seen_ms = gate.burst.now.tick_ms;
}

// As emit() makes a frame ready.
template <Family kFamily>
[[gnu::always_inline]] inline void make_ready(const Gate& gate, const ExpressPacket& packet,
                                              const PlainFrame<kFamily>& plain) {
  if (!gate.is_router) return;
  if constexpr (kFamily == Family::Ipv4) {
    decrement_ttl(wire_at<Ipv4Header>(plain.frame.data + plain.kNetwork));
  } else {
    --plain.hop_limit();
  }
  auto& ethernet = wire_at<EthernetHeader>(plain.frame.data);
  ethernet.destination =
      gate.role == NicRole::Interface ? gate.route(kFamily).gateway : packet.row->mac;
  ethernet.source = gate.context.nic(packet.out).mac;
}

void add_to_batch(WorkerContext& context, NicIndex out, const Frame& frame, std::size_t place) {
  TransmitBatch& batch = context.batches[out.value()];
  batch.packets[batch.count] = static_cast<std::uint8_t>(place | TransmitBatch::kTaken);
  batch.frames[batch.count++] = frame;
}

// False: nothing was done.
template <Family kFamily>
[[gnu::always_inline]] inline bool take(Gate& gate, const ExpressPacket& packet, FlowState* state) {
  if (state == nullptr || !is_current(gate, *state, *packet.row)) return false;
  const Frame& frame = gate.burst.frames[packet.place];
  const PlainFrame<kFamily> plain{frame};
  const std::uint32_t bytes = plain.ip_length();
  if (packet.row->logged && !has_room_for_packet(*state, packet.direction, bytes)) return false;
  if (!track_plain(*state, tracked_packet_of(plain, packet.direction))) return false;
  count_passed(gate, packet, *state, bytes);
  make_ready(gate, packet, plain);
  gate.taken |= std::uint64_t{1} << packet.place;
  if (gate.role == NicRole::Uplink) add_to_batch(gate.context, packet.out, frame, packet.place);
  return true;
}

bool is_own(const WorkerConfig& config, std::uint64_t hash) {
  if (config.worker_count <= 1) [[likely]]
    return true;
  return (hash >> 32) * config.worker_count >> 32 == config.index.value();
}

template <Family kFamily>
void hash_lane(const HashKey& key, ExpressLanes& lanes) {
  if constexpr (kFamily == Family::Ipv4) {
    const std::size_t count = 64 - static_cast<std::size_t>(std::countl_zero(lanes.ipv4.named));
    keyed_hash_burst(key, std::span(lanes.columns.first).first(count),
                     std::span(lanes.columns.second).first(count),
                     std::span(lanes.ipv4.hashes).first(count));
  } else {
    const auto& words = lanes.ipv6_words;
    keyed_hash_burst(
        key, {words[0].data(), words[1].data(), words[2].data(), words[3].data(), words[4].data()},
        std::span(lanes.ipv6.hashes).first(lanes.ipv6_count));
  }
}

std::size_t first_of(std::uint64_t bits) {
  return static_cast<std::size_t>(std::countr_zero(bits));
}

template <Family kFamily>
void ride(Gate& gate) {
  auto& lane = lane_of<kFamily>(gate.context);
  FlowShard& flows = gate.context.flows;
  using Key = typename decltype(lane.keys)::value_type;
  if (lane.candidates == 0) return;
  hash_lane<kFamily>(gate.context.config.key, gate.context.express);
  for (std::uint64_t left = lane.candidates; left != 0; left &= left - 1) {
    const std::size_t k = first_of(left);
    lane.places[k] = flows.place(lane.keys[k], lane.hashes[k]);
    flows.seek<Key>(lane.places[k]);
  }
  for (std::uint64_t left = lane.candidates; left != 0; left &= left - 1) {
    const std::size_t k = first_of(left);
    lane.flows[k] = flows.guess<Key>(lane.places[k]);
  }
  for (std::uint64_t left = lane.named; left != 0; left &= left - 1) {
    const std::size_t k = first_of(left);
    const std::uint64_t mark = std::uint64_t{1} << (lane.hashes[k] & 63);
    const bool may_ride = (lane.candidates >> k & 1) != 0 && (gate.left_behind & mark) == 0 &&
                          is_own(gate.context.config, lane.hashes[k]);
    if (may_ride) [[likely]] {
      lane.flows[k] = flows.find(lane.keys[k], lane.places[k], lane.flows[k]);
      if (take<kFamily>(gate, lane.packets[k], lane.flows[k])) continue;
    }
    gate.left_behind |= mark;
  }
}

// Where all go out by one device: those that were taken, in the order in which they came.
void fill_batch(const Gate& gate) {
  if (gate.role == NicRole::Uplink) return;
  const auto taken_count = static_cast<std::size_t>(std::popcount(gate.taken));
  if (taken_count == gate.burst.count) {
    TransmitBatch& batch = gate.context.batches[gate.routes[0].out.value()];
    batch.is_burst = true;
    batch.count = taken_count;
    return;
  }
  for (std::uint64_t left = gate.taken; left != 0; left &= left - 1) {
    const std::size_t i = first_of(left);
    add_to_batch(gate.context, gate.routes[0].out, gate.burst.frames[i], i);
  }
}

// What was not taken is the burst from now on.
void close_up(Burst& burst, std::uint64_t taken) {
  const auto taken_count = static_cast<std::size_t>(std::popcount(taken));
  const std::size_t received = burst.count;
  burst.taken = taken_count;
  burst.count = 0;
  if (taken_count == received) return;
  for (std::size_t i = 0; i < received; ++i) {
    if ((taken >> i & 1) == 0) burst.frames[burst.count++] = burst.frames[i];
  }
}

// What a lane knows of the packet that came at this place and was taken; null: not of this family.
struct Found {
  const ExpressPacket* packet;
  const FlowState* flow;
};
template <class Key>
Found find_in(const ExpressLane<Key>& lane, std::size_t place) {
  for (std::uint64_t left = lane.candidates; left != 0; left &= left - 1) {
    const std::size_t k = first_of(left);
    if (lane.packets[k].place == place) return {&lane.packets[k], lane.flows[k]};
  }
  return {nullptr, nullptr};
}

Found find_taken(const WorkerContext& context, std::size_t place) {
  const Found ipv4 = find_in(context.express.ipv4, place);
  return ipv4.packet != nullptr ? ipv4 : find_in(context.express.ipv6, place);
}

// See describe_taken().
void describe(Burst& burst, const Found& taken, std::size_t i, const Frame& frame) {
  burst.frames[i] = frame;
  parse_frame({frame.data, frame.contiguous}, frame.length, burst.facts[i]);
  PacketState& packet = burst.packets[i];
  packet = PacketState();
  packet.in = burst.in;
  packet.out = taken.packet->out;
  EndResult& end = packet.ends[static_cast<std::size_t>(taken.packet->direction)];
  end.row = taken.packet->row;
  end.eni = end.row->eni;
  end.present = true;
  end.verdict = Verdict::Accept;
  end.by = By::Flow;
  end.app = taken.flow->app();
}

// As account() does it.
void tell_known(const WorkerContext& context, Burst& burst, const Found& taken, std::size_t i) {
  const FlowFacts* facts = context.layer7.names.find(taken.flow);
  if (facts == nullptr) return;
  const Direction direction = std::exchange(burst.direction, taken.packet->direction);
  context.config.observer->known(burst, i, *facts);
  burst.direction = direction;
}

// The same for an observer, who sees all packets.
[[gnu::noinline]] void close_up_observed(const Gate& gate) {
  Burst& burst = gate.burst;
  const std::array<Frame, kBurstMax> frames = burst.frames;
  close_up(burst, gate.taken);
  std::size_t i = burst.count;
  for (std::uint64_t left = gate.taken; left != 0; left &= left - 1, ++i) {
    const std::size_t came_at = first_of(left);
    const Found taken = find_taken(gate.context, came_at);
    describe(burst, taken, i, frames[came_at]);
    tell_known(gate.context, burst, taken, i);
  }
}

// Where next to nothing is taken, as in a flood of new flows, looking costs more than it saves: the
// next bursts of that device go the whole way untried.
constexpr std::size_t kPausingBurst = 16;  // packets; lesser bursts come when there is time
constexpr std::uint8_t kPause = 7;         // bursts
constexpr std::size_t kPayingShare = 4;    // one of so many

bool is_worth_a_try(WorkerContext& context, const Burst& burst) {
  if (context.policy == nullptr || context.express.use == ExpressUse::Never) return false;
  std::uint8_t& pause = context.express.pauses[burst.in.value()];
  if (pause == 0 || context.express.use == ExpressUse::Always) return true;
  --pause;
  return false;
}

void note_worth(WorkerContext& context, const Burst& burst) {
  context.counters.worker.express.add(burst.taken);
  const std::size_t received = burst.count + burst.taken;
  if (received >= kPausingBurst && burst.taken * kPayingShare < received) {
    context.express.pauses[burst.in.value()] = kPause;
  }
}

void leave_rest(const Gate& gate) {
  fill_batch(gate);
  if (gate.context.config.observer == nullptr) {
    close_up(gate.burst, gate.taken);
  } else {
    close_up_observed(gate);
  }
}

}  // namespace

void express(WorkerContext& context, Burst& burst) {
  if (burst.in.is_none()) return;
  if (is_worth_a_try(context, burst)) {
    Gate gate = gate_of(context, burst);
    board_all(gate);
    ride<Family::Ipv4>(gate);
    ride<Family::Ipv6>(gate);
    if (gate.taken != 0) leave_rest(gate);
    note_worth(context, burst);
  }
  for (std::size_t i = 0; i < burst.count; ++i) {
    burst.packets[i] = kFresh;
    burst.packets[i].in = burst.in;
  }
}

void describe_taken(const WorkerContext& context, Burst& burst, std::size_t came_at, std::size_t i,
                    const Frame& frame) {
  describe(burst, find_taken(context, came_at), i, frame);
}

}  // namespace sluice
