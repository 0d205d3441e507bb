#include "dataplane/worker_thread.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <string>
#include <thread>

#include <pthread.h>
#include <rte_cycles.h>
#include <rte_lcore.h>

#include "dataplane/turn_clock.h"

namespace sluice {
namespace {

constexpr unsigned kIdleTurnsMin = 1'000;  // that found nothing, before a rest
constexpr std::chrono::seconds kFlushMax{5};

sigset_t packet_signals() {
  // The tap driver takes the first free real-time signal above SIGRTMIN.
  sigset_t set;
  sigemptyset(&set);
  for (int number = SIGRTMIN + 1; number < SIGRTMAX; ++number) sigaddset(&set, number);
  return set;
}

class TurnTime {
 public:
  TurnTime() : clock_(rte_get_tsc_hz(), rte_rdtsc(), unix_now()) {}
  UnixNanos now() {
    const std::uint64_t ticks = rte_rdtsc();
    if (clock_.is_due(ticks)) [[unlikely]]
      clock_.align(ticks, unix_now());
    return clock_.at(ticks);
  }
  std::uint64_t offset_ns() const { return clock_.offset_ns(); }

 private:
  TurnClock clock_;
};

void poll(const WorkerThread& thread, TurnTime& time) {
  unsigned idle_turns = 0;
  while (thread.phase->load(std::memory_order_relaxed) == WorkerPhase::Running) {
    const UnixNanos now = time.now();
    const std::size_t packets = thread.worker->turn(now, time.offset_ns());
    idle_turns = packets > 0 ? 0 : idle_turns + 1;
    if (thread.idle_sleep_us > 0 && idle_turns > kIdleTurnsMin) {
      std::this_thread::sleep_for(std::chrono::microseconds(thread.idle_sleep_us));
    }
  }
}

void flush(const WorkerThread& thread, TurnTime& time) {
  const auto deadline = std::chrono::steady_clock::now() + kFlushMax;
  for (;;) {
    const UnixNanos now = time.now();
    if (thread.worker->finish(now, time.offset_ns())) return;
    if (std::chrono::steady_clock::now() > deadline) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

UnixNanos unix_now() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<UnixNanos>(time.tv_sec) * kNanosPerSecond +
         static_cast<UnixNanos>(time.tv_nsec);
}

void block_packet_signals() {
  const sigset_t set = packet_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // When too many signals wait the kernel sends SIGIO instead, whose default is to end us.
  std::signal(SIGIO, SIG_IGN);
}

void unblock_packet_signals() {
  const sigset_t set = packet_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void run_worker(const WorkerThread& thread) {
  const std::string name = "sluice-worker" + std::to_string(thread.index.value());
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
  thread.phase->wait(WorkerPhase::Waiting, std::memory_order_acquire);
  if (thread.phase->load(std::memory_order_acquire) != WorkerPhase::Running) return;
  // Gives the thread a cache of packet buffers of its own.
  const bool is_registered = rte_thread_register() == 0;
  unblock_packet_signals();
  thread.epoch->enter(thread.index.value());
  TurnTime time;
  poll(thread, time);
  flush(thread, time);
  thread.epoch->leave(thread.index.value());
  block_packet_signals();
  if (is_registered) rte_thread_unregister();
}

}  // namespace sluice
