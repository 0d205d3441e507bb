#pragma once

// A wait-free ring: one thread pushes, one thread pops, nobody waits. Full is an answer, not a
// wait. Each side keeps its own index and a copy of the other's last seen index on a line of its
// own, so that a push or pop usually touches one shared line.
//
// Pairing: push stores tail_ with release, pop loads it with acquire (the items are visible);
// pop stores head_ with release, push loads it with acquire (the slots are free again).

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include "base/cache_line.h"
#include "base/check.h"

namespace sluice {

template <class T>
class SpscRing {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // Takes all its memory now. `capacity` is rounded up to a power of two.
  explicit SpscRing(std::size_t capacity)
      : mask_(std::bit_ceil(capacity) - 1), slots_(std::make_unique<T[]>(mask_ + 1)) {
    CHECK(capacity > 0);
  }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  std::size_t capacity() const { return mask_ + 1; }

  // Writer only. False if the ring is full; then nothing happened.
  bool try_push(const T& item) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) return false;
    }
    slots_[tail & mask_] = item;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // Reader only. Takes up to out.size() items, in order; returns how many.
  std::size_t pop(std::span<T> out) {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (tail_seen_ == head) {
      tail_seen_ = tail_.load(std::memory_order_acquire);
      if (tail_seen_ == head) return 0;
    }
    const std::size_t waiting = tail_seen_ - head;
    const std::size_t count = waiting < out.size() ? waiting : out.size();
    for (std::size_t i = 0; i < count; ++i) out[i] = slots_[(head + i) & mask_];
    head_.store(head + count, std::memory_order_release);
    return count;
  }

  // Any thread, never above the capacity; exact only when both sides rest.
  std::size_t size() const {
    // In this order, or a reader that gets on in between would make the difference negative. A
    // writer that gets on in between may make it too great.
    const std::size_t head = head_.load(std::memory_order_acquire);
    const std::size_t waiting = tail_.load(std::memory_order_acquire) - head;
    return waiting < capacity() ? waiting : capacity();
  }

 private:
  const std::size_t mask_;
  const std::unique_ptr<T[]> slots_;
  alignas(kCacheLine) std::atomic<std::size_t> tail_{0};  // written by the writer
  std::size_t head_seen_ = 0;                             // writer's own
  alignas(kCacheLine) std::atomic<std::size_t> head_{0};  // written by the reader
  std::size_t tail_seen_ = 0;                             // reader's own
};

}  // namespace sluice
