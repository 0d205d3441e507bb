#pragma once

// One worker of the real pipeline, a policy, and packets from memory: what a packet costs beside
// its input and output, without a device, root or huge pages.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/spsc_ring.h"
#include "dataplane/epoch.h"
#include "dataplane/packet_io.h"
#include "dataplane/turn_work.h"
#include "dataplane/worker.h"
#include "flowtable/flow_event.h"
#include "lookup/policy_snapshot.h"
#include "perf/dataplane/bench_frames.h"

namespace sluice {

// Devices that replay frames for ever, each into a few hot buffers of its own, as net_pcap does,
// and take all that is sent.
class ReplayIo final : public PacketIo {
 public:
  static constexpr std::size_t kSources = 2;
  static constexpr std::size_t kTailMax = 1'280;

  // From now on `nic` (below kSources) gives these frames, from the first, `burst` (up to
  // kBurstMax) at a time. One whose IP packet is longer than it goes on with `tail` (up to
  // kTailMax). They must outlive the replay.
  void play(NicIndex nic, std::span<const BenchFrame> frames, std::size_t burst = kBurstMax,
            std::string_view tail = {});
  // The next looks at `nic` find up to so many.
  void set_burst(NicIndex nic, std::size_t burst);
  std::uint64_t sent() const { return sent_; }

  std::size_t receive(NicIndex nic, std::span<Frame> frames) override;
  std::size_t send(NicIndex, std::span<const Frame> frames) override {
    sent_ += frames.size();
    return frames.size();
  }
  void release(std::span<const Frame>) override {}
  bool allocate(Frame&) override { return false; }

 private:
  struct Source {
    std::span<const BenchFrame> frames;
    std::size_t next = 0;
    std::size_t burst = 0;
    std::string_view tail;
    alignas(kCacheLine) std::array<BenchFrame, kBurstMax> buffers{};
    std::vector<std::array<std::uint8_t, sizeof(BenchFrame) + kTailMax>> long_buffers{};
  };
  static void lengthen(Source& source, std::span<Frame> frames);
  std::array<Source, kSources> sources_;
  std::uint64_t sent_ = 0;
};

class BenchWorld {
 public:
  // No flow is there yet: the first round of packets makes them all. `turn_ns` is how far a turn
  // moves the clock.
  explicit BenchWorld(const BenchPlan& plan, std::uint64_t turn_ns = 1'000);
  ~BenchWorld();

  // Makes every flow, in an order of chance, so that the order of the replay is not that of the
  // table, and tells what it is where rules demand that.
  void admit_all();

  // One turn: a burst of packets through the whole pipeline.
  std::size_t turn();
  // Of plans with two workers: one turn of the second, which hands over what other_io() gives it.
  std::size_t turn_of_other();
  // What the last turn() did, and how many entries the cache of verdicts has filled so far.
  const TurnWork& last_work() const;
  std::uint64_t filled_verdicts() const;
  // The same burst received and sent by nobody: the input and output alone.
  std::size_t bare_turn();
  // True if every packet so far was sent, and every flow is still there and, where rules demand
  // that, identified.
  bool is_sound() const;
  // True if every packet so far was sent.
  bool lost_nothing() const;
  // The flows whose application was told, so far.
  std::uint64_t identified() const;

  // Time passes without a turn.
  void pass_ms(std::uint64_t ms) { now_ns_ += ms * kNanosPerSecond / 1'000; }
  // The same, until a log window has just ended.
  void pass_to_next_window() {
    constexpr UnixNanos kWindowNs = kLogWindowS * kNanosPerSecond;
    now_ns_ = (now_ns_ / kWindowNs + 1) * kWindowNs;
  }

  // Into the log window under way.
  std::uint64_t second_of_window() const { return now_ns_ / kNanosPerSecond % kLogWindowS; }

  ReplayIo& io() { return io_; }
  ReplayIo& other_io() { return other_io_; }
  std::size_t interface_end() const { return worker_->interface_end(); }
  WorkerCounters counters() const { return worker_->counters(); }
  // Takes what the flow log was told since the last call; the number of packets in it.
  std::uint64_t take_logged_packets();

  // The thread that gives the turns, before the first and after the last of those that commit()
  // runs beside.
  void enter() { epoch_.enter(0); }
  void leave() { epoch_.leave(0); }
  // Another thread: gives the worker the same policy anew and waits until it enforces it.
  void commit();

 private:
  void make_other(WorkerConfig config);

  BenchPlan plan_;
  std::uint64_t turn_ns_;
  std::vector<BenchFrame> frames_;
  Generation generation_{1};
  std::shared_ptr<const PolicySnapshot> policy_;
  Published<PolicySnapshot> published_;
  EpochDomain epoch_{1};
  SpscRing<FlowDelta> deltas_;
  ReplayIo io_;
  ReplayIo other_io_;
  std::unique_ptr<SpscRing<Handoff>> handed_;  // from the second worker to the first
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<Worker> other_;
  UnixNanos now_ns_;
  std::array<Frame, kBurstMax> bare_frames_;
};

}  // namespace sluice
