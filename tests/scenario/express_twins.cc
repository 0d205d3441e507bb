#include "tests/scenario/express_twins.h"

#include <algorithm>
#include <cstdio>

#include "dataplane/packet_naming.h"

namespace sluice {
namespace {

std::string entry_name(const FlowTuple& tuple) {
  return std::to_string(tuple.eni.value()) + " " + std::to_string(static_cast<int>(tuple.proto)) +
         " " + tuple.local.to_string() + " " + std::to_string(tuple.local_port) + " " +
         tuple.remote.to_string() + " " + std::to_string(tuple.remote_port) + " " +
         std::to_string(tuple.icmp_type);
}

// All that is remembered, byte by byte.
std::map<std::string, std::string> entries(Scene& scene) {
  std::map<std::string, std::string> all;
  for_each_flow(scene, [&](const FlowTuple& tuple, const FlowState& state) {
    std::string& bytes = all[entry_name(tuple)];
    char text[4];
    for (std::size_t i = 0; i < sizeof state; ++i) {
      std::snprintf(text, sizeof text, "%02x ", reinterpret_cast<const std::uint8_t*>(&state)[i]);
      bytes += text;
    }
  });
  return all;
}

void add_to_log(FlowLogTotals& log, const FlowTuple& tuple, Direction direction, Verdict action,
                std::uint64_t packets, std::uint64_t bytes) {
  if (packets == 0) return;
  const std::string name = entry_name(shown_tuple(tuple)) + " " + std::string(name_of(direction)) +
                           " " + std::string(name_of(action));
  log[name][0] += packets;
  log[name][1] += bytes;
}

// `reported` grows by what was reported since the last call.
FlowLogTotals log_of(Scene& scene, FlowLogTotals& reported) {
  for (const FlowDelta& delta : scene.take_deltas()) {
    if (delta.kind != FlowDelta::Kind::Packets) continue;
    add_to_log(reported, delta.tuple, delta.direction, delta.action, delta.packets, delta.bytes);
  }
  FlowLogTotals log = reported;
  for_each_flow(scene, [&](const FlowTuple& tuple, const FlowState& state) {
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      const auto at = static_cast<std::size_t>(direction);
      add_to_log(log, tuple, direction, Verdict::Accept, state.packets[at], state.bytes[at]);
    }
  });
  for (std::uint32_t i = 0; i < scene.worker_count(); ++i) {
    for (const RefusalCache& cache : scene.worker(i).context().refusals) {
      cache.for_each([&](const FlowDelta& record) {
        add_to_log(log, record.tuple, record.direction, record.action, record.packets,
                   record.bytes);
      });
    }
  }
  return log;
}

// Events in an order of their own: which of two flows was told of first depends on the way.
std::vector<std::string> events(Scene& scene) {
  std::vector<std::string> all;
  for (const WatchEvent& event : scene.take_watch()) {
    all.push_back(
        "event " + entry_name(event.tuple) + " " + std::to_string(static_cast<int>(event.kind)) +
        " " + std::string(name_of(event.direction)) + " " + std::string(name_of(event.reason)) +
        " nic " + std::to_string(event.nic.value()) + " length " + std::to_string(event.length));
  }
  std::sort(all.begin(), all.end());
  return all;
}

void expect_same_end(const EndResult& one, const EndResult& other) {
  EXPECT_EQ(one.present, other.present);
  EXPECT_EQ(one.eni, other.eni);
  EXPECT_EQ(one.verdict, other.verdict);
  EXPECT_EQ(one.by, other.by);
  EXPECT_EQ(one.rule, other.rule);
  EXPECT_EQ(one.reason, other.reason);
  // Of a packet whose flow ended by a later one of its burst the whole way has forgotten it.
  if (other.app != 0) {
    EXPECT_EQ(one.app, other.app);
  }
}

void expect_same_outcome(const Outcome& one, const Outcome& other) {
  EXPECT_EQ(one.is_finished, other.is_finished);
  EXPECT_EQ(name_of(one.verdict), name_of(other.verdict));
  EXPECT_EQ(name_of(one.reason), name_of(other.reason));
  expect_same_end(one.egress, other.egress);
  expect_same_end(one.ingress, other.ingress);
  ASSERT_EQ(one.sent.size(), other.sent.size());
  for (std::size_t i = 0; i < one.sent.size(); ++i) {
    EXPECT_EQ(one.sent[i].nic, other.sent[i].nic);
    EXPECT_EQ(one.sent[i].bytes, other.sent[i].bytes);
  }
}

void expect_same_counters(Scene& one, Scene& other) {
  for (std::uint32_t i = 0; i < 3; ++i) {
    const InterfaceCounters a = one.counters(EniIndex(i)), b = other.counters(EniIndex(i));
    EXPECT_EQ(a.accepted_packets, b.accepted_packets) << "eni " << i;
    EXPECT_EQ(a.accepted_bytes, b.accepted_bytes) << "eni " << i;
    EXPECT_EQ(a.dropped_packets, b.dropped_packets) << "eni " << i;
    EXPECT_EQ(a.drops, b.drops) << "eni " << i;
    EXPECT_EQ(a.flows, b.flows) << "eni " << i;
    EXPECT_EQ(a.tracked, b.tracked) << "eni " << i;
    EXPECT_EQ(a.half_open, b.half_open) << "eni " << i;
    EXPECT_EQ(a.unanswered, b.unanswered) << "eni " << i;
    EXPECT_EQ(a.out_of_window, b.out_of_window) << "eni " << i;
  }
  for (std::uint32_t i = 0; i < one.worker_count(); ++i) {
    const NicCounters a = one.worker(i).counters().packets, b = other.worker(i).counters().packets;
    EXPECT_EQ(a.rx_packets, b.rx_packets);
    EXPECT_EQ(a.rx_bytes, b.rx_bytes);
    EXPECT_EQ(a.tx_packets, b.tx_packets);
    EXPECT_EQ(a.tx_bytes, b.tx_bytes);
    EXPECT_EQ(a.consumed, b.consumed);
    EXPECT_EQ(a.drops, b.drops);
  }
  const auto law = one.log_law(), its_law = other.log_law();
  ASSERT_EQ(law.size(), its_law.size());
  for (std::size_t i = 0; i < law.size(); ++i) {
    EXPECT_EQ(law[i].judged, its_law[i].judged);
    EXPECT_EQ(law[i].live + law[i].sent, its_law[i].live + its_law[i].sent);
    EXPECT_EQ(law[i].lost, its_law[i].lost);
    EXPECT_EQ(law[i].not_logged, its_law[i].not_logged);
  }
}

}  // namespace

