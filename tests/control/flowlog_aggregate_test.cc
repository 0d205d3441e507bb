#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <tuple>

#include "control/flowlog/aggregate.h"
#include "tests/control/flowlog_records.h"

namespace sluice {
namespace {

Aggregator aggregator_of(std::shared_ptr<const LogPlan> plan, AggregatorConfig config = {}) {
  Aggregator aggregator(config);
  aggregator.set_plan(std::move(plan));
  return aggregator;
}

std::vector<LogRecord> flows_in(const std::vector<ClosedWindow>& windows) {
  std::vector<LogRecord> records;
  for (const ClosedWindow& window : windows) {
    for (const LogRecord& record : window.table.records()) {
      if (record.status == LogStatus::Ok) records.push_back(record);
    }
  }
  return records;
}

std::vector<std::string> gaps_in(const std::vector<ClosedWindow>& windows) {
  std::vector<std::string> gaps;
  for (const ClosedWindow& window : windows) {
    for (const LogRecord& record : window.table.records()) {
      if (record.status == LogStatus::Ok) continue;
      gaps.push_back(std::string(name_of(record.status)) + " " +
                     std::to_string(record.eni.value()) + " " + std::to_string(record.start_s));
    }
  }
  return gaps;
}

TEST(FlowLogAggregate, sums_the_deltas_of_a_flow_into_one_record) {  // FL-10
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60)}, 1));
  FlowDelta first = packets_of(0, Direction::Ingress, 605, 3);
  first.tcp_flags = LogTcpFlags::kSyn;
  first.last_s = 630;
  FlowDelta second = packets_of(0, Direction::Ingress, 601, 2);
  second.tcp_flags = LogTcpFlags::kFin;
  second.last_s = 607;
  aggregator.add(first);
  aggregator.add(second);
  aggregator.add(packets_of(0, Direction::Egress, 602, 7));
  EXPECT_TRUE(aggregator.take_closed().empty());
  aggregator.add(closed_until(660));
  const auto records = flows_in(aggregator.take_closed());
  ASSERT_EQ(records.size(), 2u);
  const LogRecord& in = records[records[0].direction == Direction::Ingress ? 0 : 1];
  EXPECT_EQ(in.packets, 5u);
  EXPECT_EQ(in.bytes, 500u);
  EXPECT_EQ(in.start_s, 601u);
  EXPECT_EQ(in.end_s, 630u);
  EXPECT_EQ(in.tcp_flags, 3);
}

TEST(FlowLogAggregate, keeps_actions_apart) {  // FL-24
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60)}, 1));
  FlowDelta refused = packets_of(0, Direction::Ingress, 600, 1);
  refused.action = Verdict::Drop;
  aggregator.add(packets_of(0, Direction::Ingress, 600, 1));
  aggregator.add(refused);
  aggregator.add(closed_until(660));
  EXPECT_EQ(flows_in(aggregator.take_closed()).size(), 2u);
}

TEST(FlowLogAggregate, waits_for_the_slowest_worker) {
  AggregatorConfig config;
  config.worker_count = 2;
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60)}, 1), config);
  aggregator.add(packets_of(0, Direction::Ingress, 600, 1));
  aggregator.add(closed_until(720, 0));
  EXPECT_TRUE(aggregator.take_closed().empty());
  aggregator.add(packets_of(0, Direction::Ingress, 610, 1));
  aggregator.add(closed_until(660, 1));
  const auto records = flows_in(aggregator.take_closed());
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].packets, 2u);
}

TEST(FlowLogAggregate, joins_ten_minutes_where_the_log_asks_for_them) {  // FL-11
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 600)}, 1));
  for (std::uint32_t minute = 0; minute < 10; ++minute) {
    aggregator.add(packets_of(0, Direction::Ingress, 1200 + 60 * minute, 1));
    EXPECT_TRUE(aggregator.take_closed().empty());
    aggregator.add(closed_until(1260 + 60 * minute));
  }
  const auto records = flows_in(aggregator.take_closed());
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].packets, 10u);
  EXPECT_EQ(records[0].start_s, 1200u);
  EXPECT_EQ(records[0].end_s, 1740u);
}

