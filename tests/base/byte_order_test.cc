#include "base/byte_order.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

namespace sluice {
namespace {

TEST(ByteOrder, puts_the_highest_byte_first) {
  const Be16 two = Be16::from_host(0x0102);
  const Be32 four = Be32::from_host(0x01020304);
  const Be64 eight = Be64::from_host(0x0102030405060708);
  const std::array<std::uint8_t, 8> expected{1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(std::memcmp(&two, expected.data(), 2), 0);
  EXPECT_EQ(std::memcmp(&four, expected.data(), 4), 0);
  EXPECT_EQ(std::memcmp(&eight, expected.data(), 8), 0);
}

TEST(ByteOrder, gives_back_what_it_was_given) {
  for (const std::uint64_t value : {0ull, 1ull, 0x8000000000000000ull, 0xfedcba9876543210ull}) {
    EXPECT_EQ(Be16::from_host(static_cast<std::uint16_t>(value)).host(),
              static_cast<std::uint16_t>(value));
    EXPECT_EQ(Be32::from_host(static_cast<std::uint32_t>(value)).host(),
              static_cast<std::uint32_t>(value));
    EXPECT_EQ(Be64::from_host(value).host(), value);
  }
}

TEST(ByteOrder, may_lie_at_any_address) {
  std::array<std::uint8_t, 16> packet{};
  for (std::size_t at = 0; at < 8; ++at) {
    const Be32 written = Be32::from_host(0xdeadbeef);
    std::memcpy(packet.data() + at, &written, sizeof written);
    EXPECT_EQ(reinterpret_cast<const Be32*>(packet.data() + at)->host(), 0xdeadbeefu);
  }
}

}  // namespace
}  // namespace sluice
