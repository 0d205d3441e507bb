#include "flowtable/zeroed_memory.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace sluice {
namespace {

class ZeroedMemoryOfSize : public testing::TestWithParam<std::size_t> {};

TEST_P(ZeroedMemoryOfSize, is_zero_and_writable_to_its_last_byte) {
  for (const bool touch : {false, true}) {
    const ZeroedMemory memory(GetParam(), touch);
    ASSERT_EQ(memory.size(), GetParam());
    auto* bytes = memory.as<std::uint8_t>();
    for (std::size_t i = 0; i < memory.size(); i += 509) ASSERT_EQ(bytes[i], 0) << i;
    EXPECT_EQ(bytes[memory.size() - 1], 0);
    bytes[memory.size() - 1] = 7;
    EXPECT_EQ(bytes[memory.size() - 1], 7);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes) % 4096, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ZeroedMemoryOfSize,
                         testing::Values(std::size_t{1}, std::size_t{4096}, std::size_t{4097},
                                         std::size_t{2} << 20, (std::size_t{5} << 20) + 3));

TEST(ZeroedMemory, costs_nothing_until_it_is_used) {
  const ZeroedMemory memory(std::size_t{1} << 36, false);
  memory.as<std::uint8_t>()[std::size_t{1} << 35] = 1;
  EXPECT_EQ(memory.as<std::uint8_t>()[std::size_t{1} << 35], 1);
}

TEST(ZeroedMemoryDeathTest, ends_the_process_where_there_is_no_such_room) {
  EXPECT_DEATH(ZeroedMemory(std::size_t{1} << 60, false), "CHECK failed");
}

}  // namespace
}  // namespace sluice
