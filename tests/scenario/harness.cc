#include "tests/scenario/harness.h"

#include <cstdio>

#include "dataplane/worker_context.h"
#include "flowtable/embryo.h"

namespace sluice {

// Writes down what the pipeline said about each packet.
class Scene::Recorder final : public BurstObserver {
 public:
  explicit Recorder(std::map<std::uint64_t, Outcome>& outcomes) : outcomes_(outcomes) {}

  void finished(const Burst& burst) override {
    for (std::size_t i = 0; i < burst.count; ++i) {
      if (!burst.is_finished(i)) continue;
      Outcome& outcome = outcomes_[burst.frames[i].tag];
      outcome.is_finished = true;
      outcome.verdict = burst.verdict_of(i);
      outcome.reason = burst.packets[i].reason;
      outcome.ingress = burst.packets[i].ends[0];
      outcome.egress = burst.packets[i].ends[1];
    }
  }

 private:
  std::map<std::uint64_t, Outcome>& outcomes_;
};

Scene::Scene(const SceneOptions& options) : options_(options) {
  make_policy();
  make_workers();
  if (options.publish) publish();
}

Scene::~Scene() {
  if (is_finished_) return;
  check_books();
  while (!finish()) take_deltas();
  for (auto& io : ios_) EXPECT_EQ(io->outstanding(), 0u) << "buffers kept beyond the end";
}

void Scene::make_policy() {
  VpcInput vpc;
  vpc.index = VpcIndex(0);
  vpc.cidrs = {*Cidr::parse("10.0.0.0/16"), *Cidr::parse("fd00:10::/56")};
  policy.vpcs = {vpc};
  const char* const subnets[][2] = {{"10.0.1.0/24", "fd00:10:0:1::/64"},
                                    {"10.0.2.0/24", "fd00:10:0:2::/64"}};
  for (std::uint32_t i = 0; i < 2; ++i) {
    SubnetInput subnet;
    subnet.index = SubnetIndex(i);
    subnet.vpc = VpcIndex(0);
    subnet.cidrs = {*Cidr::parse(subnets[i][0]), *Cidr::parse(subnets[i][1])};
    policy.subnets.push_back(subnet);
  }
  const char* const interfaces[][3] = {{kWeb4, kWeb6, kWebMac},
                                       {kApp4, "fd00:10:0:1::20", kAppMac},
                                       {kDb4, "fd00:10:0:2::30", kDbMac}};
  for (std::uint32_t i = 0; i < 3; ++i) {
    policy.groups.push_back({GroupIndex(i), VpcIndex(0), {}});
    InterfaceInput interface;
    interface.index = EniIndex(i);
    interface.vpc = VpcIndex(0);
    interface.subnet = SubnetIndex(i == 2 ? 1 : 0);
    interface.addresses = {*IpAddr::parse(interfaces[i][0]), *IpAddr::parse(interfaces[i][1])};
    interface.mac = *MacAddr::parse(interfaces[i][2]);
    interface.groups = {GroupIndex(i)};
    interface.logged = true;
    policy.interfaces.push_back(interface);
  }
}

std::vector<NicInfo> Scene::make_nics() const {
  if (options_.wiring == Wiring::Replay) return {replay_nic()};
  std::vector<NicInfo> nics;
  const std::size_t count = options_.wiring == Wiring::Bump ? 2 : 4;
  for (std::size_t i = 0; i < count; ++i) {
    NicInfo nic;
    nic.config.id = "port-" + std::to_string(i);
    nic.mac.bytes = {2, 0xee, 0, 0, 0, static_cast<std::uint8_t>(i)};
    nic.link_up = &link_up;
    nics.push_back(nic);
  }
  if (options_.wiring == Wiring::Bump) {
    nics[0].config.role = NicRole::Inside;
    nics[0].config.peer = NicIndex(1);
    nics[1].config.role = NicRole::Outside;
    nics[1].config.peer = NicIndex(0);
    for (NicInfo& nic : nics) {
      nic.config.forward_unknown = options_.forward_unknown;
      nic.config.source_check = options_.source_check;
    }
    return nics;
  }
  for (std::uint32_t i = 0; i < 3; ++i) {
    nics[i].config.role = NicRole::Interface;
    nics[i].config.interface = EniIndex(i);
    nics[i].config.source_check = options_.source_check;
  }
  NicConfig& uplink = nics[3].config;
  uplink.role = NicRole::Uplink;
  uplink.vpcs = {VpcIndex(0)};
  uplink.addresses = {{*IpAddr::parse("192.0.2.2"), 30}, {*IpAddr::parse("2001:db8:f::2"), 64}};
  uplink.gateways = {*IpAddr::parse("192.0.2.1"), *IpAddr::parse("2001:db8:f::1")};
  return nics;
}

void Scene::make_workers() {
  const std::uint32_t count = options_.workers;
  recorder_ = std::make_unique<Recorder>(outcomes_);
  for (std::uint32_t i = 0; i < count * count; ++i) {
    handoffs_.push_back(std::make_unique<SpscRing<Handoff>>(256));
  }
  WorkerConfig config;
  config.worker_count = count;
  config.flow_capacity = options_.flow_capacity;
  config.interface_capacity = options_.interface_capacity;
  config.start_ns = now_ns_;
  config.key = options_.key;
  config.nics = make_nics();
  config.observer = options_.observe ? recorder_.get() : nullptr;
  for (std::uint32_t i = 0; i < count; ++i) {
    deltas_.push_back(std::make_unique<SpscRing<FlowDelta>>(options_.delta_ring));
    watch_.push_back(std::make_unique<SpscRing<WatchEvent>>(1'024));
    mail_.push_back(std::make_unique<SpscRing<WorkerRequest*>>(16));
    WorkerLinks links;
    for (std::uint32_t other = 0; other < count; ++other) {
      links.inbox.push_back(other == i ? nullptr : handoffs_[other * count + i].get());
      links.outbox.push_back(other == i ? nullptr : handoffs_[i * count + other].get());
    }
    links.deltas = deltas_[i].get();
    links.watch = watch_[i].get();
    links.mail = mail_[i].get();
    links.watching = &watching_;
    links.policy = &pointer_;
    config.index = WorkerIndex(static_cast<std::uint16_t>(i));
    ios_.push_back(std::make_unique<MemoryIo>(config.nics.size()));
    workers_.push_back(std::make_unique<Worker>(config, links, *ios_[i]));
  }
}

RuleIndex Scene::allow(std::uint32_t group, Direction direction, int proto, int low, int high,
                       PeerInput peer) {
  RuleInput rule;
  rule.index = RuleIndex(next_rule_++);
  char text[32];
  std::snprintf(text, sizeof text, "sgr-%017u", rule.index.value());
  rule.id = text;
  rule.direction = direction;
  rule.proto.number = proto;
  rule.ports = {low, high};
  rule.peer = std::move(peer);
  policy.groups[group].rules.push_back(rule);
  return rule.index;
}

RuleIndex Scene::allow_in(std::uint32_t group, int proto, int low, int high,
                          std::string_view cidr) {
  return allow(group, Direction::Ingress, proto, low, high, *Cidr::parse(cidr));
}

RuleIndex Scene::allow_out(std::uint32_t group, int proto, int low, int high,
                           std::string_view cidr) {
  return allow(group, Direction::Egress, proto, low, high, *Cidr::parse(cidr));
}

RuleIndex Scene::allow_in_from(std::uint32_t group, int proto, int port, std::uint32_t peer_group) {
  return allow(group, Direction::Ingress, proto, port, port, GroupIndex(peer_group));
}

RuleIndex Scene::allow_out_to(std::uint32_t group, int proto, int port, std::uint32_t peer_group) {
  return allow(group, Direction::Egress, proto, port, port, GroupIndex(peer_group));
}

void Scene::remove(RuleIndex rule) {
  for (GroupInput& group : policy.groups) {
    std::erase_if(group.rules, [&](const RuleInput& other) { return other.index == rule; });
  }
}

AclInput& Scene::add_acl(std::uint32_t subnet) {
  AclInput acl;
  acl.index = AclIndex(static_cast<std::uint32_t>(policy.acls.size()));
  policy.subnets[subnet].acl = acl.index;
  policy.acls.push_back(acl);
  return policy.acls.back();
}

AclEntryInput Scene::acl_entry(std::uint32_t rule, bool allow, int proto, int low, int high,
                               std::string_view cidr) {
  AclEntryInput entry;
  entry.rule = rule;
  entry.allow = allow;
  entry.proto.number = proto;
  entry.ports = {low, high};
  entry.cidr = *Cidr::parse(cidr);
  return entry;
}

void Scene::publish() {
  policy.generation = policy.generation.next();
  auto snapshot = build_snapshot(policy);
  CHECK(snapshot.has_value());
  retired_.push_back(published_);
  published_ = *snapshot;
  pointer_.swap(published_.get());
  // Workers stand between turns: nobody looks at the former one.
  retired_.clear();
}

std::size_t Scene::take_turn(Worker& worker) {
  const std::size_t worked = worker.turn(now_ns_);
  const WorkerContext& context = worker.context();
  const TurnWork& work = context.work;
  const std::size_t sources = context.config.nics.size() + context.links.inbox.size() + 1;
  const TurnWork bound = TurnWork::most(sources, work.packets);
  EXPECT_LE(work.packets, bound.packets);
  EXPECT_LE(work.visited, bound.visited);
  EXPECT_LE(work.looked, bound.looked);
  EXPECT_LE(work.asked, bound.asked);
  EXPECT_LE(work.rejudged, bound.rejudged);
  EXPECT_LE(work.opened, bound.opened);
  EXPECT_LE(work.swept, bound.swept);
  EXPECT_LE(work.reported, bound.reported);
  most_work_.packets = std::max(most_work_.packets, work.packets);
  most_work_.visited = std::max(most_work_.visited, work.visited);
  most_work_.looked = std::max(most_work_.looked, work.looked);
  most_work_.opened = std::max(most_work_.opened, work.opened);
  most_work_.asked = std::max(most_work_.asked, work.asked);
  most_work_.rejudged = std::max(most_work_.rejudged, work.rejudged);
  most_work_.swept = std::max(most_work_.swept, work.swept);
  most_work_.reported = std::max(most_work_.reported, work.reported);
  return worked;
}

void Scene::settle() {
  std::size_t worked = 1;
  while (worked > 0) {
    worked = 0;
    for (auto& worker : workers_) worked += take_turn(*worker);
  }
}

std::vector<MemoryIo::Sent> Scene::take_sent() {
  std::vector<MemoryIo::Sent> all = std::exchange(unasked_, {});
  for (auto& io : ios_) {
    for (auto& sent : io->take_sent()) all.push_back(std::move(sent));
  }
  return all;
}

Outcome Scene::send(std::uint16_t nic, const Bytes& frame, std::uint32_t worker) {
  unasked_ = take_sent();
  const std::uint64_t tag = next_tag_++;
  ios_[worker]->push(NicIndex(nic), frame, tag);
  settle();
  Outcome& outcome = outcomes_[tag];
  for (auto& io : ios_) {
    for (auto& sent : io->take_sent()) {
      if (sent.tag == tag) {
        outcome.sent.push_back(std::move(sent));
      } else {
        unasked_.push_back(std::move(sent));
      }
    }
  }
  return outcome;
}

std::vector<Outcome> Scene::send_together(std::uint16_t nic, const std::vector<Bytes>& frames) {
  const std::uint64_t first = next_tag_;
  for (const Bytes& frame : frames) ios_[0]->push(NicIndex(nic), frame, next_tag_++);
  settle();
  for (auto& sent : take_sent()) outcomes_[sent.tag].sent.push_back(std::move(sent));
  std::vector<Outcome> result;
  for (std::uint64_t tag = first; tag < next_tag_; ++tag) result.push_back(outcomes_[tag]);
  return result;
}

void Scene::turn(std::size_t times) {
  for (std::size_t i = 0; i < times; ++i) {
    for (auto& worker : workers_) take_turn(*worker);
  }
}

void Scene::serve_the_world() {
  allow_in(0, kTcp, 443, 443, "0.0.0.0/1");
  allow_in(0, kTcp, 443, 443, "128.0.0.0/1");
  allow_in(0, kUdp, 53, 53, "128.0.0.0/1");
  allow_in(0, kIcmp, 8, -1, "128.0.0.0/1");
  publish();
}

void Scene::connect_many(std::uint32_t count) {
  for (std::uint32_t n = 0; n < count; ++n) {
    const auto port = static_cast<std::uint16_t>(10'000 + n);
    const Packet to_web = Packet().ip(kClient, kWeb4).tcp(port, 443, kSyn).numbers(100, 0);
    if (!send(to_web).passed()) continue;
    send(Packet().ip(kWeb4, kClient).tcp(443, port, kSynAck).numbers(500, 101));
    send(Packet(to_web).tcp(port, 443, kAck).numbers(101, 501));
  }
}

void Scene::ask(WorkerRequest& request) {
  mail(&request);
  do {
    take_turn(worker());
  } while (worker().context().request != nullptr);
}

void Scene::wait_s(double seconds) {
  const auto end_ns = now_ns_ + static_cast<UnixNanos>(seconds * 1e9);
  // Steps of a second, and turns enough for the sweep and the wheel to get round.
  while (now_ns_ < end_ns) {
    now_ns_ = std::min(end_ns, now_ns_ + kNanosPerSecond);
    turn(2);
  }
  turn(64);
}

void Scene::learn_gateways() {
  send(3, arp(2, kGatewayMac, "192.0.2.1", "192.0.2.2"));
  send(3, advertisement(kGatewayMac, "2001:db8:f::1", "2001:db8:f::2", "2001:db8:f::1"));
}

std::vector<FlowDelta> Scene::take_deltas() {
  std::vector<FlowDelta> all;
  for (auto& ring : deltas_) {
    FlowDelta delta;
    while (ring->pop(std::span(&delta, 1)) == 1) all.push_back(delta);
  }
  return all;
}

std::vector<WatchEvent> Scene::take_watch() {
  std::vector<WatchEvent> all;
  for (auto& ring : watch_) {
    WatchEvent event;
    while (ring->pop(std::span(&event, 1)) == 1) all.push_back(event);
  }
  return all;
}

std::vector<FlowView> Scene::flows() {
  std::vector<FlowView> all;
  for (auto& worker : workers_) {
    ListFlowsRequest request(0, 100'000);
    while (!request.step(worker->context())) {
    }
    for (const FlowView& view : request.take_flows()) all.push_back(view);
  }
  return all;
}

std::size_t Scene::flow_count() { return flows().size(); }

NicCounters Scene::nic(std::uint16_t index) {
  NicCounters sum;
  for (auto& worker : workers_) {
    const NicCounters part = worker->nic_counters(NicIndex(index));
    sum.rx_packets += part.rx_packets;
    sum.tx_packets += part.tx_packets;
    sum.generated += part.generated;
    sum.consumed += part.consumed;
    for (std::size_t i = 0; i < kDropReasonCount; ++i) sum.drops[i] += part.drops[i];
  }
  return sum;
}

std::uint64_t Scene::drops(DropReason reason) {
  std::uint64_t sum = 0;
  for (auto& worker : workers_) {
    sum += worker->counters().packets.drops[static_cast<std::size_t>(reason)];
  }
  return sum;
}

InterfaceCounters Scene::counters(EniIndex eni) {
  InterfaceCounters sum;
  for (auto& worker : workers_) sum.add(worker->interface_counters(eni));
  return sum;
}

std::vector<LogLaw> Scene::log_law() {
  std::vector<LogLaw> all;
  for (auto& worker : workers_) {
    LogLawRequest request(worker->interface_end());
    while (!request.step(worker->context())) {
    }
    for (const LogLaw& law : request.rows()) all.push_back(law);
  }
  return all;
}

// What waits in entries and caches, found by walking over them, must be what the counters say.
void Scene::check_live(Worker& worker) {
  WorkerContext& context = worker.context();
  std::map<std::pair<EniIndex, Direction>, std::uint64_t> live;
  std::map<EniIndex, std::array<std::uint64_t, kEmbryoKinds>> tracked;
  std::size_t cursor = 0;
  do {
    cursor = context.flows.walk(cursor, 1'024, [&](const FlowTuple& tuple, const FlowState& state) {
      live[{tuple.eni, Direction::Ingress}] += state.packets[0];
      live[{tuple.eni, Direction::Egress}] += state.packets[1];
      if (state.has(FlowState::kUntracked)) return;
      ++tracked[tuple.eni][static_cast<std::size_t>(embryo_of(state))];
    });
  } while (cursor != 0);
  for (const RefusalCache& cache : context.refusals) {
    cache.for_each([&](const FlowDelta& record) {
      live[{record.tuple.eni, record.direction}] += record.packets;
    });
  }
  for (std::uint32_t i = 0; i < options_.interface_capacity; ++i) {
    const EniIndex eni(i);
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      const auto& tallies = std::as_const(context.counters).interface(eni).live;
      EXPECT_EQ(tallies[static_cast<std::size_t>(direction)].read(), (live[{eni, direction}]))
          << "eni " << i << " " << name_of(direction);
    }
    const auto& row = std::as_const(context.counters).interface(eni);
    const auto& [other, half_open, unanswered] = tracked[eni];
    EXPECT_EQ(row.tracked.read(), other + half_open + unanswered) << "eni " << i;
    EXPECT_EQ(row.half_open.read(), half_open) << "eni " << i;
    EXPECT_EQ(row.unanswered.read(), unanswered) << "eni " << i;
  }
}

bool Scene::finish() {
  is_finished_ = true;
  bool done = true;
  for (auto& worker : workers_) done = worker->finish(now_ns_) && done;
  return done;
}

void Scene::check_books() {
  turn();
  std::uint64_t in = 0, out = 0, held = 0;
  for (auto& worker : workers_) {
    const WorkerCounters counters = worker->counters();
    in += counters.packets.rx_packets + counters.packets.generated;
    out += counters.packets.tx_packets + counters.packets.dropped() + counters.packets.consumed;
    held += counters.held;
  }
  EXPECT_EQ(in, out + held) << "rx + generated = tx + dropped + consumed + held";
  std::size_t outstanding = 0;
  for (auto& io : ios_) outstanding += io->outstanding();
  EXPECT_EQ(outstanding, held) << "buffers neither sent, released nor held";
  for (auto& worker : workers_) check_live(*worker);
  for (const LogLaw& law : log_law()) {
    EXPECT_EQ(law.judged, law.live + law.sent + law.lost + law.not_logged)
        << "eni " << law.eni.value() << " " << name_of(law.direction);
  }
}

}  // namespace sluice