std::uint64_t express_count(Scene& scene) {
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < scene.worker_count(); ++i) {
    count += scene.worker(i).context().counters.worker.express.read();
  }
  return count;
}

void allow_all(Scene& scene) {
  for (std::uint32_t group : {0u, 1u, 2u}) {
    for (const Direction direction : {Direction::Ingress, Direction::Egress}) {
      scene.allow(group, direction, kAll, 0, 0, *Cidr::parse("0.0.0.0/1"));
      scene.allow(group, direction, kAll, 0, 0, *Cidr::parse("128.0.0.0/1"));
      scene.allow(group, direction, kAll, 0, 0, *Cidr::parse("2000::/3"));
      scene.allow(group, direction, kAll, 0, 0, *Cidr::parse("fc00::/7"));
    }
  }
  scene.publish();
}

void Twins::send(std::uint16_t nic, const std::vector<Bytes>& frames) {
  const std::vector<Outcome> one = express.send_together(nic, frames);
  const std::vector<Outcome> other = whole.send_together(nic, frames);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    SCOPED_TRACE("packet " + std::to_string(i) + " of " + std::to_string(frames.size()));
    expect_same_outcome(one[i], other[i]);
  }
}

void Twins::compare() {
  expect_same_counters(express, whole);
  EXPECT_EQ(entries(express), entries(whole));
  EXPECT_EQ(log_of(express, express_reported_), log_of(whole, whole_reported_));
  EXPECT_EQ(events(express), events(whole));
  EXPECT_EQ(express_count(whole), 0u);
}

}  // namespace sluice
