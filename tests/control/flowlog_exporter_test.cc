#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

#include "control/flowlog/exporter.h"
#include "tests/control/flowlog_records.h"

namespace sluice {
namespace {

// An engine without workers: deltas are put onto its ring by the test, the law is what it is told.
class RingEngine final : public Engine {
 public:
  void push(const FlowDelta& delta) {
    const std::lock_guard lock(mutex_);
    ring_.push_back(delta);
    if (delta.kind != FlowDelta::Kind::Packets) return;
    LogLaw& law = law_[delta.tuple.eni.value()][static_cast<std::size_t>(delta.direction)];
    law.eni = delta.tuple.eni;
    law.direction = delta.direction;
    law.judged += delta.packets;
    law.sent += delta.packets;
  }
  void lose(std::uint32_t eni, std::uint64_t packets) {
    const std::lock_guard lock(mutex_);
    LogLaw& law = law_[eni][0];
    law.eni = EniIndex(eni);
    law.judged += packets;
    law.lost += packets;
    ++deltas_lost_;
  }

  Status publish(std::shared_ptr<const PolicySnapshot>, std::uint32_t) override { return Ok(); }
  std::shared_ptr<const PolicySnapshot> published() const override { return nullptr; }
  EngineCounters counters() const override {
    EngineCounters counters;
    counters.workers.resize(1);
    counters.workers[0].deltas_lost = deltas_lost_;
    return counters;
  }
  std::vector<NicStatus> nics() const override { return {}; }
  InterfaceCounters interface_counters(EniIndex) const override { return {}; }
  std::vector<std::uint64_t> signature_hits() const override { return {}; }
  Result<FlowPage> flows(std::uint64_t, std::size_t, const FlowFilter&) override {
    return FlowPage{};
  }
  Result<FlowCounts> count_flows(std::uint64_t, const FlowFilter&) override { return FlowCounts{}; }
  Result<FlushedFlows> flush_flows(std::uint64_t, const FlowFilter&) override {
    return FlushedFlows{};
  }
  Result<std::vector<LogLaw>> log_law() override {
    const std::lock_guard lock(mutex_);
    std::vector<LogLaw> rows;
    for (const auto& ways : law_) {
      for (const LogLaw& law : ways) {
        if (!law.eni.is_none()) rows.push_back(law);
      }
    }
    return rows;
  }
  std::size_t drain_deltas(std::span<FlowDelta> out) override {
    const std::lock_guard lock(mutex_);
    const std::size_t count = std::min(out.size(), ring_.size());
    std::copy_n(ring_.begin(), count, out.begin());
    ring_.erase(ring_.begin(), ring_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  void watch(Watching) override {}
  std::vector<StageTimes> stage_times() const override { return {}; }
  std::uint64_t cycles_per_second() const override { return 1; }
  std::size_t drain_watch(std::span<WatchEvent>) override { return 0; }
  std::string description() const override { return "a ring"; }
  void stop() override {}

 private:
  std::mutex mutex_;
  std::uint64_t deltas_lost_ = 0;
  std::vector<FlowDelta> ring_;
  std::array<std::array<LogLaw, 2>, 4> law_;
};

class FlowLogExporter : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/sluice-exporter-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  LogSpec log_to(const std::string& path) const {
    LogSpec log = log_of("fl-1", 60);
    log.path = path;
    return log;
  }
  std::string path() const { return directory_ / "flow.log"; }
  std::vector<std::string> lines() const {
    std::ifstream file(path());
    std::vector<std::string> result;
    for (std::string line; std::getline(file, line);) result.push_back(line);
    return result;
  }
  static void expect_zero(const std::vector<LogLawRow>& rows) {
    for (const LogLawRow& row : rows) EXPECT_EQ(row.unaccounted, 0) << row.eni.value();
  }

  void expect_one_skipdata() const {
    const auto text = lines();
    EXPECT_EQ(std::count_if(text.begin(), text.end(),
                            [](const std::string& line) { return line.ends_with("SKIPDATA"); }),
              1);
  }

  std::filesystem::path directory_;
  RingEngine engine_;
  Registry registry_;
};

TEST_F(FlowLogExporter, writes_everything_before_it_stops) {
  Exporter exporter(engine_, registry_, {});
  exporter.set_plan(plan_of({log_to(path())}, 2));
  exporter.start();
  for (std::uint32_t i = 0; i < 5000; ++i) {
    FlowDelta delta = packets_of(i % 2, Direction::Ingress, 600, 1);
    delta.tuple.remote_port = static_cast<std::uint16_t>(i);
    engine_.push(delta);
  }
  exporter.stop();
  EXPECT_EQ(lines().size(), 5000u);
  const ExporterStats stats = exporter.stats();
  EXPECT_EQ(stats.packets_received, 5000u);
  EXPECT_EQ(stats.packets_written, 5000u);
  EXPECT_EQ(stats.packets_pending, 0u);
  const auto law = exporter.law();
  ASSERT_TRUE(law.has_value());
  ASSERT_EQ(law->size(), 2u);
  expect_zero(*law);
  EXPECT_EQ((*law)[0].logged, 2500u);
}

TEST_F(FlowLogExporter, writes_an_interval_as_soon_as_it_is_over) {  // FL-30
  Exporter exporter(engine_, registry_, {});
  exporter.set_plan(plan_of({log_to(path())}, 1));
  exporter.start();
  engine_.push(packets_of(0, Direction::Ingress, 600, 3));
  engine_.push(closed_until(660));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (exporter.stats().packets_written == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(lines(), std::vector<std::string>{"2 123456789010 eni-0 198.51.100.7 10.0.0.1 40000 "
                                              "443 6 3 300 600 600 ACCEPT OK"});
}

TEST_F(FlowLogExporter, closes_a_file_that_no_log_of_the_policy_names_any_more) {
  const auto is_open = [&] {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      if (std::filesystem::read_symlink(entry.path(), gone) == path()) return true;
    }
    return false;
  };
  Exporter exporter(engine_, registry_, {});
  exporter.set_plan(plan_of({log_to(path())}, 1));
  exporter.start();
  engine_.push(packets_of(0, Direction::Ingress, 600, 3));
  engine_.push(closed_until(660));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto wait_for = [&](bool wanted) {
    while (is_open() != wanted && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return is_open() == wanted;
  };
  EXPECT_TRUE(wait_for(true));
  engine_.push(packets_of(0, Direction::Ingress, 661, 5));
  exporter.set_plan(plan_of({}, 1));
  EXPECT_TRUE(wait_for(false));
}

TEST_F(FlowLogExporter, accounts_for_every_packet_at_every_moment) {
  Exporter exporter(engine_, registry_, {});
  exporter.set_plan(plan_of({log_to(path())}, 2));
  exporter.start();
  for (std::uint32_t i = 0; i < 300; ++i) {
    const std::uint32_t now_s = 600 + i;
    engine_.push(packets_of(i % 2, i % 3 ? Direction::Ingress : Direction::Egress, now_s, 1 + i));
    if (now_s % 60 == 59) engine_.push(closed_until(now_s + 1));
    if (i % 7 == 0) {
      const auto law = exporter.law();
      ASSERT_TRUE(law.has_value());
      expect_zero(*law);
    }
  }
  exporter.stop();
  const auto law = exporter.law();
  ASSERT_TRUE(law.has_value());
  for (const LogLawRow& row : *law) {
    EXPECT_EQ(row.unaccounted, 0);
    EXPECT_EQ(row.in_flight, 0u);
    EXPECT_EQ(row.logged, row.judged);
  }
}

TEST_F(FlowLogExporter, counts_what_a_full_disk_lost) {
  Exporter exporter(engine_, registry_, {});
  exporter.set_plan(plan_of({log_to("/dev/full")}, 1));
  exporter.start();
  engine_.push(packets_of(0, Direction::Ingress, 600, 3));
  exporter.stop();
  const auto law = exporter.law();
  ASSERT_TRUE(law.has_value());
  EXPECT_EQ((*law)[0].lost, 3u);
  EXPECT_EQ((*law)[0].unaccounted, 0);
  EXPECT_EQ(exporter.stats().records_lost_sink, 1u);
}

TEST_F(FlowLogExporter, writes_skipdata_for_what_a_full_ring_lost) {  // FL-13
  Exporter exporter(engine_, registry_, {});
  exporter.set_plan(plan_of({log_to(path())}, 1));
  engine_.push(packets_of(0, Direction::Ingress, 600, 3));
  engine_.lose(0, 9);
  const auto law = exporter.law();
  ASSERT_TRUE(law.has_value());
  EXPECT_EQ((*law)[0].lost, 9u);
  expect_zero(*law);
  exporter.start();
  exporter.stop();
  expect_one_skipdata();
}

TEST_F(FlowLogExporter, finds_what_a_full_ring_lost_without_being_asked_for_the_law) {
  Exporter exporter(engine_, registry_, {});
  exporter.set_plan(plan_of({log_to(path())}, 1));
  engine_.push(packets_of(0, Direction::Ingress, 600, 3));
  engine_.lose(0, 9);
  exporter.look_for_ring_losses();
  exporter.look_for_ring_losses();
  exporter.start();
  exporter.stop();
  expect_one_skipdata();
}

}  // namespace
}  // namespace sluice
