#include "flowtable/free_entries.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

#include "flowtable/flow_entry.h"

namespace sluice {
namespace {

template <class Key>
class FreeEntriesOf : public testing::Test {
 protected:
  static constexpr std::uint32_t kCount = 1'000;
  FreeEntriesOf() : memory(kCount), free(memory.data()) {}

  std::vector<FlowEntry<Key>> memory;
  FreeEntries<FlowEntry<Key>> free;
};

using Keys = testing::Types<Ipv4FlowKey, Ipv6FlowKey>;
TYPED_TEST_SUITE(FreeEntriesOf, Keys);

TYPED_TEST(FreeEntriesOf, are_none_in_the_beginning) {
  EXPECT_EQ(this->free.take(), FreeEntries<FlowEntry<TypeParam>>::kNone);
}

TYPED_TEST(FreeEntriesOf, are_each_taken_once_in_any_order_of_puts_and_takes) {
  std::mt19937 draw(7);
  std::set<std::uint32_t> held;  // not free
  for (std::uint32_t i = 0; i < this->kCount; ++i) held.insert(i);
  std::size_t free_count = 0;
  for (int step = 0; step < 100'000; ++step) {
    // Long runs of either, so that it gets nearly full and nearly empty.
    const bool is_put = (step / 3'000 % 2 == 0) == (draw() % 4 != 0);
    if (is_put && !held.empty()) {
      auto one = held.lower_bound(draw() % this->kCount);
      if (one == held.end()) one = held.begin();
      this->free.put(*one);
      held.erase(one);
      ++free_count;
    } else if (!is_put) {
      const std::uint32_t index = this->free.take();
      ASSERT_EQ(index == FreeEntries<FlowEntry<TypeParam>>::kNone, free_count == 0);
      if (free_count == 0) continue;
      ASSERT_LT(index, this->kCount);
      ASSERT_TRUE(held.insert(index).second) << index << " was taken twice";
      --free_count;
    }
  }
}

TYPED_TEST(FreeEntriesOf, keep_their_keys_and_their_phase) {
  for (std::uint32_t i = 0; i < 20; ++i) {
    this->memory[i].key.eni_proto = i;
    this->memory[i].state.phase = static_cast<std::uint8_t>(FlowPhase::Free);
    this->memory[i].state.last_seen_ms = i;
    this->free.put(i);
  }
  for (std::uint32_t i = 0; i < 20; ++i) {
    EXPECT_EQ(this->memory[i].key.eni_proto, i);
    EXPECT_EQ(this->memory[i].state.flow_phase(), FlowPhase::Free);
    EXPECT_EQ(this->memory[i].state.last_seen_ms, i);
  }
}

}  // namespace
}  // namespace sluice