TEST(FlowLogAggregate, gives_a_log_only_the_action_it_asks_for_and_counts_the_rest) {  // FL-23
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60, LogTraffic::Reject)}, 1));
  FlowDelta refused = packets_of(0, Direction::Ingress, 600, 2);
  refused.action = Verdict::Drop;
  aggregator.add(packets_of(0, Direction::Ingress, 600, 5));
  aggregator.add(refused);
  const auto records = flows_in(aggregator.take_closed(true));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].action, Verdict::Drop);
  const ExportTally& tally = aggregator.tallies()[0][0];
  EXPECT_EQ(tally.received, 7u);
  EXPECT_EQ(tally.not_logged, 5u);
  EXPECT_EQ(tally.pending, 2u);
}

TEST(FlowLogAggregate, writes_nodata_for_a_silent_interface_in_each_interval) {  // FL-13
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60)}, 2));
  aggregator.add(packets_of(0, Direction::Ingress, 600, 1));
  aggregator.add(closed_until(660));
  EXPECT_EQ(gaps_in(aggregator.take_closed()), std::vector<std::string>{"NODATA 1 600"});
  aggregator.add(closed_until(780));
  EXPECT_EQ(
      gaps_in(aggregator.take_closed()),
      (std::vector<std::string>{"NODATA 0 660", "NODATA 1 660", "NODATA 0 720", "NODATA 1 720"}));
}

TEST(FlowLogAggregate, has_traffic_that_the_filter_left_out_for_no_gap) {
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60, LogTraffic::Reject)}, 1));
  aggregator.add(packets_of(0, Direction::Ingress, 600, 1));
  aggregator.add(closed_until(660));
  EXPECT_TRUE(gaps_in(aggregator.take_closed()).empty());
}

TEST(FlowLogAggregate, counts_what_finds_no_room_and_writes_skipdata) {  // FL-13
  AggregatorConfig config;
  config.records_max = 1;
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60)}, 1), config);
  aggregator.add(packets_of(0, Direction::Ingress, 600, 1));
  aggregator.add(packets_of(0, Direction::Egress, 600, 4));
  EXPECT_EQ(aggregator.records_refused(), 1u);
  EXPECT_EQ(aggregator.tallies()[0][1].lost, 4u);
  aggregator.add(closed_until(660));
  const auto windows = aggregator.take_closed();
  EXPECT_EQ(gaps_in(windows), std::vector<std::string>{"SKIPDATA 0 600"});
  EXPECT_EQ(flows_in(windows).size(), 1u);
}

// Refused 5-tuples are chosen by whoever sends them: they must not crowd out accepted flows.
TEST(FlowLogAggregate, keeps_half_of_its_room_from_refused_flows) {
  AggregatorConfig config;
  config.records_max = 8;
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60)}, 2), config);
  const auto add_flows = [&](std::uint32_t eni, Verdict action, std::uint32_t at_s) {
    for (std::uint16_t port = 1; port <= 6; ++port) {
      FlowDelta delta = packets_of(eni, Direction::Ingress, at_s, 1);
      delta.action = action;
      delta.tuple.remote_port = port;
      aggregator.add(delta);
    }
  };
  const auto counts = [](const std::vector<LogRecord>& records) {
    std::map<Verdict, int> result;
    for (const LogRecord& record : records) ++result[record.action];
    return result;
  };
  for (const std::uint32_t at_s : {600u, 660u}) {
    add_flows(0, Verdict::Drop, at_s);
    add_flows(1, Verdict::Accept, at_s);
    aggregator.add(closed_until(at_s + 60));
    const auto windows = aggregator.take_closed();
    const auto found = counts(flows_in(windows));
    EXPECT_EQ(found.at(Verdict::Drop), 4) << "half of the room";
    EXPECT_EQ(found.at(Verdict::Accept), 4) << "the rest of it";
    for (const ClosedWindow& window : windows) {
      for (const LogRecord& record : window.table.records()) {
        aggregator.settle(window, record, true);
      }
    }
  }
  EXPECT_EQ(aggregator.records_refused(), 8u);
  EXPECT_EQ(aggregator.tallies()[0][0].lost, 4u);
  EXPECT_EQ(aggregator.tallies()[0][0].written, 8u);
  EXPECT_EQ(aggregator.records_pending(), 0u);
}

