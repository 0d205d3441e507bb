// A worker's access to real DPDK devices, without the worker. DPDK starts once per process, so
// every test runs in a child of its own.

#include "dataplane/dpdk_io.h"

#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/core_plan.h"
#include "dataplane/eal.h"
#include "dataplane/nic.h"
#include "dataplane/packet_buffers.h"
#include "tests/dataplane/engine_support.h"

namespace sluice {
namespace {

// One device, started, and its pool.
struct Device {
  std::unique_ptr<Eal> eal;
  PacketPool pool;
  std::unique_ptr<Nic> nic;

  explicit Device(const std::string& name) {
    constexpr std::size_t kBuffers = 8'191;
    EalOptions options;
    options.main_core = usable_cores().front();
    options.huge_pages = HugePages::Never;
    options.memory_size = memory_needed(kBuffers);
    eal = std::move(*Eal::start(options));
    NicConfig config;
    config.id = "port";
    config.device = name;
    nic = std::move(*Nic::probe(config, *eal));
    pool = std::move(*make_packet_pool(kBuffers, nic->mtu()));
    CHECK(nic->start(pool.get(), 1, *eal).has_value());
  }
  NicAccess access() const {
    NicAccess access;
    access.dpdk_port = nic->dpdk_port();
    for (unsigned queue = 0; queue < nic->rx_queues(); ++queue) {
      access.rx_queues.push_back(static_cast<std::uint16_t>(queue));
    }
    return access;
  }
  rte_mbuf* make_packet(std::uint16_t size) const {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool.get());
    CHECK(mbuf != nullptr && rte_pktmbuf_append(mbuf, size) != nullptr);
    return mbuf;
  }
  bool transmit(rte_mbuf* mbuf) const {
    return rte_eth_tx_burst(nic->dpdk_port(), 0, &mbuf, 1) == 1;
  }
};

TEST(DpdkIo, serves_every_receive_queue_under_load) {
  in_child([] {
    const Directory directory;
    const std::string left = write_capture(directory / "left.pcap", 1'000, 1'000);
    const std::string right = write_capture(directory / "right.pcap", 1'000, 10'000);
    const Device device("net_pcap0,rx_pcap=" + left + ",rx_pcap=" + right);
    ASSERT_EQ(device.nic->rx_queues(), 2u);
    DpdkIo io({device.access()}, device.pool.get());
    std::size_t of_left = 0, of_right = 0;
    for (int burst = 0; burst < 8; ++burst) {
      std::array<Frame, kBurstMax> frames;
      ASSERT_EQ(io.receive(NicIndex(0), frames), kBurstMax);
      for (const Frame& frame : frames) {
        const unsigned port = frame.data[34] * 256u + frame.data[35];
        ++(port < 10'000 ? of_left : of_right);
      }
      io.release(frames);
    }
    EXPECT_EQ(of_left, of_right);
  });
}

TEST(DpdkIo, shows_a_packet_whose_headers_stay_in_pieces) {
  in_child([] {
    const Device device("net_ring0");
    DpdkIo io({device.access()}, device.pool.get());
    // Nothing fits behind the first piece.
    rte_mbuf* head = rte_pktmbuf_alloc(device.pool.get());
    ASSERT_NE(head, nullptr);
    head->data_off = static_cast<std::uint16_t>(head->buf_len - 20);
    ASSERT_NE(rte_pktmbuf_append(head, 20), nullptr);
    ASSERT_EQ(rte_pktmbuf_chain(head, device.make_packet(200)), 0);
    ASSERT_TRUE(device.transmit(head));
    std::array<Frame, kBurstMax> frames;
    ASSERT_EQ(io.receive(NicIndex(0), frames), 1u);
    EXPECT_EQ(frames[0].contiguous, 20u);
    EXPECT_EQ(frames[0].length, 220u);
    io.release(std::span(frames).first(1));
  });
}

TEST(DpdkIo, tells_what_no_device_took_when_it_ends) {
  in_child([] {
    const Device device("net_ring0");
    const unsigned all = rte_mempool_avail_count(device.pool.get());
    rte_mbuf* full = device.make_packet(60);
    std::size_t taken = 0;
    for (; device.transmit(full); ++taken) full = device.make_packet(60);
    rte_pktmbuf_free(full);
    MbufRing ring(512);
    for (std::uint16_t i = 0; i < 100; ++i) {
      rte_mbuf* mbuf = device.make_packet(static_cast<std::uint16_t>(60 + i));
      mbuf->port = i == 0 ? RTE_MBUF_PORT_INVALID : device.nic->dpdk_port();
      ASSERT_TRUE(ring.try_push(mbuf));
    }
    NicAccess access = device.access();
    access.backlogs.emplace_back();
    access.backlogs[0].ring = &ring;
    access.backlogs[0].from = WorkerIndex(1);
    DpdkIo io({access}, device.pool.get());
    const std::vector<Unsent> unsent = io.finish();
    ASSERT_EQ(unsent.size(), 100u);
    EXPECT_TRUE(unsent[0].in.is_none());
    EXPECT_EQ(unsent[1].in, NicIndex(0));
    EXPECT_EQ(unsent[1].out, NicIndex(0));
    EXPECT_EQ(unsent[1].from, WorkerIndex(1));
    EXPECT_EQ(unsent[99].bytes, 159u);
    EXPECT_EQ(rte_mempool_avail_count(device.pool.get()), all - taken) << "they were not freed";
  });
}

}  // namespace
}  // namespace sluice
