// The engine with real DPDK devices that need neither root, huge pages nor a NIC. DPDK starts once
// per process, so every test runs in a child of its own.

#include "dataplane/engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/core_plan.h"
#include "dataplane/eal.h"
#include "dataplane/nic.h"
#include "dataplane/packet_buffers.h"
#include "dataplane/ring_sizes.h"
#include "flowtable/fragment_table.h"
#include "lookup/snapshot_builder.h"
#include "tests/dataplane/engine_support.h"

namespace sluice {
namespace {

EngineConfig config_of(std::vector<std::string> devices, std::size_t worker_count) {
  EngineConfig config;
  config.huge_pages = HugePages::Never;
  config.flow_capacity = 4'096;
  config.interface_capacity = 256;
  // Tests of two workers on a machine of one core run with one.
  const std::vector<unsigned> cores = usable_cores();
  for (std::size_t i = 0; i < worker_count && i < cores.size(); ++i) {
    config.worker_cores.push_back(cores[cores.size() - 1 - i]);
  }
  // Sleeps between empty turns: workers share the cores with other tests.
  config.idle_sleep_us = 200;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    NicConfig nic;
    nic.id = "nic-" + std::to_string(i);
    nic.device = devices[i];
    nic.role = i % 2 == 0 ? NicRole::Inside : NicRole::Outside;
    nic.peer = NicIndex(static_cast<std::uint16_t>(i ^ 1));
    nic.forward_unknown = true;
    nic.source_check = false;
    config.nics.push_back(nic);
  }
  return config;
}

std::shared_ptr<const PolicySnapshot> snapshot_of(std::uint32_t generation) {
  SnapshotInput input;
  input.generation = Generation(generation);
  auto snapshot = build_snapshot(input);
  CHECK(snapshot.has_value());
  return *snapshot;
}

std::size_t packets_in_capture(const std::string& path) {
  const auto size = std::filesystem::file_size(path);
  return (size - 24) / (16 + 60);
}

bool wait_until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

bool all_have_turned(const Engine& engine) {
  for (const WorkerCounters& worker : engine.counters().workers) {
    if (worker.turns == 0) return false;
  }
  return true;
}

TEST(Engine, starts_describes_itself_and_stops_twice) {
  in_child([] {
    auto engine = start_engine(config_of({"net_null0,no-rx=1", "net_ring0"}, 2));
    ASSERT_TRUE(engine.has_value()) << engine.error().sentence;
    EXPECT_NE((*engine)->description().find("no huge pages"), std::string::npos);
    EXPECT_NE((*engine)->description().find("2 ports"), std::string::npos);
    const std::vector<NicStatus> nics = (*engine)->nics();
    ASSERT_EQ(nics.size(), 2u);
    EXPECT_EQ(nics[0].driver, "net_null");
    EXPECT_EQ(nics[1].driver, "net_ring");
    EXPECT_EQ(nics[1].id, "nic-1");
    EXPECT_TRUE(nics[0].link_up);
    EXPECT_FALSE(nics[1].mac.is_zero());
    EXPECT_EQ((*engine)->published(), nullptr);
    EXPECT_TRUE(wait_until([&] { return all_have_turned(**engine); }));
    (*engine)->stop();
    (*engine)->stop();
    EXPECT_EQ((*engine)->counters().nics.size(), 2u);
  });
}

TEST(Engine, a_missing_device_is_named_with_the_reason_and_those_there_are) {
  in_child([] {
    auto engine = start_engine(config_of({"net_nonesuch0"}, 1));
    ASSERT_FALSE(engine.has_value());
    EXPECT_EQ(engine.error().code, "missing-device");
    EXPECT_EQ(engine.error().kind, ErrorKind::Invalid);
    EXPECT_NE(engine.error().sentence.find("\"net_nonesuch0\""), std::string::npos);
    EXPECT_NE(engine.error().sentence.find("failed to parse device"), std::string::npos);
    EXPECT_NE(engine.error().sentence.find("net_null"), std::string::npos);
  });
  in_child([] {
    auto engine = start_engine(config_of({"net_null0", "net_pcap0,rx_pcap=/nonexistent"}, 1));
    ASSERT_FALSE(engine.has_value());
    EXPECT_NE(engine.error().sentence.find("No such file"), std::string::npos)
        << engine.error().sentence;
  });
}

TEST(Engine, a_device_that_two_ports_use_is_refused) {
  in_child([] {
    auto engine = start_engine(config_of({"net_null0", "net_null0"}, 1));
    ASSERT_FALSE(engine.has_value());
    EXPECT_NE(engine.error().sentence.find("another port uses it"), std::string::npos);
  });
}

TEST(Engine, a_missing_core_is_named_with_those_there_are) {
  in_child([] {
    EngineConfig config = config_of({"net_null0"}, 1);
    config.worker_cores = {1'000};
    auto engine = start_engine(config);
    ASSERT_FALSE(engine.has_value());
    EXPECT_EQ(engine.error().code, "missing-core");
    EXPECT_NE(engine.error().sentence.find("core 1000 does not exist"), std::string::npos);
    EXPECT_NE(engine.error().sentence.find(list_of_cores(usable_cores())), std::string::npos);
  });
}

TEST(Engine, required_huge_pages_that_are_not_there_refuse_the_start) {
  if (free_huge_memory() > 0) GTEST_SKIP() << "there are free huge pages";
  in_child([] {
    EngineConfig config = config_of({"net_null0"}, 1);
    config.huge_pages = HugePages::Require;
    auto engine = start_engine(config);
    ASSERT_FALSE(engine.has_value());
    EXPECT_EQ(engine.error().code, "no-huge-pages");
    EXPECT_NE(engine.error().sentence.find("0 MiB are free"), std::string::npos);
  });
}

TEST(Engine, a_thousand_publishes_reach_every_worker_and_keep_one_policy) {
  in_child([] {
    auto engine = start_engine(config_of({"net_null0,no-rx=0", "net_null1,no-rx=0"}, 2));
    ASSERT_TRUE(engine.has_value()) << engine.error().sentence;
    // A worker that has not begun yet shows no generation, and nobody waits for it.
    ASSERT_TRUE(wait_until([&] { return all_have_turned(**engine); }));
    std::vector<std::weak_ptr<const PolicySnapshot>> former;
    for (std::uint32_t generation = 1; generation <= 1'000; ++generation) {
      auto snapshot = snapshot_of(generation);
      former.push_back(snapshot);
      Status published = (*engine)->publish(std::move(snapshot), 10'000);
      ASSERT_TRUE(published.has_value()) << published.error().sentence;
      for (const WorkerCounters& worker : (*engine)->counters().workers) {
        ASSERT_GE(worker.generation.value() + 1, generation);
      }
    }
    EXPECT_EQ((*engine)->published(), former.back().lock());
    former.pop_back();
    for (const auto& snapshot : former) ASSERT_TRUE(snapshot.expired());
    const auto all_enforce_the_last = [&] {
      for (const WorkerCounters& worker : (*engine)->counters().workers) {
        if (worker.generation != Generation(1'000)) return false;
      }
      return true;
    };
    EXPECT_TRUE(wait_until(all_enforce_the_last));
    (*engine)->stop();
  });
}

// Sends captures in by one device and counts what reached the file of the other.
void forward_captures(std::size_t worker_count, const std::string& in, const Directory& directory,
                      std::size_t expected) {
  const std::string out = directory / "out.pcap";
  auto engine = start_engine(config_of({in, "net_pcap1,tx_pcap=" + out}, worker_count));
  ASSERT_TRUE(engine.has_value()) << engine.error().sentence;
  ASSERT_TRUE((*engine)->publish(snapshot_of(1), 10'000).has_value());
  const auto all_came_in = [&] { return (*engine)->counters().nics[0].rx_packets == expected; };
  EXPECT_TRUE(wait_until(all_came_in)) << (*engine)->counters().nics[0].rx_packets;
  (*engine)->stop();
  const EngineCounters counters = (*engine)->counters();
  // Those that came in before the policy was there were dropped for that reason, and no other.
  const auto no_policy = counters.nics[0].drops[static_cast<std::size_t>(DropReason::NoPolicy)];
  EXPECT_EQ(counters.nics[0].dropped(), no_policy);
  EXPECT_EQ(counters.nics[0].rx_packets, counters.nics[1].tx_packets + no_policy);
  EXPECT_EQ(packets_in_capture(out), counters.nics[1].tx_packets);
}

TEST(Engine, packets_of_a_capture_come_out_at_the_other_end) {
  in_child([] {
    const Directory directory;
    const std::string in = write_capture(directory / "in.pcap", 1'000, 1'000);
    forward_captures(1, "net_pcap0,rx_pcap=" + in, directory, 1'000);
  });
}

TEST(Engine, workers_without_a_transmit_queue_send_by_the_one_that_has_it) {
  in_child([] {
    const Directory directory;
    // Few enough for the ring between the workers, should the sender rest meanwhile.
    const std::string left = write_capture(directory / "left.pcap", 400, 1'000);
    const std::string right = write_capture(directory / "right.pcap", 400, 2'000);
    forward_captures(2, "net_pcap0,rx_pcap=" + left + ",rx_pcap=" + right, directory, 800);
  });
}

TEST(Engine, workers_answer_requests_between_bursts) {
  in_child([] {
    auto engine = start_engine(config_of({"net_null0,no-rx=0", "net_null1,no-rx=0"}, 2));
    ASSERT_TRUE(engine.has_value()) << engine.error().sentence;
    for (int i = 0; i < 100; ++i) {
      // A page may be empty and not the last: one for each worker at most.
      std::uint64_t cursor = 0;
      unsigned pages = 0;
      do {
        Result<FlowPage> page = (*engine)->flows(cursor, 10, {});
        ASSERT_TRUE(page.has_value()) << page.error().sentence;
        EXPECT_TRUE(page->flows.empty());
        cursor = page->next_cursor;
        ASSERT_LE(++pages, 2u);
      } while (cursor != 0);
      ASSERT_TRUE((*engine)->log_law().has_value());
    }
    (*engine)->stop();
    EXPECT_FALSE((*engine)->flows(0, 10, {}).has_value());
  });
}

TEST(Engine, tells_whose_uplink_a_port_is) {
  in_child([] {
    EngineConfig config = config_of({"net_null0,no-rx=1"}, 1);
    config.nics[0].role = NicRole::Uplink;
    config.nics[0].vpcs = {VpcIndex(0), VpcIndex(3)};
    auto engine = start_engine(config);
    ASSERT_TRUE(engine.has_value()) << engine.error().sentence;
    EXPECT_EQ((*engine)->nics()[0].vpcs, config.nics[0].vpcs);
    (*engine)->stop();
  });
}

TEST(PacketBuffers, suffice_for_full_rings_between_any_number_of_workers) {
  const EngineConfig config = config_of({"net_null0", "net_null1"}, 1);
  for (std::size_t workers = 1; workers <= kWorkersMax; ++workers) {
    const std::size_t others = workers - 1;
    const std::size_t inboxes =
        workers * others * SpscRing<Handoff>(handoff_ring_size(workers)).capacity();
    const std::size_t fragments = workers * FragmentTableConfig{}.held_max;
    // Of each device: receive descriptors, and one transmit queue that all the others go by.
    const std::size_t devices = 2 * (workers * Nic::kDescriptors + Nic::kDescriptors +
                                     others * (kTransmitRing + kBurstMax));
    EXPECT_GT(packet_buffers_needed(config, workers), inboxes + fragments + devices) << workers;
    EXPECT_LE(others * handoff_ring_size(workers), 4'096u) << workers;
  }
}

}  // namespace
}  // namespace sluice
