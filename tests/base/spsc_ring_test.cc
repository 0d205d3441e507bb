#include "base/spsc_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/reference/test_scale.h"

namespace sluice {
namespace {

TEST(SpscRing, rounds_its_capacity_up_to_a_power_of_two) {
  EXPECT_EQ(SpscRing<int>(1).capacity(), 1u);
  EXPECT_EQ(SpscRing<int>(5).capacity(), 8u);
  EXPECT_EQ(SpscRing<int>(64).capacity(), 64u);
}

TEST(SpscRing, gives_items_back_in_order) {
  SpscRing<int> ring(8);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(ring.try_push(i));
  std::array<int, 3> out{};
  ASSERT_EQ(ring.pop(out), 3u);
  EXPECT_EQ(out, (std::array<int, 3>{0, 1, 2}));
  ASSERT_EQ(ring.pop(out), 2u);
  EXPECT_EQ(out[0], 3);
  EXPECT_EQ(out[1], 4);
  EXPECT_EQ(ring.pop(out), 0u);
}

TEST(SpscRing, refuses_when_full_and_changes_nothing) {
  SpscRing<int> ring(4);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(ring.try_push(i));
  EXPECT_FALSE(ring.try_push(99));
  EXPECT_EQ(ring.size(), 4u);
  std::array<int, 1> out{};
  ASSERT_EQ(ring.pop(out), 1u);
  EXPECT_EQ(out[0], 0);
  EXPECT_TRUE(ring.try_push(4));
  EXPECT_FALSE(ring.try_push(99));
  // A pop may stop at what it last saw of the writer; the next one takes the rest.
  std::array<int, 8> rest{};
  ASSERT_EQ(ring.pop(rest), 3u);
  EXPECT_EQ(rest[0], 1);
  ASSERT_EQ(ring.pop(rest), 1u);
  EXPECT_EQ(rest[0], 4);
}

TEST(SpscRing, goes_round_many_times) {
  SpscRing<std::uint64_t> ring(4);
  std::uint64_t next = 0;
  std::array<std::uint64_t, 3> out{};
  for (std::uint64_t pushed = 0; pushed < 1000;) {
    while (pushed < 1000 && ring.try_push(pushed)) ++pushed;
    const std::size_t count = ring.pop(out);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(out[i], next++);
  }
}

struct Item {
  std::uint64_t number;
  std::uint64_t square;  // shows a half-written item
};

class SpscRingThreads : public testing::TestWithParam<std::size_t> {};

TEST_P(SpscRingThreads, pass_every_item_once_in_order_and_whole) {
  SpscRing<Item> ring(GetParam());
  // A small ring makes the threads take turns, which is slow where they share a core.
  const std::uint64_t count = scaled_count(std::min<std::size_t>(200'000, 4'000 * GetParam()));
  std::thread writer([&ring, count] {
    for (std::uint64_t i = 0; i < count;) {
      if (ring.try_push({i, i * i})) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::uint64_t next = 0;
  std::uint64_t wrong = 0;
  std::vector<Item> out(17);
  while (next < count) {
    const std::size_t got = ring.pop(out);
    for (std::size_t i = 0; i < got; ++i, ++next) {
      if (out[i].number != next || out[i].square != next * next) ++wrong;
    }
    if (got == 0) std::this_thread::yield();
  }
  writer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(ring.pop(out), 0u);
}

INSTANTIATE_TEST_SUITE_P(SpscRing, SpscRingThreads, testing::Values(1, 2, 64, 4096));

TEST(SpscRing, tells_a_third_thread_a_size_that_can_be) {
  SpscRing<std::uint64_t> ring(64);
  const std::uint64_t count = scaled_count(2'000'000);
  // Sanitizers on a busy machine would take minutes for as many.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  std::atomic<bool> is_written{false};
  std::atomic<bool> is_over{false};
  std::thread writer([&ring, &is_written, count, deadline] {
    for (std::uint64_t i = 0; i < count;) {
      if (ring.try_push(i)) {
        ++i;
      } else {
        if (std::chrono::steady_clock::now() > deadline) break;
        std::this_thread::yield();
      }
    }
    is_written.store(true);
  });
  std::thread reader([&ring, &is_written, &is_over] {
    std::array<std::uint64_t, 7> out{};
    for (bool was_written = false;;) {
      const std::size_t got = ring.pop(out);
      if (got == 0 && was_written) break;
      // Asked before the next look at the ring, so that nothing is left behind.
      was_written = is_written.load();
      if (got == 0) std::this_thread::yield();
    }
    is_over.store(true);
  });
  std::uint64_t impossible = 0;
  while (!is_over.load()) {
    for (int i = 0; i < 1'000; ++i) {
      if (ring.size() > ring.capacity()) ++impossible;
    }
    std::this_thread::yield();
  }
  writer.join();
  reader.join();
  EXPECT_EQ(impossible, 0u);
  EXPECT_EQ(ring.size(), 0u);
}

}  // namespace
}  // namespace sluice
