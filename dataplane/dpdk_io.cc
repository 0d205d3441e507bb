#include "dataplane/dpdk_io.h"

#include <algorithm>
#include <utility>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "base/cache_line.h"

namespace sluice {
namespace {

rte_mbuf* mbuf_of(const Frame& frame) { return static_cast<rte_mbuf*>(frame.handle); }

Frame frame_of(rte_mbuf* mbuf) {
  Frame frame;
  frame.data = rte_pktmbuf_mtod(mbuf, std::uint8_t*);
  frame.contiguous = mbuf->data_len;
  frame.length = mbuf->pkt_len;
  frame.capacity = mbuf->data_len;
  if (mbuf->nb_segs == 1) frame.capacity += rte_pktmbuf_tailroom(mbuf);
  frame.handle = mbuf;
  return frame;
}

// A packet of several segments: into one if it fits. Where its headers stay in pieces the pipeline
// sees the first of them, and drops and counts the packet as malformed.
[[gnu::cold]] void make_readable(rte_mbuf* mbuf) { rte_pktmbuf_linearize(mbuf); }

// The pipeline changed the length of a packet.
[[gnu::cold]] void set_length(rte_mbuf* mbuf, std::uint32_t length) {
  if (mbuf->nb_segs == 1) {
    mbuf->pkt_len = length;
    mbuf->data_len = static_cast<std::uint16_t>(length);
    return;
  }
  // Segments can only be cut: the end lies in one of them, those behind are left empty.
  std::uint32_t left = std::min(length, mbuf->pkt_len);
  mbuf->pkt_len = left;
  for (rte_mbuf* segment = mbuf; segment != nullptr; segment = segment->next) {
    segment->data_len =
        static_cast<std::uint16_t>(std::min<std::uint32_t>(segment->data_len, left));
    left -= segment->data_len;
  }
}

}  // namespace

DpdkIo::DpdkIo(std::vector<NicAccess> nics, rte_mempool* pool)
    : nics_(std::move(nics)), pool_(pool) {}

std::size_t DpdkIo::receive(NicIndex nic, std::span<Frame> frames) {
  NicAccess& access = nics_[nic.value()];
  if (!access.backlogs.empty()) drain_backlogs(access);
  std::array<rte_mbuf*, kBurstMax> mbufs;
  std::size_t count = 0;
  // Begins with another queue each time, so that a busy one does not starve the rest.
  const std::size_t queue_count = access.rx_queues.size();
  if (++access.first_queue >= queue_count) access.first_queue = 0;
  for (std::size_t polled = 0; polled < queue_count; ++polled) {
    const std::size_t room = std::min(frames.size() - count, kBurstMax);
    if (room == 0) break;
    const std::size_t place = access.first_queue + polled;
    const std::uint16_t queue = access.rx_queues[place < queue_count ? place : place - queue_count];
    const std::size_t got =
        rte_eth_rx_burst(access.dpdk_port, queue, mbufs.data(), static_cast<std::uint16_t>(room));
    for (std::size_t i = 0; i < got; ++i) {
      rte_mbuf* mbuf = mbufs[i];
      if (mbuf->nb_segs > 1) [[unlikely]]
        make_readable(mbuf);
      frames[count] = frame_of(mbuf);
      prefetch_read(frames[count].data);
      ++count;
    }
  }
  return count;
}

std::size_t DpdkIo::send(NicIndex nic, std::span<const Frame> frames) {
  NicAccess& access = nics_[nic.value()];
  std::size_t sent = 0;
  while (sent < frames.size()) {
    std::array<rte_mbuf*, kBurstMax> mbufs;
    const std::size_t count = std::min(frames.size() - sent, kBurstMax);
    for (std::size_t i = 0; i < count; ++i) {
      const Frame& frame = frames[sent + i];
      mbufs[i] = mbuf_of(frame);
      if (mbufs[i]->pkt_len != frame.length) set_length(mbufs[i], frame.length);
    }
    std::size_t accepted = 0;
    if (access.outbox == nullptr) [[likely]] {
      accepted = rte_eth_tx_burst(access.dpdk_port, access.tx_queue, mbufs.data(),
                                  static_cast<std::uint16_t>(count));
    } else {
      while (accepted < count && access.outbox->try_push(mbufs[accepted])) ++accepted;
    }
    sent += accepted;
    if (accepted < count) break;
  }
  return sent;
}

void DpdkIo::release(std::span<const Frame> frames) {
  while (!frames.empty()) {
    std::array<rte_mbuf*, kBurstMax> mbufs;
    const std::size_t count = std::min(frames.size(), kBurstMax);
    for (std::size_t i = 0; i < count; ++i) mbufs[i] = mbuf_of(frames[i]);
    rte_pktmbuf_free_bulk(mbufs.data(), static_cast<unsigned>(count));
    frames = frames.subspan(count);
  }
}

bool DpdkIo::allocate(Frame& frame) {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
  if (mbuf == nullptr) return false;
  frame = frame_of(mbuf);
  return true;
}

void DpdkIo::drain_backlogs(NicAccess& access) {
  for (TransmitBacklog& backlog : access.backlogs) {
    if (backlog.count == 0) {
      backlog.first = 0;
      backlog.count = backlog.ring->pop(backlog.waiting);
      if (backlog.count == 0) continue;
    }
    const std::size_t accepted =
        rte_eth_tx_burst(access.dpdk_port, access.tx_queue, &backlog.waiting[backlog.first],
                         static_cast<std::uint16_t>(backlog.count));
    backlog.first += accepted;
    backlog.count -= accepted;
  }
}

NicIndex DpdkIo::nic_of(const rte_mbuf& mbuf) const {
  for (std::size_t nic = 0; nic < nics_.size(); ++nic) {
    if (nics_[nic].dpdk_port == mbuf.port) return NicIndex(static_cast<std::uint16_t>(nic));
  }
  return NicIndex::none();
}

std::vector<Unsent> DpdkIo::finish() {
  std::vector<Unsent> unsent;
  for (std::size_t nic = 0; nic < nics_.size(); ++nic) {
    NicAccess& access = nics_[nic];
    for (TransmitBacklog& backlog : access.backlogs) {
      do {
        drain_backlogs(access);
        for (; backlog.count > 0; --backlog.count) {
          rte_mbuf* mbuf = backlog.waiting[backlog.first++];
          unsent.push_back({backlog.from, nic_of(*mbuf), NicIndex(static_cast<std::uint16_t>(nic)),
                            mbuf->pkt_len});
          rte_pktmbuf_free(mbuf);
        }
      } while (backlog.ring->size() > 0);
    }
  }
  return unsent;
}

}  // namespace sluice