TEST(FlowLogAggregate, leaves_its_whole_room_to_accepted_flows) {
  AggregatorConfig config;
  config.records_max = 4;
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60)}, 2), config);
  FlowDelta refused = packets_of(1, Direction::Ingress, 600, 1);
  refused.action = Verdict::Drop;
  for (std::uint16_t port = 1; port <= 4; ++port) {
    FlowDelta accepted = packets_of(0, Direction::Ingress, 600, 1);
    accepted.tuple.remote_port = port;
    aggregator.add(accepted);
  }
  aggregator.add(refused);
  EXPECT_EQ(aggregator.tallies()[0][0].lost, 0u);
  EXPECT_EQ(aggregator.tallies()[1][0].lost, 1u);
  aggregator.add(closed_until(660));
  EXPECT_EQ(gaps_in(aggregator.take_closed()), std::vector<std::string>{"SKIPDATA 1 600"});
}

TEST(FlowLogAggregate, writes_skipdata_after_a_sink_that_failed) {
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60)}, 1));
  aggregator.add(packets_of(0, Direction::Ingress, 600, 3));
  aggregator.add(closed_until(660));
  auto windows = aggregator.take_closed();
  ASSERT_EQ(windows.size(), 1u);
  for (const LogRecord& record : windows[0].table.records()) {
    aggregator.settle(windows[0], record, false);
  }
  EXPECT_EQ(aggregator.tallies()[0][0].lost, 3u);
  EXPECT_EQ(aggregator.tallies()[0][0].pending, 0u);
  aggregator.add(closed_until(720));
  EXPECT_EQ(gaps_in(aggregator.take_closed()), std::vector<std::string>{"SKIPDATA 0 660"});
}

TEST(FlowLogAggregate, closes_the_intervals_of_a_log_that_a_new_plan_drops) {
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60), log_of("fl-2", 60)}, 1));
  aggregator.add(packets_of(0, Direction::Ingress, 600, 1));
  aggregator.set_plan(plan_of({log_of("fl-2", 60)}, 1));
  const auto closed = aggregator.take_closed();
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].log->id, "fl-1");
  aggregator.add(packets_of(0, Direction::Ingress, 601, 1));
  const auto rest = aggregator.take_closed(true);
  ASSERT_EQ(flows_in(rest).size(), 1u);
  EXPECT_EQ(flows_in(rest)[0].packets, 2u);
}

TEST(FlowLogPlan, keeps_an_interface_that_left_the_policy_in_the_logs_that_live_on) {
  const auto former = plan_of({log_of("fl-1", 60), log_of("fl-2", 60)}, 2);
  const auto next = plan_of({log_of("fl-2", 60)}, 1);
  const auto merged = carry_over(*former, *next);
  ASSERT_EQ(merged->interfaces.size(), 2u);
  EXPECT_FALSE(merged->interfaces[1].present);
  EXPECT_EQ(merged->interfaces[1].name, "eni-1");
  EXPECT_EQ(merged->interfaces[1].logs, std::vector<std::uint32_t>{0});
}

// The slow twin: a map from everything that makes a record to its sums.
using TwinKey = std::tuple<std::uint32_t, std::uint32_t, int, int, int, IpAddr, IpAddr, int, int>;
struct TwinSum {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint32_t start_s = ~0u;
  std::uint32_t end_s = 0;
  unsigned flags = 0;
  bool operator==(const TwinSum&) const = default;
};

class RandomDeltas {
 public:
  explicit RandomDeltas(unsigned seed) : engine_(seed) {}

  FlowDelta next(std::uint32_t window_s, std::uint16_t worker) {
    FlowDelta delta = packets_of(below(3), below(2) ? Direction::Ingress : Direction::Egress,
                                 window_s + below(60), 1 + below(9));
    delta.last_s = std::min(window_s + 59, delta.first_s + below(60));
    delta.worker = WorkerIndex(worker);
    delta.action = below(4) == 0 ? Verdict::Drop : Verdict::Accept;
    delta.tuple.proto = below(3) == 0 ? Proto::Icmp : Proto::Tcp;
    delta.tuple.remote = below(2) ? IpAddr::v4(0xc0000200u + below(4)) : IpAddr::v6(1, below(4));
    if (!delta.tuple.remote.is_v4()) delta.tuple.local = IpAddr::v6(0xfd00000000000000u, 7);
    delta.tuple.remote_port = static_cast<std::uint16_t>(below(3));
    delta.tcp_flags = delta.tuple.proto == Proto::Tcp ? static_cast<std::uint8_t>(below(8)) : 0;
    return delta;
  }
  std::uint32_t below(std::uint32_t bound) { return engine_() % bound; }

