#pragma once

// Read-copy-update a reader cannot forget, over rte_rcu_qsbr.
//
// A worker is a reader: it may look at a Published object only through a Section, which lives for
// one burst, and it reports a quiescent state between bursts. The writer swaps the pointer, asks
// for a grace period, and frees the old object when every reader has passed it. Readers never
// wait, never write a shared line but their own.
//
// Pairing: publish stores the pointer with release, Section loads it with acquire; quiescent()
// stores the reader's counter with release, the writer's check loads it with acquire.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#include "base/check.h"
#include "base/ids.h"

namespace sluice {

class EpochDomain {
 public:
  // For readers 0 … reader_count-1. Needs no DPDK environment.
  explicit EpochDomain(unsigned reader_count)
      : size_(rte_rcu_qsbr_get_memsize(reader_count)),
        memory_(static_cast<rte_rcu_qsbr*>(std::aligned_alloc(64, (size_ + 63) / 64 * 64))) {
    CHECK(memory_ != nullptr);
    CHECK(rte_rcu_qsbr_init(memory_, reader_count) == 0);
  }
  ~EpochDomain() { std::free(memory_); }
  EpochDomain(const EpochDomain&) = delete;
  EpochDomain& operator=(const EpochDomain&) = delete;

  // Reader's thread: from now on the writer waits for it.
  void enter(unsigned reader) {
    CHECK(rte_rcu_qsbr_thread_register(memory_, reader) == 0);
    rte_rcu_qsbr_thread_online(memory_, reader);
  }
  // Reader's thread: it holds nothing any more and will not look again until enter().
  void leave(unsigned reader) {
    rte_rcu_qsbr_thread_offline(memory_, reader);
    rte_rcu_qsbr_thread_unregister(memory_, reader);
  }
  // Reader's thread, between bursts: it holds nothing at this moment. A few cycles.
  void quiescent(unsigned reader) { rte_rcu_qsbr_quiescent(memory_, reader); }

  // Writer: begins a grace period, and asks whether it is over. Never waits.
  std::uint64_t start() { return rte_rcu_qsbr_start(memory_); }
  bool is_over(std::uint64_t token) { return rte_rcu_qsbr_check(memory_, token, false) == 1; }
  // Writer: waits for the end of a grace period, at most `timeout`; false if it is not over.
  // Readers that run pass it within a burst, so it looks closely at first; then it sleeps in
  // between, because a reader that does not run may be waiting for this very core.
  bool wait(std::uint64_t token, std::chrono::milliseconds timeout) {
    constexpr unsigned kCloseLooks = 1'000;
    constexpr std::chrono::microseconds kRest{20};
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    for (unsigned looks = 0; !is_over(token); ++looks) {
      if (looks < kCloseLooks) {
        rte_pause();
        continue;
      }
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(kRest);
    }
    return true;
  }

 private:
  std::size_t size_;
  rte_rcu_qsbr* memory_;
};

template <class T>
class Section;

// A pointer that the writer swaps and readers look at through a Section.
template <class T>
class Published {
 public:
  // Writer. Returns the former object; it may be freed after a grace period.
  const T* swap(const T* next) { return pointer_.exchange(next, std::memory_order_acq_rel); }

 private:
  friend class Section<T>;
  std::atomic<const T*> pointer_{nullptr};
};

// A reader's look at a Published object, valid until the reader's next quiescent(). Null before the
// first publish.
template <class T>
class Section {
 public:
  explicit Section(const Published<T>& published)
      : object_(published.pointer_.load(std::memory_order_acquire)) {}
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

  const T* get() const { return object_; }
  const T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  const T* object_;
};

}  // namespace sluice
