#pragma once

// One worker of the real pipeline, a policy, and packets of established flows from memory: what a
// packet costs beside its input and output, without a device, root or huge pages.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/packet_io.h"
#include "dataplane/worker.h"
#include "lookup/policy_snapshot.h"

namespace sluice {

// Which way the packets of a run go.
enum class BenchWay : std::uint8_t {
  Bump,      // from outside to inside, on a bump in the wire
  Inbound,   // from the uplink to the ports of interfaces
  Outbound,  // from the port of an interface to the uplink
  Between,   // from the port of an interface to that of another
};

struct BenchPlan {
  BenchWay way = BenchWay::Bump;
  Family family = Family::Ipv4;
  std::uint32_t flows = 4'096;
  std::uint32_t rules = 100;
  bool is_logged = false;
};

using BenchFrame = std::array<std::uint8_t, 64>;

// A device that replays frames for ever into a few hot buffers, as net_pcap does, and takes all
// that is sent to any other.
class ReplayIo final : public PacketIo {
 public:
  ReplayIo(NicIndex source, std::span<const BenchFrame> frames)
      : source_(source), frames_(frames) {}
  // Nothing comes while it rests.
  void rest(bool rests) { rests_ = rests; }
  std::uint64_t sent() const { return sent_; }

  std::size_t receive(NicIndex nic, std::span<Frame> frames) override;
  std::size_t send(NicIndex, std::span<const Frame> frames) override {
    sent_ += frames.size();
    return frames.size();
  }
  void release(std::span<const Frame>) override {}
  bool allocate(Frame&) override { return false; }

 private:
  NicIndex source_;
  std::span<const BenchFrame> frames_;
  std::size_t next_ = 0;
  std::uint64_t sent_ = 0;
  bool rests_ = false;
  alignas(kCacheLine) std::array<BenchFrame, kBurstMax> buffers_{};
};

class BenchWorld {
 public:
  // No flow is there yet: the first round of packets makes them all.
  explicit BenchWorld(const BenchPlan& plan);
  ~BenchWorld();

  // Makes every flow, in an order of chance, so that the order of the replay is not that of the
  // table.
  void admit_all();

  // One turn: a burst of packets through the whole pipeline.
  std::size_t turn();
  // The same burst received and sent by nobody: the input and output alone.
  std::size_t bare_turn();
  // True if every packet since the last call was sent, and every flow is still there.
  bool is_sound() const;

 private:
  BenchPlan plan_;
  std::vector<BenchFrame> frames_;
  std::shared_ptr<const PolicySnapshot> policy_;
  Published<PolicySnapshot> published_;
  std::unique_ptr<ReplayIo> io_;
  std::unique_ptr<Worker> worker_;
  UnixNanos now_ns_;
  std::array<Frame, kBurstMax> bare_frames_;
};

}  // namespace sluice