 private:
  std::mt19937 engine_;
};

void add_to_twin(std::map<TwinKey, TwinSum>& twin, const FlowDelta& delta, std::uint32_t interval_s,
                 const LoggedInterface& interface) {
  const bool is_in = delta.direction == Direction::Ingress;
  const bool is_icmp_flow = delta.tuple.proto == Proto::Icmp;
  const IpAddr local = interface.shown_address(delta.tuple.local, delta.direction);
  TwinSum& sum = twin[TwinKey(
      delta.first_s / interval_s, delta.tuple.eni.value(), static_cast<int>(delta.direction),
      static_cast<int>(delta.action), static_cast<int>(delta.tuple.proto),
      is_in ? delta.tuple.remote : local, is_in ? local : delta.tuple.remote,
      is_icmp_flow ? 0 : delta.tuple.remote_port, is_icmp_flow ? 0 : delta.tuple.local_port)];
  sum.packets += delta.packets;
  sum.bytes += delta.bytes;
  sum.start_s = std::min(sum.start_s, delta.first_s);
  sum.end_s = std::max(sum.end_s, delta.last_s);
  sum.flags |= delta.tcp_flags;
}

TEST(FlowLogAggregate, agrees_with_a_map_over_random_deltas_of_several_workers) {
  for (const std::uint32_t interval_s : {60u, 600u}) {
    AggregatorConfig config;
    config.worker_count = 3;
    config.writes_nodata = false;
    const auto plan = plan_of({log_of("fl-1", interval_s)}, 3);
    Aggregator aggregator = aggregator_of(plan, config);
    RandomDeltas deltas(interval_s);
    std::map<TwinKey, TwinSum> twin;
    std::map<TwinKey, TwinSum> found;
    std::uint64_t packets = 0;
    const auto take = [&](bool all) {
      for (ClosedWindow& window : aggregator.take_closed(all)) {
        for (const LogRecord& record : window.table.records()) {
          const bool is_in = record.direction == Direction::Ingress;
          const TwinKey key(record.start_s / interval_s, record.eni.value(),
                            static_cast<int>(record.direction), static_cast<int>(record.action),
                            static_cast<int>(record.proto), record.source, record.destination,
                            is_in ? record.source_port : record.destination_port,
                            is_in ? record.destination_port : record.source_port);
          const bool is_new =
              found
                  .emplace(key, TwinSum{record.packets, record.bytes, record.start_s, record.end_s,
                                        record.tcp_flags})
                  .second;
          EXPECT_TRUE(is_new);
          aggregator.settle(window, record, true);
        }
        aggregator.recycle(std::move(window));
      }
    };
    for (std::uint32_t window_s = 1200; window_s < 4800; window_s += 60) {
      for (std::uint16_t worker = 0; worker < 3; ++worker) {
        for (unsigned i = deltas.below(40); i > 0; --i) {
          const FlowDelta delta = deltas.next(window_s, worker);
          packets += delta.packets;
          aggregator.add(delta);
          add_to_twin(twin, delta, interval_s, plan->interfaces[delta.tuple.eni.value()]);
        }
        aggregator.add(closed_until(window_s + 60, worker));
        take(false);
      }
    }
    take(true);
    EXPECT_EQ(found, twin);
    std::uint64_t written = 0;
    for (const auto& ways : aggregator.tallies()) written += ways[0].written + ways[1].written;
    EXPECT_EQ(written, packets);
    EXPECT_EQ(aggregator.records_pending(), 0u);
  }
}

TEST(FlowLogAggregate, orders_lines_by_end_start_interface_and_tuple) {
  Aggregator aggregator = aggregator_of(plan_of({log_of("fl-1", 60)}, 3));
  RandomDeltas deltas(5);
  for (int i = 0; i < 200; ++i) aggregator.add(deltas.next(600, 0));
  const auto records = flows_in(aggregator.take_closed(true));
  ASSERT_GT(records.size(), 20u);
  const auto number = [](EniIndex eni) { return eni.value(); };
  for (std::size_t i = 1; i < records.size(); ++i) {
    EXPECT_FALSE(comes_before(records[i], records[i - 1], number));
  }
}

}  // namespace
}  // namespace sluice
